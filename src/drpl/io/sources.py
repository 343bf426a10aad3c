"""Source images of a stack: files, folders and patterns, in natural order."""

from __future__ import annotations

import functools
import glob
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from drpl.errors import ReadError, StackError
from drpl.io.formats import READABLE
from drpl.io.provenance import is_result

_log = logging.getLogger(__name__)


def find_sources(paths: Sequence[str | Path]) -> list[Path]:
    """Find source images by files, folders and patterns.

    Parameters
    ----------
    paths : sequence of str or Path
        Files stay in the given order. A folder stands for its images, a pattern (``*``, ``?``,
        ``[ ]``, and ``**`` for nested folders) for the images that match it, both in natural order
        (``img2`` before ``img10``). Folders and patterns skip hidden files and suffixes outside
        `drpl.io.formats.READABLE`. They leave out results of earlier fusions among other images,
        and log their names.

    Returns
    -------
    list of Path

    Raises
    ------
    ReadError
        If a file does not exist, a folder holds no image or a pattern matches none.
    StackError
        If a file appears twice, or a picture appears in two formats.
    """
    found = [source for path in paths for source in _expand(Path(path))]
    seen: dict[Path, Path] = {}
    for source in found:
        resolved = source.resolve()
        if resolved in seen:
            raise StackError(
                f"{source}: is named twice (first as {seen[resolved]}); expected each frame once"
            )
        seen[resolved] = source
    return found


def _expand(path: Path) -> list[Path]:
    """Return the files that one argument stands for."""
    try:
        if path.is_dir():
            return _from_folder(path)
        if path.exists():
            return [path]
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror})") from error
    if not glob.has_magic(str(path)):
        raise ReadError(f"{path}: no such file or folder; expected images")
    found = _images(Path(match) for match in glob.iglob(str(path), recursive=True))
    if not found:
        raise ReadError(f"{path}: the pattern matches no image; expected at least one")
    return _one_format(_without_results(found))


def _from_folder(folder: Path) -> list[Path]:
    """Return the images of a folder."""
    found = _images(folder.iterdir())
    if not found:
        raise ReadError(f"{folder}: the folder holds no image; expected at least one")
    return _one_format(_without_results(found))


def _without_results(found: list[Path]) -> list[Path]:
    """Leave out results of earlier fusions; a folder of nothing but results is a stack."""
    frames = [path for path in found if not is_result(path)]
    if not frames:
        return found
    for path in sorted(set(found) - set(frames), key=natural_order):
        _tell_left_out(path)
    return frames


@functools.cache
def _tell_left_out(path: Path) -> None:
    """Log that a result is not a frame, once."""
    _log.warning(
        "%s: left out, since it is a result of drpl; name the file itself to fuse it", path
    )


def _images(paths: Iterable[Path]) -> list[Path]:
    """Return the visible files with an image suffix, in natural order."""
    found = [
        path
        for path in paths
        if path.suffix.lower() in READABLE and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(found, key=natural_order)


def natural_order(path: Path) -> list[tuple[list[str | int], str]]:
    """Return a sort key that compares numbers by value, and case only between equal names."""
    return [
        ([int(p) if p.isdecimal() else p.casefold() for p in re.split(r"(\d+)", part)], part)
        for part in path.parts
    ]


def _one_format(paths: list[Path]) -> list[Path]:
    """Refuse pictures in two formats, such as RAW and JPEG from the same shot."""
    seen: dict[Path, Path] = {}
    for path in paths:
        other = seen.setdefault(path.with_suffix(""), path)
        if other is not path:
            raise StackError(
                f"{other} and {path.name} are one picture in two formats; expected each frame "
                f"once; choose one format, such as '{path.parent / ('*' + path.suffix)}'"
            )
    return paths

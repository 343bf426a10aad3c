"""Find the source images of a stack: files, folders and patterns, in natural order."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from drpl.errors import ReadError, StackError
from drpl.io.formats import READABLE


def find_sources(paths: Sequence[str | Path]) -> list[Path]:
    """Find the source images that files, folders and patterns name.

    Parameters
    ----------
    paths : sequence of str or Path
        Files stay in the order given. A folder stands for the images in it, a pattern (``*``,
        ``?``, ``[ ]``, and ``**`` for folders in folders) for those that match, both in natural
        order (``img2`` before ``img10``); hidden files and other suffixes are skipped.

    Returns
    -------
    list of Path

    Raises
    ------
    ReadError
        If a file is not there, a folder holds no image or a pattern matches none.
    StackError
        If a file is named twice, or a picture is there in two formats.
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
    """The files that one argument stands for."""
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
    return _one_format(found)


def _from_folder(folder: Path) -> list[Path]:
    """Images of a folder."""
    found = _images(folder.iterdir())
    if not found:
        raise ReadError(f"{folder}: the folder holds no image; expected at least one")
    return _one_format(found)


def _images(paths: Iterable[Path]) -> list[Path]:
    """Those that are visible files with an image's suffix, in natural order."""
    found = [
        path
        for path in paths
        if path.suffix.lower() in READABLE and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(found, key=natural_order)


def natural_order(path: Path) -> list[tuple[list[str | int], str]]:
    """Sort key: numbers in names count as numbers, capitals only where all else is equal."""
    return [
        ([int(p) if p.isdecimal() else p.casefold() for p in re.split(r"(\d+)", part)], part)
        for part in path.parts
    ]


def _one_format(paths: list[Path]) -> list[Path]:
    """Refuse pictures that a camera saved twice, as RAW and JPEG, say."""
    seen: dict[Path, Path] = {}
    for path in paths:
        other = seen.setdefault(path.with_suffix(""), path)
        if other is not path:
            raise StackError(
                f"{other} and {path.name} are one picture in two formats; expected each frame "
                f"once: name one kind, such as '{path.parent / ('*' + path.suffix)}'"
            )
    return paths

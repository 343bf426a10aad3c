"""Stacks of a batch: found below a folder, once or while it fills."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from drpl.errors import ConfigError, ReadError, StackError
from drpl.io.formats import TIFF, WRITABLE
from drpl.io.pages import find_pages
from drpl.io.provenance import report_beside
from drpl.io.read import read_capture_time
from drpl.io.sources import find_sources, natural_order

GroupBy = Literal["folder", "time"]


@dataclass(frozen=True)
class BatchItem:
    """One stack of a batch.

    Its name is the path below the root, with ``/``; a number follows if a folder is split by time.
    ``pages`` is the number of frames of a stack in one file, else 0. A single frame is not fused.
    ``trouble`` says why the stack cannot be fused, if that is known.
    """

    name: str
    sources: tuple[Path, ...]
    output: Path
    trouble: str = ""
    pages: int = 0

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.pages or len(self.sources)

    @property
    def report(self) -> Path:
        """File of the report, beside the result."""
        return report_beside(self.output)

    def state(self) -> list[list[Any]]:
        """Return path, size and time of each source, to notice changes; see `size_and_time`."""
        return [[str(path), *size_and_time(path)] for path in self.sources]


def find_stacks(
    root: Path, output: Path, *, suffix: str = "", group_by: GroupBy = "folder", gap: float = 5.0
) -> list[BatchItem]:
    """Find the stacks below a folder, in natural order of their folders.

    A TIFF file of several pages is a stack of its own, named after the file. Hidden folders and
    ``output``, the folder for results, are not searched. Single pictures are included, and so are
    folders that make no stack, with the reason.

    Parameters
    ----------
    suffix : str
        Suffix of the results; by default that of the sources, or ``.tif`` if that format is not
        written.
    group_by : str
        ``"folder"``: the images of a folder are a stack. ``"time"``: they are split wherever more
        than ``gap`` seconds lie between two EXIF times.

    Raises
    ------
    ReadError
        If the root is not a folder.
    ConfigError
        If the suffix is not written, or the folder for results holds the root.
    """
    if not root.is_dir():
        raise ReadError(f"{root}: is not a folder; expected one that holds stacks")
    if suffix and suffix not in WRITABLE:
        raise ConfigError(f"suffix is {suffix!r}; expected one of {', '.join(WRITABLE)}")
    if root.resolve().is_relative_to(output.resolve()):
        raise ConfigError(
            f"output is {output}, which holds the stacks; expected another folder, such as "
            f"{root / 'results'}"
        )
    items: list[BatchItem] = []
    folders = {root, *(path for path in root.rglob("*") if path.is_dir())}
    for folder in sorted(folders, key=natural_order):
        hidden = any(part.startswith(".") for part in folder.relative_to(root).parts)
        if hidden or folder.resolve().is_relative_to(output.resolve()):
            continue
        items += _stacks_of(folder, root, output, suffix, gap if group_by == "time" else None)
    return _mark_duplicates(items)


def _stacks_of(
    folder: Path, root: Path, output: Path, suffix: str, gap: float | None
) -> list[BatchItem]:
    """Return the stacks of one folder, without its subfolders; ``gap`` splits it by time."""
    name = "/".join(folder.relative_to(root).parts) or root.resolve().name
    found: list[BatchItem] = []
    sources: list[Path] = []
    try:
        sources = find_sources([folder])
        for path in list(sources):
            item = _stack_in(path, root, output, suffix)
            if item is not None:
                sources.remove(path)
                found.append(item)
        groups = [sources] if gap is None else _split_by_time(sources, gap)
    except (ReadError, StackError) as error:
        if isinstance(error, ReadError) and not sources:
            return []  # the folder holds no images
        return [*found, BatchItem(name, tuple(sources), output / f"{name}.tif", str(error))]
    names = [name] if gap is None else [f"{name}_{n:03d}" for n in range(1, len(groups) + 1)]
    for group, stack in zip(groups, names, strict=True):
        if group:
            target = output / f"{stack}{_ending(group[0], suffix)}"
            found.append(BatchItem(stack, tuple(group), target))
    return found


def _ending(source: Path, suffix: str) -> str:
    """Return the suffix of a result: the given one, or that of a source if it is written."""
    ending = suffix or source.suffix.lower()
    return ending if ending in WRITABLE else ".tif"


def _stack_in(path: Path, root: Path, output: Path, suffix: str) -> BatchItem | None:
    """Return the stack in a file of several pages; None for a picture."""
    pages, trouble = 0, ""
    try:
        pages = len(find_pages(path)) if path.suffix.lower() in TIFF.suffixes else 1
    except ReadError:  # fusing says so, if the file is not only incomplete for now
        return None
    except StackError as error:
        trouble = str(error)
    if pages == 1:
        return None
    name = "/".join(path.relative_to(root).with_suffix("").parts)
    target = output / f"{name}{_ending(path, suffix)}"
    return BatchItem(name, (path,), target, trouble, pages)


def _mark_duplicates(items: list[BatchItem]) -> list[BatchItem]:
    """Mark stacks of one name as trouble: a subfolder may have the name of the root."""
    count = Counter(item.name for item in items)
    trouble = "two stacks have this name, and one result would replace the other; rename a folder"
    return [replace(item, trouble=trouble) if count[item.name] > 1 else item for item in items]


def _split_by_time(sources: Sequence[Path], gap: float) -> list[list[Path]]:
    """Split pictures, sorted by time, where more than ``gap`` seconds lie between two."""
    times = {path: _seconds(path) for path in sources}
    groups: list[list[Path]] = []
    last = float("-inf")
    for path in sorted(sources, key=lambda path: times[path]):
        if times[path] - last > gap:
            groups.append([])
        groups[-1].append(path)
        last = times[path]
    return groups


def _seconds(path: Path) -> float:
    """Return the time when a picture was taken, in seconds."""
    taken = read_capture_time(path)
    if taken is None:
        raise ReadError(f"{path}: has no EXIF time; group the pictures by folder instead")
    return taken.timestamp()


def watch_stacks(
    find: Callable[[], list[BatchItem]], *, settle: float, poll: float = 2.0
) -> Iterator[BatchItem | None]:
    """Yield stacks while their folders fill, each when its sources stop changing; endlessly.

    A stack is complete after ``settle`` seconds without a change, and comes again if its sources
    change. None follows each search, every ``poll`` seconds, so that the caller can attend to other
    work.
    """
    changes: dict[Path, tuple[list[list[Any]], float]] = {}
    yielded: dict[Path, list[list[Any]]] = {}
    while True:
        for item in find():
            state, now = item.state(), time.monotonic()
            known, since = changes.get(item.output, (None, now))
            if state != known:
                changes[item.output] = (state, now)
            elif now - since >= settle and yielded.get(item.output) != state:
                yielded[item.output] = state
                yield item
        yield None
        time.sleep(poll)


def size_and_time(path: Path) -> list[int]:
    """Return bytes and time of change in nanoseconds of a file; zeros if it cannot be found."""
    try:
        stat = path.stat()
    except OSError:
        return [0, 0]
    return [stat.st_size, stat.st_mtime_ns]

"""Find the stacks below a folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from drpl.errors import ConfigError, ReadError, StackError
from drpl.io.formats import WRITABLE
from drpl.io.read import read_capture_time
from drpl.io.sources import find_sources, natural_order

GroupBy = Literal["folder", "time"]


@dataclass(frozen=True)
class BatchItem:
    """One stack of a batch.

    Attributes
    ----------
    name : str
        Its place below the root, with ``/``; names the result.
    sources : tuple of Path
        One alone is left out.
    output : Path
    trouble : str
        Why it cannot be fused, where that is known already.
    """

    name: str
    sources: tuple[Path, ...]
    output: Path
    trouble: str = ""

    @property
    def report(self) -> Path:
        """What tells how the result was made."""
        return self.output.with_suffix(".json")

    def state(self) -> list[list[Any]]:
        """What tells whether the sources have changed: names, sizes, times; 0 where one is gone."""
        return [[str(path), *size_and_time(path)] for path in self.sources]


def find_stacks(
    root: Path, output: Path, *, suffix: str = "", group_by: GroupBy = "folder", gap: float = 5.0
) -> list[BatchItem]:
    """Find the stacks below a folder.

    Parameters
    ----------
    root : Path
        Each folder in it that holds images (itself included) is a stack.
    output : Path
        Folder for results; not searched.
    suffix : str
        Of the results; by default that of the sources, or ``.tif`` where it is not written.
    group_by : str
        ``"time"`` splits the images of a folder where more than ``gap`` seconds lie between two
        pictures, by their EXIF times.
    gap : float
        Seconds.

    Returns
    -------
    list of BatchItem
        In natural order of names. Single pictures are among them, and folders of which no stack
        can be made, with the reason.

    Raises
    ------
    ReadError
        If the root is not a folder.
    ConfigError
        If the suffix is not one that is written, or the folder for results holds the root.
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
    return _apart(items)


def _stacks_of(
    folder: Path, root: Path, output: Path, suffix: str, gap: float | None
) -> list[BatchItem]:
    """The stacks among the images that lie in one folder."""
    name = "/".join(folder.relative_to(root).parts) or root.resolve().name
    sources: list[Path] = []
    try:
        sources = find_sources([folder])
        groups = [sources] if gap is None else _split_by_time(sources, gap)
    except (ReadError, StackError) as error:
        if isinstance(error, ReadError) and not sources:
            return []  # no images in it
        return [BatchItem(name, tuple(sources), output / f"{name}.tif", str(error))]
    named = [name] if gap is None else [f"{name}_{n:03d}" for n in range(1, len(groups) + 1)]
    found = []
    for group, stack in zip(groups, named, strict=True):
        ending = suffix or group[0].suffix.lower()
        ending = ending if ending in WRITABLE else ".tif"
        found.append(BatchItem(stack, tuple(group), output / f"{stack}{ending}"))
    return found


def _apart(items: list[BatchItem]) -> list[BatchItem]:
    """The stacks, with trouble where two have one name: a folder called like the root."""
    count = Counter(item.name for item in items)
    words = "there are two stacks of this name, and results would be lost; rename one folder"
    return [replace(item, trouble=words) if count[item.name] > 1 else item for item in items]


def _split_by_time(sources: Sequence[Path], gap: float) -> list[list[Path]]:
    """Runs of pictures taken shortly after each other."""
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
    """When a picture was taken."""
    taken: datetime | None = read_capture_time(path)
    if taken is None:
        raise ReadError(f"{path}: has no EXIF time; expected one, or group by folder")
    return taken.timestamp()


def watch_stacks(
    find: Callable[[], list[BatchItem]], *, settle: float, poll: float = 2.0
) -> Iterator[BatchItem | None]:
    """Stacks of a folder that still fills, each once it has not changed for a while; endless.

    After each look, None: so that what else is to be done is done meanwhile.

    Parameters
    ----------
    find : callable
        Gives the stacks as they are.
    settle : float
        Seconds without a change after which a stack counts as complete.
    poll : float
        Seconds between looks.
    """
    since: dict[Path, tuple[list[list[Any]], float]] = {}
    given: dict[Path, list[list[Any]]] = {}
    while True:
        for item in find():
            state, now = item.state(), time.monotonic()
            if since.get(item.output, (None, 0.0))[0] != state:
                since[item.output] = (state, now)
            elif now - since[item.output][1] >= settle and given.get(item.output) != state:
                given[item.output] = state
                yield item
        yield None
        time.sleep(poll)


def size_and_time(path: Path) -> list[int]:
    """Of a file, in bytes and nanoseconds; zeros where there is none, or cannot be."""
    try:
        stat = path.stat()
    except OSError:
        return [0, 0]
    return [stat.st_size, stat.st_mtime_ns]

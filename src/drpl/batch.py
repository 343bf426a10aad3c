"""Many stacks, one after the other: found, fused, and remembered in a journal."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from drpl.backend import usable_cores
from drpl.errors import ConfigError, DrplError, ReadError, WriteError
from drpl.heap import share_heap
from drpl.pipeline import fuse_files, make_folder
from drpl.read import read_capture_time
from drpl.sources import find_sources
from drpl.stack import FusionOptions
from drpl.write import FORMATS

log = logging.getLogger(__name__)
JOURNAL = "batch.jsonl"
GroupBy = Literal["folder", "time"]
Status = Literal["done", "failed", "skipped"]


@dataclass(frozen=True)
class BatchItem:
    """One stack of a batch.

    Attributes
    ----------
    name : str
        Its place below the root, with ``/``; names the result.
    sources : tuple of Path
    output : Path
    """

    name: str
    sources: tuple[Path, ...]
    output: Path

    def state(self) -> list[list[Any]]:
        """What tells whether the sources have changed: names, sizes, times; 0 where one is gone."""
        return [[str(path), *_size_and_time(path)] for path in self.sources]


def _size_and_time(path: Path) -> tuple[int, int]:
    """Of a file, in bytes and nanoseconds."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True)
class Outcome:
    """What became of a stack.

    Attributes
    ----------
    item : BatchItem
    status : str
        ``"skipped"`` if the journal says that it is done and nothing has changed.
    seconds : float
    message : str
        Of the error, where there was one.
    """

    item: BatchItem
    status: Status
    seconds: float = 0.0
    message: str = ""


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
        In natural order of names; groups of one image are left out.

    Raises
    ------
    ReadError
        If the root is not a folder or an image has no time.
    ConfigError
        If the suffix is not one that is written.
    """
    if not root.is_dir():
        raise ReadError(f"{root}: is not a folder; expected one that holds stacks")
    if suffix and suffix not in FORMATS:
        raise ConfigError(f"suffix is {suffix!r}; expected one of {', '.join(FORMATS)}")
    items: list[BatchItem] = []
    for folder in sorted({root, *(path for path in root.rglob("*") if path.is_dir())}):
        hidden = any(part.startswith(".") for part in folder.relative_to(root).parts)
        if hidden or folder.resolve().is_relative_to(output.resolve()):
            continue
        items += _stacks_of(folder, root, output, suffix, gap if group_by == "time" else None)
    return items


def _stacks_of(
    folder: Path, root: Path, output: Path, suffix: str, gap: float | None
) -> list[BatchItem]:
    """The stacks among the images that lie in one folder."""
    try:
        sources = find_sources([folder])
    except ReadError:
        return []  # no images in it
    name = "/".join(folder.relative_to(root).parts) or root.resolve().name
    groups = [sources] if gap is None else _split_by_time(sources, gap)
    named = [name] if gap is None else [f"{name}_{n:03d}" for n in range(1, len(groups) + 1)]
    found = []
    for group, stack in zip(groups, named, strict=True):
        ending = suffix or group[0].suffix.lower()
        ending = ending if ending in FORMATS else ".tif"
        if len(group) > 1:
            found.append(BatchItem(stack, tuple(group), output / f"{stack}{ending}"))
        else:
            log.warning("%s: is alone in its stack; left out", group[0])
    return found


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


def run_batch(
    items: Iterable[BatchItem],
    options: FusionOptions,
    output: Path,
    *,
    jobs: int = 1,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Fuse stacks; one that fails does not stop the others.

    What is done is written to ``output/batch.jsonl`` at once, so a batch that was stopped, in
    whatever way, goes on where it was when it is run again.

    Parameters
    ----------
    items : iterable of BatchItem
    options : FusionOptions
        ``threads`` are shared between the jobs, and so is ``max_memory``.
    output : Path
        Folder of the journal, made if need be.
    jobs : int
        Stacks at a time, each in a process of its own.
    overwrite : bool
        Whether files that no earlier run of the batch wrote may be replaced.

    Yields
    ------
    Outcome
        As stacks end.
    """
    make_folder(output)
    journal = Journal(output / JOURNAL)
    shared = replace(
        options,
        threads=max(1, (options.threads or usable_cores()) // jobs),
        max_memory=options.max_memory // jobs,
    )
    running: dict[Future[Outcome], BatchItem] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for item in items:
            if journal.is_done(item):
                yield Outcome(item, "skipped")
                continue
            may = overwrite or journal.has_begun(item)
            journal.write("begun", item)
            if jobs == 1:  # where an interruption ends it at once
                outcome = _outcome(_fuse, item, shared, may)
                journal.write(outcome.status, item)
                yield outcome
                continue
            running[pool.submit(_outcome, _fuse_apart, item, shared, may)] = item
            if len(running) == jobs:
                yield _next(running, journal)
        while running:
            yield _next(running, journal)


def _next(running: dict[Future[Outcome], BatchItem], journal: Journal) -> Outcome:
    """Wait for one of the running stacks, and note what became of it."""
    ended = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
    outcome = ended.result()
    journal.write(outcome.status, running.pop(ended))
    return outcome


def _outcome(
    work: Callable[[BatchItem, FusionOptions, bool], float],
    item: BatchItem,
    options: FusionOptions,
    overwrite: bool,
) -> Outcome:
    """Fuse one stack; an error is an outcome too."""
    try:
        return Outcome(item, "done", work(item, options, overwrite))
    except DrplError as error:
        return Outcome(item, "failed", message=str(error))
    except BrokenProcessPool:
        return Outcome(item, "failed", message="its process was killed; too little memory?")


def _fuse_apart(item: BatchItem, options: FusionOptions, overwrite: bool) -> float:
    """Fuse one stack in a process of its own."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=share_heap) as pool:
        return pool.submit(_fuse, item, options, overwrite).result()


def _fuse(item: BatchItem, options: FusionOptions, overwrite: bool) -> float:
    """Fuse one stack; returns the seconds that it took."""
    began = time.perf_counter()
    make_folder(item.output.parent)
    report = item.output.with_suffix(".json")
    fuse_files(item.sources, item.output, options, report=report, overwrite=overwrite)
    return time.perf_counter() - began


class Journal:
    """What a batch has done: a line of JSON for each step, on disk before it is relied on.

    Parameters
    ----------
    path : Path
        Begun if need be. A last line that was cut short is not counted.

    Raises
    ------
    WriteError
        If it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, dict[str, Any]] = {}
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if text and not text.endswith("\n"):
                with path.open("a", encoding="utf-8") as stream:
                    stream.write("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise WriteError(f"{path}: cannot be used as a journal ({error})") from error
        for line in text.splitlines():
            entry = _entry(line)
            if entry is not None:
                self._last[entry["output"]] = entry

    def is_done(self, item: BatchItem) -> bool:
        """Whether the result is there, made of the sources as they are."""
        entry = self._last.get(str(item.output))
        done = entry is not None and entry["step"] == "done" and entry["sources"] == item.state()
        return done and item.output.exists()

    def has_begun(self, item: BatchItem) -> bool:
        """Whether an earlier run has begun to make the result: what is there is then its own."""
        return str(item.output) in self._last

    def write(self, step: str, item: BatchItem) -> None:
        """Add a line, and wait until it is on disk."""
        entry: dict[str, Any] = {
            "step": step,
            "output": str(item.output),
            "sources": item.state(),
        }
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise WriteError(f"{self._path}: cannot be written ({error.strerror})") from error
        self._last[entry["output"]] = entry


def _entry(line: str) -> dict[str, Any] | None:
    """A line of the journal, or None if it was cut short."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(entry, dict) and {"step", "output", "sources"} <= set(entry)
    return entry if whole else None


def watch_stacks(
    find: Callable[[], list[BatchItem]], *, settle: float, poll: float = 2.0
) -> Iterator[BatchItem]:
    """Stacks of a folder that still fills, each once it has not changed for a while; endless.

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
        time.sleep(poll)

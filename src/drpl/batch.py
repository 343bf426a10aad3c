"""Many stacks, one after the other: found, fused, and remembered in a journal."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from drpl.backend import usable_cores
from drpl.errors import ConfigError, DrplError, ReadError, StackError
from drpl.heap import share_heap
from drpl.journal import Journal, size_and_time
from drpl.pipeline import fuse_files, make_folder
from drpl.prepare import Progress
from drpl.read import MAX_PIXELS, read_capture_time
from drpl.sources import find_sources, natural_order
from drpl.stack import FusionOptions
from drpl.write import FORMATS

log = logging.getLogger(__name__)
JOURNAL = "batch.jsonl"
GroupBy = Literal["folder", "time"]
Status = Literal["done", "failed", "skipped", "left out"]


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


@dataclass(frozen=True)
class Outcome:
    """What became of a stack.

    Attributes
    ----------
    item : BatchItem
    status : str
        ``"skipped"`` if the journal says that it is done and nothing has changed, ``"left out"``
        if it is a single picture.
    seconds : float
    message : str
        Of the error, where there was one.
    """

    item: BatchItem
    status: Status
    seconds: float = 0.0
    message: str = ""

    def summary(self) -> dict[str, Any]:
        """Plain values: what `drpl batch --json` prints of it."""
        return {
            "name": self.item.name,
            "status": self.status,
            "frames": len(self.item.sources),
            "output": str(self.item.output),
            "seconds": round(self.seconds, 3),
            "message": self.message,
        }


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
    if suffix and suffix not in FORMATS:
        raise ConfigError(f"suffix is {suffix!r}; expected one of {', '.join(FORMATS)}")
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
        ending = ending if ending in FORMATS else ".tif"
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


def run_batch(
    items: Iterable[BatchItem | None],
    options: FusionOptions,
    output: Path,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    show: Callable[[BatchItem], AbstractContextManager[Progress | None]] | None = None,
) -> Iterator[Outcome]:
    """Fuse stacks; one that fails does not stop the others.

    What is done is written to ``output/batch.jsonl`` at once, so a batch that was stopped, in
    whatever way, goes on where it was when it is run again.

    Parameters
    ----------
    items : iterable of BatchItem or None
        None where there is none at the moment; see `watch_stacks`.
    options : FusionOptions
        What was fused with others is fused again. ``threads`` are shared between the jobs, and so
        is ``max_memory``.
    output : Path
        Folder of the journal, made if need be.
    jobs : int
        Stacks at a time, each in a process of its own.
    overwrite : bool
        Whether files may be replaced that no earlier run of the batch wrote, or that were changed
        since.
    max_pixels : int
        Files with more are refused before they are decoded.
    show : callable, optional
        Gives, for the time that a stack is fused, what is told how far the work is; not used with
        several jobs.

    Yields
    ------
    Outcome
        As stacks end.
    """
    make_folder(output)
    journal = Journal(output / JOURNAL, options)
    shared = replace(
        options,
        threads=max(1, (options.threads or usable_cores()) // jobs),
        max_memory=options.max_memory // jobs,
    )
    fuse, fuse_apart = (partial(work, max_pixels=max_pixels) for work in (_fuse, _fuse_apart))
    running: dict[Future[Outcome], BatchItem] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for item in items:
            if item is None:
                yield from _ended(running, journal, timeout=0)
                continue
            known = _known(item, journal)
            if known is not None:
                yield known
                continue
            may = journal.begin(item, overwrite=overwrite)
            if jobs == 1:  # where an interruption ends it at once
                with show(item) if show is not None else nullcontext() as progress:
                    outcome = _outcome(partial(fuse, progress=progress), item, shared, may)
                journal.end(outcome.status, item)
                yield outcome
                continue
            running[pool.submit(_outcome, fuse_apart, item, shared, may)] = item
            if len(running) == jobs:
                yield from _ended(running, journal)
        while running:
            yield from _ended(running, journal)


def _known(item: BatchItem, journal: Journal) -> Outcome | None:
    """What becomes of a stack that is not to be fused."""
    if item.trouble:
        return Outcome(item, "failed", message=item.trouble)
    if len(item.sources) == 1:
        return Outcome(item, "left out", message=f"{item.sources[0].name} is alone")
    return Outcome(item, "skipped") if journal.is_done(item) else None


def _ended(
    running: dict[Future[Outcome], BatchItem], journal: Journal, timeout: float | None = None
) -> Iterator[Outcome]:
    """Wait for one of the running stacks, and note what became of those that ended."""
    for ended in wait(running, timeout, return_when=FIRST_COMPLETED).done:
        outcome = ended.result()
        journal.end(outcome.status, running.pop(ended))
        yield outcome


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
    except Exception as error:  # what is wrong in one must not cost the others
        log.exception("%s: unexpected failure", item.name)
        what = f"{type(error).__name__}: {error}"
        return Outcome(item, "failed", message=f"unexpected failure ({what}); please report this")


def _fuse_apart(
    item: BatchItem, options: FusionOptions, overwrite: bool, *, max_pixels: int
) -> float:
    """Fuse one stack in a process of its own."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=begin_child) as pool:
        return pool.submit(_fuse, item, options, overwrite, max_pixels=max_pixels).result()


def begin_child() -> None:
    """Prepare a process that fuses one stack."""
    share_heap()
    _end_with_parent()


def _end_with_parent() -> None:
    """See to it that this process ends when its parent does, be it killed."""
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()


def _fuse(
    item: BatchItem,
    options: FusionOptions,
    overwrite: bool,
    *,
    max_pixels: int,
    progress: Progress | None = None,
) -> float:
    """Fuse one stack; returns the seconds that it took."""
    began = time.perf_counter()
    make_folder(item.output.parent)
    fuse_files(
        item.sources,
        item.output,
        options,
        report=item.report,
        overwrite=overwrite,
        max_pixels=max_pixels,
        progress=progress,
    )
    return time.perf_counter() - began


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

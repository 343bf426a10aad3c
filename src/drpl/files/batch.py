"""Many stacks, one after the other: found, fused, and remembered in a journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
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
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from drpl.core.machine import begin_child, usable_cores
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress
from drpl.errors import DrplError
from drpl.files.find import BatchItem
from drpl.files.fuse import fuse_files
from drpl.files.journal import Journal
from drpl.files.outputs import Outputs
from drpl.io.write import make_folder

log = logging.getLogger(__name__)
JOURNAL = "batch.jsonl"
Status = Literal["done", "failed", "skipped", "left out"]


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


def run_batch(
    items: Iterable[BatchItem | None],
    options: FusionOptions,
    output: Path,
    *,
    jobs: int = 1,
    overwrite: bool = False,
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
                    outcome = _outcome(partial(_fuse, progress=progress), item, shared, may)
                journal.end(outcome.status, item)
                yield outcome
                continue
            running[pool.submit(_outcome, _fuse_apart, item, shared, may)] = item
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


def _fuse_apart(item: BatchItem, options: FusionOptions, overwrite: bool) -> float:
    """Fuse one stack in a process of its own."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=begin_child) as pool:
        return pool.submit(_fuse, item, options, overwrite).result()


def _fuse(
    item: BatchItem, options: FusionOptions, overwrite: bool, progress: Progress | None = None
) -> float:
    """Fuse one stack and return the seconds that it took."""
    began = time.perf_counter()
    make_folder(item.output.parent)
    outputs = Outputs(item.output, report=item.report, overwrite=overwrite)
    fuse_files(item.sources, outputs, options, progress=progress)
    return time.perf_counter() - began

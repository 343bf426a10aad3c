"""Batches: many stacks fused one by one or in parallel, logged in a journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from drpl.core.machine import (
    begin_child,
    interrupt_children,
    interruptible,
    start_uninterrupted,
    usable_cores,
)
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress
from drpl.errors import DrplError
from drpl.files.find import BatchItem
from drpl.files.fuse import fuse_files
from drpl.files.journal import Journal
from drpl.files.outputs import Outputs
from drpl.io.saving import Saving
from drpl.io.write import make_folder

log = logging.getLogger(__name__)
JOURNAL = "batch.jsonl"

Status = Literal["done", "failed", "skipped", "left out"]


@dataclass(frozen=True)
class Outcome:
    """Outcome of one stack of a batch.

    A stack is skipped if an earlier run fused the same sources with the same options; a single
    picture is left out. ``seconds`` is the duration of fusing, or 0; ``message`` says why a stack
    failed or was left out.
    """

    item: BatchItem
    status: Status
    seconds: float = 0.0
    message: str = ""

    def summary(self) -> dict[str, Any]:
        """Return the outcome as plain values, as `drpl batch --json` prints it."""
        return {
            "name": self.item.name,
            "status": self.status,
            "frames": self.item.frames,
            "output": str(self.item.output),
            "seconds": round(self.seconds, 3),
            "message": self.message,
        }


def run_batch(
    items: Iterable[BatchItem | None],
    options: FusionOptions,
    output: Path,
    *,
    saving: Saving | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    show: Callable[[BatchItem], AbstractContextManager[Progress | None]] | None = None,
) -> Iterator[Outcome]:
    """Fuse stacks and yield outcomes as they end; one that fails does not stop the others.

    Each step is logged in ``output/batch.jsonl``. A batch that was stopped, even killed, resumes
    when it is run again; results of other options are then fused again.

    Parameters
    ----------
    items : iterable of BatchItem or None
        Stacks; None while there is nothing to fuse, see `drpl.files.find.watch_stacks`.
    output : Path
        Folder of the journal, created if missing.
    saving : Saving, optional
        Bit depth and quality of the results.
    jobs : int
        Number of stacks to fuse at a time. Several jobs run in a process each and share ``threads``
        and ``max_memory``.
    overwrite : bool
        True if files may be replaced that the batch does not own: those it did not write, and
        pictures changed since.
    show : callable, optional
        Returns the context in which a stack is fused and that provides its ``progress``; not used
        with several jobs.

    Raises
    ------
    WriteError
        If the folder or the journal cannot be written.
    """
    make_folder(output)
    saving = saving or Saving()
    journal = Journal(output / JOURNAL, asdict(options) | asdict(saving))
    shared = replace(
        options,
        threads=max(1, (options.threads or usable_cores()) // jobs),
        max_memory=-(-options.max_memory // jobs),  # 0 is no limit
    )
    running: dict[Future[Outcome], BatchItem] = {}
    pool = ThreadPoolExecutor(jobs)
    try:
        for item in items:
            if item is None:
                yield from _ended(running, journal, timeout=0)
                continue
            unfused = _without_fusing(item, journal)
            if unfused is not None:
                yield unfused
                continue
            arguments = (item, shared, saving, journal.begin(item, overwrite=overwrite))
            if jobs == 1:  # in this thread, so that an interrupt ends it at once
                with show(item) if show is not None else nullcontext() as progress:
                    outcome = _outcome(item, partial(_fuse, *arguments, progress=progress))
                journal.end(outcome.status, item)
                yield outcome
                continue
            running[pool.submit(_fuse_apart, *arguments)] = item
            if len(running) == jobs:
                yield from _ended(running, journal)
        while running:
            yield from _ended(running, journal)
    finally:
        if running:
            interrupt_children()
        pool.shutdown(cancel_futures=True)


def _without_fusing(item: BatchItem, journal: Journal) -> Outcome | None:
    """Return the outcome of a stack that is not to be fused; None for one that is."""
    if item.trouble:
        return Outcome(item, "failed", message=item.trouble)
    if item.frames == 1:
        return Outcome(item, "left out", message=f"holds only {item.sources[0].name}")
    return Outcome(item, "skipped") if journal.is_done(item) else None


def _ended(
    running: dict[Future[Outcome], BatchItem], journal: Journal, timeout: float | None = None
) -> Iterator[Outcome]:
    """Wait until a stack ends, or for ``timeout`` seconds; log and yield all outcomes."""
    for ended in wait(running, timeout, return_when=FIRST_COMPLETED).done:
        outcome = ended.result()
        journal.end(outcome.status, running.pop(ended))
        yield outcome


def _outcome(item: BatchItem, work: Callable[[], float]) -> Outcome:
    """Fuse one stack and return its outcome; errors become outcomes too."""
    try:
        return Outcome(item, "done", work())
    except DrplError as error:
        return Outcome(item, "failed", message=str(error))
    except Exception as error:  # a bug in one stack must not stop the others
        log.exception("%s: unexpected failure", item.name)
        reason = f"{type(error).__name__}: {error}"
        return Outcome(item, "failed", message=f"unexpected failure ({reason}); please report this")


def _fuse_apart(
    item: BatchItem, options: FusionOptions, saving: Saving, overwrite: bool
) -> Outcome:
    """Fuse one stack in a process of its own and return its outcome."""
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_fuse_here, args=(sending, item, options, saving, overwrite))
    start_uninterrupted(process)
    sending.close()
    with receiving:
        try:
            outcome: Outcome = receiving.recv()
        except EOFError:
            message = "its process was killed, perhaps for lack of memory"
            outcome = Outcome(item, "failed", message=message)
    process.join()
    return outcome


def _fuse_here(
    sending: Connection, item: BatchItem, options: FusionOptions, saving: Saving, overwrite: bool
) -> None:
    """Fuse one stack in this process and send its outcome; none if it is interrupted."""
    begin_child()
    with suppress(KeyboardInterrupt), interruptible():
        sending.send(_outcome(item, partial(_fuse, item, options, saving, overwrite)))


def _fuse(
    item: BatchItem,
    options: FusionOptions,
    saving: Saving,
    overwrite: bool,
    progress: Progress | None = None,
) -> float:
    """Fuse one stack and return the seconds it took."""
    began = time.perf_counter()
    make_folder(item.output.parent)
    outputs = Outputs(item.output, report=item.report, saving=saving, overwrite=overwrite)
    fuse_files(item.sources, outputs, options, progress=progress)
    return time.perf_counter() - began

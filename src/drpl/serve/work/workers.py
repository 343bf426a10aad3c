"""Processes that work for the service: one for each job that runs, others for small tasks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from drpl.core.machine import usable_cores
from drpl.core.options import FusionOptions, resolve_options
from drpl.errors import DrplError
from drpl.serve.jobs.jobs import Job, Progress
from drpl.serve.jobs.store import Store
from drpl.serve.settings import Settings
from drpl.serve.work.worker import run_job, run_tasks, tell

log = logging.getLogger(__name__)
LOOKS_PER_FUSE = 6.0
"""Looks at a frame that take about as long as fusing it, to guess while all are looked at."""


class TaskRefused(DrplError):
    """A task found its input wrong."""


class TaskFailed(DrplError):
    """A task came to no end: a fault of ours, or too little memory."""


def _start(target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Start a process, with a pipe to it."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _end(process: BaseProcess) -> None:
    """Kill a process and wait until it is gone."""
    process.kill()
    process.join()
    process.close()


class Tasks:
    """One process that does small tasks, one at a time; begun when needed, ended when idle.

    Parameters
    ----------
    limit : float
        Seconds after which a task is given up.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._threads = ThreadPoolExecutor(1)
        self._child: tuple[BaseProcess, Connection] | None = None
        self._ended = False

    async def do(self, task: str, where: Path, **arguments: Any) -> Any:
        """Do a task of `drpl.serve.work.tasks` in a folder.

        Raises
        ------
        TaskRefused
            If its input is wrong, with the reason.
        TaskFailed
            If it fails otherwise, takes too long, or its process dies.
        """
        loop = asyncio.get_running_loop()
        message = {"task": task, "folder": str(where), "arguments": arguments}
        answer = await loop.run_in_executor(self._threads, self._answer, message)
        if "refused" in answer:
            raise TaskRefused(answer["refused"])
        if "failed" in answer:
            log.error("%s in %s: %s", task, where, answer["failed"])
            raise TaskFailed(answer["failed"])
        return answer["gave"]

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the process says to a task; in the one thread that deals with it."""
        if self._child is not None and not self._child[0].is_alive():
            self._drop()  # it was idle
        if not self._ended:
            self._child = self._child or _start(run_tasks)
        if self._ended or self._child is None:  # perhaps while the process was started
            return {"failed": "the service ends"}
        _, pipe = self._child
        try:
            tell(pipe, message)
            if pipe.poll(self._limit):
                answer: dict[str, Any] = json.loads(pipe.recv_bytes())
                return answer
            answer = {"failed": f"took longer than {self._limit:.0f} s"}
        except (EOFError, OSError):
            answer = {"failed": "its process died; too little memory?"}
            if self._left():
                self._drop()
                return self._answer(message)
        self._drop()
        return answer

    def _left(self) -> bool:
        """Whether the process ended by itself, being idle when the task was just on its way."""
        process = self._child[0] if self._child is not None else None
        if process is None:
            return False
        process.join(1)
        return process.exitcode == 0

    def _drop(self) -> None:
        """End the process."""
        if self._child is not None:
            process, pipe = self._child
            self._child = None
            pipe.close()
            _end(process)

    def end(self) -> None:
        """End the process, whatever it does."""
        self._ended = True
        child = self._child
        if child is not None:
            with suppress(ValueError):  # it has ended meanwhile
                child[0].kill()
        self._threads.shutdown(cancel_futures=True)
        self._drop()


class Workers:
    """Runs the jobs of a store, some at a time, each in a process of its own.

    Parameters
    ----------
    store : Store
    settings : Settings
    clear : callable
        Removes an older result of a job.
    """

    def __init__(
        self, store: Store, settings: Settings, clear: Callable[[Job], Awaitable[None]]
    ) -> None:
        self._store = store
        self._clear = clear
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.jobs)
        self._processes: dict[str, BaseProcess] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ending = False

    def dispatch(self) -> None:
        """Begin jobs that wait, as many as may run."""
        for job in self._store.queue():
            if self._ending or len(self._running) >= self._settings.jobs:
                return
            job.state, job.begun, job.progress = "running", job.begun + 1, None
            self._save(job)
            self._running[job.id] = asyncio.create_task(self._run(job))

    async def stop(self, job: Job) -> None:
        """Kill the process of a job, and wait until nothing of it is left."""
        task = self._running.get(job.id)
        if task is None:
            return
        process = self._processes.get(job.id)
        if process is not None:
            with suppress(ValueError):  # it has ended meanwhile
                process.kill()
        await asyncio.wait([task])

    def busy(self, job: Job) -> bool:
        """Whether something of a job still runs, be it about to end."""
        return job.id in self._running

    async def end(self) -> None:
        """Kill all processes; what ran is queued again."""
        self._ending = True
        for job_id in list(self._running):
            job = self._store.jobs[job_id]
            job.state, job.begun = "queued", job.begun - 1
            self._save(job)
            await self.stop(job)

    def options(self, job: Job) -> FusionOptions:
        """How a job is fused, with what the operator allows.

        Raises
        ------
        ConfigError
            If options are wrong.
        """
        reference = None if job.reference is None else job.order.index(job.reference)
        given = {**job.options, "reference": reference}
        jobs = self._settings.jobs
        return replace(
            resolve_options(given, preset=job.preset),
            threads=0 if jobs == 1 else max(1, usable_cores() // jobs),
            max_memory=self._settings.max_memory // jobs,
            max_pixels=self._settings.max_pixels,
        )

    async def _run(self, job: Job) -> None:
        """Run a job to its end."""
        loop = asyncio.get_running_loop()
        folder = self._store.folder(job)
        try:
            await self._clear(job)
            said = await loop.run_in_executor(self._threads, self._follow, job, loop)
        except DrplError as error:
            said = {"failed": str(error)}
        except Exception as error:  # the service goes on
            log.exception("job %s: unexpected failure", job.id)
            said = {"failed": f"unexpected failure ({type(error).__name__}: {error})"}
        job.progress = None
        held = await asyncio.to_thread(folder_bytes, folder / "result")
        if job.state == "running" and "done" in said:  # it may have been cancelled just now
            job.width, job.height = said["done"]
            job.state, job.held = "done", held
        elif job.state == "running":
            job.state, job.error = "failed", said["failed"]
        if job.state != "done":
            await asyncio.to_thread(shutil.rmtree, folder / "result", ignore_errors=True)
        if job.state != "queued":
            job.ended = time.time()
        del self._running[job.id]
        if job.id in self._store.jobs:
            self._save(job)
        log.info("job %s: %s%s", job.id, job.state, f" ({job.error})" if job.error else "")
        self.dispatch()

    def _save(self, job: Job) -> None:
        """Note how a job stands; the others go on where the journal cannot be written."""
        try:
            self._store.save(job)
        except sqlite3.OperationalError:
            log.exception("job %s: %s, but the journal cannot be written", job.id, job.state)
            self._store.tell(job)

    def _follow(self, job: Job, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        """Start the process of a job and listen until its last word; in a thread."""
        if job.state != "running":
            return {"failed": "stopped"}
        names = [job.frames[n].name for n in job.order]
        options = asdict(self.options(job))
        process, pipe = _start(run_job, str(self._store.folder(job)), names, options)
        self._processes[job.id] = process
        forecast = Forecast(len(names))
        try:
            if job.state != "running":  # stopped while it was begun
                process.kill()
            while True:
                said: dict[str, Any] = json.loads(pipe.recv_bytes())
                if "stage" not in said:
                    return said
                loop.call_soon_threadsafe(self._note, job, forecast.note(**said))
        except (EOFError, OSError):
            return {"failed": "its process was killed; too little memory?"}
        finally:
            del self._processes[job.id]
            pipe.close()
            _end(process)

    def _note(self, job: Job, progress: Progress) -> None:
        """Note how far a job is."""
        if job.state == "running":
            job.progress = progress
            self._store.tell(job)


class Forecast:
    """Guesses from the time that frames took how long the others will take.

    Parameters
    ----------
    frames : int
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._stage = ""
        self._since = 0.0
        self._fuse = 0.0

    def note(self, stage: str, done: int, of: int) -> Progress:
        """What to show of a step."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._since = stage, now
        left = None
        if stage == "look" and done:
            look = (now - self._since) / done
            self._fuse = look * LOOKS_PER_FUSE
            left = look * (of - done) + self._fuse * self._frames
        elif stage == "fuse":
            if done > 1:  # the first has nothing to be fused with
                self._fuse = (now - self._since) / (done - 1)
            left = self._fuse * (of - done)
        return Progress(stage, done, of, None if left is None else round(left, 1))


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # other tasks go on in the same folder
                found += os.stat(os.path.join(place, name)).st_size
    return found

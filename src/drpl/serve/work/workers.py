"""Parents of the child processes: one child per running job, others for small tasks."""

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
from drpl.serve.work.worker import run_job, run_tasks, send

log = logging.getLogger(__name__)
FUSING_COST = 6.0
"""Time to fuse a frame relative to the time to align one; a guess until frames are fused."""


class TaskRefused(DrplError):
    """The input of a task is wrong."""


class TaskFailed(DrplError):
    """A task did not finish: a fault of drpl, or too little memory."""


def _start(target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Start a process and open a pipe to it."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _end(process: BaseProcess) -> None:
    """Kill a process and wait until it has ended."""
    process.kill()
    process.join()
    process.close()


class Tasks:
    """Process for small tasks, one at a time; started when needed, ended when idle.

    After ``limit`` seconds, a task is given up and the process killed.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._threads = ThreadPoolExecutor(1)
        self._child: tuple[BaseProcess, Connection] | None = None
        self._ended = False

    async def run(self, task: str, folder: Path, **arguments: Any) -> Any:
        """Run a task of `drpl.serve.work.tasks.TASKS` in a folder and return its result.

        Raise TaskRefused if its input is wrong, TaskFailed if it fails otherwise or takes too long,
        or its process dies.
        """
        loop = asyncio.get_running_loop()
        message = {"task": task, "folder": str(folder), "arguments": arguments}
        answer = await loop.run_in_executor(self._threads, self._answer, message)
        if "refused" in answer:
            raise TaskRefused(answer["refused"])
        if "failed" in answer:
            log.error("%s in %s: %s", task, folder, answer["failed"])
            raise TaskFailed(answer["failed"])
        return answer["result"]

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of the process to a task; runs in the thread that owns the process."""
        if self._child is not None and not self._child[0].is_alive():
            self._drop()  # it ended while idle
        if not self._ended:
            self._child = self._child or _start(run_tasks)
        if self._ended or self._child is None:  # `end` may be called meanwhile
            return {"failed": "the service is stopping"}
        _, pipe = self._child
        try:
            send(pipe, message)
            if pipe.poll(self._limit):
                answer: dict[str, Any] = json.loads(pipe.recv_bytes())
                return answer
            answer = {"failed": f"took longer than {self._limit:.0f} s"}
        except (EOFError, OSError):
            answer = {"failed": "its process died, perhaps for lack of memory"}
            if self._ended_idle():
                self._drop()
                return self._answer(message)
        self._drop()
        return answer

    def _ended_idle(self) -> bool:
        """Return True if the process ended by itself, idle, just before the task arrived."""
        process = self._child[0] if self._child is not None else None
        if process is None:
            return False
        process.join(1)
        return process.exitcode == 0

    def _drop(self) -> None:
        """Kill the process."""
        if self._child is not None:
            process, pipe = self._child
            self._child = None
            pipe.close()
            _end(process)

    def end(self) -> None:
        """Kill the process, even during a task, and accept no more tasks."""
        self._ended = True
        child = self._child
        if child is not None:
            with suppress(ValueError):  # closed meanwhile
                child[0].kill()
        self._threads.shutdown(cancel_futures=True)
        self._drop()


class Workers:
    """Runner of the jobs of a store, each in a process of its own.

    The coroutine function ``clear`` removes an older result of a job.
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
        """Start waiting jobs, as many as may run at the same time."""
        for job in self._store.queue():
            if self._ending or len(self._running) >= self._settings.jobs:
                return
            job.state, job.begun, job.progress = "running", job.begun + 1, None
            self._save(job)
            self._running[job.id] = asyncio.create_task(self._run(job))

    async def stop(self, job: Job) -> None:
        """Kill the process of a job and wait until the job is idle."""
        task = self._running.get(job.id)
        if task is None:
            return
        process = self._processes.get(job.id)
        if process is not None:
            with suppress(ValueError):  # closed meanwhile
                process.kill()
        await asyncio.wait([task])

    def busy(self, job: Job) -> bool:
        """Return True if a job runs or is still stopping."""
        return job.id in self._running

    async def end(self) -> None:
        """Kill all processes and queue their jobs again."""
        self._ending = True
        for job_id in list(self._running):
            job = self._store.jobs[job_id]
            job.state, job.begun = "queued", job.begun - 1
            self._save(job)
            await self.stop(job)

    def options(self, job: Job) -> FusionOptions:
        """Return the options that a job is fused with, within the operator's limits.

        Raise ConfigError if the preset or an option of the job is wrong.
        """
        reference = None if job.reference is None else job.order.index(job.reference)
        given = {**job.options, "reference": reference}
        jobs = self._settings.jobs
        return replace(
            resolve_options(given, preset=job.preset),
            threads=0 if jobs == 1 else max(1, usable_cores() // jobs),
            max_memory=-(-self._settings.max_memory // jobs),  # 0 is no limit
            max_pixels=self._settings.max_pixels,
        )

    async def _run(self, job: Job) -> None:
        """Run a job to its end and save how it ended."""
        loop = asyncio.get_running_loop()
        folder = self._store.folder(job)
        try:
            await self._clear(job)
            message = await loop.run_in_executor(self._threads, self._follow, job, loop)
        except DrplError as error:
            message = {"failed": str(error)}
        except Exception as error:  # becomes the message of the job
            log.exception("job %s: unexpected failure", job.id)
            message = {"failed": f"unexpected failure ({type(error).__name__}: {error})"}
        job.progress = None
        held = await asyncio.to_thread(folder_bytes, folder / "result")
        if job.state == "running" and "done" in message:  # not cancelled meanwhile
            job.width, job.height = message["done"]
            job.state, job.held = "done", held
        elif job.state == "running":
            job.state, job.error = "failed", message["failed"]
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
        """Save a job; if the journal cannot be written, log it, so that the other jobs go on."""
        try:
            self._store.save(job)
        except sqlite3.OperationalError:
            log.exception("job %s: %s, but the journal cannot be written", job.id, job.state)
            self._store.notify(job)

    def _follow(self, job: Job, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        """Run the process of a job and return its last message; runs in a thread."""
        if job.state != "running":
            return {"failed": "stopped"}
        names = [job.frames[n].name for n in job.order]
        options = asdict(self.options(job))
        process, pipe = _start(run_job, str(self._store.folder(job)), names, options)
        self._processes[job.id] = process
        forecast = Forecast(len(names))
        try:
            if job.state != "running":  # stopped meanwhile
                process.kill()
            while True:
                message: dict[str, Any] = json.loads(pipe.recv_bytes())
                if "stage" not in message:
                    return message
                loop.call_soon_threadsafe(self._show, job, forecast.update(**message))
        except (EOFError, OSError):
            return {"failed": "its process was killed, perhaps for lack of memory"}
        finally:
            del self._processes[job.id]
            pipe.close()
            _end(process)

    def _show(self, job: Job, progress: Progress) -> None:
        """Show the progress of a job to its watchers."""
        if job.state == "running":
            job.progress = progress
            self._store.notify(job)


class Forecast:
    """Estimate of the time that a job still takes, from the time that its frames took."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._stage = ""
        self._began = 0.0
        self._fusing = 0.0

    def update(self, stage: str, done: int, of: int) -> Progress:
        """Take in a step and return the progress, with the seconds left if known."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began = stage, now
        left = None
        if stage == "look" and done:
            aligning = (now - self._began) / done
            self._fusing = aligning * FUSING_COST
            left = aligning * (of - done) + self._fusing * self._frames
        elif stage == "fuse":
            if done > 1:  # the first frame is not fused with anything
                self._fusing = (now - self._began) / (done - 1)
            left = self._fusing * (of - done)
        return Progress(stage, done, of, None if left is None else round(left, 1))


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # other tasks may change the folder meanwhile
                found += os.stat(os.path.join(place, name)).st_size
    return found

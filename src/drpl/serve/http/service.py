"""Service behind the routes: creates, starts, cancels and removes jobs."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drpl.core.frames import check_count
from drpl.errors import DrplError
from drpl.files.find import BatchItem, find_stacks
from drpl.io.formats import RAW, RAW_SUFFIXES, READABLE
from drpl.serve.http.refusals import Refused
from drpl.serve.http.results import Results
from drpl.serve.http.uploads import Uploads
from drpl.serve.jobs.choices import check_choices
from drpl.serve.jobs.jobs import PENDING, Frame, Job, free_name, safe_name
from drpl.serve.jobs.store import Store
from drpl.serve.settings import Settings
from drpl.serve.work.workers import TaskRefused, Tasks, Workers

log = logging.getLogger(__name__)
MOST_JOBS = 5000
CLEAN_UP = 3600.0
"""Seconds between two searches for old jobs."""
INPUT_LIMIT, RESULT_LIMIT = 120.0, 900.0
"""Most seconds for a task on uploaded files, and for a task on a result."""
STACKS_KNOWN = 10.0
"""Seconds after which the stacks of the server's folder are searched again."""


class Service:
    """Jobs of the service, and the processes that work on them.

    Raise ConfigError or WriteError if the store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.store)
        self.ending = False
        self._input_tasks, self._result_tasks = Tasks(INPUT_LIMIT), Tasks(RESULT_LIMIT)
        self.uploads = Uploads(self.store, settings, self._input_tasks)
        self.results = Results(self.store, settings, self._result_tasks)
        self._workers = Workers(self.store, settings, self.results.clear)
        self._stacks: dict[str, BatchItem] = {}
        self._stacks_found = float("-inf")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the jobs while the context is open."""
        clean_up = asyncio.create_task(self._clean_up())
        self._workers.dispatch()
        self.results.resume()
        try:
            yield
        finally:
            self.end()
            clean_up.cancel()
            await self._workers.end()
            self._input_tasks.end()
            self._result_tasks.end()
            self.store.close()

    def end(self) -> None:
        """End the event streams."""
        self.ending = True
        for job in self.store.jobs.values():
            self.store.notify(job)

    async def _clean_up(self) -> None:
        """Remove old jobs now and every `CLEAN_UP` seconds."""
        while True:
            try:
                for job in self.store.old(self.settings.keep):
                    log.info("removing old job %s", job.id)
                    await self.remove(job)
            except Exception:  # the next round may succeed
                log.exception("old jobs could not be removed")
            await asyncio.sleep(CLEAN_UP)

    def job(self, job_id: str) -> Job:
        """Return a job by its id."""
        found = self.store.jobs.get(job_id)
        if found is None:
            raise Refused(404, "the job does not exist")
        return found

    def view(self, job: Job) -> dict[str, Any]:
        """Return the JSON object of a job."""
        return job.view(self.store.place(job))

    def listed(self) -> list[dict[str, Any]]:
        """Return the JSON objects of all jobs without their frames, the newest first."""
        places = {job.id: place for place, job in enumerate(self.store.queue(), start=1)}
        jobs = sorted(self.store.jobs.values(), key=lambda job: job.created, reverse=True)
        return [job.view(places.get(job.id), short=True) for job in jobs]

    def formats(self) -> list[str]:
        """Return the suffixes of readable files."""
        return sorted(READABLE if RAW.available() else READABLE - RAW_SUFFIXES)

    async def stacks(self) -> list[dict[str, Any]]:
        """Return id, name and number of frames of each stack in the server's folder."""
        found = await asyncio.to_thread(self._find_stacks)
        return [
            {"id": stack_id, "name": item.name, "frames": len(item.sources)}
            for stack_id, item in found.items()
        ]

    def _find_stacks(self) -> dict[str, BatchItem]:
        """Find the stacks in the server's folder, by id; links out of the folder are left out."""
        root = self.settings.folder
        if root is not None and time.monotonic() - self._stacks_found > STACKS_KNOWN:
            try:
                items = find_stacks(root, self.settings.store)
            except DrplError as error:  # the disk may be unplugged for a while
                log.warning("%s", error)
                items = []
            good = [item for item in items if not item.trouble and len(item.sources) > 1]
            inside = root.resolve()
            self._stacks = {
                hashlib.sha256(item.name.encode()).hexdigest()[:16]: item
                for item in good
                if all(path.resolve().is_relative_to(inside) for path in item.sources)
            }
            self._stacks_found = time.monotonic()
        return self._stacks

    async def create(self, name: str, *, stack: str | None, demo: bool) -> Job:
        """Create a job, with the frames of a stack or of the drawn scene if one is named."""
        if len(self.store.jobs) >= MOST_JOBS:
            raise Refused(507, "there are too many jobs; remove some you no longer need")
        drafts = sum(job.state == "draft" for job in self.store.jobs.values())
        if drafts >= self.settings.queue:
            raise Refused(
                429, "too many jobs are not started yet; start or remove some", retry_after=60
            )
        if demo and not self.settings.demo:
            raise Refused(404, "the drawn scene is not offered; start drpl serve with --demo")
        if demo and stack is not None:
            raise Refused(422, "a job takes a stack or the drawn scene, not both")
        job = Job(name=_title(name))
        self.store.add(job)
        try:
            if stack is not None:
                await self._link(job, stack)
            elif demo:
                await self._draw(job)
        except BaseException:
            if job.id in self.store.jobs:
                await self.remove(job)
            raise
        return job

    async def _link(self, job: Job, stack: str) -> None:
        """Link the frames of a stack in the server's folder into a job."""
        item = (await asyncio.to_thread(self._find_stacks)).get(stack)
        if item is None:
            raise Refused(404, "the stack does not exist")
        if len(item.sources) > self.settings.max_frames:
            raise Refused(413, f"a job has at most {self.settings.max_frames} frames")
        job.linked, job.name = True, job.name or item.name
        names: list[str] = []
        for path in item.sources:
            names.append(free_name(safe_name(path.name), set(names)))
            _link(path.resolve(), self.store.folder(job) / "frames" / names[-1])
        await self._add_frames(job, names)

    async def _draw(self, job: Job) -> None:
        """Draw the scene into a job."""
        job.name = job.name or "demonstration"
        folder = self.store.folder(job) / "frames"
        await self._add_frames(job, await self._input_tasks.run("draw_demo", folder))

    async def _add_frames(self, job: Job, names: list[str]) -> None:
        """Inspect files that are in place and add them to a job."""
        folder, limit = self.store.folder(job) / "frames", self.settings.max_pixels
        try:
            found = await self._input_tasks.run(
                "inspect_frames", folder, names=names, max_pixels=limit
            )
        except TaskRefused as error:
            raise Refused(415, str(error)) from error
        for name, facts in zip(names, found, strict=True):
            self.store.add_frame(job, Frame(n=job.next_frame(), name=name, **facts))

    def remove_frame(self, job: Job, n: int) -> None:
        """Remove a frame from a job."""
        self.uploads.check_open(job)
        frame = self._frame(job, n)
        if job.state == "done" and n in job.order:
            raise Refused(409, "the result uses this frame; leave it out of the order instead")
        self.store.remove_frame(job, frame)

    def _frame(self, job: Job, n: int) -> Frame:
        """Return a frame of a job by its number."""
        if n not in job.frames:
            raise Refused(404, "the frame does not exist")
        return job.frames[n]

    async def thumbnail(self, job: Job, n: int) -> Path:
        """Return the thumbnail file of a frame, made if need be."""
        frame = self._frame(job, n)
        folder = self.store.folder(job)
        target = folder / "thumbnails" / f"{n}.jpg"
        if not target.exists():
            try:
                await self._input_tasks.run(
                    "write_thumbnail",
                    folder / "frames",
                    name=frame.name,
                    target=f"../thumbnails/{n}.jpg",
                    max_pixels=self.settings.max_pixels,
                )
            except TaskRefused as error:
                raise Refused(415, str(error)) from error
        return target

    async def start(
        self,
        job: Job,
        *,
        order: list[int],
        reference: int | None,
        preset: str | None,
        options: dict[str, Any],
    ) -> None:
        """Check the options of a job and queue it.

        ``order`` holds the numbers of the frames to fuse, in the order of the stack, and
        ``reference`` one of them, or None to choose it by focus. ``options`` override the preset,
        one of `drpl.core.options.PRESETS`.

        Raises
        ------
        Refused
            If the job is queued or running, frames are wrong, or queue or store are full.
        StackError, ConfigError
            If there are too few frames, or the preset or an option is wrong.
        """
        if job.state in PENDING:
            raise Refused(409, f"the job is {job.state} already")
        if self._workers.busy(job):
            raise Refused(409, "the job is still stopping; try again")
        if len(self.store.queue()) >= self.settings.queue:
            raise Refused(429, "the queue is full; try again later", retry_after=30)
        if len(set(order)) != len(order) or not set(order) <= set(job.frames):
            raise Refused(422, "order names a frame twice or one that does not exist")
        if reference is not None and reference not in order:
            raise Refused(422, "the reference frame is not one of the frames in order")
        check_count(len(order))
        check_choices(options)
        before = job.order, job.reference, job.preset, job.options
        job.order, job.reference, job.preset, job.options = order, reference, preset, options
        try:
            self._workers.options(job)
            self.results.check_room(job)
        except BaseException:
            job.order, job.reference, job.preset, job.options = before
            raise
        job.width = job.height = 0
        job.state, job.queued, job.begun, job.error = "queued", time.time(), 0, None
        job.retouched = False
        self.store.save(job)
        self._workers.dispatch()

    async def cancel(self, job: Job) -> None:
        """Take a job from the queue, or kill its process; does nothing if it has ended."""
        if job.state not in PENDING:
            return
        job.state, job.ended, job.progress = "cancelled", time.time(), None
        self.store.save(job)
        await self._workers.stop(job)

    async def remove(self, job: Job) -> None:
        """Cancel a job and delete everything of it."""
        await self.cancel(job)
        if job.id in self.store.jobs:
            gone = self.store.remove(job)
            await self.results.idle(job)
            await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)


def _link(path: Path, place: Path) -> None:
    """Link a file into another folder."""
    try:
        try:
            place.symlink_to(path)
        except OSError:  # Windows lets few users make symbolic links
            place.hardlink_to(path)
    except OSError as error:
        words = f"{path.name}: cannot be linked ({error.strerror}); give a --store on the same disk"
        raise Refused(507, words) from error


def _title(name: str) -> str:
    """Return a name to show: one line without control characters."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in name)
    return " ".join(kept.split())[:100]

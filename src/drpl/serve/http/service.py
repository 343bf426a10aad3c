"""What the routes call: jobs made, started, cancelled, removed; old ones cleaned up."""

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
from drpl.serve.http.choices import check_choices
from drpl.serve.http.refusals import Refused
from drpl.serve.http.results import Results
from drpl.serve.http.uploads import Uploads
from drpl.serve.jobs.jobs import WAITING, Frame, Job, free_name, safe_name
from drpl.serve.jobs.store import Store
from drpl.serve.settings import Settings
from drpl.serve.work.workers import TaskRefused, Tasks, Workers

log = logging.getLogger(__name__)
MOST_JOBS = 5000
CLEAN_UP = 3600.0
"""Seconds between looks for jobs that are old."""
SLOWEST_LOOK, SLOWEST_MAKING = 120.0, 900.0
"""Seconds that a look at one file may take, and tiles or another format of a result."""
STACKS_KNOWN = 10.0
"""Seconds for which the stacks of the server's folder are not looked for again."""


class Service:
    """The jobs, and all that works on them.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    ConfigError, WriteError
        If the store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.store)
        self.ending = False
        self._looks, self._makes = Tasks(SLOWEST_LOOK), Tasks(SLOWEST_MAKING)
        self.uploads = Uploads(self.store, settings, self._looks)
        self.results = Results(self.store, settings, self._makes)
        self._workers = Workers(self.store, settings, self.results.clear)
        self._stacks: dict[str, BatchItem] = {}
        self._stacks_found = float("-inf")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Jobs are worked on while this is open."""
        clean_up = asyncio.create_task(self._clean_up())
        self._workers.dispatch()
        self.results.resume()
        try:
            yield
        finally:
            self.end()
            clean_up.cancel()
            await self._workers.end()
            self._looks.end()
            self._makes.end()
            self.store.close()

    def end(self) -> None:
        """Let those go who watch."""
        self.ending = True
        for job in self.store.jobs.values():
            self.store.tell(job)

    async def _clean_up(self) -> None:
        """Remove old jobs, now and every hour."""
        while True:
            try:
                for job in self.store.old(self.settings.keep):
                    log.info("job %s is old, and removed", job.id)
                    await self.remove(job)
            except Exception:  # the next hour may do better
                log.exception("old jobs could not be removed")
            await asyncio.sleep(CLEAN_UP)

    def job(self, job_id: str) -> Job:
        """A job by its id."""
        found = self.store.jobs.get(job_id)
        if found is None:
            raise Refused(404, "there is no such job")
        return found

    def view(self, job: Job) -> dict[str, Any]:
        """What a client is shown of a job."""
        return job.view(self.store.place(job))

    def listed(self) -> list[dict[str, Any]]:
        """All jobs, the newest first, without their frames."""
        places = {job.id: place for place, job in enumerate(self.store.queue(), start=1)}
        jobs = sorted(self.store.jobs.values(), key=lambda job: job.created, reverse=True)
        return [job.view(places.get(job.id), short=True) for job in jobs]

    def formats(self) -> list[str]:
        """Suffixes of files that are read."""
        return sorted(READABLE if RAW.available() else READABLE - RAW_SUFFIXES)

    async def stacks(self) -> list[dict[str, Any]]:
        """Stacks of the server's folder; a client only learns their names."""
        found = await asyncio.to_thread(self._find_stacks)
        return [
            {"id": stack_id, "name": item.name, "frames": len(item.sources)}
            for stack_id, item in found.items()
        ]

    def _find_stacks(self) -> dict[str, BatchItem]:
        """Stacks of the server's folder, by id."""
        root = self.settings.folder
        if root is not None and time.monotonic() - self._stacks_found > STACKS_KNOWN:
            try:
                items = find_stacks(root, self.settings.store)
            except DrplError as error:  # the disk may be unplugged, and come back
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
        """Make a job."""
        if len(self.store.jobs) >= MOST_JOBS:
            raise Refused(507, "there are too many jobs; remove some that are not needed")
        drafts = sum(job.state == "draft" for job in self.store.jobs.values())
        if drafts >= self.settings.queue:
            raise Refused(429, "too many jobs are open; start or remove some", retry_after=60)
        if demo and not self.settings.demo:
            raise Refused(404, "there is no demonstration; start with drpl serve --demo")
        if demo and stack is not None:
            raise Refused(422, "a job is of a stack or the demonstration, not both")
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
        """Take the frames of a stack of the server's folder, where they are."""
        item = (await asyncio.to_thread(self._find_stacks)).get(stack)
        if item is None:
            raise Refused(404, "there is no such stack")
        if len(item.sources) > self.settings.max_frames:
            raise Refused(413, f"a job has at most {self.settings.max_frames} frames")
        job.linked, job.name = True, job.name or item.name
        names: list[str] = []
        for path in item.sources:
            names.append(free_name(safe_name(path.name), set(names)))
            _link(path.resolve(), self.store.folder(job) / "frames" / names[-1])
        await self._look(job, names)

    async def _draw(self, job: Job) -> None:
        """Take the drawn scene."""
        job.name = job.name or "demonstration"
        await self._look(job, await self._looks.do("draw_demo", self.store.folder(job) / "frames"))

    async def _look(self, job: Job, names: list[str]) -> None:
        """Take in frames whose files are in their places."""
        folder, limit = self.store.folder(job) / "frames", self.settings.max_pixels
        try:
            found = await self._looks.do("look_at_frames", folder, names=names, max_pixels=limit)
        except TaskRefused as error:
            raise Refused(415, str(error)) from error
        for name, facts in zip(names, found, strict=True):
            self.store.add_frame(job, Frame(n=job.next_frame(), name=name, **facts))

    def remove_frame(self, job: Job, n: int) -> None:
        """Remove a frame of a job."""
        self.uploads.check_open(job)
        frame = self._frame(job, n)
        if job.state == "done" and n in job.order:
            raise Refused(409, "the result was made of this frame; leave it out of the order")
        self.store.remove_frame(job, frame)

    def _frame(self, job: Job, n: int) -> Frame:
        """A frame of a job."""
        if n not in job.frames:
            raise Refused(404, "there is no such frame")
        return job.frames[n]

    async def thumbnail(self, job: Job, n: int) -> Path:
        """A small picture of a frame."""
        frame = self._frame(job, n)
        folder = self.store.folder(job)
        target = folder / "thumbnails" / f"{n}.jpg"
        if not target.exists():
            try:
                await self._looks.do(
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
        """Put a job into the queue."""
        if job.state in WAITING or self._workers.busy(job):
            raise Refused(409, f"the job is {job.state}, or about to end")
        if len(self.store.queue()) >= self.settings.queue:
            raise Refused(429, "the queue is full", retry_after=30)
        if len(set(order)) != len(order) or not set(order) <= set(job.frames):
            raise Refused(422, "order names a frame twice, or one that is not there")
        if reference is not None and reference not in order:
            raise Refused(422, "the reference is none of the frames in order")
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
        """Take a job from the queue, or kill it where it runs."""
        if job.state not in WAITING:
            return
        job.state, job.ended, job.progress = "cancelled", time.time(), None
        self.store.save(job)
        await self._workers.stop(job)

    async def remove(self, job: Job) -> None:
        """Forget a job and delete all of it."""
        await self.cancel(job)
        if job.id in self.store.jobs:
            gone = self.store.remove(job)
            await self.results.idle(job)
            await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)


def _link(path: Path, place: Path) -> None:
    """Show a file in another place, too."""
    try:
        try:
            place.symlink_to(path)
        except OSError:  # Windows lets few users make them
            place.hardlink_to(path)
    except OSError as error:
        words = f"{path.name}: cannot be linked to ({error.strerror}); give --store on its disk"
        raise Refused(507, words) from error


def _title(name: str) -> str:
    """A name to show, of one line."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in name)
    return " ".join(kept.split())[:100]

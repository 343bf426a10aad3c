"""Frames that arrive: streamed to disk, looked at, and only then part of a job."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request

from drpl.io.formats import RAW_SUFFIXES
from drpl.serve.http.refusals import Refused, header
from drpl.serve.jobs.jobs import WAITING, Frame, Job, free_name, safe_name
from drpl.serve.jobs.store import Store
from drpl.serve.settings import MEBIBYTE, Settings
from drpl.serve.work.workers import TaskFailed, TaskRefused, Tasks

AT_A_TIME = 8
"""Uploads in all; more are asked to wait."""
BEGINNINGS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|II[*+]\x00|MM\x00[*+]|RIFF....WEBP|....ftyp", re.DOTALL
)
"""How files begin that are read (JPEG, PNG, TIFF, WebP, AVIF); `drpl.io.read` has the last word."""
ENOUGH = 16
"""Bytes that tell."""


class Uploads:
    """Takes in frames, within the limits."""

    def __init__(self, store: Store, settings: Settings, tasks: Tasks) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks
        self._coming = Counter[str]()
        self._reserved = Counter[str]()

    async def receive(self, job: Job, name: str, request: Request) -> Frame:
        """Take in one frame.

        Raises
        ------
        Refused
            If it is no picture, too large or one too many, or there is no room; nothing is left
            of it.
        """
        self.check_open(job)
        if self._coming.total() >= AT_A_TIME:
            raise Refused(429, "too many uploads at a time", retry_after=1)
        if len(job.frames) + self._coming[job.id] >= self._settings.max_frames:
            raise Refused(413, f"a job has at most {self._settings.max_frames} frames")
        arriving = self._store.folder(job) / f"arriving-{secrets.token_hex(8)}"
        room = _Room(self._store, self._settings, job, self._reserved)
        self._coming[job.id] += 1
        try:
            room.take(int(header(request.scope, b"content-length") or 0))
            arriving.mkdir()
            path = arriving / safe_name(name)
            await _write(request, path, room)
            return await self._take_in(job, path)
        except ClientDisconnect as error:
            raise Refused(400, "the upload ended early") from error
        finally:
            room.release()
            self._coming[job.id] -= 1
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, arriving, ignore_errors=True))

    def check_open(self, job: Job) -> None:
        """Refuse to change the frames of a job that needs them as they are."""
        if job.linked:
            raise Refused(409, "the frames belong to a folder of the server; make another job")
        if job.state in WAITING:
            raise Refused(409, f"the job is {job.state}; cancel it first")

    async def _take_in(self, job: Job, path: Path) -> Frame:
        """Look at a file that is whole, and give it its place in the job."""
        if job.id not in self._store.jobs:
            raise Refused(404, "there is no such job")
        small = path.with_name(".thumbnail")
        try:
            facts = await self._tasks.do(
                "look_at_frame",
                path.parent,
                name=path.name,
                max_pixels=self._settings.max_pixels,
                thumbnail=small.name,
            )
        except TaskRefused as error:
            there = job.id in self._store.jobs
            raise Refused(415 if there else 404, str(error)) from error
        except TaskFailed as error:
            raise Refused(415, f"{path.name}: cannot be read ({error})") from error
        if job.id not in self._store.jobs:
            raise Refused(404, "there is no such job")
        self.check_open(job)
        folder = self._store.folder(job)
        name = free_name(path.name, {frame.name for frame in job.frames.values()})
        frame = Frame(n=job.next_frame(), name=name, **facts)
        (folder / "thumbnails").mkdir(exist_ok=True)
        small.replace(folder / "thumbnails" / f"{frame.n}.jpg")
        path.replace(folder / "frames" / name)
        self._store.add_frame(job, frame)
        return frame


class _Room:
    """Room that one upload takes, before it has become a frame."""

    def __init__(self, store: Store, settings: Settings, job: Job, reserved: Counter[str]) -> None:
        self._store, self._settings, self._job, self._reserved = store, settings, job, reserved
        self.taken = 0

    def take(self, more: int) -> None:
        """Reserve bytes, if there is room for them."""
        store, limits = self._store, self._settings
        of_job = self._job.uploaded + self._reserved[self._job.id] + more
        if of_job > limits.max_bytes:
            raise Refused(413, f"the frames of a job have at most {limits.max_bytes:,} bytes")
        if more > store.room(limits.quota):
            raise Refused(507, "there is no room left; remove jobs that are not needed")
        self.taken += more
        store.arriving += more
        self._reserved[self._job.id] += more

    def release(self) -> None:
        """Give the room back."""
        self._store.arriving -= self.taken
        self._reserved[self._job.id] -= self.taken


async def _write(request: Request, path: Path, room: _Room) -> None:
    """Write a body to a file as it comes."""
    written, waiting = 0, bytearray()
    raw = path.suffix.lower() in RAW_SUFFIXES

    async def flush(stream: BinaryIO) -> None:
        nonlocal written
        if not written and not raw and not BEGINNINGS.match(waiting):
            raise Refused(415, f"{path.name}: is not a picture of a format that is read")
        await asyncio.to_thread(stream.write, bytes(waiting))
        written += len(waiting)
        waiting.clear()

    with path.open("xb") as stream:
        async for chunk in request.stream():
            waiting += chunk
            if written + len(waiting) > room.taken:
                room.take(MEBIBYTE)
            if len(waiting) >= (MEBIBYTE if written else ENOUGH):
                await flush(stream)
        await flush(stream)

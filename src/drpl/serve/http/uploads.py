"""Uploads: frames are streamed to disk and inspected before they become part of a job."""

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
from drpl.serve.jobs.jobs import PENDING, Frame, Job, free_name, safe_name
from drpl.serve.jobs.store import Store
from drpl.serve.settings import MEBIBYTE, Settings
from drpl.serve.work.workers import TaskFailed, TaskRefused, Tasks

AT_A_TIME = 8
"""Most uploads at the same time; clients are asked to retry others."""
BEGINNINGS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|II[*+]\x00|MM\x00[*+]|RIFF....WEBP|....ftyp|BM", re.DOTALL
)
"""First bytes of JPEG, PNG, TIFF, WebP, AVIF and BMP files; `drpl.io.read` decides in the end."""
ENOUGH = 16
"""Bytes that are matched with `BEGINNINGS`."""


class Uploads:
    """Receiver of frames, within the limits of the settings."""

    def __init__(self, store: Store, settings: Settings, tasks: Tasks) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks
        self._arriving = Counter[str]()
        self._reserved = Counter[str]()

    async def receive(self, job: Job, name: str, request: Request) -> Frame:
        """Receive one frame and add it to a job.

        Raise Refused, and keep nothing of the file, if it is not an image or too large, the job has
        too many frames, or there is no room.
        """
        self.check_open(job)
        if self._arriving.total() >= AT_A_TIME:
            raise Refused(429, "too many uploads at the same time", retry_after=1)
        if len(job.frames) + self._arriving[job.id] >= self._settings.max_frames:
            raise Refused(413, f"a job has at most {self._settings.max_frames} frames")
        folder = self._store.folder(job) / f"arriving-{secrets.token_hex(8)}"
        room = _Room(self._store, self._settings, job, self._reserved)
        self._arriving[job.id] += 1
        try:
            room.take(int(header(request.scope, b"content-length") or 0))
            folder.mkdir()
            path = folder / safe_name(name)
            await _write(request, path, room)
            return await self._add(job, path)
        except ClientDisconnect as error:
            raise Refused(400, "the upload ended early") from error
        finally:
            room.release()
            self._arriving[job.id] -= 1
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def check_open(self, job: Job) -> None:
        """Refuse to change the frames of a job that is linked, queued or running."""
        if job.linked:
            raise Refused(409, "the frames belong to a folder of the server; upload them instead")
        if job.state in PENDING:
            raise Refused(409, f"the job is {job.state}; cancel it first")

    async def _add(self, job: Job, path: Path) -> Frame:
        """Inspect a complete file and move it into the job."""
        if job.id not in self._store.jobs:
            raise Refused(404, "the job does not exist")
        thumbnail = path.with_name(".thumbnail")
        try:
            facts = await self._tasks.run(
                "inspect_frame",
                path.parent,
                name=path.name,
                max_pixels=self._settings.max_pixels,
                thumbnail=thumbnail.name,
            )
        except TaskRefused as error:
            exists = job.id in self._store.jobs
            raise Refused(415 if exists else 404, str(error)) from error
        except TaskFailed as error:
            raise Refused(415, f"{path.name}: cannot be read ({error})") from error
        if job.id not in self._store.jobs:
            raise Refused(404, "the job does not exist")
        self.check_open(job)
        folder = self._store.folder(job)
        name = free_name(path.name, {frame.name for frame in job.frames.values()})
        frame = Frame(n=job.next_frame(), name=name, **facts)
        (folder / "thumbnails").mkdir(exist_ok=True)
        thumbnail.replace(folder / "thumbnails" / f"{frame.n}.jpg")
        path.replace(folder / "frames" / name)
        self._store.add_frame(job, frame)
        return frame


class _Room:
    """Room that one upload reserves until it becomes a frame."""

    def __init__(self, store: Store, settings: Settings, job: Job, reserved: Counter[str]) -> None:
        self._store, self._settings, self._job, self._reserved = store, settings, job, reserved
        self.taken = 0

    def take(self, more: int) -> None:
        """Reserve more bytes; refuse if there is no room for them."""
        store, limits = self._store, self._settings
        of_job = self._job.uploaded + self._reserved[self._job.id] + more
        if of_job > limits.max_bytes:
            raise Refused(413, f"the frames of a job may have at most {limits.max_bytes:,} bytes")
        if more > store.room(limits.quota):
            raise Refused(507, "there is no room left; remove jobs you no longer need")
        self.taken += more
        store.arriving += more
        self._reserved[self._job.id] += more

    def release(self) -> None:
        """Release the reserved bytes."""
        self._store.arriving -= self.taken
        self._reserved[self._job.id] -= self.taken


async def _write(request: Request, path: Path, room: _Room) -> None:
    """Write the body of a request to a file as it arrives."""
    written, buffer = 0, bytearray()
    raw = path.suffix.lower() in RAW_SUFFIXES

    async def flush(stream: BinaryIO) -> None:
        nonlocal written
        if not written and not raw and not BEGINNINGS.match(buffer):
            raise Refused(415, f"{path.name}: is not an image in a supported format")
        await asyncio.to_thread(stream.write, bytes(buffer))
        written += len(buffer)
        buffer.clear()

    with path.open("xb") as stream:
        async for chunk in request.stream():
            buffer += chunk
            if written + len(buffer) > room.taken:
                room.take(MEBIBYTE)
            if len(buffer) >= (MEBIBYTE if written else ENOUGH):
                await flush(stream)
        await flush(stream)

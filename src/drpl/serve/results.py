"""What came out of a job: report, tiles, downloads, retouching."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from drpl.report import in_words
from drpl.serve.jobs import Job
from drpl.serve.layers import read_info, tile_file
from drpl.serve.refusals import Refused
from drpl.serve.settings import Settings
from drpl.serve.store import Store
from drpl.serve.workers import TaskFailed, TaskRefused, Tasks, folder_bytes

PATIENCE = 10.0
"""Seconds that a client waits for what is made when it is asked for."""
NO_EDITS: dict[str, Any] = {"edits": 1, "strokes": []}


class Results:
    """Shows the results of jobs, and makes what is not there before it is asked for."""

    def __init__(self, store: Store, settings: Settings, tasks: Tasks) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks
        self._making: dict[tuple[str, str], asyncio.Task[None]] = {}

    def check_room(self, job: Job) -> None:
        """Refuse what would not fit: result, maps and tiles, roughly."""
        frame = job.frames[job.order[0]]
        sample = {"uint8": 1, "uint16": 2, "float32": 4}[frame.dtype]
        needed = frame.width * frame.height * (frame.channels * (sample + 1) + 4)
        if self._store.used - job.held + needed > self._settings.quota:
            raise Refused(507, "there is no room for the result; remove jobs that are not needed")

    async def drop(self, job: Job) -> None:
        """Remove the result of a job that is to be fused anew."""
        job.width = job.height = job.held = 0
        job.retouched = False
        making = [task for (owner, _), task in self._making.items() if owner == job.id]
        if making:
            await asyncio.wait(making)
        folder = self._store.folder(job) / "result"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def report(self, job: Job) -> dict[str, Any]:
        """The report, with sentences."""
        text = (self._folder(job) / "report.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found | {"words": in_words(found)}

    async def layer(self, job: Job, layer: str) -> dict[str, Any] | None:
        """Size and levels of a layer; those of frames are made now, and None while they are."""
        folder = self._folder(job)
        if layer.startswith("frame-") and not await self._make_frame(job, int(layer[6:])):
            return None
        info = read_info(folder / "layers" / layer)
        if info is None:
            raise Refused(404, "there is no such layer")
        return {name: info[name] for name in ("width", "height", "tile", "levels")}

    def tile(self, job: Job, layer: str, level: int, column: int, row: int) -> Path:
        """File of a tile."""
        found = tile_file(self._folder(job) / "layers" / layer, level, column, row)
        if found is None:
            raise Refused(404, "there is no such tile")
        return found

    def edits(self, job: Job) -> dict[str, Any]:
        """Strokes of the brush."""
        self._folder(job)
        return NO_EDITS | {"size": [job.width, job.height]}

    async def edit(self, job: Job, edits: dict[str, Any]) -> dict[str, Any]:
        """Replay strokes on the result as it was fused."""
        raise Refused(501, "retouching is not there yet")

    async def download(self, job: Job, what: str) -> Path:
        """A file to save; other formats and archives are made now."""
        folder = self._folder(job)
        path = folder / what
        if what == "edits.json":
            raise Refused(404, "there are no edits")
        if path.exists():
            return path
        if what == "maps.zip":
            await self._make(job, what, "pack", folder, source="maps", target=what)
        elif what in ("fused.png", "fused.jpg"):
            await self._make(job, what, "convert", folder, source="fused.tif", target=what)
        return path

    def _folder(self, job: Job) -> Path:
        """Folder of the result of a job that is done."""
        if job.state != "done":
            raise Refused(409, f"there is no result: the job is {job.state}")
        return self._store.folder(job) / "result"

    async def _make_frame(self, job: Job, place: int) -> bool:
        """Make the tiles of a frame as it was fused; whether they are there."""
        folder = self._folder(job)
        if place >= len(job.order) or place in self.report(job)["rejected"]:
            raise Refused(404, "there is no such frame, or it was left out")
        name = f"frame-{place}"
        if read_info(folder / "layers" / name) is not None:
            return True
        return await self._make(
            job,
            name,
            "write_frame_layer",
            self._store.folder(job) / "frames",
            patience=PATIENCE,
            name=job.frames[job.order[place]].name,
            number=place,
            value_range=None,
            max_pixels=self._settings.max_pixels,
        )

    async def _make(
        self,
        job: Job,
        key: str,
        task: str,
        where: Path,
        *,
        patience: float | None = None,
        **arguments: Any,
    ) -> bool:
        """Make something once, however many ask for it; False where it takes longer."""
        known = self._making.get((job.id, key))
        if known is None:
            if self._store.used > self._settings.quota:
                raise Refused(507, "there is no room left; remove jobs that are not needed")
            known = asyncio.create_task(self._made(job, task, where, arguments))
            self._making[job.id, key] = known
            known.add_done_callback(lambda _: self._making.pop((job.id, key), None))
        try:
            await asyncio.wait_for(asyncio.shield(known), patience)
        except TimeoutError:
            return False
        except TaskRefused as error:
            raise Refused(409, str(error)) from error
        except TaskFailed as error:
            raise Refused(500, f"it could not be made: {error}") from error
        return True

    async def _made(self, job: Job, task: str, where: Path, arguments: dict[str, Any]) -> None:
        """Make something, and count its bytes."""
        await self._tasks.do(task, where, **arguments)
        if job.state == "done" and job.id in self._store.jobs:
            job.held = await asyncio.to_thread(folder_bytes, self._store.folder(job) / "result")
            self._store.save(job)

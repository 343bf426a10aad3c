"""What came out of a job: report, tiles, downloads, retouching."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from drpl.results.edits import Edits, edits_as_json
from drpl.results.report import in_words
from drpl.serve.http.refusals import Refused
from drpl.serve.jobs.jobs import Job
from drpl.serve.jobs.store import Store
from drpl.serve.settings import Settings
from drpl.serve.work.layers import read_info, tile_file
from drpl.serve.work.retouching import CHANGING, EDITS
from drpl.serve.work.workers import TaskFailed, TaskRefused, Tasks, folder_bytes

KINDS = {".jpg": "image/jpeg", ".png": "image/png"}
PATIENCE = 10.0
"""Seconds that a client waits for what is made when it is asked for."""


class Results:
    """Shows the results of jobs, and makes what is not there before it is asked for."""

    def __init__(self, store: Store, settings: Settings, tasks: Tasks) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks
        self._making: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._count = itertools.count()

    def check_room(self, job: Job) -> None:
        """Refuse what would not fit: result, maps and tiles, roughly."""
        frame = job.frames[job.order[0]]
        sample = {"uint8": 1, "uint16": 2, "float32": 4}[frame.dtype]
        needed = frame.width * frame.height * (frame.channels * (sample + 1) + 4)
        if needed > self._store.room(self._settings.quota) + job.held:
            raise Refused(507, "there is no room for the result; remove jobs that are not needed")

    def resume(self) -> None:
        """Take back strokes that were being drawn when the service ended."""
        for job in self._store.jobs.values():
            folder = self._store.folder(job) / "result" / "retouched"
            if job.state != "done" or not folder.exists():
                continue
            job.retouched = bool(json.loads(self.edits(job))["strokes"])
            if (folder / CHANGING).exists():
                with suppress(Refused):  # no room; the next stroke says so
                    self._begin(job, "settled", "settle_result", **self._strokes(job))

    async def idle(self, job: Job) -> None:
        """Wait until nothing works on the result of a job any more."""
        making = [task for (owner, _), task in self._making.items() if owner == job.id]
        if making:
            await asyncio.wait(making)

    async def clear(self, job: Job) -> None:
        """Remove the result of a job that is fused anew."""
        await self.idle(job)
        folder = self._store.folder(job) / "result"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        job.held = 0

    def report(self, job: Job) -> dict[str, Any]:
        """The report, with sentences."""
        text = (self._shown(job) / "report.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found | {"words": in_words(found)}

    async def layer(self, job: Job, layer: str) -> dict[str, Any] | None:
        """Size and levels of a layer; those of frames are made now, and None while they are."""
        folder = self._folder(job) / "layers" / layer
        if layer.startswith("frame-") and read_info(folder) is None:
            number = int(layer.removeprefix("frame-"))
            if number >= len(job.order) or number in self.report(job)["rejected"]:
                raise Refused(404, "there is no such frame, or it was left out")
            making = self._begin(
                job, layer, "write_frame_layer", number=number, **self._frames(job)
            )
            try:
                await self._outcome(making, PATIENCE)
            except TimeoutError:
                return None
        info = read_info(folder)
        if info is None:
            raise Refused(404, "there is no such layer")
        return {name: info[name] for name in ("width", "height", "tile", "levels")}

    async def tile(
        self, job: Job, layer: str, level: int, column: int, row: int
    ) -> tuple[bytes, str]:
        """A tile and its media type; read at once, since a stroke may replace the file."""
        found = tile_file(self._folder(job) / "layers" / layer, level, column, row)
        if found is not None:
            with suppress(FileNotFoundError):
                return await asyncio.to_thread(found.read_bytes), KINDS[found.suffix]
        raise Refused(404, "there is no such tile")

    def edits(self, job: Job) -> str:
        """Strokes that were painted over the result, as JSON."""
        path = self._folder(job) / "retouched" / EDITS
        if path.exists():
            return path.read_text(encoding="utf-8")
        return edits_as_json(Edits((job.width, job.height), ()))

    async def edit(self, job: Job, text: str) -> list[int]:
        """Replay strokes on the result as it was fused; gives the rectangle that has changed."""
        self._folder(job)
        key = f"edits-{next(self._count)}"
        making = self._begin(job, key, "retouch_result", text=text, **self._strokes(job))
        drawn = await self._outcome(making, None, wrong=422)
        if job.state != "done" or job.id not in self._store.jobs:
            raise Refused(409, "the job was started anew or removed meanwhile")
        job.retouched = drawn["strokes"] > 0
        self._store.save(job)
        changed: list[int] = drawn["changed"]
        return changed

    async def download(self, job: Job, what: str) -> Path:
        """A file to save; other formats and archives are made now."""
        folder = self._shown(job)
        path = folder / what
        if path.exists():
            return path
        if job.retouched and not (folder / "fused.tif").exists():
            await self._outcome(self._begin(job, "files", "write_retouched", **self._strokes(job)))
        if not path.exists():
            place = f"../{folder.relative_to(self._store.folder(job)).as_posix()}"
            if what == "maps.zip":
                about = {"source": f"{place}/maps", "target": f"{place}/{what}"}
                await self._outcome(self._begin(job, what, "pack", **about))
            else:
                about = {"source": f"{place}/fused.tif", "target": f"{place}/{what}"}
                limit = self._settings.max_pixels
                await self._outcome(self._begin(job, what, "convert", max_pixels=limit, **about))
        return path

    def _folder(self, job: Job) -> Path:
        """Folder of the result of a job that is done."""
        if job.state != "done":
            raise Refused(409, f"there is no result: the job is {job.state}")
        return self._store.folder(job) / "result"

    def _frames(self, job: Job) -> dict[str, Any]:
        """Files of the frames of a job, as a task wants them."""
        names = [job.frames[n].name for n in job.order]
        return {"names": names, "max_pixels": self._settings.max_pixels}

    def _strokes(self, job: Job) -> dict[str, Any]:
        """Frames, and how much room is left for planes that are painted on."""
        return {**self._frames(job), "room": self._store.room(self._settings.quota)}

    def _shown(self, job: Job) -> Path:
        """Folder of the files that a client sees: retouched, if it is."""
        folder = self._folder(job)
        return folder / "retouched" if job.retouched else folder

    def _begin(self, job: Job, key: str, task: str, **arguments: Any) -> asyncio.Task[Any]:
        """Make something once, however many ask for it."""
        known = self._making.get((job.id, key))
        if known is None:
            if self._store.used > self._settings.quota:
                raise Refused(507, "there is no room left; remove jobs that are not needed")
            known = asyncio.create_task(self._made(job, task, arguments))
            self._making[job.id, key] = known
            known.add_done_callback(partial(self._forget, (job.id, key)))
        return known

    def _forget(self, key: tuple[str, str], making: asyncio.Task[Any]) -> None:
        """Forget what is made; nobody may have waited to hear that it failed."""
        self._making.pop(key, None)
        if not making.cancelled():
            making.exception()

    async def _outcome(
        self, making: asyncio.Task[Any], patience: float | None = None, *, wrong: int = 409
    ) -> Any:
        """What something gives that is being made; it is made to its end whoever waits."""
        try:
            return await asyncio.wait_for(asyncio.shield(making), patience)
        except TaskRefused as error:
            raise Refused(wrong, str(error)) from error
        except TaskFailed as error:
            raise Refused(500, f"it could not be made: {error}") from error

    async def _made(self, job: Job, task: str, arguments: dict[str, Any]) -> Any:
        """Make something, and count its bytes."""
        folder = self._store.folder(job)
        gave = await self._tasks.do(task, folder / "frames", **arguments)
        if job.state == "done" and job.id in self._store.jobs:
            job.held = await asyncio.to_thread(folder_bytes, folder / "result")
            self._store.save(job)
        return gave

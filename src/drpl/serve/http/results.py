"""Results of jobs: report, layers, downloads and retouching."""

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

MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}
"""Media types of tiles by suffix."""
PATIENCE = 10.0
"""Most seconds that a request waits for a layer; the client then requests it again."""


class Results:
    """Results of jobs; layers of frames, other formats and retouched files are made on demand."""

    def __init__(self, store: Store, settings: Settings, tasks: Tasks) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks
        self._making: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._count = itertools.count()

    def check_room(self, job: Job) -> None:
        """Refuse a job whose result, maps and tiles would not fit into the store, roughly."""
        frame = job.frames[job.order[0]]
        sample = {"uint8": 1, "uint16": 2, "float32": 4}[frame.dtype]
        needed = frame.width * frame.height * (frame.channels * (sample + 1) + 4)
        if needed > self._room() + job.held:
            raise Refused(507, "there is no room for the result; remove jobs you no longer need")

    def resume(self) -> None:
        """Roll back strokes that the end of the service interrupted."""
        for job in self._store.jobs.values():
            folder = self._store.folder(job) / "result" / "retouched"
            if job.state != "done" or not folder.exists():
                continue
            job.retouched = bool(json.loads(self.edits(job))["strokes"])
            if (folder / CHANGING).exists():
                with suppress(Refused):  # no room; the next stroke reports it
                    self._begin(job, "recovered", "recover_result", **self._limits())

    async def idle(self, job: Job) -> None:
        """Wait until no task works on the result of a job."""
        making = [task for (owner, _), task in self._making.items() if owner == job.id]
        if making:
            await asyncio.wait(making)

    async def clear(self, job: Job) -> None:
        """Remove the result of a job that is fused again."""
        await self.idle(job)
        folder = self._store.folder(job) / "result"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        job.held = 0

    def report(self, job: Job) -> dict[str, Any]:
        """Return the report of a job, with a summary in sentences as ``words``."""
        text = (self._shown(job) / "report.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found | {"words": in_words(found)}

    async def layer(self, job: Job, layer: str) -> dict[str, Any] | None:
        """Return size and levels of a layer; None while the layer of a frame is being made."""
        folder = self._folder(job) / "layers" / layer
        if layer.startswith("frame-") and read_info(folder) is None:
            number = int(layer.removeprefix("frame-"))
            if number >= len(job.order) or number in self.report(job)["rejected"]:
                raise Refused(404, "the frame does not exist or was left out")
            limit = self._settings.max_pixels
            making = self._begin(job, layer, "write_frame_layer", number=number, max_pixels=limit)
            try:
                await self._outcome(making, PATIENCE)
            except TimeoutError:
                return None
        info = read_info(folder)
        if info is None:
            raise Refused(404, "the layer does not exist")
        return {name: info[name] for name in ("width", "height", "tile", "levels")}

    async def tile(
        self, job: Job, layer: str, level: int, column: int, row: int
    ) -> tuple[bytes, str]:
        """Read a tile and its media type; a stroke may replace the file at any time."""
        found = tile_file(self._folder(job) / "layers" / layer, level, column, row)
        if found is not None:
            with suppress(FileNotFoundError):
                return await asyncio.to_thread(found.read_bytes), MEDIA_TYPES[found.suffix]
        raise Refused(404, "the tile does not exist")

    def edits(self, job: Job) -> str:
        """Return the edit list of the result as JSON."""
        path = self._folder(job) / "retouched" / EDITS
        if path.exists():
            return path.read_text(encoding="utf-8")
        return edits_as_json(Edits((job.width, job.height), ()))

    async def edit(self, job: Job, text: str) -> list[int]:
        """Replay an edit list; return left, top, width and height of the changed pixels."""
        self._folder(job)
        key = f"edits-{next(self._count)}"
        making = self._begin(job, key, "retouch_result", text=text, **self._limits())
        outcome = await self._outcome(making, status=422)
        if job.state != "done" or job.id not in self._store.jobs:
            raise Refused(409, "the job was started again or removed meanwhile")
        job.retouched = outcome["strokes"] > 0
        self._store.save(job)
        changed: list[int] = outcome["changed"]
        return changed

    async def download(self, job: Job, what: str) -> Path:
        """Return a file to save; other formats and the archive of maps are made on demand."""
        folder = self._shown(job)
        path = folder / what
        if path.exists():
            return path
        if job.retouched and not (folder / "fused.tif").exists():
            await self._outcome(self._begin(job, "files", "write_retouched", **self._limits()))
        if not path.exists():
            base = f"../{folder.relative_to(self._store.folder(job)).as_posix()}"
            target = f"{base}/{what}"
            if what == "maps.zip":
                making = self._begin(job, what, "pack", source=f"{base}/maps", target=target)
            else:
                files = {"source": f"{base}/fused.tif", "target": target}
                limit = self._settings.max_pixels
                making = self._begin(job, what, "convert", max_pixels=limit, **files)
            await self._outcome(making)
        return path

    def _folder(self, job: Job) -> Path:
        """Return the folder of the result of a job; refuse if the job is not done."""
        if job.state != "done":
            raise Refused(409, f"there is no result: the job is {job.state}")
        return self._store.folder(job) / "result"

    def _limits(self) -> dict[str, int]:
        """Return the limits of a task that retouches."""
        return {"room": self._room(), "max_pixels": self._settings.max_pixels}

    def _room(self) -> int:
        """Return the bytes that retouching may still store."""
        return self._store.room(self._settings.quota)

    def _shown(self, job: Job) -> Path:
        """Return the folder of the files that clients see: the retouched ones, if any."""
        folder = self._folder(job)
        return folder / "retouched" if job.retouched else folder

    def _begin(self, job: Job, key: str, task: str, **arguments: Any) -> asyncio.Task[Any]:
        """Start a task of a job, or join it if one with this key runs already."""
        known = self._making.get((job.id, key))
        if known is None:
            if self._store.used > self._settings.quota:
                raise Refused(507, "there is no room left; remove jobs you no longer need")
            known = asyncio.create_task(self._run(job, task, arguments))
            self._making[job.id, key] = known
            known.add_done_callback(partial(self._forget, (job.id, key)))
        return known

    def _forget(self, key: tuple[str, str], making: asyncio.Task[Any]) -> None:
        """Forget an ended task and retrieve its error, in case no request awaits it."""
        self._making.pop(key, None)
        if not making.cancelled():
            making.exception()

    async def _outcome(
        self, making: asyncio.Task[Any], patience: float | None = None, *, status: int = 409
    ) -> Any:
        """Return a task's result, or raise TimeoutError after ``patience`` seconds, or Refused."""
        try:  # the task runs to its end even if the request does not wait
            return await asyncio.wait_for(asyncio.shield(making), patience)
        except TaskRefused as error:
            raise Refused(status, str(error)) from error
        except TaskFailed as error:
            raise Refused(500, f"the file could not be made: {error}") from error

    async def _run(self, job: Job, task: str, arguments: dict[str, Any]) -> Any:
        """Run a task of a job and count the bytes of its result again."""
        folder = self._store.folder(job)
        outcome = await self._tasks.run(task, folder / "frames", **arguments)
        if job.state == "done" and job.id in self._store.jobs:
            job.held = await asyncio.to_thread(folder_bytes, folder / "result")
            self._store.save(job)
        return outcome

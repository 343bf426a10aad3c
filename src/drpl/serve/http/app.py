"""Routes of the service; each turns a request into one call."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from drpl.core.options import PRESETS
from drpl.errors import DrplError
from drpl.serve.http.events import job_events
from drpl.serve.http.guard import Guard
from drpl.serve.http.refusals import Refused, header, note_refusal
from drpl.serve.http.service import Service
from drpl.serve.jobs.choices import offered_options
from drpl.serve.jobs.jobs import JOB_ID
from drpl.serve.work.retouching import EDITS
from drpl.version import __version__

log = logging.getLogger(__name__)
STATIC = Path(__file__).parents[1] / "static"
JobId = Annotated[str, InPath(pattern=f"^{JOB_ID}$")]
Number = Annotated[int, InPath(ge=0, le=1_000_000)]
Layer = Annotated[
    str, InPath(pattern=r"^(fused|retouched|index|confidence|depth|frame-(0|[1-9]\d{0,5}))$")
]
Download = Annotated[
    str, InPath(pattern=r"^(fused\.(tif|png|jpg)|maps\.zip|(report|edits)\.json)$")
]


class NewJob(BaseModel):
    """Request for a new job: empty, with a stack of the server, or with the drawn scene."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field("", max_length=1000)
    stack: str | None = Field(None, pattern=r"^[0-9a-f]{16}$")
    demo: bool = False


class Start(BaseModel):
    """Request to fuse a job: frames in order, reference frame, preset and options."""

    model_config = ConfigDict(extra="forbid", strict=True)
    order: list[StrictInt]
    reference: int | None = None
    preset: str | None = Field(None, max_length=100)
    options: dict[str, Any] = {}


def create_app(service: Service) -> ASGIApp:
    """Return the guarded application of a service, which runs as long as the application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="drpl serve",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # would load scripts from other sites
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_errors(app)
    _add_offer(app, service)
    _add_jobs(app, service)
    _add_frames(app, service)
    _add_results(app, service)
    _add_page(app)
    return Guard(app, service.settings)


def _add_page(app: FastAPI) -> None:
    """Add the page and its static files."""
    app.mount("/static", StaticFiles(directory=STATIC))

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return FileResponse(STATIC / "index.html", media_type="text/html")


def _add_errors(app: FastAPI) -> None:
    """Answer every error with one sentence."""

    @app.exception_handler(HTTPException)
    async def _refused(request: Request, error: HTTPException) -> Response:
        if error.status_code != 404:
            note_refusal(request.scope, error.status_code, str(error.detail))
        words = {"error": str(error.detail)}
        return JSONResponse(words, error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        status = 404 if first["loc"][0] == "path" else 422
        words = f"{place[:100]}: {first['msg'][:200]}"
        note_refusal(request.scope, status, words)
        return JSONResponse({"error": words}, status)

    @app.exception_handler(DrplError)
    async def _wrong(request: Request, error: DrplError) -> Response:
        note_refusal(request.scope, 400, str(error))
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(sqlite3.OperationalError)
    async def _full(request: Request, error: sqlite3.OperationalError) -> Response:
        log.error("the journal cannot be written (%s)", error)
        words = "the service cannot write its journal; the disk may be full"
        return JSONResponse({"error": words}, 507)

    @app.exception_handler(Exception)
    async def _failed(request: Request, error: Exception) -> Response:
        log.error("unexpected failure at %a", request.scope["path"][:120], exc_info=error)
        return JSONResponse({"error": "unexpected failure; see the log of drpl serve"}, 500)


def _add_offer(app: FastAPI, service: Service) -> None:
    """Add the route that lists options, limits, formats and stacks."""

    @app.get("/api/v1/options")
    async def options() -> dict[str, Any]:
        limits = service.settings
        return {
            "version": __version__,
            "presets": PRESETS,
            "options": offered_options(),
            "limits": {
                "bytes": limits.max_bytes,
                "pixels": limits.max_pixels,
                "frames": limits.max_frames,
            },
            "formats": service.formats(),
            "demo": limits.demo,
            "stacks": await service.stacks(),
        }


def _add_jobs(app: FastAPI, service: Service) -> None:
    """Add routes that create, list, start, watch, cancel and remove jobs."""

    @app.post("/api/v1/jobs", status_code=201)
    async def create(new: NewJob) -> dict[str, Any]:
        return service.view(await service.create(new.name, stack=new.stack, demo=new.demo))

    @app.get("/api/v1/jobs")
    async def jobs() -> Response:
        return JSONResponse(service.listed())

    @app.get("/api/v1/jobs/{job}")
    async def show(job: JobId) -> dict[str, Any]:
        return service.view(service.job(job))

    @app.delete("/api/v1/jobs/{job}", status_code=204)
    async def remove(job: JobId) -> None:
        await service.remove(service.job(job))

    @app.post("/api/v1/jobs/{job}/start", status_code=202)
    async def start(job: JobId, how: Start) -> dict[str, Any]:
        found = service.job(job)
        await service.start(
            found,
            order=how.order,
            reference=how.reference,
            preset=how.preset,
            options=how.options,
        )
        return service.view(found)

    @app.post("/api/v1/jobs/{job}/cancel")
    async def cancel(job: JobId) -> dict[str, Any]:
        found = service.job(job)
        await service.cancel(found)
        return service.view(found)

    @app.get("/api/v1/jobs/{job}/events")
    async def events(job: JobId) -> Response:
        stream = job_events(service, service.job(job))
        return StreamingResponse(stream, media_type="text/event-stream")


def _add_frames(app: FastAPI, service: Service) -> None:
    """Add routes that upload, show and remove the frames of a job."""

    @app.put("/api/v1/jobs/{job}/frames", status_code=201)
    async def upload(
        job: JobId, name: Annotated[str, Query(max_length=4000)], request: Request
    ) -> Any:
        return await service.uploads.receive(service.job(job), name, request)

    @app.delete("/api/v1/jobs/{job}/frames/{n}", status_code=204)
    async def remove_frame(job: JobId, n: Number) -> None:
        service.remove_frame(service.job(job), n)

    @app.get("/api/v1/jobs/{job}/frames/{n}/thumbnail")
    async def thumbnail(job: JobId, n: Number) -> Response:
        return FileResponse(await service.thumbnail(service.job(job), n), media_type="image/jpeg")


def _add_results(app: FastAPI, service: Service) -> None:
    """Add routes for report, layers, edits and downloads of a result."""

    @app.get("/api/v1/jobs/{job}/report")
    async def report(job: JobId) -> dict[str, Any]:
        return service.results.report(service.job(job))

    @app.get("/api/v1/jobs/{job}/layers/{layer}")
    async def layer(job: JobId, layer: Layer) -> Response:
        info = await service.results.layer(service.job(job), layer)
        if info is None:
            return JSONResponse({"making": layer}, 202, headers={"Retry-After": "1"})
        return JSONResponse(info)

    @app.get("/api/v1/jobs/{job}/layers/{layer}/{level}/{column}_{row}")
    async def tile(
        job: JobId, layer: Layer, level: Number, column: Number, row: Number
    ) -> Response:
        content, kind = await service.results.tile(service.job(job), layer, level, column, row)
        return Response(content, media_type=kind)

    @app.get("/api/v1/jobs/{job}/edits")
    async def edits(job: JobId) -> Response:
        return Response(service.results.edits(service.job(job)), media_type="application/json")

    @app.put("/api/v1/jobs/{job}/edits")
    async def edit(job: JobId, request: Request) -> dict[str, Any]:
        """Replay an edit list (JSON, see docs/edits.md) on the result."""
        found = service.job(job)
        if not (header(request.scope, b"content-type") or "").startswith("application/json"):
            raise Refused(415, "the edits must be sent as application/json")
        text = (await request.body()).decode("utf-8", "replace")
        return {"changed": await service.results.edit(found, text)}

    @app.get("/api/v1/jobs/{job}/download/{what}")
    async def download(job: JobId, what: Download) -> Response:
        found = service.job(job)
        if what == EDITS:
            headers = {"content-disposition": f'attachment; filename="{what}"'}
            text = service.results.edits(found)
            return Response(text, media_type="application/json", headers=headers)
        return FileResponse(await service.results.download(found, what), filename=what)

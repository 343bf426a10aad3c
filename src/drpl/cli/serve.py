"""The command of the terminal that opens the page: `drpl serve` needs the extra ``web``."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.terminal import console, load_extra, log_to_terminal, say
from drpl.core.machine import share_heap
from drpl.errors import ReadError
from drpl.io.read import MAX_PIXELS


def serve(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder whose folders are offered as stacks.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need a token.")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(help="Name by which others reach this machine, as of a proxy (repeatable)."),
    ] = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8765,
    store: Annotated[Path | None, typer.Option(help="Folder where jobs are kept.")] = None,
    token: Annotated[
        str,
        typer.Option(
            envvar="DRPL_TOKEN",
            help="What clients must show; made where one is needed and none given.",
        ),
    ] = "",
    open_page: Annotated[
        bool,
        typer.Option(
            "--open/--no-open", help="Open the page in the browser, if there is a desktop."
        ),
    ] = True,
    demo: Annotated[bool, typer.Option("--demo", help="Offer a drawn scene to try.")] = False,
    jobs: Annotated[int, typer.Option(help="Stacks at a time.")] = 1,
    max_memory: Annotated[
        int, typer.Option(help="Megabytes that the stacks at a time may take; 0: no limit.")
    ] = 0,
    max_pixels: Annotated[int, typer.Option(help="Pixels of a frame, at most.")] = MAX_PIXELS,
    max_bytes: Annotated[
        int, typer.Option(help="Bytes of the frames of a job, at most.")
    ] = 8_000_000_000,
    max_frames: Annotated[int, typer.Option(help="Frames of a job, at most.")] = 1000,
    quota: Annotated[int, typer.Option(help="Bytes of all jobs, at most.")] = 40_000_000_000,
    queue: Annotated[int, typer.Option(help="Jobs that may wait.")] = 100,
    keep: Annotated[float, typer.Option(help="Days after which a job is removed.")] = 14.0,
) -> None:
    """Open a page on this machine to drop stacks on, watch, retouch and save."""
    share_heap()
    server = load_extra("drpl.serve.http.server", "web")
    allowed = load_extra("drpl.serve.settings", "web")
    if folder is not None and not folder.is_dir():
        raise ReadError(f"{folder}: is not a folder; expected one that holds stacks")
    if not token and not allowed.is_loopback(host):
        token = secrets.token_urlsafe(24)
    settings = allowed.Settings(
        store=store or allowed.default_store(),
        folder=folder,
        host=host,
        port=port,
        token=token,
        demo=demo,
        jobs=jobs,
        max_memory=max_memory,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
        max_frames=max_frames,
        quota=quota,
        queue=queue,
        keep=keep,
        names=tuple(name or ()),
    )
    log_to_terminal()
    listening = server.bind(settings)
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
    shown = f"[{shown}]" if ":" in shown else shown
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    address += f"?token={token}" if token else ""

    def started() -> None:
        say(f"drpl serve: {address} (Ctrl-C ends it)")
        if open_page and is_desktop():
            webbrowser.open(address)

    try:
        server.make_server(settings, started).run(sockets=[listening])
    except KeyboardInterrupt:
        console.print("ended; what was not done goes on at the next start", highlight=False)


def is_desktop() -> bool:
    """Whether there is a screen for a browser."""
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )

"""Command `drpl serve`; needs the extra ``web``."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.flags import help_of, with_fields
from drpl.cli.terminal import console, load_extra, log_to_terminal, say
from drpl.core.machine import share_heap
from drpl.errors import ReadError
from drpl.serve.settings import Settings, is_loopback


@with_fields(Settings, "settings", skip=("folder", "token"))
def serve(
    folder: Annotated[Path | None, typer.Argument(help=help_of(Settings, "folder"))] = None,
    token: Annotated[str, typer.Option(envvar="DRPL_TOKEN", help=help_of(Settings, "token"))] = "",
    open_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="Open the page in a browser if there is a desktop."),
    ] = True,
    *,
    settings: partial[Settings],
) -> None:
    """Serve a page to fuse, view, retouch and save stacks in a browser."""
    share_heap()
    server = load_extra("drpl.serve.http.server", "web")
    if folder is not None and not folder.is_dir():
        raise ReadError(f"{folder}: is not a folder; expected a folder of stacks")
    if not token and not is_loopback(settings.keywords.get("host", Settings.host)):
        token = secrets.token_urlsafe(24)
    chosen = settings(folder=folder, token=token)
    log_to_terminal()
    listening = server.bind(chosen)
    shown = socket.gethostname() if chosen.host in ("0.0.0.0", "::") else chosen.host
    shown = f"[{shown}]" if ":" in shown else shown
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    address += f"?token={token}" if token else ""

    def announce() -> None:
        say(f"drpl serve: {address} (press Ctrl-C to stop)")
        if open_page and is_desktop():
            webbrowser.open(address)

    try:
        server.make_server(chosen, announce).run(sockets=[listening])
    except KeyboardInterrupt:
        console.print("stopped; unfinished jobs continue at the next start", highlight=False)


def is_desktop() -> bool:
    """Return True if there is a screen for a browser."""
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )

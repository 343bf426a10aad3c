"""Main functions of the child processes: one fuses a job, one runs small tasks in sequence.

Parent and child exchange messages of JSON through a pipe. A child ends with its parent, even if
the parent is killed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyvips

from drpl.core.machine import begin_child
from drpl.core.options import FusionOptions
from drpl.errors import DrplError
from drpl.files.fuse import fuse_files
from drpl.files.outputs import Outputs
from drpl.io.formats import LOADERS
from drpl.results.stored import FUSED, MAPS, REPORT, store_result
from drpl.serve.work.tasks import TASKS, write_result_layers

log = logging.getLogger(__name__)
IDLE = 120.0
"""Seconds without a task after which a process of small tasks ends."""
NICENESS = 5
"""Lowered priority of child processes: answers come before fusing."""


def _begin() -> None:
    """Set up a child process; it reads untrusted files, so only safe loaders are allowed."""
    begin_child()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    if sys.platform != "win32":
        os.nice(NICENESS)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in LOADERS:
        kind = name.removesuffix("load").capitalize()
        pyvips.operation_block_set(f"VipsForeignLoad{kind}", False)


def send(pipe: Connection, message: Mapping[str, Any]) -> None:
    """Send a message through a pipe, as JSON."""
    pipe.send_bytes(json.dumps(message).encode())


def run_tasks(pipe: Connection) -> None:
    """Run tasks as they arrive; end after `IDLE` seconds without one.

    A task is ``{"task": name, "folder": working directory, "arguments": {...}}``; it is answered
    by ``{"result": ...}``, ``{"refused": reason}`` or ``{"failed": reason}``.
    """
    _begin()
    home = Path.cwd()
    while pipe.poll(IDLE):
        try:
            task = json.loads(pipe.recv_bytes())
        except EOFError:
            return
        try:
            os.chdir(task["folder"])
        except FileNotFoundError:
            send(pipe, {"refused": "the job was removed meanwhile"})
            continue
        try:
            send(pipe, {"result": TASKS[task["task"]](**task["arguments"])})
        except DrplError as error:
            send(pipe, {"refused": str(error)})
        except Exception as error:  # one task must not end the others
            log.exception("unexpected failure of %s", task["task"])
            send(pipe, {"failed": f"{type(error).__name__}: {error}"})
        finally:
            os.chdir(home)


def run_job(pipe: Connection, folder: str, names: list[str], options: dict[str, Any]) -> None:
    """Fuse the named files in ``frames`` of a job's folder, and cut its pictures into tiles.

    Progress is sent as ``{"stage": ..., "done": ..., "of": ...}``, the end as ``{"done": (width,
    height)}`` or ``{"failed": reason}``.
    """
    _begin()
    try:
        # messages and the report then name the frames without their folder
        os.chdir(Path(folder) / "frames")
        size = _fuse(pipe, names, FusionOptions(**options))
        send(pipe, {"done": size})
    except DrplError as error:
        send(pipe, {"failed": str(error)})
    except Exception as error:  # becomes the message of the job
        log.exception("%s: unexpected failure", folder)
        reason = f"{type(error).__name__}: {error}"
        send(pipe, {"failed": f"unexpected failure ({reason}); please report this"})


def _fuse(pipe: Connection, names: list[str], options: FusionOptions) -> tuple[int, int]:
    """Fuse as `drpl fuse` does, cut the tiles, and return the result's width and height."""

    def report_progress(stage: str, done: int, of: int) -> None:
        send(pipe, {"stage": stage, "done": done, "of": of})

    folder = Path("..") / "result"
    folder.mkdir()
    outputs = Outputs(folder / FUSED, maps=folder / MAPS, report=folder / REPORT)
    result, report = fuse_files(names, outputs, options, progress=report_progress)
    store_result(folder, result, report, names)
    height, width = result.fused.shape[:2]
    del result  # the tiles need memory too
    write_result_layers(folder, report_progress)
    return width, height

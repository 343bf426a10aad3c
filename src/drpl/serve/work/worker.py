"""What runs in the processes of the service: a job, or small tasks one after the other.

Parent and child exchange lines of JSON through a pipe. A child ends with its parent, be it killed.
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

from drpl.align.transforms import TRANSFORMS, write_transforms
from drpl.core.machine import begin_child
from drpl.core.options import FusionOptions
from drpl.errors import DrplError
from drpl.files.fuse import fuse_files
from drpl.files.outputs import Outputs
from drpl.io.formats import LOADERS
from drpl.io.write import write_text
from drpl.results.report import as_json
from drpl.results.stored import FUSED, MAPS, REPORT
from drpl.serve.work.tasks import TASKS, write_result_layers

log = logging.getLogger(__name__)
IDLE = 120.0
"""Seconds without a task after which a process ends."""
NICENESS = 5
"""The service answers before it fuses."""


def _begin() -> None:
    """Prepare a process: it reads what strangers sent."""
    begin_child()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform != "win32":
        os.nice(NICENESS)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in LOADERS:
        kind = name.removesuffix("load").capitalize()
        pyvips.operation_block_set(f"VipsForeignLoad{kind}", False)


def tell(pipe: Connection, message: Mapping[str, Any]) -> None:
    """Send a line."""
    pipe.send_bytes(json.dumps(message).encode())


def run_tasks(pipe: Connection) -> None:
    """Do tasks as they come, until there are none for a while."""
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
            tell(pipe, {"refused": "the job was removed meanwhile"})
            continue
        try:
            tell(pipe, {"gave": TASKS[task["task"]](**task["arguments"])})
        except DrplError as error:
            tell(pipe, {"refused": str(error)})
        except Exception as error:  # one task must not cost the others
            log.exception("unexpected failure of %s", task["task"])
            tell(pipe, {"failed": f"{type(error).__name__}: {error}"})
        finally:
            os.chdir(home)


def run_job(
    pipe: Connection,
    folder: str,
    names: list[str],
    options: dict[str, Any],
) -> None:
    """Fuse the frames of a job, and cut its pictures into tiles."""
    _begin()
    try:
        # where frames have their names and nothing else: so they stand in messages and the report
        os.chdir(Path(folder) / "frames")
        size = _fuse(pipe, names, FusionOptions(**options))
        tell(pipe, {"done": size})
    except DrplError as error:
        tell(pipe, {"failed": str(error)})
    except Exception as error:  # what is wrong in one must not cost the others
        log.exception("%s: unexpected failure", folder)
        what = f"{type(error).__name__}: {error}"
        tell(pipe, {"failed": f"unexpected failure ({what}); please report this"})


def _fuse(pipe: Connection, names: list[str], options: FusionOptions) -> tuple[int, int]:
    """Fuse as the terminal does and return width and height."""

    def report_progress(stage: str, done: int, of: int) -> None:
        tell(pipe, {"stage": stage, "done": done, "of": of})

    folder = Path("..") / "result"
    folder.mkdir()
    outputs = Outputs(folder / FUSED, maps=folder / MAPS, report=folder / REPORT)
    result, report = fuse_files(names, outputs, options, progress=report_progress)
    report["output"] = FUSED
    plan = result.plan
    write_text(folder / REPORT, as_json(report), overwrite=True)
    write_transforms(
        folder / TRANSFORMS, names, plan.alignments, plan.shape, exposures=plan.exposures
    )
    height, width = result.fused.shape[:2]
    del result  # before the tiles, which need memory too
    write_result_layers(folder, report_progress)
    return width, height

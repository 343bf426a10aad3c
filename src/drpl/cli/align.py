"""Command `drpl align`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.flags import Overwrite, Quiet, Sources, with_options
from drpl.cli.terminal import progress_bar, say, show_alignments
from drpl.core.machine import share_heap
from drpl.core.options import FusionOptions


@with_options
def align(
    sources: Sources,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for the aligned frames and transforms.json."),
    ],
    suffix: Annotated[str, typer.Option(help="Format of the aligned frames.")] = ".tif",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    *,
    options: FusionOptions,
) -> None:
    """Align the frames of a stack without fusing them.

    To use the transforms for another channel, light or pass of the same stack:
    drpl fuse ... --transforms FILE.
    """
    share_heap()
    from drpl.files.align import align_files

    with progress_bar(quiet=quiet) as progress:
        plan = align_files(
            sources, output, options, suffix=suffix, overwrite=overwrite, progress=progress
        )
    if not quiet:
        show_alignments(plan)
        say(f"{output}: {len(plan.used)} frames")

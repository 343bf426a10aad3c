"""Command `drpl fuse`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.flags import Overwrite, Quiet, Sources, Verbose, with_fields, with_options
from drpl.cli.terminal import log_to_terminal, progress_bar, show_report
from drpl.core.machine import share_heap
from drpl.core.options import FusionOptions
from drpl.io.saving import Saving


@with_options
@with_fields(Saving, "saving")
def fuse(
    sources: Sources,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Fused image; the suffix decides the format.")
    ],
    maps: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the index, confidence and depth maps, and the masks of a pair."
        ),
    ] = None,
    z_step: Annotated[
        float | None,
        typer.Option(help="Micrometres between frames; adds a height map (float TIFF) to --maps."),
    ] = None,
    transforms: Annotated[
        Path | None,
        typer.Option(help="transforms.json of `drpl align`, used instead of aligning."),
    ] = None,
    slab: Annotated[
        int | None,
        typer.Option(
            help="Frames per slab. Each slab is fused on its own into NAME_slab_01, NAME_slab_02 "
            "and so on next to the result; then the slabs are fused with each other."
        ),
    ] = None,
    overlap: Annotated[
        int, typer.Option(help="Frames that a slab shares with the one before, with --slab.")
    ] = 0,
    debug: Annotated[
        Path | None,
        typer.Option(help="Folder for decisions.png, which shows the decision on every frame."),
    ] = None,
    edits: Annotated[
        Path | None,
        typer.Option(
            help="Edit list (JSON): strokes that retouch the result with pixels of the frames."
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option("--report/--no-report", help="Write a report next to the result (.json)."),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    saving: Callable[[], Saving],
    options: FusionOptions,
) -> None:
    """Fuse source images with different focus into one all-in-focus image.

    The frames are aligned to a reference frame; the result keeps its bit depth, transparency,
    colour profile and metadata. Formats of 8 bits get a converted picture.
    """
    share_heap()
    from drpl.files.fuse import fuse_files
    from drpl.files.outputs import Outputs, cut_slabs
    from drpl.io.provenance import report_beside

    if verbose:
        log_to_terminal()
    outputs = Outputs(
        output,
        maps=maps,
        z_step=z_step,
        report=report_beside(output) if report else None,
        sheet=debug,
        slabs=cut_slabs(slab, overlap),
        saving=saving(),
        overwrite=overwrite,
    )
    with progress_bar(quiet=quiet or as_json) as progress:
        _, about = fuse_files(
            sources, outputs, options, transforms=transforms, edits=edits, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(about))
    elif not quiet:
        show_report(about)

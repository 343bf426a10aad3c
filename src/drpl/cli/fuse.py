"""`drpl fuse`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.flags import Overwrite, Quiet, Sources, Verbose, with_options
from drpl.cli.terminal import log_to_terminal, progress_bar, show_report
from drpl.core.machine import share_heap
from drpl.core.options import FusionOptions


@with_options
def fuse(
    sources: Sources,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Result; the suffix decides the format.")
    ],
    maps: Annotated[
        Path | None,
        typer.Option(help="Folder for index map, confidence, depth (pairs: masks)."),
    ] = None,
    z_step: Annotated[
        float | None,
        typer.Option(help="Micrometres between frames: adds a height map (float TIFF) to --maps."),
    ] = None,
    transforms: Annotated[
        Path | None,
        typer.Option(help="transforms.json of `drpl align`, to be used instead of aligning."),
    ] = None,
    slab: Annotated[
        int | None,
        typer.Option(
            help="Fuse runs of so many frames apart, each into NAME_slab_01 and so on beside the "
            "result, and then with each other."
        ),
    ] = None,
    overlap: Annotated[
        int, typer.Option(help="Frames that a slab shares with the previous one, with --slab.")
    ] = 0,
    debug: Annotated[
        Path | None,
        typer.Option(help="Folder for decisions.png: the decision on each frame."),
    ] = None,
    edits: Annotated[
        Path | None,
        typer.Option(help="Strokes to retouch the result with (JSON), drawn from the frames."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write a report beside the result (.json).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report, and only it.")] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    options: FusionOptions,
) -> None:
    """Fuse pictures, each focused elsewhere, into one that is sharp everywhere.

    Frames are registered to one of them; the result keeps its depth, transparency, colour profile
    and metadata.
    """
    share_heap()
    from drpl.files.fuse import fuse_files
    from drpl.files.outputs import Outputs, cut_slabs

    if verbose:
        log_to_terminal()
    outputs = Outputs(
        output,
        maps=maps,
        z_step=z_step,
        report=output.with_suffix(".json") if report else None,
        sheet=debug,
        slabs=cut_slabs(slab, overlap),
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

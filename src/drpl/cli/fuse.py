"""`drpl fuse`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.flags import MaxPixels, Overwrite, Quiet, Verbose, with_options
from drpl.cli.terminal import log_to_terminal, progress_bar, tell
from drpl.core.machine import share_heap
from drpl.core.options import FusionOptions


@with_options
def fuse(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures of one scene, each focused elsewhere; folders; patterns.",
            metavar="FRAME",
        ),
    ],
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
            "result, and these with each other."
        ),
    ] = None,
    overlap: Annotated[
        int, typer.Option(help="Frames that a slab shares with the one before, with --slab.")
    ] = 0,
    debug: Annotated[
        Path | None,
        typer.Option(help="Folder for decisions.png: what was decided, frame by frame."),
    ] = None,
    edits: Annotated[
        Path | None,
        typer.Option(help="Strokes to retouch the result by (JSON), drawn from the frames."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write a report beside the result (.json).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report, and only it.")] = False,
    max_pixels: MaxPixels = 400_000_000,
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

    if verbose:
        log_to_terminal()
    with progress_bar(quiet=quiet or as_json) as progress:
        _, about = fuse_files(
            sources,
            output,
            options,
            maps=maps,
            z_step=z_step,
            transforms=transforms,
            slab=slab,
            overlap=overlap,
            debug=debug,
            edits=edits,
            report=output.with_suffix(".json") if report else None,
            overwrite=overwrite,
            max_pixels=max_pixels,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(about))
    elif not quiet:
        tell(about)

"""The terminal: each command turns its arguments into one call."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from drpl.bench_commands import add_benchmarks
from drpl.errors import BatchError, DrplError
from drpl.heap import share_heap
from drpl.serve_command import add_serving
from drpl.stack import ComposeMode, FusionOptions
from drpl.terminal import (
    Overwrite,
    complete_model,
    console,
    log_to_terminal,
    progress_bar,
    say,
    tell,
    tell_alignments,
    tell_counts,
    tell_outcome,
    with_options,
)
from drpl.training_commands import add_training
from drpl.version import __version__

if TYPE_CHECKING:
    from drpl.batch import BatchItem

EXIT_CODES = (
    "Exit codes: 0 done; 1 unexpected failure; 2 wrong usage; 3 a file cannot be read; 4 the "
    "images do not make a stack; 5 alignment failed; 6 a model is unknown or damaged; 7 an "
    "optional library is missing; 8 a file cannot be written; 9 a wrong option; 10 some stacks of "
    "a batch failed; 11 images cannot be compared; 130 interrupted."
)
app = typer.Typer(
    help="One picture that is sharp everywhere, from several focused elsewhere.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Pictures of one scene, each focused elsewhere: files, folders or patterns.",
        metavar="FRAME",
    ),
]
MaxPixels = Annotated[
    int, typer.Option(help="Refuse files with more pixels, before they are decoded.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is planned and done.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Id of a model (see `drpl models`) or its folder.",
        autocompletion=complete_model,
    ),
]
Compose = Annotated[
    ComposeMode,
    typer.Option(
        help="How the pictures are joined: select takes pixels and blends along seams only; "
        "pyramid blends scale by scale."
    ),
]
Threads = Annotated[int, typer.Option(help="Threads of the network; 0 takes all cores.")]


def main() -> None:
    """Run the terminal; errors become one line on stderr and a documented exit code."""
    try:
        app()
    except DrplError as error:
        sys.stderr.write(f"drpl: error: {error}\n")
        sys.exit(error.exit_code)


def _version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        console.print(f"drpl {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One picture that is sharp everywhere, from several focused elsewhere."""


@app.command(epilog=EXIT_CODES)
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
    from drpl.pipeline import fuse_files

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


@app.command(epilog=EXIT_CODES)
@with_options
def align(
    sources: Sources,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for aligned frames and transforms.json.")
    ],
    suffix: Annotated[str, typer.Option(help="Format of the aligned frames.")] = ".tif",
    max_pixels: MaxPixels = 400_000_000,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    *,
    options: FusionOptions,
) -> None:
    """Align pictures to one of them, without fusing; transforms can be used for others.

    Of another channel, light or pass of the same stack: drpl fuse ... --transforms FILE.
    """
    share_heap()
    from drpl.align_files import align_files

    with progress_bar(quiet=quiet) as progress:
        plan = align_files(
            sources,
            output,
            options,
            suffix=suffix,
            overwrite=overwrite,
            max_pixels=max_pixels,
            progress=progress,
        )
    if not quiet:
        tell_alignments(plan)
        say(f"{output}: {len(plan.used)} frames")


@app.command(epilog=EXIT_CODES)
@with_options
def batch(
    root: Annotated[Path, typer.Argument(help="Folder whose folders are stacks.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")],
    suffix: Annotated[
        str, typer.Option(help="Of the results, such as .tif; by default that of the sources.")
    ] = "",
    group_by: Annotated[
        Literal["folder", "time"],
        typer.Option(help="What is a stack: a folder, or pictures taken shortly after each other."),
    ] = "folder",
    gap: Annotated[
        float, typer.Option(min=0, help="Seconds between two stacks, with --group-by time.")
    ] = 5.0,
    jobs: Annotated[int, typer.Option(min=1, help="Stacks at a time.")] = 1,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on looking for new stacks until interrupted.")
    ] = False,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds without change after which a stack is complete.")
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each stack, and only these.")
    ] = False,
    max_pixels: MaxPixels = 400_000_000,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    *,
    options: FusionOptions,
) -> None:
    """Fuse every stack below a folder; stopped at any moment, it goes on where it was."""
    from drpl.batch import find_stacks, run_batch, watch_stacks

    def find() -> list[BatchItem]:
        return find_stacks(root, output, suffix=suffix, group_by=group_by, gap=gap)

    items = watch_stacks(find, settle=settle) if watch else find()
    silent = quiet or as_json
    if watch and not silent:
        say(f"watching {root}; Ctrl-C ends it")
    counts = Counter[str]()
    try:
        for outcome in run_batch(
            items,
            options,
            output,
            jobs=jobs,
            overwrite=overwrite,
            max_pixels=max_pixels,
            show=lambda item: progress_bar(quiet=silent, title=item.name),
        ):
            counts[outcome.status] += 1
            if as_json:
                typer.echo(json.dumps(outcome.summary()))
            else:
                tell_outcome(outcome, quiet=quiet)
    finally:
        if not silent:
            tell_counts(counts)
    if counts["failed"]:
        raise BatchError(f"{counts['failed']} of {counts.total()} stacks failed; see above")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what this installation can do: versions, memory, formats, models."""
    from drpl.doctor import examine

    found = examine()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for section, entries in found.items():
        table = Table("what", "found", title=section)
        for name, value in entries.items():
            shown = {True: "yes", False: "no", None: "not installed"}.get(value, str(value))
            table.add_row(name, shown)
        console.print(table)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures.")] = Path(
        "demo"
    ),
    model: Model = "drpl-fast",
    compose: Compose = "select",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Draw a scene, photograph it twice, fuse it and compare with the truth."""
    from drpl.demo import run_demo

    options = FusionOptions(model, compose, align=False, threads=threads)
    done = run_demo(output, options, overwrite=overwrite)
    table = Table("picture", "PSNR (dB)", title="Against the all-in-focus truth")
    for name, value in done.psnr.items():
        table.add_row(name, f"{value:.2f}")
    console.print(table)
    seconds = done.result.seconds
    console.print(
        f"fused in {sum(seconds.values()):.2f} s "
        f"({', '.join(f'{k} {v:.2f} s' for k, v in seconds.items())})",
        highlight=False,
    )
    say(f"pictures: {output / 'contact_sheet.png'} and beside it")


@app.command()
def models() -> None:
    """List the models that ship with drpl, and the baselines: classical methods to compare with."""
    from drpl.focus import BASELINES
    from drpl.models import available_models, model_folder, read_card

    table = Table("id", "parameters", "MAC per pixel", "licence", "what it is")
    for name in available_models():
        card = read_card(model_folder(name))
        table.add_row(
            name, f"{card.parameters:,}", f"{card.macs_per_pixel:,}", card.licence, card.title
        )
    console.print(table)
    table = Table("baseline", "what it is", "paper (DOI)", "index map")
    for baseline in BASELINES.values():
        decided = "decided" if baseline.decides else "nearest frame"
        table.add_row(baseline.id, baseline.title, baseline.doi, decided)
    console.print(table)


add_benchmarks(app)
add_training(app)
add_serving(app)

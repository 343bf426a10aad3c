"""Command `drpl batch`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from drpl.cli.flags import Overwrite, Quiet, with_fields, with_options
from drpl.cli.terminal import progress_bar, say, show_counts, show_outcome
from drpl.core.options import FusionOptions
from drpl.errors import BatchError
from drpl.io.saving import Saving

if TYPE_CHECKING:
    from drpl.files.find import BatchItem


@with_options
@with_fields(Saving, "saving")
def batch(
    root: Annotated[Path, typer.Argument(help="Folder to search for stacks, subfolders included.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    suffix: Annotated[
        str,
        typer.Option(
            help="Suffix of the results, such as .tif; default: the suffix of the sources."
        ),
    ] = "",
    group_by: Annotated[
        Literal["folder", "time"],
        typer.Option(help="One stack per folder, or split folders at pauses in capture time."),
    ] = "folder",
    gap: Annotated[
        float,
        typer.Option(min=0, help="Pause in seconds that splits a folder, with --group-by time."),
    ] = 5.0,
    jobs: Annotated[int, typer.Option(min=1, help="Stacks fused at the same time.")] = 1,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep looking for new stacks until interrupted.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds without a change after which a stack counts as complete."
        ),
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON per stack, and nothing else.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    *,
    saving: Callable[[], Saving],
    options: FusionOptions,
) -> None:
    """Fuse every stack below a folder; run it again to continue an interrupted batch."""
    from drpl.files.batch import run_batch
    from drpl.files.find import find_stacks, watch_stacks

    def find() -> list[BatchItem]:
        return find_stacks(root, output, suffix=suffix, group_by=group_by, gap=gap)

    items = watch_stacks(find, settle=settle) if watch else find()
    silent = quiet or as_json
    if watch and not silent:
        say(f"watching {root}; press Ctrl-C to stop")
    counts = Counter[str]()
    try:
        for outcome in run_batch(
            items,
            options,
            output,
            saving=saving(),
            jobs=jobs,
            overwrite=overwrite,
            show=lambda item: progress_bar(quiet=silent, title=item.name),
        ):
            counts[outcome.status] += 1
            if as_json:
                typer.echo(json.dumps(outcome.summary()))
            else:
                show_outcome(outcome, quiet=quiet)
    finally:
        if not silent:
            show_counts(counts)
    if counts["failed"]:
        raise BatchError(f"{counts['failed']} of {counts.total()} stacks failed; see above")

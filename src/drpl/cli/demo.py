"""Command `drpl demo`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from drpl.cli.flags import Overwrite, with_fields
from drpl.cli.terminal import console, say
from drpl.core.options import FusionOptions


@with_fields(FusionOptions, "options", only=("method", "compose", "threads"))
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path(
        "demo"
    ),
    overwrite: Overwrite = False,
    *,
    options: partial[FusionOptions],
) -> None:
    """Draw a scene with two focus settings, fuse it, and compare the result with the truth."""
    from drpl.files.demo import run_demo

    outcome = run_demo(output, options(align=False), overwrite=overwrite)
    table = Table("picture", "PSNR (dB)", title="Compared with the all-in-focus truth")
    for name, value in outcome.psnr.items():
        table.add_row(name, f"{value:.2f}")
    console.print(table)
    seconds = outcome.result.seconds
    console.print(
        f"fused in {sum(seconds.values()):.2f} s "
        f"({', '.join(f'{k} {v:.2f} s' for k, v in seconds.items())})",
        highlight=False,
    )
    say(f"pictures: {output}; overview: {output / 'contact_sheet.png'}")

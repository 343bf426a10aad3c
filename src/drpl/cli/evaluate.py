"""Command `drpl evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from drpl.cli.terminal import console, say


def evaluate(
    fused: Annotated[Path, typer.Option(help="Fused image to score.")],
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Source images of the fused one: files, folders or patterns.", metavar="FRAME"
        ),
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="All-in-focus ground truth.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a fused image by every metric that applies."""
    from drpl.files.evaluate import evaluate_files

    found = evaluate_files(fused, sources or [], truth)
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
        return
    table = Table("metric", "symbol", "value", "better", title=fused.name)
    for name, entry in found["metrics"].items():
        table.add_row(name, entry["symbol"], f"{float(entry['value']):.4f}", entry["better"])
    console.print(table, highlight=False)
    reasons: dict[str, list[str]] = {}
    for name, reason in found["left_out"].items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        say(f"left out: {', '.join(names)} ({reason})")

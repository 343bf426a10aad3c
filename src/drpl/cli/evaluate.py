"""`drpl evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from drpl.cli.terminal import console, say


def evaluate(
    fused: Annotated[Path, typer.Option(help="The fused image.")],
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Its source images: files, folders or patterns.", metavar="[FRAME]..."),
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="The all-in-focus truth.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score one fused image by every metric that applies."""
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
    for name, why in found["left_out"].items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        line = f"left out: {', '.join(names)} ({why})"
        say(line)

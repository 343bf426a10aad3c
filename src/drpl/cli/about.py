"""Commands `drpl doctor` and `drpl methods`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from drpl.cli.terminal import console


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what this installation can do: versions, memory, formats, methods."""
    from drpl.cli.doctor import examine

    found = examine()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for section, entries in found.items():
        table = Table("item", "value", title=section)
        for name, value in entries.items():
            shown = {True: "yes", False: "no", None: "not installed"}.get(value, str(value))
            table.add_row(name, shown)
        console.print(table)


def methods() -> None:
    """List the models and the classical methods that ship with drpl."""
    from drpl.classical.table import CLASSICAL_METHODS
    from drpl.models.cards import available_models, model_folder, read_card

    table = Table("id", "parameters", "MAC per pixel", "licence", "description")
    for name in available_models():
        card = read_card(model_folder(name))
        table.add_row(
            name, f"{card.parameters:,}", f"{card.macs_per_pixel:,}", card.licence, card.title
        )
    console.print(table)
    table = Table("classical method", "description", "paper (DOI)", "index map")
    for method in CLASSICAL_METHODS.values():
        decided = "decided" if method.decides else "nearest frame"
        table.add_row(method.id, method.title, method.doi, decided)
    console.print(table)

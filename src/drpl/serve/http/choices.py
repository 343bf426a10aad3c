"""What a client may choose, derived from the options of a fusion; and checking what it chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from drpl.core.options import EFFORT, FusionOptions, check_options
from drpl.errors import ConfigError
from drpl.models.methods import available_methods

OPERATORS = (*EFFORT, "value_range")
"""Options that whoever starts the service decides."""
ELSEWHERE = "reference"
"""Chosen among the frames."""
FEW = ("method", "align", "motion", "crop")
"""What most people need; the others are folded away."""


def offered_options() -> list[dict[str, Any]]:
    """Options that are offered: name, type, default, help, choices, few."""
    hints = get_type_hints(FusionOptions)
    found = []
    for entry in fields(FusionOptions):
        if entry.name in OPERATORS or entry.name == ELSEWHERE:
            continue
        choices = list(entry.metadata["choices"])
        words = entry.metadata["help"]
        if entry.name == "method":
            choices, words = list(available_methods()), "Network, or classical method."
        hint = hints[entry.name]
        kind = next(part for part in (get_args(hint) or (hint,)) if part is not type(None))
        names = {bool: "bool", int: "int", float: "float"}
        found.append(
            {
                "name": entry.name,
                "type": "choice" if choices else names.get(kind, "text"),
                "default": entry.default,
                "help": words,
                "choices": choices,
                "few": entry.name in FEW,
            }
        )
    return found


def check_choices(options: Mapping[str, Any]) -> None:
    """Check what a client chose.

    Raises
    ------
    ConfigError
        If an option is unknown or not offered, or its value is wrong.
    """
    names = [entry["name"] for entry in offered_options()]
    for name in options:
        if name not in names:
            raise ConfigError(f"option {name[:40]!r} is not offered; known: {', '.join(names)}")
    check_options(options)
    method, known = options.get("method"), available_methods()
    if method is not None and method not in known:
        raise ConfigError(f"method {method[:40]!r} is unknown; expected one of {', '.join(known)}")
    FusionOptions(**options)

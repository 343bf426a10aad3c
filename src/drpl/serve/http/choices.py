"""What a client may choose, derived from the options of a fusion; and checking what it chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from drpl.classical.table import available_baselines
from drpl.core.options import FusionOptions, check_options
from drpl.errors import ConfigError
from drpl.files.journal import EFFORT
from drpl.models.cards import available_models

OPERATORS = (*EFFORT, "value_range")
"""Options that whoever starts the service decides."""
ELSEWHERE = "reference"
"""Chosen among the frames."""
FEW = ("model", "align", "motion", "crop")
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
        if entry.name == "model":
            choices, words = models(), "Model that decides, or classical baseline."
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


def models() -> list[str]:
    """Ids of models that are installed; a folder is none."""
    return [*available_models(), *available_baselines()]


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
    model = options.get("model")
    if model is not None and model not in models():
        raise ConfigError(f"model {model[:40]!r} is unknown; expected one of {', '.join(models())}")
    FusionOptions(**options)

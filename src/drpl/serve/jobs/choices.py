"""Fusion options that clients may choose, and the check of their choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from drpl.core.options import EFFORT, FusionOptions, check_options
from drpl.errors import ConfigError
from drpl.models.methods import available_methods

HIDDEN = (*EFFORT, "value_range", "reference")
"""Options that the operator decides; the reference frame is chosen among the frames."""
FEW = ("method", "align", "motion", "crop")
"""Options that most people need; the page folds the others away."""


def offered_options() -> list[dict[str, Any]]:
    """Describe the options that clients may choose.

    Each has ``name``, ``type`` (choice, bool, int, float or text), ``default``, ``help``,
    ``choices`` (any value if empty) and ``few``, true for one of `FEW`.
    """
    hints = get_type_hints(FusionOptions)
    found = []
    for entry in fields(FusionOptions):
        if entry.name in HIDDEN:
            continue
        choices = list(entry.metadata["choices"])
        words = entry.metadata["help"]
        if entry.name == "method":
            choices, words = (
                list(available_methods()),
                "Network or classical method that fuses the frames.",
            )
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
    """Raise ConfigError if a chosen option is unknown or hidden, or its value is wrong."""
    names = [entry["name"] for entry in offered_options()]
    for name in options:
        if name not in names:
            raise ConfigError(f"option {name[:40]!r} is not offered; known: {', '.join(names)}")
    check_options(options)
    method, known = options.get("method"), available_methods()
    if method is not None and method not in known:
        raise ConfigError(f"method {method[:40]!r} is unknown; expected one of {', '.join(known)}")
    FusionOptions(**options)

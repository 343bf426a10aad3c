"""Recipes of models: description, phases of training, and the options of the last phase.

A recipe is a TOML file beside a model card. It records how the weights were trained, so that each
phase can be repeated at its commit, and it is itself a configuration: `drpl train --config` takes
its ``options``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from drpl.core.documents import read_toml
from drpl.errors import ConfigError
from drpl.train.config import TrainOptions, read_config


@dataclass(frozen=True)
class Phase:
    """Phase of training: the command that ran it, with its code and configuration at a commit."""

    commit: str
    config: str  # its path in that commit
    command: str
    minutes: float  # planned; sets the schedule of the learning rate
    steps: int  # taken
    note: str = ""  # anything else that repeating the phase needs


@dataclass(frozen=True)
class Recipe:
    """Recipe of a model.

    Each phase started from the weights of an earlier one; ``options`` is the configuration of the
    last. ``export_command`` made the model from several checkpoints; it is empty if the last phase
    alone was exported. ``scores_command`` prints the scores of the card.
    """

    title: str
    architecture: str  # dotted name of the class of the network
    licence: str  # of the weights
    training_data: str
    phases: tuple[Phase, ...]
    options: TrainOptions
    export_command: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    scores_command: str = ""

    def card_fields(self) -> dict[str, Any]:
        """Return the fields of the model card that the recipe determines."""
        commands = [phase.command for phase in self.phases]
        if self.export_command:
            commands.append(self.export_command)
        return {
            "title": self.title,
            "architecture": self.architecture,
            "licence": self.licence,
            "training_data": self.training_data,
            "training_command": "; ".join(commands),
            "training_commit": "; ".join(phase.commit for phase in self.phases),
            "scores": self.scores,
            "scores_command": self.scores_command,
        }


def read_recipe(path: Path) -> Recipe:
    """Read a recipe: TOML with the fields of `Recipe`, among them a table ``[[phases]]`` per phase.

    Raise ConfigError if the file cannot be read, is not TOML, lacks a field, or has an unknown
    field or an invalid option.
    """
    table = read_toml(path, ConfigError, wanted="a recipe in TOML")
    expected = f"expected a recipe with {', '.join(f.name for f in fields(Recipe))}"
    if not table.get("phases") or "options" not in table:
        raise ConfigError(f"{path}: has no phases or no options; {expected}")
    table["options"] = read_config(path)
    try:
        table["phases"] = tuple(Phase(**phase) for phase in table["phases"])
        return Recipe(**table)
    except TypeError as error:
        raise ConfigError(f"{path}: is not a recipe ({error}); {expected}") from error

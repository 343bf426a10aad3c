"""Fusion methods by their id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from drpl.classical.table import BASELINES, Baseline
from drpl.core.options import FusionOptions
from drpl.decide.consistency import AROUND, AROUND_IN_STACKS, ConsistentModel
from drpl.decide.networks import DecisionModel
from drpl.decide.two_scales import TwoScaleModel
from drpl.errors import ConfigError
from drpl.models.cards import load_model, model_folder, read_card


def find_baseline(model: DecisionModel | None, options: FusionOptions) -> Baseline | None:
    """The baseline that is asked for, or None if it is a network."""
    if model is None:
        return BASELINES.get(options.model)
    return model if isinstance(model, Baseline) else None


def baseline_options(
    baseline: Baseline, options: FusionOptions, *, slabs: bool, observed: bool
) -> FusionOptions:
    """Options as a baseline follows them: it decides at full resolution.

    Parameters
    ----------
    baseline : Baseline
    options : FusionOptions
    slabs, observed : bool
        Whether slabs, or a record of the decisions of pairs, are asked for.

    Raises
    ------
    ConfigError
        If something is asked for that needs decisions of pairs.
    """
    for asked, what in (
        (options.compose != "select", f"compose {options.compose}"),
        (options.scale > 1, f"scale {options.scale}"),
        (slabs, "slabs"),
        (observed, "a picture of decisions (debug)"),
    ):
        if asked:
            raise ConfigError(
                f"model {baseline.id} joins all frames together in its own way; {what} needs a "
                "model that decides pairs (see `drpl models`)"
            )
    return replace(options, model=baseline.id, scale=1)


def _loader(
    model: DecisionModel | None, options: FusionOptions, count: int
) -> Callable[[], DecisionModel]:
    """What gives a model: the one at hand, else that of the options."""
    load = partial(load_model, options.model, threads=options.threads)

    def consistent() -> DecisionModel:
        near, afar = (load(), load()) if model is None else (model, model)
        around = AROUND if count == 2 else AROUND_IN_STACKS
        return ConsistentModel(TwoScaleModel(near, afar), around)

    return consistent


def _model(model: str) -> dict[str, Any]:
    """Id and hashes of the model; a baseline has its paper instead."""
    if model in BASELINES:
        baseline = BASELINES[model]
        return {"id": model, "sha256": {}, "doi": baseline.doi, "decides": baseline.decides}
    card = read_card(model_folder(model))
    return {"id": card.id, "sha256": {stage.file: stage.sha256 for stage in card.stages}}

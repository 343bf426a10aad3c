"""Model cards, and the networks that they describe."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from drpl.core.documents import is_integer, kind_of, read_json
from drpl.core.machine import usable_cores
from drpl.decide.backend import OnnxSession
from drpl.decide.networks import DecisionModel, PairNetwork, StagedNetwork
from drpl.errors import ModelError

SHIPPED = Path(__file__).parent
"""Folder of the shipped models."""
CARD = "card.json"
"""Name of the card in a model's folder."""
STAGES = (("masks",), ("encode", "trunk", "decode"))
"""Names of the stages of networks with one graph and with three."""


@dataclass(frozen=True)
class Stage:
    """One exported graph of a model, in a file beside the card.

    Its name is ``"masks"``, or ``"encode"``, ``"trunk"``, ``"decode"``. Its output depends on
    ``context`` pixels around a tile.
    """

    name: str
    file: str
    sha256: str
    context: int


@dataclass(frozen=True)
class ModelCard:
    """Card of a model: its kind, origin, licence and scores.

    ``colour`` is the network's input, ``"rgb"`` or ``"luma"``; ``macs_per_pixel`` counts
    multiply-accumulates per pixel of a pair; ``training`` holds the resolved configuration, steps
    and minutes of the run. ``scores_command`` reproduces the scores; ``attribution`` is that of the
    training data.
    """

    id: str
    title: str
    architecture: str
    colour: str
    stages: tuple[Stage, ...]
    parameters: int
    macs_per_pixel: int
    licence: str
    training_data: str
    training_command: str
    training_commit: str
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    scores_command: str = ""
    attribution: str = ""


def read_card(folder: Path) -> ModelCard:
    """Read a model's card; raise ModelError if it cannot be read, or its fields are wrong."""
    path = folder / CARD
    table = read_json(path, ModelError, wanted="a model card")
    try:
        table["stages"] = tuple(Stage(**stage) for stage in table["stages"])
        card = ModelCard(**table)
        _check_types(card)
    except (ValueError, KeyError, TypeError) as error:
        known = ", ".join(f.name for f in fields(ModelCard))
        raise ModelError(f"{path}: is not a model card ({error}); expected {known}") from error
    names = tuple(stage.name for stage in card.stages)
    if names not in STAGES:
        raise ModelError(f"{path}: has stages {names}; expected one of {STAGES}")
    return card


def _check_types(card: ModelCard) -> None:
    """Check the fields that a network is loaded by; raise TypeError if one has another type."""
    for stage in card.stages:
        texts = (stage.name, stage.file, stage.sha256)
        if not all(isinstance(text, str) and "\0" not in text for text in texts):
            raise TypeError("name, file or sha256 of a stage is not text")
        if not is_integer(stage.context, 0):
            raise TypeError(f"context of stage {stage.name} is not a number of pixels")
    for entry in fields(card):
        value = getattr(card, entry.name)
        if entry.type == "str" and not isinstance(value, str):
            raise TypeError(f"{entry.name} is {kind_of(value)}; expected text")


def available_models() -> tuple[str, ...]:
    """List the ids of the networks that ship with drpl.

    Examples
    --------
    >>> import drpl
    >>> "drpl-fast" in drpl.available_models()
    True
    """
    return tuple(sorted(path.name for path in SHIPPED.iterdir() if (path / CARD).is_file()))


def find_folder(model: str) -> Path | None:
    """Return the folder of a model, by its id or path; None if there is no such model."""
    folder = SHIPPED / model if model in available_models() else Path(model)
    return folder if (folder / CARD).is_file() else None


def model_folder(model: str) -> Path:
    """Return the folder of a model, by its id or path; raise ModelError if there is none."""
    folder = find_folder(model)
    if folder is None:
        known = ", ".join(available_models())
        raise ModelError(
            f"model {model!r} is unknown; expected one of {known}, or a folder with a {CARD}"
        )
    return folder


def load_model(model: str = "drpl-fast", *, threads: int = 0) -> DecisionModel:
    """Load a network for `drpl.decide_pair` and `drpl.fuse`.

    Parameters
    ----------
    model : str
        Id of a shipped model, or path of a folder with a ``card.json``.
    threads : int
        Threads of the network; 0 uses all cores.

    Returns
    -------
    DecisionModel

    Raises
    ------
    ModelError
        If the model is unknown, or one of its files is missing or does not match its card.
    BackendUnavailable
        If ONNX Runtime is not installed.

    Examples
    --------
    >>> import drpl
    >>> model = drpl.load_model("drpl-fast", threads=1)  # to be used for many stacks or pairs
    """
    return load_network(model_folder(model), threads)


def load_network(folder: Path, threads: int = 0) -> DecisionModel:
    """Load the network in a model's folder; see `load_model`."""
    card = read_card(folder)
    threads = threads or usable_cores()
    for stage in card.stages:
        _check_file(folder / stage.file, stage.sha256)
    paths = [folder / stage.file for stage in card.stages]
    contexts = tuple(stage.context for stage in card.stages)
    if len(paths) == 1:
        return PairNetwork(OnnxSession(paths[0], threads), contexts)
    # tiles side by side, on one core each, beat one tile on all cores; the trunk has one tile
    encode, decode = OnnxSession(paths[0]), OnnxSession(paths[2])
    trunk = OnnxSession(paths[1], threads)
    return StagedNetwork(encode, trunk, decode, contexts, encode.channels, threads)


def _check_file(path: Path, expected: str) -> None:
    """Check a file against its hash in the card."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); reinstall drpl") from error
    if found != expected:
        raise ModelError(
            f"{path}: is not the file that its card describes (sha256 {found[:12]}..., expected "
            f"{expected[:12]}...); reinstall drpl"
        )

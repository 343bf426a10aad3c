"""Fusion methods by id: networks and classical methods."""

from __future__ import annotations

from functools import partial

from drpl.classical.table import CLASSICAL_METHODS
from drpl.compose.method import Method
from drpl.compose.network import NetworkMethod
from drpl.decide.networks import DecisionModel
from drpl.errors import ModelError
from drpl.models.cards import CARD, available_models, find_folder, load_network, read_card


def available_methods() -> tuple[str, ...]:
    """List the ids of fusion methods: shipped networks, then classical methods.

    Examples
    --------
    >>> import drpl
    >>> {"drpl-fast", "gff"} <= set(drpl.available_methods())
    True
    """
    return (*available_models(), *CLASSICAL_METHODS)


def find_method(method: str) -> Method:
    """Find a fusion method by its id, or by the path of a folder with a ``card.json``.

    A network is loaded when it fuses. Raises ModelError if there is no such method, or its card
    cannot be read.
    """
    if method in CLASSICAL_METHODS:
        return CLASSICAL_METHODS[method]
    folder = find_folder(method)
    if folder is None:
        known = ", ".join(available_methods())
        raise ModelError(
            f"method {method!r} is unknown; expected one of {known}, or a folder with a {CARD}"
        )
    card = read_card(folder)
    hashes = {stage.file: stage.sha256 for stage in card.stages}
    return NetworkMethod(card.id, partial(load_network, folder), len(card.stages) > 1, hashes)


def network_method(model: DecisionModel, id: str = "custom") -> NetworkMethod:
    """Return the method of a loaded network, which is not loaded again; reports call it ``id``."""
    return NetworkMethod(id, lambda _: model, staged=getattr(model, "staged", True))

"""Abilities of this installation: versions, memory, formats, methods."""

from __future__ import annotations

import platform
from typing import Any

from drpl.core.machine import memory_mb, usable_cores
from drpl.decide.backend import runtime_providers
from drpl.errors import DrplError
from drpl.io.formats import FORMATS
from drpl.models.cards import available_models, load_model
from drpl.models.methods import available_methods
from drpl.version import versions


def examine() -> dict[str, dict[str, Any]]:
    """Return what this installation can do, as JSON types by section and name.

    A library that is not installed has the version None; a method has "ok" or the reason why it
    does not load.
    """
    return {
        "versions": versions(optional=True),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": usable_cores(),
            "memory_mb": memory_mb(),
            "providers": ", ".join(runtime_providers()),
        },
        "formats": {form.name: form.available() for form in FORMATS},
        "methods": {name: _method(name) for name in available_methods()},
    }


def _method(name: str) -> str:
    """Load a method; return "ok" or the reason why it fails."""
    try:
        if name in available_models():
            load_model(name, threads=1)
    except DrplError as error:
        return str(error)
    return "ok"

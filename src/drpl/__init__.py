"""drpl: one picture that is sharp everywhere, from several focused elsewhere.

Names are loaded when they are first used, so that ``import drpl`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from drpl.version import __version__

if TYPE_CHECKING:
    from drpl.decide import decide_pair
    from drpl.focus import available_baselines
    from drpl.models import available_models, load_model
    from drpl.pipeline import fuse, fuse_files
    from drpl.result import FusionResult
    from drpl.stack import FusionOptions

__all__ = [
    "FusionOptions",
    "FusionResult",
    "__version__",
    "available_baselines",
    "available_models",
    "decide_pair",
    "fuse",
    "fuse_files",
    "load_model",
]
_HOMES = {
    "FusionOptions": "drpl.stack",
    "FusionResult": "drpl.result",
    "available_baselines": "drpl.focus",
    "available_models": "drpl.models",
    "decide_pair": "drpl.decide",
    "fuse": "drpl.pipeline",
    "fuse_files": "drpl.pipeline",
    "load_model": "drpl.models",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'drpl' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List public names, loaded or not."""
    return sorted(__all__)

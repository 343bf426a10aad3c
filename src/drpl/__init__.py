"""drpl: focus stacking, from source images to an all-in-focus image.

Public names load their modules on first use: ``import drpl`` loads no heavy library.
"""

from __future__ import annotations

from drpl.version import __version__

TYPE_CHECKING = False  # as `typing` has it: until typing is imported, Ctrl-C ends in a traceback
if TYPE_CHECKING:
    from drpl.core.options import FusionOptions
    from drpl.decide.networks import decide_pair
    from drpl.files.fuse import fuse_files
    from drpl.files.outputs import Outputs
    from drpl.models.cards import available_models, load_model
    from drpl.models.methods import available_methods
    from drpl.pipeline.fuse import fuse
    from drpl.results.result import FusionResult

__all__ = [
    "FusionOptions",
    "FusionResult",
    "Outputs",
    "__version__",
    "available_methods",
    "available_models",
    "decide_pair",
    "fuse",
    "fuse_files",
    "load_model",
]
_HOMES = {
    "FusionOptions": "drpl.core.options",
    "FusionResult": "drpl.results.result",
    "Outputs": "drpl.files.outputs",
    "available_methods": "drpl.models.methods",
    "available_models": "drpl.models.cards",
    "decide_pair": "drpl.decide.networks",
    "fuse": "drpl.pipeline.fuse",
    "fuse_files": "drpl.files.fuse",
    "load_model": "drpl.models.cards",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'drpl' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)

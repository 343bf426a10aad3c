"""The version of drpl, and of what it stands on."""

from __future__ import annotations

import importlib.metadata
import platform

__version__ = "0.1.0"
LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "pyvips")
OPTIONAL = ("fastapi", "rawpy", "torch", "uvicorn")


def versions(*, optional: bool = False) -> dict[str, str | None]:
    """Versions of drpl, Python and the libraries; None where one is not installed."""
    found: dict[str, str | None] = {"drpl": __version__, "python": platform.python_version()}
    for name in LIBRARIES + (OPTIONAL if optional else ()):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found

"""Versions of drpl and of the libraries that it uses."""

from __future__ import annotations

__version__ = "0.1.0"
LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "pyvips")
"""Required libraries that results depend on."""
OPTIONAL = ("fastapi", "rawpy", "torch", "uvicorn")
"""Libraries of the optional extras."""


def versions(*, optional: bool = False) -> dict[str, str | None]:
    """Return the versions of drpl, Python and the libraries; None if one is not installed."""
    import importlib.metadata  # slow, and the command needs no versions to start
    import platform

    found: dict[str, str | None] = {"drpl": __version__, "python": platform.python_version()}
    for name in LIBRARIES + (OPTIONAL if optional else ()):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found

"""Provenance of results: commit, versions, machine, hashes of models and inputs."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from drpl.models.cards import model_folder, read_card
from drpl.version import __version__

LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pyvips", "torch")
"""Libraries whose versions can change the last digits."""


def provenance(models: Sequence[str]) -> dict[str, object]:
    """Return code, versions, machine and models, on which results depend besides their inputs.

    Values are JSON types; ``commit`` is None outside a checkout, ``models`` maps each id or folder
    to SHA-256 hashes.
    """
    hashes = {
        name: [stage.sha256 for stage in read_card(model_folder(name)).stages] for name in models
    }
    return {
        "drpl": __version__,
        "commit": _commit(),
        "code": _code(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": _versions(),
        "models": hashes,
    }


def _versions() -> dict[str, str]:
    """Return the versions of those `LIBRARIES` that are installed."""
    found = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _commit() -> str | None:
    """Return the commit of this module's checkout, with ``-dirty`` if files have changed since."""
    here = Path(__file__)
    if not _git(here.parent, "ls-files", "--", here.name):
        return None  # an installed copy, perhaps inside an unrelated checkout
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _code() -> str:
    """Return a short hash of the package's code, which uncommitted changes change too."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command, or None if it is empty or git is missing."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None


def digest_of(paths: Iterable[Path]) -> str:
    """Return a short hash of the names and sizes of files, to recognise changed inputs."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]

"""What a result depends on: commit, versions, machine, hashes of models and inputs."""

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


def provenance(models: Sequence[str]) -> dict[str, object]:
    """What a result depends on: commit, versions, machine, hashes of the models."""
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
    """Versions of the libraries that numbers come from, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _commit() -> str | None:
    """Commit of the checkout that this module is in, ``-dirty`` if it was changed since."""
    here = Path(__file__)
    if not _git(here.parent, "ls-files", "--", here.name):
        return None  # installed, maybe inside a checkout of something else
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _code() -> str:
    """Short hash of the package's code: it tells changes that are not committed, too."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers, or None."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None


def digest_of(paths: Iterable[Path]) -> str:
    """Short hash of names and sizes of files: other inputs, another hash."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]

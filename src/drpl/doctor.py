"""What this installation can do: versions, memory, formats, models."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

import pyvips

from drpl.backend import runtime_providers, usable_cores
from drpl.errors import DrplError
from drpl.focus import available_baselines
from drpl.models import available_models, load_model
from drpl.version import versions

FORMATS = {
    "JPEG": "jpegload",
    "PNG": "pngload",
    "TIFF": "tiffload",
    "WebP": "webpload",
    "AVIF": "heifload",
}


def examine() -> dict[str, dict[str, Any]]:
    """What this installation can do, by section and name; every value is plain.

    Returns
    -------
    dict
        ``versions``, ``machine``, ``formats`` and ``models``; a library that is not installed has
        the value None, a model that does not load says why.
    """
    return {
        "versions": versions(optional=True),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": usable_cores(),
            "memory_mb": memory_mb(),
            "providers": ", ".join(runtime_providers()),
        },
        "formats": _formats(),
        "models": {name: _model(name) for name in (*available_models(), *available_baselines())},
    }


def memory_mb() -> int | None:
    """Megabytes of memory that can be had now, or None where the system does not tell."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) // 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return None


def _formats() -> dict[str, bool]:
    """Formats that libvips can read here, and RAW."""
    found = {name: bool(pyvips.type_find("VipsOperation", op)) for name, op in FORMATS.items()}
    return found | {"RAW": importlib.util.find_spec("rawpy") is not None}


def _model(name: str) -> str:
    """Whether a shipped model loads."""
    try:
        load_model(name, threads=1)
    except DrplError as error:
        return str(error)
    return "ok"

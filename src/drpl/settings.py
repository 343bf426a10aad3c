"""Where options come from: a preset, a configuration file, and what was given outright."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from drpl.errors import ConfigError
from drpl.stack import FusionOptions

PRESETS: dict[str, dict[str, Any]] = {
    "macro": {"motion": "affine"},
    "landscape": {"motion": "affine", "unaligned": "keep"},
    "microscope": {"motion": "similarity", "exposure": False},
    "handheld": {"motion": "homography", "crop": True},
}
"""Options by the kind of work; see ``--preset``."""


def resolve_options(
    given: Mapping[str, Any], *, preset: str | None = None, config: Path | None = None
) -> FusionOptions:
    """Options from a preset, a configuration file and what was given; the last word counts.

    Parameters
    ----------
    given : mapping
        By field of `FusionOptions`; None counts as not given.
    preset : str, optional
        One of `PRESETS`. A file may name one too, as ``preset``.
    config : Path, optional
        TOML file with fields of `FusionOptions`.

    Raises
    ------
    ConfigError
        If the preset or a field is unknown, a value is wrong, or the file cannot be read.
    """
    table = read_table(config) if config is not None else {}
    in_file = table.pop("preset", None)
    values = {**_preset(preset or in_file), **table}
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return FusionOptions(**values)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}" if config is not None else str(error)) from error


def _preset(name: str | None) -> dict[str, Any]:
    """Options of a preset."""
    if name is None:
        return {}
    if name not in PRESETS:
        raise ConfigError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        If it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not a TOML file ({error})") from error


def read_table(path: Path) -> dict[str, Any]:
    """Options that a TOML file gives, by field of `FusionOptions`, and ``preset``.

    Raises
    ------
    ConfigError
        If it cannot be read, is not TOML, or has an unknown field or a value of a wrong type.
    """
    table = read_toml(path)
    try:
        check_options({name: value for name, value in table.items() if name != "preset"})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return table


def check_options(table: Mapping[str, Any]) -> None:
    """Check names and types of options, by field of `FusionOptions`.

    Raises
    ------
    ConfigError
        If a field is unknown, or a value has a wrong type.
    """
    known = {entry.name: entry for entry in fields(FusionOptions)}
    for name, value in table.items():
        if name not in known:
            raise ConfigError(f"has an unknown option {name!r}; known: {', '.join(known)}")
        if not _fits(name, value):
            raise ConfigError(f"{name} is {value!r}; {known[name].metadata['help']}")


def _fits(name: str, value: object) -> bool:
    """Whether a value has the type of a field."""
    hint = get_type_hints(FusionOptions)[name]
    # a plain type, the values of a Literal, or a type or None
    parts = get_args(hint) or (hint,)
    kinds = {part if isinstance(part, type) else type(part) for part in parts}
    return type(value) in kinds or (float in kinds and type(value) is int)

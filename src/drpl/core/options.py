"""Types that pass between the rooms: pixels with what belongs to them, and options."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from drpl.errors import ConfigError

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


ComposeMode = Literal["select", "pyramid"]
COMPOSE_MODES: tuple[str, ...] = get_args(ComposeMode)
Motion = Literal["translation", "similarity", "affine", "homography"]
MOTIONS: tuple[Motion, ...] = get_args(Motion)
"""From the simplest to the most flexible."""
Unaligned = Literal["reject", "keep"]
UNALIGNED: tuple[str, ...] = get_args(Unaligned)
MAX_PIXELS = 400_000_000
"""Pixels in a file, at most, before it is decoded: a guard against decompression bombs."""
EFFORT = ("threads", "tile", "max_memory", "max_pixels")
"""Options that limit resources and do not change the result."""
TILE_MULTIPLE = 64
SCALES = (0, 1, 2, 4)
TILE = 768
"""Side of a tile in pixels, where nothing else is asked for."""


def described(
    words: str, choices: tuple[Any, ...] = (), *, short: str = "", flag: str = ""
) -> dict[str, Any]:
    """Return the metadata of a field that terminal, page and TOML files derive an option from.

    Parameters
    ----------
    words : str
        Help text.
    choices : tuple
        Values that the option may take; any if empty.
    short : str
        Short flag of the terminal, such as ``"-m"``.
    flag : str
        Name of the flag, if it is not that of the field; a boolean one then has no ``--no-``.
    """
    return {"help": words, "choices": choices, "short": short, "flag": flag}


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How to fuse; terminal, configuration files and web page are derived from it.

    Each field's ``metadata["help"]`` says what it does, ``metadata["choices"]`` what it may be.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    method: str = field(
        default="drpl-fast",
        metadata=described(
            "Fusion method: id of a model or of a classical method (see `drpl models`), or the "
            "folder of a model.",
            short="-m",
        ),
    )
    compose: ComposeMode = field(
        default="select",
        metadata=described(
            "How frames are joined: select takes pixels and blends along seams only; pyramid "
            "blends scale by scale.",
            COMPOSE_MODES,
        ),
    )
    align: bool = field(
        default=True,
        metadata=described("Register the frames first (focus breathing, shift, rotation)."),
    )
    motion: Motion = field(
        default="affine",
        metadata=described(
            "How frames may have moved, from the simplest to the most flexible.", MOTIONS
        ),
    )
    reference: int | None = field(
        default=None,
        metadata=described(
            "Number, from 0, of the frame that the others are registered to; default: the middle "
            "one by focus."
        ),
    )
    exposure: bool = field(
        default=True,
        metadata=described("Match brightness and colour of the frames to the reference."),
    )
    unaligned: Unaligned = field(
        default="reject",
        metadata=described(
            "What becomes of a frame that cannot be registered: left out, or used as it is.",
            UNALIGNED,
        ),
    )
    crop: bool = field(default=False, metadata=described("Crop to the area that all frames show."))
    scale: int = field(
        default=0,
        metadata=described(
            "Pixels for each decision: 1, 2 or 4; 0 takes the coarsest that loses no detail.",
            SCALES,
        ),
    )
    threads: int = field(
        default=0, metadata=described("Threads of the network; 0 takes all cores.")
    )
    tile: int = field(
        default=TILE,
        metadata=described(
            "Side of a tile in pixels, a multiple of 64; smaller needs less memory."
        ),
    )
    max_memory: int = field(
        default=0,
        metadata=described(
            "Megabytes that the work may take in all; refused at once if too few. 0: no limit."
        ),
    )
    max_pixels: int = field(
        default=MAX_PIXELS,
        metadata=described("Pixels of a file, at most; larger ones are refused before decoding."),
    )
    value_range: float | None = field(
        default=None,
        metadata=described(
            "Value of white in float images; default 1. Integer images span their type."
        ),
    )

    def __post_init__(self) -> None:
        """Validate."""
        for entry in fields(self):
            found, choices = getattr(self, entry.name), entry.metadata["choices"]
            if choices and found not in choices:
                raise ConfigError(f"{entry.name} is {found!r}; expected one of {choices}")
        for name in ("threads", "max_memory"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more")
        if self.max_pixels < 1:
            raise ConfigError(f"max_pixels is {self.max_pixels}; expected 1 or more")
        if self.tile < TILE_MULTIPLE or self.tile % TILE_MULTIPLE:
            raise ConfigError(f"tile is {self.tile}; expected a multiple of {TILE_MULTIPLE} pixels")
        if self.reference is not None and self.reference < 0:
            raise ConfigError(f"reference is {self.reference}; expected the number of a frame")
        if self.value_range is not None and not self.value_range > 0:
            raise ConfigError(f"value_range is {self.value_range}; expected a number above 0")

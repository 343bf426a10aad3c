"""Options of a fusion: fields, presets and configuration files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from drpl.core.documents import read_toml
from drpl.errors import ConfigError

ComposeMode = Literal["select", "pyramid"]
COMPOSE_MODES: tuple[str, ...] = get_args(ComposeMode)
Motion = Literal["translation", "similarity", "affine", "homography"]
MOTIONS: tuple[Motion, ...] = get_args(Motion)
"""Motions, from the simplest to the most flexible."""
Unaligned = Literal["reject", "keep"]
UNALIGNED: tuple[str, ...] = get_args(Unaligned)
SCALES = (0, 1, 2, 4)
"""Pixels per decision, along each axis; 0 chooses automatically."""
TILE = 768
"""Default side of a tile, in pixels."""
TILE_MULTIPLE = 64
"""Number that sides of tiles are multiples of, in pixels."""
MAX_PIXELS = 400_000_000
"""Default limit on the pixels of a file: a guard against decompression bombs."""
EFFORT = ("threads", "tile", "max_memory", "max_pixels")
"""Options that limit resources and do not change the result."""
PRESETS: dict[str, dict[str, Any]] = {
    "macro": {"motion": "affine"},
    "landscape": {"motion": "affine", "unaligned": "keep"},
    "microscope": {"motion": "similarity", "exposure": False, "clean_sensor": False},
    "handheld": {"motion": "homography", "crop": True},
}
"""Options by kind of work."""


def described(
    words: str, choices: tuple[Any, ...] = (), *, short: str = "", flag: str = ""
) -> dict[str, Any]:
    """Return the metadata of a field that terminal, page and TOML files derive an option from.

    ``words`` are the help text; empty ``choices`` accept any value; ``short`` is a short flag, such
    as ``"-m"``. ``flag`` names the long flag if it is not the field's name; a boolean option with a
    flag of its own has no ``--no-`` form.
    """
    return {"help": words, "choices": choices, "short": short, "flag": flag}


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """Options of a fusion; terminal, configuration files and web page are derived from them.

    Each field's ``metadata["help"]`` explains it; ``metadata["choices"]`` lists accepted values.

    Raises
    ------
    ConfigError
        If a value is out of range.

    Examples
    --------
    >>> FusionOptions(method="gff", align=False).compose
    'select'
    """

    method: str = field(
        default="drpl-fast",
        metadata=described(
            "Fusion method: id of a network or classical method (see `drpl methods`), or folder of "
            "a network.",
            short="-m",
        ),
    )
    compose: ComposeMode = field(
        default="select",
        metadata=described(
            "Composition: select copies source pixels and blends only along seams; pyramid blends "
            "scale by scale.",
            COMPOSE_MODES,
        ),
    )
    align: bool = field(
        default=True,
        metadata=described("Align the frames first (shift, rotation, focus breathing)."),
    )
    motion: Motion = field(
        default="affine",
        metadata=described(
            "Most flexible motion between frames; a simpler one that explains them is used.",
            MOTIONS,
        ),
    )
    reference: int | None = field(
        default=None,
        metadata=described(
            "Number of the reference frame, from 0; by default the middle one in focus order."
        ),
    )
    exposure: bool = field(
        default=True, metadata=described("Match brightness and colour to the reference frame.")
    )
    unaligned: Unaligned = field(
        default="reject",
        metadata=described(
            "Treatment of frames that cannot be aligned: reject leaves them out; keep uses them.",
            UNALIGNED,
        ),
    )
    crop: bool = field(default=False, metadata=described("Crop to the area that all frames cover."))
    clean_sensor: bool = field(
        default=True,
        metadata=described(
            "Fill hot and dead pixels and even out dust, found where the scene moves."
        ),
    )
    scale: int = field(
        default=0,
        metadata=described(
            "Pixels per decision along each axis; 0 takes the coarsest scale that loses no detail.",
            SCALES,
        ),
    )
    threads: int = field(
        default=0, metadata=described("Threads for the network; 0 uses all cores.")
    )
    tile: int = field(
        default=TILE,
        metadata=described(
            "Side of a tile in pixels, a multiple of 64; smaller tiles need less memory."
        ),
    )
    max_memory: int = field(
        default=0,
        metadata=described(
            "Memory limit in megabytes; stacks that need more are refused at once. 0: no limit."
        ),
    )
    max_pixels: int = field(
        default=MAX_PIXELS,
        metadata=described("Most pixels in a file; larger files are refused before decoding."),
    )
    value_range: float | None = field(
        default=None,
        metadata=described(
            "Value of white, for exposure and computed values; by default 1 in float images, the "
            "largest value of the type in others. Decisions follow the values themselves."
        ),
    )

    def __post_init__(self) -> None:
        """Check choices and ranges."""
        for entry in fields(self):
            found, choices = getattr(self, entry.name), entry.metadata["choices"]
            if choices and found not in choices:
                raise ConfigError(f"{entry.name} is {found!r}; expected one of {choices}")
        for name, least in (("threads", 0), ("max_memory", 0), ("max_pixels", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected {least} or more")
        if self.tile < TILE_MULTIPLE or self.tile % TILE_MULTIPLE:
            raise ConfigError(f"tile is {self.tile}; expected a multiple of {TILE_MULTIPLE} pixels")
        if self.reference is not None and self.reference < 0:
            raise ConfigError(f"reference is {self.reference}; expected the number of a frame")
        if self.value_range is not None and not 0 < self.value_range < math.inf:
            raise ConfigError(f"value_range is {self.value_range}; expected a number above 0")


def resolve_options(
    given: Mapping[str, Any], *, preset: str | None = None, config: Path | None = None
) -> FusionOptions:
    """Merge explicit options over a TOML file over a preset.

    None in ``given`` leaves an option to file and preset; ``preset`` overrides that of the file.
    Raise ConfigError if the preset or a field is unknown, a value is wrong, or the file cannot be
    read.
    """
    table = _file_options(config) if config is not None else {}
    in_file = table.pop("preset", None)
    values = {**_preset(preset or in_file), **table}
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return FusionOptions(**values)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}" if config is not None else str(error)) from error


def _preset(name: str | None) -> dict[str, Any]:
    """Return the options of a preset."""
    if name is None:
        return {}
    if name not in PRESETS:
        raise ConfigError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _file_options(path: Path) -> dict[str, Any]:
    """Read options, and ``preset``, from a TOML file and check them."""
    table = read_toml(path, ConfigError, wanted="options of a fusion in TOML")
    try:
        check_options({name: value for name, value in table.items() if name != "preset"})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return table


def check_options(table: Mapping[str, Any]) -> None:
    """Raise ConfigError if `FusionOptions` lacks a field or a value has the wrong type."""
    known = {entry.name: entry for entry in fields(FusionOptions)}
    for name, value in table.items():
        if name not in known:
            raise ConfigError(f"has an unknown option {name!r}; known: {', '.join(known)}")
        kinds = _types(name)
        if type(value) not in kinds and not (float in kinds and type(value) is int):
            expected = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
            raise ConfigError(
                f"{name} is {value!r}; expected {expected}. {known[name].metadata['help']}"
            )


def _types(name: str) -> set[type]:
    """Return the types that a value of a field may have."""
    hint = get_type_hints(FusionOptions)[name]
    # a plain type, the values of a Literal, or a type or None
    parts = get_args(hint) or (hint,)
    return {part if isinstance(part, type) else type(part) for part in parts}

"""Configuration of training: read from TOML, validated, written into checkpoints and cards."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from drpl.core.documents import read_toml
from drpl.errors import ConfigError
from drpl.scenes.degradation import DegradationOptions
from drpl.scenes.options import SceneOptions

Section = TypeVar("Section")


@dataclass(frozen=True)
class LossWeights:
    """Factor of each loss of `drpl.train.losses`; 0 leaves the loss out."""

    mask_cross_entropy: float = 1.0
    coarse_cross_entropy: float = 0.0
    mask_l1: float = 0.25
    pair_complement: float = 0.1
    gradient: float = 3.0
    laplacian: float = 0.0
    ssim: float = 0.1
    fused_charbonnier: float = 6.0
    fused_log_error: float = 0.5


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training run; those that their names do not explain have a comment.

    The mask losses aim at the source image nearer to the truth (``target`` ``"nearer"``) or at the
    one focused nearer to the visible surface (``"mask"``). The ``schedule`` ``"step"`` halves the
    learning rate after 30/50 of the run, as in the paper; ``"cosine"`` begins with a warm-up. On a
    CPU, where rendering is slow, each rendered scene is used in ``scene_uses`` batches, a divisor
    of ``batch``, each time rotated, mirrored and degraded again.
    """

    network: str = "drpl-fast"
    target: str = "nearer"
    target_window: int = 5  # side in pixels in which "nearer" compares errors; odd
    mask_weighting: bool = True  # of the mask losses, by the difference that a decision makes
    scene_uses: int = 1
    steps: int = 30_000  # unless the run is limited by time
    batch: int = 16  # scenes per step
    learning_rate: float = 2e-3  # the largest, of AdamW
    warmup: int = 300  # steps over which the learning rate rises linearly
    weight_decay: float = 1e-4  # of AdamW
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.999  # decay of the exponential moving average of the weights
    seed: int = 0  # of the initial weights and of the scenes
    schedule: str = "cosine"
    precision: str = "bf16-mixed"
    validate_every: int = 1000  # steps
    validation_scenes: int = 96  # in batches of 8
    validation_share: float = 0.12  # of the source pictures, kept out of training
    losses: LossWeights = field(default_factory=LossWeights)
    scenes: SceneOptions = field(default_factory=SceneOptions)
    degradation: DegradationOptions = field(default_factory=DegradationOptions)

    def __post_init__(self) -> None:
        """Validate the values; raise ConfigError if one is out of its range."""
        choices = {
            "network": (self.network, ("drpl", "drpl-fast", "drpl-fast-single")),
            "target": (self.target, ("nearer", "mask")),
            "schedule": (self.schedule, ("cosine", "step")),
            "precision": (self.precision, ("bf16-mixed", "32-true")),
            "scenes.recipe": (self.scenes.recipe, ("layered", "paper")),
            "scenes.channels": (self.scenes.channels, (1, 3)),
        }
        for name, (found, known) in choices.items():
            if found not in known:
                raise ConfigError(f"{name} is {found!r}; expected one of {known}")
        for name in ("steps", "batch", "learning_rate", "validate_every", "validation_scenes"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a positive number")
        if self.scene_uses < 1 or self.batch % self.scene_uses:
            raise ConfigError(
                f"scene_uses is {self.scene_uses}; expected a divisor of batch, {self.batch}"
            )
        if self.target_window < 1 or self.target_window % 2 == 0:
            raise ConfigError(f"target_window is {self.target_window}; expected an odd number")
        if not 0 < self.validation_share < 1:
            raise ConfigError(
                f"validation_share is {self.validation_share}; expected a share between 0 and 1"
            )
        if self.scenes.size < 64 or self.scenes.size % 16:
            raise ConfigError(
                f"scenes.size is {self.scenes.size}; expected a multiple of 16, at least 64"
            )
        if self.scenes.frames < 2 or self.scenes.stack_frames < 3:
            raise ConfigError(
                f"scenes.frames is {self.scenes.frames} and scenes.stack_frames "
                f"{self.scenes.stack_frames}; expected at least 2 and 3"
            )
        low, high = self.scenes.radius
        if not 0 <= low < high <= 64:
            raise ConfigError(
                f"scenes.radius is {low, high}; expected 0 <= low < high <= 64 pixels"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the options as a nested dictionary, structured like the TOML file."""
        return asdict(self)


def read_config(path: Path) -> TrainOptions:
    """Read a configuration from TOML; missing keys take their defaults.

    A file with the keys ``phases`` and ``options`` is a recipe, see `drpl.train.recipe`; then its
    options are read. Raise ConfigError if the file cannot be read, is not TOML, or has an unknown
    key or an invalid value.
    """
    table, prefix = read_toml(path, ConfigError, wanted="training options in TOML"), ""
    if {"phases", "options"} <= set(table):
        table, prefix = table["options"], "options."
    try:
        return _section(TrainOptions, table, prefix)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def config_from_dict(table: dict[str, Any]) -> TrainOptions:
    """Build a configuration from a nested dictionary; missing keys take their defaults.

    The dictionary is structured like `TrainOptions.to_dict`. Raise ConfigError if a key is unknown
    or a value is invalid.
    """
    return _section(TrainOptions, table, "")


def _section(kind: type[Section], table: object, prefix: str) -> Section:
    """Build a dataclass from a table, recursively; ``prefix`` names the table in messages."""
    if not isinstance(table, dict):
        raise ConfigError(f"{prefix.rstrip('.')} is {table!r}; expected a table")
    defaults = kind()
    values: dict[str, Any] = {}
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"unknown key {prefix}{key}; known here: {', '.join(sorted(known))}")
        values[key] = _value(getattr(defaults, key), value, f"{prefix}{key}")
    return kind(**values)


def _value(default: object, value: object, name: str) -> object:
    """Convert a value to the type of its default, or raise."""
    if is_dataclass(default):
        return _section(type(default), value, f"{name}.")
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)) or len(value) != len(default):
            raise ConfigError(f"{name} is {value!r}; expected {len(default)} numbers")
        return tuple(_value(d, v, name) for d, v in zip(default, value, strict=True))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise ConfigError(f"{name} is {value!r}; expected a value like {default!r}")
    return value

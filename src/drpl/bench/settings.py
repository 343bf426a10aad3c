"""Settings of `drpl bench quality`; this module imports nothing heavy, since the terminal does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from drpl.core.options import COMPOSE_MODES, FusionOptions, described
from drpl.errors import ConfigError

SEED = 20_000
"""Seed of rendered and drawn scenes."""
KINDS = ("pairs", "stacks", "moved")
"""Kinds of rendered scenes: pairs, stacks, and stacks that moved and were registered."""


@dataclass(frozen=True)
class QualitySettings:
    """Scenes and entries of a run; its scores depend on nothing else but code and inputs.

    The help text of each field is its documentation; ``fused`` holds the folder of each peer's
    fused images by its name. Raise ConfigError if there is nothing to score, or a value is out of
    range.
    """

    photos: str = field(
        default="",
        metadata=described(
            "Folder of photos: scenes are rendered from those that training kept out."
        ),
    )
    kinds: tuple[str, ...] = field(
        default=KINDS,
        metadata=described("Kind of rendered scenes (repeatable).", KINDS, flag="kind"),
    )
    scenes: int = field(default=60, metadata=described("Rendered scenes of each kind."))
    size: int = field(default=384, metadata=described("Side of a rendered scene in pixels."))
    degraded: bool = field(
        default=False,
        metadata=described(
            "Degrade rendered frames: shift, exposure change, noise and JPEG coding.",
            flag="degraded/--clean",
        ),
    )
    drawn: int = field(
        default=0, metadata=described("Scenes like that of `drpl demo`, which need no photos.")
    )
    seed: int = field(default=SEED, metadata=described("Seed of the scenes."))
    sources: str = field(
        default="", metadata=described("Folder of real scenes, each a folder of frames.")
    )
    truth: str = field(
        default="", metadata=described("Folder with the truths of real scenes: NAME.*")
    )
    align: bool = field(
        default=False, metadata=described("Register the frames of real scenes first.")
    )
    models: tuple[str, ...] = field(
        default=(),
        metadata=described(
            "Model to score (repeatable), the one of interest first; all by default.",
            short="-m",
            flag="model",
        ),
    )
    compose: tuple[str, ...] = field(
        default=(FusionOptions().compose,),
        metadata=described("Way to compose (repeatable).", COMPOSE_MODES),
    )
    exposure: bool = field(
        default=False,
        metadata=described(
            "Let models match exposure first, as drpl fuse does; classical methods get the same "
            "frames unmatched."
        ),
    )
    classical: bool = field(default=True, metadata=described("Score the classical methods too."))
    fused: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Normalise folders and validate."""
        for name in ("photos", "sources", "truth"):
            folder = getattr(self, name)
            object.__setattr__(self, name, Path(folder).as_posix() if folder else "")
        if not (self.photos or self.drawn or self.sources):
            raise ConfigError("there is nothing to score; give --photos, --drawn or --sources")
        if not self.sources and (self.truth or self.fused or self.align):
            raise ConfigError("truth, fused and align apply to real scenes only; give --sources")
        for name, least in (("scenes", 1), ("size", 64), ("drawn", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected {least} or more")
        for name, known in (("kinds", KINDS), ("compose", COMPOSE_MODES)):
            unknown = [value for value in getattr(self, name) if value not in known]
            if unknown:
                raise ConfigError(f"{name} holds {unknown[0]!r}; expected some of {known}")

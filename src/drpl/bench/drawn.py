"""Scenes of our own drawing, with truth: they need no photos, and their pictures may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drpl.bench.scenes import BenchScene, MadeScene
from drpl.scenes.drawn import draw_pair


@dataclass(frozen=True)
class DrawnScene(MadeScene):
    """The scene of `drpl demo`, with other leaves and grain.

    Attributes
    ----------
    index : int
        Same index and seed, same scene, however many there are.
    seed : int
    """

    index: int
    seed: int

    @property
    def data_set(self) -> str:
        """See `SceneEntry`."""
        return "drawn pairs"

    @property
    def name(self) -> str:
        """See `SceneEntry`."""
        return f"drawn_{self.index:03d}"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `SceneEntry`: there are none."""
        return ()

    def load(self) -> BenchScene:
        """Draw it."""
        source_a, source_b, truth = draw_pair(self.seed + self.index)
        return BenchScene([source_a, source_b], truth)

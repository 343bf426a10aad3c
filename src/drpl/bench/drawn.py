"""Drawn scenes with known truth: they need no photos, and their pictures may be published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drpl.bench.scenes import BenchScene, SyntheticScene
from drpl.scenes.drawn import draw_pair


@dataclass(frozen=True)
class DrawnScene(SyntheticScene):
    """The scene of `drpl demo`, with leaves and grain that depend on the seed.

    Attributes
    ----------
    index : int
        Number of the scene. Index and seed alone determine it.
    seed : int
        Seed of the run.
    """

    index: int
    seed: int

    @property
    def data_set(self) -> str:
        """See `SceneSpec`."""
        return "drawn pairs"

    @property
    def name(self) -> str:
        """See `SceneSpec`."""
        return f"drawn_{self.index:03d}"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `SceneSpec`: drawn scenes have no files."""
        return ()

    def load(self) -> BenchScene:
        """Draw the scene."""
        source_a, source_b, truth = draw_pair(self.seed + self.index)
        return BenchScene([source_a, source_b], truth)

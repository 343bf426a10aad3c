"""Drawn scenes with known truth: they need no photos, and their pictures may be published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from drpl.bench.scenes import BenchScene, SyntheticScene
from drpl.scenes.drawn import draw_pair


@dataclass(frozen=True)
class DrawnScene(SyntheticScene):
    """The scene of `drpl demo`, with leaves and grain drawn from index and seed alone."""

    index: int
    seed: int
    data_set: ClassVar = "drawn pairs"
    files: ClassVar[tuple[Path, ...]] = ()

    @property
    def name(self) -> str:
        """See `SceneSpec`."""
        return f"drawn_{self.index:03d}"

    def load(self) -> BenchScene:
        """Draw the scene."""
        source_a, source_b, truth = draw_pair(self.seed + self.index)
        return BenchScene([source_a, source_b], truth)

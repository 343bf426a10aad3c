"""Truth at low levels: ``python -m benchmarks.levels --photos DIR --docs docs/results.md``.

Rendered scenes are stored in uint16 at a fraction of full scale, with and without a black offset,
fused, and scored against the truth at that scale. The section is ``levels``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.docs import Docs, write_sections
from drpl.bench.moved import STACK_FRAMES, move_frames
from drpl.bench.rendered import bench_scenes
from drpl.bench.scenes import CAP_DB, INNER, Bytes
from drpl.bench.tables import markdown_table
from drpl.core.frames import Floats, Pixels
from drpl.core.options import FusionOptions
from drpl.models.methods import available_methods
from drpl.pipeline.fuse import fuse

FULL = 65535
"""Full scale of uint16."""
SCALES = (1, 1 / 4, 1 / 16, 1 / 64)
"""White, relative to full scale less the offset."""
OFFSETS = (0.0, 0.1)
"""Black, relative to full scale."""
PATHS = {"pairs": 2, "stacks": STACK_FRAMES, "moved and aligned": STACK_FRAMES}
"""Frames of a scene, by the way that leads to its decisions."""


def stored(frame: Bytes, scale: float, offset: float) -> Pixels:
    """Return a frame as counts of uint16."""
    span = scale * (1 - offset) * FULL
    counts: Pixels = np.rint(offset * FULL + frame * (span / 255)).astype(np.uint16)
    return counts


def score(fused: Pixels, truth: Bytes, scale: float, offset: float, *, inner: bool) -> float:
    """Return the PSNR in dB, at most `CAP_DB`, relative to the span of the values."""
    values: Floats = (fused.astype(np.float64) - offset * FULL) / (scale * (1 - offset) * FULL)
    error = values - truth / 255
    if inner:
        rows, cols = (round(INNER * side) for side in error.shape[:2])
        error = error[rows:-rows, cols:-cols]
    return float(-10 * np.log10(max(np.square(error).mean(), 10 ** (-CAP_DB / 10))))


def means(
    photos: Path, scenes: int, size: int, method: str
) -> dict[tuple[str, float, float], float]:
    """Return mean PSNR by path, scale and offset."""
    found: dict[tuple[str, float, float], list[float]] = {}
    for path, count in PATHS.items():
        still = path != "moved and aligned"
        options = FusionOptions(method=method, align=not still, exposure=not still)
        rendered = bench_scenes(photos, scenes, size=size, degradation=None, frames=count)
        for index, scene in enumerate(rendered):
            frames = scene.frames if still else move_frames(scene.frames, index)[0]
            truth = scene.truth
            if truth is None:
                raise typer.BadParameter("rendered scenes must have a truth")
            for scale in SCALES:
                for offset in OFFSETS:
                    fused = fuse([stored(frame, scale, offset) for frame in frames], options).fused
                    value = score(fused, truth, scale, offset, inner=not still)
                    found.setdefault((path, scale, offset), []).append(value)
    return {key: float(np.mean(values)) for key, values in found.items()}


def main(
    photos: Annotated[Path, typer.Option(help="Folder of photos to render scenes from.")],
    scenes: Annotated[int, typer.Option(help="Scenes of each kind.")] = 20,
    size: Annotated[int, typer.Option(help="Side of a scene in pixels.")] = 384,
    method: Annotated[list[str], typer.Option(help="Methods (repeatable).")] = ["drpl-fast"],  # noqa: B006
    docs: Docs = None,
) -> None:
    """Print PSNR by level, as Markdown."""
    rows = []
    for name in method:
        if name not in available_methods():
            raise typer.BadParameter(f"method is {name!r}; known: {', '.join(available_methods())}")
        table = means(photos, scenes, size, name)
        rows += [
            [name, f"1/{round(1 / scale)}", f"{offset:.0%}"]
            + [f"{table[path, scale, offset]:.2f}" for path in PATHS]
            for scale in SCALES
            for offset in OFFSETS
        ]
    text = markdown_table(["method", "full scale", "black", *PATHS], rows)
    text = f"PSNR in dB, {scenes} scenes of each kind, {size} pixels a side.\n\n{text}"
    if docs is not None:
        write_sections(docs, {"levels": text})
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)

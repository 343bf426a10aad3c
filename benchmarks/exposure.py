"""Errors of matched exposure: ``python -m benchmarks.exposure --photos DIR``.

Rendered stacks, which differ in blur alone, are given known changes of light and vignetting that
drifts with the sensor. The gains of a plan are compared with the truth. The section is
``exposure``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.docs import Docs, write_sections
from drpl.align.prepare import plan_alignment
from drpl.bench.moved import STACK_FRAMES
from drpl.bench.rendered import bench_scenes
from drpl.bench.scenes import Bytes
from drpl.bench.tables import markdown_table
from drpl.core.frames import Floats, Pixels, source_names
from drpl.core.options import FusionOptions
from drpl.io.stacks import ArrayStack

FLICKER, DRIFT, ODD = 0.15, 0.1, 1.37
"""Largest change of light by frame and over a stack, relative; factor of one odd frame."""
VIGNETTING, SHIFT = 0.35, (3.0, 1.5)
"""Loss of light in the corners, relative; (x, y) drift of the sensor in pixels per frame."""


def vignetted(frame: Bytes, number: int) -> Pixels:
    """Darken a frame towards its corners, about a centre that drifts."""
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    right, down = (shift * (number - STACK_FRAMES // 2) for shift in SHIFT)
    square = (x - width / 2 - right) ** 2 + (y - height / 2 - down) ** 2
    corner = (height**2 + width**2) / 4
    return np.asarray(frame * (1 - VIGNETTING * square / corner)[..., None])


def changes(seed: int) -> dict[str, tuple[Floats, bool]]:
    """Return the factor of each frame, and True for vignetting, by case."""
    count = STACK_FRAMES
    flicker = 1 + np.random.default_rng(seed).uniform(-FLICKER, FLICKER, count)
    odd = {
        f"{name} frame odd": (np.where(np.arange(count) == place, ODD, 1.0), False)
        for name, place in (("first", 0), ("middle", count // 2), ("last", count - 1))
    }
    return {
        "none": (np.ones(count), False),
        "vignetting": (np.ones(count), True),
        "flicker": (flicker, False),
        "flicker, vignetting": (flicker, True),
        "drift": (np.linspace(1 - DRIFT, 1 + DRIFT, count), False),
        **odd,
    }


def errors(frames: list[Bytes], light: Floats, *, vignetting: bool, odd: bool) -> Floats:
    """Return the largest relative error of each frame's gains, over its colours."""
    seen = [vignetted(f, n) if vignetting else f for n, f in enumerate(frames)]
    changed = [
        np.rint(np.clip(frame * factor, 0, 255)).astype(np.uint8)
        for frame, factor in zip(seen, light, strict=True)
    ]
    stack = ArrayStack(changed, source_names(len(changed)))
    plan = plan_alignment(stack, FusionOptions(align=False))
    true = (1.0 if odd else light[plan.reference]) / light
    return np.array(
        [
            max(abs(gain / wanted - 1) for gain in exposure.gain)
            for exposure, wanted in zip(plan.exposures, true, strict=True)
        ]
    )


def main(
    photos: Annotated[Path, typer.Option(help="Folder of photos to render scenes from.")],
    scenes: Annotated[int, typer.Option(help="Rendered stacks.")] = 24,
    docs: Docs = None,
) -> None:
    """Print errors of gains by case, as Markdown."""
    found: dict[str, list[Floats]] = {}
    rendered = bench_scenes(photos, scenes, size=384, degradation=None, frames=STACK_FRAMES)
    for seed, scene in enumerate(rendered):
        for name, (light, vignetting) in changes(seed).items():
            odd = name.endswith("odd")
            found.setdefault(name, []).append(
                errors(list(scene.frames), light, vignetting=vignetting, odd=odd)
            )
    rows = []
    for name, parts in found.items():
        values = 100 * np.concatenate(parts)
        median, p90, p99 = np.percentile(values, (50, 90, 99))
        within = f"{np.mean(values <= 0.5):.1%}"
        rows.append([name, f"{median:.2f}", f"{p90:.2f}", f"{p99:.2f}", within])
    heads = ["change of light", "median", "90th percentile", "99th percentile", "within 0.5 %"]
    text = (
        f"Errors of gains in per cent, {scenes} rendered stacks of {STACK_FRAMES} frames.\n\n"
        + markdown_table(heads, rows)
    )
    if docs is not None:
        write_sections(docs, {"exposure": text})
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)

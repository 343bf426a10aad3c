"""Time of every metric on a drawn pair: ``python -m benchmarks.metrics``."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.speed import draw_pair, time_methods
from drpl.classical.table import BASELINES
from drpl.core.frames import Pixels
from drpl.metrics.boundary import boundary_band
from drpl.metrics.cards import METRICS, MetricCard


def calls(height: int, width: int) -> dict[str, Callable[[], object]]:
    """A timed call of each metric on a colour pair and its Laplacian pyramid fusion."""
    sources = draw_pair(height, width)
    fused_bytes = np.asarray(BASELINES["laplacian-pyramid"].fuse_arrays(sources), np.uint8)
    return {card.name: _call(card, fused_bytes, sources) for card in METRICS.values()}


def _call(card: MetricCard, fused: Pixels, sources: tuple[Pixels, Pixels]) -> Callable[[], object]:
    """A metric with what it needs; the first source stands for the truth."""
    height, width = fused.shape[:2]
    band = boundary_band(np.broadcast_to(np.arange(width) < width // 2, (height, width)))
    return partial(card.score, fused, sources=sources, truth=sources[0], band=band)


def table(seconds: dict[str, list[float]]) -> str:
    """Markdown: median milliseconds of each metric, and of the whole set."""
    lines = ["| metric | ms |", "| --- | --- |"]
    for name, times in seconds.items():
        lines.append(f"| {name} | {1000 * statistics.median(times):.1f} |")
    rounds = [sum(times) for times in zip(*seconds.values(), strict=True)]
    lines.append(f"| whole set | {1000 * statistics.median(rounds):.0f} |")
    return "\n".join(lines)


def main(
    height: Annotated[int, typer.Option(min=161, help="Height of the pair in pixels.")] = 520,
    width: Annotated[int, typer.Option(min=161, help="Width of the pair in pixels.")] = 520,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the image filters.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Counted rounds.")] = 5,
) -> None:
    """Time every metric on one colour pair."""
    cv2.setNumThreads(threads)
    typer.echo(table(time_methods(calls(height, width), rounds)))


if __name__ == "__main__":
    typer.run(main)

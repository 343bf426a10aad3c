"""Time of every metric on a drawn pair: ``python -m benchmarks.metrics``."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.docs import Docs, write_sections
from benchmarks.speed import draw_pair, time_calls
from drpl.bench.tables import markdown_table
from drpl.classical.table import CLASSICAL_METHODS
from drpl.metrics.boundary import boundary_band
from drpl.metrics.cards import METRICS


def calls(height: int, width: int) -> dict[str, Callable[[], object]]:
    """Return a call of each metric on a colour pair and its fusion, with source A as the truth."""
    sources = draw_pair(height, width)
    fused = np.asarray(CLASSICAL_METHODS["laplacian-pyramid"].fuse_arrays(sources), np.uint8)
    band = boundary_band(np.broadcast_to(np.arange(width) < width // 2, (height, width)))
    return {
        card.name: partial(card.score, fused, sources=sources, truth=sources[0], band=band)
        for card in METRICS.values()
    }


def table(seconds: dict[str, list[float]]) -> str:
    """Format the median milliseconds of each metric, and of all together, as Markdown."""
    rows = [[name, f"{1000 * statistics.median(t):.1f}"] for name, t in seconds.items()]
    rounds = [sum(times) for times in zip(*seconds.values(), strict=True)]
    rows.append(["whole set", f"{1000 * statistics.median(rounds):.0f}"])
    return markdown_table(["metric", "ms"], rows)


def main(
    height: Annotated[int, typer.Option(min=161, help="Height of the pair in pixels.")] = 520,
    width: Annotated[int, typer.Option(min=161, help="Width of the pair in pixels.")] = 520,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the image filters.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 5,
    docs: Docs = None,
) -> None:
    """Time every metric on one colour pair."""
    cv2.setNumThreads(threads)
    text = table(time_calls(calls(height, width), rounds))
    typer.echo(text)
    write_sections(docs, {"metrics": text})


if __name__ == "__main__":
    typer.run(main)

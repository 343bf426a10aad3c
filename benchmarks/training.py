"""Time of rendering and of learning: ``python -m benchmarks.training --photos DIR --config FILE``.

On two CPU cores, one renders and the other learns; rendering should not be the slower. Both are
timed here, alternately, on one thread each.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import lightning as L
import torch
import typer

from benchmarks.docs import Docs, write_sections
from drpl.bench.tables import markdown_table
from drpl.scenes.batches import SceneBatches
from drpl.scenes.photos import find_photos, load_photos, split_photos
from drpl.train.config import TrainOptions, read_config
from drpl.train.module import training_step
from drpl.train.reuse import SPACING, ReusedScenes
from drpl.train.run import start_run


def time_training(photos: Path, options: TrainOptions, batches: int) -> dict[str, float]:
    """Time rendering of a batch, assembly of a batch of reused scenes, and learning.

    Return seconds per batch by name: medians, or the mean for reused scenes, since only one batch
    in ``scene_uses`` renders new scenes.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    paths = split_photos(find_photos(photos), options.validation_share)[0]
    rendered = SceneBatches(
        load_photos(paths),
        options.scenes,
        batch=options.batch,
        seed=options.seed,
        length=2**31,
        degradation=options.degradation,
    )
    reused = ReusedScenes(rendered, options.scene_uses)
    first = options.scene_uses * SPACING * (options.scene_uses - 1)
    for index in range(0, first, options.scene_uses):
        reused[index]
    fabric = L.Fabric(accelerator="cpu", devices=1)
    run = start_run(options, fabric)
    scenes = rendered.draw(0).render()
    training_step(run, scenes, fabric, minutes=None)
    calls: dict[str, Callable[[int], object]] = {
        "rendering a batch": lambda index: rendered[index],
        "a batch of reused scenes": lambda index: reused[first + index],
        "learning a batch": lambda _: training_step(run, scenes, fabric, minutes=None),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(batches):
        for name, call in calls.items():
            started = time.perf_counter()
            call(index)
            seconds[name].append(time.perf_counter() - started)
    return {
        name: statistics.mean(times) if name.endswith("scenes") else statistics.median(times)
        for name, times in seconds.items()
    }


def main(
    photos: Annotated[Path, typer.Option(help="Folder of all-in-focus photos.")],
    config: Annotated[Path, typer.Option(help="Configuration or recipe of a model (TOML).")],
    batches: Annotated[int, typer.Option(min=1, help="Number of batches that are timed.")] = 24,
    docs: Docs = None,
) -> None:
    """Time rendering and learning with one configuration."""
    seconds = time_training(photos, read_config(config), batches)
    learning = seconds["learning a batch"]
    rows = [[name, f"{value:.3f}", f"{value / learning:.2f}"] for name, value in seconds.items()]
    text = markdown_table(["what", "s", "share of learning"], rows)
    typer.echo(text)
    write_sections(docs, {"training": text})


if __name__ == "__main__":
    typer.run(main)

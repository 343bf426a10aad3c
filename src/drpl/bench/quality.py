"""Quality on rendered scenes with known truth: ``python -m drpl.bench.quality --photos DIR``.

Scenes are rendered in colour from photos that no shipped model was trained on (the validation
share of the training configuration's split). Every method gets the observed (degraded) frames as
8-bit images; its fused image is scored against the all-in-focus truth.
"""

from __future__ import annotations

import csv
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, get_args

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from drpl.compose import compose
from drpl.decide import DecisionModel, decide_pair
from drpl.focus import BASELINES
from drpl.metrics import psnr, ssim
from drpl.models import available_models, load_model, model_folder, read_card
from drpl.pipeline import fuse, make_folder
from drpl.stack import ComposeMode, FusionOptions, PairDecision
from drpl.steady import SteadyModel
from drpl.train.config import TrainOptions
from drpl.train.data import SceneBatches
from drpl.train.degradation import DegradationOptions
from drpl.train.photos import find_photos, load_photos, split_photos
from drpl.version import __version__

Bytes = NDArray[np.uint8]
Method = Callable[[list[Bytes]], Bytes]
SEED = 20_000
SOURCE = "source A"
CEILING = "selection ceiling"
CEILINGS = {f"{CEILING} 7x7": 7, f"{CEILING} 3x3": 3, CEILING: 1}
"""Side of the square in which the frames are compared with the truth, by name."""
SCALE_CEILING = f"{CEILING} per scale"
CAP_DB = 60.0
"""PSNR counts as at most this much: equal images would make a mean infinite."""
COLUMNS = ("psnr", "psnr_band", "psnr_outside", "ssim")


@dataclass(frozen=True)
class BenchScene:
    """A rendered scene as 8-bit pictures.

    Attributes
    ----------
    frames, truth : uint8 arrays (H, W, 3)
    band : bool array (H, W)
    kind : str
    """

    frames: list[Bytes]
    truth: Bytes
    band: NDArray[np.bool_]
    kind: str


def bench_scenes(
    photos: Path,
    count: int,
    *,
    size: int,
    degradation: DegradationOptions | None,
    frames: int = 2,
    seed: int = SEED,
) -> Iterator[BenchScene]:
    """Render scenes from the photos that training keeps out.

    Parameters
    ----------
    photos : Path
        Folder that the shipped models were trained on; its validation share is used.
    count, size : int
        Number of scenes, and their side in pixels.
    degradation : DegradationOptions or None
        None gives clean, registered frames.
    frames : int
        Of each scene.
    seed : int
        Same seed, same scenes.
    """
    options = TrainOptions()
    held_out = split_photos(find_photos(photos), options.validation_share)[1]
    dataset = SceneBatches(
        load_photos(held_out),
        replace(options.scenes, size=size, channels=3, frames=frames, paper_share=0.0),
        batch=1,
        seed=seed,
        length=count,
        degradation=degradation,
        rendered=False,
    )
    for index in range(count):
        scene = dataset.draw(index).render()
        pictures = np.rint(scene.observed[0].permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
        truth = np.rint(scene.truth[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        yield BenchScene(list(pictures), truth, scene.band[0].numpy(), scene.kinds[0])


class _Decider:
    """A model that decides a scene once, however many ways of composing ask for it."""

    def __init__(self, model: DecisionModel) -> None:
        self.model = model
        self._frames: list[Bytes] = []
        self._masks: PairDecision | None = None

    def __call__(self, frames: list[Bytes]) -> PairDecision:
        if self._masks is None or frames is not self._frames:
            model = SteadyModel(self.model, self.model)  # as `drpl.fuse` decides
            self._frames, self._masks = frames, decide_pair(model, frames[0], frames[1])
        return self._masks


def _learned(decide: _Decider, mode: ComposeMode) -> Method:
    """A decision model and a way to compose as a method."""

    def method(frames: list[Bytes]) -> Bytes:
        if len(frames) > 2:
            options = FusionOptions(compose=mode, align=False)
            fused = fuse(frames, options, model=decide.model).fused
        else:
            fused = compose(frames[0], frames[1], decide(frames), mode=mode, white=255.0)
        return fused.astype(np.uint8)

    return method


def baseline_methods() -> dict[str, Method]:
    """The first frame, and the classical methods by their ids."""
    methods: dict[str, Method] = {SOURCE: lambda frames: frames[0]}
    return methods | {name: baseline.fuse_arrays for name, baseline in BASELINES.items()}


def learned_methods(models: list[str], threads: int) -> dict[str, Method]:
    """Every way to compose with every model, by name."""
    methods = {}
    for name in models:
        decide = _Decider(load_model(name, threads=threads))
        for mode in get_args(ComposeMode):
            methods[f"{name} {mode}"] = _learned(decide, mode)
    return methods


def selection_ceiling(frames: list[Bytes], truth: Bytes, *, window: int = 1) -> Bytes:
    """Per pixel the frame nearest to the truth.

    By the sum of squared differences over the channels and a square of ``window`` pixels' side.
    """
    stack = np.stack(frames)
    errors = np.square(stack.astype(np.float32) - truth).sum(axis=-1)
    nearest = np.stack([cv2.blur(error, (window, window)) for error in errors]).argmin(axis=0)
    picked: Bytes = np.take_along_axis(stack, nearest[None, ..., None], axis=0)[0]
    return picked


def scale_ceiling(frames: list[Bytes], truth: Bytes, *, levels: int = 3) -> Bytes:
    """Per coefficient of the Laplacian pyramids the frame nearest to the truth's coefficient."""
    details = [_laplacian_pyramid(image.astype(np.float32), levels) for image in (*frames, truth)]
    picked = []
    for *of_frames, of_truth in zip(*details, strict=True):
        errors = [np.square(detail - of_truth).sum(axis=-1) for detail in of_frames]
        nearest = np.argmin(errors, axis=0)[None, ..., None]
        picked.append(np.take_along_axis(np.stack(of_frames), nearest, axis=0)[0])
    fused = picked[-1]
    for detail in reversed(picked[:-1]):
        fused = detail + cv2.pyrUp(fused, dstsize=(detail.shape[1], detail.shape[0]))
    return np.asarray(np.rint(np.clip(fused, 0, 255)), np.uint8)


def _laplacian_pyramid(image: NDArray[np.float32], levels: int) -> list[NDArray[np.float32]]:
    """Details from fine to coarse, and what is left."""
    bands = []
    for _ in range(levels):
        smaller = cv2.pyrDown(image).astype(np.float32)
        size = (image.shape[1], image.shape[0])
        bands.append(image - cv2.pyrUp(smaller, dstsize=size).astype(np.float32))
        image = smaller
    return [*bands, image]


def score(fused: Bytes, scene: BenchScene) -> dict[str, float]:
    """Scores of one fused image; regions that a scene lacks are NaN."""
    regions = {"psnr": None, "psnr_band": scene.band, "psnr_outside": ~scene.band}
    scores = {
        name: min(psnr(fused, scene.truth, where=where), CAP_DB) if _some(where) else float("nan")
        for name, where in regions.items()
    }
    return scores | {"ssim": ssim(fused, scene.truth)}


def _some(where: NDArray[np.bool_] | None) -> bool:
    """Whether a region has pixels."""
    return where is None or bool(where.any())


Row = dict[str, str | float]


def run(scenes: Iterator[BenchScene], methods: dict[str, Method]) -> list[Row]:
    """Score every method on every scene."""
    rows: list[Row] = []
    for index, scene in enumerate(scenes):
        results = {name: method(scene.frames) for name, method in methods.items()}
        for name, window in CEILINGS.items():
            results[name] = selection_ceiling(scene.frames, scene.truth, window=window)
        results[SCALE_CEILING] = scale_ceiling(scene.frames, scene.truth)
        rows += [
            {"scene": index, "kind": scene.kind, "method": name, **score(fused, scene)}
            for name, fused in results.items()
        ]
    return rows


def _values(
    rows: list[Row], method: str, column: str, kind: str | None = None
) -> NDArray[np.float64]:
    """A column of a method's rows."""
    return np.array(
        [r[column] for r in rows if r["method"] == method and kind in (None, r["kind"])], np.float64
    )


def table(rows: list[Row], methods: list[str]) -> str:
    """Markdown: means, 10th percentiles of the PSNR, and share of the way to the ceiling."""
    means = {name: float(_values(rows, name, "psnr").mean()) for name in methods}
    classical = [name for name in methods if name in baseline_methods()]
    best = max(means[name] for name in classical)
    lines = [
        "| method | PSNR | 10th percentile | in the band | outside | SSIM | way to the ceiling |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in sorted(methods, key=means.__getitem__):
        psnrs = _values(rows, name, "psnr")
        cells = [f"{psnrs.mean():.2f}", f"{np.percentile(psnrs, 10):.2f}"]
        cells += [f"{np.nanmean(_values(rows, name, c)):.2f}" for c in COLUMNS[1:3]]
        cells += [f"{_values(rows, name, 'ssim').mean():.4f}"]
        cells += [f"{100 * (means[name] - best) / (means[CEILING] - best):.0f} %"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def kinds_table(rows: list[Row], methods: list[str]) -> str:
    """Markdown: mean PSNR by kind of scene."""
    kinds = sorted({str(row["kind"]) for row in rows})
    lines = ["| kind | scenes | " + " | ".join(methods) + " |", "| --- " * (len(methods) + 2) + "|"]
    for kind in kinds:
        means = [f"{_values(rows, name, 'psnr', kind).mean():.2f}" for name in methods]
        count = len(_values(rows, methods[0], "psnr", kind))
        lines.append(f"| {kind} | {count} | " + " | ".join(means) + " |")
    return "\n".join(lines)


def provenance(models: list[str]) -> dict[str, object]:
    """What a result depends on: commit, versions, machine, hashes of the models."""
    command = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    hashes = {
        name: [stage.sha256 for stage in read_card(model_folder(name)).stages] for name in models
    }
    return {
        "drpl": __version__,
        "commit": found.stdout.strip() or None,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "models": hashes,
    }


def main(
    photos: Annotated[Path, typer.Option(help="Folder of photos that models are trained on.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")] = Path(
        "bench-results/quality"
    ),
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 200,
    size: Annotated[int, typer.Option(min=64, help="Side of a scene in pixels.")] = 384,
    clean: Annotated[
        bool, typer.Option("--clean", help="No shift, exposure change, noise or JPEG.")
    ] = False,
    frames: Annotated[int, typer.Option(min=2, help="Frames of a scene.")] = 2,
    models: Annotated[list[str] | None, typer.Option(help="Models; all by default.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of the networks.")] = 0,
) -> None:
    """Score models and baselines on rendered scenes with known truth."""
    names = models or list(available_models())
    methods = baseline_methods() | learned_methods(names, threads)
    degradation = None if clean else DegradationOptions()
    started = time.perf_counter()
    rendered = bench_scenes(photos, scenes, size=size, degradation=degradation, frames=frames)
    rows = run(rendered, methods)
    make_folder(output)
    with (output / "scores.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    order = [*methods, *CEILINGS, SCALE_CEILING]
    shown = [n for n in [*methods, CEILING] if n not in (SOURCE, "average")]
    text = f"{table(rows, order)}\n\n{kinds_table(rows, shown)}\n"
    (output / "table.md").write_text(text, encoding="utf-8")
    settings = {"scenes": scenes, "frames": frames, "size": size, "clean": clean, "seed": SEED}
    about = provenance(names) | settings | {"seconds": round(time.perf_counter() - started, 1)}
    (output / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)

"""Speed and memory: ``python -m benchmarks.speed``.

All methods take turns in one run, so that a busy machine slows them alike; medians and ratios are
what to quote. Peak memory (read on Linux) is that of a fresh process that fuses a pair.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from drpl.bench.provenance import provenance
from drpl.classical.table import BASELINES
from drpl.decide.networks import decide_pair
from drpl.io.write import make_folder, write_image
from drpl.models.cards import available_models, load_model

Bytes = NDArray[np.uint8]
SIZES = {
    "0.27 MP": (520, 520),
    "1 MP": (1000, 1000),
    "6 MP": (2000, 3000),
    "24 MP": (4000, 6000),
}
"""Height and width by name."""
SLOW_MODEL, TOO_LARGE = "drpl", "24 MP"
"""The paper's network takes seconds a megapixel: it is not timed on the largest size."""
REFERENCE = "drpl-fast"
PAIR = ("a.jpg", "b.jpg")
FUSE_AND_MEASURE = """
import sys
from drpl.pipeline.fuse import fuse_files
from drpl.core.options import FusionOptions

a, b, model, threads = sys.argv[1:]
fuse_files([a, b], "fused.jpg", FusionOptions(model=model, threads=int(threads)))
# not getrusage: its peak is inherited from the process that started this one
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024)
"""
"""What the measured process does; this module would bring PyTorch, which fusing does without."""


def draw_pair(height: int, width: int, seed: int = 0) -> tuple[Bytes, Bytes]:
    """Texture of several finenesses, blurred in the left half and in the right half."""
    rng = np.random.default_rng(seed)
    texture = np.zeros((height, width, 3), np.float32)
    for step in (1, 4, 16):
        grid = rng.random((-(-height // step), -(-width // step), 3), dtype=np.float32)
        texture += cv2.resize(grid, (width, height))
    sharp = np.rint(texture * 85).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 3), np.uint8)
    source_a, source_b = sharp.copy(), sharp
    source_a[:, : width // 2] = blurred[:, : width // 2]
    source_b[:, width // 2 :] = blurred[:, width // 2 :]
    return source_a, source_b


def _decision(name: str, pair: tuple[Bytes, Bytes], threads: int) -> Callable[[], object]:
    """A timed call of one model."""
    model = load_model(name, threads=threads)
    return lambda: decide_pair(model, *pair)


def _laplacian(pair: tuple[Bytes, Bytes]) -> Callable[[], object]:
    """A timed call of the Laplacian pyramid, conversion included."""
    return lambda: BASELINES["laplacian-pyramid"].fuse_arrays(pair)


def time_methods(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round, all calls in turn; one round before is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn > 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def speed_rows(models: list[str], threads: int, rounds: int) -> list[dict[str, Any]]:
    """Median seconds per megapixel of each method at each size, and its ratio to ours."""
    cv2.setNumThreads(threads)
    rows = []
    for label, (height, width) in SIZES.items():
        pair = draw_pair(height, width)
        timed = [name for name in models if (name, label) != (SLOW_MODEL, TOO_LARGE)]
        calls = {name: _decision(name, pair, threads) for name in timed}
        calls["Laplacian pyramid"] = _laplacian(pair)
        seconds = time_methods(calls, rounds)
        for name, times in seconds.items():
            ratios = [t / ours for t, ours in zip(times, seconds[REFERENCE], strict=True)]
            rows.append(
                {
                    "size": label,
                    "method": name,
                    "seconds_per_megapixel": statistics.median(times) / (height * width / 1e6),
                    "ratio": statistics.median(ratios),
                }
            )
    return rows


def peak_memory(model: str, size: str, threads: int) -> float:
    """Peak resident memory in MB of a fresh process that reads, fuses and writes JPEG files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, source in zip(PAIR, draw_pair(*SIZES[size]), strict=True):
            write_image(Path(folder) / name, source)
        command = [sys.executable, "-c", FUSE_AND_MEASURE, *PAIR, model, str(threads)]
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return float(found.stdout)


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown."""
    lines = ["| size | method | s per megapixel | times ours |", "| --- | --- | --- | --- |"]
    for row in rows:
        speed = f"{row['seconds_per_megapixel']:.3f}"
        lines.append(f"| {row['size']} | {row['method']} | {speed} | {row['ratio']:.2f} |")
    return "\n".join(lines)


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")] = Path(
        "bench-results/speed"
    ),
    models: Annotated[list[str] | None, typer.Option(help="Models; all by default.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of every method.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Counted rounds.")] = 5,
) -> None:
    """Time the decision of every model and the Laplacian pyramid; measure peak memory."""
    names = models or list(available_models())
    rows = speed_rows(names, threads, rounds)
    memory = {size: peak_memory(REFERENCE, size, threads) for size in SIZES}
    make_folder(output)
    peaks = "\n".join(f"- {size}: {peak:.0f} MB" for size, peak in memory.items())
    measured = f"Peak memory of `drpl fuse` on two JPEG files ({REFERENCE}), whole process:"
    text = f"{table(rows)}\n\n{measured}\n\n{peaks}\n"
    (output / "table.md").write_text(text, encoding="utf-8")
    about = provenance(names) | {"threads": threads, "rows": rows, "peak_memory_mb": memory}
    (output / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)

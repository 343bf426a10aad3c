"""Speed and memory on pairs: ``python -m benchmarks.speed``.

All methods take turns, so that a busy machine slows them alike; quote medians and ratios. Peak
memory of a fresh process that fuses a pair is measured on Linux only.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.docs import Docs, publish, write_sections
from drpl.bench.provenance import provenance
from drpl.bench.tables import markdown_table
from drpl.classical.table import CLASSICAL_METHODS
from drpl.decide.networks import decide_pair
from drpl.io.write import write_image
from drpl.models.cards import available_models, load_model

Bytes = NDArray[np.uint8]
SIZES = {
    "0.27 MP": (520, 520),
    "1 MP": (1000, 1000),
    "6 MP": (2000, 3000),
    "24 MP": (4000, 6000),
}
"""Height and width in pixels by name."""
SLOW_MODEL, TOO_LARGE = "drpl", "24 MP"
"""Model and size left out: the paper's network takes seconds per megapixel."""
REFERENCE = "drpl-fast"
"""Model to which times are relative, and whose memory is measured."""
PAIR = ("a.jpg", "b.jpg")
FUSE_AND_MEASURE = """
import sys
from drpl.files.fuse import fuse_files
from drpl.core.options import FusionOptions

a, b, model, threads = sys.argv[1:]
fuse_files([a, b], "fused.jpg", FusionOptions(method=model, threads=int(threads)))
# not getrusage: its peak is inherited from the process that started this one
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024)
"""
"""Code of the measured process, which must not import this module: it would load PyTorch."""


def draw_pair(height: int, width: int, seed: int = 0) -> tuple[Bytes, Bytes]:
    """Draw a texture at three scales, blurred in the left half of A and the right half of B."""
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


def time_calls(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time all calls in turn, in seconds for each round, after one round that is not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn > 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def speed_rows(models: list[str], threads: int, rounds: int) -> list[dict[str, Any]]:
    """Measure median seconds per megapixel by size and method, and the ratio to ours."""
    cv2.setNumThreads(threads)
    rows = []
    for label, (height, width) in SIZES.items():
        pair = draw_pair(height, width)
        timed = [name for name in models if (name, label) != (SLOW_MODEL, TOO_LARGE)]
        calls: dict[str, Callable[[], object]] = {
            name: partial(decide_pair, load_model(name, threads=threads), *pair) for name in timed
        }
        calls["Laplacian pyramid"] = partial(
            CLASSICAL_METHODS["laplacian-pyramid"].fuse_arrays, pair
        )
        seconds = time_calls(calls, rounds)
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
    """Measure the peak resident memory in MB of a process that fuses two JPEG files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, source in zip(PAIR, draw_pair(*SIZES[size]), strict=True):
            write_image(Path(folder) / name, source)
        command = [sys.executable, "-c", FUSE_AND_MEASURE, *PAIR, model, str(threads)]
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return float(found.stdout)


def table(rows: list[dict[str, Any]]) -> str:
    """Format rows as Markdown."""
    cells = [
        [r["size"], r["method"], f"{r['seconds_per_megapixel']:.3f}", f"{r['ratio']:.2f}"]
        for r in rows
    ]
    return markdown_table(["size", "method", "s per megapixel", "times ours"], cells)


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")] = Path(
        "bench-results/speed"
    ),
    models: Annotated[list[str] | None, typer.Option(help="Models; all by default.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of every method.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 5,
    docs: Docs = None,
) -> None:
    """Time the decision of every model and Laplacian pyramid fusion; measure peak memory."""
    names = models or list(available_models())
    rows = speed_rows(names, threads, rounds)
    memory = {size: peak_memory(REFERENCE, size, threads) for size in SIZES}
    peaks = "\n".join(f"- {size}: {peak:.0f} MB" for size, peak in memory.items())
    measured = (
        f"Peak memory of `drpl fuse` on two JPEG files ({REFERENCE}), whole process, threads: "
        f"{threads}:"
    )
    text = f"{table(rows)}\n\n{measured}\n\n{peaks}\n"
    about = provenance(names) | {"threads": threads, "rows": rows, "peak_memory_mb": memory}
    publish(text, output, about)
    write_sections(docs, {"speed": text})


if __name__ == "__main__":
    typer.run(main)

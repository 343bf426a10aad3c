"""Whole stacks: ``python -m benchmarks.stacks --stacks DIR --photos DIR``.

Fresh processes fuse real stacks, methods in turn, for time and peak memory. Rendered stacks are
scored against the truth, as rendered and with known movement. POSIX only.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
import typer

from benchmarks.docs import Docs, publish, write_sections
from benchmarks.speed import time_calls
from benchmarks.truth import bench_truth
from drpl.align.geometry import valid_area, warp
from drpl.bench.moved import STACK_FRAMES
from drpl.bench.provenance import provenance
from drpl.bench.rendered import bench_scenes
from drpl.bench.settings import SEED
from drpl.bench.tables import markdown_table
from drpl.compose.fold import NewFrame, merge_frame, start_composite
from drpl.core.machine import usable_cores
from drpl.core.options import FusionOptions
from drpl.core.strips import reduced
from drpl.decide.networks import decide_pair
from drpl.io.read import read_frame
from drpl.io.sources import find_sources
from drpl.io.write import write_image
from drpl.models.cards import load_model

MODEL = FusionOptions().method
SPEED_STACK, MEMORY_STACK = "pcb_button", "connector65"
"""Stacks that are timed, and whose memory is measured."""
SPEED_FRAMES = MEMORY_FRAMES = 10
QUALITY = 92
"""JPEG quality of the enlarged frames."""
OURS, OURS_FULL = "drpl fuse", "drpl fuse --scale 1"
ENFUSE, ALIGNER = "enfuse", "align_image_stack"
DOES = {
    OURS: "aligns and fuses",
    OURS_FULL: "aligns and fuses",
    ENFUSE: "fuses, does not align",
    ALIGNER: "aligns, does not fuse",
}
ENFUSE_OPTIONS = (
    "--exposure-weight=0",
    "--saturation-weight=0",
    "--contrast-weight=1",
    "--hard-mask",
)
ALIGNER_OPTIONS = ("-m", "--use-given-order")
MEASURE = """
import json, os, sys, time
started = time.perf_counter()
quiet = [(os.POSIX_SPAWN_DUP2, 2, 1)]
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - started
code = os.waitstatus_to_exitcode(status)
print(json.dumps([code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""Code of a small launcher: a process inherits the peak memory of the one that starts it."""
PEAK_UNIT = 2**20 if sys.platform == "darwin" else 2**10
"""Megabyte in the unit in which the system reports peak memory."""


class Usage(NamedTuple):
    """Elapsed seconds, CPU seconds of all cores, and peak resident memory in MB of a process."""

    wall: float
    cpu: float
    peak: float


def measure(command: Sequence[str]) -> Usage:
    """Run a command in a fresh process, and measure it.

    Raise RuntimeError if it fails; the message ends with its error output.
    """
    launcher = [sys.executable, "-S", "-c", MEASURE, *command]
    done = subprocess.run(launcher, capture_output=True, text=True, check=False)
    code, *taken = json.loads(done.stdout) if done.returncode == 0 else (done.returncode,)
    if code != 0:
        raise RuntimeError(f"{command[0]} ended with {code}: {done.stderr[-2000:]}")
    return Usage(taken[0], taken[1], taken[2] / PEAK_UNIT)


def measure_in_turn(
    commands: dict[str, list[str]], rounds: int, *, after_round: Callable[[], object] | None = None
) -> dict[str, Usage]:
    """Run all commands in turn in each round, and return medians over the rounds."""
    found: dict[str, list[Usage]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(measure(command))
        if after_round is not None:
            after_round()
    return {name: _median(usages) for name, usages in found.items()}


def _median(usages: list[Usage]) -> Usage:
    """Return the median of each resource."""
    return Usage(*(statistics.median(values) for values in zip(*usages, strict=True)))


def enlarge(paths: Sequence[Path], folder: Path, width: int) -> list[Path]:
    """Enlarge pictures to a width in pixels (cubic) and write them as JPEG files into a folder."""
    enlarged = []
    for path in paths:
        pixels = read_frame(path).pixels
        size = (width, round(pixels.shape[0] * width / pixels.shape[1]))
        target = folder / f"{path.stem}.jpg"
        large = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(target), large[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        enlarged.append(target)
    return enlarged


def _fuse_command(paths: Sequence[Path], output: Path, *options: str) -> list[str]:
    """Return a command line of `drpl fuse`."""
    files = [str(path) for path in paths]
    end = ["-o", str(output), "--overwrite", "--quiet", *options]
    return [sys.executable, "-m", "drpl", "fuse", *files, *end]


def speed_commands(paths: Sequence[Path], folder: Path, model: str) -> dict[str, list[str]]:
    """Return command lines by name: ours, and those of other programs that are installed."""
    files = [str(path) for path in paths]
    ours = ["--method", model]
    commands = {
        OURS: _fuse_command(paths, folder / "fused.jpg", *ours),
        OURS_FULL: _fuse_command(paths, folder / "full.jpg", "--scale", "1", *ours),
        ENFUSE: [ENFUSE, *ENFUSE_OPTIONS, "-o", str(folder / "enfused.jpg"), *files],
        ALIGNER: [ALIGNER, *ALIGNER_OPTIONS, "-a", str(folder / "aligned"), *files],
    }
    return {name: command for name, command in commands.items() if shutil.which(command[0])}


def bench_speed(
    paths: Sequence[Path], model: str, *, width: int, rounds: int
) -> tuple[list[str], dict[str, Any]]:
    """Measure time and memory on enlarged frames, and our time by step: Markdown and values."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large, results = enlarge(paths, folder, width), folder / "results"
        results.mkdir()
        commands = speed_commands(large, results, model)
        reports: list[dict[str, Any]] = []

        def keep_report() -> None:
            reports.append(json.loads((results / "fused.json").read_text(encoding="utf-8")))

        usages = measure_in_turn(commands, rounds, after_round=keep_report)
        steps = {
            step: statistics.median(report["seconds"][step] for report in reports)
            for step in reports[0]["seconds"]
        }
        frame_steps = time_frame(large, reports[0], model, results, rounds)
    width, height = reports[0]["source_size"]
    megapixels = width * height / 1e6
    note = (
        f"Enlarged from {paths[0].parent.name}. Decision scale: 1/{reports[0]['decision_scale']} "
        "by default; full resolution with `--scale 1`, as for frames with detail in single pixels."
    )
    texts = [
        f"### Speed: {len(paths)} JPEG frames of {width}x{height} ({megapixels:.1f} MP)",
        f"{usage_table(usages)}\n\n{note}",
        f"### Time by step: `{OURS}`",
        steps_table(steps, usages[OURS].wall),
        "### One frame, each step alone, in one process",
        frame_table(frame_steps, megapixels),
    ]
    values = {
        "decision_scale": reports[0]["decision_scale"],
        "usage": {
            name: {"wall_s": usage.wall, "cpu_s": usage.cpu, "peak_mb": usage.peak}
            for name, usage in usages.items()
        },
        "steps_s": steps,
        "one_frame_s": frame_steps,
        "options": {ENFUSE: ENFUSE_OPTIONS, ALIGNER: ALIGNER_OPTIONS},
    }
    return texts, values


def usage_table(usages: dict[str, Usage]) -> str:
    """Format the task and resources of each program as Markdown."""
    rows = [
        [name, DOES[name], f"{usage.wall:.1f}", f"{usage.cpu:.1f}", f"{usage.peak:.0f}"]
        for name, usage in usages.items()
    ]
    return markdown_table(["method", "what it does", "wall s", "CPU s", "peak MB"], rows)


def steps_table(steps: dict[str, float], wall: float) -> str:
    """Format the seconds of each reported step, and of the rest of the process, as Markdown."""
    shown = steps | {"start and end of the process": wall - sum(steps.values())}
    rows = [[name, f"{s:.2f}", f"{100 * s / wall:.0f} %"] for name, s in shown.items()]
    return markdown_table(["step", "s", "share"], rows)


def frame_table(seconds: dict[str, float], megapixels: float) -> str:
    """Format the seconds of the steps of one frame as Markdown."""
    rows = [[name, f"{s:.3f}", f"{s / megapixels:.4f}"] for name, s in seconds.items()]
    return markdown_table(["step of one frame", "s", "s per megapixel"], rows)


def time_frame(
    paths: Sequence[Path], report: dict[str, Any], model: str, folder: Path, rounds: int
) -> dict[str, float]:
    """Time the steps of the first frame alone, with the report's transform: median seconds."""
    scale, transform = report["decision_scale"], np.array(report["frames"][0]["transform"])
    moving, reference = (read_frame(paths[n]).pixels for n in (0, report["reference"]))
    shape = reference.shape[:2]
    warped, covered = warp(moving, transform, shape), valid_area(transform, shape)
    new = NewFrame(warped, reduced(warped, scale), 0, covered)
    composite = start_composite(reference.copy(), 1, count=len(paths), scale=scale)
    masks = decide_pair(load_model(model), composite.seen, new.seen)
    target = folder / "frame.jpg"
    calls: dict[str, Callable[[], object]] = {
        "JPEG decode": lambda: read_frame(paths[0]),
        "warp (cubic)": lambda: warp(moving, transform, shape),
        "compose": lambda: merge_frame(composite, new, masks, mode="select", white=255.0),
        "JPEG encode": lambda: write_image(target, warped, overwrite=True),
    }
    timed = time_calls(calls, rounds)
    return {name: statistics.median(times) for name, times in timed.items()}


def bench_memory(
    paths: Sequence[Path], model: str, *, rounds: int
) -> tuple[list[str], dict[str, Any]]:
    """Measure the peak memory of a long stack and of its first frames: Markdown and values."""
    counts = (min(MEMORY_FRAMES, len(paths)), len(paths))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "fused.jpg"
        commands = {
            str(count): _fuse_command(paths[:count], output, "--method", model) for count in counts
        }
        usages = measure_in_turn(commands, rounds)
    few, whole = peaks = [usages[str(count)].peak for count in counts]
    rows = [
        [str(count), f"{peak:.0f}", f"{peak / few:.2f}"]
        for count, peak in zip(counts, peaks, strict=True)
    ]
    head = f"### Memory by number of frames: {paths[0].parent.name}, `{OURS}`"
    by_count = {name: usage.peak for name, usage in usages.items()}
    table = markdown_table(["frames", "peak MB", "ratio"], rows)
    return [head, table], {"peak_mb": by_count, "ratio": whole / few}


def main(
    stacks: Annotated[
        Path | None, typer.Option(help="Folder of real stacks, to measure time and memory.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos, to render stacks with truth.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")] = Path(
        "bench-results/stacks"
    ),
    model: Annotated[str, typer.Option(help="Model that decides.")] = MODEL,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to take medians over.")] = 3,
    width: Annotated[int, typer.Option(min=64, help="Width of timed frames in pixels.")] = 5656,
    frames: Annotated[int, typer.Option(min=2, help="Number of timed frames.")] = SPEED_FRAMES,
    scenes: Annotated[int, typer.Option(min=1, help="Number of rendered stacks.")] = 40,
    size: Annotated[int, typer.Option(min=64, help="Side of a rendered stack in pixels.")] = 384,
    docs: Docs = None,
) -> None:
    """Time whole stacks, measure memory by stack length, score rendered stacks."""
    if stacks is None and photos is None:
        raise typer.BadParameter("nothing to measure; give --stacks, --photos or both")
    started = time.perf_counter()
    about: dict[str, Any] = provenance([model])
    about |= {"cores": usable_cores(), "rounds": rounds, "width": width, "frames": frames}
    about |= {"size": size, "scenes": scenes, "seed": SEED}
    texts: list[str] = []
    if stacks is not None:
        paths = find_sources([stacks / SPEED_STACK])[:frames]
        shown, about["speed"] = bench_speed(paths, model, width=width, rounds=rounds)
        texts += shown
        shown, about["memory"] = bench_memory(
            find_sources([stacks / MEMORY_STACK]), model, rounds=rounds
        )
        texts += shown
    if photos is not None:
        rendered = bench_scenes(photos, scenes, size=size, degradation=None, frames=STACK_FRAMES)
        shown, about["truth"] = bench_truth(rendered, load_model(model))
        texts += shown
    about |= {"load": os.getloadavg(), "seconds": round(time.perf_counter() - started, 1)}
    text = "\n\n".join(texts) + "\n"
    publish(text, output, about)
    write_sections(docs, {"stacks": text})


if __name__ == "__main__":
    typer.run(main)

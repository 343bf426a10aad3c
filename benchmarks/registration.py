"""Errors of registration: ``python -m benchmarks.registration --docs docs/results.md``.

Sweeps of focus with known motion are drawn, registered and compared with the truth where each
frame is sharp. Sections: ``links``, ``sweeps``, ``periodic`` and ``orders``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import typer

from benchmarks.docs import Docs, write_sections
from benchmarks.sweeps import (
    PAD,
    TEXTURES,
    Slope,
    Sweep,
    draw_pattern,
    draw_surface,
    draw_sweep,
)
from drpl.align.chain import align_chain, chain_frames
from drpl.align.geometry import Transform, map_points
from drpl.align.order import focus_order, focus_profile
from drpl.align.pairs import match_planes
from drpl.bench.tables import markdown_table
from drpl.core.frames import Plane

SIZE = (240, 320)
"""Height and width of short sweeps."""
PITCHES = (6, 10, 20, 40)
SPACINGS = (1, 2)
"""Frames between those of a link."""
Moves = list[Transform]


def around(
    size: tuple[int, int], scale: float = 1.0, degrees: float = 0.0, x: float = 0, y: float = 0
) -> Transform:
    """Return a similarity about the middle of a picture."""
    middle = np.array([[1, 0, (size[1] - 1) / 2], [0, 1, (size[0] - 1) / 2], [0, 0, 1.0]])
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    matrix = np.array([[cos, -sin, x], [sin, cos, y], [0, 0, 1]])
    return np.asarray(middle @ matrix @ np.linalg.inv(middle))


def surface(kind: str, size: tuple[int, int], seed: int) -> Plane:
    """Draw a surface that frames of a size show."""
    return draw_surface(kind, size[0] + 2 * PAD, size[1] + 2 * PAD, np.random.default_rng(seed))


def links() -> str:
    """Return the bias of links between frames that differ in blur alone, along the slope."""
    rows = []
    axes: dict[Slope, int] = {"rows": 1, "columns": 0}
    for kind in TEXTURES:
        for slope, axis in axes.items():
            for strength in (0.5, 1.5):
                picture = surface(kind, (200, 280), 1)
                sweep = draw_sweep(picture, range(40), slope=slope, strength=strength)
                cells = []
                for spacing in SPACINGS:
                    found = []
                    for number in range(2, 38 - spacing, 3):
                        pair = sweep.frames[number + spacing], sweep.frames[number]
                        match = match_planes(*pair, motion="translation")
                        places = sweep.places[number]
                        found.append((map_points(match.transform, places) - places)[:, axis].mean())
                    cells += [f"{np.mean(found):+.3f}", f"{np.std(found):.3f}"]
                rows.append([kind, slope, f"{strength:g}", *cells])
    head = ["texture", "depth along", "radius per frame"]
    for spacing in SPACINGS:
        head += [f"bias at {spacing}", "deviation"]
    return "Shift of links in pixels where nothing moved.\n\n" + markdown_table(head, rows)


def sweeps() -> Iterator[tuple[str, Sweep]]:
    """Draw sweeps with each kind of motion."""
    still = [("60 frames", 60, (300, 420), 1.5), ("200 frames", 200, (300, 420), 0.5)]
    for kind in TEXTURES:
        for name, count, size, strength in still:
            yield (
                f"none, {name}, {kind}",
                draw_sweep(surface(kind, size, 2), range(count), strength=strength),
            )
    for kind in ("discs", "photo"):
        for name, moves in moving(40, SIZE).items():
            slope: Slope = "rows" if kind == "discs" else "columns"
            yield (
                f"{name}, 40 frames, {kind}",
                draw_sweep(
                    surface(kind, SIZE, 3), range(40), slope=slope, strength=1.0, motions=moves
                ),
            )
    breathing = [around((300, 420), 1 + 3e-4 * (n - 100)) for n in range(200)]
    yield (
        "breathing, 200 frames, discs",
        draw_sweep(surface("discs", (300, 420), 4), range(200), strength=0.5, motions=breathing),
    )
    for kind in TEXTURES:
        rng = np.random.default_rng(5)
        hand = [
            around((300, 400), 1 + 0.004 * n, rng.uniform(-2.5, 2.5), *rng.uniform(-30, 30, 2))
            for n in range(-4, 4)
        ]
        yield (
            f"handheld, 8 frames, {kind}",
            draw_sweep(
                surface(kind, (300, 400), 6),
                range(8),
                slope="columns",
                strength=2.0,
                motions=hand,
                noise=0.01,
                light=list(1 + rng.uniform(-0.1, 0.1, 8)),
            ),
        )


def moving(count: int, size: tuple[int, int]) -> dict[str, Moves]:
    """Return the motions of a sweep by name."""
    steps = np.arange(count) - (count - 1) / 2
    walk = 0.3 * np.cumsum(np.random.default_rng(7).normal(0, 1, (count, 2)), 0)
    return {
        "breathing": [around(size, 1 + 0.0015 * step + 1e-5 * step**2) for step in steps],
        "drift": [around(size, 1, 0, 0.35 * step, -0.2 * step) for step in steps],
        "roll": [around(size, 1, 0.04 * step, 0.1 * step) for step in steps],
        "rail": [
            around(size, 1.004**step, 0.02 * step, 0.5 * step + x, 0.3 * step + y)
            for step, (x, y) in zip(steps, walk, strict=True)
        ],
    }


def registered(sweep: Sweep) -> tuple[list[float], str, int]:
    """Return the errors of frames in use, their motion, and how many are left out."""
    found = align_chain(chain_frames(enumerate(sweep.frames)))
    states = [alignment.status for alignment in found]
    errors = sweep.errors([alignment.transform for alignment in found], states.index("reference"))
    used = [error for error, state in zip(errors, states, strict=True) if state != "rejected"]
    motions = [alignment.motion for alignment in found]
    return used, max(motions, key=motions.count), len(states) - len(used)


def sweep_table() -> str:
    """Return the errors of sweeps."""
    rows = []
    for name, sweep in sweeps():
        errors, motion, left_out = registered(sweep)
        rows.append([name, motion, f"{np.median(errors):.2f}", f"{max(errors):.2f}", str(left_out)])
    head = ["motion, frames, texture", "found", "median", "worst", "left out"]
    return "Errors in pixels where each frame is sharp.\n\n" + markdown_table(head, rows)


def periodic_table() -> str:
    """Return the errors of periodic subjects, at rest and moving by a sixth of a period."""
    rows = []
    for kind in ("dots", "lines", "weave"):
        for pitch in PITCHES:
            rng = np.random.default_rng(pitch)
            picture = draw_pattern(kind, pitch, SIZE[0] + 2 * PAD, SIZE[1] + 2 * PAD, rng)
            cells = []
            for step in (0.0, pitch / 6):
                moves = [
                    around(SIZE, 1 + 0.002 * n * (step > 0), 0, step * n, 0.4 * step * n)
                    for n in range(-3, 4)
                ]
                sweep = draw_sweep(
                    picture, range(7), slope="columns", strength=2.0, motions=moves, noise=0.005
                )
                errors, _, left_out = registered(sweep)
                cells += [f"{max(errors):.2f}", str(left_out)]
            rows.append([kind, str(pitch), *cells])
    head = ["pattern", "period", "worst at rest", "left out", "worst in motion", "left out"]
    return "Worst errors in pixels, 7 frames.\n\n" + markdown_table(head, rows)


def order_table(count: int) -> str:
    """Return how many orders of focus are right, from either end."""
    right: dict[str, int] = {}
    for seed in range(count):
        for name, (order, sweep) in shuffled(seed).items():
            frames = [sweep.frames[number] for number in order]
            found = [order[n] for n in focus_order([focus_profile(frame) for frame in frames])]
            wanted = list(range(len(order)))
            right[name] = right.get(name, 0) + (found in (wanted, wanted[::-1]))
    rows = [[name, f"{value} of {count}"] for name, value in right.items()]
    return "Orders of focus that are right.\n\n" + markdown_table(["stack", "right"], rows)


def shuffled(seed: int) -> dict[str, tuple[list[int], Sweep]]:
    """Draw stacks whose frames are given in an order."""
    rng = np.random.default_rng(seed)
    count, size = int(rng.integers(5, 13)), (200, 280)
    picture = surface(TEXTURES[seed % 3], size, seed)
    strength = float(rng.uniform(1.5, 3))
    near = (np.arange(count) + rng.uniform(-1.5, 1.5)).tolist()
    breathing = [around(size, 1 + 0.004 * (n - count / 2)) for n in range(count)]
    given = list(range(count))
    there, back = given[::2], given[1::2][::-1]
    rows = draw_sweep(picture, range(count), strength=strength)
    columns = draw_sweep(picture, range(count), slope="columns", strength=strength)
    moved = draw_sweep(picture, range(count), strength=strength, motions=breathing)
    flat = draw_sweep(picture, near, slope="flat", strength=strength)
    return {
        "from in front, in order": (given, rows),
        "through, in order": (given, columns),
        "flat, in order": (given, flat),
        "to and fro": (there + back, rows),
        "shuffled, breathing": (rng.permutation(count).tolist(), moved),
    }


def main(
    orders: Annotated[int, typer.Option(help="Stacks of each kind of order.")] = 40,
    docs: Docs = None,
) -> None:
    """Print errors of registration, as Markdown."""
    sections = {
        "links": links(),
        "sweeps": sweep_table(),
        "periodic": periodic_table(),
        "orders": order_table(orders),
    }
    if docs is not None:
        write_sections(docs, sections)
    typer.echo("\n\n".join(sections.values()))


if __name__ == "__main__":
    typer.run(main)

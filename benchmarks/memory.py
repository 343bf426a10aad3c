"""Memory limits: ``python -m benchmarks.memory``; the section is ``memory``.

For each case, the least ``--max-memory`` that a refusal names is given to the same command, and
compared with the peak memory of that process. Peaks above the limit, and limits more than `SLACK`
above the peak, are marked.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.docs import Docs, write_sections
from drpl.bench.tables import markdown_table
from drpl.core.frames import FULL_SCALE, Pixels
from drpl.io.write import write_image
from drpl.scenes.drawn import draw_pair

SLACK = 0.25
"""Share of the peak by which a limit may exceed it."""
SIZES = {2: (1200, 1680), 12: (3000, 4000), 24: (4000, 6000)}
"""Rows and columns by megapixels."""
RUN = """
import sys
from drpl.cli.main import main
from drpl.core.machine import peak_memory_mb
try:
    main()
except SystemExit as end:
    print(peak_memory_mb(), file=sys.stderr)
    raise
"""


@dataclass(frozen=True)
class Case:
    """One command on frames of one kind."""

    megapixels: int
    dtype: str
    command: str
    options: tuple[str, ...] = ()
    suffix: str = ".tif"
    count: int = 3
    channels: int = 3
    source: str = ".tif"

    @property
    def name(self) -> str:
        """Name in tables."""
        read = "" if self.source == ".tif" else f"{self.source} to"
        return " ".join(filter(None, [self.command, *self.options, read, self.suffix]))


def cases(sizes: list[int]) -> Iterator[Case]:
    """List the cases."""
    for megapixels in sizes:
        for dtype in ("uint8", "uint16"):
            yield Case(megapixels, dtype, "fuse")
            yield Case(megapixels, dtype, "fuse", ("--no-align",))
        yield Case(megapixels, "uint8", "fuse", ("--compose", "pyramid"))
        yield Case(megapixels, "uint8", "fuse", ("--scale", "2"))
        yield Case(megapixels, "float32", "fuse")
        yield Case(megapixels, "uint16", "fuse", channels=1)
        for suffix in (".jpg", ".webp", ".avif"):
            yield Case(megapixels, "uint8", "fuse", suffix=suffix)
        for source in (".jpg", ".webp", ".avif"):
            yield Case(megapixels, "uint8", "fuse", source=source)
        for method in ("average", "gff", "dct", "dsift"):
            yield Case(megapixels, "uint8", "fuse", ("-m", method))
        for dtype in ("uint8", "uint16"):
            yield Case(megapixels, dtype, "align")


def write_frames(folder: Path, case: Case) -> list[str]:
    """Write frames of a drawn scene, enlarged and sharpened; return their files."""
    height, width = SIZES[case.megapixels]
    files = []
    for number in range(case.count):
        path = folder / f"{case.megapixels}-{case.dtype}-{case.channels}-{number}{case.source}"
        files.append(str(path))
        if path.exists():
            continue
        grain = np.random.default_rng(0).integers(-40, 40, (height, width, 1))
        drawn = cv2.resize(draw_pair()[number % 2], (width, height)).astype(np.int32)
        noisy = np.clip(drawn + grain, 0, 255).astype(np.float32)[..., : case.channels]
        scaled = noisy / 255 * FULL_SCALE[np.dtype(case.dtype)]
        pixels: Pixels = scaled.astype(case.dtype)
        lossy = None if case.source in (".tif", ".jpg") else 90
        write_image(path, pixels[..., 0] if case.channels == 1 else pixels, quality=lossy)
    return files


def run(case: Case, files: list[str], folder: Path, limit: int) -> tuple[int, str]:
    """Run a command under a limit; return its exit code and stderr."""
    target = folder / ("aligned" if case.command == "align" else f"out{case.suffix}")
    arguments = [case.command, *files, "-o", str(target), *case.options, "-q", "--overwrite"]
    arguments += ["--max-memory", str(limit)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def measure(case: Case, folder: Path) -> tuple[str, ...]:
    """Return the row of a case: least limit, peak, and their relation."""
    files = write_frames(folder, case)
    _, words = run(case, files, folder, 1)
    found = re.search(r"at least (\d+) MB", words)
    if found is None:
        return (f"{case.megapixels}", case.dtype, case.name, "not refused", "", "")
    least = int(found[1])
    code, words = run(case, files, folder, least)
    if code:
        return (f"{case.megapixels}", case.dtype, case.name, str(least), words.strip()[:80], "")
    peak = float(words.split()[-1])
    over = least / peak - 1
    mark = "" if 0 <= over <= SLACK else " (!)"
    return (
        f"{case.megapixels}",
        case.dtype + (" grey" if case.channels == 1 else ""),
        case.name,
        str(least),
        f"{peak:.0f}",
        f"{over:+.0%}{mark}",
    )


def main(
    size: Annotated[list[int] | None, typer.Option(help="Megapixels: 2, 12 or 24.")] = None,
    only: Annotated[str, typer.Option(help="Part of the names of cases to measure.")] = "",
    docs: Docs = None,
) -> None:
    """Measure peaks under the least limits."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for case in cases(size or list(SIZES)):
            if only in case.name:
                rows.append(measure(case, Path(name)))
                print(*rows[-1], sep=" | ", flush=True)
    head = ["megapixels", "samples", "command", "least limit (MB)", "peak (MB)", "limit above peak"]
    write_sections(docs, {"memory": markdown_table(head, rows)})


if __name__ == "__main__":
    typer.run(main)

"""Time the start of drpl beside another checkout, in turns: `import drpl` and `drpl --help`.

python -m benchmarks.startup --before ../before/src
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

COMMANDS = {"import drpl": ["-c", "import drpl"], "drpl --help": ["-m", "drpl", "--help"]}


def start_seconds(arguments: list[str], source: Path) -> float:
    """Return the wall seconds of one start of Python with a source folder in front."""
    environment = os.environ | {"PYTHONPATH": str(source)}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - began


def main() -> None:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--before", type=Path, required=True, help="src folder of the other one")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    sources = (given.before.resolve(), Path(__file__).resolve().parents[1] / "src")
    for name, arguments in COMMANDS.items():
        seconds: list[list[float]] = [[], []]
        for _ in range(given.rounds + 1):
            for source, found in zip(sources, seconds, strict=True):
                found.append(start_seconds(arguments, source))
        before, after = (median(found[1:]) for found in seconds)  # the first fills caches
        print(f"{name}: {before:.3f} s before, {after:.3f} s now, ratio {after / before:.2f}")


if __name__ == "__main__":
    main()

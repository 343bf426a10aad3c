"""Fuse real stacks with two versions of drpl and compare what they write, byte for byte.

    python -m benchmarks.equal record --data ../shared/data -o after.json
    python -m benchmarks.equal record --data ../shared/data --source ../before/src -o before.json
    python -m benchmarks.equal compare before.json after.json

`record` runs `python -m drpl` on every job, by default that of this environment, and notes the
SHA-256 of each picture, map and transforms file. `compare` names what differs; it then exits with
code 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

STROKES = [
    {"frame": 2, "radius": 40.0, "softness": 0.5, "points": [[300.5, 200.0], [420.0, 260.0]]},
    {"frame": 5, "radius": 25.0, "softness": 0.0, "points": [[700.0, 500.0]]},
]
Jobs = dict[str, list[str]]


def find_jobs(data: Path) -> Jobs:
    """Arguments of each run of drpl, by name; ``OUT`` stands for its folder."""
    stacks = data / "stacks"
    flies = str(stacks / "amber_flies")
    ring = str(stacks / "ring")
    first = [str(path) for path in sorted(Path(flies).iterdir())[:2]]
    fuse = ["-o", "OUT/fused.tif", "--maps", "OUT/maps"]
    jobs: Jobs = {}
    for stack in sorted(path for path in stacks.iterdir() if path.is_dir()):
        jobs[f"stack {stack.name}"] = ["fuse", str(stack), *fuse]
    for pair in sorted(path for path in (data / "pairs").iterdir() if path.is_dir()):
        jobs[f"pair {pair.name}"] = ["fuse", str(pair), *fuse, "--no-align"]
    jobs["pyramid"] = ["fuse", ring, *fuse, "--compose", "pyramid"]
    jobs["slabs"] = ["fuse", flies, *fuse, "--slab", "4", "--overlap", "1"]
    jobs["edits"] = ["fuse", flies, *fuse, "--edits", "OUT/edits.json"]
    jobs["sheet"] = ["fuse", flies, *fuse, "--debug", "OUT", "--z-step", "2.5"]
    jobs["scale"] = ["fuse", flies, *fuse, "--scale", "2", "--crop"]
    jobs["paper"] = ["fuse", *first, *fuse, "-m", "drpl", "--no-align"]
    for method in ("average", "laplacian-pyramid", "wavelet", "gff", "dsift", "dct"):
        jobs[f"classical {method}"] = ["fuse", flies, *fuse, "-m", method]
    jobs["align"] = ["align", flies, "-o", "OUT/aligned"]
    aligned = "OUT/../align/aligned/transforms.json"
    jobs["transforms"] = ["fuse", flies, *fuse, "--transforms", aligned]
    return jobs


def run_job(arguments: list[str], folder: Path, source: Path | None) -> dict[str, str]:
    """Run one job; give the hashes of the files that it wrote."""
    folder.mkdir(parents=True)
    if "OUT/edits.json" in arguments:
        edits = {"edits": 1, "size": [1280, 825], "strokes": STROKES}
        (folder / "edits.json").write_text(json.dumps(edits), encoding="utf-8")
    environment = dict(os.environ)
    if source is not None:
        environment["PYTHONPATH"] = str(source.resolve())
    filled = [argument.replace("OUT", str(folder)) for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "drpl", *filled, "--quiet"], env=environment, check=False
    )
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix != ".json" or path.name == "transforms.json"
    }
    return {"exit code": str(done.returncode), **hashes}


def record(data: Path, source: Path | None, output: Path, only: str) -> None:
    """Run all jobs and write their hashes."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for name, arguments in find_jobs(data).items():
            if only not in name:
                continue
            folder = Path(place) / name.replace(" ", "_")
            found[name] = run_job(arguments, folder, source)
            print(f"{name}: {len(found[name]) - 1} files, exit code {found[name]['exit code']}")
            output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def compare(before: Path, after: Path) -> int:
    """Print what differs; give the number of differences."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    differing = [
        f"{name}: {file}"
        for name in sorted({*old, *new})
        for file in sorted({*old.get(name, {}), *new.get(name, {})})
        if old.get(name, {}).get(file) != new.get(name, {}).get(file)
    ]
    differing += [f"{name}: failed" for name, entry in new.items() if entry["exit code"] != "0"]
    files = sum(len(entry) - 1 for entry in new.values())
    print("\n".join(differing) if differing else f"{len(new)} runs, {files} files: equal")
    return len(differing)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="fuse, and write hashes")
    recording.add_argument("--data", type=Path, default=Path("../shared/data"))
    recording.add_argument("--source", type=Path, help="src folder of another checkout")
    recording.add_argument("--only", default="", help="only jobs whose name holds this")
    recording.add_argument("-o", "--output", type=Path, required=True)
    comparing = commands.add_parser("compare", help="compare two records")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "compare":
        return 1 if compare(arguments.before, arguments.after) else 0
    record(arguments.data, arguments.source, arguments.output, arguments.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())

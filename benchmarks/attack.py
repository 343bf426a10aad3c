"""Kills and damaged files: ``python -m benchmarks.attack``; the section is ``attack``.

``drpl fuse`` and ``drpl batch`` are killed at random moments by SIGINT (to the process group, as a
terminal does, or to the process alone) and SIGKILL, then run again. Damaged pictures and documents
are given to `drpl fuse`. Each defect is printed with the seed that repeats it; any makes the exit
code 1.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.docs import Docs, write_sections
from drpl.bench.tables import markdown_table
from drpl.errors import DrplError
from drpl.io.read import read_frame
from drpl.io.write import write_image
from drpl.scenes.drawn import draw_pair

DRPL = (sys.executable, "-m", "drpl")
INTERRUPTED = 130
DOCUMENTED = {0, *(kind.exit_code for kind in DrplError.__subclasses__())}
"""Exit codes that a damaged file may lead to."""
SLOW = 10.0
"""Seconds that a damaged file may take at most."""
NOISE = ("Traceback", "Warning", "Exception ignored", "VIPS-", "Error:")
"""Words that no user should see."""
LATE = r"/drpl/(?!(__init__|__main__|version|cli/__init__|cli/interrupts)\.py)"
"""Pattern of the modules of drpl that come after it heeds SIGINT."""
STACKS = ("s1", "s2", "s3")


@dataclass
class Findings:
    """Outcomes of attacks, and defects in words."""

    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)

    def defect(self, words: str) -> None:
        """Note and print a defect."""
        self.defects.append(words)
        print(f"DEFECT {words}", flush=True)


def digests(folder: Path) -> dict[str, str]:
    """Return a hash of each file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def write_stacks(root: Path) -> None:
    """Write a small pair into each of `STACKS`."""
    for number, name in enumerate(STACKS):
        (root / name).mkdir(parents=True)
        for letter, frame in zip("ab", draw_pair()[:2], strict=True):
            part = frame[:240, 20 * number : 20 * number + 300]
            write_image(root / name / f"{letter}.png", np.ascontiguousarray(part))


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `drpl` to its end."""
    return subprocess.run(
        [*DRPL, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def _heed_interrupts() -> None:
    """Undo that programs in the background of a shell ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def killed(
    arguments: list[str], folder: Path, sent: signal.Signals, *, group: bool, delay: float
) -> tuple[int, str]:
    """Run `drpl`, send a signal after a delay, and return exit status and stderr."""
    with subprocess.Popen(
        [*DRPL, *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    ) as process:
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(process.pid, sent)
        _, words = process.communicate(timeout=60)
    return process.returncode, words


def outcome_of(status: int, words: str, sent: signal.Signals) -> str:
    """Name the outcome of a signal; empty for one that should not be."""
    if any(word in words for word in NOISE) and "drpl:" not in words:
        early = status in (-signal.SIGINT, 1, 0) and not re.search(LATE, words)
        return "interrupted while Python started: a traceback of Python" if early else ""
    if any(word in words for word in NOISE):
        return ""
    if status == 0:
        return "had ended"
    if sent == signal.SIGKILL and status == -signal.SIGKILL:
        return "killed"
    if status == INTERRUPTED and words == "drpl: interrupted\n":
        return "interrupted, one line, exit code 130"
    return "interrupted before Python heeded it" if status == -signal.SIGINT and not words else ""


def check_fused(folder: Path, expected: dict[str, bytes], about: str, found: Findings) -> None:
    """Check that every visible result is whole, and right."""
    for path in folder.rglob("*"):
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix == ".json":
            try:
                json.loads(path.read_text())
            except ValueError:
                found.defect(f"{about}: {path.name} is not whole")
        elif path.name in expected:
            try:
                pixels = read_frame(path).pixels.tobytes()
            except DrplError as error:
                found.defect(f"{about}: {error}")
                continue
            if pixels != expected[path.name]:
                found.defect(f"{about}: {path.name} has other pixels")


def attack_by_kills(command: str, kills: int, seed: int, found: Findings) -> None:
    """Kill a command at random moments, then run it again; look for what is lost."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stacks(folder / "in")
        sources = digests(folder / "in")
        ways = {
            "fuse": [["fuse", "in/s1", "-o", "out/s1.png", "--maps", "out/maps"]],
            "batch": [["batch", "in", "-o", "out", "--jobs", str(jobs)] for jobs in (1, 2)],
        }[command]
        expected: dict[str, bytes] = {}
        seconds = []
        for arguments in ways:
            shutil.rmtree(folder / "out", ignore_errors=True)
            (folder / "out").mkdir()
            began = time.perf_counter()
            run(arguments, folder).check_returncode()
            seconds.append(time.perf_counter() - began)
            for path in (folder / "out").rglob("*.png"):
                expected[path.name] = read_frame(path).pixels.tobytes()
        for number in range(kills):
            way = number % len(ways)
            sent = [signal.SIGINT, signal.SIGKILL][number // len(ways) % 2]
            group, delay = bool(rng.integers(2)), float(rng.uniform(0, seconds[way] * 1.05))
            about = f"{command} {number} (seed {seed}): {sent.name} after {delay:.3f} s"
            shutil.rmtree(folder / "out")
            (folder / "out").mkdir()
            # at times twice, since a resumed run may be killed as well
            for _ in range(1 + int(command == "batch" and rng.random() < 0.4)):
                status, words = killed(ways[way], folder, sent, group=group, delay=delay)
                outcome = outcome_of(status, words, sent)
                found.outcomes[f"`{command}`: {outcome or 'a defect'}"] += 1
                if not outcome:
                    found.defect(f"{about}: status {status}, {words[-600:]!r}")
                check_fused(folder / "out", expected, about, found)
                delay = float(rng.uniform(0, seconds[way]))
            again = ways[way] if command == "batch" else [*ways[way], "--overwrite"]
            done = run(again, folder)
            if done.returncode or any(word in done.stderr for word in NOISE):
                found.defect(f"{about}: running again: {done.returncode}, {done.stderr[-600:]!r}")
            check_fused(folder / "out", expected, f"{about}, again", found)
            missing = set(expected) - {path.name for path in (folder / "out").rglob("*.png")}
            left = [path.name for path in (folder / "out").rglob(".*")]
            if missing or left:
                found.defect(f"{about}: missing {missing}, left over {left}")
            if digests(folder / "in") != sources:
                found.defect(f"{about}: sources changed")
                return


def write_good(folder: Path) -> dict[str, Path]:
    """Write sound files of every kind that `drpl fuse` reads; return them by name."""
    import tifffile
    from PIL import Image

    frames = [np.ascontiguousarray(frame[:96, :128]) for frame in draw_pair()[:2]]
    good: dict[str, Path] = {}
    write_image(folder / "other.png", frames[1])
    for suffix in (".png", ".jpg", ".tif", ".webp", ".avif"):
        good[suffix] = folder / f"good{suffix}"
        write_image(good[suffix], frames[0])
    deep = frames[0].astype(np.uint16) * 257
    for suffix in (".png", ".tif"):
        good[f"16{suffix}"] = folder / f"deep{suffix}"
        write_image(good[f"16{suffix}"], deep)
    write_image(folder / "other16.png", frames[1].astype(np.uint16) * 257)
    good[".bmp"] = folder / "good.bmp"
    Image.fromarray(frames[0]).save(good[".bmp"])
    good["pages.tif"] = folder / "pages.tif"
    with tifffile.TiffWriter(good["pages.tif"]) as tiff:
        for frame in (frames[0], frames[1], frames[0]):
            tiff.write(frame, photometric="rgb", metadata=None)
    names = [str(good[".png"]), str(folder / "other.png")]
    run(["align", *names, "-o", str(folder / "aligned")], folder).check_returncode()
    good["transforms.json"] = folder / "aligned" / "transforms.json"
    good["edits.json"] = folder / "edits.json"
    stroke = {"frame": 1, "radius": 9.0, "softness": 0.5, "points": [[20, 20], [40, 50]]}
    edits = {"edits": 1, "size": [128, 96], "strokes": [stroke]}
    good["edits.json"].write_text(json.dumps(edits))
    good["options.toml"] = folder / "options.toml"
    good["options.toml"].write_text(
        'preset = "macro"\nalign = true\nreference = 1\nthreads = 1\nvalue_range = 255.0\n'
    )
    return good


def mutated(content: bytes, text: bool, rng: np.random.Generator) -> bytes:
    """Damage the bytes of a file: values, length, order, or numbers of a document."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        way, at = int(rng.integers(7 if text else 6)), int(rng.integers(max(1, len(data))))
        near = int(rng.integers(min(len(data), 512))) if data else 0  # headers matter most
        if way == 0:
            data[near : near + 1] = rng.bytes(1)
        elif way == 1:
            data = data[:at]
        elif way == 2:
            data[at : at + 4] = rng.bytes(4)
        elif way == 3:
            value = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
            data[near : near + 4] = bytes([value] * 4)
        elif way == 4:
            data[at:at] = data[near : near + int(rng.integers(1, 200))]
        elif way == 5:
            del data[near : near + int(rng.integers(1, 100))]
        else:
            words = data.decode("utf-8", "replace")
            numbers = [n for n, letter in enumerate(words) if letter.isdigit()]
            if numbers:
                place = int(rng.choice(numbers))
                strange = [
                    "NaN",
                    "Infinity",
                    "-1e999",
                    "1e308",
                    "null",
                    "[]",
                    '"x"',
                    "-0",
                    "9" * 40,
                ]
                data = bytearray(
                    (words[:place] + str(rng.choice(strange)) + words[place + 1 :]).encode()
                )
    return bytes(data)


WORKER = """
import os, sys, time
from drpl.cli.main import main

for line in sys.stdin:
    sys.argv = ["drpl", *line.rstrip("\\n").split("\\t")]
    words = os.open("words", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(words, 2)
    os.close(words)
    began, code = time.perf_counter(), 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException as error:
        import traceback
        traceback.print_exc()
        code = -1
    sys.stderr.flush()
    os.write(9, f"{code} {time.perf_counter() - began}\\n".encode())
"""


class Worker:
    """Process that runs `drpl` for one line of arguments after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._answers: Any = None

    def run(self, arguments: list[str]) -> tuple[int, float, str]:
        """Run `drpl`; return exit code (below 0: the process died), seconds and stderr."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        process, began = self._process, time.perf_counter()
        if process is None or process.stdin is None:
            raise RuntimeError("no worker")
        process.stdin.write("\t".join(arguments) + "\n")
        process.stdin.flush()
        answer = self._answers.readline().split()
        words = (self._folder / "words").read_text(errors="replace")
        if len(answer) != 2:
            return process.wait() or -99, time.perf_counter() - began, words
        return int(answer[0]), float(answer[1]), words

    def _start(self) -> None:
        """Start the process; it answers on a pipe of its own."""
        receiving, sending = os.pipe()
        code = f"import os; os.dup2({sending}, 9); os.close({sending})\n{WORKER}"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "default", "-c", code],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            pass_fds=[sending],
        )
        os.close(sending)
        self._answers = os.fdopen(receiving)

    def end(self) -> None:
        """End the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()


def attack_by_damage(files: int, seed: int, found: Findings) -> None:
    """Give damaged files to `drpl fuse`, and look for crashes, noise and half-written results."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = write_good(folder)
        kinds, worker = list(good), Worker(folder)
        for number in range(files):
            kind = kinds[number % len(kinds)]
            path = good[kind]
            text = path.suffix in (".json", ".toml")
            bad = folder / f"bad{path.suffix}"
            bad.write_bytes(mutated(path.read_bytes(), text, rng))
            other = folder / ("other16.png" if kind.startswith("16") else "other.png")
            pair = [str(good[".png"]), str(other)]
            arguments = {
                "transforms.json": [*pair, "--transforms", str(bad)],
                "edits.json": [*pair, "--edits", str(bad)],
                "options.toml": [*pair, "--config", str(bad)],
                "pages.tif": [str(bad)],
            }.get(kind, [str(bad), str(other)])
            out = folder / "out.tif"
            code, seconds, words = worker.run(["fuse", *arguments, "-q", "-o", str(out)])
            about = f"{kind} {number} (seed {seed})"
            noise = [word for word in NOISE if word in words]
            if code not in DOCUMENTED or noise or seconds > SLOW:
                found.defect(f"{about}: exit code {code}, {seconds:.1f} s, {words[-800:]!r}")
                shutil.copy(
                    bad, Path(tempfile.gettempdir()) / f"attack-{seed}-{number}{path.suffix}"
                )
            if code and (out.exists() or out.with_suffix(".json").exists()):
                found.defect(f"{about}: failed but left a result")
            if code and not words.startswith("drpl: error: "):
                found.defect(f"{about}: exit code {code} without a reason: {words[-300:]!r}")
            if list(folder.glob(".*")):
                found.defect(f"{about}: left hidden files")
            found.outcomes["damaged files: " + ("read" if code == 0 else "refused")] += 1
            out.unlink(missing_ok=True)
            out.with_suffix(".json").unlink(missing_ok=True)
        worker.end()


def main(
    kills: Annotated[int, typer.Option(help="Kills of each command.")] = 200,
    files: Annotated[int, typer.Option(help="Damaged files.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of moments and damage.")] = 1,
    docs: Docs = None,
) -> None:
    """Kill commands and damage files; print what was found."""
    found = Findings()
    for command in ("fuse", "batch"):
        attack_by_kills(command, kills, seed, found)
    attack_by_damage(files, seed, found)
    rows = [(name, str(count)) for name, count in sorted(found.outcomes.items())]
    rows.append(("defects", str(len(found.defects))))
    table = markdown_table(["outcome", "times"], rows)
    print(table)
    write_sections(docs, {"attack": table})
    if found.defects:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)

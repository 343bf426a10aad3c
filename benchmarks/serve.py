"""The service under load, and killed in the middle: ``python -m benchmarks.serve``.

Clients drop stacks on `drpl serve` on loopback, while one more asks for the list of jobs and the
page; when half of the jobs are done the service is killed and started again. Peak memory is read
on Linux.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import IO, Annotated, Any

import typer

from benchmarks.speed import SIZES, draw_pair
from drpl.bench.provenance import provenance
from drpl.io.write import make_folder, write_image

API = "/api/v1"
ASKED = {"GET /api/v1/jobs": f"{API}/jobs", "the page": "/"}
PAUSE = 0.05
"""Seconds between two looks at memory, and two questions of a client."""
PATIENCE = 1800.0
"""Seconds within which all must be done."""


class Line:
    """A connection to the service, made anew where it was lost."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body of an answer; JSON is sent of what is no bytes."""
        headers = {}
        if body is not None and not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def get(self, path: str) -> Any:
        """JSON of an answer.

        Raises
        ------
        RuntimeError
            If it is another one.
        """
        return self.expect(200, "GET", path)

    def expect(self, status: int, method: str, path: str, body: Any = None) -> Any:
        """JSON of an answer with some status."""
        found, content = self.ask(method, path, body)
        if found != status:
            raise RuntimeError(f"{method} {path}: {found}, {content[:200]!r}")
        return json.loads(content)


@dataclass
class Memory:
    """Peaks of resident memory in MB.

    Attributes
    ----------
    service : float
    process : float
        The largest of the processes that the service began.
    together : float
        All of them at a time.
    """

    service: float = 0.0
    process: float = 0.0
    together: float = 0.0

    def look(self, pid: int) -> None:
        """Take the service and its processes into account."""
        children = _children(pid)
        self.service = max(self.service, _status(pid, "VmHWM"))
        self.process = max([self.process, *(_status(child, "VmHWM") for child in children)])
        now = [_status(process, "VmRSS") for process in (pid, *children)]
        self.together = max(self.together, sum(now))


def _children(pid: int) -> list[int]:
    """Processes that a process began."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="utf-8").split())
    return found


def _status(pid: int, name: str) -> float:
    """A line of the status of a process, in MB; 0 where it is gone."""
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(text.split(f"{name}:")[1].split()[0]) * 1024 / 1e6
    return 0.0


@dataclass
class Watch:
    """What is noted while the load is on, in a thread of its own.

    Attributes
    ----------
    port : int
    pid : int
        Of the service; 0 while there is none.
    seconds : dict
        Times of answers by what was asked.
    away : float
        Seconds in which nothing answered.
    """

    port: int
    pid: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ASKED})
    away: float = 0.0
    memory: Memory = field(default_factory=Memory)
    ended: Event = field(default_factory=Event)

    def run(self) -> None:
        """Look and ask until the end."""
        line, since = Line(self.port), time.perf_counter()
        while not self.ended.wait(PAUSE):
            self.memory.look(self.pid)
            try:
                for name, path in ASKED.items():
                    began = time.perf_counter()
                    status, _ = line.ask("GET", path)
                    if status == 200:
                        self.seconds[name].append(time.perf_counter() - began)
                since = time.perf_counter()
            except (OSError, http.client.HTTPException):
                self.away = max(self.away, time.perf_counter() - since)


def start(
    store: Path, port: int, max_memory: int, log: IO[str]
) -> tuple[subprocess.Popen[str], int]:
    """Start the service, and wait until it listens; gives its port."""
    command = [sys.executable, "-u", "-m", "drpl", "serve", "--store", str(store)]
    command += ["--port", str(port), "--max-memory", str(max_memory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    said = process.stdout.readline() if process.stdout is not None else ""
    if "http://" not in said:
        raise RuntimeError("drpl serve did not start; see its log")
    return process, int(said.split("http://127.0.0.1:")[1].split("/")[0])


def drop(port: int, pictures: list[Path]) -> str:
    """What one client does: make a job, send its frames, start it."""
    line = Line(port)
    job: str = line.expect(201, "POST", f"{API}/jobs", {"name": "load"})["id"]
    for picture in pictures:
        line.expect(
            201, "PUT", f"{API}/jobs/{job}/frames?name={picture.name}", picture.read_bytes()
        )
    order = list(range(len(pictures)))
    line.expect(202, "POST", f"{API}/jobs/{job}/start", {"order": order})
    return job


def wait_for(port: int, count: int, *, fusing: bool = False) -> list[dict[str, Any]]:
    """The jobs, once so many have ended, and if so asked one is just being fused."""
    line, deadline = Line(port), time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        jobs: list[dict[str, Any]] = line.get(f"{API}/jobs")
        ended = sum(job["state"] in ("done", "failed", "cancelled") for job in jobs)
        stages = [job["progress"]["stage"] for job in jobs if job["progress"]]
        if ended >= count and (not fusing or "fuse" in stages):
            return jobs
        time.sleep(PAUSE / 5)
    raise RuntimeError(f"after {PATIENCE:.0f} s not {count} jobs have ended")


def kill(process: subprocess.Popen[str]) -> float:
    """Kill the service; gives the seconds until its processes were gone, too."""
    children = _children(process.pid)
    began = time.perf_counter()
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(_status(child, "VmRSS") for child in children):
        time.sleep(0.005)
        if time.perf_counter() - began > 60:
            raise RuntimeError("processes outlived the service")
    return time.perf_counter() - began


def brush(port: int, job: dict[str, Any]) -> dict[str, float]:
    """Seconds of what a person waits for when the result of a job is there."""
    line, seconds = Line(port), {}
    place = f"{API}/jobs/{job['id']}"
    size = line.get(place)
    middle = [size["width"] / 2, size["height"] / 2]
    strokes = [
        {"frame": 0, "radius": 60, "softness": 0.5, "points": [[x + 40 * n for x in middle]]}
        for n in range(2)
    ]
    edits = {"edits": 1, "size": [size["width"], size["height"]]}
    for name, count in (("first stroke of a frame", 1), ("next stroke", 2), ("undo", 1)):
        began = time.perf_counter()
        line.expect(200, "PUT", f"{place}/edits", edits | {"strokes": strokes[:count]})
        seconds[name] = time.perf_counter() - began
    for name, path in (("tiles of a frame", "layers/frame-1"), ("TIFF", "download/fused.tif")):
        began = time.perf_counter()
        line.ask("GET", f"{place}/{path}")
        seconds[name] = time.perf_counter() - began
    return seconds


def under_load(folder: Path, jobs: int, clients: int, size: str, max_memory: int) -> dict[str, Any]:
    """Put the service under load, kill it in the middle, and look what became of all jobs."""
    pictures = [folder / name for name in ("a.png", "b.png")]
    for picture, pixels in zip(pictures, draw_pair(*SIZES[size]), strict=True):
        write_image(picture, pixels)
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        process, port = start(folder / "store", 0, max_memory, log)
        watch = Watch(port, process.pid)
        watcher = Thread(target=watch.run)
        watcher.start()
        began = time.perf_counter()
        try:
            with ThreadPoolExecutor(clients) as pool:
                made = list(pool.map(lambda _: drop(port, pictures), range(jobs)))
            dropped = time.perf_counter() - began
            wait_for(port, jobs // 2, fusing=True)
            left = kill(process)
            process, _ = start(folder / "store", port, max_memory, log)
            watch.pid = process.pid
            ended = wait_for(port, jobs)
            total = time.perf_counter() - began
        finally:
            watch.ended.set()
            watcher.join()
            if process.poll() is None and sys.exc_info()[0] is not None:
                process.kill()
        found = {job["id"]: job for job in ended}
        done = [job for job in made if found.get(job, {}).get("state") == "done"]
        line = Line(port)
        pixels_of = {
            hashlib.sha256(line.ask("GET", f"{API}/jobs/{job}/download/fused.tif")[1]).hexdigest()
            for job in done
        }
        seconds = brush(port, found[done[0]])
        process.send_signal(signal.SIGTERM)
        process.wait()
    text = (folder / "log.txt").read_text(encoding="utf-8")
    return {
        "jobs": jobs,
        "clients": clients,
        "size": size,
        "done": len(done),
        "lost": len(made) - sum(job in found for job in made),
        "queued_again": " ".join(text.split()).count("is queued again"),
        "different_results": len(pixels_of),
        "seconds": {"dropping": dropped, "all": total, "away": watch.away, "workers_gone": left},
        "memory_mb": {"promise": max_memory, **vars(watch.memory)},
        "latency_ms": {name: spread(times) for name, times in watch.seconds.items()},
        "retouching_s": seconds,
    }


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, 95th percentile and worst of times, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=20)
    return {
        "asked": len(seconds),
        "median": 1000 * statistics.median(seconds),
        "percentile_95": 1000 * cuts[-1],
        "worst": 1000 * max(seconds),
    }


def table(found: dict[str, Any]) -> str:
    """What was found as Markdown."""
    seconds, memory = found["seconds"], found["memory_mb"]
    kinds = found["different_results"]
    alike = "all results alike" if kinds == 1 else f"results of {kinds} kinds, expected one"
    lines = [
        f"{found['jobs']} jobs of two frames of {found['size']} from {found['clients']} clients: "
        f"{found['done']} done, {found['lost']} lost, {alike}; dropped in "
        f"{seconds['dropping']:.1f} s, done after {seconds['all']:.1f} s.",
        "",
        f"Killed in the middle: its processes were gone after {seconds['workers_gone']:.2f} s, it "
        f"answered again after {seconds['away']:.1f} s, {found['queued_again']} job(s) were queued "
        "again.",
        "",
        "| asked under load | times | median (ms) | 95 % (ms) | worst (ms) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in found["latency_ms"].items():
        figures = " | ".join(f"{row[key]:.1f}" for key in ("median", "percentile_95", "worst"))
        lines.append(f"| {name} | {row['asked']} | {figures} |")
    lines += [
        "",
        "| peak memory (MB) | promised | largest process | the service | all at a time |",
        "| --- | --- | --- | --- | --- |",
        f"| | {memory['promise']} | {memory['process']:.0f} | {memory['service']:.0f} | "
        f"{memory['together']:.0f} |",
        "",
        "| with the result | seconds |",
        "| --- | --- |",
        *(f"| {name} | {value:.2f} |" for name, value in found["retouching_s"].items()),
    ]
    return "\n".join(lines)


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")] = Path(
        "bench-results/serve"
    ),
    jobs: Annotated[int, typer.Option(min=2, help="Jobs in all.")] = 20,
    clients: Annotated[int, typer.Option(min=1, help="Clients at a time.")] = 8,
    size: Annotated[str, typer.Option(help=f"Of a frame: {', '.join(SIZES)}.")] = "6 MP",
    max_memory: Annotated[int, typer.Option(help="Promise for a job, in megabytes.")] = 450,
) -> None:
    """Measure whether jobs are lost, how much memory they take, and how fast it answers."""
    with tempfile.TemporaryDirectory() as folder:
        found = under_load(Path(folder), jobs, clients, size, max_memory)
    make_folder(output)
    text = table(found) + "\n"
    (output / "table.md").write_text(text, encoding="utf-8")
    about = provenance(["drpl-fast"]) | {"cores": os.cpu_count()} | found
    (output / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)

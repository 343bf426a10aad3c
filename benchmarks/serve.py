"""The service under load and killed midway: ``python -m benchmarks.serve``.

Clients upload stacks to `drpl serve` on loopback, while one more requests the list of jobs and the
page. When half of the jobs are done, the service is killed and started again. Peak memory is
measured on Linux only.
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

from benchmarks.docs import Docs, publish, write_sections
from benchmarks.speed import SIZES, draw_pair
from drpl.bench.provenance import provenance
from drpl.bench.tables import markdown_table
from drpl.io.write import write_image

API = "/api/v1"
REQUESTS = {"GET /api/v1/jobs": f"{API}/jobs", "the page": "/"}
"""Paths that are timed under load, by name."""
PAUSE = 0.05
"""Seconds between two rounds of timed requests and memory readings."""
PATIENCE = 1800.0
"""Seconds after which the benchmark gives up waiting for jobs."""


class Client:
    """HTTP client of the service on a port of loopback, which reconnects after errors."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send a request, with a body of bytes or of JSON values; return status and content."""
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
        """Return the JSON content of a GET request; raise RuntimeError if the status is not 200."""
        return self.expect(200, "GET", path)

    def expect(self, status: int, method: str, path: str, body: Any = None) -> Any:
        """Send a request; return its JSON content, or raise RuntimeError for another status."""
        found, content = self.request(method, path, body)
        if found != status:
            raise RuntimeError(
                f"{method} {path}: status {found}, expected {status}; {content[:200]!r}"
            )
        return json.loads(content)


@dataclass
class Memory:
    """Peak resident memory in MB of the service, its largest child process, and all together."""

    service: float = 0.0
    process: float = 0.0
    together: float = 0.0

    def update(self, pid: int) -> None:
        """Read the memory of the service and its child processes."""
        children = _children(pid)
        self.service = max(self.service, _status(pid, "VmHWM"))
        self.process = max([self.process, *(_status(child, "VmHWM") for child in children)])
        now = [_status(process, "VmRSS") for process in (pid, *children)]
        self.together = max(self.together, sum(now))


def _children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="utf-8").split())
    return found


def _status(pid: int, name: str) -> float:
    """Return a memory field of a process's status in MB; 0 if the process is gone."""
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(text.split(f"{name}:")[1].split()[0]) * 1024 / 1e6
    return 0.0


@dataclass
class Watch:
    """Measurements under load, taken by a thread that runs `run` until ``ended`` is set.

    ``port`` and ``pid`` are those of the service; ``seconds`` are response times by request,
    ``away`` is the longest time without a response.
    """

    port: int
    pid: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in REQUESTS})
    away: float = 0.0
    memory: Memory = field(default_factory=Memory)
    ended: Event = field(default_factory=Event)

    def run(self) -> None:
        """Measure until `ended` is set."""
        client, since = Client(self.port), time.perf_counter()
        while not self.ended.wait(PAUSE):
            self.memory.update(self.pid)
            try:
                for name, path in REQUESTS.items():
                    began = time.perf_counter()
                    status, _ = client.request("GET", path)
                    if status == 200:
                        self.seconds[name].append(time.perf_counter() - began)
                since = time.perf_counter()
            except (OSError, http.client.HTTPException):
                self.away = max(self.away, time.perf_counter() - since)


def start(
    store: Path, port: int, max_memory: int, log: IO[str]
) -> tuple[subprocess.Popen[str], int]:
    """Start the service and wait until it listens; return its process and port."""
    command = [sys.executable, "-u", "-m", "drpl", "serve", "--store", str(store)]
    command += ["--port", str(port), "--max-memory", str(max_memory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    address = process.stdout.readline() if process.stdout is not None else ""
    if "http://" not in address:
        raise RuntimeError("drpl serve did not start; see its log")
    return process, int(address.split("http://127.0.0.1:")[1].split("/")[0])


def submit(port: int, pictures: list[Path]) -> str:
    """Create a job, upload its frames, start it, and return its id."""
    client = Client(port)
    job: str = client.expect(201, "POST", f"{API}/jobs", {"name": "load"})["id"]
    for picture in pictures:
        client.expect(
            201, "PUT", f"{API}/jobs/{job}/frames?name={picture.name}", picture.read_bytes()
        )
    order = list(range(len(pictures)))
    client.expect(202, "POST", f"{API}/jobs/{job}/start", {"order": order})
    return job


def wait_for(port: int, count: int, *, fusing: bool = False) -> list[dict[str, Any]]:
    """Wait until ``count`` jobs have ended and, if ``fusing``, another one is being fused.

    Return all jobs; raise RuntimeError after `PATIENCE` seconds.
    """
    client, deadline = Client(port), time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        jobs: list[dict[str, Any]] = client.get(f"{API}/jobs")
        ended = sum(job["state"] in ("done", "failed", "cancelled") for job in jobs)
        stages = [job["progress"]["stage"] for job in jobs if job["progress"]]
        if ended >= count and (not fusing or "fuse" in stages):
            return jobs
        time.sleep(PAUSE / 5)
    raise RuntimeError(f"fewer than {count} jobs ended within {PATIENCE:.0f} s")


def kill(process: subprocess.Popen[str]) -> float:
    """Kill the service; return the seconds until its child processes were gone."""
    children = _children(process.pid)
    began = time.perf_counter()
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(_status(child, "VmRSS") for child in children):
        time.sleep(0.005)
        if time.perf_counter() - began > 60:
            raise RuntimeError("processes outlived the service")
    return time.perf_counter() - began


def time_retouching(port: int, job: dict[str, Any]) -> dict[str, float]:
    """Time strokes, tiles and a download on the result of a job, in seconds."""
    client, seconds = Client(port), {}
    place = f"{API}/jobs/{job['id']}"
    size = client.get(place)
    middle = [size["width"] / 2, size["height"] / 2]
    strokes = [
        {"frame": 0, "radius": 60, "softness": 0.5, "points": [[x + 40 * n for x in middle]]}
        for n in range(2)
    ]
    edits = {"edits": 1, "size": [size["width"], size["height"]]}
    for name, count in (("first stroke of a frame", 1), ("next stroke", 2), ("undo", 1)):
        began = time.perf_counter()
        client.expect(200, "PUT", f"{place}/edits", edits | {"strokes": strokes[:count]})
        seconds[name] = time.perf_counter() - began
    for name, path in (("tiles of a frame", "layers/frame-1"), ("TIFF", "download/fused.tif")):
        began = time.perf_counter()
        client.request("GET", f"{place}/{path}")
        seconds[name] = time.perf_counter() - began
    return seconds


def under_load(folder: Path, jobs: int, clients: int, size: str, max_memory: int) -> dict[str, Any]:
    """Put the service under load, kill it midway, and check what became of all jobs."""
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
                made = list(pool.map(lambda _: submit(port, pictures), range(jobs)))
            submitted = time.perf_counter() - began
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
        client = Client(port)
        results = {
            hashlib.sha256(
                client.request("GET", f"{API}/jobs/{job}/download/fused.tif")[1]
            ).hexdigest()
            for job in done
        }
        seconds = time_retouching(port, found[done[0]])
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
        "different_results": len(results),
        "seconds": {"dropping": submitted, "all": total, "away": watch.away, "workers_gone": left},
        "memory_mb": {"promise": max_memory, **vars(watch.memory)},
        "latency_ms": {name: spread(times) for name, times in watch.seconds.items()},
        "retouching_s": seconds,
    }


def spread(seconds: list[float]) -> dict[str, float]:
    """Return the number of times, and their median, 95th percentile and worst in milliseconds."""
    cuts = statistics.quantiles(seconds, n=20)
    return {
        "asked": len(seconds),
        "median": 1000 * statistics.median(seconds),
        "percentile_95": 1000 * cuts[-1],
        "worst": 1000 * max(seconds),
    }


def table(found: dict[str, Any]) -> str:
    """Format the measurements of `under_load` as Markdown."""
    seconds, memory = found["seconds"], found["memory_mb"]
    kinds = found["different_results"]
    alike = "all results alike" if kinds == 1 else f"{kinds} different results, expected one"
    latency = [
        [
            name,
            str(row["asked"]),
            *(f"{row[key]:.1f}" for key in ("median", "percentile_95", "worst")),
        ]
        for name, row in found["latency_ms"].items()
    ]
    peaks = [f"{memory[key]:.0f}" for key in ("promise", "process", "service", "together")]
    parts = [
        f"{found['jobs']} jobs of two frames of {found['size']} from {found['clients']} clients: "
        f"{found['done']} done, {found['lost']} lost, {alike}; uploaded in "
        f"{seconds['dropping']:.1f} s, done after {seconds['all']:.1f} s.",
        f"Killed midway: child processes were gone after {seconds['workers_gone']:.2f} s, the "
        f"service answered again after {seconds['away']:.1f} s; jobs queued again: "
        f"{found['queued_again']}.",
        markdown_table(
            ["request under load", "count", "median (ms)", "95th percentile (ms)", "worst (ms)"],
            latency,
        ),
        markdown_table(
            ["memory limit of a job (MB)", "peak: child process", "peak: service", "peak: sum"],
            [peaks],
        ),
        markdown_table(
            ["on the result", "s"],
            [[name, f"{value:.2f}"] for name, value in found["retouching_s"].items()],
        ),
    ]
    return "\n\n".join(parts)


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")] = Path(
        "bench-results/serve"
    ),
    jobs: Annotated[int, typer.Option(min=2, help="Number of jobs.")] = 20,
    clients: Annotated[int, typer.Option(min=1, help="Concurrent clients.")] = 8,
    size: Annotated[str, typer.Option(help=f"Size of a frame: {', '.join(SIZES)}.")] = "6 MP",
    max_memory: Annotated[int, typer.Option(help="Memory limit of a job in megabytes.")] = 450,
    docs: Docs = None,
) -> None:
    """Measure lost jobs, memory and response times."""
    with tempfile.TemporaryDirectory() as folder:
        found = under_load(Path(folder), jobs, clients, size, max_memory)
    text = table(found) + "\n"
    publish(text, output, provenance(["drpl-fast"]) | {"cores": os.cpu_count()} | found)
    write_sections(docs, {"serve": text})


if __name__ == "__main__":
    typer.run(main)

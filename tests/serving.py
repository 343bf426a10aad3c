"""Service for tests on a free port of loopback, as a process or a thread, and its clients."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import httpx

from drawing import half_sharp_pair, striped_stack

PATIENCE = 60
"""Seconds to wait for anything before a test fails."""


def png(pixels):
    """Encode pixels as a PNG file; return its bytes."""
    return cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


def small_stack(count=3, height=120, width=170, seed=1):
    """Return the files of a small stack: bytes by name."""
    frames, _, _ = striped_stack(count, height, width, seed)
    return {f"img_{number}.png": png(frame) for number, frame in enumerate(frames, start=1)}


def slow_stack():
    """Return the files of a pair that takes the paper's network seconds."""
    pair = half_sharp_pair(320, 460)
    return {f"slow_{name}.png": png(frame) for name, frame in zip("ab", pair, strict=False)}


class Client:
    """Client that sends the requests of the page."""

    def __init__(self, url, **options):
        self.http = httpx.Client(base_url=url, timeout=PATIENCE, **options)

    def ask(self, method, path, **options):
        return self.http.request(method, f"/api/v1{path}", **options)

    def get(self, path):
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, **new):
        answer = self.ask("POST", "/jobs", json=new)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def put(self, job, name, content, **options):
        return self.ask("PUT", f"/jobs/{job}/frames", params={"name": name}, content=content)

    def start(self, job, order, **how):
        return self.ask("POST", f"/jobs/{job}/start", json={"order": order, **how})

    def fill(self, files, name=""):
        """Create a job and upload files to it; return its id."""
        job = self.create(name=name)
        for name, content in files.items():
            answer = self.put(job, name, content)
            assert answer.status_code == 201, answer.text
        return job

    def run(self, files, name="", **how):
        """Create a job from files and start it; return its id."""
        job = self.fill(files, name)
        answer = self.start(job, list(range(len(files))), **how)
        assert answer.status_code == 202, answer.text
        return job

    def wait(self, job, *states):
        """Wait until a job is in one of the states; return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.get(f"/jobs/{job}")
            if found["state"] in states:
                return found
            assert found["state"] not in ("done", "failed", "cancelled"), found["error"]
            time.sleep(0.02)
        raise AssertionError(f"still {found['state']}")


class Served:
    """Process of `drpl serve`."""

    def __init__(self, store, *flags):
        self.store = Path(store)
        self.log = self.store.parent / f"{self.store.name}.log"
        command = [sys.executable, "-u", "-m", "drpl", "serve", *flags, "--store", str(store)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=log, text=True
            )
        line = self.process.stdout.readline()
        assert "http://" in line, self.log.read_text()
        self.url = re.search(r"http://\S+", line)[0]
        self.clients = []

    def client(self, **options):
        self.clients.append(Client(self.url, **options))
        return self.clients[-1]

    def workers(self):
        """Return the ids of its child processes."""
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):  # the thread has ended
                found += map(int, (task / "children").read_text().split())
        return found

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        for client in self.clients:
            client.http.close()
        return code


def gone(pids):
    """Return True if processes end within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def alive(pid):
    """Return True if a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def served_here(settings):
    """Run the service in a thread of this process; yield its address."""
    from drpl.serve.http.server import bind, make_server

    listening, ready = bind(settings), threading.Event()
    server = make_server(settings, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    port = listening.getsockname()[1]
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def events(client, job):
    """Return the data of all events of a job until they end."""
    found = []
    with client.http.stream("GET", f"/api/v1/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
    return found


def files_of(folder):
    """Return the sizes of all files below a folder, by relative path."""
    return {
        str(Path(place, name).relative_to(folder)): os.path.getsize(Path(place, name))
        for place, _, names in os.walk(folder)
        for name in names
    }


def ask(url, method, path, headers=(), body=None):
    """Send a request unchanged, even if malformed; return status, headers and body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest(method, path, skip_host=any(k == "Host" for k, _ in headers))
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def line(url):
    """Open a bare connection."""
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


def answer_of(connection):
    """Return the status of the response; None if the connection ends without one."""
    try:
        found = connection.recv(65536)
    except ConnectionResetError:
        return None
    return int(found.split()[1]) if found else None

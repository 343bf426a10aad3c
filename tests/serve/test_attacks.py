"""Attacks of strangers: each is refused and logged, and harms nothing else."""

import json
import struct
import time
import zlib

import pytest

from drpl.serve.http import guard, refusals, server
from drpl.serve.settings import Settings
from serving import answer_of, ask, files_of, line, served_here, small_stack

LIMITS = {"max_pixels": 1_000_000, "max_bytes": 3_000_000, "max_frames": 5, "queue": 30}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("attacked") / "store"


@pytest.fixture(scope="module")
def url(store):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "GRACE", 0.4)
        patch.setattr(server, "HEADER_SECONDS", 0.5)
        patch.setattr(server, "READ_SECONDS", 0.5)
        patch.setattr(server, "LINGER", 2_000_000)
        with served_here(Settings(store, port=0, **LIMITS)) as url:
            yield url


@pytest.fixture(autouse=True)
def unharmed(request, store):
    """Check after each attack that the files of the job are unchanged."""
    if "job" not in request.fixturenames:
        yield
        return
    page, job = (request.getfixturevalue(name) for name in ("page", "job"))
    before, count = files_of(store / "jobs" / job), page.get(f"/jobs/{job}")["count"]
    yield
    deadline = time.monotonic() + 5
    while files_of(store / "jobs" / job) != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert files_of(store / "jobs" / job) == before
    assert page.get(f"/jobs/{job}")["count"] == count
    assert {path.name for path in store.iterdir()} <= {
        "jobs",
        "jobs.sqlite3",
        "jobs.sqlite3-wal",
        "jobs.sqlite3-shm",
    }


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/static/../app.py",
            "/static/%2e%2e/app.py",
            "/static/..%2fapp.py",
            "/static/..%5capp.py",
            "/static//etc/passwd",
            "/static/%2fetc%2fpasswd",
            "/static/C:%5cWindows%5cwin.ini",
            "/../../../../etc/passwd",
            "/api/v1/jobs/..",
            "/api/v1/jobs/..%2f..%2fjobs.sqlite3",
            "/api/v1/jobs/%00",
            "/api/v1/jobs/JOB/layers/..%2f..%2fframes/0/0_0",
            "/api/v1/jobs/JOB/layers/fused/0/..%2f..%2freport.json",
            "/api/v1/jobs/JOB/download/..%2fframes%2fimg_1.png",
            "/api/v1/jobs/JOB/download/%2fetc%2fpasswd",
            "/api/v1/jobs/JOB/frames/..%2f0/thumbnail",
        ],
    )
    def test_requested_paths_stay_within_the_service(self, url, job, path):
        status, headers, body = ask(url, "GET", path.replace("JOB", job))
        assert status == 404
        assert headers["x-content-type-options"] == "nosniff"
        assert set(json.loads(body)) == {"error"}

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("../../../evil.png", "evil.png"),
            ("/etc/passwd.png", "passwd.png"),
            ("C:\\Windows\\evil.png", "evil.png"),
            ("..\\..\\evil.png", "evil.png"),
            ("..", "frame"),
            (".hidden.png", "hidden.png"),
            ("a\0b\nc\r\u202egnp.png", "abcgnp.png"),
            ("nul.png", "_nul.png"),
            ('a:b*?<>|".png', "a_b______.png"),
            ("n" * 3000 + ".png", "n" * 146 + ".png"),
            ("\N{SNOWMAN}" * 200 + ".png", "\N{SNOWMAN}" * 48 + ".png"),
            ("-rf.png", "-rf.png"),
            ("a." + "y" * 18 + " z", "a." + "y" * 18),
        ],
    )
    def test_file_names_are_made_safe(self, page, job, store, name, kept):
        answer = page.put(job, name, small_stack(2)["img_1.png"])
        assert answer.status_code == 201
        assert answer.json()["name"] == kept
        assert (store / "jobs" / job / "frames" / kept).is_file()
        page.ask("DELETE", f"/jobs/{job}/frames/{answer.json()['n']}")

    def test_an_overlong_name_is_refused(self, page, job):
        assert page.put(job, "n" * 5000, b"").status_code == 422

    @pytest.mark.parametrize("method", ["/etc", "../models/drpl-fast", "drpl-fast/../drpl", "nope"])
    def test_only_known_methods_are_accepted(self, page, job, method):
        answer = page.start(job, [0, 1], options={"method": method})
        assert answer.status_code == 400
        assert "is unknown; expected one of" in answer.json()["error"]

    def test_the_folder_of_a_model_is_refused(self, page, job):
        from drpl.models.cards import model_folder

        folder = str(model_folder("drpl-fast"))
        assert page.start(job, [0, 1], options={"method": folder}).status_code == 400


def bomb(width, height):
    """Return a PNG that announces many pixels in few bytes."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = zlib.compress(b"\0" * ((width + 7) // 8 + 1) * height)
    chunks = [(b"IHDR", header), (b"IDAT", row), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


class TestTooMuch:
    def test_a_decompression_bomb_is_refused(self, page, job, logged):
        content = bomb(20_000, 10_000)
        assert len(content) < 50_000
        answer = page.put(job, "bomb.png", content)
        assert answer.status_code == 415
        assert answer.json()["error"] == (
            "bomb.png: has 20000x10000 pixels; expected at most 1,000,000"
        )
        assert len(logged(415)) == 1

    def test_ten_announced_gigabytes_are_refused_at_once(self, url, job, logged):
        with line(url) as connection:
            began = time.monotonic()
            path = f"/api/v1/jobs/{job}/frames?name=large.tif"
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n"
                "\r\nII*\0".encode()
            )
            assert answer_of(connection) == 413
            assert time.monotonic() - began < 1
        assert "10,000,000,000 bytes" in logged(413)[0]

    @pytest.mark.parametrize(
        ("beginning", "status", "most"),
        [(b"II*\0", (413, None), 20e6), (b"\0\0\0\0" * 5, (415, None), 20e6)],
    )
    def test_ten_unannounced_gigabytes_are_cut_off(self, url, job, store, beginning, status, most):
        chunk = b"10000\r\n" + b"\0" * 65536 + b"\r\n"
        sent = 0
        with line(url) as connection:
            path = f"/api/v1/jobs/{job}/frames?name=large.tif"
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: localhost\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode()
            )
            connection.sendall(b"%x\r\n%s\r\n" % (len(beginning), beginning))
            try:
                while sent < 100e6:
                    connection.sendall(chunk)
                    sent += len(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert answer_of(connection) in status
        assert sent < most

    def test_a_job_is_limited_in_bytes_and_frames(self, page, job):
        other, content = page.fill(small_stack(2)), small_stack(2)["img_1.png"]
        large = content + b"\0" * 1_300_000  # data after the picture are ignored
        answers = [page.put(other, "a.png", large).status_code for _ in range(3)]
        assert answers == [201, 201, 413]
        assert page.put(other, "c.png", content).status_code == 201
        answer = page.put(other, "d.png", content)
        assert (answer.status_code, answer.json()["error"]) == (413, "a job has at most 5 frames")
        page.ask("DELETE", f"/jobs/{other}")

    def test_a_huge_request_is_refused(self, page, job):
        body = json.dumps({"order": [0, 1], "preset": "p" * 2_000_000})
        headers = {"content-type": "application/json"}
        for content in (body.encode(), (part.encode() for part in (body, ""))):
            answer = page.ask("POST", f"/jobs/{job}/start", content=content, headers=headers)
            assert answer.status_code == 413

    @pytest.mark.parametrize(
        "body",
        ["[" * 100_000, '{"order": [' + "9" * 10_000 + "]}", '{"order": [NaN]}', "\ud800", "", "1"],
    )
    def test_malformed_json_is_refused(self, page, job, body):
        headers = {"content-type": "application/json"}
        content = body.encode("utf-8", "surrogatepass")
        answer = page.ask("POST", f"/jobs/{job}/start", content=content, headers=headers)
        assert answer.status_code in (400, 422)
        assert answer.json()["error"]

    @pytest.mark.slow
    def test_ten_thousand_requests_delay_nothing(self, url, page, job, logged):
        before = len(page.get("/jobs"))
        body = b'{"name": "n"}'
        request = (
            b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        statuses, slowest = [], 0.0
        with line(url) as connection:
            for _ in range(100):
                connection.sendall(request * 100)
                answers = b""
                while answers.count(b"HTTP/1.1 ") < 100 or not answers.endswith(b"}"):
                    answers += connection.recv(1 << 20)
                statuses += [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]
                began = time.monotonic()
                page.get(f"/jobs/{job}")
                slowest = max(slowest, time.monotonic() - began)
        assert len(statuses) == 10_000
        assert set(statuses) == {b"201", b"429"}
        listed = page.get("/jobs")
        assert len(listed) == LIMITS["queue"]
        assert statuses.count(b"201") == len(listed) - before
        assert slowest < 1
        assert refusals.SHOWN <= len(logged("")) < 200
        for other in listed:
            if other["id"] != job:
                page.ask("DELETE", f"/jobs/{other['id']}")

    def test_too_many_uploads_have_to_wait(self, url, page, job):
        others = [page.create() for _ in range(2)]
        lines = [line(url) for _ in range(8)]
        for number, connection in enumerate(lines):
            path = f"/api/v1/jobs/{others[number // 4]}/frames?name=a.png"
            head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
            connection.sendall(head.encode() + b"\x89P")
        content, statuses = small_stack(2)["img_1.png"], []
        while 429 not in statuses and len(statuses) < 9:
            answer = page.put(others[0], "b.png", content)
            statuses.append(answer.status_code)
        assert answer.headers["retry-after"] == "1"
        for connection in lines:
            connection.close()
        for other in others:
            page.ask("DELETE", f"/jobs/{other}")


class TestSlow:
    def test_a_slow_body_is_refused(self, url, job, logged):
        with line(url) as connection:
            path = f"/api/v1/jobs/{job}/frames?name=slow.png"
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
                "\r\n\x89PNG".encode("latin-1")
            )
            began = time.monotonic()
            assert answer_of(connection) == 408
            assert 0.2 < time.monotonic() - began < 3
        assert logged(408)

    def test_slow_headers_are_refused(self, url, job, logged):
        with line(url) as connection:
            began = time.monotonic()
            for piece in ("GET / HT", "TP/1.1\r\n", *(f"X-{n}: n\r\n" for n in range(100))):
                try:
                    connection.sendall(piece.encode())
                except (BrokenPipeError, ConnectionResetError):
                    break
                time.sleep(0.05)
            assert answer_of(connection) is None
            assert time.monotonic() - began < 3
        assert "too slowly" in logged(408)[0]

    def test_a_client_that_does_not_read_is_disconnected(self, url, job):
        request = b"GET /api/v1/options HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection, sent = line(url), 0
        try:
            while sent < 1000:
                connection.sendall(request * 1000)
                sent += 1
                time.sleep(0.03)
        except (BrokenPipeError, ConnectionResetError):
            pass
        connection.close()
        assert sent < 1000

    def test_a_silent_client_is_disconnected(self, url, job):
        with line(url) as connection:
            assert answer_of(connection) is None

    def test_an_upload_that_breaks_off_leaves_nothing(self, url, job, logged):
        with line(url) as connection:
            path = f"/api/v1/jobs/{job}/frames?name=half.png"
            half = small_stack(2)["img_1.png"][:5000]
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n".encode()
                + half
            )
        deadline = time.monotonic() + 5
        while not logged(400) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "ended early" in logged(400)[0]

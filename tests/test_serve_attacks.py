"""What strangers may try: each is refused, logged, and harms nothing else."""

import http.client
import json
import socket
import struct
import time
import zlib
from urllib.parse import urlsplit

import pytest

from drpl.serve import guard, refusals, server
from drpl.serve.settings import Settings
from serving import Client, files_of, served_here, small_stack

LIMITS = {"max_pixels": 1_000_000, "max_bytes": 3_000_000, "max_frames": 5, "queue": 30}
TOKEN = "not-the-real-one-but-long"


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


@pytest.fixture(scope="module")
def page(url):
    client = Client(url)
    yield client
    client.http.close()


@pytest.fixture(scope="module")
def job(page):
    return page.fill(small_stack(2))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    store = tmp_path_factory.mktemp("guarded") / "store"
    with served_here(Settings(store, port=0, token=TOKEN)) as url:
        yield url


@pytest.fixture(autouse=True)
def unharmed(request, store):
    """After each attack the frames are there as before, and nothing else is."""
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


def ask(url, method, path, headers=(), body=None):
    """A request as it stands, nothing tidied up: status, headers and body."""
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
    """A bare connection."""
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


def answer_of(connection):
    """Status of the answer, or None where the connection is just ended."""
    try:
        found = connection.recv(65536)
    except ConnectionResetError:
        return None
    return int(found.split()[1]) if found else None


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
    def test_of_what_is_asked_for(self, url, job, path):
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
        ],
    )
    def test_of_file_names(self, page, job, store, name, kept):
        answer = page.put(job, name, small_stack(2)["img_1.png"])
        assert answer.status_code == 201
        assert answer.json()["name"] == kept
        assert (store / "jobs" / job / "frames" / kept).is_file()
        page.ask("DELETE", f"/jobs/{job}/frames/{answer.json()['n']}")

    def test_a_name_too_long_for_anybody(self, page, job):
        assert page.put(job, "n" * 5000, b"").status_code == 422

    @pytest.mark.parametrize("model", ["/etc", "../models/drpl-fast", "drpl-fast/../drpl", "nope"])
    def test_of_models(self, page, job, model):
        answer = page.start(job, [0, 1], options={"model": model})
        assert answer.status_code == 400
        assert "is unknown; expected one of" in answer.json()["error"]

    def test_a_folder_that_holds_a_model(self, page, job):
        from drpl.models import model_folder

        model = str(model_folder("drpl-fast"))
        assert page.start(job, [0, 1], options={"model": model}).status_code == 400


def bomb(width, height):
    """A PNG that announces many pixels in few bytes."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = zlib.compress(b"\0" * ((width + 7) // 8 + 1) * height)
    chunks = [(b"IHDR", header), (b"IDAT", row), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


class TestTooMuch:
    def test_a_decompression_bomb(self, page, job):
        content = bomb(20_000, 10_000)
        assert len(content) < 50_000
        answer = page.put(job, "bomb.png", content)
        assert answer.status_code == 415
        assert answer.json()["error"] == (
            "bomb.png: has 20000x10000 pixels; expected at most 1,000,000"
        )

    def test_ten_gigabytes_that_are_announced(self, url, job):
        with line(url) as connection:
            began = time.monotonic()
            path = f"/api/v1/jobs/{job}/frames?name=large.tif"
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n"
                "\r\nII*\0".encode()
            )
            assert answer_of(connection) == 413
            assert time.monotonic() - began < 1

    @pytest.mark.parametrize(
        ("beginning", "status", "most"),
        [(b"II*\0", (413, None), 20e6), (b"\0\0\0\0" * 5, (415, None), 20e6)],
    )
    def test_ten_gigabytes_that_are_not(self, url, job, store, beginning, status, most):
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

    def test_more_than_a_job_may_have(self, page, job):
        other, content = page.fill(small_stack(2)), small_stack(2)["img_1.png"]
        large = content + b"\0" * 1_300_000  # what follows a picture does not matter
        answers = [page.put(other, "a.png", large).status_code for _ in range(3)]
        assert answers == [201, 201, 413]
        assert page.put(other, "c.png", content).status_code == 201
        answer = page.put(other, "d.png", content)
        assert (answer.status_code, answer.json()["error"]) == (413, "a job has at most 5 frames")
        page.ask("DELETE", f"/jobs/{other}")

    def test_a_huge_request(self, page, job):
        body = json.dumps({"order": [0, 1], "preset": "p" * 2_000_000})
        headers = {"content-type": "application/json"}
        for content in (body.encode(), (part.encode() for part in (body, ""))):
            answer = page.ask("POST", f"/jobs/{job}/start", content=content, headers=headers)
            assert answer.status_code == 413

    @pytest.mark.parametrize(
        "body",
        ["[" * 100_000, '{"order": [' + "9" * 10_000 + "]}", '{"order": [NaN]}', "\ud800", "", "1"],
    )
    def test_a_nasty_request(self, page, job, body):
        headers = {"content-type": "application/json"}
        content = body.encode("utf-8", "surrogatepass")
        answer = page.ask("POST", f"/jobs/{job}/start", content=content, headers=headers)
        assert answer.status_code in (400, 422)
        assert answer.json()["error"]

    def test_ten_thousand_tiny_requests(self, url, page, job, caplog):
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
        refused = [r for r in caplog.records if r.getMessage().startswith("refused")]
        assert 1 <= len(refused) < 200
        for other in listed:
            if other["id"] != job:
                page.ask("DELETE", f"/jobs/{other['id']}")


class TestSlow:
    def test_a_body(self, url, job):
        with line(url) as connection:
            path = f"/api/v1/jobs/{job}/frames?name=slow.png"
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
                "\r\n\x89PNG".encode("latin-1")
            )
            began = time.monotonic()
            assert answer_of(connection) == 408
            assert 0.2 < time.monotonic() - began < 3

    def test_headers(self, url, job):
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

    def test_one_that_does_not_read(self, url, job):
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

    def test_one_that_says_nothing(self, url, job):
        with line(url) as connection:
            assert answer_of(connection) is None

    def test_an_upload_that_ends_in_the_middle(self, url, job):
        with line(url) as connection:
            path = f"/api/v1/jobs/{job}/frames?name=half.png"
            half = small_stack(2)["img_1.png"][:5000]
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n".encode()
                + half
            )


class TestOthersPages:
    @pytest.mark.parametrize(
        "host",
        ["evil.example", "evil.example:8765", "", "127.0.0.1.evil.example", "[::1", "10.0.0.1"],
    )
    def test_a_forged_host(self, url, job, host):
        assert ask(url, "GET", "/api/v1/jobs", [("Host", host)])[0] in (400, 421)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8765", "LOCALHOST"])
    def test_names_of_this_machine(self, url, host):
        assert ask(url, "GET", "/api/v1/jobs", [("Host", host)])[0] == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:1"},
            {"Origin": "http://127.0.0.1"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_a_forged_origin(self, page, job, headers):
        for method, path in (
            ("DELETE", f"/jobs/{job}"),
            ("POST", f"/jobs/{job}/cancel"),
            ("PUT", f"/jobs/{job}/frames?name=a.png"),
            ("POST", "/jobs"),
        ):
            assert page.ask(method, path, headers=headers, json={}).status_code == 403

    def test_our_own_origin(self, url, page, job):
        headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
        assert page.ask("POST", f"/jobs/{job}/cancel", headers=headers).status_code == 200

    def test_nothing_is_shared_with_others(self, page, job):
        for path in ("/api/v1/jobs", f"/api/v1/jobs/{job}/frames/0/thumbnail", "/"):
            answer = page.http.get(path, headers={"Origin": "https://evil.example"})
            assert answer.status_code == 200
            assert not any(name.startswith("access-control") for name in answer.headers)
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            stored = "no-cache" if path == "/" else "no-store"
            assert answer.headers["cache-control"] == stored
        assert page.ask("OPTIONS", "/jobs").status_code == 405

    def test_a_form_of_another_kind(self, page, job):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            headers = {"content-type": kind}
            answer = page.ask("POST", "/jobs", content=b'{"name": "n"}', headers=headers)
            assert answer.status_code == 422

    def test_a_picture_that_is_none_and_a_page_that_is_one(self, page, job):
        headers = {"content-type": "image/png"}
        evil = b"<html><script>alert(1)</script></html>"
        assert page.put(job, "a.png", evil, headers=headers).status_code == 415
        headers = {"content-type": "text/html"}
        content = small_stack(2)["img_1.png"]
        answer = page.put(job, "page.html", content, headers=headers)
        assert answer.status_code == 201
        n = answer.json()["n"]
        small = page.ask("GET", f"/jobs/{job}/frames/{n}/thumbnail")
        assert small.headers["content-type"] == "image/jpeg"
        page.ask("DELETE", f"/jobs/{job}/frames/{n}")

    def test_formats_with_a_wide_surface_are_not_even_opened(self, page, job):
        for name, content in (
            ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
            ("a.ppm", b"P6 1 1 255 \0\0\0"),
            ("a.gif", b"GIF89a\x01\0\x01\0\0\0\0;"),
        ):
            assert page.put(job, name, content).status_code == 415

    def test_what_is_not_http(self, url, job, caplog, monkeypatch):
        monkeypatch.setattr(refusals, "SHOWN", 1_000_000)
        for nonsense in (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" * 9, b"GET /\r\n\r\n"):
            with line(url) as connection:
                connection.sendall(nonsense)
                assert answer_of(connection) == 400
        assert any("Invalid HTTP" in record.getMessage() for record in caplog.records)

    def test_headers_without_end(self, url, job):
        with line(url) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
            assert answer_of(connection) in (400, None)


class TestTheToken:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": "Bearer "},
            {"Cookie": "drpl_token=wrong"},
            {"Cookie": 'drpl_token="; x=\u00e9'},
        ],
    )
    def test_none_or_a_wrong_one(self, guarded, headers):
        sent = [(name, value.encode("latin-1")) for name, value in headers.items()]
        for path in ("/", "/static/index.html", "/api/v1/jobs", "/?token=wrong", "/?token="):
            assert ask(guarded, "GET", path, sent)[0] == 401
        assert ask(guarded, "POST", f"/api/v1/jobs?token={TOKEN}", sent)[0] == 401

    def test_the_right_one(self, guarded):
        headers = [("Authorization", f"Bearer {TOKEN}")]
        assert ask(guarded, "GET", "/api/v1/jobs", headers)[0] == 200

    def test_a_visit(self, guarded):
        status, headers, _ = ask(guarded, "GET", f"/anything?token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        kept, *flags = headers["set-cookie"].split("; ")
        assert set(flags) == {"HttpOnly", "SameSite=Strict", "Path=/"}
        assert ask(guarded, "GET", "/api/v1/jobs", [("Cookie", kept)])[0] == 200

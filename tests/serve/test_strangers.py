"""Pages of other sites, forged requests, missing tokens: refused without any change."""

import pytest

from drpl.serve.settings import Settings
from serving import answer_of, ask, files_of, line, served_here, small_stack

TOKEN = "not-the-real-one-but-long"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("visited") / "store"


@pytest.fixture(scope="module")
def url(store):
    with served_here(Settings(store, port=0)) as url:
        yield url


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    store = tmp_path_factory.mktemp("guarded") / "store"
    with served_here(Settings(store, port=0, token=TOKEN)) as url:
        yield url


@pytest.fixture(autouse=True)
def unharmed(page, job, store):
    """Check after each request that the job is unchanged and the only one."""
    before = files_of(store / "jobs" / job)
    yield
    assert files_of(store / "jobs" / job) == before
    assert [other["id"] for other in page.get("/jobs")] == [job]


class TestOtherSites:
    @pytest.mark.parametrize(
        "host",
        ["evil.example", "evil.example:8765", "", "127.0.0.1.evil.example", "[::1", "10.0.0.1"],
    )
    def test_a_forged_host_is_refused(self, url, job, host, logged):
        assert ask(url, "GET", "/api/v1/jobs", [("Host", host)])[0] in (400, 421)
        assert logged("4")

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8765", "LOCALHOST"])
    def test_names_of_this_machine_are_served(self, url, host):
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
    def test_a_forged_origin_is_refused(self, page, job, headers, logged):
        for method, path in (
            ("DELETE", f"/jobs/{job}"),
            ("POST", f"/jobs/{job}/cancel"),
            ("PUT", f"/jobs/{job}/frames?name=a.png"),
            ("POST", "/jobs"),
        ):
            assert page.ask(method, path, headers=headers, json={}).status_code == 403
        assert len(logged(403)) == 4

    def test_the_own_origin_is_accepted(self, url, page, job):
        headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
        assert page.ask("POST", f"/jobs/{job}/cancel", headers=headers).status_code == 200

    def test_nothing_is_shared_with_other_sites(self, page, job):
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

    def test_forms_are_refused(self, page, job):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            headers = {"content-type": kind}
            answer = page.ask("POST", "/jobs", content=b'{"name": "n"}', headers=headers)
            assert answer.status_code == 422

    def test_content_decides_what_is_a_picture(self, page, job):
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

    def test_formats_with_a_large_attack_surface_are_never_opened(self, page, job):
        for name, content in (
            ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
            ("a.ppm", b"P6 1 1 255 \0\0\0"),
            ("a.gif", b"GIF89a\x01\0\x01\0\0\0\0;"),
        ):
            assert page.put(job, name, content).status_code == 415

    def test_data_that_are_not_http_are_refused(self, url, job, logged):
        for nonsense in (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" * 9, b"GET /\r\n\r\n"):
            with line(url) as connection:
                connection.sendall(nonsense)
                assert answer_of(connection) == 400
        assert len(logged(400)) == 2

    def test_endless_headers_are_refused(self, url, job):
        with line(url) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
            assert answer_of(connection) in (400, None)


class TestToken:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": "Bearer "},
            {"Cookie": "drpl_token=wrong"},
            {"Cookie": 'drpl_token="; x=\u00e9'},
            {"Cookie": "drpl_token"},
        ],
    )
    def test_a_missing_or_wrong_token_is_refused(self, guarded, headers, logged):
        sent = [(name, value.encode("latin-1")) for name, value in headers.items()]
        for path in ("/", "/static/index.html", "/api/v1/jobs", "/?token=wrong", "/?token="):
            assert ask(guarded, "GET", path, sent)[0] == 401
        assert ask(guarded, "POST", f"/api/v1/jobs?token={TOKEN}", sent)[0] == 401
        assert len(logged(401)) == 6
        assert not any(TOKEN in line for line in logged(401))

    def test_the_right_token_is_accepted(self, guarded):
        headers = [("Authorization", f"Bearer {TOKEN}")]
        assert ask(guarded, "GET", "/api/v1/jobs", headers)[0] == 200

    def test_a_visit_sets_the_cookie(self, guarded):
        status, headers, _ = ask(guarded, "GET", f"/anything?token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        kept, *flags = headers["set-cookie"].split("; ")
        assert set(flags) == {"HttpOnly", "SameSite=Strict", "Path=/"}
        for cookies in (kept, f'theme={{"dark": [1, 2]}}; {kept}', f"a[b]=c; {kept}; \u00e9=1"):
            sent = [("Cookie", cookies.encode("latin-1"))]
            assert ask(guarded, "GET", "/api/v1/jobs", sent)[0] == 200

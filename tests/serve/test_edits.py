"""Strokes over a stored result: the pixels of the terminal, and renewed tiles."""

import json
import os
import shutil
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import cv2
import numpy as np
import pytest

from drpl.core.options import FusionOptions
from drpl.io.read import read_frame
from drpl.serve.jobs.store import Store
from drpl.serve.settings import Settings
from fusing import fuse_to
from serving import Client, files_of, served_here, small_stack

SIZE = [330, 280]
OPTIONS = {"options": {"motion": "translation"}}
FIRST = {"frame": 0, "radius": 30, "softness": 0.5, "points": [[250, 60], [270, 80]]}
SECOND = {"frame": 2, "radius": 25.5, "softness": 0.9, "points": [[60, 150]]}
SOFT_OVER = {"frame": 1, "radius": 40, "softness": 1, "points": [[240, 70], [100, 160]]}


@pytest.fixture(scope="module")
def files():
    return small_stack(3, 280, 330)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("edited") / "store"


@pytest.fixture(scope="module")
def client(store):
    with served_here(Settings(store, port=0)) as url:
        client = Client(url)
        yield client
        client.http.close()


@pytest.fixture(scope="module")
def job(client, files):
    job = client.run(files, **OPTIONS)
    client.wait(job, "done")
    return job


@pytest.fixture(autouse=True)
def as_fused(client, job):
    yield
    put(client, job)


def exists_below(folder, name):
    """Return True if a folder that other processes write to holds a file of this name."""
    return any(name in files for _, _, files in os.walk(folder))


def put(client, job, *strokes):
    answer = client.ask("PUT", f"/jobs/{job}/edits", json=edit_list(*strokes))
    assert answer.status_code == 200, answer.text
    return answer.json()["changed"]


def edit_list(*strokes):
    return {"edits": 1, "size": SIZE, "strokes": list(strokes)}


def download(client, job, what):
    answer = client.ask("GET", f"/jobs/{job}/download/{what}")
    assert answer.status_code == 200, answer.text
    return answer.content


def by_terminal(folder, files, edits):
    """Return what `drpl fuse --edits` writes: TIFF, maps and report."""
    (folder / "edits.json").write_bytes(edits)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    options = FusionOptions(motion="translation")
    _, about = fuse_to(
        list(files), "fused.tif", options, maps="maps", report="report.json", edits="edits.json"
    )
    maps = {path.name: path.read_bytes() for path in (folder / "maps").iterdir()}
    return (folder / "fused.tif").read_bytes(), maps, json.loads(json.dumps(about))


def tiles(client, job, layer):
    """Return all tiles of the largest level as one picture."""
    info = client.get(f"/jobs/{job}/layers/{layer}")
    rows, cols = (-(-info[side] // 256) for side in ("height", "width"))
    level = info["levels"] - 1
    return np.vstack(
        [
            np.hstack([tile(client, job, layer, level, col, row) for col in range(cols)])
            for row in range(rows)
        ]
    )


def tile(client, job, layer, level, col, row):
    answer = client.ask("GET", f"/jobs/{job}/layers/{layer}/{level}/{col}_{row}")
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_downloads_equal_the_files_of_the_terminal(client, job, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for strokes in ([FIRST], [FIRST, SECOND], [FIRST, SECOND, SOFT_OVER]):
        put(client, job, *strokes)  # one stroke more each time
    assert client.get(f"/jobs/{job}")["retouched"]
    fused, maps, report = by_terminal(tmp_path, files, download(client, job, "edits.json"))
    assert download(client, job, "fused.tif") == fused
    with zipfile.ZipFile(BytesIO(download(client, job, "maps.zip"))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == maps
    mine = client.get(f"/jobs/{job}/report")
    varying = {"seconds", "peak_memory_mb", "words"}
    assert {k: v for k, v in mine.items() if k not in varying} == {
        k: v for k, v in report.items() if k not in varying
    }
    assert mine["edits"]["strokes"] == [1, 1, 1]
    png = cv2.imdecode(np.frombuffer(download(client, job, "fused.png"), np.uint8), 1)
    assert (png[..., ::-1] == read_frame(tmp_path / "fused.tif").pixels).all()


def test_undone_strokes_leave_no_trace(client, job):
    before = {name: download(client, job, name) for name in ("fused.tif", "maps.zip")}
    layers = {name: tiles(client, job, name) for name in ("index", "confidence", "depth")}
    for strokes in ([FIRST], [FIRST, SOFT_OVER], [FIRST], [SECOND], []):
        put(client, job, *strokes)
    assert not client.get(f"/jobs/{job}")["retouched"]
    assert {name: download(client, job, name) for name in before} == before
    for name, picture in layers.items():
        assert (tiles(client, job, name) == picture).all()
    apart = np.abs(tiles(client, job, "retouched").astype(int) - tiles(client, job, "fused"))
    assert apart.max() == 0


def test_tiles_change_within_the_stroke_only(client, job):
    fused, index = tiles(client, job, "fused").astype(int), tiles(client, job, "index")
    left, top, width, height = put(client, job, FIRST)
    inside = np.zeros(index.shape[:2], bool)
    inside[top : top + height, left : left + width] = True
    assert (left, top, width, height) == (220, 30, 81, 81)
    client.get(f"/jobs/{job}/layers/frame-0")
    frame = tiles(client, job, "frame-0").astype(int)
    retouched = tiles(client, job, "retouched").astype(int)
    core = (slice(66, 75), slice(256, 265))
    assert np.abs(retouched - frame)[core].mean() < 3 < np.abs(fused - frame)[core].mean()
    around = cv2.dilate(inside.astype(np.uint8), np.ones((17, 17))) > 0  # blocks of JPEG
    assert np.abs(retouched - fused)[~around].max() <= 1
    changed = (tiles(client, job, "index") != index).any(-1)
    assert changed.any()
    assert not (changed & ~inside).any()
    assert (tiles(client, job, "confidence")[core] == 255).all()
    assert (tiles(client, job, "depth")[core] == 0).all()
    coarse = tile(client, job, "index", 0, 0, 0)
    assert (coarse == tiles(client, job, "index")[::2, ::2]).all()


def test_an_interrupted_stroke_is_taken_back(client, job, store, files, tmp_path, monkeypatch):
    """Earlier strokes are kept; no stroke is kept in part."""
    monkeypatch.chdir(tmp_path)
    put(client, job, FIRST)
    index = tiles(client, job, "index")
    put(client, job, FIRST, SECOND)
    folder = store / "jobs" / job / "result" / "retouched"
    (folder / "edits.json").write_text(json.dumps(edit_list(FIRST)))
    (folder / "changing").touch()
    (folder / "fused.tif").unlink(missing_ok=True)
    planes = np.load(folder / "fused.npy", mmap_mode="r+")
    planes[:50] = 0  # half done
    planes.flush()
    assert client.get(f"/jobs/{job}/edits") == edit_list(FIRST)
    wanted = json.dumps(edit_list(FIRST)).encode()
    assert download(client, job, "fused.tif") == by_terminal(tmp_path, files, wanted)[0]
    assert (tiles(client, job, "index") == index).all()


def test_a_stroke_outside_the_picture_is_kept(client, job):
    beside = FIRST | {"points": [[-300, -200]]}
    assert put(client, job, beside) == [0, 0, 0, 0]
    assert client.get(f"/jobs/{job}/edits") == edit_list(beside)
    assert client.get(f"/jobs/{job}/report")["edits"]["strokes"] == [1, 0, 0]
    assert client.get(f"/jobs/{job}/layers/retouched")["width"] == SIZE[0]
    assert put(client, job, beside, SECOND) != [0, 0, 0, 0]
    assert client.get(f"/jobs/{job}/report")["edits"]["strokes"] == [1, 0, 1]


def test_report_and_edits_are_readable_while_painting(client, job):
    put(client, job, FIRST)
    statuses = set()
    with ThreadPoolExecutor(1) as pool:
        for count in range(2, 7):
            drawn = pool.submit(put, client, job, *[FIRST] * count)
            while not drawn.done():
                for what in ("report", "edits", "download/report.json", "download/edits.json"):
                    statuses.add(client.ask("GET", f"/jobs/{job}/{what}").status_code)
            drawn.result()
    assert statuses == {200}


def test_replaced_tiles_are_never_read_in_part(client, job, store):
    put(client, job, FIRST)
    tile = (
        store / "jobs" / job / "result" / "layers" / "retouched" / "tiles_files" / "0" / "0_0.jpg"
    )
    kept = tile.read_bytes()
    contents, done = [kept, kept[:100]], threading.Event()

    def replace():
        while not done.is_set():
            for content in contents:
                partial = tile.with_name(".partial")
                partial.write_bytes(content)
                partial.replace(tile)
        partial.write_bytes(kept)
        partial.replace(tile)

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        try:
            for _ in range(300):
                answer = client.ask("GET", f"/jobs/{job}/layers/retouched/0/0_0")
                assert answer.content in contents
                assert answer.headers["content-type"] == "image/jpeg"
        finally:
            done.set()
        replacing.result()


class TestMeanwhile:
    """Strokes that end after their job has changed."""

    @pytest.fixture
    def home(self, tmp_path):
        return tmp_path / "store"

    @pytest.fixture
    def served(self, home, files):
        with served_here(Settings(home, port=0)) as url:
            client = Client(url)
            job = client.run(files, **OPTIONS)
            client.wait(job, "done")
            yield client, job
            client.http.close()

    @pytest.fixture
    def drawing(self, served):
        """Return the pending response to strokes that take a while."""
        client, job = served
        with ThreadPoolExecutor(1) as pool:
            strokes = edit_list(*[SOFT_OVER, FIRST] * 100)
            yield pool.submit(client.ask, "PUT", f"/jobs/{job}/edits", json=strokes)

    def underway(self, home, job):
        deadline = time.monotonic() + 30
        while not exists_below(home / "jobs" / job, "fused.npy"):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def test_the_job_is_started_again(self, served, drawing, home):
        client, job = served
        self.underway(home, job)
        assert client.start(job, [0, 1, 2], **OPTIONS).status_code == 202
        answer = drawing.result()
        assert (answer.status_code, "meanwhile" in answer.json()["error"]) == (409, True)
        assert not client.wait(job, "done")["retouched"]
        assert client.ask("GET", f"/jobs/{job}/report").status_code == 200

    def test_the_job_is_removed(self, served, drawing, home):
        client, job = served
        self.underway(home, job)
        assert client.ask("DELETE", f"/jobs/{job}").status_code == 204
        assert drawing.result().status_code == 409
        assert list((home / "jobs").iterdir()) == []
        assert [other["id"] for other in client.get("/jobs")] == []

    def test_the_service_stops(self, home, files):
        with ThreadPoolExecutor(1) as pool, served_here(Settings(home, port=0)) as url:
            client = Client(url)
            job = client.run(files, **OPTIONS)
            client.wait(job, "done")
            before = tiles(client, job, "index")
            strokes = edit_list(*[SOFT_OVER, FIRST] * 3000)
            drawing = pool.submit(client.ask, "PUT", f"/jobs/{job}/edits", json=strokes)
            self.underway(home, job)
        assert drawing.exception() is not None or drawing.result().status_code != 200
        client.http.close()
        with served_here(Settings(home, port=0)) as url:
            client = Client(url)
            assert client.get(f"/jobs/{job}/edits")["strokes"] == []
            deadline = time.monotonic() + 30
            while exists_below(home / "jobs" / job, "changing") and time.monotonic() < deadline:
                time.sleep(0.02)
            assert not exists_below(home / "jobs" / job, "changing")
            assert (tiles(client, job, "index") == before).all()
            assert put(client, job, FIRST) == [220, 30, 81, 81]
            assert client.get(f"/jobs/{job}")["retouched"]
            client.http.close()


def test_planes_without_room_are_refused(client, job, store, monkeypatch):
    """The room of 0.9 MB holds the planes of the result and of one frame."""
    monkeypatch.setattr(Store, "room", lambda *_: 900_000)
    shutil.rmtree(store / "jobs" / job / "result" / "retouched")
    strokes = [FIRST | {"frame": frame} for frame in range(3)]
    answer = client.ask("PUT", f"/jobs/{job}/edits", json=edit_list(*strokes))
    assert (answer.status_code, "no room" in answer.json()["error"]) == (422, True)
    assert sum(files_of(store / "jobs" / job / "result" / "retouched").values()) < 900_000
    put(client, job, strokes[0])


def test_a_stroke_from_a_missing_frame_is_refused(client, job, store):
    before = tiles(client, job, "index")
    lost = store / "jobs" / job / "frames" / "img_3.png"
    away = shutil.move(lost, store.parent / "away.png")
    put(client, job, FIRST)
    kept = download(client, job, "fused.tif")
    for path in (store / "jobs" / job / "result" / "retouched").glob("frame-2*"):
        path.unlink()
    answer = client.ask("PUT", f"/jobs/{job}/edits", json=edit_list(FIRST, SECOND))
    assert (answer.status_code, "img_3.png" in answer.json()["error"]) == (422, True)
    assert download(client, job, "fused.tif") == kept
    assert client.get(f"/jobs/{job}/edits")["strokes"] == [FIRST]
    shutil.move(away, lost)
    put(client, job)
    assert (tiles(client, job, "index") == before).all()


@pytest.mark.parametrize(
    ("edits", "word"),
    [
        (edit_list(FIRST | {"frame": 3}), "frame 3"),
        (edit_list(FIRST | {"frame": "../img.png"}), "frame is"),
        (edit_list(FIRST | {"radius": 1e9}), "radius"),
        (edit_list() | {"size": [10, 10]}, "330x280"),
        (edit_list() | {"edits": 2}, "version"),
        ([], "JSON object"),
        ("x" * 9_000_000, "too large"),
    ],
)
def test_wrong_edits_are_refused(client, job, edits, word):
    content = json.dumps(edits).encode()
    headers = {"content-type": "application/json"}
    pieces = (content[start : start + 65536] for start in range(0, len(content), 65536))
    answer = client.ask("PUT", f"/jobs/{job}/edits", content=pieces, headers=headers)
    assert answer.status_code == (413 if word == "too large" else 422)
    assert word in answer.json()["error"]
    assert client.get(f"/jobs/{job}/edits")["strokes"] == []

"""Jobs of a real service: uploads, fusion, results, queue, restarts; as the terminal does it."""

import json
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from drawing import draw_texture
from drpl.core.options import FusionOptions
from drpl.io.formats import WRITABLE
from drpl.io.read import read_frame
from drpl.io.write import write_image
from fusing import fuse_to
from serving import (
    PATIENCE,
    Served,
    events,
    files_of,
    gone,
    png,
    slow_stack,
    small_stack,
)

SLOW = {"options": {"method": "drpl", "align": False}}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    shots = folder / "shots"
    for stack in ("flower", "stone"):
        (shots / stack).mkdir(parents=True)
        for name, content in small_stack(3).items():
            (shots / stack / name).write_bytes(content)
    (folder / "outside.png").write_bytes(next(iter(small_stack().values())))
    (shots / "linked").mkdir()
    (shots / "linked" / "a.png").symlink_to(folder / "outside.png")
    (shots / "linked" / "b.png").symlink_to(shots / "stone" / "img_1.png")
    served = Served(folder / "store", str(shots), "--demo")
    yield served
    served.end()


@pytest.fixture
def client(served):
    return served.client()


@pytest.fixture(scope="module")
def job(served):
    client = served.client()
    how = {"preset": "microscope", "options": {"motion": "translation"}, "reference": 1}
    return client.run(small_stack(4), "ants & bees", **how)


@pytest.fixture(scope="module")
def draft(served):
    client = served.client()
    job = client.fill(small_stack(3))
    client.ask("DELETE", f"/jobs/{job}/frames/2")
    return job


def pixels(answer):
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)


class TestJob:
    def test_events_report_every_state(self, client, job):
        seen = events(client, job)
        states = list(dict.fromkeys(event["state"] for event in seen))
        assert states in (["queued", "running", "done"], ["running", "done"])
        stages = [event["progress"]["stage"] for event in seen if event["progress"]]
        assert set(stages) <= {"look", "fuse", "write", "layers"}
        assert "look" in stages
        last = seen[-1]
        assert (last["width"], last["height"], last["progress"]) == (170, 120, None)
        assert [frame["name"] for frame in last["frames"]] == list(small_stack(4))

    def test_the_files_are_those_of_the_terminal(self, client, job, tmp_path, monkeypatch):
        client.wait(job, "done")
        monkeypatch.chdir(tmp_path)
        for name, content in small_stack(4).items():
            (tmp_path / name).write_bytes(content)
        options = FusionOptions(
            exposure=False, motion="translation", reference=1, clean_sensor=False
        )
        _, about = fuse_to(
            list(small_stack(4)), "fused.tif", options, maps="maps", report="report.json"
        )
        answer = client.ask("GET", f"/jobs/{job}/download/fused.tif")
        assert answer.content == (tmp_path / "fused.tif").read_bytes()
        assert "attachment" in answer.headers["content-disposition"]
        report = client.ask("GET", f"/jobs/{job}/download/report.json").json()
        varying = ("seconds", "peak_memory_mb")
        assert {k: v for k, v in report.items() if k not in varying} == {
            k: v for k, v in json.loads(json.dumps(about)).items() if k not in varying
        }
        maps = client.ask("GET", f"/jobs/{job}/download/maps.zip").content
        with zipfile.ZipFile(BytesIO(maps)) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == {
                path.name: path.read_bytes() for path in (tmp_path / "maps").iterdir()
            }

    def test_other_formats_hold_the_same_picture(self, client, job):
        client.wait(job, "done")
        tiff, whole, lossy = (
            pixels(client.ask("GET", f"/jobs/{job}/download/fused.{suffix}")).astype(int)
            for suffix in ("tif", "png", "jpg")
        )
        assert (tiff == whole).all()
        assert 0 < np.abs(tiff - lossy).mean() < 6

    def test_the_report_has_sentences(self, client, job):
        client.wait(job, "done")
        words = client.get(f"/jobs/{job}/report")["words"]
        assert words[0] == "4 of 4 frames were fused into 170 x 120 pixels."

    def test_layers_show_the_maps(self, client, job):
        client.wait(job, "done")
        maps = client.ask("GET", f"/jobs/{job}/download/maps.zip").content
        with zipfile.ZipFile(BytesIO(maps)) as archive:
            found = {
                name: cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), -1)
                for name in archive.namelist()
            }
        for layer, name in (
            ("index", "index_map.png"),
            ("confidence", "confidence.png"),
            ("depth", "depth.png"),
        ):
            about = client.get(f"/jobs/{job}/layers/{layer}")
            assert about == {"width": 170, "height": 120, "tile": 256, "levels": 1}
            tile = pixels(client.ask("GET", f"/jobs/{job}/layers/{layer}/0/0_0"))
            if layer == "index":
                assert (tile[..., :2] == 0).all()  # blue and green
                tile = tile[..., 2]
            assert (tile == found[name]).all()

    def test_layers_of_frames_show_them_as_they_were_fused(self, client, job):
        client.wait(job, "done")
        fused = pixels(client.ask("GET", f"/jobs/{job}/layers/fused/0/0_0")).astype(int)
        index = pixels(client.ask("GET", f"/jobs/{job}/layers/index/0/0_0"))[..., 2]
        for place in (0, 3):
            client.get(f"/jobs/{job}/layers/frame-{place}")
            frame = pixels(client.ask("GET", f"/jobs/{job}/layers/frame-{place}/0/0_0"))
            apart = np.abs(frame.astype(int) - fused).mean(-1)
            inside = cv2.erode((index == place).astype(np.uint8), np.ones((31, 31))) > 0
            assert inside.any()
            assert apart[inside].mean() < 2
            assert apart[~inside].mean() > 4

    def test_missing_layers_tiles_and_files_are_404(self, client, job):
        client.wait(job, "done")
        for path in ("layers/frame-4", "layers/retouched", "layers/fused/1/0_0", "layers/x"):
            assert client.ask("GET", f"/jobs/{job}/{path}").status_code == 404
        for path in ("layers/fused/0/1_0", "frames/9/thumbnail", "download/passwd"):
            assert client.ask("GET", f"/jobs/{job}/{path}").status_code == 404

    def test_thumbnails_are_jpegs(self, client, job):
        answer = client.ask("GET", f"/jobs/{job}/frames/0/thumbnail")
        assert answer.headers["content-type"] == "image/jpeg"
        assert pixels(answer).shape == (120, 170, 3)

    def test_a_job_is_fused_again_with_other_options(self, client, job):
        client.wait(job, "done")
        assert client.put(job, "extra.png", png(draw_texture(120, 170))).status_code == 201
        assert client.ask("DELETE", f"/jobs/{job}/frames/0").status_code == 409
        assert client.ask("DELETE", f"/jobs/{job}/frames/4").status_code == 204
        how = {"options": {"method": "average", "align": False}}
        assert client.start(job, [3, 0], **how).status_code == 202
        assert client.wait(job, "done")["order"] == [3, 0]
        report = client.get(f"/jobs/{job}/report")
        assert [frame["name"] for frame in report["frames"]] == ["img_4.png", "img_1.png"]


class TestDeepPictures:
    def test_16_bits_alpha_and_several_tiles(self, client, tmp_path):
        texture = draw_texture(300, 700)
        deep = np.dstack([texture, np.full((300, 700), 255, np.uint8)]).astype(np.uint16) * 257
        files = {name: cv2.imencode(".png", deep)[1].tobytes() for name in ("a.png", "b.png")}
        job = client.run(files, options={"align": False})
        client.wait(job, "done")
        (tmp_path / "f.tif").write_bytes(
            client.ask("GET", f"/jobs/{job}/download/fused.tif").content
        )
        assert read_frame(tmp_path / "f.tif").pixels.dtype == np.uint16
        about = client.get(f"/jobs/{job}/layers/fused")
        assert about == {"width": 700, "height": 300, "tile": 256, "levels": 3}
        sizes = [
            pixels(client.ask("GET", f"/jobs/{job}/layers/fused/{place}")).shape
            for place in ("0/0_0", "1/1_0", "2/2_1")
        ]
        assert sizes == [(75, 175, 3), (150, 94, 3), (44, 188, 3)]
        lossy = pixels(client.ask("GET", f"/jobs/{job}/download/fused.jpg"))
        assert np.abs(lossy.astype(int) - texture).mean() < 6


class TestManyJobs:
    def test_two_clients_run_two_jobs(self, served):
        def one(seed):
            client = served.client()
            job = client.run(small_stack(3, seed=seed), options={"align": False})
            client.wait(job, "done")
            return client.ask("GET", f"/jobs/{job}/download/fused.tif").content

        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(one, (5, 6)))
        assert both[0] != both[1]

    def test_jobs_have_places_in_the_queue_and_can_leave_it(self, client):
        first, *others = [client.run(slow_stack(), **SLOW) for _ in range(3)]
        assert [client.get(f"/jobs/{job}")["place"] for job in others] == [1, 2]
        listed = {job["id"]: job for job in client.get("/jobs")}
        assert (listed[others[1]]["place"], listed[others[1]]["count"]) == (2, 2)
        assert client.ask("POST", f"/jobs/{others[0]}/cancel").json()["state"] == "cancelled"
        assert client.get(f"/jobs/{others[1]}")["place"] == 1
        for job in (first, *others):
            assert client.ask("DELETE", f"/jobs/{job}").status_code == 204
            assert client.ask("GET", f"/jobs/{job}").status_code == 404

    def test_cancel_kills_the_process(self, served, client):
        job = client.fill(slow_stack())
        before = set(served.workers())
        client.start(job, [0, 1], **SLOW)
        client.wait(job, "running")
        began = set()
        while not began:
            began = set(served.workers()) - before
        assert client.ask("POST", f"/jobs/{job}/cancel").status_code == 200
        assert gone(began)
        assert client.get(f"/jobs/{job}")["state"] == "cancelled"
        assert not any("result" in path for path in files_of(served.store / "jobs" / job))
        assert client.ask("GET", f"/jobs/{job}/report").status_code == 409
        assert client.start(job, [0, 1], options={"method": "average"}).status_code == 202
        client.wait(job, "done")


class TestUploads:
    def test_a_broken_file_is_refused_and_the_others_are_fused(self, client):
        job, files = client.create(), small_stack(2)
        good = list(files.items())
        assert client.put(job, *good[0]).status_code == 201
        for name, content in (
            ("cut.png", good[1][1][:-2000]),
            ("words.png", b"these are words"),
            ("nothing.png", b""),
            ("page.jpg", b"\xff\xd8\xff but no picture"),
        ):
            answer = client.put(job, name, content)
            assert answer.status_code == 415
            assert name in answer.json()["error"]
            assert "/" not in answer.json()["error"]
        assert client.put(job, *good[1]).json()["n"] == 1
        assert client.start(job, [0, 1]).status_code == 202
        assert len(client.wait(job, "done")["frames"]) == 2

    @pytest.mark.parametrize("suffix", [*sorted(WRITABLE), ".bmp"])
    def test_all_formats_are_accepted(self, client, tmp_path, suffix):
        if suffix == ".bmp":
            Image.fromarray(draw_texture(60, 80)).save(tmp_path / "a.bmp")
        else:
            write_image(tmp_path / f"a{suffix}", draw_texture(60, 80))
        job = client.create()
        answer = client.put(job, "a.picture", (tmp_path / f"a{suffix}").read_bytes())
        assert answer.status_code == 201
        assert (answer.json()["width"], answer.json()["channels"]) == (80, 3)
        client.ask("DELETE", f"/jobs/{job}")

    def test_a_name_that_is_taken_gets_a_number(self, client):
        job, content = client.create(), next(iter(small_stack().values()))
        names = [client.put(job, "a.png", content).json()["name"] for _ in range(3)]
        assert names == ["a.png", "a-2.png", "a-3.png"]

    def test_frames_that_are_no_stack_fail_with_the_reason(self, client):
        files = {"a.png": png(draw_texture(90, 120)), "b.png": png(draw_texture(90, 121))}
        job = client.run(files)
        found = client.wait(job, "failed")
        assert found["error"].startswith("a.png and b.png differ in size: 120x90 and 121x90")

    @pytest.mark.parametrize(
        ("body", "status", "word"),
        [
            ({"order": [0]}, 400, "two or more"),
            ({"order": [0, 0]}, 422, "twice"),
            ({"order": [0, 7]}, 422, "does not exist"),
            ({"order": [0, 1], "reference": 2}, 422, "reference"),
            ({"order": [0, 1], "preset": "party"}, 400, "preset"),
            ({"order": [0, 1], "options": {"scale": 3}}, 400, "scale"),
            ({"order": [0, 1], "options": {"align": "yes"}}, 400, "align"),
            ({"order": [0, 1], "options": {"threads": 64}}, 400, "not offered"),
            ({"order": [0, 1], "options": {"tile": 64}}, 400, "not offered"),
            ({"order": [0, 1], "more": 1}, 422, "more"),
            ({"order": "01"}, 422, "order"),
        ],
    )
    def test_a_wrong_start_is_refused(self, client, draft, body, status, word):
        answer = client.ask("POST", f"/jobs/{draft}/start", json=body)
        assert (answer.status_code, word in answer.json()["error"]) == (status, True)
        assert client.get(f"/jobs/{draft}")["state"] == "draft"


class TestOffer:
    def test_options_follow_the_fusion_options(self, client):
        offered = client.get("/options")
        options = {option["name"]: option for option in offered["options"]}
        assert options["compose"]["choices"] == ["select", "pyramid"]
        assert options["scale"]["choices"] == [0, 1, 2, 4]
        assert options["align"]["type"] == "bool"
        assert "drpl-fast" in options["method"]["choices"]
        assert {"threads", "tile", "max_memory", "value_range", "reference"}.isdisjoint(options)
        assert offered["limits"]["frames"] == 1000
        assert ".png" in offered["formats"]

    def test_stacks_of_the_folder_are_fused_in_place(self, served, client):
        offered = {stack["name"]: stack for stack in client.get("/options")["stacks"]}
        assert set(offered) == {"flower", "stone"}  # the third links out of the folder
        job = client.create(stack=offered["stone"]["id"])
        assert client.put(job, "more.png", b"").status_code == 409
        assert client.ask("GET", f"/jobs/{job}/frames/1/thumbnail").status_code == 200
        client.start(job, [0, 1, 2])
        client.wait(job, "done")
        names = [frame["name"] for frame in client.get(f"/jobs/{job}/report")["frames"]]
        assert names == ["img_1.png", "img_2.png", "img_3.png"]
        before = files_of(served.store.parent / "shots")
        assert client.ask("DELETE", f"/jobs/{job}").status_code == 204
        assert files_of(served.store.parent / "shots") == before
        assert client.ask("POST", "/jobs", json={"stack": "0" * 16}).status_code == 404

    def test_the_drawn_scene_is_a_stack(self, client):
        job = client.create(demo=True)
        frames = client.get(f"/jobs/{job}")["frames"]
        assert [(frame["width"], frame["height"]) for frame in frames] == [(960, 640)] * 2


class TestRestart:
    def test_a_killed_service_resumes_its_jobs(self, tmp_path):
        served = Served(tmp_path / "store")
        client = served.client()
        running = client.run(slow_stack(), **SLOW)
        waiting = client.run(small_stack(3), options={"align": False})
        draft = client.create(name="later")
        client.put(draft, "a.png", next(iter(small_stack().values())))
        client.wait(running, "running")
        while not (workers := served.workers()):
            pass
        served.end(signal.SIGKILL)
        assert gone(workers)
        half = tmp_path / "store" / "jobs" / draft / "arriving-0123"
        half.mkdir()
        orphan = tmp_path / "store" / "jobs" / ("0" * 32)
        orphan.mkdir()
        foreign = tmp_path / "store" / "jobs" / "mine"
        foreign.mkdir()
        served = Served(tmp_path / "store")
        client = served.client()
        assert [path.exists() for path in (half, orphan, foreign)] == [False, False, True]
        assert client.get(f"/jobs/{draft}")["count"] == 1
        assert client.ask("GET", f"/jobs/{draft}/frames/0/thumbnail").status_code == 200
        for job in (running, waiting):
            client.wait(job, "done")
            assert client.ask("GET", f"/jobs/{job}/download/fused.tif").status_code == 200
        assert "queued again" in served.log.read_text()
        assert served.end() in (0, -signal.SIGTERM)

    def test_ctrl_c_queues_the_running_job_again(self, tmp_path):
        served = Served(tmp_path / "store")
        client = served.client()
        job = client.run(slow_stack(), **SLOW)
        client.wait(job, "running")
        while not (workers := served.workers()):
            pass
        with client.http.stream("GET", f"/api/v1/jobs/{job}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: job"
            began = time.monotonic()
            assert served.end(signal.SIGINT) == 0
        assert time.monotonic() - began < 2
        assert gone(workers)
        assert not any(word in served.log.read_text() for word in ("Traceback", "Cancel"))
        again = Served(tmp_path / "store")
        assert again.client().get(f"/jobs/{job}")["state"] in ("queued", "running")
        again.end()

    def test_two_services_do_not_share_a_store(self, tmp_path):
        served = Served(tmp_path / "store")
        command = [sys.executable, "-m", "drpl", "serve", "--store", tmp_path / "store", "--port"]
        ended = subprocess.run([*command, "0"], capture_output=True, text=True, timeout=PATIENCE)
        assert ended.returncode == 9
        assert "another drpl serve uses this store" in ended.stderr
        port = served.url.rstrip("/").rsplit(":", 1)[1]
        other = [*command[:-2], tmp_path / "other", "--port", port]
        ended = subprocess.run(other, capture_output=True, text=True, timeout=PATIENCE)
        assert ended.returncode == 9
        assert f"port {port}: cannot listen there" in ended.stderr
        served.end()

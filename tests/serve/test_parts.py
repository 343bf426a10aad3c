"""Parts of the service without network: store, settings, command, log, forecast, sentences."""

import logging
import sys
import time
from unittest.mock import Mock

import numpy as np
import pytest
from typer.testing import CliRunner

from drpl.cli import main as cli
from drpl.cli import serve as serve_command
from drpl.errors import BackendUnavailable, ConfigError
from drpl.results.report import in_words
from drpl.serve.http import refusals
from drpl.serve.jobs.jobs import Frame, Job
from drpl.serve.jobs.store import Store
from drpl.serve.settings import Settings, default_store, is_loopback
from drpl.serve.work import layers, workers


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    yield store
    store.close()


def again(store, tmp_path):
    store.close()
    return Store(tmp_path / "store")


class TestStore:
    def test_saved_jobs_are_read_again(self, store, tmp_path):
        job = Job(name="n", options={"scale": 2}, order=[0])
        store.add(job)
        frame = Frame(0, "a.png", 3, 4, 5, "uint8", 1)
        store.add_frame(job, frame)
        store = again(store, tmp_path)
        assert store.jobs == {job.id: job}
        store.remove(job)
        store = again(store, tmp_path)
        assert store.jobs == {}
        store.close()

    def test_a_frame_is_saved_whole_or_not_at_all(self, store, tmp_path, monkeypatch):
        job = Job()
        store.add(job)
        monkeypatch.setattr(store, "save", Mock(side_effect=OSError("killed here")))
        with pytest.raises(OSError, match="killed here"):
            store.add_frame(job, Frame(0, "a.png", 3, 4, 5, "uint8", 1))
        store = again(store, tmp_path)
        assert (store.jobs[job.id].frames, store.jobs[job.id].uploaded) == ({}, 0)
        store.close()

    def test_a_job_that_is_interrupted_again_and_again_fails(self, store, tmp_path, caplog):
        job = Job(state="queued")
        store.add(job)
        states = []
        for _ in range(4):
            job.state, job.begun = "running", job.begun + 1
            store.save(job)
            store = again(store, tmp_path)
            job = store.jobs[job.id]
            states.append(job.state)
            if job.state == "failed":
                break
        assert states == ["queued", "queued", "failed"]
        assert job.error == "the service stopped 3 times while this job was running"
        store.close()

    def test_the_queue_is_in_order(self, store):
        jobs = [Job(state="queued", queued=when) for when in (3.0, 1.0, 2.0)]
        for job in jobs:
            store.add(job)
        assert store.queue() == [jobs[1], jobs[2], jobs[0]]
        assert [store.place(job) for job in jobs] == [3, 1, 2]

    def test_old_jobs_are_found(self, store):
        now, day = time.time(), 86400
        old = [
            Job(state="done", created=now - 9 * day, ended=now - 3 * day),
            Job(state="failed", created=now - 9 * day, ended=now - 3 * day),
            Job(state="draft", created=now - 3 * day),
            Job(state="draft", created=now - 2 * 3600),
        ]
        kept = [
            Job(state="done", created=now - 9 * day, ended=now - 1 * day),
            Job(state="queued", created=now - 9 * day),
            Job(state="running", created=now - 9 * day),
            Job(state="draft", created=now - 600),
            Job(state="draft", created=now - 1 * day),
        ]
        for job in (*old, *kept):
            store.add(job)
        store.add_frame(kept[-1], Frame(0, "a.png", 3, 4, 5, "uint8", 1))
        assert {job.id for job in store.old(2)} == {job.id for job in old}

    def test_a_folder_that_is_no_store_is_left_alone(self, tmp_path):
        (tmp_path / "holiday.jpg").touch()
        with pytest.raises(ConfigError, match="is not a store of drpl serve"):
            Store(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]

    def test_a_damaged_journal_is_refused(self, store, tmp_path):
        store.close()
        journal = tmp_path / "store" / "jobs.sqlite3"
        for path in journal.parent.glob("jobs.sqlite3-*"):
            path.unlink()
        journal.write_bytes(b"no journal" * 1000)
        with pytest.raises(ConfigError, match="is not a journal"):
            Store(tmp_path / "store")


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "word"),
        [
            ({"host": "0.0.0.0"}, "expected a token"),
            ({"host": "192.168.1.2"}, "expected a token"),
            ({"token": "short"}, "token is weak"),
            ({"token": "\N{SNOWMAN}" * 20}, "token is weak"),
            ({"token": "a secret; with signs & more"}, "an address cannot hold"),
            ({"token": "t" * 20 + "\n"}, "an address cannot hold"),
            ({"port": 65536}, "port is 65536"),
            ({"jobs": 0}, "jobs is 0"),
            ({"keep": 0}, "keep is 0"),
            ({"max_frames": 1}, "max_frames is 1"),
            ({"max_memory": -1}, "max_memory is -1"),
        ],
    )
    def test_wrong_values_are_refused(self, tmp_path, given, word):
        with pytest.raises(ConfigError, match=word):
            Settings(tmp_path, **given)

    def test_a_folder_within_the_store_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="lies in the store"):
            Settings(tmp_path, folder=tmp_path / "jobs")
        assert Settings(tmp_path / "store", folder=tmp_path)

    def test_other_machines_need_a_token(self, tmp_path):
        assert Settings(tmp_path, host="0.0.0.0", token="t" * 16).host == "0.0.0.0"

    def test_loopback_hosts_are_recognised(self):
        assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1"))
        assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"))

    def test_the_default_store_is_in_the_data_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        monkeypatch.setattr(sys, "platform", "linux")
        assert default_store() == tmp_path / "drpl" / "serve"


class TestCommand:
    def test_a_missing_extra_says_what_to_install(self, monkeypatch):
        for name in [name for name in sys.modules if name.startswith("drpl.serve.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "fastapi", None)
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        result = CliRunner().invoke(cli.app, ["serve"])
        assert isinstance(result.exception, BackendUnavailable)
        assert "pip install 'drpl[web]'" in str(result.exception)

    def test_a_missing_folder_of_stacks_is_refused(self, tmp_path):
        result = CliRunner().invoke(cli.app, ["serve", str(tmp_path / "none")])
        assert result.exception.exit_code == 3

    def test_a_browser_needs_a_desktop(self, monkeypatch):
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        for platform, display, expected in (
            ("linux", "", False),
            ("linux", ":0", True),
            ("darwin", "", True),
        ):
            monkeypatch.setattr(sys, "platform", platform)
            monkeypatch.setenv("DISPLAY", display)
            assert serve_command.is_desktop() == expected

    def test_a_folder_is_not_offered_as_a_method(self):
        from drpl.serve.jobs.choices import check_choices

        check_choices({"method": "drpl-fast", "scale": 2, "crop": True})
        with pytest.raises(ConfigError, match="unknown"):
            check_choices({"method": "."})


class TestRefusals:
    def test_a_flood_is_only_counted(self, caplog, monkeypatch):
        clock = [0.0]
        monkeypatch.setattr(refusals.time, "monotonic", lambda: clock[0])
        log = refusals.RefusalLog()
        with caplog.at_level(logging.WARNING):
            for _ in range(1000):
                log.note(403, "no", client="c", request="GET /\r\nforged line")
            clock[0] = 20.0
            log.note(403, "no", client="c")
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == refusals.SHOWN + 2
        assert lines[-2] == "refused 980 more"
        assert not any("\n" in line for line in lines)

    def test_a_client_cannot_forge_lines_of_the_log(self, caplog):
        with caplog.at_level(logging.WARNING):
            refusals.RefusalLog().note(422, "body.a\nforged \x1b[31mline" + "x" * 9000, client="c")
        (line,) = [record.getMessage() for record in caplog.records]
        assert "body.a?forged ?[31mline" in line
        assert len(line) < 500


class TestLayers:
    def test_floats_are_rounded(self):
        values = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)
        shown = layers.pixels_shown(values, None).numpy()
        assert (shown == np.rint(values * 255)).all()


class TestForecast:
    def test_seconds_left_follow_from_the_frames_so_far(self, monkeypatch):
        now = [100.0]
        monkeypatch.setattr(workers.time, "monotonic", lambda: now[0])
        forecast, left = workers.Forecast(4), []
        for stage, done, seconds in (
            ("look", 0, 0),
            ("look", 1, 1),
            ("look", 4, 3),
            ("fuse", 0, 0),
            ("fuse", 1, 0.1),
            ("fuse", 3, 4),
            ("fuse", 4, 2),
            ("write", 0, 1),
        ):
            now[0] += seconds
            left.append(forecast.update(stage, done, 4).eta_s)
        assert left == [None, 27.0, 24.0, 24.0, 18.0, 2.0, 0.0, None]


class TestSentences:
    def report(self, **changes):
        frame = {"notes": [], "status": "aligned", "name": "a.jpg"}
        about = {
            "frames": [frame | {"number": 0, "status": "reference"}, frame | {"number": 1}],
            "rejected": [],
            "size": [4, 3],
            "source_size": [4, 3],
            "focus_order": [0, 1],
            "decision_scale": 1,
            "seconds": {"align": 1.0},
        }
        return about | changes

    def test_a_plain_result_has_two_sentences(self):
        assert in_words(self.report()) == [
            "2 of 2 frames were fused into 4 x 3 pixels.",
            "It took 1.0 s.",
        ]

    def test_left_out_shuffled_and_cropped_frames_are_reported(self):
        frames = self.report()["frames"]
        gone = {"number": 2, "name": "c.jpg", "status": "rejected", "notes": ["moved by 40 px"]}
        note = {"number": 3, "name": "d.jpg", "status": "aligned", "notes": ["converted"]}
        words = in_words(
            self.report(
                frames=[*frames, gone, note],
                rejected=[2],
                focus_order=[1, 0, 2, 3],
                size=[3, 3],
                decision_scale=2,
            )
        )
        assert words[0] == "3 of 4 frames were fused into 3 x 3 pixels."
        assert words[1] == "Frame 3 (c.jpg) was left out: moved by 40 px."
        assert words[2] == "Frame 4 (d.jpg): converted."
        assert any("not in the order" in line for line in words)
        assert any("cropped" in line for line in words)
        assert any("1/2" in line for line in words)

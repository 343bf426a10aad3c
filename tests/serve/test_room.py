"""Limits of the store, child processes, folders of stacks, and a journal that cannot be written."""

import asyncio
import json
import shutil
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from drpl.serve.jobs.jobs import Job
from drpl.serve.jobs.store import Store
from drpl.serve.settings import Settings
from drpl.serve.work import workers
from serving import Client, files_of, served_here, small_stack


def read_jobs(folder):
    """Return the jobs of a store, even of one in use."""
    copy = folder.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in folder.glob("jobs.sqlite3*"):
        shutil.copy(path, copy)
    with sqlite3.connect(copy / "jobs.sqlite3") as database:
        rows = [json.loads(row) for (row,) in database.execute("SELECT row FROM jobs")]
    database.close()
    return {row["id"]: Job(**row) for row in rows}


class TestLimits:
    def test_quota_and_queue_are_kept(self, tmp_path):
        settings = Settings(tmp_path / "store", port=0, quota=700_000, queue=2, jobs=1)
        with served_here(settings) as url:
            client = Client(url)
            first = client.fill(small_stack(3))
            second = client.create()
            answer = client.ask("POST", "/jobs", json={})
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
            picture = small_stack(3)["img_1.png"]
            answer = client.put(second, "a.png", picture + bytes(600_000))
            assert answer.status_code == 507
            assert "no room" in answer.json()["error"]
            assert client.put(second, "a.png", picture + bytes(430_000)).status_code == 201
            answer = client.start(first, [0, 1, 2])
            assert answer.status_code == 507
            assert client.get(f"/jobs/{first}")["state"] == "draft"
            assert client.ask("DELETE", f"/jobs/{second}").status_code == 204
            assert client.start(first, [0, 1, 2]).status_code == 202
            client.wait(first, "done")
            client.http.close()

    def test_old_jobs_are_removed_at_the_start(self, tmp_path):
        store = Store(tmp_path / "store")
        old, new = (Job(state="done", ended=time.time() - days * 86400) for days in (3, 1))
        for job in (old, new):
            store.add(job)
        store.close()
        with served_here(Settings(tmp_path / "store", port=0, keep=2)) as url:
            client = Client(url)
            assert [job["id"] for job in client.get("/jobs")] == [new.id]
            client.http.close()
        assert [path.name for path in (tmp_path / "store" / "jobs").iterdir()] == [new.id]


class TestHeldBytes:
    def test_bytes_are_counted_while_files_come_and_go(self, tmp_path):
        (tmp_path / "kept").write_bytes(bytes(1000))
        done = threading.Event()

        def churn():
            while not done.is_set():
                for number in range(20):
                    (tmp_path / f"folder-{number}").mkdir()
                    (tmp_path / f"folder-{number}" / "file").touch()
                for number in range(20):
                    shutil.rmtree(tmp_path / f"folder-{number}")

        with ThreadPoolExecutor(1) as pool:
            churning = pool.submit(churn)
            try:
                found = {workers.folder_bytes(tmp_path) for _ in range(200)}
            finally:
                done.set()
            churning.result()
        assert found == {1000}

    def test_a_result_still_counts_until_it_is_made_again(self, tmp_path):
        with served_here(Settings(tmp_path / "store", port=0, jobs=1)) as url:
            client = Client(url)
            first, second = (client.run(small_stack(3)) for _ in range(2))
            for job in (first, second):
                client.wait(job, "done")
            held = {job: row.held for job, row in read_jobs(tmp_path / "store").items()}
            assert client.start(first, [0, 1, 2]).status_code == 202
            assert client.start(second, [0, 1, 2]).status_code == 202
            client.ask("POST", f"/jobs/{second}/cancel")
            client.wait(first, "done")
            client.http.close()
        found = read_jobs(tmp_path / "store")[second]
        files = files_of(tmp_path / "store" / "jobs" / second)
        there = sum(size for name, size in files.items() if name.startswith("result"))
        assert (found.state, found.held, there) == ("cancelled", held[second], held[second])

    def test_a_job_can_be_cancelled_at_the_last_moment(self, tmp_path, monkeypatch):
        counting, go_on = threading.Event(), threading.Event()

        def slow(_):
            counting.set()
            go_on.wait(30)
            return 1

        monkeypatch.setattr(workers, "folder_bytes", slow)
        with (
            served_here(Settings(tmp_path / "store", port=0)) as url,
            ThreadPoolExecutor(1) as pool,
        ):
            client = Client(url)
            job = client.run(small_stack(2))
            assert counting.wait(30)
            answer = pool.submit(client.ask, "POST", f"/jobs/{job}/cancel")
            client_two = Client(url)
            client_two.wait(job, "cancelled")
            go_on.set()
            assert answer.result().json()["state"] == "cancelled"
            assert client_two.get(f"/jobs/{job}")["state"] == "cancelled"
            client.http.close()
            client_two.http.close()
        assert not list((tmp_path / "store").rglob("fused.tif"))


class TestTasks:
    def test_a_missing_folder_is_refused(self, tmp_path):
        tasks = workers.Tasks(30)
        with pytest.raises(workers.TaskRefused, match="removed meanwhile"):
            asyncio.run(tasks.run("inspect_frame", tmp_path / "gone", name="a.png", max_pixels=9))
        tasks.end()

    def test_a_process_that_ended_idle_is_started_again(self, tmp_path, monkeypatch):
        targets, start = [id, workers.run_tasks], workers._start  # the first one ends at once
        monkeypatch.setattr(workers, "_start", lambda _: start(targets.pop(0)))
        tasks = workers.Tasks(30)
        assert asyncio.run(tasks.run("inspect_frames", tmp_path, names=[], max_pixels=9)) == []
        tasks.end()

    def test_tasks_can_end_while_their_process_starts(self, tmp_path, monkeypatch):
        starting, go_on, start = threading.Event(), threading.Event(), workers._start

        def slow_start(target):
            starting.set()
            go_on.wait(30)
            return start(target)

        monkeypatch.setattr(workers, "_start", slow_start)
        tasks = workers.Tasks(30)
        message = {"task": "inspect_frames", "folder": "/", "arguments": {}}
        answer = tasks._threads.submit(tasks._answer, message)
        with ThreadPoolExecutor(1) as pool:
            assert starting.wait(30)
            ending = pool.submit(tasks.end)
            while not tasks._ended:
                time.sleep(0.01)
            go_on.set()
            ending.result()
        assert answer.result() == {"failed": "the service is stopping"}


class TestFoldersOfStacks:
    @pytest.mark.parametrize("links", ["hard", "none"])
    def test_hard_links_replace_symbolic_links(self, tmp_path, monkeypatch, links):
        refused = Mock(side_effect=OSError(1314, "A required privilege is not held"))
        monkeypatch.setattr(Path, "symlink_to", refused)
        if links == "none":
            monkeypatch.setattr(Path, "hardlink_to", refused)
        (tmp_path / "shots" / "a").mkdir(parents=True)
        for name, content in small_stack(2).items():
            (tmp_path / "shots" / "a" / name).write_bytes(content)
        before = files_of(tmp_path / "shots")
        settings = Settings(tmp_path / "store", folder=tmp_path / "shots", port=0)
        with served_here(settings) as url:
            client = Client(url)
            stack = client.get("/options")["stacks"][0]["id"]
            answer = client.ask("POST", "/jobs", json={"stack": stack})
            if links == "hard":
                assert client.get(f"/jobs/{answer.json()['id']}")["count"] == 2
                client.ask("DELETE", f"/jobs/{answer.json()['id']}")
            else:
                assert (answer.status_code, "linked" in answer.json()["error"]) == (507, True)
            assert client.get("/jobs") == []
            client.http.close()
        assert files_of(tmp_path / "shots") == before

    def test_a_folder_that_goes_away_offers_no_stacks(self, tmp_path):
        (tmp_path / "shots" / "a").mkdir(parents=True)
        for name, content in small_stack(2).items():
            (tmp_path / "shots" / "a" / name).write_bytes(content)
        settings = Settings(tmp_path / "store", folder=tmp_path / "shots", port=0)
        shutil.move(tmp_path / "shots", tmp_path / "unplugged")
        with served_here(settings) as url:
            client = Client(url)
            assert client.get("/options")["stacks"] == []
            client.http.close()


def test_jobs_go_on_if_the_journal_cannot_be_written(tmp_path):
    store = Store(tmp_path / "store")
    jobs = [Job(state="queued", queued=number) for number in (1.0, 2.0)]
    for job in jobs:
        store.add(job)
    store._database.execute("PRAGMA query_only = ON")

    async def nothing(job):
        pass

    async def run():
        working = workers.Workers(store, Settings(tmp_path / "store"), nothing)
        working.dispatch()
        while any(job.state in ("queued", "running") for job in jobs):
            await asyncio.sleep(0.05)
        await working.end()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert ["found 0 source images" in job.error for job in jobs] == [True, True]
    store.close()


def test_a_named_host_is_served(tmp_path):
    settings = Settings(tmp_path / "store", port=0, names=("Stack.Example",))
    with served_here(settings) as url, httpx.Client() as client:
        for host, wanted in (("stack.example:80", 200), ("other.example", 421)):
            answer = client.get(f"{url}/api/v1/jobs", headers={"Host": host})
            assert answer.status_code == wanted

"""Where jobs are kept: a journal in SQLite, and a folder for each with frames and results."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from drpl.errors import ConfigError, WriteError
from drpl.serve.jobs.jobs import ENDED, JOB_ID, Frame, Job
from drpl.serve.settings import GIGABYTE

log = logging.getLogger(__name__)
JOURNAL, FOLDERS = "jobs.sqlite3", "jobs"
VERSION = 1
ATTEMPTS = 3
"""How often a job is begun that never comes to an end, before it counts as failed."""
FORGOTTEN = 3600
"""Seconds after which a job without frames is removed."""
KEPT_FREE = GIGABYTE
"""Bytes of the disk that are left to others."""
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS frames (job TEXT, n INTEGER, row TEXT NOT NULL, PRIMARY KEY (job, n));
"""


class Store:
    """All jobs, in memory as in the journal; for one thread of one process.

    Parameters
    ----------
    folder : Path
        Made if need be; one that is not empty must be a store.

    Raises
    ------
    ConfigError
        If the folder is something else, or another process has it open.
    WriteError
        If it cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folders = folder / FOLDERS
        self._database = _open(folder)
        self.jobs: dict[str, Job] = {}
        self.arriving = 0
        self._watchers: dict[str, set[asyncio.Event]] = {}
        try:
            self._read()
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            self.close()
            raise ConfigError(f"{folder / JOURNAL}: is damaged ({error}); move it away") from error
        self._resume()

    def close(self) -> None:
        """Let go of the journal."""
        self._database.close()

    def _read(self) -> None:
        """Take in what the journal holds."""
        for (row,) in self._database.execute("SELECT row FROM jobs"):
            job = Job(**json.loads(row))
            self.jobs[job.id] = job
        rows = self._database.execute("SELECT job, row FROM frames ORDER BY job, n")
        for owner, row in rows:
            frame = Frame(**json.loads(row))
            if owner in self.jobs:
                self.jobs[owner].frames[frame.n] = frame

    def _resume(self) -> None:
        """Queue again what was running when the service ended, and remove what is nobody's."""
        for job in self.jobs.values():
            if job.state != "running":
                continue
            if job.begun >= ATTEMPTS:
                job.state, job.ended = "failed", time.time()
                job.error = f"the service ended {job.begun} times while this was being fused"
                log.warning("job %s failed: %s", job.id, job.error)
                shutil.rmtree(self.folder(job) / "result", ignore_errors=True)
            else:
                job.state = "queued"
                log.warning("job %s was interrupted, and is queued again", job.id)
            self.save(job)
        for path in self._folders.iterdir():
            ours = re.fullmatch(rf"({JOB_ID})|(\.gone-.*)", path.name)
            if ours and path.name not in self.jobs:
                shutil.rmtree(path, ignore_errors=True)
        for job in self.jobs.values():
            for path in self.folder(job).glob("arriving-*"):
                shutil.rmtree(path, ignore_errors=True)

    @property
    def used(self) -> int:
        """Bytes that frames and results take, with those that are just arriving."""
        return self.arriving + sum(job.bytes for job in self.jobs.values())

    def room(self, quota: int) -> int:
        """Bytes that may be added: what the quota leaves, and the disk without its reserve."""
        free = shutil.disk_usage(self._folders).free
        return min(quota - self.used, free - KEPT_FREE)

    def folder(self, job: Job) -> Path:
        """Folder of a job: ``frames``, ``thumbnails`` and, once it was fused, ``result``."""
        return self._folders / job.id

    def add(self, job: Job) -> None:
        """Take in a new job."""
        (self.folder(job) / "frames").mkdir(parents=True)
        self.jobs[job.id] = job
        self.save(job)

    def save(self, job: Job) -> None:
        """Note in the journal how a job stands, and tell those who watch it."""
        self._database.execute(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job.id, json.dumps(job.row()))
        )
        self.tell(job)

    def add_frame(self, job: Job, frame: Frame) -> None:
        """Take in a frame, whose file is there."""
        row = json.dumps(asdict(frame))
        with self._together():
            self._database.execute("INSERT INTO frames VALUES (?, ?, ?)", (job.id, frame.n, row))
            job.frames[frame.n] = frame
            job.uploaded += frame.bytes
            self.save(job)

    def remove_frame(self, job: Job, frame: Frame) -> None:
        """Remove a frame and its file."""
        with self._together():
            self._database.execute("DELETE FROM frames WHERE job = ? AND n = ?", (job.id, frame.n))
            del job.frames[frame.n]
            job.uploaded -= frame.bytes
            self.save(job)
        (self.folder(job) / "frames" / frame.name).unlink(missing_ok=True)
        (self.folder(job) / "thumbnails" / f"{frame.n}.jpg").unlink(missing_ok=True)

    def remove(self, job: Job) -> Path:
        """Forget a job; gives what is left of its folder, for the caller to delete."""
        with self._together():
            self._database.execute("DELETE FROM frames WHERE job = ?", (job.id,))
            self._database.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
        del self.jobs[job.id]
        self.tell(job)
        gone = self._folders / f".gone-{job.id}"
        try:
            self.folder(job).rename(gone)
        except OSError:  # Windows does not while a file in it is open
            return self.folder(job)
        return gone

    @contextmanager
    def _together(self) -> Iterator[None]:
        """All changes of the journal in here are made, or none."""
        with self._database:
            self._database.execute("BEGIN")
            yield

    def queue(self) -> list[Job]:
        """Jobs that wait, the next one first."""
        waiting = [job for job in self.jobs.values() if job.state == "queued"]
        return sorted(waiting, key=lambda job: job.queued)

    def place(self, job: Job) -> int | None:
        """Place in the queue, from 1."""
        if job.state != "queued":
            return None
        return 1 + sum(
            other.state == "queued" and other.queued < job.queued for other in self.jobs.values()
        )

    def old(self, days: float) -> list[Job]:
        """Jobs that ended so many days ago, or were begun and left alone."""
        now = time.time()
        found = []
        for job in self.jobs.values():
            ended = job.state in ENDED and now - job.ended > days * 86400
            left = job.state == "draft" and now - job.created > days * 86400
            empty = job.state == "draft" and not job.frames and now - job.created > FORGOTTEN
            found += [job] if ended or left or empty else []
        return found

    @contextmanager
    def watching(self, job: Job) -> Iterator[asyncio.Event]:
        """An event that is set when a job changes."""
        changed = asyncio.Event()
        watchers = self._watchers.setdefault(job.id, set())
        watchers.add(changed)
        try:
            yield changed
        finally:
            watchers.discard(changed)
            if not watchers:
                self._watchers.pop(job.id, None)

    def tell(self, job: Job) -> None:
        """Tell those who watch a job that it has changed."""
        for changed in self._watchers.get(job.id, ()):
            changed.set()


def _open(folder: Path) -> sqlite3.Connection:
    """Open the journal, for this process alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / JOURNAL).exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder}: is not a store of drpl serve; expected an empty folder")
        (folder / FOLDERS).mkdir(exist_ok=True)
        database = sqlite3.connect(
            folder / JOURNAL, timeout=0.5, isolation_level=None, check_same_thread=False
        )
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        # a kill loses nothing; waiting for the disk each time would let the page wait
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise ConfigError(f"{folder}: is a store of another drpl; expected version {VERSION}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    except OSError as error:
        raise WriteError(f"{folder}: cannot be used as a store ({error.strerror})") from error
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ConfigError(f"{folder}: another drpl serve uses this store") from error
        raise WriteError(f"{folder}: the journal cannot be written ({error})") from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{folder / JOURNAL}: is not a journal of drpl ({error})") from error
    return database

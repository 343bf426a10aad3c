"""Store of jobs: a journal in SQLite, and a folder per job with its frames and result."""

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

from drpl.core.documents import parse_json
from drpl.errors import ConfigError, WriteError
from drpl.serve.jobs.jobs import ENDED, JOB_ID, Frame, Job
from drpl.serve.settings import GIGABYTE

log = logging.getLogger(__name__)
JOURNAL, FOLDERS = "jobs.sqlite3", "jobs"
VERSION = 2
"""Version of the journal and of the results beside it."""
ATTEMPTS = 3
"""Number of interrupted runs after which a job counts as failed."""
FORGOTTEN = 3600
"""Seconds after which a job without frames is removed."""
KEPT_FREE = GIGABYTE
"""Bytes of the disk that are left to other programs."""
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS frames (job TEXT, n INTEGER, row TEXT NOT NULL, PRIMARY KEY (job, n));
"""


class Store:
    """Jobs in memory and in the journal; for one thread of one process.

    The folder is made if need be; unless it is empty, it must be a store already.

    Raises
    ------
    ConfigError
        If the folder is not a store, its journal is damaged or of another version, or another
        process uses it.
    WriteError
        If the folder cannot be made or written.
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
            raise ConfigError(
                f"{folder / JOURNAL}: is damaged ({error}); move the store away"
            ) from error
        self._resume()

    def close(self) -> None:
        """Close the journal."""
        self._database.close()

    def _read(self) -> None:
        """Read jobs and frames from the journal."""
        for (row,) in self._database.execute("SELECT row FROM jobs"):
            job = Job(**parse_json(row))
            self.jobs[job.id] = job
        rows = self._database.execute("SELECT job, row FROM frames ORDER BY job, n")
        for owner, row in rows:
            frame = Frame(**parse_json(row))
            if owner in self.jobs:
                self.jobs[owner].frames[frame.n] = frame

    def _resume(self) -> None:
        """Queue interrupted jobs again, and remove folders and uploads that belong to none."""
        for job in self.jobs.values():
            if job.state != "running":
                continue
            if job.begun >= ATTEMPTS:
                job.state, job.ended = "failed", time.time()
                job.error = f"the service stopped {job.begun} times while this job was running"
                log.warning("job %s failed: %s", job.id, job.error)
                shutil.rmtree(self.folder(job) / "result", ignore_errors=True)
            else:
                job.state = "queued"
                log.warning("job %s was interrupted and is queued again", job.id)
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
        """Bytes of all frames and results, including uploads under way."""
        return self.arriving + sum(job.bytes for job in self.jobs.values())

    def room(self, quota: int) -> int:
        """Return the bytes that may still be stored, within the quota and the free disk space."""
        free = shutil.disk_usage(self._folders).free
        return min(quota - self.used, free - KEPT_FREE)

    def folder(self, job: Job) -> Path:
        """Return the folder of a job: ``frames``, ``thumbnails`` and, once fused, ``result``."""
        return self._folders / job.id

    def add(self, job: Job) -> None:
        """Add a new job."""
        (self.folder(job) / "frames").mkdir(parents=True)
        self.jobs[job.id] = job
        self.save(job)

    def save(self, job: Job) -> None:
        """Save a job in the journal and notify its watchers."""
        self._database.execute(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job.id, json.dumps(job.row()))
        )
        self.notify(job)

    def add_frame(self, job: Job, frame: Frame) -> None:
        """Add a frame whose file is in place."""
        row = json.dumps(asdict(frame))
        with self._transaction():
            self._database.execute("INSERT INTO frames VALUES (?, ?, ?)", (job.id, frame.n, row))
            job.frames[frame.n] = frame
            job.uploaded += frame.bytes
            self.save(job)

    def remove_frame(self, job: Job, frame: Frame) -> None:
        """Remove a frame and its file."""
        with self._transaction():
            self._database.execute("DELETE FROM frames WHERE job = ? AND n = ?", (job.id, frame.n))
            del job.frames[frame.n]
            job.uploaded -= frame.bytes
            self.save(job)
        (self.folder(job) / "frames" / frame.name).unlink(missing_ok=True)
        (self.folder(job) / "thumbnails" / f"{frame.n}.jpg").unlink(missing_ok=True)

    def remove(self, job: Job) -> Path:
        """Remove a job from the journal; return its folder, renamed, for the caller to delete."""
        with self._transaction():
            self._database.execute("DELETE FROM frames WHERE job = ?", (job.id,))
            self._database.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
        del self.jobs[job.id]
        self.notify(job)
        gone = self._folders / f".gone-{job.id}"
        try:
            self.folder(job).rename(gone)
        except OSError:  # Windows renames no folder with an open file
            return self.folder(job)
        return gone

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Make all changes of the journal, or none."""
        with self._database:
            self._database.execute("BEGIN")
            yield

    def queue(self) -> list[Job]:
        """Return the queued jobs, the next one first."""
        waiting = [job for job in self.jobs.values() if job.state == "queued"]
        return sorted(waiting, key=lambda job: job.queued)

    def place(self, job: Job) -> int | None:
        """Return the place of a job in the queue, from 1; None if it is not queued."""
        if job.state != "queued":
            return None
        return 1 + sum(
            other.state == "queued" and other.queued < job.queued for other in self.jobs.values()
        )

    def old(self, days: float) -> list[Job]:
        """Return the jobs to remove: ended, or created and never started, so many days ago."""
        now = time.time()
        found = []
        for job in self.jobs.values():
            ended = job.state in ENDED and now - job.ended > days * 86400
            abandoned = job.state == "draft" and now - job.created > days * 86400
            empty = job.state == "draft" and not job.frames and now - job.created > FORGOTTEN
            found += [job] if ended or abandoned or empty else []
        return found

    @contextmanager
    def watching(self, job: Job) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the job changes."""
        changed = asyncio.Event()
        watchers = self._watchers.setdefault(job.id, set())
        watchers.add(changed)
        try:
            yield changed
        finally:
            watchers.discard(changed)
            if not watchers:
                self._watchers.pop(job.id, None)

    def notify(self, job: Job) -> None:
        """Notify the watchers of a job that it has changed."""
        for changed in self._watchers.get(job.id, ()):
            changed.set()


def _open(folder: Path) -> sqlite3.Connection:
    """Open the journal for this process alone; make the store if need be."""
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
        # survives a kill; waiting for the disk at each change would slow the page
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise ConfigError(f"{folder}: is a store of version {version}; expected {VERSION}")
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

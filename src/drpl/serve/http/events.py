"""State of a job as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from drpl.serve.http.service import Service
from drpl.serve.jobs.jobs import ENDED, Job

PAUSE = 0.1
"""Least seconds between two events."""
SILENCE = 15.0
"""Seconds without an event after which a comment shows that the connection is alive."""


async def job_events(service: Service, job: Job) -> AsyncIterator[str]:
    """Yield the job at once and after each change, until it has ended or is removed."""
    with service.store.watching(job) as changed:
        while not service.ending:
            changed.clear()
            if job.id not in service.store.jobs:
                yield "event: gone\ndata: {}\n\n"
                return
            yield f"event: job\ndata: {json.dumps(service.view(job))}\n\n"
            if job.state in ENDED:
                return
            await asyncio.sleep(PAUSE)
            while not changed.is_set() and not service.ending:
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), SILENCE)
                    break
                yield ": still there\n\n"

"""Memory plan: tiles and threads that keep a fusion below a limit."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

from drpl.compose.method import Method
from drpl.core.frames import Pixels
from drpl.core.machine import share_heap, usable_cores
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError

log = logging.getLogger(__name__)
SMALL_TILES = 4
"""Smallest tile to try on several threads, in multiples of a method's smallest tile."""


def within_memory(
    method: Method, options: FusionOptions, like: Pixels, count: int
) -> FusionOptions:
    """Return options whose tiles and threads keep the fusion within ``max_memory``.

    Tiles shrink before threads are given up; large tiles are faster. The options returned have
    ``threads`` of 1 or more. Raises ConfigError if even the smallest tile on one thread needs more.
    """
    options = replace(options, threads=options.threads or usable_cores())

    def estimate(tried: FusionOptions) -> float:
        return method.needs(tried, like, count).megabytes(like)

    if options.max_memory:
        share_heap()  # estimates do not count the free memory that a heap per thread would keep
        candidates = _candidates(options, method.needs(options, like, count).tile_multiple)
        fitting = (tried for tried in candidates if estimate(tried) <= options.max_memory)
        found = next(fitting, None)
        if found is None:
            least = math.ceil(min(map(estimate, candidates)))
            raise ConfigError(
                f"max_memory is {options.max_memory} MB; frames of {like.shape[1]}x{like.shape[0]} "
                f"{like.dtype} need at least {least} MB: raise it, or fuse smaller frames"
            )
        options = found
    log.info(
        "plan: frames of %dx%d %s, tiles of %d, %d threads, about %.0f MB",
        like.shape[1],
        like.shape[0],
        like.dtype,
        options.tile,
        options.threads,
        estimate(options),
    )
    return options


def _candidates(options: FusionOptions, multiple: int) -> list[FusionOptions]:
    """List options to try, from large tiles on many threads to the smallest tile on one thread."""
    if not multiple:
        return [options]
    return [
        replace(options, tile=tile, threads=threads)
        for threads in range(options.threads, 0, -1)
        for tile in range(options.tile, multiple - 1, -multiple)
        if tile >= SMALL_TILES * multiple or (threads == 1 and tile == multiple)
    ]

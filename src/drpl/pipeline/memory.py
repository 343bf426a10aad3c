"""Memory plan: tiles and threads that keep a fusion below a limit."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

from drpl.compose.method import MARGIN, Method
from drpl.core.frames import Pixels
from drpl.core.machine import share_heap, usable_cores
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError
from drpl.io.formats import WRITABLE

log = logging.getLogger(__name__)
SMALL_TILES = 4
"""Smallest tile to try on several threads, in multiples of a method's smallest tile."""
ALIGN_MB, ALIGN_FRAMES = 140.0, 5.2
"""Megabytes of Python and the libraries, and frames held, while frames are aligned and written."""
WRITE_MB, MAPS = 160.0, 10
"""Megabytes of Python, libraries and a network, and bytes per pixel of maps, at the end."""


def within_memory(
    method: Method,
    options: FusionOptions,
    like: Pixels,
    count: int,
    *,
    decoder_bytes: float = 0.0,
    saved_as: str = "",
) -> FusionOptions:
    """Return options whose tiles and threads keep the fusion within ``max_memory``.

    Tiles shrink before threads are given up; large tiles are faster. ``decoder_bytes`` is that of
    the stack, and ``saved_as`` the suffix of the result, if it is written. The options returned
    have ``threads`` of 1 or more. Raises ConfigError if even the smallest tile on one thread needs
    more.
    """
    options = replace(options, threads=options.threads or usable_cores())
    writing = _writing_mb(like, saved_as)
    decoding = MARGIN * decoder_bytes * like.shape[0] * like.shape[1] / 1e6

    def estimate(tried: FusionOptions) -> float:
        return float(max(method.needs(tried, like, count).megabytes(like) + decoding, writing))

    if options.max_memory:
        share_heap()  # estimates do not count the free memory that a heap per thread would keep
        candidates = _candidates(options, method.needs(options, like, count).tile_multiple)
        fitting = (tried for tried in candidates if estimate(tried) <= options.max_memory)
        found = next(fitting, None)
        if found is None:
            raise _refusal(options, like, min(map(estimate, candidates)))
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


def check_memory_to_align(
    options: FusionOptions, like: Pixels, *, decoder_bytes: float, saved_as: str
) -> None:
    """Raise ConfigError if aligning frames and writing them needs more than ``max_memory``.

    The constants were fitted to measured peaks of 2 and 24 megapixels (``python -m
    benchmarks.memory``).
    """
    if not options.max_memory:
        return
    share_heap()
    pixels = like.shape[0] * like.shape[1]
    coding = max(decoder_bytes, _encoder_bytes(saved_as))
    needed = ALIGN_MB + (ALIGN_FRAMES * like.nbytes + coding * pixels) / 1e6
    if MARGIN * needed > options.max_memory:
        raise _refusal(options, like, MARGIN * needed)


def _writing_mb(like: Pixels, suffix: str) -> float:
    """Return the megabytes that writing a result takes, with its maps; 0 if that is never most."""
    encoder, pixels = _encoder_bytes(suffix), like.shape[0] * like.shape[1]
    if not encoder:
        return 0.0
    return float(MARGIN * (WRITE_MB + (like.nbytes + (MAPS + encoder) * pixels) / 1e6))


def _encoder_bytes(suffix: str) -> float:
    """Return the bytes per pixel of an encoder."""
    writing = WRITABLE.get(suffix.lower())
    return writing.encoder_bytes if writing is not None else 0.0


def _refusal(options: FusionOptions, like: Pixels, needed: float) -> ConfigError:
    """Return the error that names the least limit."""
    return ConfigError(
        f"max_memory is {options.max_memory} MB; frames of {like.shape[1]}x{like.shape[0]} "
        f"{like.dtype} need at least {math.ceil(needed)} MB: raise it, or use smaller frames"
    )


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

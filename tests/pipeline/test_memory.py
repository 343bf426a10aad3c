"""The memory limit holds; an impossible one is refused."""

import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from drawing import draw_texture, striped_stack
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError
from drpl.io.write import write_image
from drpl.models.methods import find_method
from drpl.pipeline import memory

METHOD = find_method("drpl-fast")
IN_SLABS = METHOD.extended(observe=None, slabs=object())


def estimate_mb(options, like, count, method=METHOD):
    return method.needs(options, like, count).megabytes(like)


def within_memory(options, like, count, method=METHOD):
    return memory.within_memory(method, options, like, count)


def stand_in(height, width, dtype=np.uint8, channels=3):
    return np.broadcast_to(np.zeros((), dtype), (height, width, channels))


def test_tiles_shrink_before_threads_do():
    frame = stand_in(4000, 6000)
    options = FusionOptions(threads=2, scale=1)
    assert within_memory(options, frame, 10) == options
    needed = estimate_mb(options, frame, 10)
    smaller = within_memory(replace(options, max_memory=int(needed) - 1), frame, 10)
    assert smaller.tile == options.tile - 64
    assert smaller.threads == 2
    least = within_memory(replace(options, max_memory=int(needed) - 115), frame, 10)
    assert estimate_mb(least, frame, 10) <= needed - 115
    assert (least.tile, least.threads) < (smaller.tile, 3)


def test_deeper_and_larger_frames_need_more_memory():
    options = FusionOptions(threads=1)
    small, large = stand_in(1000, 1000), stand_in(4000, 4000)
    assert estimate_mb(options, small, 10) < estimate_mb(options, large, 10)
    assert estimate_mb(options, large, 10) < estimate_mb(
        options, stand_in(4000, 4000, np.uint16), 10
    )
    assert estimate_mb(replace(options, scale=4), large, 10) < estimate_mb(options, large, 10)


def test_another_frame_takes_at_most_a_bit_per_pixel():
    options, frame = FusionOptions(threads=1, scale=1), stand_in(4000, 6000)
    more = estimate_mb(options, frame, 110) - estimate_mb(options, frame, 10)
    assert 0 < more / 100 < 24e6 / 8 / 1e6


def test_slabs_need_memory_for_their_maps():
    options, frame = FusionOptions(threads=2, scale=1), stand_in(4000, 6000)
    needed = estimate_mb(options, frame, 10)
    assert estimate_mb(options, frame, 10, IN_SLABS) > needed + 3 * 24
    limited = replace(options, max_memory=int(needed) + 1)
    assert within_memory(limited, frame, 10) == limited
    assert within_memory(limited, frame, 10, IN_SLABS).tile < limited.tile


def test_an_impossible_limit_is_refused_with_the_memory_needed():
    options = FusionOptions(max_memory=300, threads=2)
    with pytest.raises(ConfigError, match=r"max_memory is 300 MB; frames of 6000x4000 uint8 need"):
        within_memory(options, stand_in(4000, 6000), 10)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of a child process")
@pytest.mark.parametrize("slabs", [[], ["--slab", "2", "--overlap", "1"]], ids=["", "slabs"])
def test_the_peak_stays_below_the_limit(tmp_path, slabs):
    frames, _, _ = striped_stack(3, 500, 600)
    for number, frame in enumerate(frames):
        large = cv2.resize(frame, (2400, 2000), interpolation=cv2.INTER_CUBIC)
        grain = draw_texture(2000, 2400, number) // 8
        write_image(tmp_path / f"{number}.png", cv2.add(large // 2, grain))
    limit = 480
    output = tmp_path / "out" / "f.png"
    command = [sys.executable, "-m", "drpl", "fuse", str(tmp_path / "*.png"), "-o", str(output)]
    command += ["--scale", "1", "--max-memory", str(limit), "--verbose", *slabs]
    (tmp_path / "out").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "plan: frames of 2400x2000" in done.stderr
    report = output.with_suffix(".json").read_text()
    peak = float(report.split('"peak_memory_mb": ')[1].split(",")[0])
    assert peak <= limit

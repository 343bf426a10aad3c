"""Benchmark scripts on small inputs: timing, memory, scores, tables."""

import json
import os
import sys

import cv2
import numpy as np
import pytest
import typer

from benchmarks import docs, short, speed, stacks, training, truth
from drawing import draw_texture, half_sharp_pair, striped_stack
from drpl.align.exposure import apply_exposure
from drpl.align.geometry import identity, map_points, warp
from drpl.bench import moved
from drpl.bench.entries import CEILING, scale_ceiling, selection_ceiling
from drpl.bench.rendered import bench_scenes
from drpl.bench.scenes import BenchScene
from drpl.bench.scoring import score
from drpl.bench.summary import SetScores
from drpl.metrics.reference import psnr
from drpl.scenes.options import SceneOptions
from drpl.train.config import TrainOptions


def scene(seed):
    source_a, source_b, truth = half_sharp_pair(80, 100, seed)
    band = np.zeros((80, 100), bool)
    band[:, 40:60] = True
    return BenchScene([source_a, source_b], truth, band, "halves")


def test_selection_ceiling_is_the_truth_where_frames_hold_it():
    one = scene(0)
    ceiling = selection_ceiling(one.frames, one.truth)
    assert np.array_equal(ceiling, one.truth)
    wide = selection_ceiling(one.frames, one.truth, window=7)
    assert 30 < score(wide, one)["psnr"] < 60


def test_scale_ceiling_beats_every_frame():
    one = scene(0)
    assert np.array_equal(scale_ceiling([one.truth, one.frames[0]], one.truth), one.truth)
    found = scale_ceiling(one.frames, one.truth)
    best = max(score(frame, one)["psnr"] for frame in one.frames)
    assert score(found, one)["psnr"] > best + 6


def test_regions_without_pixels_are_nan():
    one = scene(0)
    bare = BenchScene(one.frames, one.truth, np.zeros_like(one.band), "bare")
    scores = score(one.frames[0], bare)
    assert np.isnan(scores["psnr_band"])
    assert scores["psnr_outside"] == scores["psnr"]


def test_rendered_scenes_are_repeatable(photos):
    one, two = (next(bench_scenes(photos, 1, size=64, degradation=None)) for _ in "ab")
    assert np.array_equal(one.truth, two.truth)
    assert one.frames[0].dtype == np.uint8


def test_speed_is_relative_to_ours(monkeypatch):
    monkeypatch.setattr(speed, "SIZES", {"small": (100, 120)})
    rows = speed.speed_rows(["drpl-fast"], threads=1, rounds=1)
    ours = next(row for row in rows if row["method"] == "drpl-fast")
    assert ours["ratio"] == pytest.approx(1.0)
    assert ours["seconds_per_megapixel"] > 0
    assert "| small | Laplacian pyramid |" in speed.table(rows)


def test_calls_take_turns():
    calls = []
    seconds = speed.time_calls({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert [len(times) for times in seconds.values()] == [2, 2]


def test_peak_memory_excludes_the_parent(monkeypatch):
    monkeypatch.setattr(speed, "SIZES", {"small": (100, 120)})
    ballast = np.ones(400_000_000, np.uint8)
    peak = speed.peak_memory("drpl-fast", "small", threads=1)
    assert 40 < peak < 350
    assert ballast[0] == 1


def test_training_is_timed(photos):
    options = TrainOptions(
        batch=2, scene_uses=2, validation_share=0.4, scenes=SceneOptions(size=64, max_layers=1)
    )
    seconds = training.time_training(photos, options, batches=2)
    assert list(seconds) == ["rendering a batch", "a batch of reused scenes", "learning a batch"]
    assert min(seconds.values()) > 0


def test_known_transforms_and_exposures_restore_moved_frames():
    frame = cv2.GaussianBlur(draw_texture(120, 160), (0, 0), 2)
    frames, known = moved.move_frames([frame] * 8, seed=0)
    transforms = [alignment.transform for alignment in known.alignments]
    assert frames[4] is frame
    assert np.allclose(transforms[4], identity())
    middle, shifted = np.array([79.5, 59.5]), np.array([84.5, 55.9])
    assert np.allclose(map_points(transforms[6], shifted), middle)
    for number in (0, 3, 7):
        assert psnr(frames[number], frame) < 30
        back = warp(frames[number], transforms[number], known.shape)
        back = apply_exposure(back, known.exposures[number], white=255)
        assert psnr(back[30:90, 40:120], frame[30:90, 40:120]) > 45


def test_transform_error_is_the_mean_distance():
    true = moved.move_frames([draw_texture(60, 80)] * 3, seed=1)[1].alignments[0].transform
    assert truth.transform_error(true, true, (60, 80)) == 0
    shift = np.array([[1, 0, 3.0], [0, 1, -4.0], [0, 0, 1]])
    assert truth.transform_error(shift @ true, true, (60, 80)) == pytest.approx(5)


def test_stack_tables_are_markdown():
    usages = {stacks.OURS: stacks.Usage(12.345, 20.0, 512.4), stacks.ENFUSE: stacks.Usage(9, 9, 99)}
    lines = stacks.usage_table(usages).splitlines()
    assert lines[0] == "| method | what it does | wall s | CPU s | peak MB |"
    assert lines[2:] == [
        "| drpl fuse | aligns and fuses | 12.3 | 20.0 | 512 |",
        "| enfuse | fuses, does not align | 9.0 | 9.0 | 99 |",
    ]
    steps = stacks.steps_table({"align": 1.0, "decide": 2.0}, 4.0).splitlines()
    assert steps[3] == "| decide | 2.00 | 50 % |"
    assert steps[4] == "| start and end of the process | 1.00 | 25 % |"
    assert stacks.frame_table({"warp": 0.5}, 2.0).endswith("| warp | 0.500 | 0.2500 |")


def test_moved_stack_is_scored(model):
    frames, picture, _ = striped_stack(4, 160, 200)
    one = BenchScene(frames, picture, np.zeros((160, 200), bool), "stripes")
    found = truth.score_stack(one, model, seed=0)
    assert found.psnr[truth.AS_RENDERED] > found.psnr[truth.MOVED]
    assert len(found.errors) + found.rejected == 3
    text = truth.truth_table([found])
    assert f"| {truth.AS_RENDERED} | {found.psnr[truth.AS_RENDERED]:.2f} |" in text
    assert "a random order" in text


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="POSIX only")
def test_processes_are_measured_without_their_parent():
    ballast = np.ones(300_000_000, np.uint8)
    usage = stacks.measure([sys.executable, "-S", "-c", "print(sum(range(1000)))"])
    assert usage.wall > 0
    assert usage.peak < 100
    assert ballast[0] == 1
    with pytest.raises(RuntimeError, match="ended with 3"):
        stacks.measure([sys.executable, "-S", "-c", "raise SystemExit(3)"])


def test_stacks_and_photos_cannot_both_be_missing(tmp_path):
    with pytest.raises(typer.BadParameter, match="--photos"):
        stacks.main(output=tmp_path / "out")


def test_rendered_stacks_are_written_as_table_and_json(photos, tmp_path):
    stacks.main(photos=photos, output=tmp_path / "out", scenes=1, size=128)
    about = json.loads((tmp_path / "out" / "about.json").read_text(encoding="utf-8"))
    assert about["models"]["drpl-fast"]
    assert len(about["truth"]["scenes"]) == 1
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "| drpl, moved, aligned |" in table


def test_marked_sections_are_replaced(tmp_path):
    document = tmp_path / "results.md"
    marked = "# Results\n\n<!-- begin speed -->\n{}<!-- end speed -->\n\nAfter.\n"
    document.write_text(marked.format("old\n"), encoding="utf-8")
    for _ in range(2):
        docs.write_sections(document, {"speed": "| new |\n", "stacks": "elsewhere"})
        assert document.read_text(encoding="utf-8") == marked.format("\n| new |\n\n")
    with pytest.raises(typer.BadParameter, match="no section for stacks"):
        docs.write_sections(document, {"stacks": "elsewhere"})


def test_short_tables_of_a_run():
    values = np.array([[[40.0, 0.9], [42.0, 0.95], [44.0, 1.0]]] * 2)
    scores = SetScores(
        "drawn", ["a", "b"], ["", ""], ["gff", "ours"], [CEILING], ["psnr", "ssim"], values
    )
    found = short.sections([scores])
    assert found["quality drawn"].splitlines()[2:] == [
        "| ours | 42.00 | 42.00 | 0.9500 | 50 % |",
        "| gff | 40.00 | 40.00 | 0.9000 | 0 % |",
        "| selection ceiling | 44.00 | 44.00 | 1.0000 | 100 % |",
    ]
    plain = SetScores(
        "real", ["a"], [""], ["gff", "ours"], [], ["q_mi"], np.array([[[1.0], [2.0]]])
    )
    ranks = short.sections([plain])["quality ranks"].splitlines()
    assert ranks == ["| method | real (1) |", "| --- | --- |", "| ours | 1.00 |", "| gff | 2.00 |"]

"""Summaries of scores: means, ranks, intervals, and the sentence about the first entry."""

from dataclasses import replace

import numpy as np
import pytest

from drpl.bench import entries, summary, tables


def hand_made(values, metrics, names=("ours", "theirs")):
    count = len(values)
    labels = [f"s{number}" for number in range(count)]
    return summary.SetScores(
        "set", labels, [""] * count, list(names), [], list(metrics), np.array(values, float)
    )


def test_ceiling_column_and_sentence():
    names = ("ours", "gff", "dct")
    values = np.array([[42.0, 41.0, 30.0, 45.0], [44.0, 41.0, 30.0, 45.0]])[:, :, None]
    scores = replace(hand_made(values, ["psnr"], names), references=[entries.CEILING])
    ways = {row[0]: row[-1] for row in tables.mean_table(scores).rows}
    assert ways == {"ours": "50 %", "gff": "0 %", "dct": "-275 %", entries.CEILING: "100 %"}
    assert tables.sentence(scores) == "ours leads gff by 2.00 dB [1.00, 3.00] of PSNR."
    scores.values[:, 0] = [[40.0], [41.2]]
    expected = "ours trails gff by 0.40 dB [-0.20, 1.00] of PSNR; the interval includes 0."
    assert tables.sentence(scores) == expected


def test_known_scores_are_ranked():
    scores = np.array([[3.0, 1.0, 3.0, 2.0], [1.0, 1.0, 1.0, np.nan]])
    assert summary.ranks(scores, "psnr")[0].tolist() == [1.5, 4, 1.5, 3]
    assert summary.ranks(scores, "q_cv")[0].tolist() == [3.5, 1, 3.5, 2]
    tied = summary.ranks(scores, "psnr")[1]
    assert tied[:3].tolist() == [2, 2, 2]
    assert np.isnan(tied[3])


def test_rivals_have_other_models():
    names = ("ours select", "ours pyramid", "gff", "theirs pyramid")
    scores = hand_made(np.zeros((1, 4, 1)), ["psnr"], names)
    assert scores.rivals == [2, 3]


def test_mean_ranks_differ_from_ranks_within_scenes():
    # q_mi: ours wins twice and loses once by more; q_cv, lower is better: theirs always wins
    values = [[[0.6, 9.0], [0.5, 1.0]], [[0.6, 9.0], [0.5, 1.0]], [[0.1, 9.0], [0.9, 8.0]]]
    scores = hand_made(values, ("q_mi", "q_cv"))
    assert scores.mean_ranks().tolist() == [[2, 1], [2, 1]]
    assert scores.image_ranks().tolist() == [[1.5, 1.5], [1.5, 1.5], [2, 1]]


def test_bootstrap_covers_the_true_mean():
    rng = np.random.default_rng(5)
    samples = rng.normal(3.0, 2.0, (40, 400))
    low, high = summary.bootstrap(samples, rounds=2000)
    covered = ((low <= 3.0) & (high >= 3.0)).mean()
    assert 0.91 < covered < 0.97
    width = 2 * 1.96 * 2.0 / np.sqrt(40)
    assert np.mean(high - low) == pytest.approx(width, rel=0.06)


def test_bootstrap_is_paired_and_skips_missing_values():
    values = np.random.default_rng(1).normal(40, 8, (30, 2))
    values[:, 1] = values[:, 0] - 0.4
    values[3, 0] = np.nan
    scores = hand_made(values[:, :, None], ["psnr"])
    leads = summary.lead(scores, "psnr")
    low, high = summary.bootstrap(leads)
    assert low[1] == pytest.approx(0.4)
    assert high[1] == pytest.approx(0.4)
    assert summary.mean(scores.of("psnr"))[0] == pytest.approx(np.nanmean(values[:, 0]))

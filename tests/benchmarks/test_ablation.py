import csv
import json

import numpy as np
import pytest
import typer

from benchmarks import ablation
from drpl.core.masks import PairDecision
from drpl.errors import ConfigError
from drpl.train import module
from drpl.train import run as runs
from drpl.train.config import read_config
from drpl.train.networks import DRPLFast, SingleInput

FUSED = {f"losses.{n}" for n in ("gradient", "ssim", "fused_charbonnier", "fused_log_error")}
MASKS = {
    f"losses.{n}"
    for n in ("mask_cross_entropy", "coarse_cross_entropy", "mask_l1", "pair_complement")
}
PAPER_SCENES = {"scenes.recipe": "paper"}
CHANGES = {
    "full": {},
    "full, seed 1": {"seed": 1},
    "full, seed 2": {"seed": 2},
    "single input": {"network": "drpl-fast-single"},
    "no pair complement": {"losses.pair_complement": 0},
    "pair complement 1": {"losses.pair_complement": 1},
    "no gradient loss": {"losses.gradient": 0},
    "no SSIM loss": {"losses.ssim": 0},
    "SSIM loss 1": {"losses.ssim": 1},
    "losses on masks only": dict.fromkeys(FUSED, 0),
    "target: depth": {"target": "mask"},
    "losses on masks only, target: depth": dict.fromkeys(FUSED, 0) | {"target": "mask"},
    "scenes: the paper's": PAPER_SCENES,
}
PAPER_WEIGHTS = {"losses.mask_l1": 0.8, "losses.gradient": 0.1, "losses.ssim": 0.1}
TINY = """
steps = 4
batch = 2
warmup = 1
validate_every = 2
validation_scenes = 8
validation_share = 0.4
precision = "32-true"
[scenes]
size = 64
"""
RUN = {"variants": ["single input"], "scenes": 2, "size": 64, "workers": 0, "threads": 1}


def flat(options):
    """Values of a configuration by their dotted names."""
    found = {}
    for name, value in options.to_dict().items():
        parts = value.items() if isinstance(value, dict) else ()
        found |= {f"{name}.{key}": part for key, part in parts} or {name: value}
    return found


def difference(name):
    """Values of a variant that differ from the full recipe."""
    base = read_config(ablation.CONFIG)
    full, variant = flat(base), flat(ablation.variant_options(base, ablation.VARIANTS[name]))
    assert set(full) == set(variant)
    return {key: value for key, value in variant.items() if value != full[key]}


@pytest.mark.parametrize("name", list(CHANGES))
def test_a_variant_changes_only_what_its_name_states(name):
    assert difference(name) == CHANGES[name]


def test_variants_of_the_paper_have_its_losses_target_and_scenes():
    losses = difference("losses: the paper's")
    whole = difference("losses, target and scenes: the paper's")
    assert set(losses) <= FUSED | MASKS
    weights = flat(
        ablation.variant_options(
            read_config(ablation.CONFIG), ablation.VARIANTS["losses: the paper's"]
        )
    )
    positive = {key: value for key, value in weights.items() if key in FUSED | MASKS and value > 0}
    # released trainer: 0.8 L1 of the masks, 0.1 (1 - SSIM), 0.1 gradient
    assert positive == {key: value for key, value in weights.items() if key in PAPER_WEIGHTS}
    assert {key: weights[key] for key in PAPER_WEIGHTS} == PAPER_WEIGHTS
    assert whole == losses | PAPER_SCENES | {"target": "mask", "mask_weighting": False}
    assert set(ablation.VARIANTS) == {
        *CHANGES, "losses: the paper's", "losses, target and scenes: the paper's",
    }  # fmt: skip


def test_hard_composition_takes_each_pixel_from_one_source():
    rng = np.random.default_rng(0)
    a, b = rng.integers(256, size=(2, 40, 50, 3), dtype=np.uint8)
    mask = rng.random((40, 50), dtype=np.float32)
    masks = PairDecision(mask, 1 - mask)
    hard = ablation.composed([a, b], masks, "hard")
    assert np.array_equal(hard, np.where(mask[..., None] >= 0.5, a, b))
    assert not np.array_equal(hard, ablation.composed([a, b], masks, "pyramid"))


def test_scenes_without_the_scored_region_are_left_out():
    reference = np.array([30.0, np.nan, 32.0])
    assert ablation.compared(reference, reference, 2) == ["31.00", ""]
    cells = ablation.compared(reference + 0.5, reference, 2)
    assert cells == ["31.50", "+0.50 [+0.50, +0.50]"]


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Configuration of a few steps, with small networks."""
    monkeypatch.setitem(runs.NETWORKS, "drpl-fast", lambda: DRPLFast((8,) * 6))
    monkeypatch.setitem(runs.NETWORKS, "drpl-fast-single", lambda: SingleInput((8,) * 6))
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


def test_an_interrupted_ablation_resumes(photos, tiny, tmp_path, monkeypatch):
    ablation.main(photos, tiny, tmp_path / "whole", **RUN)
    step, taken = module.training_step, []

    def counted(run, *rest):
        if len(taken) == 7:
            raise KeyboardInterrupt
        taken.append((run.options.network, run.step))
        return step(run, *rest)

    monkeypatch.setattr(module, "training_step", counted)
    with pytest.raises(KeyboardInterrupt):
        ablation.main(photos, tiny, tmp_path / "parts", **RUN)
    assert not (tmp_path / "parts" / "table.md").exists()
    taken.clear()
    ablation.main(photos, tiny, tmp_path / "parts", **RUN)
    assert taken == [("drpl-fast-single", 3)]
    ablation.main(photos, tiny, tmp_path / "parts", **RUN)
    assert len(taken) == 1
    scores = []
    for name in ("whole", "parts"):
        with (tmp_path / name / "scores.csv").open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 2 * 2 * len(ablation.MODES)
        assert {row["variant"] for row in rows} == {"full", "single input"}
        scores.append([float(row["psnr"]) for row in rows])
    assert scores[0] == pytest.approx(scores[1], abs=0.05)
    table = (tmp_path / "parts" / "table.md").read_text(encoding="utf-8")
    assert "| single input | " in table
    about = json.loads((tmp_path / "parts" / "about.json").read_text(encoding="utf-8"))
    assert [about["variants"][name]["steps"] for name in ("full", "single input")] == [4, 4]
    with pytest.raises(ConfigError, match="another configuration"):
        ablation.main(photos, tiny, tmp_path / "parts", steps=5, **RUN)


def test_unknown_variants_and_overlapping_photos_are_refused(photos, tiny, tmp_path):
    with pytest.raises(typer.BadParameter, match="no colour; known: full"):
        ablation.main(photos, tiny, tmp_path / "out", variants=["no colour"])
    tiny.write_text("validation_share = 0.05", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tiny\.toml: validation_share is 0\.05"):
        ablation.main(photos, tiny, tmp_path / "out")
    assert not (tmp_path / "out").exists()

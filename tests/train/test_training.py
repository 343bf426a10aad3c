import csv
import math
import re
import shutil
from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from drawing import draw_texture
from drpl.errors import ConfigError, ModelError, ReadError
from drpl.scenes.batches import SceneBatches
from drpl.scenes.degradation import DegradationOptions
from drpl.scenes.options import SceneOptions
from drpl.scenes.photos import find_photos, load_photos, split_photos
from drpl.train import module, monitor, reuse
from drpl.train import run as runs
from drpl.train.config import LossWeights, TrainOptions, config_from_dict, read_config
from drpl.train.networks import DRPLFast
from drpl.train.paper import DRPL

TINY = TrainOptions(
    steps=6,
    batch=2,
    warmup=1,
    validate_every=3,
    validation_scenes=8,
    validation_share=0.4,
    precision="32-true",
    scenes=SceneOptions(size=64),
)


@pytest.fixture
def narrow(monkeypatch):
    """Small network in place of drpl-fast."""
    monkeypatch.setitem(runs.NETWORKS, "drpl-fast", lambda: DRPLFast((8,) * 6))


def train(photos, out, options=TINY, **arguments):
    return module.train(photos, options, out, accelerator="cpu", devices=1, workers=0, **arguments)


def weights(path):
    return runs.read_checkpoint(path)["network"]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("uses", [1, 2])
def test_resumed_equals_uninterrupted(photos, tmp_path, monkeypatch, uses):
    options = replace(TINY, scene_uses=uses)
    train(photos, tmp_path / "whole", options)
    step = module.training_step

    def interrupted(run, *rest):
        if run.step == 4:
            raise KeyboardInterrupt
        return step(run, *rest)

    monkeypatch.setattr(module, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(photos, tmp_path / "parts", options)
    assert runs.read_checkpoint(tmp_path / "parts" / "last.ckpt")["step"] == 4
    shutil.copy(tmp_path / "parts" / "last.ckpt", tmp_path / "half.ckpt")
    monkeypatch.setattr(module, "training_step", step)
    train(photos, tmp_path / "parts", options, resume=True)
    whole, parts, start = (
        weights(tmp_path / name) for name in ("whole/last.ckpt", "parts/last.ckpt", "half.ckpt")
    )
    moved = max(float((value - start[name]).abs().max()) for name, value in whole.items())
    apart = max(float((value - parts[name]).abs().max()) for name, value in whole.items())
    assert moved > 1e-4
    # two uninterrupted runs also differ in the last bit: kernels of PyTorch depend on alignment,
    # and Adam divides small gradients by their own magnitude
    assert apart < 0.05 * moved


@pytest.mark.usefixtures("narrow")
def test_a_run_leaves_logs_samples_and_checkpoints(photos, tmp_path):
    scores = train(photos, tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"last.ckpt", "best.ckpt", "log.csv", "samples.png"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows if row["name"] == "validation/psnr"] == ["3", "6"]
    assert set(scores) == {
        *("psnr", "psnr_band", "psnr_outside", "psnr_ceiling", "ssim", "mask_error")
    }
    assert scores["psnr"] <= scores["psnr_ceiling"] + 1
    with pytest.raises(ConfigError, match="holds a run already"):
        train(photos, tmp_path / "run")
    before = weights(tmp_path / "run" / "last.ckpt")
    assert train(photos, tmp_path / "run", resume=True) == {}
    after = weights(tmp_path / "run" / "last.ckpt")
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    with pytest.raises(ConfigError, match="another configuration"):
        train(photos, tmp_path / "run", replace(TINY, steps=7), resume=True)


@pytest.mark.usefixtures("narrow")
def test_minutes_end_a_run_and_initial_weights_start_one(photos, tmp_path):
    train(photos, tmp_path / "first", replace(TINY, steps=1))
    train(photos, tmp_path / "second", minutes=1e-6, initial=tmp_path / "first" / "last.ckpt")
    state = runs.read_checkpoint(tmp_path / "second" / "last.ckpt")
    assert state["step"] == 1


def test_weights_are_read_from_checkpoints_and_from_models(tmp_path):
    torch.save({"config": {}, "network": {}, "average": {"a": torch.ones(2)}}, tmp_path / "a.ckpt")
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    for name in ("a.ckpt", "a.safetensors"):
        assert torch.equal(runs.read_weights(tmp_path / name)["a"], torch.ones(2))
    (tmp_path / "bad.safetensors").write_text("words", encoding="utf-8")
    for name in ("bad.safetensors", "nowhere.safetensors"):
        with pytest.raises(ModelError, match=name):
            runs.read_weights(tmp_path / name)
    with pytest.raises(ModelError, match="no such file; installed packages have no weights"):
        runs.read_weights(tmp_path / "nowhere.safetensors")


def test_initial_weights_may_lack_layers_and_have_others():
    options = replace(TINY, network="drpl-fast")
    run = runs.start_run(options, L.Fabric(accelerator="cpu", devices=1))
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    found = {name: value + 1 for name, value in before.items() if name != "stem.bias"}
    runs.start_from(run, found | {"other": torch.zeros(1)})
    for state in (run.network.state_dict(), run.average.state_dict()):
        assert torch.equal(state["stem.weight"], before["stem.weight"] + 1)
        assert torch.equal(state["stem.bias"], before["stem.bias"])
    with pytest.raises(ModelError, match="belong to another network; expected drpl-fast"):
        runs.start_from(run, DRPL().state_dict())


def cropped(scenes, size):
    """Upper left corner of every picture of a batch."""
    window = (..., slice(size), slice(size))
    return replace(
        scenes,
        frames=scenes.frames[window],
        observed=scenes.observed[window],
        truth=scenes.truth[window],
        index_map=scenes.index_map[window],
    )


@pytest.mark.parametrize("network", [DRPLFast, DRPL])
def test_one_small_batch_is_overfitted(photos, network):
    """The decision of a memorised pair approaches its target."""
    torch.manual_seed(0)
    pictures = load_photos(find_photos(photos))
    options = SceneOptions(size=64, channels=1, max_layers=1, flat_share=1.0, paper_share=0.0)
    scenes = SceneBatches(pictures, options, batch=2, seed=3, length=1)[0]
    if network is DRPL:
        learner, scenes = network(), cropped(scenes, 40)
    else:
        learner = network((16,) * 6)
    optimiser = torch.optim.Adam(learner.parameters(), lr=2e-3)
    losses = []
    for _ in range(12 if network is DRPL else 80):
        levels = learner.levels(scenes.observed[:, 0], scenes.observed[:, 1])
        loss, values = module.training_loss(levels, scenes, TINY)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(values["mask_cross_entropy"])
    assert losses[-1] < 0.6 * losses[0]


def test_each_loss_can_be_left_out(photos):
    pictures = load_photos(find_photos(photos))
    scenes = SceneBatches(pictures, TINY.scenes, batch=2, seed=3, length=1)[0]
    levels = tuple((torch.zeros(2, 1, s, s), torch.zeros(2, 1, s, s)) for s in (64, 4))
    nothing = LossWeights(*[0.0] * 9)
    for name in nothing.__dataclass_fields__:
        options = replace(TINY, losses=replace(nothing, **{name: 2.0}))
        total, values = module.training_loss(levels, scenes, options)
        assert set(values) == {name}
        assert float(total) == pytest.approx(2 * values[name], rel=1e-5)


def test_learning_rate_follows_its_schedule():
    options = TrainOptions(learning_rate=1.0, warmup=10)
    assert module.learning_rate(options, 0.0, 0) == pytest.approx(0.1)
    assert module.learning_rate(options, 0.0, 100) == pytest.approx(1.0)
    assert module.learning_rate(options, 1.0, 100) == pytest.approx(0.01)
    steps = replace(options, schedule="step")
    assert module.learning_rate(steps, 0.59, 0) == 1.0
    assert module.learning_rate(steps, 0.61, 0) == 0.5


def test_a_checkpoint_is_not_executed(tmp_path):
    path = tmp_path / "bad.ckpt"
    torch.save({"config": print}, path)
    with pytest.raises(ModelError, match=r"bad\.ckpt"):
        runs.read_checkpoint(path)
    torch.save({"other": 1}, path)
    with pytest.raises(ModelError, match="is not a checkpoint"):
        runs.read_checkpoint(path)
    with pytest.raises(ModelError, match="cannot be read"):
        runs.read_checkpoint(tmp_path / "nowhere.ckpt")


def test_batches_depend_on_seed_and_index_only(photos):
    pictures = load_photos(find_photos(photos))
    one, two = (
        SceneBatches(
            pictures, TINY.scenes, batch=2, seed=5, length=9, degradation=DegradationOptions()
        )
        for _ in range(2)
    )
    _ = one[3]
    first, second = one[7], two[7]
    assert torch.equal(first.observed, second.observed)
    assert not torch.equal(first.observed, one[8].observed)
    assert len(one) == 9


def sorted_values(scenes):
    """Sorted grey values of each scene, which reorienting a scene keeps."""
    return [np.sort(truth.numpy().ravel()) for truth in scenes.truth]


def test_every_scene_is_used_the_given_number_of_times(photos, monkeypatch):
    monkeypatch.setattr(reuse, "SPACING", 2)
    pictures = load_photos(find_photos(photos))
    rendered = SceneBatches(pictures, TINY.scenes, batch=4, seed=5, length=99)
    batches = [reuse.ReusedScenes(rendered, 2)[index] for index in range(12)]
    used = [values for batch in batches for values in sorted_values(batch)]
    # rendered batch 4 is used in batches 4 and 5 and, two rendered batches later, in 8 and 9
    for values in sorted_values(rendered[4]):
        assert sum(np.array_equal(values, other) for other in used) == 2
    assert all(batch.frames.shape == (4, 2, 1, 64, 64) for batch in batches)


def test_reused_scenes_are_reoriented_as_a_whole(photos):
    pictures = load_photos(find_photos(photos))
    options = replace(TINY.scenes, one_sharp_share=1.0, paper_share=0.0, max_layers=1)
    rendered = SceneBatches(
        pictures, options, batch=4, seed=5, length=9, degradation=DegradationOptions()
    )
    first, second = reuse.ReusedScenes(rendered, 2), reuse.ReusedScenes(rendered, 2)
    _ = first[2]
    scenes, again = first[7], second[7]
    assert torch.equal(scenes.observed, again.observed)
    assert not torch.equal(scenes.observed, scenes.frames)
    # one frame of each scene is sharp everywhere and must equal the reoriented truth
    errors = (scenes.frames - scenes.truth[:, None]).abs().amax(dim=(2, 3, 4)).amin(dim=1)
    assert float(errors.max()) < 1e-3


@pytest.mark.parametrize("frames", [2, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_scenes_have_the_configured_shape(photos, frames, channels):
    pictures = load_photos(find_photos(photos))
    options = SceneOptions(size=80, frames=frames, channels=channels)
    scenes = SceneBatches(pictures, options, batch=3, seed=1, length=1)[0]
    assert scenes.observed.shape == (3, frames, channels, 80, 80)
    assert scenes.truth.shape == (3, channels, 80, 80)
    assert len(scenes.kinds) == 3


def test_split_keeps_cuts_of_one_picture_together(photos):
    files = find_photos(photos)
    for share in (0.2, 0.4, 0.6):
        training, validation = split_photos(files, share)
        assert sorted(training + validation) == files
        walls = [p in validation for p in files if p.stem.startswith("wall")]
        assert len(set(walls)) == 1


def test_split_reads_the_manifest(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    rows = ["file,source,origin,path,licence"]
    for index in range(40):
        (folder / f"photo_{index}.jpg").touch()
        rows.append(f"open/photo_{index}.jpg,s,someone,picture_{index // 4}.png,CC0")
    (tmp_path / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    _, validation = split_photos(find_photos(folder), 0.4)
    chosen = {int(re.findall(r"\d+", path.stem)[0]) for path in validation}
    groups = {index // 4 for index in chosen}
    assert chosen == {index for index in range(40) if index // 4 in groups}


def test_folders_without_usable_photos_are_refused(tmp_path, photos):
    with pytest.raises(ConfigError, match="cannot be split"):
        split_photos(find_photos(photos)[:1], 0.5)
    with pytest.raises(ReadError, match="no such folder"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(ReadError, match="holds no all-in-focus photos"):
        find_photos(tmp_path)
    (tmp_path / "broken.jpg").write_text("words", encoding="utf-8")
    with pytest.raises(ReadError, match=r"broken\.jpg"):
        load_photos(find_photos(tmp_path))


@pytest.mark.data
def test_validation_photos_share_no_source_with_training(data):
    training, validation = split_photos(
        find_photos(data / "photos" / "open"), TrainOptions().validation_share
    )
    stems = [{re.sub(r"_crop\d+$", "", p.stem) for p in part} for part in (training, validation)]
    assert not stems[0] & stems[1]
    assert 25 <= len(validation) <= 60


def test_configurations_survive_a_round_trip(tmp_path):
    assert config_from_dict(TINY.to_dict()) == TINY
    path = tmp_path / "config.toml"
    path.write_text('network = "drpl"\n[scenes]\nsize = 128\nradius = [1, 9.5]\n', encoding="utf-8")
    options = read_config(path)
    assert (options.network, options.scenes.size) == ("drpl", 128)
    assert options.scenes.radius == (1.0, 9.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network = 'other'", "network is 'other'"),
        ("steps = 0", "steps is 0"),
        ("target_window = 4", "expected an odd number"),
        ("batch = 16\nscene_uses = 3", "expected a divisor of batch"),
        ("stepz = 3", "unknown key stepz"),
        ("[scenes]\nsizes = 3", r"unknown key scenes\.sizes"),
        ("steps = 'many'", "steps is 'many'"),
        ("scenes = 3", "scenes is 3; expected a table"),
        ("[scenes]\nsize = 100", "multiple of 16"),
        ("[scenes]\nradius = [3]", "expected 2 numbers"),
        ("[scenes]\nradius = [3, 70]", "<= 64"),
        ("validation_share = 1.5", "validation_share"),
        ("steps = = 3", "is not TOML"),
    ],
)
def test_invalid_configurations_are_refused(tmp_path, text, message):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path)
    assert "config.toml" in str(caught.value)


def test_a_missing_configuration_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "nowhere.toml")


def test_psnr_covers_the_given_pixels():
    truth = torch.zeros(2, 1, 4, 4)
    fused = truth.clone()
    fused[0] = 0.1
    where = torch.zeros(2, 4, 4, dtype=torch.bool)
    where[:, :2] = True
    assert monitor.psnr(fused, truth).tolist() == pytest.approx([20.0, 100.0], abs=1e-3)
    assert float(monitor.psnr(fused, truth, where)[0]) == pytest.approx(20.0, abs=1e-3)


def test_gallery_writes_scenes_and_a_contact_sheet(photos, tmp_path):
    from drpl.train.gallery import write_scenes

    masks = tmp_path / "masks"
    masks.mkdir()
    import cv2

    cv2.imwrite(
        str(masks / "m.png"), (draw_texture(90, 90, channels=1) > 128).astype(np.uint8) * 255
    )
    sheet = write_scenes(photos, tmp_path / "out", scenes=2, size=96, frames=3, masks=masks, seed=4)
    assert sheet.is_file()
    names = {path.name for path in (tmp_path / "out" / "scene_001").iterdir()}
    assert names == {
        *("frame_0.png", "frame_1.png", "frame_2.png", "truth.png", "index_map.png", "band.png")
    }


def test_a_loss_that_is_not_finite_stops_the_run(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "training_loss", lambda *a: (torch.tensor(math.nan, requires_grad=True), {})
    )
    monkeypatch.setitem(runs.NETWORKS, "drpl-fast", lambda: DRPLFast((8,) * 6))
    with pytest.raises(ModelError, match="not finite at step 0"):
        train(photos, tmp_path / "run")

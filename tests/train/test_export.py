import json

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

from drpl.decide.backend import OnnxSession
from drpl.errors import ConfigError, ModelError
from drpl.models.cards import load_model
from drpl.train import export, stages
from drpl.train.config import TrainOptions
from drpl.train.exchange import StandardConv, with_plain_layers
from drpl.train.networks import DRPLFast
from drpl.train.paper import DRPL

DESCRIPTION = """
title = "a test"
architecture = "any"
licence = "Apache-2.0"
training_data = "none"
phases = [{commit = "0123abc", config = "none", command = "none", minutes = 1, steps = 1}]
"""


def write_recipe(path, network):
    path.write_text(f"{DESCRIPTION}options = {{network = '{network}'}}\n", encoding="utf-8")
    return path


@pytest.fixture
def recipe(tmp_path):
    return write_recipe(tmp_path / "recipe.toml", "drpl-fast")


def checkpoint(path, name, network):
    """Checkpoint of an untrained network whose masks are not all 0.5."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    state = network.state_dict()
    torch.save(
        {
            "config": TrainOptions(network=name).to_dict(),
            "network": state,
            "average": state,
            "step": 7,
            "seconds": 90.0,
        },
        path,
    )
    return path


@pytest.mark.parametrize(
    ("name", "network", "stages"),
    [("drpl", DRPL, ["masks"]), ("drpl-fast", DRPLFast, ["encode", "trunk", "decode"])],
)
def test_exported_equals_pytorch(tmp_path, name, network, stages, monkeypatch):
    if network is DRPL:
        monkeypatch.setattr(export, "ODD_SIZES", ((1, 1), (23, 41), (70, 131)))
    path = checkpoint(tmp_path / "a.ckpt", name, network())
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "file,source,origin,path,licence\nopen/a.jpg,s,o,p/a.png,CC0\nresearch/b.jpg,s,o,p,none\n",
        encoding="utf-8",
    )
    recipe = write_recipe(tmp_path / "recipe.toml", name)
    card = export.export_model(path, tmp_path / "model", recipe=recipe, manifest=manifest)
    assert [stage.name for stage in card.stages] == stages
    assert card.training_commit == "0123abc"
    assert load_model(str(tmp_path / "model"), threads=1)
    assert card.training["steps"] == 7
    assert "1 from s (o): CC0" in card.attribution
    assert "p/a.png" in (tmp_path / "model" / "attribution.csv").read_text(encoding="utf-8")
    weights = load_file(tmp_path / "model" / "weights.safetensors")
    assert set(weights) == set(network().state_dict())


def test_differences_become_sums_of_equal_value(tmp_path):
    class Difference(torch.nn.Module):
        def forward(self, a, b):
            return (a.relu() - b.relu()).relu()

    path = tmp_path / "difference.onnx"
    inputs = {"a": torch.rand(1, 16, 5, 7), "b": torch.rand(1, 16, 5, 7)}
    stages.write_stage(tmp_path, "difference", Difference(), inputs, ["out"], 0)
    assert "Sub" not in {node.op_type for node in onnx.load(path).graph.node}
    session = OnnxSession(path)
    for height in (5, 6, 5):
        a, b = np.random.default_rng(height).random((2, 1, 16, height, 7), dtype=np.float32)
        assert np.array_equal(session.run({"a": a, "b": b})[0], np.maximum(a - b, 0))


def test_nothing_is_exported_if_onnx_and_pytorch_differ(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr(export, "largest_difference", lambda *a: 2e-4)
    path = checkpoint(tmp_path / "a.ckpt", "drpl-fast", DRPLFast())
    with pytest.raises(ModelError, match=r"differ by 0\.0002"):
        export.export_model(path, tmp_path / "model", recipe=recipe)
    assert not (tmp_path / "model").exists()


def test_largest_difference_finds_a_changed_weight(tmp_path, recipe):
    path = checkpoint(tmp_path / "a.ckpt", "drpl-fast", DRPLFast())
    export.export_model(path, tmp_path / "model", recipe=recipe)
    other = DRPLFast().eval()
    torch.nn.init.constant_(other.unfold.bias, 1.0)
    assert export.largest_difference(tmp_path / "model", other) > 1e-3


def test_recipes_that_do_not_fit_are_refused(tmp_path, recipe):
    path = checkpoint(tmp_path / "a.ckpt", "drpl-fast", DRPLFast())
    write_recipe(recipe, "drpl")
    with pytest.raises(ConfigError, match="describes drpl; expected drpl-fast"):
        export.export_model(path, tmp_path / "model", recipe=recipe)
    with pytest.raises(ConfigError, match="cannot be read"):
        export.export_model(path, tmp_path / "model", recipe=tmp_path / "nowhere.toml")
    assert not (tmp_path / "model").exists()


def test_macs_are_counted_for_a_pair():
    conv = torch.nn.Conv2d(1, 4, 3, padding=1)

    class Pair(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv

        def forward(self, source_a, source_b):
            return self.conv(source_a), self.conv(source_b)

    assert export.count_macs(Pair()) == 2 * 4 * 9


def test_cards_hold_their_configuration(tmp_path, recipe):
    path = checkpoint(tmp_path / "a.ckpt", "drpl-fast", DRPLFast())
    export.export_model(path, tmp_path / "model", recipe=recipe)
    table = json.loads((tmp_path / "model" / "card.json").read_text(encoding="utf-8"))
    assert table["training"]["config"]["scenes"]["size"] == 192


class _Differences(torch.nn.Module):
    """Leaky ReLU of a difference of feature maps."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 16, 3, padding=1)

    def forward(self, source):
        features = self.conv(source)
        return torch.nn.functional.leaky_relu(features - features.flip(1), 0.1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_blocked_layout_replaces_differences_and_leaky_relu_exactly(tmp_path):
    paths = [tmp_path / "before.onnx", tmp_path / "after.onnx"]
    source = torch.randn(1, 1, 24, 40)
    torch.onnx.export(
        _Differences().eval(),
        (source,),
        str(paths[0]),
        input_names=["source"],
        opset_version=stages.OPSET,
        dynamo=False,
    )
    onnx.save(stages.in_blocked_layout(onnx.load(paths[0])), paths[1])
    kinds = [{node.op_type for node in onnx.load(path).graph.node} for path in paths]
    assert {"Sub", "LeakyRelu"} <= kinds[0]
    assert not {"Sub", "LeakyRelu"} & kinds[1]
    before, after = (OnnxSession(path).run({"source": source.numpy()})[0] for path in paths)
    assert np.array_equal(before, after)


def test_plain_layers_convolve_with_the_same_kernels():
    torch.manual_seed(0)
    network = DRPLFast((4,) * 6)
    torch.nn.init.normal_(network.up8.weight)
    pair = torch.rand(2, 1, 1, 64, 128)
    plain = with_plain_layers(network)
    assert not any(isinstance(module, StandardConv) for module in plain.modules())
    assert any(isinstance(module, StandardConv) for module in network.modules())
    with torch.no_grad():
        for mask, expected in zip(plain(*pair), network(*pair), strict=True):
            assert torch.equal(mask, expected)


def test_several_checkpoints_are_averaged(tmp_path, recipe):
    networks = [DRPLFast() for _ in range(2)]
    paths = [
        checkpoint(tmp_path / f"{number}.ckpt", "drpl-fast", network)
        for number, network in enumerate(networks)
    ]
    export.export_model(paths, tmp_path / "model", recipe=recipe)
    weights = load_file(tmp_path / "model" / "weights.safetensors")
    first, second = (network.state_dict() for network in networks)
    for name, value in weights.items():
        assert torch.allclose(value, (first[name] + second[name]) / 2, atol=1e-6)
    other = checkpoint(tmp_path / "other.ckpt", "drpl", DRPL())
    with pytest.raises(ModelError, match=r"other\.ckpt: holds another network"):
        export.export_model([paths[0], other], tmp_path / "none", recipe=recipe)
    assert not (tmp_path / "none").exists()

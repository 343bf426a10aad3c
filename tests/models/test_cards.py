import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from drpl.errors import ModelError
from drpl.models.cards import available_models, load_model, model_folder, read_card


@pytest.fixture
def folder(tmp_path):
    """Copy of the default model."""
    copy = tmp_path / "model"
    shutil.copytree(model_folder("drpl-fast"), copy)
    return copy


@pytest.mark.parametrize("name", available_models())
def test_every_shipped_model_loads_and_is_documented(name):
    card = read_card(model_folder(name))
    load_model(name, threads=1)
    for field in ("title", "licence", "training_data", "training_command", "architecture"):
        assert getattr(card, field)
    assert (model_folder(name) / "weights.safetensors").is_file()
    assert (model_folder(name) / "attribution.csv").is_file()


def test_unknown_model_names_the_known_ones():
    with pytest.raises(ModelError, match=r"'nothing' is unknown; expected one of .*drpl-fast"):
        load_model("nothing")


def test_a_folder_is_a_model_too(folder):
    assert load_model(str(folder), threads=1)


def test_a_changed_file_is_refused(folder):
    path = folder / "decode.onnx"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ModelError, match=r"decode\.onnx: is not the file that its card describes"):
        load_model(str(folder))


def test_a_missing_file_is_named(folder):
    (folder / "trunk.onnx").unlink()
    with pytest.raises(ModelError, match=r"trunk\.onnx: cannot be read"):
        load_model(str(folder))


def edit_card(folder: Path, change):
    path = folder / "card.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    change(table)
    path.write_text(json.dumps(table), encoding="utf-8")


def test_a_damaged_file_with_a_matching_hash_is_reported(folder):
    import hashlib

    (folder / "encode.onnx").write_bytes(b"no graph")
    digest = hashlib.sha256(b"no graph").hexdigest()
    edit_card(folder, lambda table: table["stages"][0].update(sha256=digest))
    with pytest.raises(ModelError, match="is not a network that ONNX Runtime can run"):
        load_model(str(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.pop("licence"), "licence"),
        (lambda table: table.update(surprise=1), "surprise"),
        (lambda table: table["stages"].pop(), "has stages"),
    ],
)
def test_a_wrong_card_is_refused(folder, change, message):
    edit_card(folder, change)
    with pytest.raises(ModelError, match=message):
        load_model(str(folder))


def test_a_card_that_is_not_json_is_refused(folder):
    (folder / "card.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"is not JSON: .* expected a model card"):
        load_model(str(folder))


def test_cards_are_frozen():
    card = read_card(model_folder("drpl-fast"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        card.id = "other"


def test_wrong_inputs_are_a_model_error():
    import numpy as np

    from drpl.decide.backend import OnnxSession

    session = OnnxSession(model_folder("drpl-fast") / "encode.onnx", threads=1)
    with pytest.raises(ModelError, match=r"encode\.onnx: the network failed"):
        session.run({"source": np.zeros((1, 3, 64, 64), np.float32)})

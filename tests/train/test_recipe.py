import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from drpl.errors import ConfigError
from drpl.models.cards import available_models, model_folder, read_card
from drpl.train.config import config_from_dict, read_config
from drpl.train.recipe import read_recipe

RECIPE = "recipe.toml"

ROOT = Path(__file__).parents[2]
TEXT = """
title = "a test"
architecture = "any"
licence = "Apache-2.0"
training_data = "none"

[[phases]]
commit = "0123abc"
config = "configs/first.toml"
command = "drpl train --config configs/first.toml -o one"
minutes = 1
steps = 10

[[phases]]
commit = "4567def"
config = "configs/second.toml"
command = "drpl train --config configs/second.toml --initial one/best.ckpt -o two"
minutes = 2.5
steps = 20
note = "slower"

[options]
network = "drpl"
[options.scenes]
size = 128
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / RECIPE
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(params=available_models())
def shipped(request):
    return read_recipe(model_folder(request.param) / RECIPE)


def test_phases_are_joined_for_the_card(path):
    recipe = read_recipe(path)
    assert recipe.options.scenes.size == 128
    assert recipe.phases[1].minutes == 2.5
    fields = recipe.card_fields()
    assert fields["training_commit"] == "0123abc; 4567def"
    assert fields["training_command"] == "; ".join(phase.command for phase in recipe.phases)
    path.write_text('export_command = "drpl export one two"\n' + TEXT, encoding="utf-8")
    assert read_recipe(path).card_fields()["training_command"].endswith("; drpl export one two")


def test_a_recipe_is_a_configuration(path):
    assert read_config(path) == read_recipe(path).options


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "a test"', "", "is not a recipe .*title"),
        ('licence = "Apache-2.0"', "surprise = 1", "is not a recipe .*surprise"),
        ("steps = 10", "", "is not a recipe .*steps"),
        ("[options", "[choices", "has no phases or no options"),
        ("[[phases]]", "[[steps]]", "has no phases or no options"),
        ("size = 128", "size = 100", "multiple of 16"),
        ("size = 128", "sizes = 128", r"unknown key options\.scenes\.sizes"),
    ],
)
def test_invalid_recipes_are_refused(path, old, new, message):
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_recipe(path)
    assert RECIPE in str(caught.value)


def test_options_that_are_no_table_are_refused(path):
    path.write_text("phases = [1]\noptions = 3", encoding="utf-8")
    with pytest.raises(ConfigError, match="options is 3; expected a table"):
        read_config(path)


@pytest.mark.parametrize("name", available_models())
def test_shipped_cards_equal_their_recipes(name):
    recipe, card = read_recipe(model_folder(name) / RECIPE), read_card(model_folder(name))
    assert recipe.options.network == card.id
    for field, value in recipe.card_fields().items():
        assert getattr(card, field) == value, field
    assert config_from_dict(card.training["config"]) == recipe.options


def test_shipped_options_are_complete(shipped):
    path = model_folder(shipped.options.network) / RECIPE
    table = tomllib.loads(path.read_text(encoding="utf-8"))["options"]
    assert table == json.loads(json.dumps(shipped.options.to_dict()))


def test_shipped_phases_name_their_commit_configuration_and_network(shipped):
    for phase in shipped.phases:
        assert re.fullmatch(r"[0-9a-f]{7,40}", phase.commit)
        assert shipped.options.network in phase.config
        assert f"--config {phase.config} " in phase.command
        assert f"--minutes {phase.minutes} " in phase.command


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_shipped_phases_have_their_configuration_in_history(shipped):
    def git(*arguments):
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )

    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("history is not complete")
    for phase in shipped.phases:
        found = f"{phase.commit}:{phase.config}"
        assert git("cat-file", "-e", found).returncode == 0, found
        assert tomllib.loads(git("show", found).stdout)["network"] == shipped.options.network

"""Options come from presets, files and arguments; terminal and files know the same ones."""

from dataclasses import fields

import pytest
from typer.testing import CliRunner

from drpl.cli.main import app
from drpl.core.options import PRESETS, FusionOptions, resolve_options
from drpl.errors import ConfigError


def test_arguments_override_the_file_and_the_file_overrides_the_preset(tmp_path):
    config = tmp_path / "my.toml"
    config.write_text('preset = "handheld"\ncompose = "pyramid"\ntile = 512\n')
    options = resolve_options({"tile": 256, "compose": None}, config=config)
    assert options == FusionOptions(motion="homography", crop=True, compose="pyramid", tile=256)
    other = resolve_options({}, preset="microscope", config=config)
    assert (other.motion, other.exposure, other.crop) == ("similarity", False, False)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_gives_valid_options(preset):
    assert isinstance(resolve_options({}, preset=preset), FusionOptions)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tile = 100", "tile is 100; expected a multiple of 64"),
        ('tile = "512"', "tile is '512'; expected int. Side of a tile"),
        ("align = 1", "align is 1"),
        ("reference = 1.5", "reference is 1.5; expected int. Number of the reference"),
        ("value_range = true", "value_range is True"),
        ('motion = "wild"', "motion is 'wild'; expected one of"),
        ('preset = "moon"', "preset is 'moon'; expected one of macro"),
        ("tiles = 1", "unknown option 'tiles'; known: method"),
        ("tile 1", "is not TOML"),
    ],
)
def test_a_wrong_file_is_reported_in_one_line(tmp_path, text, words):
    config = tmp_path / "my.toml"
    config.write_text(text)
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")) as caught:
        resolve_options({}, config=config)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.toml: cannot be read"):
        resolve_options({}, config=tmp_path / "no.toml")


def test_whole_numbers_are_accepted_as_fractions(tmp_path):
    config = tmp_path / "my.toml"
    config.write_text("value_range = 255\nreference = 3\n")
    assert resolve_options({}, config=config) == FusionOptions(value_range=255, reference=3)


def test_every_option_has_a_flag_with_its_help_text():
    shown = CliRunner().invoke(app, ["fuse", "--help"], env={"COLUMNS": "300"}).output
    text = " ".join(shown.split())
    for entry in fields(FusionOptions):
        assert f"--{entry.name.replace('_', '-')}" in text
        assert entry.metadata["help"].split(";")[0].split("(")[0].strip(" .") in text

"""Contract of all fusion methods."""

from dataclasses import replace

import numpy as np
import pytest

import drpl
from drawing import striped_stack
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError, ModelError
from drpl.io.stacks import ArrayStack
from drpl.models.cards import available_models, load_model
from drpl.models.methods import available_methods, find_method, network_method
from drpl.pipeline.fuse import fuse_stack
from drpl.results.sheet import DecisionSheet

STILL = FusionOptions(align=False, exposure=False, threads=1)
EVERY = pytest.mark.parametrize("name", available_methods())


class CountedStack(ArrayStack):
    """Stack that records every frame it reads."""

    def read(self, number):
        READ.append(number)
        return super().read(number)


READ = []


def counted(count):
    frames, _, index = striped_stack(count, 96, 140)
    READ.clear()
    return CountedStack(frames, [str(n) for n in range(count)]), index


@EVERY
def test_a_method_is_found_by_its_id_and_describes_itself(name):
    method = find_method(name)
    assert method.id == name
    about = method.describe()
    assert about["id"] == name
    assert about["sha256"] or about["doi"] or name == "average"


@EVERY
def test_frames_are_read_as_often_as_a_method_states(name):
    stack, index = counted(4)
    method = find_method(name)
    result = fuse_stack(stack, STILL, method=method)
    needs = method.needs(replace(STILL, scale=1), stack.like, 4)
    assert len(READ) == 4 * (1 + needs.passes)
    assert result.fused.dtype == np.uint8
    assert result.fused.shape == stack.like.shape
    assert result.method == method.describe() | {"passes": needs.passes}
    if name != "average":  # an average has no pixels of a single frame
        assert (result.index_map == index).mean() > 0.75


@EVERY
def test_needs_grow_with_frames(name):
    method = find_method(name)
    small, large = (np.zeros((side, side, 3), np.uint8) for side in (500, 2000))
    options = replace(STILL, scale=1)
    needs = method.needs(options, large, 3)
    assert needs.megabytes(large) > needs.megabytes(small) > needs.fixed_mb
    deep = large.astype(np.uint16)
    assert method.needs(options, deep, 3).megabytes(deep) > needs.megabytes(large)
    assert needs.tile_multiple in (0, 64)


@EVERY
def test_only_networks_show_decisions(name):
    method, sheet = find_method(name), DecisionSheet(["a", "b"])
    if method.describe()["sha256"]:
        assert method.extended(observe=sheet, slabs=None).observe is sheet
    else:
        with pytest.raises(ConfigError, match=f"method {name} fuses all frames at once"):
            method.extended(observe=sheet, slabs=None)
        with pytest.raises(ConfigError, match="for scale 2, choose a network"):
            method.resolve(replace(STILL, scale=2))


def test_a_loaded_network_fuses_like_its_id(model):
    frames, _, _ = striped_stack(3, 96, 140)
    loaded = drpl.fuse(frames, STILL, model=model)
    assert np.array_equal(loaded.fused, drpl.fuse(frames, STILL).fused)
    assert network_method(model, "mine").describe()["id"] == "mine"


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(ModelError, match=r"method 'nothing' is unknown; .*drpl-fast.*gff"):
        find_method("nothing")
    with pytest.raises(ModelError, match="model 'gff' is unknown; expected one of drpl, drpl-fast"):
        load_model("gff")


@pytest.mark.parametrize("name", available_models())
def test_a_loaded_network_needs_as_much_as_its_id(name):
    frame = np.zeros((2000, 3000, 3), np.uint8)
    options = replace(STILL, threads=4)
    loaded = network_method(load_model(name, threads=1)).needs(options, frame, 4)
    assert loaded == find_method(name).needs(options, frame, 4)

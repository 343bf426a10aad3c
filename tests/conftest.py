"""Shared fixtures: drawn pictures, tiny models, and the development data where it is there."""

import os
from pathlib import Path

import cv2
import pytest
from hypothesis import settings

from drawing import draw_texture, half_sharp_pair

settings.register_profile("drpl", deadline=None)
settings.load_profile("drpl")
ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DRPL_DATA", ROOT.parent / "shared" / "data"))


def pytest_collection_modifyitems(items):
    if DATA.is_dir():
        return
    skip = pytest.mark.skip(reason=f"{DATA} is not there")
    for item in items:
        if "data" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def data():
    return DATA


@pytest.fixture
def pair():
    return half_sharp_pair(150, 211)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of drawn photos; one source picture is cut twice."""
    folder = tmp_path_factory.mktemp("photos")
    names = [*(f"photo_{number}" for number in range(20)), "wall_crop0", "wall_crop1"]
    for seed, name in enumerate(names):
        cv2.imwrite(str(folder / f"{name}.png"), draw_texture(160, 200, seed))
    return folder


@pytest.fixture(scope="session")
def model():
    from drpl.models import load_model

    return load_model("drpl-fast", threads=1)


@pytest.fixture
def logged(monkeypatch, caplog):
    """What the service logs of refusals of a status; those of the test before do not count."""
    from drpl.serve.refusals import REFUSALS

    monkeypatch.setattr(REFUSALS, "_since", float("-inf"))

    def lines(status):
        found = [record.getMessage() for record in caplog.records]
        return [line for line in found if line.startswith(f"refused {status}")]

    return lines

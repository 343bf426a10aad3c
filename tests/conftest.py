"""Shared fixtures: drawn pictures, models, services, browsers, and development data if present."""

import os
from pathlib import Path

import cv2
import pytest
from hypothesis import settings

from browsing import COUNT, HEIGHT, WIDTH, Window, browsing, chromium
from drawing import draw_texture, half_sharp_pair, striped_stack

settings.register_profile("drpl", deadline=None)
settings.load_profile("drpl")
ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DRPL_DATA", ROOT.parent / "shared" / "data"))


def pytest_collection_modifyitems(items):
    if DATA.is_dir():
        return
    skip = pytest.mark.skip(reason=f"{DATA} does not exist")
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
    """Folder of drawn photos; two of them are crops of one picture."""
    folder = tmp_path_factory.mktemp("photos")
    names = [*(f"photo_{number}" for number in range(20)), "wall_crop0", "wall_crop1"]
    for seed, name in enumerate(names):
        cv2.imwrite(str(folder / f"{name}.png"), draw_texture(160, 200, seed))
    return folder


@pytest.fixture(scope="session")
def model():
    from drpl.models.cards import load_model

    return load_model("drpl-fast", threads=1)


@pytest.fixture
def logged(monkeypatch, caplog):
    """Return a function that lists the logged refusals of a status in this test."""
    from drpl.serve.http.refusals import REFUSALS

    monkeypatch.setattr(REFUSALS, "_since", float("-inf"))

    def lines(status):
        found = [record.getMessage() for record in caplog.records]
        return [line for line in found if line.startswith(f"refused {status}")]

    return lines


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """Folder of six frames, in natural order: ant_10 comes after ant_9."""
    folder = tmp_path_factory.mktemp("shots") / "ants"
    folder.mkdir()
    frames, _, _ = striped_stack(COUNT, HEIGHT, WIDTH)
    for number, frame in enumerate(frames, start=7):
        cv2.imwrite(str(folder / f"ant_{number}.png"), frame[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def names():
    """File names of `shots` in the order of the stack."""
    return [f"ant_{number}.png" for number in range(7, 7 + COUNT)]


@pytest.fixture(scope="module")
def page(url):
    """Client of the service at `url`, a fixture of the test module."""
    from serving import Client

    client = Client(url)
    yield client
    client.http.close()


@pytest.fixture(scope="module")
def job(page):
    """Job of two frames that is not started."""
    from serving import small_stack

    return page.fill(small_stack(2))


@pytest.fixture(scope="module")
def page_service(tmp_path_factory):
    """Process of `drpl serve` for the tests of the page."""
    from serving import Served

    served = Served(tmp_path_factory.mktemp("page") / "store", "--demo", "--jobs", "2")
    yield served
    served.end()


@pytest.fixture(scope="module")
def done(page_service, shots, names):
    """Finished job."""
    client = page_service.client()
    job = client.run({name: (shots / name).read_bytes() for name in names}, "ants")
    client.wait(job, "done")
    return job


@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    with browsing() as browser:
        yield browser


@pytest.fixture
def open_window(browser, page_service):
    """Return a function that opens a window; at the end, no window may have complaints."""
    windows = []

    def opened(address="", **options):
        windows.append(Window(browser, page_service.url.rstrip("/"), **options))
        windows[-1].page.goto(f"{windows[-1].url}/{address}")
        return windows[-1]

    yield opened
    for window in windows:
        window.close()

import cv2
import numpy as np
import pytest

from drpl.scenes.mattes import MATTE_KINDS, _averaged, _canvas, _stroke, draw_matte

SILHOUETTE = np.zeros((60, 80), np.uint8)
cv2.circle(SILHOUETTE, (40, 30), 22, 255, -1)
KINDS = [(kind, [SILHOUETTE] if kind == "silhouette" else []) for kind in MATTE_KINDS]


@pytest.mark.parametrize(("kind", "masks"), KINDS)
@pytest.mark.parametrize("size", [(96, 96), (130, 75)])
def test_mattes_are_opacities(kind, masks, size):
    coverage = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        matte = draw_matte(rng, *size, kind=kind, silhouettes=masks)
        assert matte.shape == size
        assert matte.dtype == np.float32
        assert matte.min() >= 0
        assert matte.max() <= 1
        coverage.append(matte.mean())
    assert min(coverage) >= 0.02
    assert max(coverage) <= 0.9


@pytest.mark.parametrize(("kind", "masks"), KINDS)
def test_the_same_seed_draws_the_same_matte(kind, masks):
    first, second = (
        draw_matte(np.random.default_rng(4), 64, 64, kind=kind, silhouettes=masks) for _ in "ab"
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize("width", [1.0, 2.3, 7.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, 1.2])
def test_a_stroke_covers_its_area(width, angle):
    canvas = _canvas(200, 200)
    reach = 80 * np.array([np.cos(angle), np.sin(angle)])
    path = 100 + np.linspace(-1, 1, 24)[:, None] * reach
    _stroke(canvas, path, np.full(24, width))
    assert _averaged(canvas).sum() == pytest.approx(160 * width, rel=0.08, abs=40)


def test_edges_are_anti_aliased_and_interiors_solid():
    matte = draw_matte(np.random.default_rng(1), 160, 160, kind="half_plane")
    between = ((matte > 0.02) & (matte < 0.98)).mean()
    assert 0 < between < 0.05


def test_random_mattes_cover_all_kinds(monkeypatch):
    from drpl.scenes import mattes

    seen = set()
    for name, draw in list(mattes._KINDS.items()):
        monkeypatch.setitem(mattes._KINDS, name, lambda *a, n=name, d=draw: (seen.add(n), d(*a))[1])
    rng = np.random.default_rng(0)
    for _ in range(150):
        draw_matte(rng, 32, 32)
    assert set(MATTE_KINDS) - seen <= {"silhouette"}


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="matte kind is 'cloud'"):
        draw_matte(np.random.default_rng(0), 32, 32, kind="cloud")
    with pytest.raises(ValueError, match="matte kind is 'silhouette'"):
        draw_matte(np.random.default_rng(0), 32, 32, kind="silhouette")

from dataclasses import replace

import numpy as np
import pytest
import torch

from drpl.scenes.degradation import DegradationOptions, degrade, jpeg
from drpl.scenes.rendering import (
    BAND_RADIUS,
    MARGIN,
    Layers,
    Lens,
    boundary_band,
    defocus_kernels,
    render,
    render_paper,
    srgb_decode,
    srgb_encode,
)
from drpl.train.losses import nearer_source

SIZE = 96 + 2 * MARGIN


def make_layers(mattes, depths, *, flat=True, radiance=None):
    """Scene of noise textures with the given mattes and depths."""
    torch.manual_seed(0)
    count = len(depths)
    radiance = torch.rand(1, count, 3, SIZE, SIZE) if radiance is None else radiance
    matte = torch.stack([torch.ones(SIZE, SIZE), *mattes])[None]
    depth = torch.stack(
        [torch.as_tensor(d, dtype=torch.float32).expand(SIZE, SIZE) for d in depths]
    )
    return Layers(radiance, matte, depth[None], flat, ("test",))


def make_lens(focus, aperture=8.0, shape=1):
    frames = len(focus)
    aperture = [aperture] * frames if isinstance(aperture, float) else aperture
    return Lens(
        torch.tensor([focus]), torch.tensor([aperture]), torch.tensor([shape]), torch.tensor([0.3])
    )


def left_half():
    matte = torch.zeros(SIZE, SIZE)
    matte[:, : SIZE // 2] = 1.0
    return matte


@pytest.mark.parametrize("shape", [0, 1, 5, 8])
def test_kernels_sum_to_one_and_widen_with_the_radius(shape):
    radius = torch.tensor([0.0, 0.5, 2.0, 7.0, 16.0])
    kernels = defocus_kernels(radius, torch.full((5,), shape), torch.zeros(5))
    assert bool((kernels >= 0).all())
    assert torch.allclose(kernels.sum((1, 2)), torch.ones(5), atol=1e-5)
    middle = kernels.shape[-1] // 2
    assert float(kernels[0, middle, middle]) == pytest.approx(1.0)
    peaks = kernels[:, middle, middle]
    assert bool((peaks[2:] < peaks[1:-1]).all())


def test_discs_and_polygons_have_the_same_area():
    radius = torch.full((2,), 10.0)
    kernels = defocus_kernels(radius, torch.tensor([1, 6]), torch.zeros(2))
    support = [(k > 0.5 * k.max()).sum().item() for k in kernels]
    assert support[0] == pytest.approx(np.pi * 100, rel=0.03)
    assert support[1] == pytest.approx(support[0], rel=0.03)


def test_layers_in_focus_equal_the_truth():
    scenes = render(make_layers([left_half()], [0.0, 1.0]), make_lens([0.0, 1.0]))
    assert scenes.frames.shape == (1, 2, 3, 96, 96)
    frame_back, frame_front = scenes.frames[0]
    truth = scenes.truth[0]
    assert torch.allclose(frame_front[..., :40], truth[..., :40], atol=1e-3)
    assert torch.allclose(frame_back[..., 60:], truth[..., 60:], atol=1e-3)
    assert float((frame_back[..., :30] - truth[..., :30]).abs().mean()) > 0.05
    assert float((frame_front[..., 60:] - truth[..., 60:]).abs().mean()) > 0.05


def test_a_defocused_foreground_spreads_over_the_sharp_background():
    dark, bright = torch.zeros(3, SIZE, SIZE), torch.ones(3, SIZE, SIZE)
    layers = make_layers([left_half()], [0.0, 1.0], radiance=torch.stack([dark, bright])[None])
    on_background = render(layers, make_lens([0.0, 1.0])).frames[0, 0, 0]
    row = srgb_decode(on_background[48])
    edge = SIZE // 2 - MARGIN
    assert float(row[edge + 4]) > 0.05
    assert float(row[edge + 10]) == pytest.approx(0.0, abs=1e-4)
    # in linear light, a straight foreground covers one half of the background at its edge
    between = (float(row[edge - 1]) + float(row[edge])) / 2
    assert between == pytest.approx(0.5, abs=0.02)


def test_depth_is_not_the_target_beside_a_blurred_foreground():
    faint = 0.1 + 0.02 * torch.rand(1, 2, 3, SIZE, SIZE)
    faint[:, 1] += 0.6
    layers = make_layers([left_half()], [0.0, 1.0], radiance=faint)
    scenes = render(layers, make_lens([0.0, 1.0]))
    target, _ = nearer_source(scenes.frames[:, 0], scenes.frames[:, 1], scenes.truth)
    by_depth = scenes.masks[:, 0]
    edge = SIZE // 2 - MARGIN
    assert float(by_depth[..., edge + 1 : edge + 3].mean()) == 1.0
    assert float(target[..., edge + 1 : edge + 3].mean()) < 0.1
    assert float(target[..., edge + 12 :].mean()) > 0.98


def test_varying_blur_equals_flat_blur_on_flat_layers():
    layers = make_layers([left_half()], [0.0, 1.0])
    flat = render(layers, make_lens([0.2, 1.0]))
    varying = Layers(layers.radiance, layers.matte, layers.depth, False, layers.kinds)
    assert torch.allclose(render(varying, make_lens([0.2, 1.0])).frames, flat.frames, atol=1e-3)


def test_slanted_layers_are_sharpest_where_they_are_focused():
    slope = torch.linspace(0, 1, SIZE).expand(SIZE, SIZE)
    layers = make_layers([], [slope], flat=False)
    scenes = render(layers, make_lens([0.2, 0.8], aperture=12.0))
    error = (scenes.frames[0] - scenes.truth).square().mean(dim=(1, 2))
    sharpest = [int(e.argmin()) for e in error]
    assert sharpest[0] < 40
    assert sharpest[1] > 56
    middle = int((scenes.index_map[0, 48] == 1).nonzero().min())
    assert middle == pytest.approx(48, abs=2)


def test_blur_never_wraps_into_the_picture():
    layers = make_layers([], [0.0])
    radiance = layers.radiance.clone()
    radiance[..., :MARGIN] = 0
    radiance[..., -MARGIN:] = 0
    radiance[..., :, 0] = 1000.0
    bright_edge = Layers(radiance, layers.matte, layers.depth, True, layers.kinds)
    frame = render(bright_edge, make_lens([0.0, 1.0], aperture=float(MARGIN))).frames[0, 1]
    assert float(frame[..., 95].max()) < 0.9


def test_a_frame_of_aperture_zero_equals_the_truth():
    scenes = render(make_layers([left_half()], [0.0, 1.0]), make_lens([0.0, 1.0], [0.0, 8.0]))
    assert torch.allclose(scenes.frames[:, 0], scenes.truth, atol=1e-3)


def test_index_map_and_masks_of_three_frames():
    scenes = render(make_layers([left_half()], [0.0, 1.0]), make_lens([0.0, 0.5, 1.0]))
    edge = SIZE // 2 - MARGIN
    assert bool((scenes.index_map[..., :edge] == 2).all())
    assert bool((scenes.index_map[..., edge:] == 0).all())
    assert torch.equal(scenes.masks.sum(1), torch.ones(1, 1, 96, 96))


def test_band_surrounds_the_focus_boundary():
    index_map = torch.zeros(1, 40, 80, dtype=torch.int64)
    index_map[..., 40:] = 1
    columns = boundary_band(index_map)[0, 20].nonzero().flatten()
    assert columns.min() == 40 - BAND_RADIUS
    assert columns.max() == 39 + BAND_RADIUS
    assert not bool(boundary_band(torch.zeros_like(index_map)).any())


def test_paper_pairs_are_sharp_on_complementary_sides_of_the_mask():
    torch.manual_seed(0)
    photos = torch.rand(2, 3, 32, 32)
    masks = torch.rand(2, 32, 32) > 0.5
    scenes = render_paper(photos, masks, torch.tensor([1, 3]))
    inside = masks[:, None].expand_as(photos)
    assert torch.equal(scenes.frames[:, 0][inside], photos[inside])
    assert torch.equal(scenes.frames[:, 1][~inside], photos[~inside])
    blur = (scenes.frames[:, 1] - photos).square().mean((1, 2, 3))
    assert float(blur[1]) > float(blur[0]) > 0


def test_srgb_round_trip():
    coded = torch.linspace(0, 1, 256)
    assert torch.allclose(srgb_encode(srgb_decode(coded)), coded, atol=1e-5)
    assert float(srgb_decode(torch.tensor(0.5))) == pytest.approx(0.2140, abs=1e-4)


def clean_scenes():
    return render(make_layers([left_half()], [0.0, 1.0]), make_lens([0.0, 1.0]))


def test_degradation_is_seeded_and_keeps_frames_and_truth():
    scenes = clean_scenes()
    options = DegradationOptions(1.0, 1.0, 0.01, 0.01, 1.0, 0.1, 0.05, 1.0, 0.05, 1.0)
    first, second = (degrade(scenes, options, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first.observed, second.observed)
    assert torch.equal(first.truth, scenes.truth)
    assert torch.equal(first.frames, scenes.frames)
    assert float((first.observed - scenes.frames).abs().mean()) > 0.01
    levels = first.observed * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_degradation_without_options_only_rounds():
    scenes = clean_scenes()
    options = DegradationOptions(shift_chance=0, exposure_chance=0, noise_chance=0, jpeg_chance=0)
    observed = degrade(scenes, options, torch.Generator().manual_seed(0)).observed
    assert float((observed - scenes.frames).abs().max()) <= 0.5 / 255 + 1e-6


def test_shifts_are_in_pixels():
    from drpl.scenes.degradation import _move

    frame = torch.rand(1, 1, 40, 48)
    zero, moved = torch.zeros(1), torch.tensor([True])
    shifted = _move(frame, [torch.tensor([2.0]), torch.tensor([-3.0]), zero, zero], moved)
    expected = torch.roll(frame, (-2, 3), dims=(-2, -1))
    assert torch.allclose(shifted[..., 5:-5, 5:-5], expected[..., 5:-5, 5:-5], atol=1e-4)


@pytest.mark.parametrize("quality", [60, 90])
def test_jpeg_is_close_to_a_real_codec(quality):
    import cv2

    from drawing import draw_texture

    picture = draw_texture(64, 80, channels=1)[..., 0]
    coded = jpeg(
        torch.from_numpy(picture)[None, None].float() / 255, torch.tensor([float(quality)])
    )
    ours = coded[0, 0].numpy() * 255
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    theirs = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    loss = np.abs(theirs.astype(float) - picture).mean()
    assert np.abs(ours - theirs).mean() < 0.2 * loss


def test_enlarging_resizes_frames_and_truth_alike():
    from drpl.scenes.enlarging import enlarge
    from drpl.scenes.options import SceneOptions

    layers = make_layers([left_half()], [0.0, 1.0])
    scenes = render(layers, make_lens([0.0, 1.0, 0.5]))
    same = enlarge(scenes, SceneOptions(enlarged_share=0.0), np.random.default_rng(0))
    assert torch.equal(same.frames, scenes.frames)
    sharp = replace(scenes, frames=scenes.truth[:, None].expand_as(scenes.frames))
    enlarged = enlarge(sharp, SceneOptions(enlarged_share=1.0), np.random.default_rng(0))
    assert enlarged.frames.shape == scenes.frames.shape
    assert not torch.equal(enlarged.truth, scenes.truth)
    for frame in enlarged.frames.unbind(1):
        assert torch.equal(frame, enlarged.truth)
    # enlarged pictures are softer: differences between neighbouring pixels are smaller
    fine = [float((t[..., 1:] - t[..., :-1]).abs().mean()) for t in (scenes.truth, enlarged.truth)]
    assert fine[1] < 0.9 * fine[0]
    assert set(enlarged.index_map.unique().tolist()) <= set(scenes.index_map.unique().tolist())

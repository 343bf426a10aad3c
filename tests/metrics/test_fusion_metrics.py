"""All metrics: published values, identity, symmetry, range, refusals."""

import csv
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import metrics as bench
from drawing import draw_texture, half_sharp_pair, striped_stack
from drpl import metrics
from drpl.errors import DrplError, MetricError
from drpl.metrics.boundary import boundary_band, psnr_band, psnr_outside
from drpl.metrics.cards import METRICS
from drpl.metrics.images import grey_levels

PUBLISHED = {"QG": "q_abf"} | {
    symbol.upper().replace("_", ""): symbol
    for symbol in METRICS
    if symbol not in ("q_abf", "sd", "ms_ssim", "psnr_band", "psnr_outside")
}
SOURCE_CARDS = [card for card in METRICS.values() if card.needs in ("sources", "pair")]
MANY_CARDS = [card for card in SOURCE_CARDS if card.needs == "sources"]
ALONE_CARDS = [card for card in METRICS.values() if card.needs == "nothing"]
IDEAL = dict.fromkeys(["q_s", "q_w", "q_e", "q_c", "q_y", "q_cb"], 1.0)
IDEAL |= {"q_mi": 2.0, "q_m": 3.0, "q_cv": 0.0, "q_abf": 0.974794}


def by_name(cards):
    return pytest.mark.parametrize("card", list(cards), ids=lambda card: card.name)


def call(card, fused, sources):
    """Score with two sources; the first serves as truth, the left half as band."""
    band = np.zeros(fused.shape[:2], bool)
    band[:, : fused.shape[1] // 2] = True
    arguments = {"truth": (sources[0],), "band": (sources[0], band)}.get(card.needs, sources)
    return card.function(fused, *arguments)


def read_grey(path):
    return grey_levels(np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]))


def published_rows(data, symbol):
    """Fused image, sources and published value, for each row of a metric."""
    with (data / "metric_goldens.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == symbol]
    for row in rows:
        name = row["pair"]
        fused = read_grey(data / "peers" / row["method"] / f"{name}.jpg")
        sources = [read_grey(data / "pairs" / name / f"{name}_{which}.jpg") for which in "AB"]
        yield fused, sources, float(row["value"])


@pytest.mark.data
@pytest.mark.parametrize("symbol", PUBLISHED)
def test_scores_match_the_reference_code(data, symbol):
    found, expected = [], []
    for fused, sources, value in published_rows(data, symbol):
        found.append(call(METRICS[PUBLISHED[symbol]], fused, sources))
        expected.append(value)
    assert len(found) == (11 if symbol == "QY" else 12)
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.data
def test_the_reference_deviation_is_the_mean_over_columns(data):
    for fused, _, value in published_rows(data, "SDcol"):
        assert fused.std(axis=0, ddof=1).mean() == pytest.approx(value, rel=1e-6)
        assert metrics.sd(fused) > value


def improvement(card, score, other):
    """Lead of one score over another, in the direction of the metric."""
    return score - other if card.better == "higher" else other - score


@by_name(SOURCE_CARDS)
def test_identical_images_score_best(card):
    one = draw_texture(72, 81, channels=1)[..., 0]
    score = card.function(one, one, one)
    if card.name in IDEAL:
        assert score == pytest.approx(IDEAL[card.name], abs=1e-5)
    blurred = cv2.GaussianBlur(one, (0, 0), 1.5)
    assert improvement(card, score, card.function(blurred, one, one)) > 0


@by_name(SOURCE_CARDS)
def test_noise_worsens_the_score(card):
    source_a, source_b, truth = half_sharp_pair(90, 120)
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    noisy = np.clip(truth + noise, 0, 255).astype(np.uint8)
    score = card.function(truth, source_a, source_b)
    assert improvement(card, score, card.function(noisy, source_a, source_b)) > 0


@by_name(METRICS[name] for name in ("q_abf", "q_m", "q_s", "q_w", "q_e", "q_c", "q_cb"))
def test_the_truth_beats_the_average(card):
    source_a, source_b, truth = half_sharp_pair(90, 120)
    score = card.function(truth, source_a, source_b)
    average = ((source_a.astype(int) + source_b) // 2).astype(np.uint8)
    assert improvement(card, score, card.function(average, source_a, source_b)) > 0


@by_name(ALONE_CARDS)
def test_a_sharp_image_beats_a_blurred_one(card):
    sharp = draw_texture(40, 50)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    assert improvement(card, card.function(sharp), card.function(blurred)) > 0
    assert card.function(sharp, blurred, blurred) == card.function(sharp)


@by_name(SOURCE_CARDS)
def test_sources_may_be_swapped(card):
    source_a, source_b, truth = half_sharp_pair(61, 75)
    one = card.function(truth, source_a, source_b)
    assert card.function(truth, source_b, source_a) == pytest.approx(one, rel=1e-6)
    if card.name != "q_ncie":  # symmetric in all images
        assert card.function(source_a, truth, source_b) != pytest.approx(one, rel=1e-3)


@by_name(MANY_CARDS)
def test_the_order_of_many_sources_does_not_matter(card):
    frames, truth, _ = striped_stack(3, 64, 90)
    one = card.function(truth, *frames)
    assert card.function(truth, *frames[::-1]) == pytest.approx(one, rel=1e-6)
    blurred = cv2.GaussianBlur(truth, (0, 0), 3)
    assert improvement(card, one, card.function(blurred, *frames)) > 0


@by_name(card for card in MANY_CARDS if card.name not in ("q_mi", "q_ncie"))
def test_a_flat_source_has_no_weight(card):
    source_a, source_b, truth = half_sharp_pair(61, 75)
    two = card.function(truth, source_a, source_b)
    three = card.function(truth, source_a, np.zeros_like(truth), source_b)
    assert three == pytest.approx(two, rel=1e-6)


def test_information_metrics_extend_to_many_sources():
    images = [draw_texture(60, 70, seed, channels=1)[..., 0] for seed in range(3)]
    fused = images[0] // 2 + images[1] // 2
    pairs = [(0, 1), (0, 2), (1, 2)]
    halves = sum(metrics.q_mi(fused, images[i], images[j]) for i, j in pairs)
    assert metrics.q_mi(fused, *images) == pytest.approx(halves / 2)
    noise = np.random.default_rng(0).integers(0, 4, (4, 300, 300)).astype(np.uint8)
    assert metrics.q_ncie(*noise) == pytest.approx(1 - math.log(4, 256), abs=1e-4)
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert metrics.q_ncie(ramp, ramp, 255 - ramp) == pytest.approx(1.0)


def test_values_computed_by_hand():
    image = np.array([[0, 2, 0], [0, 2, 0]], np.uint8)
    assert metrics.en(image) == pytest.approx(-(2 / 3 * math.log2(2 / 3) + math.log2(1 / 3) / 3))
    assert metrics.sd(image) == pytest.approx(math.sqrt(8) / 3)
    assert metrics.ag(image) == pytest.approx(2 / 3 * math.sqrt(2))
    assert metrics.sf(image) == pytest.approx(math.sqrt(16 / 6))
    assert metrics.ei(image) == pytest.approx(16 / 3)
    flipped = 255 - np.kron([[0, 255], [255, 0]], np.ones((8, 8))).astype(np.uint8)
    assert metrics.q_mi(flipped, 255 - flipped, 255 - flipped) == pytest.approx(2.0)


def drawn_images(height, width):
    """Images of noise, of two levels, flat, or of texture."""
    shape = (height, width)
    seeds = st.integers(0, 2**32 - 1)
    noise = seeds.map(lambda s: np.random.default_rng(s).integers(0, 256, shape).astype(np.uint8))
    steps = noise.map(lambda image: np.where(image > 200, 255, 0).astype(np.uint8))
    flat = st.integers(0, 255).map(lambda level: np.full(shape, level, np.uint8))
    texture = seeds.map(lambda s: draw_texture(height, width, s, channels=1)[..., 0])
    return st.one_of(noise, steps, flat, texture)


@given(images=st.tuples(*[drawn_images(24, 19)] * 3))
def test_scores_stay_in_range(images):
    for card in METRICS.values():
        if card.name != "ms_ssim":
            score = call(card, images[0], images[1:])
            assert card.lowest - 1e-6 <= score <= card.highest + 1e-6, card.name


@given(images=st.tuples(*[drawn_images(161, 170)] * 2))
def test_ms_ssim_stays_in_range(images):
    assert 0 <= metrics.ms_ssim(*images) <= 1 + 1e-9


@by_name(SOURCE_CARDS)
@pytest.mark.parametrize("level", [0, 77, 255])
def test_flat_images_have_finite_scores(card, level):
    flat = np.full((33, 40), level, np.uint8)
    score = card.function(flat, flat, flat)
    assert math.isfinite(score)
    if card.name in IDEAL:
        assert score == pytest.approx(IDEAL[card.name], abs=1e-5)


def test_flat_windows_differ_in_luminance_only():
    bright, dark = np.full((30, 40), 250, np.uint8), np.full((30, 40), 203, np.uint8)
    luminance = 2 * 250 * 203 / (250**2 + 203**2)
    for function in (metrics.q_y, metrics.q_c, metrics.q_s):
        assert function(bright, bright, bright) == pytest.approx(1.0)
        assert function(bright, dark, dark) == pytest.approx(luminance)


@by_name(METRICS.values())
def test_scores_do_not_depend_on_the_sample_type(card):
    images = [draw_texture(170, 165, seed, channels=1)[..., 0] for seed in (1, 1, 2)]
    images[0] = cv2.GaussianBlur(images[0], (0, 0), 1)
    expected = call(card, images[0], images[1:])
    wide = [image.astype(np.uint16) * 257 for image in images]
    floating = [image.astype(np.float32) / np.float32(255) for image in images]
    for converted in (wide, floating):
        assert call(card, converted[0], converted[1:]) == pytest.approx(expected, rel=1e-4)


@by_name(SOURCE_CARDS + ALONE_CARDS)
def test_colours_are_reduced_to_rounded_luma(card):
    source_a, source_b, truth = half_sharp_pair(41, 55)
    weights = [0.298936021293776, 0.587043074451121, 0.114020904255103]
    colours = [truth, source_a, source_b]
    grey = [np.rint(image @ weights).astype(np.uint8) for image in colours]
    alpha = [np.dstack([image, image[..., :1]]) for image in colours]
    expected = card.function(*grey)
    assert card.function(*colours) == pytest.approx(expected, rel=1e-7)
    assert card.function(*alpha) == pytest.approx(expected, rel=1e-7)


def test_sixteen_bit_colours_and_value_range_give_the_same_score():
    source_a, source_b, truth = half_sharp_pair(41, 55)
    expected = metrics.q_abf(truth, source_a, source_b)
    wide = [image.astype(np.uint16) * 257 for image in (truth, source_a, source_b)]
    assert metrics.q_abf(*wide) == pytest.approx(expected, rel=1e-4)
    floating = [image.astype(np.float32) for image in (truth, source_a, source_b)]
    assert metrics.q_abf(*floating, value_range=255.0) == pytest.approx(expected, rel=1e-4)


@by_name(SOURCE_CARDS)
def test_unsuitable_sources_are_refused(card):
    image = np.zeros((40, 40), np.uint8)
    with pytest.raises(MetricError, match="found 1 source images; expected two"):
        card.function(image, image)
    with pytest.raises(MetricError, match=r"source 1 is \(40, 41\) uint8.*the same shape"):
        card.function(image, image, np.zeros((40, 41), np.uint8))
    with pytest.raises(MetricError, match=r"source 0 is .* uint16.*the same shape and dtype"):
        card.function(image, image.astype(np.uint16), image)
    with pytest.raises(MetricError, match="the fused image is float64; expected an array of uint8"):
        card.function(image.astype(float), image, image)
    broken = np.full((40, 40), np.nan, np.float32)
    with pytest.raises(MetricError, match="source 1 holds NaN"):
        card.function(np.zeros_like(broken), np.zeros_like(broken), broken)


@by_name(card for card in METRICS.values() if card.needs in ("truth", "band"))
def test_an_unsuitable_truth_is_refused(card):
    image = np.zeros((170, 170), np.uint8)
    with pytest.raises(MetricError, match=r"the truth is \(170, 171\)"):
        call(card, image, (np.zeros((170, 171), np.uint8),))


@by_name(ALONE_CARDS)
def test_an_unsuitable_fused_image_is_refused(card):
    with pytest.raises(MetricError, match=r"has shape \(4,\)"):
        card.function(np.zeros(4, np.uint8))


def test_pair_metrics_refuse_more_sources():
    image = np.zeros((40, 40), np.uint8)
    for card in SOURCE_CARDS:
        if card.needs == "pair":
            with pytest.raises(MetricError, match=r"found 3 .*expected two: .* for pairs"):
                card.function(image, image, image, image)


@pytest.mark.parametrize(
    ("name", "least"),
    [("q_s", 8), ("q_e", 8), ("q_c", 8), ("q_y", 7), ("q_m", 4), ("q_p", 8), ("ms_ssim", 161)],
)
def test_images_below_the_smallest_size_are_refused(name, least):
    function, count = METRICS[name].function, 2 if name == "ms_ssim" else 3
    assert math.isfinite(function(*[np.eye(least, dtype=np.uint8)] * count))
    with pytest.raises(MetricError, match=f"expected at least {least} pixels"):
        function(*[np.eye(least - 1, least, dtype=np.uint8)] * count)


def test_metric_errors_are_drpl_errors_and_value_errors():
    assert issubclass(MetricError, DrplError)
    assert issubclass(MetricError, ValueError)


def test_ms_ssim_and_gmsd_have_identity_symmetry_and_order():
    one, two = (draw_texture(192, 208, seed, channels=1)[..., 0] for seed in (1, 2))
    assert metrics.ms_ssim(one, one) == pytest.approx(1.0)
    assert metrics.gmsd(one, one) == pytest.approx(0.0, abs=1e-9)
    for function in (metrics.ms_ssim, metrics.gmsd):
        assert function(one, two) == pytest.approx(function(two, one))
    blurred = [cv2.GaussianBlur(one, (0, 0), sigma) for sigma in (1, 2, 4)]
    scores = [metrics.ms_ssim(image, one) for image in blurred]
    assert scores == sorted(scores, reverse=True)
    assert metrics.ms_ssim(255 - one, one) == 0


def test_ms_ssim_agrees_with_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.image")
    torch = pytest.importorskip("torch")
    one = draw_texture(192, 208, 1, channels=1)[..., 0]
    two = cv2.GaussianBlur(one, (0, 0), 1.2)
    tensors = [torch.from_numpy(image.astype(np.float64))[None, None] for image in (two, one)]
    expected = functional.multiscale_structural_similarity_index_measure(*tensors, data_range=255.0)
    assert metrics.ms_ssim(two, one) == pytest.approx(float(expected), abs=1e-5)


def test_band_and_outside_add_up_to_the_whole():
    source_a, _, truth = half_sharp_pair(60, 90)
    band = boundary_band(np.broadcast_to(np.arange(90) < 45, (60, 90)), radius=9)
    assert band.sum() == 60 * 18
    share = band.mean()
    inside, outside, whole = (
        10 ** (-psnr / 10)
        for psnr in (
            psnr_band(source_a, truth, band),
            psnr_outside(source_a, truth, band),
            metrics.psnr(source_a, truth),
        )
    )
    assert share * inside + (1 - share) * outside == pytest.approx(whole)
    assert math.isnan(psnr_band(source_a, truth, np.zeros_like(band)))


def test_the_band_equals_the_band_of_training():
    torch = pytest.importorskip("torch")
    from drpl.scenes.rendering import boundary_band as training_band

    index_map = np.random.default_rng(3).integers(0, 3, (9, 11)).repeat(16, 0).repeat(16, 1)
    expected = training_band(torch.from_numpy(index_map)[None])[0].numpy()
    assert np.array_equal(boundary_band(index_map), expected)
    assert 0 < expected.mean() < 1


def test_unsuitable_bands_are_refused():
    image = np.zeros((20, 20), np.uint8)
    with pytest.raises(MetricError, match="whole numbers"):
        boundary_band(np.zeros((4, 4)))
    with pytest.raises(MetricError, match="radius is 0"):
        boundary_band(image, radius=0)
    with pytest.raises(MetricError, match=r"the region is \(20, 19\) bool"):
        psnr_band(image, image, np.zeros((20, 19), bool))
    with pytest.raises(MetricError, match="uint8"):
        psnr_band(image, image, image)


def test_the_benchmark_calls_every_metric():
    calls = bench.calls(170, 165)
    seconds = {name: [0.001, 0.003, 0.002] for name in calls}
    assert set(calls) == set(METRICS)
    assert all(math.isfinite(call()) for call in calls.values())
    assert bench.table(seconds).splitlines()[-1] == f"| whole set | {2 * len(METRICS)} |"


def test_every_metric_has_a_complete_card():
    assert set(METRICS) == {name for name in metrics.__all__ if name.islower()} - {"boundary_band"}
    for name, card in METRICS.items():
        assert name == card.name == card.function.__name__
        assert card.lowest < card.highest
        assert card.reference
        assert card.symbol
    assert {name for name, card in METRICS.items() if card.better == "lower"} == {"gmsd", "q_cv"}

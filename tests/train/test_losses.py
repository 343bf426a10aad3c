import numpy as np
import pytest
import torch
import torch.nn.functional as F

from drpl import metrics
from drpl.train import losses


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(2, 3, 40, 44), torch.rand(2, 3, 40, 44)


IMAGE_LOSSES = [losses.gradient, losses.laplacian, losses.ssim, losses.fused_charbonnier]


@pytest.mark.parametrize("loss", IMAGE_LOSSES)
def test_image_losses_are_zero_only_at_the_truth(images, loss):
    fused, truth = images
    assert float(loss(truth, truth)) == pytest.approx(0, abs=1e-6)
    assert float(loss(fused, truth)) > 0.01
    nearer = truth + 0.1 * (fused - truth)
    assert float(loss(nearer, truth)) < float(loss(fused, truth))


@pytest.mark.parametrize("loss", IMAGE_LOSSES)
def test_gradients_equal_finite_differences(loss):
    torch.manual_seed(1)
    fused, truth = torch.rand(2, 1, 1, 14, 15, dtype=torch.float64)
    assert torch.autograd.gradcheck(loss, (fused.requires_grad_(), truth), eps=1e-7, atol=1e-5)


def test_ssim_equals_the_metric(images):
    fused, truth = (image[:1, :1] for image in images)
    expected = metrics.ssim(fused[0, 0].numpy(), truth[0, 0].numpy())
    assert 1 - float(losses.ssim(fused, truth)) == pytest.approx(expected, abs=1e-5)


def test_strided_ssim_samples_the_same_windows():
    torch.manual_seed(2)
    truth = torch.rand(1, 1, 200, 200)
    fused = truth + 0.1 * torch.randn(truth.shape)
    whole, sampled = losses.ssim(fused, truth), losses.ssim(fused, truth, stride=2)
    assert float(sampled) == pytest.approx(float(whole), rel=0.03)


def test_gradient_compares_forward_differences():
    truth = torch.zeros(1, 1, 4, 4)
    ramp = torch.arange(4.0).expand(1, 1, 4, 4) * 0.1
    assert float(losses.gradient(ramp, truth)) == pytest.approx(0.1)


def test_laplacian_is_the_released_operator():
    spike = torch.zeros(1, 1, 5, 5)
    spike[0, 0, 2, 2] = 1.0
    assert float(losses.laplacian(spike, torch.zeros_like(spike))) == pytest.approx(9 / 25)


def test_pair_complement_is_zero_for_complementary_masks():
    mask = torch.rand(1, 1, 5, 5)
    assert float(losses.pair_complement(mask, 1 - mask)) == pytest.approx(0, abs=1e-7)
    assert float(losses.pair_complement(mask * 0 + 1, mask * 0 + 1)) == pytest.approx(1.0)


def test_mask_losses_are_weighted_means():
    logits = torch.tensor([[[[0.0, 20.0]]]])
    target, weight = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert float(losses.mask_cross_entropy(logits, target, weight)) == pytest.approx(np.log(2))
    assert float(losses.mask_l1(logits.sigmoid(), target, weight)) == pytest.approx(0.5)
    nothing = torch.zeros_like(weight)
    assert float(losses.mask_l1(logits.sigmoid(), target, nothing)) == 0.0


def test_coarse_cross_entropy_averages_the_target_over_cells():
    target, weight = torch.zeros(1, 1, 8, 6), torch.ones(1, 1, 8, 6)
    target[..., :4, :2] = 1.0
    weight[..., 4:, :] = 0.0
    logits = torch.tensor([[[[0.3, -1.0], [5.0, -7.0]]]])
    # cells of 4x4, cut at the right: the first is half 1, the second 0, the others have weight 0
    halves = F.binary_cross_entropy_with_logits(logits[..., 0, 0], torch.tensor([[0.5]]))
    zeros = F.binary_cross_entropy_with_logits(logits[..., 0, 1], torch.tensor([[0.0]]))
    found = losses.coarse_cross_entropy(logits, target, weight, cell=4)
    assert float(found) == pytest.approx(float(halves + zeros) / 2, rel=1e-5)


def test_nearer_source_has_the_smaller_error():
    truth = torch.zeros(1, 3, 20, 40)
    source_a, source_b = truth.clone(), truth.clone()
    source_a[..., :20] = 0.5
    source_b[..., 20:] = 0.02
    target, weight = losses.nearer_source(source_a, source_b, truth)
    assert float(target[..., :18].max()) == 0.0
    assert float(target[..., 23:].min()) == 1.0
    assert float(weight[..., :17].min()) == 1.0
    assert float(weight[..., 23:].mean()) == pytest.approx(0.5, abs=0.01)
    swapped = losses.nearer_source(source_b, source_a, truth)[0]
    assert torch.equal(swapped, 1 - target)
    tie = losses.nearer_source(truth, truth, truth)
    assert torch.equal(tie[0], torch.full((1, 1, 20, 40), 0.5))
    assert float(tie[1].max()) == pytest.approx(0.02)


def test_log_error_is_zero_at_the_ceiling_and_in_units_of_10_decibels():
    torch.manual_seed(3)
    truth = torch.rand(2, 1, 30, 30)
    source_a, source_b = truth + 0.1, truth - 0.2
    at_ceiling = losses.fused_log_error(source_a, source_a, source_b, truth, floor=0)
    assert float(at_ceiling) == pytest.approx(0, abs=1e-5)
    worse = losses.fused_log_error(source_b, source_a, source_b, truth, floor=0)
    assert 10 * float(worse) == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_fuse_takes_a_where_the_decision_is_one():
    source_a, source_b = torch.rand(2, 1, 3, 4, 4)
    ones = torch.ones(1, 1, 4, 4)
    assert torch.allclose(losses.fuse(source_a, source_b, ones), source_a)
    assert torch.equal(losses.fuse(source_a, source_b, 0 * ones), source_b)

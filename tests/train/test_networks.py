import pytest
import torch

from drpl.train.exchange import ExchangeBlock
from drpl.train.export import count_macs
from drpl.train.networks import DRPLFast, SingleInput, decision_map, luma
from drpl.train.paper import DRPL


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_drpl_has_the_layers_of_the_paper():
    network = DRPL()
    assert parameters(network) == 1_070_018
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim == 4]
    assert shapes == [(64, 6, 9, 9), *[(64, 64, 3, 3)] * 28, (2, 64, 3, 3)]


def test_drpl_starts_with_identity_blocks_and_ignores_brightness():
    torch.manual_seed(3)
    network = DRPL().eval()
    features = torch.rand(1, 64, 9, 9)
    assert torch.equal(network.body(features), features)
    dark, bright = torch.rand(2, 3, 30, 30) * 0.1, torch.tensor(0.8)
    convolve = network.head[0][0]
    inside = (..., slice(4, -4), slice(4, -4))
    pair = torch.cat([dark[:1], dark[1:]], dim=1)
    assert torch.allclose(convolve(pair)[inside], convolve(pair + bright)[inside], atol=1e-4)


@pytest.mark.parametrize("kind", [DRPL, DRPLFast, SingleInput])
@pytest.mark.parametrize("size", [(1, 1), (33, 70), (64, 128)])
@pytest.mark.parametrize("channels", [1, 3])
def test_masks_have_the_size_of_the_pair(kind, size, channels):
    pair = torch.rand(2, 2, channels, *size)
    with torch.no_grad():
        masks = kind().eval()(*pair)
    for mask in masks:
        assert mask.shape == (2, 1, *size)
        assert bool(((mask >= 0) & (mask <= 1)).all())


@pytest.mark.parametrize("kind", [DRPLFast, SingleInput])
def test_fast_is_swap_equivariant_by_construction(kind):
    torch.manual_seed(1)
    network = kind()
    torch.nn.init.normal_(network.unfold2.weight)
    source_a, source_b = torch.rand(2, 1, 1, 96, 130)
    mask_a, mask_b = network(source_a, source_b)
    swapped_b, swapped_a = network(source_b, source_a)
    assert torch.equal(mask_a, swapped_a)
    assert torch.equal(mask_b, swapped_b)
    assert not torch.allclose(mask_a, mask_b)


def without_zeros(network):
    """Network without layers that start at zero."""
    for layer in (network.up8, network.unfold2):
        torch.nn.init.normal_(layer.weight)
    return network


def test_masks_of_a_single_input_depend_on_one_source():
    torch.manual_seed(4)
    source_a, source_b, other = torch.rand(3, 1, 1, 96, 130)
    single, paired = without_zeros(SingleInput()), without_zeros(DRPLFast())
    for level, changed in zip(
        single.levels(source_a, source_b), single.levels(source_a, other), strict=True
    ):
        assert torch.equal(level[0], changed[0])
        assert not torch.equal(level[1], changed[1])
    assert not torch.equal(paired(source_a, source_b)[0], paired(source_a, other)[0])


def test_a_single_input_uses_all_weights_and_costs_as_much():
    torch.manual_seed(5)
    network = without_zeros(SingleInput())
    levels = network.levels(*torch.rand(2, 1, 1, 64, 64))
    sum(logits.square().sum() for level in levels for logits in level).backward()
    assert all(bool((p.grad != 0).any()) for p in network.parameters())
    assert count_macs(SingleInput()) == pytest.approx(count_macs(DRPLFast()), rel=0.1)
    assert parameters(SingleInput()) == pytest.approx(0.57 * parameters(DRPLFast()), rel=0.01)


def test_fast_stays_within_its_budget():
    assert count_macs(DRPLFast()) <= 12_000


def reach(network, place, size):
    """Largest distance from which a pixel of source A changes the mask at a place."""
    source_a = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    source_b = torch.rand(1, 1, size, size, dtype=torch.float64)
    network(source_a, source_b)[0][0, 0, place, place].backward()
    touched = source_a.grad[0, 0].nonzero()
    return int((touched - place).abs().max())


def test_reach_of_both_networks():
    torch.manual_seed(2)
    paper = DRPL().double().eval()
    for module in paper.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    assert reach(paper, 36, 73) == 33
    fast = DRPLFast((4,) * 6).double()
    torch.nn.init.normal_(fast.up8.weight)
    assert reach(fast, 320, 640) >= 200


def test_blocks_keep_the_magnitude_of_features_whatever_their_weights():
    torch.manual_seed(3)
    block = ExchangeBlock(32)
    pair = (torch.randn(1, 32, 16, 16), torch.randn(1, 32, 16, 16))
    before = block(pair)[0]
    with torch.no_grad():
        for layer in (block.hidden, block.out):
            layer.common.weight.mul_(100.0).add_(7.0)
            layer.opposite.weight.mul_(100.0).add_(7.0)
    assert torch.allclose(block(pair)[0], before, atol=1e-4)
    assert 0.8 < before.std().item() < 1.5


def test_channels_that_are_negative_everywhere_still_learn():
    block = ExchangeBlock(4)
    torch.nn.init.constant_(block.hidden.common.bias, -100.0)
    out = block((torch.rand(1, 4, 8, 8), torch.rand(1, 4, 8, 8)))
    (out[0].sum() + out[1].sum()).backward()
    assert bool((block.hidden.common.bias.grad != 0).all())


def test_luma_and_decision_map():
    white = torch.ones(1, 3, 2, 2)
    assert torch.allclose(luma(white), torch.ones(1, 1, 2, 2))
    assert torch.equal(luma(white[:, :1]), white[:, :1])
    assert float(decision_map(torch.tensor(1.0), torch.tensor(0.0))) == 1.0
    assert float(decision_map(torch.tensor(0.5), torch.tensor(0.5))) == 0.5

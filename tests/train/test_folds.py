import pytest
import torch

from drpl.scenes.rendering import Scenes
from drpl.train.folds import fold_pairs


def make_stack(frames=5, size=48, batch=6):
    generator = torch.Generator().manual_seed(1)
    truth = 0.5 * torch.rand(batch, 1, size, size, generator=generator)
    grain = torch.rand(batch, frames, 1, size, size, generator=generator)
    steps = torch.arange(frames).view(1, -1, 1, 1, 1) + 1.0
    frame = truth[:, None] + 0.05 * steps + 0.01 * grain
    return Scenes(
        frame, frame + 10, truth, torch.zeros(batch, size, size).long(), ("blob",) * batch
    )


def test_pairs_are_returned_unchanged():
    pair = make_stack(frames=2)
    assert fold_pairs(pair, torch.Generator()) is pair


@pytest.mark.parametrize("seed", range(8))
def test_composites_hold_pixels_of_frames_and_observed_follows_clean(seed):
    stack = make_stack()
    pair = fold_pairs(stack, torch.Generator().manual_seed(seed))
    assert pair.frames.shape == (6, 2, 1, 48, 48)
    for source in pair.frames.unbind(1):
        from_a_frame = (source[:, None] == stack.frames).any(1)
        assert bool(from_a_frame.all())
    assert torch.equal(pair.observed, pair.frames + 10)
    next_frame = pair.frames[:, 1]
    equal = (next_frame[:, None] == stack.frames).flatten(2).all(2)
    assert bool(equal.any(1).all()), "the second source is a whole frame"
    # frame 0 is nearest to the truth everywhere
    has_first = (next_frame == stack.frames[:, 0]).flatten(1).all(1)
    errors = (pair.frames - stack.truth[:, None]).square().mean(2)
    nearer = (errors[:, 1] < errors[:, 0]).long()
    assert torch.equal(pair.index_map, nearer)
    assert bool((pair.index_map[has_first] == 1).all())


def test_the_next_frame_is_not_in_the_composite():
    stack = make_stack()
    for seed in range(20):
        pair = fold_pairs(stack, torch.Generator().manual_seed(seed))
        both = (pair.frames[:, 0] == pair.frames[:, 1]).float().mean()
        assert float(both) < 0.01

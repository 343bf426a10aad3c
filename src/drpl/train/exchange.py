"""Layers of a pair that do not depend on which frame comes first."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]
"""What belongs to source A and to source B."""


class ExchangeConv(nn.Module):
    """The general 3x3 convolution of a pair that does not depend on which frame comes first.

    Every linear map that commutes with exchanging the frames treats their mean and their
    difference apart: ``common * (A + B) / 2`` plus, for A, or minus, for B,
    ``opposite * (A - B) / 2``. Two convolutions, as many as one set of weights applied to each
    frame would take; exchanging the frames exchanges the results bit by bit.

    References
    ----------
    Zaheer et al., "Deep Sets", NeurIPS 2017, lemma 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.common = nn.Conv2d(channels, channels, 3, padding=1)
        self.opposite = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, pair: Pair) -> Pair:
        """Map the frames' features, each (B, C, H, W), to features of the same shapes."""
        # the halves are taken of the weights: a graph folds them, pictures would be passed through
        total = F.conv2d(pair[0] + pair[1], 0.5 * self.common.weight, self.common.bias, padding=1)
        opposite = F.conv2d(pair[0] - pair[1], 0.5 * self.opposite.weight, padding=1)
        return total + opposite, total - opposite


class ExchangeBlock(nn.Module):
    """Residual block of two `ExchangeConv`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = ExchangeConv(channels)
        self.out = ExchangeConv(channels)

    def forward(self, pair: Pair) -> Pair:
        """Map the frames' features, each (B, C, H, W), to features of the same shapes."""
        hidden_a, hidden_b = self.hidden(pair)
        out_a, out_b = self.out((F.relu(hidden_a), F.relu(hidden_b)))
        return F.relu(pair[0] + out_a), F.relu(pair[1] + out_b)


def stage(channels: int, blocks: int) -> nn.ModuleList:
    """``blocks`` exchange blocks in a row."""
    return nn.ModuleList(ExchangeBlock(channels) for _ in range(blocks))


def run(blocks: nn.ModuleList, pair: Pair) -> Pair:
    """Apply blocks one after another."""
    for block in blocks:
        pair = block(pair)
    return pair


def each(layer: Callable[..., Tensor], *pairs: Pair) -> Pair:
    """Apply a layer to what belongs to each frame."""
    features_a, features_b = (layer(*of_frame) for of_frame in zip(*pairs, strict=True))
    return features_a, features_b

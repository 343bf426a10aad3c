"""Layers of a pair that do not depend on which frame comes first."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
SLOPE = 0.1
"""Of the leaky ReLU within blocks: what is negative everywhere still learns."""
Pair = tuple[Tensor, Tensor]
"""What belongs to source A and to source B."""


def standardised(weight: Tensor, gain: Tensor) -> Tensor:
    """Kernels (O, I, h, w) with zero mean and unit norm, times a gain (O, 1, 1, 1).

    Features then keep their size from layer to layer, whatever becomes of the weights: what batch
    norm is for, without statistics of pictures, and gone once the graph's constants are folded.

    References
    ----------
    Brock et al., "Characterizing signal propagation to close the performance gap in unnormalized
    ResNets", ICLR 2021, arXiv:2101.08692.
    """
    centred = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
    return gain * centred / (centred.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()


class StandardConv(nn.Conv2d):
    """Convolution with standardised kernels; arguments as of `torch.nn.Conv2d`, and the gain."""

    def __init__(self, *arguments: Any, gain: float = 1.0, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._plain = partial(nn.Conv2d, *arguments, **options)
        self.gain = nn.Parameter(torch.full((self.out_channels, 1, 1, 1), gain))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) as `torch.nn.Conv2d` does."""
        return F.conv2d(features, kernels(self), self.bias, self.stride, self.padding)

    def plain(self) -> nn.Conv2d:
        """A layer that keeps the standardised kernels as they are."""
        layer = self._plain()
        layer.weight, layer.bias = nn.Parameter(kernels(self).detach()), self.bias
        return layer


def kernels(layer: nn.Conv2d) -> Tensor:
    """The kernels that a layer convolves with."""
    if isinstance(layer, StandardConv):
        return standardised(layer.weight, layer.gain)
    return layer.weight


def with_plain_layers(network: Network) -> Network:
    """A copy that convolves with the same kernels, but keeps them as they are, for export."""
    network = deepcopy(network)
    for module in list(network.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, StandardConv):
                setattr(module, name, layer.plain())
    return network


def _layer(gain: float | None) -> Callable[..., nn.Conv2d]:
    """Convolutions with free kernels, or with standardised ones of a gain."""
    return nn.Conv2d if gain is None else partial(StandardConv, gain=gain)


class ExchangeConv(nn.Module):
    """The general 3x3 convolution of a pair that does not depend on which frame comes first.

    Every linear map that commutes with exchanging the frames treats their mean and their
    difference apart: ``common * (A + B) / 2`` plus, for A, or minus, for B,
    ``opposite * (A - B) / 2``. Two convolutions, as many as one set of weights applied to each
    frame would take; exchanging the frames exchanges the results bit by bit.

    Parameters
    ----------
    channels : int
    gain : float, optional
        Of standardised kernels; without, they are free.

    References
    ----------
    Zaheer et al., "Deep Sets", NeurIPS 2017, lemma 3.
    """

    def __init__(self, channels: int, gain: float | None = None) -> None:
        super().__init__()
        layer = _layer(gain)
        self.common = layer(channels, channels, 3, padding=1)
        self.opposite = layer(channels, channels, 3, padding=1, bias=False)

    def forward(self, pair: Pair) -> Pair:
        """Map the frames' features, each (B, C, H, W), to features of the same shapes."""
        # the halves are taken of the weights: a graph folds them, pictures would be passed through
        total = F.conv2d(pair[0] + pair[1], 0.5 * kernels(self.common), self.common.bias, padding=1)
        opposite = F.conv2d(pair[0] - pair[1], 0.5 * kernels(self.opposite), padding=1)
        return total + opposite, total - opposite


class FrameConv(nn.Module):
    """One 3x3 convolution, applied to each frame by itself: the frames do not meet.

    Put where `ExchangeConv` is, it shows what the exchange is worth: as many multiplications, half
    of the weights.

    Parameters
    ----------
    channels, gain
        As of `ExchangeConv`.
    """

    def __init__(self, channels: int, gain: float | None = None) -> None:
        super().__init__()
        self.own = _layer(gain)(channels, channels, 3, padding=1)

    def forward(self, pair: Pair) -> Pair:
        """Map the frames' features, each (B, C, H, W), to features of the same shapes."""
        return each(self.own, pair)


PairConv = type[ExchangeConv] | type[FrameConv]


class ExchangeBlock(nn.Module):
    """Residual block of two convolutions with standardised kernels, linear along its identity.

    No ReLU follows the sum, and that within leaks: nothing would push a channel back that is
    negative everywhere, and whole scales can die behind one.
    """

    def __init__(self, channels: int, conv: PairConv = ExchangeConv) -> None:
        super().__init__()
        self.hidden = conv(channels, gain=1.0)
        self.out = conv(channels, gain=0.5)

    def forward(self, pair: Pair) -> Pair:
        """Map the frames' features, each (B, C, H, W), to features of the same shapes."""
        hidden_a, hidden_b = self.hidden(pair)
        out_a, out_b = self.out((F.leaky_relu(hidden_a, SLOPE), F.leaky_relu(hidden_b, SLOPE)))
        return pair[0] + out_a, pair[1] + out_b


def stage(channels: int, blocks: int, conv: PairConv = ExchangeConv) -> nn.ModuleList:
    """``blocks`` exchange blocks in a row, of one kind of convolution."""
    return nn.ModuleList(ExchangeBlock(channels, conv) for _ in range(blocks))


def run(blocks: nn.ModuleList, pair: Pair) -> Pair:
    """Apply blocks one after another."""
    for block in blocks:
        pair = block(pair)
    return pair


def each(layer: Callable[..., Tensor], *pairs: Pair) -> Pair:
    """Apply a layer to what belongs to each frame."""
    features_a, features_b = (layer(*of_frame) for of_frame in zip(*pairs, strict=True))
    return features_a, features_b

"""Swap-equivariant layers of a pair: exchanging the frames exchanges the results."""

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
"""Negative slope of the leaky ReLU in blocks: channels that are negative everywhere still learn."""
Pair = tuple[Tensor, Tensor]
"""Tensors of source A and of source B."""


def standardised(weight: Tensor, gain: Tensor) -> Tensor:
    """Standardise convolution kernels (O, I, h, w): zero mean, and the norms ``gain`` (O, 1, 1, 1).

    Features then keep their magnitude from layer to layer whatever the weights, as with batch norm,
    but without statistics of pictures. Constant folding removes the cost at inference. Source:
    Brock et al., "Characterizing signal propagation to close the performance gap in unnormalized
    ResNets", ICLR 2021, arXiv:2101.08692.
    """
    centred = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
    return gain * centred / (centred.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()


class StandardConv(nn.Conv2d):
    """Convolution like `torch.nn.Conv2d`, with kernels standardised to a learned norm."""

    def __init__(self, *arguments: Any, gain: float = 1.0, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._plain = partial(nn.Conv2d, *arguments, **options)
        self.gain = nn.Parameter(torch.full((self.out_channels, 1, 1, 1), gain))

    def forward(self, features: Tensor) -> Tensor:
        """Convolve features (B, C, H, W) like `torch.nn.Conv2d`."""
        return F.conv2d(features, kernels(self), self.bias, self.stride, self.padding)

    def plain(self) -> nn.Conv2d:
        """Return an ordinary convolution with the standardised kernels as its weights."""
        layer = self._plain()
        layer.weight, layer.bias = nn.Parameter(kernels(self).detach()), self.bias
        return layer


def kernels(layer: nn.Conv2d) -> Tensor:
    """Return the kernels that a layer convolves with, shape (O, I, h, w)."""
    if isinstance(layer, StandardConv):
        return standardised(layer.weight, layer.gain)
    return layer.weight


def with_plain_layers(network: Network) -> Network:
    """Copy a network, with an ordinary convolution in place of each `StandardConv`, for export."""
    network = deepcopy(network)
    for module in list(network.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, StandardConv):
                setattr(module, name, layer.plain())
    return network


def _convolution(gain: float | None) -> Callable[..., nn.Conv2d]:
    """Constructor of `StandardConv` with a gain or, for None, of ordinary convolutions."""
    return nn.Conv2d if gain is None else partial(StandardConv, gain=gain)


class ExchangeConv(nn.Module):
    """General swap-equivariant 3x3 convolution of a pair.

    Every linear map that commutes with exchanging the frames acts on their mean and on their
    difference separately: the result is ``common * (A + B) / 2 + opposite * (A - B) / 2`` for A and
    ``common * (A + B) / 2 - opposite * (A - B) / 2`` for B (Zaheer et al., "Deep Sets", NeurIPS
    2017, lemma 3). This takes two convolutions, as many as one set of weights applied to each
    frame. Exchanging the frames exchanges the results bit by bit. ``gain`` is the initial gain of
    standardised kernels; without it, kernels are ordinary weights.
    """

    def __init__(self, channels: int, gain: float | None = None) -> None:
        super().__init__()
        convolution = _convolution(gain)
        self.common = convolution(channels, channels, 3, padding=1)
        self.opposite = convolution(channels, channels, 3, padding=1, bias=False)

    def forward(self, pair: Pair) -> Pair:
        """Map the frames' features, each (B, C, H, W), to features of the same shapes."""
        # the weights are halved, not the features: constant folding makes that free
        total = F.conv2d(pair[0] + pair[1], 0.5 * kernels(self.common), self.common.bias, padding=1)
        opposite = F.conv2d(pair[0] - pair[1], 0.5 * kernels(self.opposite), padding=1)
        return total + opposite, total - opposite


class FrameConv(nn.Module):
    """3x3 convolution applied to each frame separately; ``gain`` is that of `ExchangeConv`.

    In place of `ExchangeConv` it shows what the exchange between frames contributes: it has as many
    multiplications and half of the weights.
    """

    def __init__(self, channels: int, gain: float | None = None) -> None:
        super().__init__()
        self.own = _convolution(gain)(channels, channels, 3, padding=1)

    def forward(self, pair: Pair) -> Pair:
        """Map the frames' features, each (B, C, H, W), to features of the same shapes."""
        return each(self.own, pair)


PairConv = type[ExchangeConv] | type[FrameConv]
"""Kind of convolution that a network applies to pairs."""


class ExchangeBlock(nn.Module):
    """Residual block of two convolutions with standardised kernels.

    No ReLU follows the sum, and the ReLU within the block is leaky. A channel that is negative
    everywhere would get no gradient through a ReLU, and whole scales behind it could stop learning.
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
    """Build a sequence of ``blocks`` exchange blocks with one kind of convolution."""
    return nn.ModuleList(ExchangeBlock(channels, conv) for _ in range(blocks))


def run(blocks: nn.ModuleList, pair: Pair) -> Pair:
    """Apply blocks to a pair, one after another."""
    for block in blocks:
        pair = block(pair)
    return pair


def each(layer: Callable[..., Tensor], *pairs: Pair) -> Pair:
    """Apply a layer to the tensors of source A and, separately, to the tensors of source B."""
    result_a, result_b = (layer(*tensors) for tensors in zip(*pairs, strict=True))
    return result_a, result_b

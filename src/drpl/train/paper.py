"""The network of the paper, exactly, and the reading of the weights that its authors published."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drpl.train.exchange import Pair


class ConvNormSwish(nn.Sequential):
    """Convolution, batch norm, ReLU and then swish, as the paper's released code has it."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.SiLU(),
        )


class NormResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to their input, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return F.relu(features + self.body(features))


class DRPL(nn.Module):
    """The network of the paper: 6-channel RGB pair in, two masks out, all at full resolution.

    A 9x9 convolution to 64 channels and two 3x3; twelve residual blocks; two 3x3 convolutions and
    one to two channels; sigmoid. 1,070,018 parameters, a receptive field of 67x67 pixels.

    References
    ----------
    Li et al., "DRPL: Deep Regression Pair Learning for Multi-Focus Image Fusion", IEEE TIP 29
    (2020), doi:10.1109/TIP.2020.2976190, section III.
    """

    reach = 33
    size_multiple = 1
    colour = "rgb"

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(
            ConvNormSwish(6, 64, 9), ConvNormSwish(64, 64, 3), ConvNormSwish(64, 64, 3)
        )
        self.body = nn.Sequential(*(NormResidualBlock(64) for _ in range(12)))
        self.tail = nn.Sequential(ConvNormSwish(64, 64, 3), ConvNormSwish(64, 64, 3))
        self.masks = nn.Conv2d(64, 2, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)
        # initial values that leave the plateau of equal masks: blocks start as identities, and the
        # first filters ignore brightness, beside which the detail that decides is faint
        norms = [m for m in self.body.modules() if isinstance(m, nn.BatchNorm2d)]
        first = next(m for m in self.head.modules() if isinstance(m, nn.Conv2d)).weight
        with torch.no_grad():
            for norm in norms[1::2]:
                norm.weight.zero_()
            first -= first.mean(dim=(2, 3), keepdim=True)
            self.masks.weight.mul_(0.1)

    def logits(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Masks before the sigmoid; see `forward`."""
        pair = torch.cat([_as_rgb(source_a), _as_rgb(source_b)], dim=1)
        mask_a, mask_b = self.masks(self.tail(self.body(self.head(pair)))).chunk(2, dim=1)
        return mask_a, mask_b

    def levels(self, source_a: Tensor, source_b: Tensor) -> tuple[Pair, ...]:
        """Mask logits for training, from fine to coarse; here there is one level."""
        return (self.logits(source_a, source_b),)

    def forward(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Decide a pair.

        Parameters
        ----------
        source_a, source_b : Tensor, shape (B, 1 or 3, H, W), float, in [0, 1]

        Returns
        -------
        mask_a, mask_b : Tensor, shape (B, 1, H, W), in [0, 1]
        """
        mask_a, mask_b = self.logits(source_a, source_b)
        return mask_a.sigmoid(), mask_b.sigmoid()

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Load the state dict that the paper's authors published.

        Parameters
        ----------
        state : mapping of str to Tensor
            As read with ``torch.load(path, weights_only=True)``; keys may carry the ``module.``
            prefix of data-parallel training.

        Raises
        ------
        RuntimeError
            If a key is missing, unknown or of another shape.
        """
        self.load_state_dict({_published_key(key): value for key, value in state.items()})


def _as_rgb(source: Tensor) -> Tensor:
    """Repeat a grey batch to three channels."""
    return source.expand(-1, 3, -1, -1) if source.shape[1] == 1 else source


def _published_key(key: str) -> str:
    """Our name for a parameter of the authors' ``Generator``."""
    key = key.removeprefix("module.")
    block = re.fullmatch(r"residual_block(\d+)\.group1\.(conv|bn)(\d)\.(\w+)", key)
    if block:
        number, kind, index, leaf = block.groups()
        position = 3 * (int(index) - 1) + (kind == "bn")
        return f"body.{int(number) - 1}.body.{position}.{leaf}"
    layer = re.fullmatch(r"(conv|bn)([1-6])\.(\w+)", key)
    if layer is None:
        return key
    kind, number, leaf = layer.groups()
    index = int(number) - 1
    if index == 5:
        return f"masks.{leaf}"
    part, offset = ("head", index) if index < 3 else ("tail", index - 3)
    return f"{part}.{offset}.{int(kind == 'bn')}.{leaf}"

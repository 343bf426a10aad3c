"""Network of the paper, as published."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drpl.train.exchange import Pair


class ConvNormSwish(nn.Sequential):
    """Convolution, batch norm, ReLU and swish, as in the paper's released code."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.SiLU(),
        )


class NormResidualBlock(nn.Module):
    """Residual block of two 3x3 convolutions with batch norm, and ReLU after the sum."""

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
        """Map features (B, C, H, W) to features of the same shape."""
        return F.relu(features + self.body(features))


class DRPL(nn.Module):
    """Network of the paper: an RGB pair in, two decision masks out, all at full resolution.

    A 9x9 and two 3x3 convolutions of 64 channels, twelve residual blocks, two 3x3 convolutions of
    64 channels, one of 2 channels, sigmoid. 1,070,018 parameters; receptive field of 67x67 pixels.
    ``reach`` and ``size_multiple`` are those of `drpl.train.networks.DRPLFast`. Source: Li et al.,
    "DRPL: Deep Regression Pair Learning for Multi-Focus Image Fusion", IEEE TIP 29 (2020),
    doi:10.1109/TIP.2020.2976190, section III.
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
        # training would otherwise stay on a plateau of equal masks: blocks start as identities, and
        # the first filters ignore brightness, which outweighs the detail that decides
        norms = [m for m in self.body.modules() if isinstance(m, nn.BatchNorm2d)]
        first = next(m for m in self.head.modules() if isinstance(m, nn.Conv2d)).weight
        with torch.no_grad():
            for norm in norms[1::2]:
                norm.weight.zero_()
            first -= first.mean(dim=(2, 3), keepdim=True)
            self.masks.weight.mul_(0.1)

    def logits(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Decide a pair; return mask logits. See `forward`."""
        pair = torch.cat([_as_rgb(source_a), _as_rgb(source_b)], dim=1)
        mask_a, mask_b = self.masks(self.tail(self.body(self.head(pair)))).chunk(2, dim=1)
        return mask_a, mask_b

    def levels(self, source_a: Tensor, source_b: Tensor) -> tuple[Pair, ...]:
        """Decide a pair for training; return mask logits at full resolution, the only level."""
        return (self.logits(source_a, source_b),)

    def forward(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Decide a pair; return masks, each (B, 1, H, W), in [0, 1].

        The source images (B, 1 or 3, H, W), grey or RGB, are gamma-coded, in [0, 1].
        """
        mask_a, mask_b = self.logits(source_a, source_b)
        return mask_a.sigmoid(), mask_b.sigmoid()


def _as_rgb(source: Tensor) -> Tensor:
    """Repeat the channel of a grey batch three times."""
    return source.expand(-1, 3, -1, -1) if source.shape[1] == 1 else source

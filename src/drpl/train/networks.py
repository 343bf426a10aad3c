"""Our network, ``DRPLFast``, and the table of all; ``DRPL``, the paper's, is in `paper`.

All take a pair of source images of any size and give two complementary decision masks
``M_A`` and ``M_B``. The soft decision map is ``M = (M_A + 1 - M_B) / 2`` and the fused image
``M * A + (1 - M) * B``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drpl.train.exchange import (
    ExchangeConv,
    FrameConv,
    Pair,
    PairConv,
    StandardConv,
    each,
    run,
    stage,
)
from drpl.train.paper import DRPL

CONTRAST = 8.0
"""Brings small differences between frames to the size of other features."""
LUMA_WEIGHTS = (0.299, 0.587, 0.114)


def luma(source: Tensor) -> Tensor:
    """Rec. 601 luma of a batch.

    Parameters
    ----------
    source : Tensor, shape (B, 1 or 3, H, W)
        Gamma-coded images, RGB order where there are three channels.

    Returns
    -------
    Tensor, shape (B, 1, H, W)
        A single-channel batch is returned as it is.
    """
    if source.shape[1] == 1:
        return source
    weights = source.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (source * weights).sum(dim=1, keepdim=True)


def decision_map(mask_a: Tensor, mask_b: Tensor) -> Tensor:
    """Soft decision map ``(M_A + 1 - M_B) / 2`` of two masks in [0, 1], of the masks' shape."""
    return (mask_a + 1.0 - mask_b) / 2.0


def _enlarged(features: Tensor, factor: float = 2.0) -> Tensor:
    """Bilinear enlargement."""
    return F.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)


class DRPLFast(nn.Module):
    """Our network: swap-equivariant by construction, cheap, with a reach of hundreds of pixels.

    Every frame goes through the same weights; frames meet in `ExchangeConv` and in a factor that
    both share, so exchanging the sources exchanges the masks. Three stages let a picture be
    decided in tiles exactly as in one piece, at little extra cost:

    * ``encode`` (per frame, tiled): luma, folded 4x4, to features at 1/16 of the resolution;
    * ``trunk`` (once per picture, at 1/16, 1/32 and 1/64): who is sharp where, seen from afar;
    * ``decode`` (tiled): the decision at 1/8 and 1/4, then its details at 1/2, unfolded to masks
      at full resolution.

    Parameters
    ----------
    widths : six ints
        Channels at 1/2, 1/4, 1/8, 1/16, 1/32 and 1/64; multiples of 16 run fastest.
    blocks : three ints
        Exchange blocks at 1/16, 1/32 and 1/64 (at 1/16 and 1/32: before the coarser scales; one
        more follows each on the way back).
    """

    reaches = (16, 32)
    """Pixels around a tile that ``encode`` and ``decode`` depend on; multiples of 16."""
    size_multiple = 64
    colour = "luma"
    pair_conv: PairConv = ExchangeConv
    frames_seen = 2
    """Frames that each mask is decided from."""
    fold: Tensor

    def __init__(
        self,
        widths: tuple[int, int, int, int, int, int] = (16, 32, 48, 48, 64, 64),
        blocks: tuple[int, int, int] = (2, 1, 1),
    ) -> None:
        super().__init__()
        c2, c4, c8, c16, c32, c64 = widths
        # 4x4 pixels to 16 channels as a fixed convolution: exports to the fastest operator
        self.register_buffer("fold", 4.0 * torch.eye(16).view(16, 1, 4, 4), persistent=False)
        self.stem = nn.Conv2d(16, c4, 3, padding=1)
        self.down8 = nn.Conv2d(c4, c8, 3, stride=2, padding=1)
        self.down16 = StandardConv(c8, c16, 3, stride=2, padding=1)
        self.blocks16 = stage(c16, blocks[0], self.pair_conv)
        self.down32 = StandardConv(c16, c32, 3, stride=2, padding=1)
        self.blocks32 = stage(c32, blocks[1], self.pair_conv)
        self.down64 = StandardConv(c32, c64, 3, stride=2, padding=1)
        self.blocks64 = stage(c64, blocks[2], self.pair_conv)
        self.up32 = StandardConv(c64, c32, 1)
        self.merge32 = stage(c32, 1, self.pair_conv)
        self.up16 = StandardConv(c32, c16, 1)
        self.merge16 = stage(c16, 1, self.pair_conv)
        self.verdict = nn.Conv2d(c16, 1, 1, bias=False)
        self.up8 = nn.Conv2d(c16, c8, 1)
        self.skip8 = nn.Conv2d(c8, c8, 1)
        self.block8 = self.pair_conv(c8)
        self.up4 = nn.Conv2d(c8, c4, 1)
        self.skip4 = nn.Conv2d(c4, c4, 1)
        self.block4 = self.pair_conv(c4)
        self.refine4 = nn.Conv2d(c4, c4, 3, padding=1)
        self.unfold = nn.Conv2d(c4, 16, 1)
        self.detail = nn.Conv2d(self.frames_seen, c2, 4, stride=2, padding=1)
        self.up2 = nn.Conv2d(c4, c2, 1)
        self.hidden2 = nn.Conv2d(c2, c2, 3, padding=1)
        self.unfold2 = nn.Conv2d(c2, 4, 1)
        self._initialise()

    def _initialise(self) -> None:
        """He weights; masks near zero."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            for layer in (self.unfold, self.refine4):
                layer.weight.mul_(0.3)
            for kernels in self.block8.parameters():
                if kernels.ndim == 4:
                    nn.init.dirac_(kernels)
            # what comes from coarser scales is nothing at first: noise there would be fought by
            # driving features below zero, behind a ReLU, from where they do not return
            for layer in (self.up8, self.unfold2):
                layer.weight.zero_()

    def _fine(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Features of one frame at 1/4 and 1/8."""
        quarter = F.relu(self.stem(F.conv2d(source - 0.5, self.fold, stride=4)))
        return quarter, F.relu(self.down8(quarter))

    def encode(self, source: Tensor) -> Tensor:
        """Features of one frame.

        Parameters
        ----------
        source : Tensor, shape (B, 1, H, W)
            Luma in [0, 1]; H and W multiples of 16.

        Returns
        -------
        Tensor, shape (B, C, H / 16, W / 16)
        """
        features: Tensor = self.down16(self._fine(source)[1])
        return features

    def trunk(self, features: Pair) -> Pair:
        """Compare the frames at 1/16 and below; H / 16 and W / 16 must be multiples of 4.

        Parameters
        ----------
        features : pair of Tensor, each (B, C, H / 16, W / 16)

        Returns
        -------
        pair of Tensor
            A context map for each frame, of the same shape as its features.
        """
        at16 = run(self.blocks16, features)
        at32 = run(self.blocks32, each(self.down32, at16))
        at64 = run(self.blocks64, each(self.down64, at32))
        at32 = each(lambda f, coarse: f + _enlarged(self.up32(coarse)), at32, at64)
        at32 = run(self.merge32, at32)
        at16 = each(lambda f, coarse: f + _enlarged(self.up16(coarse)), at16, at32)
        return run(self.merge16, at16)

    def decode(self, sources: Pair, contexts: Pair) -> Pair:
        """Mask logits at full resolution.

        Parameters
        ----------
        sources : pair of Tensor, each (B, 1, H, W)
            Luma in [0, 1]; H and W multiples of 16.
        contexts : pair of Tensor, each (B, C, H / 16, W / 16)

        Returns
        -------
        pair of Tensor, each (B, 1, H, W)
        """
        (a4, a8), (b4, b8) = (self._fine(source) for source in sources)
        at8 = each(
            lambda f, context: self.skip8(f) + _enlarged(self.up8(context)),
            (a8, b8),
            contexts,
        )
        at8 = each(F.relu, self.block8(at8))
        at4 = each(
            lambda f, coarse: F.relu(self.skip4(f) + _enlarged(self.up4(coarse))), (a4, b4), at8
        )
        at4 = each(F.relu, self.block4(at4))
        at4 = each(lambda f: F.relu(f + self.refine4(f)), at4)
        verdicts = each(lambda f: _enlarged(f, 4.0), self._verdicts(contexts))
        coarse = each(
            lambda f, verdict: F.pixel_shuffle(self.unfold(f) + verdict, 4), at4, verdicts
        )
        return self._with_details(coarse, sources, at4)

    def _with_details(self, coarse: Pair, sources: Pair, at4: Pair) -> Pair:
        """Mask logits (B, 1, H, W), and what single pixels change in them."""
        fine = (sources[0] - sources[1]) * self._above_mean(sources, at4)
        return coarse[0] + fine, coarse[1] - fine

    def _verdicts(self, contexts: Pair) -> Pair:
        """Mask logits (B, 1, H / 16, W / 16) by the trunk alone, each the other's negative."""
        verdict_a, verdict_b = each(self.verdict, contexts)
        return verdict_a - verdict_b, verdict_b - verdict_a

    def _above_mean(self, sources: Pair, at4: Pair) -> Tensor:
        """How far the truth lies above the frames' mean (B, 1, H, W), in a unit of its own.

        Of frames A and B the nearer to a truth T is told by the sign of
        ``(A - B) * (T - (A + B) / 2)``. The second factor is the same for both frames.
        """
        # sum and difference instead of A and B: exchanging the frames then changes no rounding
        a, b = (source - 0.5 for source in sources)
        both = torch.cat([a + b, a - b], dim=1)
        own, other = self.detail.weight[:, :1], self.detail.weight[:, 1:]
        common, opposite = 0.5 * (own + other), 0.5 * (own - other)
        kernels = tuple(torch.cat([common, sign * opposite], dim=1) for sign in (1.0, -1.0))
        half_a, half_b = each(
            lambda f, of_frame: F.relu(
                F.conv2d(both, of_frame, self.detail.bias, stride=2, padding=1)
                + _enlarged(self.up2(f))
            ),
            at4,
            (kernels[0], kernels[1]),
        )
        shared = F.relu(self.hidden2(half_a + half_b))
        return F.pixel_shuffle(CONTRAST * self.unfold2(shared), 2)

    def levels(self, source_a: Tensor, source_b: Tensor) -> tuple[Pair, ...]:
        """Mask logits for training, from fine to coarse.

        Returns
        -------
        tuple of two pairs of Tensor
            At full resolution, (B, 1, H, W), and what the trunk alone would say, at 1/16.
        """
        height, width = source_a.shape[-2:]
        padding = (0, -width % self.size_multiple, 0, -height % self.size_multiple)
        sources = each(
            lambda source: F.pad(luma(source), padding, mode="replicate"), (source_a, source_b)
        )
        contexts = self.trunk(each(self.encode, sources))
        masks, verdicts = self.decode(sources, contexts), self._verdicts(contexts)
        rows, cols = -(-height // 16), -(-width // 16)
        return (
            each(lambda mask: mask[..., :height, :width], masks),
            each(lambda verdict: verdict[..., :rows, :cols], verdicts),
        )

    def logits(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Masks before the sigmoid; see `forward`."""
        return self.levels(source_a, source_b)[0]

    def forward(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Decide a pair.

        Parameters
        ----------
        source_a, source_b : Tensor, shape (B, 1 or 3, H, W), float, in [0, 1]
            Gamma-coded; only the luma is looked at.

        Returns
        -------
        mask_a, mask_b : Tensor, shape (B, 1, H, W), in [0, 1]
        """
        mask_a, mask_b = self.logits(source_a, source_b)
        return mask_a.sigmoid(), mask_b.sigmoid()


class SingleInput(DRPLFast):
    """`DRPLFast` whose frames never meet: each mask is decided from its own source alone.

    It shows what pair input is worth (docs/ablation.md) and does not ship. Widths and depth are the
    same; a frame has a verdict and details of its own, where in a pair both are told by difference.
    """

    pair_conv = FrameConv
    frames_seen = 1

    def _verdicts(self, contexts: Pair) -> Pair:
        """Mask logits (B, 1, H / 16, W / 16) by the trunk alone."""
        return each(self.verdict, contexts)

    def _with_details(self, coarse: Pair, sources: Pair, at4: Pair) -> Pair:
        """Mask logits (B, 1, H, W), and what single pixels change in them."""

        def detailed(logits: Tensor, source: Tensor, f: Tensor) -> Tensor:
            half = F.relu(self.detail(source - 0.5) + _enlarged(self.up2(f)))
            return logits + F.pixel_shuffle(self.unfold2(F.relu(self.hidden2(half))), 2)

        return each(detailed, coarse, sources, at4)


NETWORKS: dict[str, type[DRPL] | type[DRPLFast]] = {
    "drpl": DRPL,
    "drpl-fast": DRPLFast,
    "drpl-fast-single": SingleInput,
}
"""The networks by the name that a configuration gives them; that of their model, if it ships."""

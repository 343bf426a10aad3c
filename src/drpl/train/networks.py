"""Network ``DRPLFast`` and the table of all networks; the paper's ``DRPL`` is in `paper`.

Every network takes a pair of source images of any size and returns two soft decision masks
``M_A`` and ``M_B``, about complementary. The soft decision map is ``M = (M_A + 1 - M_B) / 2`` and
the fused image ``M * A + (1 - M) * B``.
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
"""Factor that brings small differences between frames to the magnitude of other features."""
LUMA_WEIGHTS = (0.299, 0.587, 0.114)


def luma(source: Tensor) -> Tensor:
    """Compute Rec. 601 luma (B, 1, H, W) of gamma-coded RGB; return grey images unchanged."""
    if source.shape[1] == 1:
        return source
    weights = source.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (source * weights).sum(dim=1, keepdim=True)


def decision_map(mask_a: Tensor, mask_b: Tensor) -> Tensor:
    """Compute the soft decision map ``(M_A + 1 - M_B) / 2`` of two masks in [0, 1]."""
    return (mask_a + 1.0 - mask_b) / 2.0


def _upsampled(features: Tensor, factor: float = 2.0) -> Tensor:
    """Upsample features bilinearly."""
    return F.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)


class DRPLFast(nn.Module):
    """Swap-equivariant network of low cost with a reach of hundreds of pixels.

    All frames share their weights and exchange features in `ExchangeConv` and through a common
    factor of details, so exchanging the source images exchanges the masks. Three stages make
    deciding in tiles equal to deciding the whole picture, at little extra cost:

    * ``encode`` (per frame, tiled): luma, folded 4x4 to channels, to features at 1/16 of the
      resolution;
    * ``trunk`` (whole picture, at 1/16, 1/32 and 1/64): comparison of the frames over a wide
      context;
    * ``decode`` (tiled): decision at 1/8 and 1/4, then details at 1/2, unfolded to masks at full
      resolution.

    ``widths`` are the channels at 1/2, 1/4, ..., 1/64; multiples of 16 run fastest. ``blocks`` are
    the exchange blocks at 1/16, 1/32 and 1/64; at 1/16 and 1/32 they come before the coarser
    scales, and one more block follows after them.
    """

    reaches = (16, 32)
    """Pixels around a tile that ``encode`` and ``decode`` depend on; multiples of 16."""
    size_multiple = 64
    """Factor that height and width are padded to."""
    colour = "luma"
    """Colours that the network sees: luma only."""
    pair_conv: PairConv = ExchangeConv
    """Convolution applied to pairs of features."""
    frames_seen = 2
    """Number of frames that a mask depends on."""
    fold: Tensor
    """Fixed kernels (16, 1, 4, 4) that fold 4x4 pixels to 16 channels."""

    def __init__(
        self,
        widths: tuple[int, int, int, int, int, int] = (16, 32, 48, 48, 64, 64),
        blocks: tuple[int, int, int] = (2, 1, 1),
    ) -> None:
        super().__init__()
        c2, c4, c8, c16, c32, c64 = widths
        # folding as a fixed convolution exports to the fastest operator
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
        """Set He-normal weights, scaled so that mask logits start near zero."""
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
            # coarser scales contribute nothing at first: training would fight their noise by
            # driving features below zero, behind a ReLU, where they stop learning
            for layer in (self.up8, self.unfold2):
                layer.weight.zero_()

    def _fine(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Features of one frame at 1/4 and 1/8 of the resolution."""
        quarter = F.relu(self.stem(F.conv2d(source - 0.5, self.fold, stride=4)))
        return quarter, F.relu(self.down8(quarter))

    def encode(self, source: Tensor) -> Tensor:
        """Compute the features (B, C, H / 16, W / 16) of one frame.

        The frame is luma (B, 1, H, W) in [0, 1]; H and W are multiples of 16.
        """
        features: Tensor = self.down16(self._fine(source)[1])
        return features

    def trunk(self, features: Pair) -> Pair:
        """Compare the frames at 1/16 of the resolution and below.

        Maps the results of `encode`, each (B, C, H / 16, W / 16) with H and W multiples of 64, to
        context features of each frame, of the same shapes.
        """
        at16 = run(self.blocks16, features)
        at32 = run(self.blocks32, each(self.down32, at16))
        at64 = run(self.blocks64, each(self.down64, at32))
        at32 = each(lambda f, coarse: f + _upsampled(self.up32(coarse)), at32, at64)
        at32 = run(self.merge32, at32)
        at16 = each(lambda f, coarse: f + _upsampled(self.up16(coarse)), at16, at32)
        return run(self.merge16, at16)

    def decode(self, sources: Pair, contexts: Pair) -> Pair:
        """Decide a pair; return mask logits, each (B, 1, H, W).

        The sources are luma (B, 1, H, W) in [0, 1], with H and W multiples of 16; the contexts are
        the results of `trunk`, each (B, C, H / 16, W / 16).
        """
        (a4, a8), (b4, b8) = (self._fine(source) for source in sources)
        at8 = each(
            lambda f, context: self.skip8(f) + _upsampled(self.up8(context)),
            (a8, b8),
            contexts,
        )
        at8 = each(F.relu, self.block8(at8))
        at4 = each(
            lambda f, coarse: F.relu(self.skip4(f) + _upsampled(self.up4(coarse))), (a4, b4), at8
        )
        at4 = each(F.relu, self.block4(at4))
        at4 = each(lambda f: F.relu(f + self.refine4(f)), at4)
        context_logits = each(lambda f: _upsampled(f, 4.0), self._context_logits(contexts))
        smooth = each(
            lambda f, logits: F.pixel_shuffle(self.unfold(f) + logits, 4), at4, context_logits
        )
        return self._with_details(smooth, sources, at4)

    def _with_details(self, smooth: Pair, sources: Pair, at4: Pair) -> Pair:
        """Add the details of single pixels to mask logits (B, 1, H, W)."""
        # (A - B) * (T - (A + B) / 2) is positive where frame A is nearer to the truth T than frame
        # B; the second factor, predicted from both, is the same for both frames
        details = (sources[0] - sources[1]) * self._truth_above_mean(sources, at4)
        return smooth[0] + details, smooth[1] - details

    def _context_logits(self, contexts: Pair) -> Pair:
        """Mask logits (B, 1, H / 16, W / 16) from the trunk alone, negatives of each other."""
        verdict_a, verdict_b = each(self.verdict, contexts)
        return verdict_a - verdict_b, verdict_b - verdict_a

    def _truth_above_mean(self, sources: Pair, at4: Pair) -> Tensor:
        """Predict the truth less the mean of the frames, (B, 1, H, W), up to a learned factor."""
        # with sum and difference instead of A and B, exchanging the frames changes no rounding
        a, b = (source - 0.5 for source in sources)
        both = torch.cat([a + b, a - b], dim=1)
        own, other = self.detail.weight[:, :1], self.detail.weight[:, 1:]
        common, opposite = 0.5 * (own + other), 0.5 * (own - other)
        kernels = tuple(torch.cat([common, sign * opposite], dim=1) for sign in (1.0, -1.0))
        half_a, half_b = each(
            lambda f, kernel: F.relu(
                F.conv2d(both, kernel, self.detail.bias, stride=2, padding=1)
                + _upsampled(self.up2(f))
            ),
            at4,
            (kernels[0], kernels[1]),
        )
        shared = F.relu(self.hidden2(half_a + half_b))
        return F.pixel_shuffle(CONTRAST * self.unfold2(shared), 2)

    def levels(self, source_a: Tensor, source_b: Tensor) -> tuple[Pair, ...]:
        """Decide a pair for training, given as in `forward`.

        Returns mask logits at full resolution, each (B, 1, H, W), and from the trunk alone, each
        (B, 1, ceil(H / 16), ceil(W / 16)).
        """
        height, width = source_a.shape[-2:]
        padding = (0, -width % self.size_multiple, 0, -height % self.size_multiple)
        sources = each(
            lambda source: F.pad(luma(source), padding, mode="replicate"), (source_a, source_b)
        )
        contexts = self.trunk(each(self.encode, sources))
        fine, coarse = self.decode(sources, contexts), self._context_logits(contexts)
        rows, cols = -(-height // 16), -(-width // 16)
        return (
            each(lambda logits: logits[..., :height, :width], fine),
            each(lambda logits: logits[..., :rows, :cols], coarse),
        )

    def logits(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Decide a pair; return mask logits. See `forward`."""
        return self.levels(source_a, source_b)[0]

    def forward(self, source_a: Tensor, source_b: Tensor) -> tuple[Tensor, Tensor]:
        """Decide a pair; return masks, each (B, 1, H, W), in [0, 1].

        The source images (B, 1 or 3, H, W), grey or RGB, are gamma-coded, in [0, 1]; the network
        sees their luma only.
        """
        mask_a, mask_b = self.logits(source_a, source_b)
        return mask_a.sigmoid(), mask_b.sigmoid()


class SingleInput(DRPLFast):
    """`DRPLFast` without exchange between frames: each mask depends on its own source image alone.

    It shows what pair input contributes (docs/ablation.md) and does not ship. Widths and depth are
    the same. Context logits and details come from one frame instead of from differences.
    """

    pair_conv = FrameConv
    frames_seen = 1

    def _context_logits(self, contexts: Pair) -> Pair:
        """Mask logits (B, 1, H / 16, W / 16) from the trunk alone."""
        return each(self.verdict, contexts)

    def _with_details(self, smooth: Pair, sources: Pair, at4: Pair) -> Pair:
        """Add the details of single pixels to mask logits (B, 1, H, W)."""

        def detailed(logits: Tensor, source: Tensor, f: Tensor) -> Tensor:
            half = F.relu(self.detail(source - 0.5) + _upsampled(self.up2(f)))
            return logits + F.pixel_shuffle(self.unfold2(F.relu(self.hidden2(half))), 2)

        return each(detailed, smooth, sources, at4)


NETWORKS: dict[str, type[DRPL] | type[DRPLFast]] = {
    "drpl": DRPL,
    "drpl-fast": DRPLFast,
    "drpl-fast-single": SingleInput,
}
"""Networks by their name in configurations, which is also the id of a shipped model."""

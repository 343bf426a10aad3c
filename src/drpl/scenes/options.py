"""Options of training scenes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SceneOptions:
    """What scenes are made of.

    Attributes
    ----------
    recipe : str
        ``"layered"`` (ours) or ``"paper"``.
    size : int
        Height and width of a training picture in pixels.
    channels : int
        3, or 1: a random mixture of the colour channels, cheaper, for networks that see luma only.
    frames : int
        Frames of a stack; 2 is a pair.
    stack_share : float
        Share of training batches that are rendered as stacks of ``stack_frames`` and met as
        folding them does: a composite of some frames, and the next (see `drpl.train.folds`).
    stack_frames : int
    max_layers : int
        Foreground layers at most.
    flat_share, paper_share : float
        Share of batches whose layers have one depth each; share by the paper's recipe.
    one_sharp_share, both_defocused_share, highlight_share, smooth_share : float
        Share of scenes in which one frame is sharp everywhere; in which focus lies off the layers;
        with highlights brighter than white; with a layer without texture.
    enlarged_share, enlarged : float
        Share of scenes of which a part is enlarged to the whole, by up to that factor: pictures of
        many megapixels are soft at their finest scale and blurred by many times more pixels than
        the scenes that can be rendered at a bearable cost.
    radius : tuple of two floats
        Circle of confusion in pixels at the far end of the scene's depth, drawn log-uniformly.
    """

    recipe: str = "layered"
    size: int = 192
    channels: int = 1
    frames: int = 2
    stack_share: float = 0.0
    stack_frames: int = 5
    max_layers: int = 4
    flat_share: float = 0.65
    paper_share: float = 0.08
    one_sharp_share: float = 0.06
    both_defocused_share: float = 0.15
    highlight_share: float = 0.25
    smooth_share: float = 0.12
    enlarged_share: float = 0.0
    enlarged: float = 4.0
    radius: tuple[float, float] = (0.8, 15.0)

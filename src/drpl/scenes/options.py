"""Options of training scenes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SceneOptions:
    """Composition of rendered scenes.

    Attributes
    ----------
    recipe : str
        ``"layered"`` (ours) or ``"paper"``.
    size : int
        Height and width of a picture in pixels.
    channels : int
        3 for colour, or 1 for luma or a random mixture of the colour channels: cheaper, and enough
        for networks that see luma only.
    frames : int
        Frames per scene; 2 for pairs.
    stack_share : float
        Share of training batches that are rendered as stacks. `drpl.train.folds` turns each stack
        into a pair: a composite of some frames, and the next frame.
    stack_frames : int
        Frames per stack in these batches.
    max_layers : int
        Largest number of foreground layers.
    flat_share : float
        Share of batches whose layers each have a single depth.
    paper_share : float
        Share of pair batches that follow the paper's recipe.
    one_sharp_share : float
        Share of scenes with one frame that is sharp everywhere.
    both_defocused_share : float
        Share of scenes whose frames are focused off the layers.
    highlight_share : float
        Share of scenes with highlights brighter than white.
    smooth_share : float
        Share of layers nearly without texture.
    enlarged_share : float
        Share of scenes in which a part is enlarged to full size. Pictures of many megapixels are
        soft at the finest scale, with blur too wide to render at acceptable cost.
    enlarged : float
        Largest factor of enlargement.
    radius : tuple of two floats
        Range, in pixels, of the radius of the circle of confusion at a depth distance of 1 (the
        depth of the whole scene), drawn log-uniformly.
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

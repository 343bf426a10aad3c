"""Fusion by dense SIFT descriptors."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.classical.ranking import Ranking, pick
from drpl.classical.views import Fusion, Labels, Views, box_mean
from drpl.core.composite import Coverage
from drpl.core.frames import Plane

DESCRIPTOR = 16
"""Side, in pixels, of a descriptor of 4x4 cells."""
BLOCK = 8
"""Side, in pixels, of the sliding block that votes."""
SMALLEST = 0.001
"""Share of the picture below which a region counts as a mistake."""
FINE = 9
"""Side, in pixels, of the window of the focus measure for undecided pixels."""


def fuse_dsift(views: Views) -> Fusion:
    """Fuse by dense SIFT (DSIFT): blocks vote for the frame of most activity.

    The activity of a pixel is the sum of its descriptor before normalisation. A block slides over
    the picture and votes for one frame; a pixel is decided where all blocks that contain it agree.
    Small decided regions follow their neighbourhood. Undecided pixels, along the boundaries, are
    taken from the frame with the largest gradients nearby. The frames are read twice.

    Descriptors have 16 pixels (Lowe's size) instead of the 48 of the authors' demonstration, and
    small regions are those below a thousandth of the picture, which scores higher on rendered
    scenes. The authors' search for matching pixels in undecided regions is left out, because frames
    are registered already.

    Reference: Liu, Liu and Wang 2015, doi:10.1016/j.inffus.2014.05.004.
    """
    rough, fine = Ranking(), Ranking()
    for view in views:
        luma = view.luma
        rough.add(box_mean(measure_sift_activity(luma), BLOCK), view.covered)
        fine.add(_gradient_energy(luma), view.covered)
    decided = _unanimous(rough.index)
    filled, changed = _without_small_regions(rough.index, decided)
    labels = np.where(decided | changed, filled, fine.index)
    fused, index = pick(views, labels, rough.index)
    return Fusion(fused, index, rough.confidence())


def measure_sift_activity(plane: Plane, descriptor: int = DESCRIPTOR) -> Plane:
    """Return the sum (L1 norm) of each pixel's dense SIFT descriptor before normalisation.

    The side of the descriptor is a multiple of 4; the sum is divided by its number of pixels. Each
    gradient is distributed over orientations and, bilinearly, over 4x4 cells. In the sum, only the
    magnitude of the gradients remains, times the sum of the cells' triangles along each axis: a
    trapezium, which equals two box filters in sequence.
    """
    across, down = (
        cv2.Sobel(plane, cv2.CV_32F, *order, ksize=3, borderType=cv2.BORDER_REFLECT)
        for order in ((1, 0), (0, 1))
    )
    magnitude = cv2.magnitude(across, down)
    return box_mean(box_mean(np.asarray(magnitude, np.float32), descriptor), descriptor // 4)


def _gradient_energy(plane: Plane) -> Plane:
    """Measure spatial frequency: squared differences of neighbours, averaged over a window."""
    energy = np.zeros_like(plane)
    energy[:, 1:] += np.square(np.diff(plane, axis=1))
    energy[1:] += np.square(np.diff(plane, axis=0))
    return box_mean(energy, FINE)


def _unanimous(votes: Labels) -> Coverage:
    """Return the pixels whose blocks all agree; a block's vote stands at its centre."""
    # centres of the blocks that contain a pixel: a block mirrored about the pixel
    kernel, anchor = np.ones((BLOCK, BLOCK), np.uint8), (BLOCK - 1 - BLOCK // 2,) * 2
    least, most = (filtered(votes, kernel, anchor=anchor) for filtered in (cv2.erode, cv2.dilate))
    return np.asarray(least == most, np.bool_)


def _without_small_regions(labels: Labels, decided: Coverage) -> tuple[Labels, Coverage]:
    """Give small decided regions the label of the nearest large one; also return their mask."""
    small = np.zeros(labels.shape, np.bool_)
    for label in np.unique(labels):
        region = ((labels == label) & decided).view(np.uint8)
        _, parts, stats, _ = cv2.connectedComponentsWithStats(region)
        too_small = stats[:, cv2.CC_STAT_AREA] < SMALLEST * labels.size
        too_small[0] = False  # the background
        small |= too_small[parts]
    large = decided & ~small
    if not small.any() or not large.any():
        return labels, np.zeros_like(small)
    _, nearest = cv2.distanceTransformWithLabels(
        (~large).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(nearest.max()) + 1, np.uint16)
    table[nearest[large]] = labels[large]
    return np.where(small, table[nearest], labels), small

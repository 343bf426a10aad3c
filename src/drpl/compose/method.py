"""Protocol of fusion methods, which networks and classical methods share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from drpl.align.plan import Plan
from drpl.align.prepare import RegisteredFrames
from drpl.compose.fold import Observer
from drpl.compose.slabs import SlabOutput
from drpl.core.composite import Composite
from drpl.core.frames import Pixels
from drpl.core.options import FusionOptions

MARGIN = 1.08
"""Safety factor on estimates of memory."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Resources that a method needs for frames of one size.

    ``passes`` over the frames do not count alignment. Sides of tiles must be multiples of
    ``tile_multiple`` pixels; 0 if frames are fused whole. ``fixed_mb`` does not depend on the size
    of frames; ``bytes_per_pixel`` of a frame include result and maps.
    """

    passes: int
    tile_multiple: int
    fixed_mb: float
    bytes_per_pixel: float

    def megabytes(self, like: Pixels) -> float:
        """Peak memory, in megabytes, for frames shaped like ``like``."""
        pixels = like.shape[0] * like.shape[1]
        return float(MARGIN * (self.fixed_mb + pixels * self.bytes_per_pixel / 1e6))


class Method(Protocol):
    """A way to fuse registered frames."""

    @property
    def id(self) -> str:
        """Name of the method in ``FusionOptions.method``."""

    def resolve(self, options: FusionOptions) -> FusionOptions:
        """Return the options that the method will follow; raise ConfigError if it cannot."""

    def needs(self, options: FusionOptions, like: Pixels, count: int) -> Needs:
        """Return the resources needed for ``count`` frames shaped like ``like``."""

    def extended(self, *, observe: Observer | None, slabs: SlabOutput | None) -> Method:
        """Return the method with an observer of its decisions, and with slabs.

        Raises ConfigError if either is given and the method does not decide pairs.
        """

    def fuse(self, frames: RegisteredFrames, plan: Plan, options: FusionOptions) -> Composite:
        """Fuse the frames that the plan uses.

        Raises ReadError, StackError, AlignmentError, ModelError or WriteError.
        """

    def describe(self) -> dict[str, Any]:
        """Return the method's entry in a report: its id, and its hashes or DOI."""

"""Classical fusion of focal stacks: the baselines that a learned decision has to beat.

A method goes through registered frames (`Views`) one at a time, as often as it needs, so that its
memory does not grow with their number. `BASELINES` is the table of them, by id.
"""

from __future__ import annotations

from drpl.classical.table import BASELINES, Baseline, available_baselines
from drpl.classical.views import Fusion, View, Views

__all__ = ["BASELINES", "Baseline", "Fusion", "View", "Views", "available_baselines"]

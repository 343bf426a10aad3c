"""State of a training run and its checkpoints."""

from __future__ import annotations

import logging
import math
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning as L
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from drpl.errors import ModelError
from drpl.train.config import TrainOptions
from drpl.train.networks import NETWORKS

log = logging.getLogger(__name__)


@dataclass
class Run:
    """State of a training run, saved in checkpoints.

    ``network`` is wrapped by Lightning Fabric; ``average`` holds the exponential moving average of
    its weights. ``step`` counts the steps taken, ``seconds`` includes runs before it was resumed,
    and ``best`` is the best validation PSNR in dB.
    """

    options: TrainOptions
    network: Any
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        state = {
            "config": self.options.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint, as returned by `read_checkpoint`."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the averaged weights towards the current weights, faster at the start of a run."""
        decay = min(self.options.ema, (1 + self.step) / (10 + self.step))
        current = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, with the keys that `Run.save` writes, without executing code in it.

    Raise ModelError if the file is missing or is not a checkpoint of `drpl train`.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: cannot be read as a checkpoint ({reason})") from error
    if not isinstance(state, dict) or not {"config", "network", "average"} <= set(state):
        raise ModelError(f"{path}: is not a checkpoint; expected one written by `drpl train`")
    return state


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the averaged weights of a checkpoint, or ``weights.safetensors`` of an exported model.

    Tensors are returned by their names in the network. Shipped models have their weights in the
    repository only, not in the wheel. Raise ModelError if the file is missing or is neither.
    """
    if path.suffix != ".safetensors":
        weights: dict[str, Tensor] = read_checkpoint(path)["average"]
        return weights
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: no such file; installed packages have no weights for training, take them "
            "from the repository"
        ) from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors ({error})") from error


def start_run(options: TrainOptions, fabric: L.Fabric) -> Run:
    """Create a run at step 0, with seeded initial weights, their average and the optimiser.

    The fabric is launched and holds the device.
    """
    torch.manual_seed(options.seed)
    network = NETWORKS[options.network]()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = deepcopy(network).eval().requires_grad_(False).to(fabric.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    wrapped, optimiser = fabric.setup(network, optimiser)
    wrapped.mark_forward_method("levels")
    return Run(options, wrapped, average, optimiser)


def start_from(run: Run, weights: dict[str, Tensor]) -> None:
    """Start a run from given weights wherever name and shape agree.

    Other weights of the network keep their initial values; they and unused weights are logged.
    Raise ModelError if no weight fits.
    """
    own = run.network.state_dict()
    used = {n: v for n, v in weights.items() if n in own and own[n].shape == v.shape}
    if not used:
        raise ModelError(
            f"the initial weights belong to another network; expected {run.options.network}"
        )
    run.network.load_state_dict(own | used)
    for kind, names in (("fresh", set(own) - set(used)), ("unused", set(weights) - set(used))):
        if names:
            log.info("%s layers: %s", kind, ", ".join(sorted(names)))
    run.average.load_state_dict(run.network.state_dict())

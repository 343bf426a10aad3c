"""What runs an exported network: a small protocol, and ONNX Runtime behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drpl.errors import BackendUnavailable, ModelError

Tensor = NDArray[np.float32]


class Session(Protocol):
    """One stage of a network, ready to run."""

    def run(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Outputs, in the order of the graph, for named inputs."""
        ...


class OnnxSession:
    """A stage in ONNX Runtime, on the CPU.

    Parameters
    ----------
    path : Path
        An ``.onnx`` file.
    threads : int
        0 takes one for each core.

    Raises
    ------
    BackendUnavailable
        If ONNX Runtime is not installed.
    ModelError
        If the file is not a graph that it can run.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as states
        except ImportError as error:
            raise BackendUnavailable(
                "ONNX Runtime is not installed; install it with: pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # tiles of a few sizes: planned once each, the plans would hold more memory than they save
        options.enable_mem_pattern = False
        damaged = (states.Fail, states.InvalidProtobuf, states.InvalidGraph, states.InvalidArgument)
        self._failures: tuple[type[Exception], ...] = (*damaged, states.RuntimeException)
        self._path = path
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except self._failures as error:
            raise ModelError(f"{path}: is not a network that ONNX Runtime can run") from error

    def run(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Outputs, in the order of the graph, for named inputs.

        Raises
        ------
        ModelError
            If the inputs do not fit the graph.
        """
        try:
            outputs: list[Tensor] = self._session.run(None, inputs)
        except self._failures as error:
            raise ModelError(f"{self._path}: the network failed ({error})") from error
        return outputs

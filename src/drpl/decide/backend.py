"""Sessions that run an exported network: a small protocol, with ONNX Runtime behind it."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from drpl.core.frames import Tensor
from drpl.errors import BackendUnavailable, ModelError


def runtime_providers() -> list[str]:
    """Return the names of ONNX Runtime's execution providers on this machine."""
    import onnxruntime

    return [str(name) for name in onnxruntime.get_available_providers()]


class Session(Protocol):
    """One stage of a network, ready to run."""

    def run(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Run the stage on named inputs and return its outputs in the order of the graph."""

    def release(self) -> None:
        """Free the memory of earlier runs, whose outputs become invalid."""


class OnnxSession:
    """A stage in ONNX Runtime, on the CPU, from an ``.onnx`` file.

    One run uses ``threads``; several runs may go on at the same time. The stage is planned again
    whenever the size of its inputs changes: with sizes known, ONNX Runtime fuses more operators.
    Raises BackendUnavailable without ONNX Runtime, ModelError if the file cannot be read or run.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as states
        except ImportError as error:
            raise BackendUnavailable(
                "ONNX Runtime is not installed; install it with: pip install onnxruntime"
            ) from error
        damaged = (states.Fail, states.InvalidProtobuf, states.InvalidGraph, states.InvalidArgument)
        self._failures: tuple[type[Exception], ...] = (*damaged, states.RuntimeException)
        self._runtime: Any = onnxruntime
        self._path = path
        try:
            self._graph = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        self._threads = threads
        self._planning = Lock()
        self._sizes: dict[str, int] = {}
        self._session = self._plan({})
        self._axes = [(i.name, tuple(i.shape)) for i in self._session.get_inputs()]
        self._output_shape = tuple(self._session.get_outputs()[0].shape)

    def _plan(self, sizes: dict[str, int]) -> Any:
        """Return a session for given lengths of the graph's named axes."""
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # for tiles of one size, the memory plan holds more than it saves
        options.enable_mem_pattern = False
        for axis, length in sizes.items():
            options.add_free_dimension_override_by_name(axis, length)
        try:
            return self._runtime.InferenceSession(
                self._graph, options, providers=["CPUExecutionProvider"]
            )
        except self._failures as error:
            failed = f"the network failed ({error})"
            reason = failed if sizes else "is not a network that ONNX Runtime can run"
            raise ModelError(f"{self._path}: {reason}") from error

    def _planned(self, inputs: dict[str, Tensor]) -> Any:
        """Return the session for the sizes of these inputs."""
        sizes: dict[str, int] = {}
        for name, axes in self._axes:
            if name not in inputs or inputs[name].ndim != len(axes):
                raise ModelError(
                    f"{self._path}: the network failed (expected an input {name!r} of "
                    f"{len(axes)} axes)"
                )
            lengths = zip(axes, inputs[name].shape, strict=True)
            sizes |= {axis: length for axis, length in lengths if isinstance(axis, str)}
        with self._planning:
            if self._session is None or sizes != self._sizes:
                self._session, self._sizes = self._plan(sizes), sizes
            return self._session

    @property
    def channels(self) -> int:
        """Number of channels of the first output."""
        return int(self._output_shape[1])

    def release(self) -> None:
        """See `Session`."""
        with self._planning:
            self._session, self._sizes = None, {}

    def run(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """See `Session`; raises ModelError if the inputs do not fit the graph."""
        try:
            session = self._planned(inputs)
            outputs: list[Tensor] = session.run(None, inputs)
        except self._failures as error:
            raise ModelError(f"{self._path}: the network failed ({error})") from error
        return outputs

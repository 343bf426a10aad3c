"""Stages of a network, written as ONNX graphs that run fast."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from drpl.models.cards import Stage
from drpl.train.exchange import Pair, each, with_plain_layers
from drpl.train.networks import DRPLFast
from drpl.train.paper import DRPL

OPSET = 17
MASKS = ("mask_a", "mask_b")
"""Outputs of the last stage."""


class _Stage(nn.Module):
    """Part of a network's forward pass, as a module that can be exported."""

    def __init__(self, network: nn.Module, part: Callable[..., Tensor | Pair]) -> None:
        super().__init__()
        self.network, self.part = network, part

    def forward(self, *inputs: Tensor) -> Tensor | Pair:
        return self.part(*inputs)


def write_stage(
    folder: Path,
    name: str,
    stage: nn.Module,
    inputs: dict[str, Tensor],
    outputs: Sequence[str],
    context: int,
) -> Stage:
    """Write one stage as ONNX with dynamic height and width; ``context`` is in pixels."""
    path = folder / f"{name}.onnx"
    axes = {key: {2: f"{key}_height", 3: f"{key}_width"} for key in (*inputs, *outputs)}
    with warnings.catch_warnings():
        # the exporter by tracing is deprecated, but writes the graph that runs fastest
        warnings.simplefilter("ignore", DeprecationWarning)
        # only the number of channels is traced as a constant
        warnings.filterwarnings("ignore", "Converting a tensor to a Python")
        torch.onnx.export(
            stage.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.save(in_blocked_layout(onnx.load(path)), path)
    return Stage(name, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), context)


def in_blocked_layout(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Replace Sub and LeakyRelu nodes on feature maps by operators that run in blocked layout.

    ONNX Runtime keeps convolutions, sums and ReLU in its blocked layout but leaves it for Sub and
    LeakyRelu. A pointwise convolution with one weight per channel scales features within the
    layout: ``a - b = a + (-1) b`` and ``leaky(x) = relu(x) + (-slope) relu((-1) x)``, bit by bit.
    The model is changed in place and returned.
    """
    inferred = onnx.shape_inference.infer_shapes(graph).graph
    channels = {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in inferred.value_info
        if len(value.type.tensor_type.shape.dim) == 4
    }
    nodes: list[onnx.NodeProto] = []

    def add(kind: str, inputs: list[str], output: str) -> str:
        nodes.append(onnx.helper.make_node(kind, inputs, [output]))
        return output

    def scale(value: str, factor: float, count: int, output: str) -> str:
        weights = np.full((count, 1, 1, 1), factor, np.float32)
        graph.graph.initializer.append(onnx.numpy_helper.from_array(weights, f"{output}_weight"))
        inputs = [value, f"{output}_weight"]
        nodes.append(onnx.helper.make_node("Conv", inputs, [output], group=count))
        return output

    for node in graph.graph.node:
        values, output = list(node.input), node.output[0]
        count = channels.get(values[-1], 0) if node.op_type in ("Sub", "LeakyRelu") else 0
        if count < 2 or values[0] not in channels:
            nodes.append(node)
        elif node.op_type == "Sub":
            negated = scale(values[1], -1.0, count, f"{output}_negated")
            add("Add", [values[0], negated], output)
        else:
            (slope,) = (attribute.f for attribute in node.attribute if attribute.name == "alpha")
            above = add("Relu", values, f"{output}_above")
            negated = scale(values[0], -1.0, count, f"{output}_negated")
            below = add("Relu", [negated], f"{output}_below")
            add("Add", [above, scale(below, -slope, count, f"{output}_leak")], output)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.checker.check_model(graph)
    return graph


def write_stages(folder: Path, network: DRPL | DRPLFast) -> tuple[Stage, ...]:
    """Write all stages of a network; return their entries for the model card."""
    if isinstance(network, DRPLFast):
        return _write_fast(folder, with_plain_layers(network))
    pair = {name: torch.zeros(1, 3, 96, 128) for name in ("source_a", "source_b")}
    whole = _Stage(network, network.__call__)
    return (write_stage(folder, "masks", whole, pair, MASKS, network.reach),)


def _write_fast(folder: Path, network: DRPLFast) -> tuple[Stage, ...]:
    """Write the stages of a network whose layers are plain."""

    def trunk(features_a: Tensor, features_b: Tensor) -> Pair:
        return network.trunk((features_a, features_b))

    def decode(source_a: Tensor, source_b: Tensor, context_a: Tensor, context_b: Tensor) -> Pair:
        return each(torch.sigmoid, network.decode((source_a, source_b), (context_a, context_b)))

    source = torch.zeros(1, 1, 128, 192)
    with torch.no_grad():
        features = network.encode(source)
    pairs = {
        kind: {f"{kind}_{which}": value for which in "ab"}
        for kind, value in (("source", source), ("features", features), ("context", features))
    }

    encoding, comparing, deciding = (
        _Stage(network, part) for part in (network.encode, trunk, decode)
    )
    inputs = pairs["source"] | pairs["context"]
    encode_reach, decode_reach = network.reaches
    return (
        write_stage(folder, "encode", encoding, {"source": source}, ["features"], encode_reach),
        write_stage(folder, "trunk", comparing, pairs["features"], list(pairs["context"]), 0),
        write_stage(folder, "decode", deciding, inputs, MASKS, decode_reach),
    )

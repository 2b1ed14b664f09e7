"""From a graph in fp32 to one in int8, by what its layers see of some pixels: OpenVINO and numpy alone.

Signed weights of seven bits, each output channel by its own largest; inputs of eight bits, by their least and largest.
Seven, because products of eight bits overflow where the processor lacks VNNI. What that loses is mostly a shift of each
channel's mean, and the bias takes it back. Sums of two branches stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops
from openvino._offline_transformations import apply_moc_transformations, compress_quantize_weights_transformation

# What OpenVINO takes for int8: steps of an input, and of weights, of which the inner half is used.
INPUT_LEVELS, WEIGHT_LEVELS, WEIGHT_MOST = 256, 255, 63
# The layers that multiply by weights.
_KINDS = ("Convolution", "GroupConvolution", "MatMul")

Array = NDArray[np.float64]
Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one layer read of all pixels: least and largest value, and the mean of each channel."""

    least: float
    largest: float
    means: Array


def folded(graph: openvino.Model) -> openvino.Model:
    """Return the same graph with what follows a layer folded into its weights, where that can be."""
    copy = graph.clone()
    apply_moc_transformations(copy, cf=True)
    return copy


def quantize(graph: openvino.Model, pixels: Iterable[NDArray[np.uint8]]) -> openvino.Model:
    """Return ``graph`` in int8.

    Args:
        graph: fp32, `folded`.
        pixels: what to calibrate it on, each uint8 (H, W, 3).
    """
    seen = _watched(graph, pixels)
    made = graph.clone()
    layers = _layers(made)
    steps = {name: _input_steps(_source(made, name), found) for name, found in seen.items()}
    for layer in layers:
        name = _read_by(layer)
        _round_weights(layer, seen[name])
        layer.input(0).replace_source_output(steps[name])
    made.validate_nodes_and_infer_types()
    compress_quantize_weights_transformation(made)
    return made


def _layers(graph: openvino.Model) -> list[openvino.Node]:
    """Return what multiplies by weights."""
    nodes = [node for node in graph.get_ordered_ops() if node.get_type_name() in _KINDS]
    return [node for node in nodes if _constant(node, 1)]


def _constant(node: openvino.Node, number: int) -> bool:
    return bool(node.input_value(number).get_node().get_type_name() == "Constant")


def _read_by(layer: openvino.Node) -> Name:
    source = layer.input_value(0)
    return source.get_node().get_friendly_name(), source.get_index()


def _source(graph: openvino.Model, name: Name) -> openvino.Output:
    node = next(node for node in graph.get_ordered_ops() if node.get_friendly_name() == name[0])
    return node.output(name[1])


def _watched(graph: openvino.Model, pixels: Iterable[NDArray[np.uint8]]) -> dict[Name, Seen]:
    """Return what each layer reads."""
    watching = graph.clone()
    kinds = {_read_by(layer): layer.get_type_name() for layer in _layers(watching)}
    results = []
    for name, kind in kinds.items():
        source = _source(watching, name)
        rank = source.get_partial_shape().rank.get_length()
        others = [axis for axis in range(rank) if axis != (rank - 1 if kind == "MatMul" else 1)]
        everything, all_but_channels = (ops.constant(np.array(axes)) for axes in (range(rank), others))
        results += [ops.result(ops.reduce_min(source, everything)), ops.result(ops.reduce_max(source, everything))]
        results += [ops.result(ops.reduce_mean(source, all_but_channels))]
    first = len(watching.outputs)
    watching.add_results(results)
    compiled = openvino.compile_model(watching, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    rows = [
        [row[first + number].copy() for number in range(len(results))] for row in map(compiled, _minibatches(pixels))
    ]
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    found = zip(kinds, columns[::3], columns[1::3], columns[2::3], strict=True)
    return {
        name: Seen(float(low.min()), float(high.max()), means.mean(0, np.float64)) for name, low, high, means in found
    }


def _minibatches(pixels: Iterable[NDArray[np.uint8]]) -> Iterable[list[NDArray[np.uint8]]]:
    for each in pixels:
        yield [each[np.newaxis]]


def _input_steps(source: openvino.Output, seen: Seen) -> openvino.Output:
    """Return ``source`` in 256 steps: unsigned where nothing is below zero, else signed and even about it."""
    low, high = 0.0, max(seen.largest, 1e-6)
    if seen.least < 0:
        high = max(high, -seen.least * 127 / 128)
        low = -high * 128 / 127
    bounds = [ops.constant(np.float32(bound)) for bound in (low, high)]
    return ops.fake_quantize(source, *bounds, *bounds, INPUT_LEVELS).output(0)


def _round_weights(layer: openvino.Node, seen: Seen) -> None:
    """Put a layer's weights in steps, and take from its bias what that adds to the mean of each output channel."""
    node = layer.input_value(1).get_node()
    weights = np.array(node.data, np.float64)
    axes = _summed(layer, weights)
    most = np.maximum(np.abs(weights).max(axis=axes, keepdims=True), 1e-8)
    bound = (most * (WEIGHT_LEVELS // 2) / WEIGHT_MOST).astype(np.float32)
    bounds = [ops.constant(side) for side in (-bound, bound)]
    layer.input(1).replace_source_output(ops.fake_quantize(node, *bounds, *bounds, WEIGHT_LEVELS).output(0))
    step = most / WEIGHT_MOST
    _shift(layer, -_added(layer, np.round(weights / step) * step - weights, seen.means))


def _summed(layer: openvino.Node, weights: Array) -> tuple[int, ...]:
    """Return the axes of the weights over which one output sums."""
    if layer.get_type_name() == "MatMul":
        return (weights.ndim - 1 if layer.get_attributes()["transpose_b"] else weights.ndim - 2,)
    return tuple(range(1 if layer.get_type_name() == "Convolution" else 2, weights.ndim))


def _added(layer: openvino.Node, errors: Array, means: Array) -> Array:
    """Return what errors of the weights add to the mean of each output channel."""
    if layer.get_type_name() == "MatMul":
        return errors @ means if layer.get_attributes()["transpose_b"] else means @ errors
    if layer.get_type_name() == "Convolution":
        errors = errors[np.newaxis]
    groups, outputs, inputs = errors.shape[:3]
    per_input = errors.reshape(groups, outputs, inputs, -1).sum(-1)
    return np.asarray(np.einsum("goi,gi->go", per_input, means.reshape(groups, inputs)).ravel())


def _shift(layer: openvino.Node, by: Array) -> None:
    """Add ``by`` to each output channel of a layer: to its bias, where it has one."""
    shape = (
        by.shape
        if layer.get_type_name() == "MatMul"
        else (1, -1, *[1] * (layer.get_output_partial_shape(0).rank.get_length() - 2))
    )
    targets = list(layer.output(0).get_target_inputs())
    after = targets[0].get_node()
    if len(targets) == 1 and after.get_type_name() == "Add" and _constant(after, 1):
        bias = np.array(after.input_value(1).get_node().data, np.float64)
        after.input(1).replace_source_output(ops.constant((bias + by.reshape(shape)).astype(np.float32)).output(0))
        return
    shifted = ops.add(layer, ops.constant(by.reshape(shape).astype(np.float32)))
    for target in targets:
        target.replace_source_output(shifted.output(0))

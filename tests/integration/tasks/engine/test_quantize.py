"""A graph in int8 computes what it did in fp32, but for its last digits; and runs on any processor's eight bits."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from tasks.engine.quantize import WEIGHT_MOST, folded, quantize

CHANCE = np.random.default_rng(0)
SIDE = 16
PIXELS = [CHANCE.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in range(8)]


def weights(*shape: int) -> NDArray[np.float32]:
    return (CHANCE.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def network(*, bias: bool) -> openvino.Model:
    """Return a network with a layer of each kind that has weights: usual, in groups, and full."""
    given = ops.parameter([1, SIDE, SIDE, 3], np.uint8)
    x = ops.transpose(ops.convert(given, np.float32), ops.constant(np.array([0, 3, 1, 2])))
    x = ops.multiply(x, ops.constant(np.float32(1 / 64)))
    x = ops.convolution(x, ops.constant(weights(8, 3, 3, 3)), [1, 1], [1, 1], [1, 1], [1, 1])
    if bias:
        x = ops.add(x, ops.constant(weights(1, 8, 1, 1)))
    x = ops.group_convolution(ops.relu(x), ops.constant(weights(4, 4, 2, 3, 3)), [1, 1], [1, 1], [1, 1], [1, 1])
    x = ops.reduce_mean(ops.relu(x), ops.constant(np.array([2, 3])), False)
    full = [
        ops.matmul(x, ops.constant(weights(5, 16)), False, True),
        ops.matmul(x, ops.constant(weights(16, 4)), False, False),
    ]
    return openvino.Model([ops.result(ops.concat(full, 1))], [given], "network")


def answers(graph: openvino.Model) -> NDArray[np.float32]:
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled([each[np.newaxis]])[0].copy() for each in PIXELS])


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_of_each_kind_computes_what_it_did(bias: bool) -> None:
    graph = folded(network(bias=bias))
    exact = answers(graph)

    ours = answers(quantize(graph, PIXELS))

    assert not np.array_equal(ours, exact)
    assert np.abs(ours - exact).max() < 0.04 * np.abs(exact).max()
    # What rounding the weights adds to the mean is taken back.
    assert np.abs((ours - exact).mean(0)).max() < 0.01 * np.abs(exact).max()


def test_no_sum_of_two_products_overflows_sixteen_bits() -> None:
    made = quantize(folded(network(bias=True)), PIXELS)

    stored = [
        node.data
        for node in made.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == openvino.Type.i8
    ]
    assert len(stored) == 4
    assert all(np.abs(values.astype(int)).max() == WEIGHT_MOST for values in stored)
    assert 2 * 255 * WEIGHT_MOST < 2**15


def test_the_graph_that_it_is_made_of_stays_as_it_is() -> None:
    graph = folded(network(bias=True))
    before = answers(graph)

    quantize(graph, PIXELS)

    assert np.array_equal(answers(graph), before)

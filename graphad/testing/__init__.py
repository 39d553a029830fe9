"""Tests that follow from definitions: the laws of ops, gradients against differences, conformance of executors."""

from graphad.testing.checks import (
    LAWS,
    check_batch,
    check_dtype,
    check_executor,
    check_graph_batch,
    check_graph_jvp,
    check_graph_transpose,
    check_infer,
    check_jvp,
    check_op,
    check_pickle,
    check_second_order,
    check_text,
    check_transpose,
)
from graphad.testing.conformance import Report, conformance
from graphad.testing.grads import check_grads
from graphad.testing.samples import graph_of, label, samples, samples_of

__all__ = [
    "LAWS", "Report", "check_batch", "check_dtype", "check_executor", "check_grads", "check_graph_batch",
    "check_graph_jvp", "check_graph_transpose", "check_infer", "check_jvp", "check_op", "check_pickle",
    "check_second_order", "check_text", "check_transpose", "conformance", "graph_of", "label", "samples",
    "samples_of",
]  # fmt: skip

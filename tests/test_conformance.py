"""Every executor gives what NumPy gives: one sample of each op by default, all of them with `-m slow`."""

from __future__ import annotations

import pytest

from graphad.op import OPS
from graphad.testing import conformance, samples_of

NAMES = sorted(name for name, op in OPS.items() if "samples" not in op.exempt)
FAMILIES = [NAMES[i : i + 16] for i in range(0, len(NAMES), 16)]


# A compiling executor takes minutes for all of them, so by default it is held to the core ops here, and to every op's
# own samples in its own test file.
CORE = ["add", "broadcast_to", "divide", "dot_general", "exp", "gather", "max", "multiply", "select", "solve", "sum"]


@pytest.mark.parametrize("names", FAMILIES, ids=lambda names: f"{names[0]}..{names[-1]}")
def test_first_sample_of_every_op(names: list[str]) -> None:
    conformance("numpy", [next(iter(samples_of(OPS[name]))) for name in names], plumbing=False)


@pytest.mark.parametrize("name", CORE)
def test_core_ops(executor: str, name: str) -> None:
    conformance(executor, [next(iter(samples_of(OPS[name])))], plumbing=False)


@pytest.mark.slow
def test_everything(executor: str) -> None:
    assert conformance(executor)


def test_what_no_sample_shows(executor: str) -> None:
    report = conformance(executor, ())
    assert {"layouts", "byte_order", "plumbing", "repetition"} <= set(report.passed)

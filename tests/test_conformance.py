"""Every executor gives what NumPy gives: one sample of each op by default, all of them with `-m slow`."""

from __future__ import annotations

import pytest

from graphad.op import OPS
from graphad.testing import conformance, samples_of

NAMES = sorted(name for name, op in OPS.items() if "samples" not in op.exempt)
FAMILIES = [NAMES[i : i + 16] for i in range(0, len(NAMES), 16)]


@pytest.mark.parametrize("names", FAMILIES, ids=lambda names: f"{names[0]}..{names[-1]}")
def test_first_sample_of_every_op(executor: str, names: list[str]) -> None:
    conformance(executor, [next(iter(samples_of(OPS[name]))) for name in names], plumbing=False)


@pytest.mark.slow
def test_everything(executor: str) -> None:
    assert conformance(executor)


def test_what_no_sample_shows(executor: str) -> None:
    report = conformance(executor, ())
    assert {"layouts", "byte_order", "plumbing", "repetition"} <= set(report.passed)

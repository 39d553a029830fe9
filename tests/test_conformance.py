"""Every executor gives what NumPy gives: one sample of each op by default, all of them with `-m slow`."""

from __future__ import annotations

import pytest

from graphad.op import OPS
from graphad.testing import conformance, samples_of

NAMES = sorted(name for name, op in OPS.items() if "samples" not in op.exempt)


@pytest.mark.parametrize("name", NAMES)
def test_first_sample_of_every_op(executor: str, name: str) -> None:
    conformance(executor, [next(iter(samples_of(OPS[name])))], plumbing=False)


@pytest.mark.slow
def test_everything(executor: str) -> None:
    assert conformance(executor)


def test_what_no_sample_shows(executor: str) -> None:
    report = conformance(executor, ())
    assert {"layouts", "byte_order", "plumbing", "repetition"} <= set(report.passed)

"""Every executor gives what NumPy gives: one sample of some ops by default, all of them with `-m slow`.

`test_llvm.py` has every sample of every op for llvm, `test_numba.py` the values for numba.
"""

from __future__ import annotations

import pytest

from graphad.op import OPS
from graphad.testing import conformance, samples_of

NAMES = sorted(name for name, op in OPS.items() if "samples" not in op.exempt)


@pytest.mark.parametrize(
    ("executor", "name"), [*[("numpy", name) for name in NAMES], *[("numba", name) for name in NAMES[::16]]]
)
def test_first_sample(executor: str, name: str) -> None:
    conformance(executor, [next(iter(samples_of(OPS[name])))], plumbing=False)


@pytest.mark.slow
def test_everything(executor: str) -> None:
    assert conformance(executor)


def test_what_no_sample_shows(executor: str) -> None:
    report = conformance(executor, ())
    assert {"layouts", "byte_order", "plumbing", "repetition"} <= set(report.passed)

"""Every law of every op on every sample, generated from the ops' own definitions.

Run one op with `-k "sin-"`, one law with `-k "jvp"`; an id reads op, operand dtypes, law.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.op import OPS, Sample
from graphad.testing import LAWS, graph_of, label, samples_of

WITHOUT_DERIVATIVES = {
    "all", "any", "argmax", "argmin", "argsort", "bitwise_and", "bitwise_count", "bitwise_or", "bitwise_xor", "check",
    "debug_callback", "draw", "equal", "extent", "fits", "gcd", "greater", "greater_equal", "invert", "iota",
    "isfinite", "isinf", "isnan", "lcm", "left_shift", "less", "less_equal", "logical_and", "logical_not", "logical_or",
    "logical_xor", "not_equal", "permutation", "random_bits", "right_shift", "signbit", "succeeds",
}  # fmt: skip
"""The ops without a sample of floating operands and results: nothing is differentiated there."""


LONG = {
    "bdtrik", "bdtrin", "besselpoly", "betainc", "betainc_partial", "betainccinv", "betaincinv", "btdtria", "btdtrib",
    "fdtridfd", "frechet", "gdtrib", "hankel2e", "hyp1f1", "hyp2f1", "kv", "log_wright_bessel", "matrix_function",
    "modstruve", "nbdtrik", "nbdtrin", "ncfdtr", "nctdtr", "result", "riemann_zeta", "stdtr", "stdtridf", "stdtrit",
    "struve", "voigt", "wright_bessel",
}  # fmt: skip
"""The ops whose second derivatives are long programs."""


def _marks(name: str, law: str, more: str) -> Sequence[pytest.MarkDecorator]:
    return [pytest.mark.slow] if more or (law == "second" and name in LONG) else []


def _parts(law: str, samples: list[Sample]) -> list[tuple[str, list[Sample]]]:
    """By default second derivatives are those of one sample for each op and number of axes."""
    if law != "second":
        return [("", samples)]
    first: dict[Any, Sample] = {}
    others = []
    for sample in samples:
        kind = sample.op, tuple([t.ndim for t in sample.types])
        if first.setdefault(kind, sample) is not sample:
            others.append(sample)
    return [("", [*first.values()]), ("-more", others)]


def _collect() -> tuple[list[Any], dict[str, str]]:
    groups: dict[str, list[Sample]] = {}
    broken = {}
    for name, op in sorted(OPS.items()):
        before = len(groups)
        try:
            for sample in samples_of(op):
                groups.setdefault("-".join(label(sample).split("-")[:2]), []).append(sample)
        except Exception as error:
            broken[name] = f"samples() of {name} raises {type(error).__name__}: {error}"
        if len(groups) == before and "samples" not in op.exempt:
            broken.setdefault(name, f"{name} has no samples")
    cases = [
        pytest.param(law, part, id=f"{ident}-{law}{more}", marks=_marks(part[0].op.name, law, more))
        for ident, samples in groups.items()
        for law in LAWS
        for more, part in _parts(law, [sample for sample in samples if law not in sample.op.exempt])
        if part
    ]
    return cases, broken


CASES, BROKEN = _collect()


@pytest.mark.parametrize(("law", "samples"), CASES)
def test_law(law: str, samples: list[Sample]) -> None:
    reasons = []
    for sample in samples:
        try:
            reasons.append(LAWS[law](sample))
        except Exception as error:
            error.add_note(f"the sample is {label(sample)}, {sample.op!r}")
            raise
    if None not in reasons:
        pytest.skip(f"the law {law} says nothing here: {reasons[0]}")


def test_derivatives_of_every_other_op_are_checked_in_double_precision() -> None:
    def checked(sample: Sample) -> bool:
        results = [t.dtype for t in graph_of(sample).output_types if t.differentiable]
        found = [*results, *[t.dtype for t in sample.types if t.differentiable]]
        return len(found) > len(results) > 0 and all(np.finfo(dtype).eps < 1e-10 for dtype in found)

    own = {name: op for name, op in OPS.items() if op.__module__.startswith("graphad.")}
    without = {name for name, op in own.items() if not any(map(checked, samples_of(op)))}
    assert {name for name in without if "samples" not in OPS[name].exempt} == WITHOUT_DERIVATIVES


@pytest.mark.parametrize("name", sorted(OPS))
def test_has_samples(name: str) -> None:
    assert name not in BROKEN, BROKEN[name]


def test_text_name_finds_the_op() -> None:
    for name, op in OPS.items():
        assert op.name == name
        assert isinstance(op, graphad.Op) or issubclass(op, graphad.Op)

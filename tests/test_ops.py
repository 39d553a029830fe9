"""Every law of every op on every sample, generated from the ops' own definitions.

Run one op with `-k "sin-"`, one law with `-k "jvp"`; an id reads op, operand dtypes, operand shapes, law.
"""

from __future__ import annotations

from typing import Any

import pytest

import graphad
from graphad.op import OPS, Sample
from graphad.testing import LAWS, label, samples_of


def _collect() -> tuple[list[Any], dict[str, str]]:
    cases, broken, seen = [], {}, {}
    for name, op in sorted(OPS.items()):
        count = 0
        try:
            for sample in samples_of(op):
                count += 1
                ident = label(sample)
                seen[ident] = seen.get(ident, 0) + 1
                ident += f"-{seen[ident]}" if seen[ident] > 1 else ""
                cases += [pytest.param(law, sample, id=f"{ident}-{law}") for law in LAWS if law not in sample.op.exempt]
        except Exception as error:
            broken[name] = f"samples() of {name} raises {type(error).__name__}: {error}"
        if not count and "samples" not in op.exempt:
            broken.setdefault(name, f"{name} has no samples")
    return cases, broken


CASES, BROKEN = _collect()


@pytest.mark.parametrize(("law", "sample"), CASES)
def test_law(law: str, sample: Sample) -> None:
    LAWS[law](sample)


@pytest.mark.parametrize("name", sorted(OPS))
def test_has_samples(name: str) -> None:
    assert name not in BROKEN, BROKEN[name]


def test_text_name_finds_the_op() -> None:
    for name, op in OPS.items():
        assert op.name == name
        assert isinstance(op, graphad.Op) or issubclass(op, graphad.Op)

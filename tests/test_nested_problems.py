"""Descents whose functions hold derivatives themselves, through loops and branches, in all combinations of modes.

The problems are those of Pearlmutter and Siskind (2008); the constants are what their programs print.
"""

import importlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import graphad

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
MODES = {"forward": graphad.jacfwd, "reverse": graphad.grad}
PAIRS = list(product(MODES, MODES))
CONTROL = 0.20719187464861194
SADDLE = 8.246324826140356e-06

combinations = pytest.mark.parametrize(("outer", "inner"), PAIRS, ids=["-over-".join(pair) for pair in PAIRS])


some_combinations = pytest.mark.parametrize(
    ("outer", "inner"),
    [pytest.param(*p, id="-over-".join(p), marks=pytest.mark.slow if p[0] == p[1] else ()) for p in PAIRS],
)


@pytest.fixture
def example(monkeypatch):
    """An example's module by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@combinations
@pytest.mark.parametrize("form", ["control_op", "control"])
def test_particle(example, form, outer, inner):
    solve = getattr(example("particle"), form)(MODES[outer], MODES[inner])
    assert graphad.jit(solve)(np.zeros(1)) == pytest.approx([CONTROL], abs=1e-8)


@combinations
@pytest.mark.parametrize("form", ["saddle_op", "saddle"])
def test_saddle(example, form, outer, inner):
    solve = getattr(example("saddle"), form)(MODES[outer], MODES[inner])
    assert graphad.jit(solve)(np.ones(2)) == pytest.approx([SADDLE] * 4, rel=1e-8)


@some_combinations
def test_saddle_op_by_op(example, outer, inner):
    solve = example("saddle").saddle_op(MODES[outer], MODES[inner])
    assert graphad.jit(solve, executor="numpy")(np.ones(2)) == pytest.approx([SADDLE] * 4, rel=1e-8)


@some_combinations
def test_path_differentiated_as_python_runs_it(example, outer, inner):
    particle = example("particle")
    plain = MODES[outer](lambda w: particle.miss(w, MODES[inner]))(0.1)
    compiled = graphad.jit(MODES[outer](lambda w: particle.miss_op(w, MODES[inner])))(0.1)
    h = 1e-4
    around = [particle.miss_op(0.1 + k * h, MODES[inner]) for k in (-1, 1)]
    assert compiled == pytest.approx(plain, rel=1e-9)
    assert compiled == pytest.approx((around[1] - around[0]) / (2 * h), rel=1e-5)


def test_one_compiled_function_holds_the_whole_descent(example):
    compiled = graphad.jit(example("particle").control_op(graphad.grad, graphad.grad)).compile(np.zeros(1))
    names = {node.op.name for node in compiled.graph.walk()}
    assert {"while", "scan", "cond"} <= names
    assert not names & {"pure_callback", "call"}

"""Random loops that change arrays in place, between kernels that read them: compiled as plain Python runs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_random_control_flow import made

import graphad
from graphad.errors import ControlFlowError

SIZES = (3, 5, 80)
RNG = np.random.default_rng(5)
TABLES = {m: RNG.uniform(-0.4, 0.4, (m, m)) / m for m in SIZES}
ROWS = {m: RNG.uniform(-1, 1, (40, m)) for m in SIZES}


@st.composite
def steps(draw: Any, indent: str, depth: int) -> list[str]:
    array, other = draw(st.permutations(["u", "w"]))
    index = f"({draw(st.sampled_from(['i', '2 * i + 1', '3 * i']))}) % m"
    vectors = [f"{array} @ T", f"{other} * {array}", f"np.cos({array})", f"(X * {array})[1]", array, f"M[{index}]"]
    vector = draw(st.sampled_from(vectors))
    kinds = ["kernel", "rows", "entry", "entry", "add", "part", "sum", "whole", "matrix", "matrix", "read"]
    kinds += ["loop", "if"] * (depth > 0)
    kind, inner = draw(st.sampled_from(kinds)), indent + "    "
    if kind == "kernel":
        return [f"{indent}a = np.sin({vector} + 0.1 * a)"]
    if kind == "rows":
        return [f"{indent}b = np.sin((X * {array}) @ T)"]
    if kind == "entry":
        source = draw(st.sampled_from(["a[(i + 1) % m]", "b[i % 40, (i + 2) % m]", f"{array}[0] * 0.5", "0.1 * i"]))
        return [f"{indent}{array}[{index}] = {source}"]
    if kind == "add":
        return [f"{indent}{array}[{index}] += 0.3 * {other}[(i + 1) % m]"]
    if kind == "part":
        return [f"{indent}{array}[1:] = 0.9 * {draw(st.sampled_from([f'{array}[:-1]', 'a[1:]', f'{other}[:-1]']))}"]
    if kind == "matrix":
        row = f"M[{index}] = 0.9 * np.sin({vector})"
        places = [f"M[:, {index}] += 0.1 * {array}", f"M[{index}, (i + 1) % m] = 0.5 * s", row, row]
        places += [f"M[i % m, : i % m] = 0.5 * {array}[: i % m]", f"M[i % m :, {index}] *= 0.9"]
        return [f"{indent}{draw(st.sampled_from([*places, f'M[[i % m, ({index}) % m]] = M[[({index}) % m, i % m]]']))}"]
    if kind == "read":
        reads = ["s = 0.5 * s + 0.1 * np.sum(M * M)", f"{array} = 0.5 * {array} + M @ {other}", "a = np.tanh(a @ M)"]
        return [f"{indent}{draw(st.sampled_from(reads))}"]
    if kind == "whole":
        return [f"{indent}{array} = np.tanh({array} + {vector})"]
    if kind == "sum":
        return [f"{indent}s = 0.5 * s + np.sum({vector})"]
    test = f"if s > {draw(st.sampled_from(['0.0', '0.4']))}:"
    head = draw(st.sampled_from(["for j in range(2):", "for j in range(i % 3):"])) if kind == "loop" else test
    stop = [f"{inner}{test} break"] * (kind == "loop" and draw(st.booleans()))
    return [f"{indent}{head}", *draw(steps(inner, depth - 1)), *stop, *draw(steps(inner, depth - 1))]


@st.composite
def programs(draw: Any) -> str:
    body = [line for _ in range(draw(st.integers(2, 6))) for line in draw(steps("        ", 1))]
    start = "    a, b, s, m = 0.0 * u, 0.0 * X, 0.0, len(u)"
    copies = "    u, w, M = u.copy(), w.copy(), T + 0.1 * u"
    head = ["def program(u, w, T, X, n):", copies, start, "    for i in range(n):"]
    return "\n".join([*head, *body, "    return u, w, a, s + b[3, 1], M", ""])


def check(source: str, m: int, n: int, executor: str) -> None:
    program = made(source)
    u, w = RNG.uniform(-1, 1, (2, m))
    args = (u, w, TABLES[m], ROWS[m], n)
    try:
        values = graphad.jit(program, executor=executor)(*args)
    except ControlFlowError as error:  # which of two arrays a name stands for depends on whether a loop broke off
        assume("another variable may have as well" not in str(error))
        raise
    for a, b in zip(values, program(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)

    def total(u: Any) -> Any:
        return sum(np.sum(x * x) for x in program(u, *args[1:]))

    expected = graphad.grad(total)(u)
    for derivative in (graphad.grad(total), graphad.jacfwd(total)):
        np.testing.assert_allclose(graphad.jit(derivative, executor=executor)(u), expected, rtol=1e-7, atol=1e-10)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.sampled_from(SIZES), st.integers(0, 5))
def test_loops_that_change_arrays(source: str, m: int, n: int) -> None:
    check(source, m, n, "llvm")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["llvm", "numba", "numpy"])
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.sampled_from(SIZES), st.integers(0, 5))
def test_many_loops_that_change_arrays(executor: str, source: str, m: int, n: int) -> None:
    check(source, m, n, executor)

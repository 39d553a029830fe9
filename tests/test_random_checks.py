"""Random programs with asserts, raises, effects and ops that raise: compiled as plain Python runs them, up to the very
exception and to what was done before it."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_random_control_flow import NAMES, NUMBERS, expressions, predicates

import graphad
from graphad import debug

TABLE = np.array([0.5, -0.25, 1.5])
FRAGILE = (
    "np.linalg.cholesky(np.eye(2) * {0})[0, 0]", "TABLE[int(4 * {0})]", "np.linalg.inv(np.eye(2) * np.floor({0}))[0, 0]"
)  # fmt: skip
_numbers = itertools.count()
log: list[tuple[int, float]] = []


def emit(number: int, x: Any) -> None:
    """An effect: what is told, and that something else is."""
    debug.callback(lambda x: log.append((number, round(float(x), 6))), x)


@st.composite
def blocks(draw: Any, depth: int, indent: str) -> list[str]:
    return [line for _ in range(draw(st.integers(1, 3))) for line in draw(statements(depth, indent))]


@st.composite
def statements(draw: Any, depth: int, indent: str) -> list[str]:
    nested = ["if", "for", "count", "while"] if depth else []
    kinds = ["assign", "assert", "raise", "emit", "emit", "fragile", *nested]
    kind, inner = draw(st.sampled_from(kinds)), indent + "    "
    name, number = draw(st.sampled_from(NAMES)), draw(st.integers(0, 2))
    if kind == "assign":
        return [f"{indent}{name} = np.tanh({draw(expressions())})"]
    if kind == "assert":
        return [f'{indent}assert {draw(predicates())}, f"{number} {{{name}:.4f}}"']
    if kind == "raise":
        return [f"{indent}if {draw(predicates())}:", f'{inner}raise ValueError({number}, f"{{{name}:.4f}}")']
    if kind == "emit":
        return [f"{indent}emit({number}, {draw(expressions(1))})"]
    if kind == "fragile":
        return [f"{indent}emit({number}, {draw(st.sampled_from(FRAGILE)).format(name)})"]
    if kind == "if":
        lines = [f"{indent}if {draw(predicates())}:", *draw(blocks(depth - 1, inner))]
        return lines + ([f"{indent}else:", *draw(blocks(depth - 1, inner))] if draw(st.booleans()) else [])
    if kind == "for":
        return [f"{indent}for i in range({draw(st.integers(0, 3))}):", *draw(blocks(depth - 1, inner))]
    if kind == "count":
        last = f"{inner}{name} = {name} * 0.9 + 0.01 * i"
        return [f"{indent}for i in range(n):", *draw(blocks(depth - 1, inner)), last]
    counter = f"t{next(_numbers)}"
    test, step = f"{indent}while {counter} < 2.0 + np.tanh({name}):", f"{inner}{counter} = {counter} + 0.7"
    return [f"{indent}{counter} = 0.0", test, step, *draw(blocks(depth - 1, inner))]


@st.composite
def programs(draw: Any, depth: int = 2) -> str:
    body = draw(blocks(depth, "    "))
    return "\n".join(["def program(a, b, n):", "    c = a * b", *body, "    return a + 2.0 * b + 3.0 * c", ""])


def made(source: str) -> Callable[..., Any]:
    """The function of a source, which the conversion of control flow can read."""
    file = f"<random checks {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace: dict[str, Any] = {"np": np, "emit": emit, "TABLE": TABLE}
    exec(compile(source, file, "exec"), namespace)
    return namespace["program"]  # type: ignore[no-any-return]


RAISED = {IndexError: "index", np.linalg.LinAlgError: "singular"}


def outcome(f: Callable[..., Any], *args: Any) -> tuple[Any, list[tuple[int, float]]]:
    """The result or the exception of a call, and its effects."""
    log.clear()
    try:
        found = f(*args)
    except (AssertionError, ValueError) as error:
        found = next((word for kind, word in RAISED.items() if isinstance(error, kind)), (type(error), *error.args))
    except IndexError:
        found = "index"
    return found, list(log)


def check(source: str, a: float, b: float, n: int, executor: str) -> None:
    program = made(source)
    wanted, effects = outcome(program, a, b, n)
    found, done = outcome(graphad.jit(program, executor=executor), a, b, n)
    assert done == effects
    same(found, wanted)
    gradient = graphad.grad(program)
    eager, done = outcome(gradient, a, b, n)
    failed = isinstance(wanted, (tuple, str))
    assert isinstance(eager, (tuple, str)) == failed
    compiled, done = outcome(graphad.jit(gradient, executor=executor), a, b, n)
    assert done == effects
    same(compiled, wanted if failed else eager)
    batch(program, a, b, n, executor)


def same(found: Any, wanted: Any) -> None:
    if isinstance(found, (tuple, str)) or isinstance(wanted, (tuple, str)):
        assert found == wanted
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-10)


def batch(program: Callable[..., Any], a: float, b: float, n: int, executor: str) -> None:
    """Examples that fail, fail the batch; others have their own results and effects."""
    xs, ns = np.array([a, -0.4, b]), np.array([n, 2, 0])
    each = [outcome(program, np.float64(x), b, int(m)) for x, m in zip(xs, ns, strict=True)]
    failures = [found for found, _ in each if isinstance(found, (tuple, str))]
    found, done = outcome(graphad.jit(graphad.vmap(program, in_axes=(0, None, 0)), executor=executor), xs, b, ns)
    if failures:
        assert found in failures
    else:
        np.testing.assert_allclose(found, [x for x, _ in each], rtol=1e-9, atol=1e-12)
        # What is the same for all examples is done once for all of them.
        assert set(done) == {x for _, effects in each for x in effects}


QUICK = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@QUICK
@given(programs(), NUMBERS, NUMBERS, st.integers(0, 3))
def test_programs(executor: str, source: str, a: float, b: float, n: int) -> None:
    check(source, a, b, n, executor)


@settings(QUICK, max_examples=1)
@given(programs(1), NUMBERS, NUMBERS, st.integers(0, 3))
def test_programs_in_numba(source: str, a: float, b: float, n: int) -> None:
    check(source, a, b, n, "numba")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
@settings(QUICK, max_examples=400, derandomize=False)
@given(programs(3), NUMBERS, NUMBERS, st.integers(0, 3))
def test_deeper_programs(executor: str, source: str, a: float, b: float, n: int) -> None:
    check(source, a, b, n, executor)

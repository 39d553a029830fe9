"""Random programs of nested branches and loops: compiled, differentiated and batched as plain Python runs them."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphad

NAMES = ("a", "b", "c")
_numbers = itertools.count()


@st.composite
def expressions(draw: Any, depth: int = 2) -> str:
    kinds = ["name", "number", *(["add", "multiply", "sin", "choice"] if depth else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "name":
        return draw(st.sampled_from(NAMES))
    if kind == "number":
        return str(draw(st.sampled_from([-1.5, -0.3, 0.2, 0.7, 2.0])))
    x, y = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    if kind == "sin":
        return f"np.sin({x})"
    if kind == "choice":
        return f"({x} if {draw(predicates())} else {y})"
    return f"({x} {'+' if kind == 'add' else '*'} {y})"


@st.composite
def predicates(draw: Any) -> str:
    x, y = draw(st.sampled_from(NAMES)), draw(st.sampled_from([*NAMES, "0.1", "-0.4"]))
    test = f"{x} {draw(st.sampled_from(['<', '>']))} {y}"
    other = f"{draw(st.sampled_from(NAMES))} > 0.25"
    return draw(st.sampled_from([test, f"{test} and {other}", f"{test} or {other}", f"not {test}", f"-1 < {x} <= 0.5"]))


@st.composite
def blocks(draw: Any, depth: int, indent: str, loop: bool = False, tried: bool = False) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        lines += draw(statements(depth, indent, loop, tried))
    return lines


@st.composite
def handlers(draw: Any, depth: int, indent: str, loop: bool) -> list[str]:
    """What follows the body of a `try` statement, which raises `ValueError` or `KeyError`."""
    inner = indent + "    "
    forms = [["except ValueError:", "except LookupError:"], ["except (KeyError, ValueError):"], ["except Exception:"]]
    lines = []
    for handler in draw(st.sampled_from(forms)):
        lines += [f"{indent}{handler}", *draw(blocks(depth - 1, inner, loop))]
    lines += [f"{indent}else:", *draw(blocks(0, inner))] if draw(st.booleans()) else []
    return lines + ([f"{indent}finally:", *draw(blocks(0, inner))] if draw(st.booleans()) else [])


@st.composite
def statements(draw: Any, depth: int, indent: str, loop: bool, tried: bool) -> list[str]:
    kinds = ["assign", "assign", "augment", *["leave"] * loop, *["raise", "raise", "return"] * tried]
    kinds += ["if", "for", "count", "while", "try"] * (depth > 0)
    kind, inner = draw(st.sampled_from(kinds)), indent + "    "
    name = draw(st.sampled_from(NAMES))
    if kind == "assign":
        return [f"{indent}{name} = np.tanh({draw(expressions())})"]
    if kind == "augment":
        return [f"{indent}{name} += 0.1 * np.cos({draw(expressions(1))})"]
    if kind == "leave":
        return [f"{indent}if {draw(predicates())}:", f"{inner}{draw(st.sampled_from(['break', 'continue']))}"]
    if kind == "raise":
        error = draw(st.sampled_from(["ValueError", "KeyError"]))
        return [f"{indent}if {draw(predicates())}:", f"{inner}raise {error}"]
    if kind == "return":
        return [f"{indent}if {draw(predicates())}:", f"{inner}return {draw(expressions(1))} * 1.0"]
    if kind == "try":
        return [f"{indent}try:", *draw(blocks(depth - 1, inner, loop, True)), *draw(handlers(depth, indent, loop))]
    if kind == "if":
        lines = [f"{indent}if {draw(predicates())}:", *draw(blocks(depth - 1, inner, loop, tried))]
        return lines + ([f"{indent}else:", *draw(blocks(depth - 1, inner, loop, tried))] if draw(st.booleans()) else [])
    if kind == "for":
        return [f"{indent}for i in range({draw(st.integers(0, 3))}):", *draw(blocks(depth - 1, inner, True, tried))]
    if kind == "count":
        last = f"{inner}{name} = {name} * 0.9 + 0.01 * i"
        return [f"{indent}for i in range(n):", *draw(blocks(depth - 1, inner, True, tried)), last]
    # The counter changes first, so that `continue` cannot keep the loop from ending; and the bound is one, so that
    # nested loops which raise it cannot run away from their counters.
    counter = f"t{next(_numbers)}"
    test, step = f"{indent}while {counter} < 2.0 + np.tanh({name}):", f"{inner}{counter} = {counter} + 0.7"
    return [f"{indent}{counter} = 0.0", test, step, *draw(blocks(depth - 1, inner, True, tried))]


@st.composite
def programs(draw: Any, depth: int = 2) -> str:
    body = draw(blocks(depth, "    "))
    early = [f"    if {draw(predicates())}:", f"        return {draw(expressions(1))} * 1.0"]
    early = early if draw(st.booleans()) else []
    return "\n".join(["def program(a, b, n):", "    c = a * b", *early, *body, "    return a + 2.0 * b + 3.0 * c", ""])


def made(source: str) -> Callable[..., Any]:
    """The function of a source, which the conversion of control flow can read."""
    file = f"<random program {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace: dict[str, Any] = {"np": np}
    exec(compile(source, file, "exec"), namespace)
    return namespace["program"]  # type: ignore[no-any-return]


def check(source: str, a: float, b: float, n: int, executor: str, second: bool) -> None:
    program = made(source)
    jit = lambda f: graphad.jit(f, executor=executor)
    np.testing.assert_allclose(jit(program)(a, b, n), program(a, b, n), rtol=1e-9, atol=1e-12)
    # Without jit Python's own control flow runs.
    gradient = graphad.grad(program, (0, 1))
    wanted = gradient(a, b, n)
    np.testing.assert_allclose(jit(gradient)(a, b, n), wanted, rtol=1e-7, atol=1e-10)
    forward = jit(lambda a, b, n: graphad.jvp(lambda a, b: program(a, b, n), (a, b), (1.0, 0.5))[1])(a, b, n)
    np.testing.assert_allclose(forward, wanted[0] + 0.5 * wanted[1], rtol=1e-7, atol=1e-10)
    xs, ns = np.array([a, -0.4, b]), np.array([n, 2, 0])
    rows = [program(float(x), b, int(m)) for x, m in zip(xs, ns, strict=True)]
    found = jit(graphad.vmap(program, in_axes=(0, None, 0)))(xs, b, ns)
    np.testing.assert_allclose(found, rows, rtol=1e-9, atol=1e-12)
    if second:
        hessian = graphad.hessian(program)
        np.testing.assert_allclose(jit(hessian)(a, b, n), hessian(a, b, n), rtol=1e-6, atol=1e-9)
        batched = jit(graphad.vmap(graphad.grad(program), in_axes=(0, None, 0)))(xs, b, ns)
        each = [graphad.grad(program)(float(x), b, int(m)) for x, m in zip(xs, ns, strict=True)]
        np.testing.assert_allclose(batched, each, rtol=1e-7, atol=1e-10)


NUMBERS = st.sampled_from([-1.2, -0.35, 0.15, 0.6, 1.3])
QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@settings(QUICK, max_examples=30)
@given(programs(), NUMBERS, NUMBERS, st.integers(0, 3))
def test_programs(executor: str, source: str, a: float, b: float, n: int) -> None:
    check(source, a, b, n, executor, second=False)


@settings(QUICK, max_examples=1)
@given(programs(1), NUMBERS, NUMBERS, st.integers(0, 3))
def test_programs_in_numba(source: str, a: float, b: float, n: int) -> None:
    check(source, a, b, n, "numba", second=False)


@settings(QUICK, max_examples=5)
@given(programs(2), NUMBERS, NUMBERS, st.integers(0, 3))
def test_second_derivatives(source: str, a: float, b: float, n: int) -> None:
    check(source, a, b, n, "llvm", second=True)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
@LONG
@given(programs(3), NUMBERS, NUMBERS, st.integers(0, 3))
def test_deeper_programs(executor: str, source: str, a: float, b: float, n: int) -> None:
    check(source, a, b, n, executor, second=True)


PASSES = [
    "simplify_regions", "licm", "unroll_loops", "unroll_loops(limit=1000)", "fold_add_into_dest", "merge_loops",
    "simplify", "cse", "fold", "adjoint_stencils(least=2)", "diagonals", "dce", "store_on_kill",
]  # fmt: skip


@settings(QUICK, max_examples=20)
@given(programs(), NUMBERS, NUMBERS, st.integers(0, 3))
def test_passes_keep_the_meaning(source: str, a: float, b: float, n: int) -> None:
    program = made(source)
    for function in (program, graphad.grad(program)):
        graph = graphad.trace(function)(a, b, n)
        wanted = graph.eval(a, b, np.array(n))
        for name in PASSES:
            changed = graphad.Pipeline(name)(graph)
            changed.verify()
            np.testing.assert_allclose(changed.eval(a, b, np.array(n)), wanted, rtol=1e-8, atol=1e-11)

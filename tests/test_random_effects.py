"""Random programs with effects, checks, exceptions, NaN and infinities: they do what Python does, compiled too."""

from __future__ import annotations

import itertools
import linecache
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphad

NAMES = ("a", "b", "c")
_numbers = itertools.count()
LOG: list[str] = []


def note(*values: Any) -> None:
    """What programs call for its effect: the values as text, rounded."""
    LOG.append(" ".join(f"{float(v):.6g}" for v in values))


@st.composite
def expressions(draw: Any, depth: int = 2) -> str:
    kinds = ["name", "number", *(["binary", "numpy", "math", "python", "array", "choice"] if depth else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "name":
        return draw(st.sampled_from(NAMES))
    if kind == "number":
        return str(draw(st.sampled_from([-1.5, -0.3, 0.0, 0.7, 2.0])))
    x, y = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    if kind == "binary":
        return f"({x} {draw(st.sampled_from(['+', '-', '*']))} {y})"
    if kind == "numpy":
        return f"np.{draw(st.sampled_from(['sin', 'tanh', 'abs', 'square', 'exp', 'sqrt', 'log', 'floor']))}({x})"
    if kind == "math":
        return f"math.{draw(st.sampled_from(['sin', 'atan', 'fabs']))}({x} * 1.0)"
    if kind == "python":
        form = draw(st.sampled_from(["float({})", "abs({})", "min({}, {})", "max({}, {})", "sum([{}, {}])", "int({})"]))
        return f"finite({x})" if form.startswith("int") else form.format(x, y)
    if kind == "array":
        forms = [
            "np.nansum(v * {})", "np.sum(np.where(np.isnan(v), {}, v))", "np.sum(np.nan_to_num(v) * {})",
            "np.nanmax(v) * {}", "np.max(v) * {}", "np.sum(np.where(np.isfinite(v), v * {}, 0.0))",
            "np.nanmean(v * {})", "np.sum(np.where(v > {}, v, {}))", "v[0] * {}", "np.sum(v[~np.isnan(v)] * {})",
        ]  # fmt: skip
        return draw(st.sampled_from(forms)).replace("{}", x, 1).replace("{}", y)
    return f"({x} if {draw(predicates())} else {y})"


@st.composite
def predicates(draw: Any) -> str:
    x, y = draw(st.sampled_from(NAMES)), draw(st.sampled_from([*NAMES, "0.1", "-0.4"]))
    return draw(st.sampled_from([f"{x} < {y}", f"{x} > {y} and b > 0.25", f"not {x} < 0.5", f"-1 < {x} <= {y}"]))


@st.composite
def blocks(draw: Any, depth: int, indent: str) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        lines += draw(statements(depth, indent))
    return lines


@st.composite
def statements(draw: Any, depth: int, indent: str) -> list[str]:
    kinds = ["assign", "assign", "store", "effect", "print", "assert", "raise", "index"]
    kinds += ["if", "for"] * (depth > 0) + ["long"] * (depth > 1)
    kind, inner = draw(st.sampled_from(kinds)), indent + "    "
    name = draw(st.sampled_from(NAMES))
    if kind == "assign":
        return [f"{indent}{name} = np.tanh({draw(expressions())})"]
    if kind == "store":
        return [f"{indent}v[{draw(st.integers(0, 2))}] {draw(st.sampled_from(['=', '+=']))} {draw(expressions(1))}"]
    if kind == "effect":
        return [f"{indent}note({name}, {draw(expressions(1))})"]
    if kind == "print":
        return [f'{indent}print(f"{name} {{{name}:.6f}}")']
    if kind == "assert":
        return [f'{indent}assert {name} < {draw(st.sampled_from([0.5, 2.0]))}, f"{name} is {{{name}:.6f}}"']
    if kind == "raise":
        error = draw(st.sampled_from(["ValueError", "KeyError", "ArithmeticError"]))
        return [f"{indent}if {draw(predicates())} and {name} > 0.6:", f'{inner}raise {error}(f"{name} {{{name}:.6f}}")']
    if kind == "index":
        return [f"{indent}{name} = table[int(np.clip({name}, -9, 9) * 2.5)] * {draw(expressions(0))}"]
    if kind == "if":
        lines = [f"{indent}if {draw(predicates())}:", *draw(blocks(depth - 1, inner))]
        return lines + ([f"{indent}else:", *draw(blocks(depth - 1, inner))] if draw(st.booleans()) else [])
    count = 3 if kind == "for" else 35
    last = f"{inner}{name} = {name} * 0.9 + 0.01 * i"
    return [f"{indent}for i in range({count}):", *draw(blocks(depth - 1, inner)), last]


@st.composite
def programs(draw: Any, depth: int = 2) -> str:
    body = draw(blocks(depth, "    "))
    return "\n".join(
        ["def program(a, b, v):", "    v = v.copy()", "    c = a * b", *body, "    return a + 2.0 * b + 3.0 * c", ""]
    )


def finite(x: Any) -> Any:
    """A step function of a number: its derivative is zero."""
    return np.floor(x) if isinstance(x, np.generic | float) else x


def made(source: str) -> Callable[..., Any]:
    """The function of a source, which conversion can read."""
    file = f"<random effects {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    table = np.array([1.0, -0.5, 0.25, 2.0])
    space: dict[str, Any] = {"np": np, "math": math, "note": note, "table": table, "finite": finite}
    exec(compile(source, file, "exec"), space)
    return space["program"]  # type: ignore[no-any-return]


RAISED = (AssertionError, KeyError, IndexError, ValueError, ArithmeticError)


def run(function: Callable[..., Any], args: Any, capsys: Any) -> tuple[Any, list[str]]:
    """The value or the exception of a call, then what it printed and what it noted."""
    LOG.clear()
    capsys.readouterr()
    with np.errstate(all="ignore"):
        try:
            found = float(function(*args))
        except RAISED as error:
            if isinstance(error, graphad.GraphadError) and not isinstance(error, IndexError):
                raise
            kind = next(k for k in RAISED if isinstance(error, k))
            # The text of an index out of bounds is NumPy's here and graphad's there.
            found = kind, "" if kind is IndexError else str(error.args[0]).split(" (")[0]
    return found, [*capsys.readouterr().out.splitlines(), *LOG]


def same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple):
        assert isinstance(found, tuple)
        assert found[0] is wanted[0]
        alike([found[1]], [wanted[1]])
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


_NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?|-?nan|-?inf")


def alike(found: list[str], wanted: list[str]) -> None:
    """Texts are the same but for the last digits that their numbers show: compiled code rounds otherwise."""
    assert [_NUMBER.sub("#", x) for x in found] == [_NUMBER.sub("#", x) for x in wanted]
    numbers = [[float(n) for x in texts for n in _NUMBER.findall(x)] for texts in (found, wanted)]
    np.testing.assert_allclose(*numbers, rtol=1e-5, atol=2e-6)


def slope(program: Callable[..., Any], args: Any, capsys: Any) -> float | None:
    """The derivative in `a` by differences, None where it is not to be had: at steps, kinks and exceptions."""
    a, *rest = args
    ends = []
    for h in (1e-6, 3e-6):
        up, here, down = [run(program, (a + s * h, *rest), capsys)[0] for s in (1, 0, -1)]
        if any(isinstance(x, tuple) or not math.isfinite(x) for x in (up, here, down)):
            return None
        ends.append((up - down) / (2 * h))
        if abs(up - 2 * here + down) > 2e-4 * h * max(1.0, abs(ends[-1])):
            return None
    return ends[0] if abs(ends[0] - ends[1]) <= 1e-5 * max(1.0, abs(ends[0])) else None


def check(source: str, a: float, b: float, v: list[float], executor: str, capsys: Any) -> None:
    program = made(source)
    args = (a, b, np.array(v))
    value, told = run(program, args, capsys)
    right = None if isinstance(value, tuple) else slope(program, args, capsys)
    # Where `math` raises for an infinity compiled programs go on with NaN.
    functions = [] if value == (ValueError, "math domain error") else [graphad.jit(program, executor=executor)]
    for compiled in functions:
        try:
            found = run(compiled, args, capsys)
        except (graphad.ControlFlowError, graphad.TracerError):
            continue  # said, and not guessed
        same(found[0], value)
        alike(found[1], told)
    gradients = [graphad.grad(program), *[graphad.jit(graphad.grad(program), executor=executor) for _ in functions]]
    for gradient in gradients:
        try:
            found = run(gradient, args, capsys)
        except graphad.GraphadError:
            continue
        if isinstance(value, tuple):
            same(found[0], value)
        elif right is not None and (math.isfinite(found[0]) or not any(map(math.isinf, v))):
            # An infinity times a derivative that has vanished is NaN.
            np.testing.assert_allclose(found[0], right, rtol=1e-4, atol=1e-6)
        if not isinstance(value, tuple):
            alike(found[1], told)


NUMBERS = st.sampled_from([-1.2, -0.35, 0.15, 0.6, 1.3])
ARRAYS = st.lists(st.sampled_from([0.5, -1.25, 3.0, math.nan, math.inf, -math.inf, 0.0]), min_size=3, max_size=3)
QUICK = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _noting() -> Any:
    graphad.sinks.add(note)
    yield
    graphad.sinks.discard(note)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@QUICK
@given(programs(), NUMBERS, NUMBERS, ARRAYS)
def test_programs(executor: str, capsys: Any, source: str, a: float, b: float, v: list[float]) -> None:
    check(source, a, b, v, executor, capsys)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("executor", "count"), [("numpy", 3000), ("llvm", 1700), ("numba", 300)])
def test_many_programs(executor: str, count: int, capsys: Any) -> None:
    """5,000 programs, of which those that Numba compiles take ten times as long as others."""

    @settings(QUICK, max_examples=count, derandomize=False)
    @given(programs(3), NUMBERS, NUMBERS, ARRAYS)
    def programs_are_right(source: str, a: float, b: float, v: list[float]) -> None:
        check(source, a, b, v, executor, capsys)

    programs_are_right()

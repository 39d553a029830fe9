"""Random programs that change arrays by aliases, views, helpers, containers and objects are as in plain NumPy."""

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

_numbers = itertools.count()

ARRAYS = ("a", "b", "v", "w")
"""Names of arrays of three numbers; `m` is one of three by three, `s` a number."""
MAKERS = (
    "np.array([1.0, -2.0, 0.5])", "np.zeros(3)", "np.linspace(0.0, 1.0, 3)", "np.ones(3) * 0.7", "{}.copy()",
    "np.zeros_like({})", "{} * 0.5", "np.tanh({})", "np.array([x, 0.1, -x])", "np.arange(3) * 1.0",
)  # fmt: skip
PLACES = (
    "{}", "d['k']", "d['l']", "h[0]", "h[1]", "o.u", "o.t[1]", "m[0]", "m[2]", "m[:, 1]", "m.T[2]", "m[1][::-1]",
    "row(m, 1)", "same({})", "o.view()", "m.reshape(-1)[:3]", "np.diagonal(m).copy()", "m.ravel()[::4]",
    "m.ravel('K')[2:5]", "m.T.reshape(-1)[1:4]", "np.einsum('ii->i', m)", "np.einsum('ij->ji', m)[1]", "{}.conj()",
    "np.asarray({}, order='F')", "np.reshape(m, (9,), order='F')[3:6]", "np.broadcast_arrays({}, m[0])[0]",
)  # fmt: skip
"""Ways to reach an array of three numbers."""
FEW = ("{}", "{}", "{}", "m[0]", "h[0]", "o.u", "{}[::-1]", "same({})")
"""Those of programs that give their arrays to one another most of the time."""
SQUARES = (
    "np.asfortranarray(m)", "m.T.copy(order='K')", "np.copy(m.T)", "m.T", "np.einsum('ij->ji', m)", "m * 0.9",
    "m.T * 0.9", "np.array(m, order='F')", "np.where(m.T > 0.3, m.T, 0.1)", "m[:, [2, 0, 1]]",
    "np.asarray(m, order='F')",
)  # fmt: skip
WALKS = (
    "for p, e in np.ndenumerate(m):", "for p, e in zip(np.ndindex(m.shape), m.flat):",
    "for p, e in zip(np.ndindex(m.shape), np.nditer(m)):",
)  # fmt: skip

HELPERS = """
def same(p):
    return p

def row(q, i):
    return q[i]

def halve(p):
    p[:] = p * 0.5

def mixed(p, q, x):
    p += 0.1 * q
    q[0] = x * 0.3
    return p

def early(p, x):
    if x > 0.2:
        p[1] = x
        return p
    p[2] = -x
    return p

class Base:
    def __init__(self):
        self.u = np.array([0.3, 0.2, 0.1])

class Thing(Base):
    def __init__(self, p):
        super().__init__()
        self.t = [np.ones(3), p]

    def view(self):
        return self.t[0][::-1]

    def step(self, x):
        self.u[1:] += x * 0.1
        self.t[0] *= 0.9
"""


@st.composite
def numbers(draw: Any) -> str:
    name, i = draw(st.sampled_from(ARRAYS)), draw(st.integers(0, 2))
    return draw(st.sampled_from(["x", "0.3", f"x * {name}[{i}]", f"np.sin({name}[{i}])", "-0.5", "s", f"{name}.sum()"]))


@st.composite
def places(draw: Any, dense: bool) -> str:
    return draw(st.sampled_from(FEW if dense else PLACES)).format(draw(st.sampled_from(ARRAYS)))


@st.composite
def vectors(draw: Any, dense: bool) -> str:
    place, name = draw(places(dense)), draw(st.sampled_from(ARRAYS))
    form = draw(st.sampled_from(["{}", "{} * 0.5", "np.tanh({})", "{} * x", "{} + " + name, "np.flip({})"]))
    return form.format(place)


@st.composite
def blocks(draw: Any, depth: int, indent: str, times: int, dense: bool) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        lines += draw(statements(depth, indent, times, dense))
    return lines


@st.composite
def statements(draw: Any, depth: int, indent: str, times: int, dense: bool) -> list[str]:
    """Statements that run at most that often; of few kinds, `dense` in aliases."""
    kinds = ["alias", "make", "store", "store", "augment", "slice", "write", "helper", "method", "number", "entry"]
    kinds += ["square", "walk", "swap"]
    if dense:
        kinds = ["alias", "alias", "make", "store", "store", "swap", "entry"]
    kinds += ["if"] * (depth > 0) * (1 + dense) + ["short", "while"] * (depth > 0 and times >= 4)
    kinds += ["long"] * (depth > 0 and times >= 33)
    kind, inner = draw(st.sampled_from(kinds)), indent + "    "
    name, place, i = draw(st.sampled_from(ARRAYS)), draw(places(dense)), draw(st.integers(0, 2))
    value, vector = draw(numbers()), draw(vectors(dense))
    if kind == "alias":
        return [f"{indent}{name} = {place}"]
    if kind == "swap":
        first, second = draw(st.lists(st.sampled_from([*ARRAYS, "o.u", "h[0]", "d['l']"]), min_size=2, max_size=2))
        return [f"{indent}{first}, {second} = {second}, {first}"]
    if kind == "square":
        return [f"{indent}m = {draw(st.sampled_from(SQUARES))}"]
    if kind == "walk":
        walk, form = draw(st.sampled_from(WALKS)), draw(st.sampled_from(["m[p[::-1]] += 0.1 * e", "s = s * 0.5 + e"]))
        return [indent + walk, f"{indent}    {form}"]
    if kind == "make":
        return [f"{indent}{name} = {draw(st.sampled_from(MAKERS)).format(draw(st.sampled_from(ARRAYS)))}"]
    if kind == "store":
        return [f"{indent}{place}[{i}] {draw(st.sampled_from(['=', '+=', '*=']))} {value}"]
    if kind == "augment":
        return [f"{indent}{name} {draw(st.sampled_from(['+=', '*=']))} 0.5 * np.tanh({vector})"]
    if kind == "slice":
        part = draw(st.sampled_from([":", "1:", "::2", "[2, 0, 1]", "::-1"]))
        return [f"{indent}{place}[{part}] {draw(st.sampled_from(['=', '+=']))} {value}"]
    if kind == "write":
        forms = [
            "np.copyto({p}, {v})", "np.multiply({p}, 0.5, out={n})", "np.add.at({p}, [0, 0, 1], {s})", "{p}.fill({s})",
            "{n}.sort()", "np.put({p}, [1], [{s}])", "{n}.flat[1] = {s}", "np.tanh({v}, out={n})", "m[{i}] = {v}",
            "np.fill_diagonal(m, {s})", "m.T[{i}] += {v}",
        ]  # fmt: skip
        form = draw(st.sampled_from(forms))
        return [indent + form.format(p=place, v=vector, n=name, s=value, i=i)]
    if kind == "helper":
        form = draw(st.sampled_from(["halve({p})", "{n} = mixed({p}, {q}, x)", "mixed({p}, {q}, s)", "early({p}, s)"]))
        return [indent + form.format(p=place, n=name, q=draw(places(dense)))]
    if kind == "method":
        return [f"{indent}{draw(st.sampled_from(['o.step(x)', 'o.step(s)', f'o = Thing({name})', f'o.u = {name}']))}"]
    if kind == "number":
        return [f"{indent}s = np.tanh({value})"]
    if kind == "entry":
        form = draw(st.sampled_from(["d['k'] = {}", "h[1] = {}", "o.t[1] = {}", "h[0] += {} * 0.1"]))
        return [indent + form.format(vector)]
    each = {"if": 1, "short": 3, "while": 4, "long": 33}[kind]
    body = draw(blocks(depth - 1, inner, times // each, dense))
    if kind == "if":
        test = draw(st.sampled_from(["x > 0.4", f"{name}[{i}] < 0.2", "s > 0.1", f"{name}.sum() > x"]))
        orelse = [f"{indent}else:", *draw(blocks(depth - 1, inner, times, dense))] if draw(st.booleans()) else []
        return [f"{indent}if {test}:", *body, *orelse]
    word = draw(st.sampled_from(["break", "break", "continue", "return s + m.sum()"]))
    stop = [f"{inner}if {name}[0] > 1.5:", f"{inner}    {word}"] if draw(st.integers(0, 3)) == 0 else []
    keep = [f"{inner}q.append({place})"] if len(indent) == 4 and draw(st.integers(0, 3)) == 0 else []
    stop = [*keep, *stop]
    if kind == "while":
        step = f"{inner}k += 0.4 + 0.1 * np.tanh(x)"
        return [f"{indent}k = 0.0", f"{indent}while k < 1.5 + 0.1 * np.tanh(s):", step, *stop, *body]
    return [f"{indent}for i in range({3 if kind == 'short' else 33}):", *body, *stop]


END = """    own = [a, b, v, w, d["k"], d["l"], h[0], h[1], o.u, *o.t, *q[:3], *q[-3:]]
    return s + sum([p.sum() * c for p, c in zip(own, C, strict=False)]) + (m * M).sum()"""


@st.composite
def programs(draw: Any, depth: int, dense: bool = False) -> str:
    body = [line for _ in range(1 + 2 * dense) for line in draw(blocks(depth, "    ", 140, dense))]
    start = [
        "def program(x):",
        "    s = x * 0.5",
        "    a, b, v = np.array([0.1, 0.2, 0.3]), np.ones(3), np.array([x, x * x, 0.5])",
        "    m = np.arange(9.0).reshape(3, 3) / 9",
        "    w = m[1]",
        "    d = {'k': a, 'l': np.zeros(3)}",
        "    h = [b, np.full(3, 0.2)]",
        "    o, q = Thing(v), []",
    ]
    return "\n".join(["import numpy as np", HELPERS, *start, *body, END, ""])


def made(source: str) -> Callable[[Any], Any]:
    """The function of a source, which conversion can read."""
    file = f"<random identity {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space: dict[str, Any] = {"__name__": "__main__", "C": list(range(1, 20)), "M": np.arange(9.0).reshape(3, 3)}
    exec(compile(source, file, "exec"), space)
    return space["program"]  # type: ignore[no-any-return]


def slope(program: Callable[[Any], Any], x: float) -> float | None:
    """The derivative by differences, None at steps and kinks."""
    ends = [(program(x + h) - program(x - h)) / (2 * h) for h in (1e-6, 3e-6)]
    near = abs(ends[0] - ends[1]) <= 1e-5 * max(1.0, abs(ends[0]))
    return float(ends[0]) if near and np.isfinite(ends[0]) else None


def check(source: str, x: float, executor: str) -> None:
    program = made(source)
    with np.errstate(all="ignore"):
        value = program(x)
        if not np.isfinite(value) or abs(value) > 1e6:
            return
        right = slope(program, x)
    gradient = graphad.value_and_grad(program)(x)
    np.testing.assert_allclose(gradient[0], value, rtol=1e-9, atol=1e-9)
    modes = [graphad.jit(graphad.grad(program), executor=executor), graphad.jit(graphad.jacfwd(program))]
    compiled = graphad.jit(program, executor=executor)
    try:
        np.testing.assert_allclose(compiled(x), value, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(graphad.vmap(program)(np.array([x, x]))[1], value, rtol=1e-8, atol=1e-9)
        found = [mode(x) for mode in modes]
    except (graphad.ControlFlowError, graphad.TracerError):
        found = []  # said, and not guessed
    if right is not None:
        for slope_ in (gradient[1], *found):
            np.testing.assert_allclose(slope_, right, rtol=1e-4, atol=1e-5)


QUICK = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
X = st.sampled_from([-0.35, 0.15, 0.6, 1.3])


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@QUICK
@given(programs(2), X)
def test_programs(executor: str, source: str, x: float) -> None:
    check(source, x, executor)


@settings(QUICK, max_examples=4)
@given(programs(1, True), X)
def test_programs_of_aliases(source: str, x: float) -> None:
    check(source, x, "numpy")


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "dense", "count"), [
    ("numpy", False, 1500), ("numpy", True, 1500), ("llvm", False, 1500), ("numba", False, 500),
])  # fmt: skip
def test_many_programs(executor: str, dense: bool, count: int) -> None:
    @settings(QUICK, max_examples=count, derandomize=False)
    @given(programs(2 if dense else 3, dense), X)
    def run(source: str, x: float) -> None:
        check(source, x, executor)

    run()

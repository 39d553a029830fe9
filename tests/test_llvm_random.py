"""Random programs in the LLVM executor: wide in shapes, dtypes and ops, with values that many others read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphad
from graphad import passes
from graphad.executors.llvm import emit
from graphad.executors.loops import packing, parallel
from graphad.graph import Graph
from graphad.op import OPS
from graphad.ops.shape import iota

EXTENTS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 70)
LIMIT = 5000
"""Elements of the largest value."""
LARGE = 30.0
"""Magnitude from which a value is scaled down, so that errors of rounding stay small."""

Choose = Callable[[int], int]
Step = Callable[[Sequence[Any]], Any]

UNARY: dict[str, list[Callable[[Any], Any]]] = {
    "f": [
        np.sin, np.cos, np.tanh, np.negative, np.square, np.abs, np.arctan, lambda x: np.exp(np.minimum(x, 2.0)),
        lambda x: np.sqrt(1.0 + x * x), lambda x: np.log1p(np.abs(x)), lambda x: 1.0 / (1.5 + x * x),
        lambda x: x * 0.5, lambda x: np.clip(x, -0.4, 0.7), lambda x: x**3, lambda x: x - 1.25,
    ],
    "i": [np.negative, np.abs, np.invert, lambda x: x * 3 - 1, lambda x: x % 5, lambda x: x // 3, lambda x: x & 6],
    "b": [np.logical_not, lambda x: x.astype("i8"), lambda x: x.astype("f8")],
    "c": [np.negative, np.conj, np.real, np.imag, np.abs, lambda x: x * (0.5 - 1j), lambda x: x * x],
}  # fmt: skip
BINARY: dict[str, list[Callable[[Any, Any], Any]]] = {
    "f": [
        np.add, np.subtract, np.multiply, np.maximum, np.minimum, lambda x, y: x / (1.5 + y * y), np.hypot,
        lambda x, y: np.arctan2(x, 2.5 + y * y), lambda x, y: x * y + x, lambda x, y: np.where(x > 0.123, x, y),
    ],
    "i": [
        np.add, np.subtract, np.multiply, np.maximum, np.bitwise_xor, np.less, np.equal,
        lambda x, y: x % (y * y + 1),
    ],
    "b": [np.logical_and, np.logical_or, np.logical_xor, np.equal],
    "c": [np.add, np.subtract, np.multiply, lambda x, y: x / (2.5 + np.abs(y))],
}  # fmt: skip
REDUCE: dict[str, list[Callable[..., Any]]] = {
    "f": [np.sum, np.sum, np.mean, np.max, np.min, np.prod],
    "i": [np.sum, np.max, np.min, np.any, np.all],
    "b": [np.any, np.all, np.sum],
    "c": [np.sum, np.mean],
}


def kind(x: Any) -> str:
    return {"u": "i"}.get(np.asarray(x).dtype.kind, np.asarray(x).dtype.kind)


@dataclass
class Recipe:
    """Steps that each make a value from those before, the values that they make of `args`, and which are results."""

    args: list[Any]
    values: list[Any] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    results: list[int] = field(default_factory=list)

    def __call__(self, *args: Any) -> Any:
        values = list(args)
        for step in self.steps:
            values.append(step(values))
        return [values[i] for i in self.results]

    def add(self, step: Step) -> None:
        """Take a step unless NumPy refuses it or its value is of no use."""
        try:
            value = step(self.values)
        except (ValueError, TypeError, IndexError):
            return
        size = np.abs(np.asarray(value, complex)).max(initial=0.0)
        if np.size(value) > LIMIT or not np.isfinite(size) or (kind(value) in "ib" and size > 1e6):
            return
        if size > LARGE and kind(value) in "fc":
            scale = 2.0 ** -math.ceil(math.log2(size))
            return self.add(lambda values: step(values) * scale)
        self.steps.append(step)
        self.values.append(value)


def shape_of(choose: Choose, extents: Sequence[int], ranks: int = 4) -> tuple[int, ...]:
    shape = tuple(extents[choose(len(extents))] for _ in range(choose(ranks)))
    return shape if math.prod(shape) <= LIMIT // 2 else shape[:1]


def shapes_of(choose: Choose, count: int) -> list[tuple[int, ...]]:
    """Shapes of arguments that have much to do with one another."""
    if choose(2):
        extents = [EXTENTS[choose(len(EXTENTS))] for _ in range(1 + choose(3))]
        return [shape_of(choose, extents) for _ in range(count)]
    # Many rows of a few elements, and arrays that broadcast to them.
    long = ((16, 33, 70, 200)[choose(4)], *[1 + choose(5) for _ in range(1 + choose(2))])
    parts = [long, long, long[1:], long[-1:], long[:1], (long[0], *[1] * (len(long) - 1)), ()]
    return [long, *[parts[choose(len(parts))] for _ in range(count - 1)]]


def argument(choose: Choose, shape: tuple[int, ...], rng: Any) -> Any:
    dtype = ("f8", "f8", "f8", "f8", "f8", "f8", "f4", "i8", "i4", "?", "c16")[choose(11)]
    if dtype == "c16":
        return rng.uniform(-1, 1, shape) + 1j * rng.uniform(-1, 1, shape)
    if dtype in ("f8", "f4"):
        return np.asarray(rng.uniform(-1, 1, shape), dtype)
    return np.asarray(rng.integers(-4, 5, shape), dtype) if dtype != "?" else np.asarray(rng.uniform(size=shape) > 0.5)


def operand(choose: Choose, recipe: Recipe, fits: Callable[[Any], bool] = lambda x: True) -> int | None:
    """The number of a value, recent ones first."""
    found = [i for i, x in enumerate(recipe.values) if fits(x)]
    return found[-1 - choose(min(len(found), 12))] if found else None


def factors(choose: Choose, size: int) -> tuple[int, ...]:
    """A shape of so many elements."""
    shape: list[int] = []
    while size > 1 and len(shape) < 3:
        divisors = [d for d in range(1, size + 1) if size % d == 0]
        shape.append(divisors[choose(len(divisors))])
        size //= shape[-1]
    return (*shape, size) if size != 1 or choose(3) == 0 else tuple(shape)


def grow(choose: Choose, recipe: Recipe, rng: Any) -> None:
    """Try one more step."""
    i = operand(choose, recipe)
    assert i is not None
    x = np.asarray(recipe.values[i])
    n = x.ndim
    what = choose(24)
    if what < 4:
        some = UNARY[kind(x)]
        f = some[choose(len(some))]
        return recipe.add(lambda v: f(v[i]))
    if what < 10:
        return combine(choose, recipe, i)
    if what < 13:
        axes = tuple(a for a in range(n) if choose(2)) if choose(4) else None
        some = REDUCE[kind(x)]
        f, keep = some[choose(len(some))], bool(choose(2))
        return recipe.add(lambda v: f(v[i], axis=axes, keepdims=keep))
    if what < 19:
        return move(choose, recipe, i)
    if what < 21:
        return contract(choose, recipe, i)
    if what < 23:
        return index(choose, recipe, i, rng)
    if not n:
        return None
    axis = choose(n)
    ops = [OPS["cumsum"](axis), OPS["cumsum"](axis, True), OPS["cumprod"](axis), OPS["cummax"](axis), OPS["sort"](axis)]
    ops.append(OPS["argmax"](axis))
    op = ops[choose(len(ops))]
    if kind(x) in "fi" or (kind(x) == "c" and op.name == "cumsum"):
        recipe.add(lambda v: op(v[i]))


def combine(choose: Choose, recipe: Recipe, i: int) -> None:
    x = np.asarray(recipe.values[i])

    def fits(y: Any, kinds: str = kind(x)) -> bool:
        try:
            return kind(y) in kinds and math.prod(np.broadcast_shapes(x.shape, np.shape(y))) <= LIMIT
        except ValueError:
            return False

    j = operand(choose, recipe, lambda y: fits(y, "fi") if kind(x) == "f" else fits(y))
    assert j is not None
    if x.ndim in (1, 2) and choose(5) == 0:
        # Each row of one with each row of another.
        j = operand(choose, recipe, lambda y: kind(y) == kind(x) and np.shape(y)[1:] == x.shape[1:] and np.ndim(y))
        some = BINARY[kind(x)]
        f = some[choose(len(some))]
        return recipe.add(lambda v: f(v[i][:, None], v[j]))
    condition = operand(choose, recipe, lambda y: fits(y, "b"))
    if condition is not None and choose(4) == 0:
        return recipe.add(lambda v: np.where(v[condition], v[i], v[j]))
    some = BINARY[kind(x)]
    f = some[choose(len(some))]
    if choose(2):
        return recipe.add(lambda v: f(v[i], v[j]))
    return recipe.add(lambda v: f(v[j], v[i]))


def move(choose: Choose, recipe: Recipe, i: int) -> None:
    x = np.asarray(recipe.values[i])
    shape, n = x.shape, x.ndim
    what = choose(10)
    if what == 0:
        new = factors(choose, x.size)
        return recipe.add(lambda v: np.reshape(v[i], new))
    if what == 1 and n:
        order = list(range(n))
        axes = tuple(order.pop(choose(len(order))) for _ in range(n))
        return recipe.add(lambda v: np.transpose(v[i], axes))
    if what in (2, 3) and n:
        cuts = tuple(cut(choose, m) for m in shape)
        return recipe.add(lambda v: v[i][cuts])
    if what == 4 and n:
        low, high = (tuple(choose(6) - 2 for _ in shape) for _ in "ab")
        interior = tuple(choose(3) * (choose(3) == 0) for _ in shape)
        if any(a + b + m + max(m - 1, 0) * k < 0 for a, b, m, k in zip(low, high, shape, interior, strict=True)):
            return None
        if any(max(-a, 0) + max(-b, 0) > m for a, b, m in zip(low, high, shape, strict=True)):
            return None
        op = OPS["pad"](low, high, interior)
        return recipe.add(lambda v: op(v[i]))
    if what == 5 and n:
        axes = tuple(a for a in range(n) if choose(2))
        return recipe.add(lambda v: np.flip(v[i], axes))
    if what in (6, 7) and n:
        axis = choose(n)
        others = [
            operand(choose, recipe, lambda y: np.ndim(y) == n and np.asarray(y).dtype == x.dtype
                    and all(a == axis or p == q for a, (p, q) in enumerate(zip(np.shape(y), shape, strict=True))))
            for _ in range(1 + choose(2))
        ]  # fmt: skip
        parts = [i, *[j for j in others if j is not None]]
        return recipe.add(lambda v: np.concatenate([v[j] for j in parts], axis))
    if what == 8:
        lead = (EXTENTS[choose(8)],)
        new = (*lead, *[m if m != 1 else 1 + choose(4) for m in shape])
        return recipe.add(lambda v: np.broadcast_to(v[i], new)) if math.prod(new) <= LIMIT else None
    if n and shape[-1] and kind(x) in "fi":
        return recipe.add(lambda v: v[i] * (iota(shape[-1], x.dtype) + x.dtype.type(1)))
    return recipe.add(lambda v: np.expand_dims(v[i], 0))


def cut(choose: Choose, m: int) -> slice:
    if choose(3) == 0:
        return slice(None)
    start, stop = sorted((choose(m + 1), choose(m + 1)))
    step = (1, 1, 2, 3, -1, -2)[choose(6)]
    return slice(start, stop, step) if step > 0 else slice(stop, start - 1 if start else None, step)


def contract(choose: Choose, recipe: Recipe, i: int) -> None:
    x = np.asarray(recipe.values[i])
    if not x.ndim or kind(x) == "b":
        return None
    a = choose(x.ndim)
    j = operand(choose, recipe, lambda y: np.asarray(y).dtype == x.dtype and x.shape[a] in np.shape(y))
    assert j is not None
    y = np.asarray(recipe.values[j])
    b = next(k for k in range(y.ndim) if y.shape[(k + choose(y.ndim)) % y.ndim] == x.shape[a] or k == y.ndim - 1)
    b = b if y.shape[b] == x.shape[a] else y.shape.index(x.shape[a])
    batch = [(p, q) for p in range(x.ndim) for q in range(y.ndim) if p != a and q != b and x.shape[p] == y.shape[q]]
    pair = batch[choose(len(batch))] if batch and choose(2) else None
    if pair and choose(3) == 0:
        op = OPS["dot_general"]((a, pair[0]), (b, pair[1]))
    elif pair:
        op = OPS["dot_general"]((a,), (b,), pair[:1], pair[1:])
    else:
        op = OPS["dot_general"]((a,), (b,))
    lhs, rhs = op.free(x.ndim, y.ndim)
    size = math.prod([x.shape[p] for p in lhs]) * math.prod([y.shape[p] for p in rhs])
    if size * (x.shape[pair[0]] if pair else 1) > LIMIT:
        return None
    return recipe.add(lambda v: op(v[i], v[j]))


def index(choose: Choose, recipe: Recipe, i: int, rng: Any) -> None:
    x = np.asarray(recipe.values[i])
    if not x.size or not x.ndim:
        return None
    what = choose(4)
    some = operand(choose, recipe, lambda y: kind(y) == "i" and np.size(y) <= 100)
    if what == 3:
        sizes = tuple(1 + choose(m) for m in x.shape)
        starts = [np.int64(choose(m + 2) - 1) for m in x.shape]
        op = OPS["dynamic_slice"](sizes)
        if some is None:
            return recipe.add(lambda v: op(v[i], *starts))
        return recipe.add(lambda v: op(v[i], *[np.max(v[some], initial=0) + s for s in starts]))
    axes = [choose(x.ndim)]
    if x.ndim > 1 and choose(2):
        axes.append((axes[0] + 1) % x.ndim)
    if some is not None and choose(2):
        made = [lambda v, m=x.shape[a]: np.abs(v[some]) % m for a in axes]
        lead = np.shape(recipe.values[some])
    else:
        lead = shape_of(choose, (1, 2, 3, 8, 17), 3)
        arrays = [rng.integers(0, x.shape[a], lead) for a in axes]
        made = [lambda v, array=array: array for array in arrays]
    rest = [m for a, m in enumerate(x.shape) if a not in axes]
    if math.prod(lead) * math.prod(rest) > LIMIT:
        return None
    gather, scatter = OPS["gather"](tuple(axes)), OPS["scatter_add"](tuple(axes))
    if what == 0 or kind(x) == "b":
        return recipe.add(lambda v: gather(v[i], *[f(v) for f in made]))
    if what == 1:

        def doubled(v: Sequence[Any]) -> Any:
            at = [f(v) for f in made]
            return scatter(v[i], gather(v[i], *at) * x.dtype.type(2), *at)

        return recipe.add(doubled)
    updates = np.asarray(rng.integers(-2, 3, (*lead, *rest)), x.dtype)
    return recipe.add(lambda v: scatter(v[i], updates, *[f(v) for f in made]))


MODES = ("value", "value", "value", "vjp", "vjp", "vjp", "jvp", "vmap", "vmap of vjp", "jvp of vjp")


@dataclass
class Case:
    """A graph, arguments for it, and how it is to be compiled."""

    graph: Graph
    args: list[Any]
    options: dict[str, Any]
    settings: dict[str, Any]


def case(choose: Choose) -> Case:
    rng = np.random.default_rng(choose(1000))
    args = [argument(choose, shape, rng) for shape in shapes_of(choose, 1 + choose(3))]
    recipe = Recipe(args, list(args))
    with np.errstate(all="ignore"):
        for _ in range(1 + choose((8, 25, 50)[choose(3)])):
            grow(choose, recipe, rng)
    count = len(recipe.values)
    recipe.results = [count - 1, *[choose(count) for _ in range(choose(4))]]
    graph = graphad.trace(recipe)(*args)
    mode = MODES[choose(len(MODES))]
    wrt = [k for k, t in enumerate(graph.input_types) if t.differentiable]
    floats = [t for t in graph.output_types if t.differentiable]
    if "vjp" in mode and wrt and floats:
        graph, args = passes.dce(passes.vjp(graph, wrt)), [*args, *[like(t, rng) for t in floats]]
    if "jvp" in mode and wrt:
        graph, args = passes.dce(passes.jvp(graph, wrt)), [*args, *[like(graph.input_types[k], rng) for k in wrt]]
    if "vmap" in mode:
        size = 1 + choose(3)
        graph, args = passes.vmap(graph, size), [repeated(x, size) for x in args]
    options = {"threads": (1, 3)[choose(2)], "guard": bool(choose(2))}
    return Case(graph, args, options, {"packing": choose(2), "parts": choose(2)})


def repeated(x: Any, size: int) -> Any:
    """A batch of arguments, which differ where they are floating-point."""
    x = np.asarray(x)
    return np.stack([np.asarray(x * (1 - 0.1 * k) if kind(x) == "f" else x, x.dtype) for k in range(size)])


def like(t: Any, rng: Any) -> Any:
    x = rng.uniform(-1, 1, t.shape)
    return np.asarray(x + 0.5j * x[::-1] if t.dtype.kind == "c" and t.shape else x, t.dtype)


def nudged(x: Any, rng: Any) -> Any:
    """An argument that differs by about a unit in the last place."""
    x = np.asarray(x)
    step = {"f": 3e-16, "e": 1e-3, "c": 3e-16}.get(x.dtype.kind, 0.0) if x.dtype.char != "f" else 1e-7
    return np.asarray(x * (1 + step * rng.choice([-2, -1, 1, 2], x.shape)), x.dtype) if step else x


def single(graph: Graph) -> bool:
    return any(v.type.dtype.char in "fF" for v in (*graph.inputs, *[v for n in graph.nodes for v in n.outputs]))


def check(case: Case, executor: str = "llvm") -> None:
    """Raise `AssertionError` unless the compiled program gives what NumPy does, as far as rounding leaves it sure."""
    graph, args = case.graph, case.args
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        expected = graph.eval(*args)
        others = [graph.eval(*[nudged(x, rng) for x in args]) for _ in range(2)]
        rough = single(graph)
        with pytest.MonkeyPatch.context() as patch:
            if case.options.get("threads", 1) > 1:
                patch.setattr(parallel, "GAIN", {False: np.inf, True: np.inf})
                for name, value in (("_SHARE", 1e-6), ("_GRAIN", 1.0), ("_LEAST", 2), ("_ROWS", 1)):
                    patch.setattr(parallel, name, value)
            if case.settings["packing"]:
                for name, value in (("SIZE", 1), ("REUSE", 1), ("_GAIN", 0.0)):
                    patch.setattr(packing, name, value)
            if case.settings["parts"]:
                patch.setattr(emit, "PART", 20)
            function = graphad.compile(graph, executor=executor, **case.options)
            found = function(*args)
            again = function(*args)
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert np.array_equal(a, again[i], equal_nan=kind(a) in "fc"), f"result {i}: a second call gives another"
        assert a.dtype == b.dtype, f"result {i}: {a.dtype}, not {b.dtype}"
        assert a.shape == b.shape, f"result {i}: shape {a.shape}, not {b.shape}"
        if kind(b) not in "fc":
            if all(np.array_equal(b, other[i]) for other in others):
                np.testing.assert_array_equal(a, b, err_msg=f"result {i}")
            continue
        if not b.size or not np.isfinite(b).all() or np.abs(b).max() > 1e12:
            continue
        spread = max(np.abs(np.asarray(other[i] - b)).max() for other in others)
        scale = max(1.0, np.abs(b).max())
        if spread > (1e-3 if rough else 1e-7) * scale:
            continue
        atol = (1e-4 if rough else 1e-9) * scale + 1e3 * spread
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=f"result {i}")


@st.composite
def cases(draw: Any) -> Case:
    return case(lambda n: draw(st.integers(0, n - 1)))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_random_programs(case: Case) -> None:
    check(case)


@pytest.mark.slow
@settings(max_examples=4000, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_many_random_programs(case: Case) -> None:
    check(case)

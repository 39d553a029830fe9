"""`cond`, `switch`, `scan`, `map`, the loops, `associative_scan` and `checkpoint`, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad import ShapeDtype
from graphad.errors import GraphadError, TypeMismatchError

X = np.array([0.5, -1.0, 2.0, 3.0, -0.25, 1.5, 0.75])


def same(found, wanted, rtol=1e-12):
    a, tree_a = graphad.tree.flatten(found)
    b, tree_b = graphad.tree.flatten(wanted)
    assert tree_a == tree_b
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-13)
        assert np.shape(x) == np.shape(y)


# -- scan -----------------------------------------------------------------------------------------------------------


def step(carry, x):
    total, state = carry
    new = {"a": np.sin(state["a"] + x), "b": state["b"] * 0.5 + x}
    return (total + x * x, new), (total, {"y": new["a"] * new["b"]})


def python_scan(f, init, xs, reverse=False):
    carry, ys = init, []
    for x in xs[::-1] if reverse else xs:
        carry, y = f(carry, x)
        ys.append(y)
    leaves = [graphad.tree.leaves(y) for y in (ys[::-1] if reverse else ys)]
    stacks = [np.stack(column) for column in zip(*leaves, strict=True)]
    return carry, graphad.tree.unflatten(graphad.tree.flatten(ys[0])[1], stacks)


INIT = (0.0, {"a": 0.1, "b": np.array([1.0, -2.0])})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, 3, 7, True])
def test_scan_of_trees(reverse, unroll):
    wanted = python_scan(step, INIT, X, reverse)
    f = lambda init, xs: graphad.scan(step, init, xs, reverse=reverse, unroll=unroll)
    same(f(INIT, X), wanted)
    for executor in ("numpy", "llvm"):
        same(graphad.jit(f, executor=executor)(INIT, X), wanted)


def test_scan_in_every_executor_and_derivative(executor):
    def loss(init, xs):
        carry, (totals, ys) = graphad.scan(step, init, xs)
        return carry[0] + np.sum(carry[1]["b"]) + np.sum(totals) + np.sum(ys["y"])

    def plain(init, xs):
        carry, (totals, ys) = python_scan(step, init, xs)
        return carry[0] + np.sum(carry[1]["b"]) + np.sum(totals) + np.sum(ys["y"])

    np.testing.assert_allclose(graphad.jit(loss)(INIT, X), plain(INIT, X), rtol=1e-13)
    same(graphad.jit(graphad.grad(loss, argnums=(0, 1)))(INIT, X), graphad.grad(plain, argnums=(0, 1))(INIT, X))
    hessian = graphad.jit(graphad.hessian(lambda xs: loss(INIT, xs)))(X)
    same(hessian, graphad.hessian(lambda xs: plain(INIT, xs))(X))
    stack = np.stack([X, X[::-1]])
    rows = graphad.jit(graphad.vmap(graphad.grad(lambda xs: loss(INIT, xs))))(stack)
    same(rows, np.stack([graphad.grad(lambda xs: plain(INIT, xs))(row) for row in stack]))
    total = graphad.jit(graphad.grad(lambda s: np.sum(graphad.vmap(lambda xs: loss(INIT, xs))(s))))(stack)
    same(total, rows)


def test_scan_without_entries_and_without_iterations():
    f = graphad.jit(lambda x: graphad.scan(lambda c, _: (c * 2.0, None), x, None, length=5))
    same(f(1.5), (48.0, None))
    g = graphad.jit(lambda x: graphad.scan(lambda c, v: (c + v, c * v), x, np.zeros(0)))
    same(g(1.5), (1.5, np.zeros(0)))
    same(graphad.jit(graphad.grad(lambda x: g(x)[0]))(1.5), 1.0)


def test_linear_transpose_of_a_scan():
    weights = np.arange(12.0).reshape(3, 2, 2) / 10
    f = lambda x: graphad.scan(lambda c, w: (w @ c, c), x, weights)
    x, ct = np.array([1.0, 2.0]), (np.array([0.5, -1.0]), np.ones((3, 2)))
    (back,) = graphad.linear_transpose(f, x)(ct)
    value = f(x)
    np.testing.assert_allclose(back @ x, ct[0] @ value[0] + np.sum(ct[1] * value[1]))


def test_map():
    f = lambda t: {"s": t["a"] * 2 + t["b"], "t": np.sum(t["b"])}
    tree = {"a": X[:3], "b": np.arange(6.0).reshape(3, 2)}
    wanted = {"s": tree["a"][:, None] * 2 + tree["b"], "t": tree["b"].sum(1)}
    same(graphad.map(f, tree), wanted)
    same(graphad.jit(lambda t: graphad.map(f, t))(tree), wanted)


# -- loops ----------------------------------------------------------------------------------------------------------


def newton(a):
    return graphad.while_loop(lambda x: np.abs(x * x - a) > 1e-12 * a, lambda x: 0.5 * (x + a / x), a)


def test_while_loop_in_both_modes(executor):
    a = 7.0
    np.testing.assert_allclose(graphad.jit(newton)(a), np.sqrt(a))
    for derivative in (graphad.grad, graphad.jacfwd, graphad.jacrev):
        np.testing.assert_allclose(graphad.jit(derivative(newton))(a), 0.5 / np.sqrt(a), rtol=1e-6)
    roots = graphad.jit(graphad.vmap(graphad.grad(newton)))(np.array([3.0, 100.0, 2.0]))
    np.testing.assert_allclose(roots, 0.5 / np.sqrt([3.0, 100.0, 2.0]), rtol=1e-6)


def test_fori_loop_with_traced_bounds(executor):
    def f(x, low, high):
        return graphad.fori_loop(low, high, lambda i, v: v * x + i, 1.0)

    def plain(x, low, high):
        v = 1.0
        for i in range(low, high):
            v = v * x + i
        return v

    for low, high in ((0, 5), (-2, 3), (4, 4), (5, 2)):
        np.testing.assert_allclose(graphad.jit(f)(1.5, low, high), plain(1.5, low, high))
        slope = (plain(1.5 + 1e-6, low, high) - plain(1.5 - 1e-6, low, high)) / 2e-6
        np.testing.assert_allclose(graphad.jit(graphad.grad(f))(1.5, low, high), slope, rtol=1e-7, atol=1e-9)
    counts = np.array([0, 3, 7])
    found = graphad.jit(graphad.vmap(lambda n: f(0.9, 0, n)))(counts)
    np.testing.assert_allclose(found, [plain(0.9, 0, n) for n in counts])


def test_nested_structures_under_every_transformation(executor):
    def inner(x, n):
        body = lambda i, v: graphad.cond(v > 1.0, lambda v: v * 0.5, lambda v: np.sin(v) + x * i, v)
        return graphad.fori_loop(0, n, body, x)

    def outer(xs):
        return graphad.scan(lambda c, x: (c + inner(x, 4), inner(c, 2)), 0.3, xs)

    def plain_inner(x, n):
        v = x
        for i in range(n):
            v = v * 0.5 if v > 1.0 else np.sin(v) + x * i
        return v

    def plain(xs):
        c, ys = 0.3, []
        for x in xs:
            c, y = c + plain_inner(x, 4), plain_inner(c, 2)
            ys.append(y)
        return c, np.stack(ys)

    same(graphad.jit(outer)(X), plain(X))
    loss = lambda f: lambda xs: f(xs)[0] ** 2 + np.sum(f(xs)[1])
    same(graphad.jit(graphad.grad(loss(outer)))(X), graphad.grad(loss(plain))(X))
    same(graphad.jit(graphad.jacfwd(graphad.grad(loss(outer))))(X[:3]), graphad.hessian(loss(plain))(X[:3]))


# -- branches -------------------------------------------------------------------------------------------------------


def test_cond_and_switch(executor):
    f = lambda p, x: graphad.cond(p, lambda x: (x * 2, 1), lambda x: (np.cos(x), 0), x)
    for p in (True, False):
        same(graphad.jit(f)(p, 0.5), ((1.0, 1) if p else (np.cos(0.5), 0)))
    branches = [lambda x: x, lambda x: x**2, lambda x: np.exp(x)]
    g = graphad.jit(graphad.value_and_grad(lambda x, i: graphad.switch(i, branches, x)))
    e = np.exp(1.5)
    for i, wanted in ((-3, (1.5, 1.0)), (0, (1.5, 1.0)), (1, (2.25, 3.0)), (2, (e, e)), (9, (e, e))):
        same(g(1.5, i), wanted)
    mixed = graphad.jit(graphad.vmap(lambda i, x: graphad.switch(i, branches, x)))(np.array([2, 0, 1]), X[:3])
    np.testing.assert_allclose(mixed, [np.exp(0.5), -1.0, 4.0])


def test_weak_numbers_take_the_other_branchs_dtype():
    f = graphad.jit(lambda p, x: graphad.cond(p, lambda: x, lambda: 0))
    assert f(True, np.float32(1.5)).dtype == np.float32
    assert f(False, np.float32(1.5)) == 0


# -- associative_scan -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", range(10))
def test_associative_scan(n, reverse):
    x = np.linspace(-1.0, 2.0, 2 * n).reshape(n, 2)
    wanted = np.flip(np.cumsum(np.flip(x, 0), 0), 0) if reverse else np.cumsum(x, 0)
    f = lambda x: graphad.associative_scan(np.add, x, reverse=reverse)
    same(graphad.jit(f, executor="numpy")(x), wanted)
    if n:
        g = graphad.jit(graphad.grad(lambda x: np.sum(f(x) ** 2)), executor="numpy")(x)
        same(g, graphad.grad(lambda x: np.sum(np.cumsum(x[::-1] if reverse else x, 0) ** 2))(x))


def test_associative_scan_of_maps_along_an_axis():
    a, b = np.linspace(0.5, 1.5, 10).reshape(2, 5), np.linspace(-1.0, 1.0, 10).reshape(2, 5)
    joined = lambda f, g: (f[0] * g[0], g[0] * f[1] + g[1])
    slopes, offsets = graphad.jit(lambda a, b: graphad.associative_scan(joined, (a, b), axis=1))(a, b)
    y = np.zeros(2)
    for i in range(5):
        y = a[:, i] * y + b[:, i]
        np.testing.assert_allclose(offsets[:, i], y)
    np.testing.assert_allclose(slopes, np.cumprod(a, 1))


# -- checkpoint -----------------------------------------------------------------------------------------------------


def test_checkpoint_gives_the_same_derivatives_from_less_memory():
    def layers(x):
        for _ in range(20):
            x = np.sin(x) * np.cos(x)
        return x

    plain = lambda x: np.sum(layers(x))
    parts = lambda x: np.sum(graphad.checkpoint(layers)(graphad.checkpoint(layers)(x)))
    x = np.linspace(0.1, 1.0, 5000)
    same(graphad.jit(graphad.grad(parts))(x), graphad.grad(lambda x: plain(layers(x)))(x), 1e-10)
    y = X[:3]
    same(graphad.jit(graphad.hessian(parts))(y), graphad.hessian(lambda x: plain(layers(x)))(y), 1e-8)

    def loss(x, every):
        return graphad.fori_loop(0, 4096, lambda i, v: np.sin(v) + 0.1, x, checkpoint_every=every)

    sizes = {}
    for every in (None, 64):
        compiled = graphad.jit(graphad.grad(lambda v, every=every: loss(v, every)))
        sizes[every] = compiled.compile(ShapeDtype(())).memory()["arena"], compiled(0.4)
    assert sizes[64][0] < sizes[None][0] / 8
    np.testing.assert_allclose(sizes[64][1], sizes[None][1], rtol=1e-10)


# -- errors ---------------------------------------------------------------------------------------------------------

WRONG = {
    "carry dtype": (
        lambda x: graphad.scan(lambda c, v: ({"n": c["n"] + v}, None), {"n": np.int64(0)}, x),
        ["scan", "['n']", "i64[]", "f64[]"],
    ),
    "carry shape": (
        lambda x: graphad.scan(lambda c, v: (np.stack([c, c]), None), 0.0, x),
        ["scan", "f64[]", "f64[2]"],
    ),
    "carry structure": (lambda x: graphad.scan(lambda c, v: ((c, c), None), 0.0, x), ["scan", "structure"]),
    "not a pair": (lambda x: graphad.scan(lambda c, v: c, 0.0, x), ["scan", "(carry, y)", "return None as y"]),
    "no length": (lambda x: graphad.scan(lambda c, v: (c, v), x), ["scan", "length"]),
    "other length": (lambda x: graphad.scan(lambda c, v: (c, v), 0.0, x, length=3), ["scan", "3", "7"]),
    "unequal entries": (lambda x: graphad.scan(lambda c, v: (c, v), 0.0, (x, x[:2])), ["scan", "2", "7"]),
    "a scalar entry": (lambda x: graphad.scan(lambda c, v: (c, v), 0.0, x[0]), ["scan", "f64[]"]),
    "branch shapes": (
        lambda x: graphad.cond(x[0] > 0, lambda: {"r": x}, lambda: {"r": x[:2]}),
        ["cond", "['r']", "f64[7]", "f64[2]"],
    ),
    "branch structures": (lambda x: graphad.cond(x[0] > 0, lambda: (x, x), lambda: x), ["cond", "structure"]),
    "predicate": (lambda x: graphad.cond(x > 0, lambda: 1.0, lambda: 2.0), ["cond", "bool[7]", "numpy.any"]),
    "no branches": (lambda x: graphad.switch(0, [], x), ["switch", "at least one"]),
    "index": (lambda x: graphad.switch(x[0], [np.sin, np.cos], x), ["switch", "f64[]", "integer"]),
    "condition": (
        lambda x: graphad.while_loop(lambda v: v > 0, lambda v: v - 1, x),
        ["while_loop", "bool[7]", "numpy.any"],
    ),
    "while carry": (
        lambda x: graphad.while_loop(lambda v: v[0] < 9, lambda v: (v[0] + 0.5, v[1]), (0, x)),
        ["while_loop", "i64[]", "f64[]"],
    ),
    "bound": (lambda x: graphad.fori_loop(0, x[0], lambda i, v: v, 0.0), ["fori_loop", "f64[]", "integer"]),
    "fori carry": (lambda x: graphad.fori_loop(0, 3, lambda i, v: x, 0.0), ["f64[]", "f64[7]"]),
    "associative lengths": (lambda x: graphad.associative_scan(lambda a, b: a, (x, x[:3])), ["associative_scan", "3"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_name_function_types_and_place(case):
    function, words = WRONG[case]
    with pytest.raises((GraphadError, TypeMismatchError)) as caught:
        graphad.jit(function)(X)
    text = str(caught.value)
    assert "test_control_flow.py:" in text
    assert not [word for word in words if word not in text], text


# -- loops in branches that another example takes -----------------------------------------------------------------


def loops_in_both(a, b):
    c = a * b
    if a <= 0.5:
        t = 0.0
        while t < 2.0 + np.tanh(a):
            t = t + 0.7
            a = np.tanh(a) + 0.1 * c
    else:
        t = 0.0
        while t < 4.0 + np.tanh(b):
            t = t + 0.7
            a = np.tanh(np.sin(0.7) + c * a)
    return a + 2 * b + 3 * c


def never_ends_elsewhere(a, b):
    n = np.floor(10 * a)
    if a > 0:
        while n != 0:
            n = n - 1
            b = b * np.cos(a)
    return b


def nested_in_both(a, b):
    for _ in range(40):
        if a < b:
            while a < b:
                a = np.abs(a) * 1.5 + 0.1
        else:
            for _ in range(int(b)):
                a = np.sin(a) * b
    return a


@pytest.mark.parametrize("f", [loops_in_both, never_ends_elsewhere, nested_in_both], ids=lambda f: f.__name__)
@pytest.mark.parametrize("xs", [[0.2], [0.9], [0.2, 0.9, -0.35, 1.5]])
def test_loops_of_branches_turn_for_the_examples_that_take_them(executor, f, xs):
    xs = np.array(xs)
    value, both = graphad.jit(graphad.vmap(f, (0, None))), graphad.vmap(graphad.grad(f, (0, 1)), (0, None))
    np.testing.assert_allclose(value(xs, 1.3), [f(x, 1.3) for x in xs], rtol=1e-12)
    wanted = np.transpose([graphad.grad(f, (0, 1))(x, 1.3) for x in xs])
    np.testing.assert_allclose(graphad.jit(both)(xs, 1.3), wanted, rtol=1e-9, atol=1e-12)

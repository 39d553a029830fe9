"""Trees: a dict keeps its order in what a function sees and gives; what is matched to it is matched by key."""

from __future__ import annotations

import dataclasses
import pickle
from collections import Counter, OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad
from graphad import tree
from graphad.errors import ControlFlowError, TypeMismatchError

PARAMS = {"mu": 1.0, "alpha": 2.0}
OTHER = {"alpha": 2.0, "mu": 1.0}
KINDS = [OrderedDict(mu=1.0, alpha=2.0), defaultdict(float, mu=1.0, alpha=2.0), Counter(mu=1.0, alpha=2.0)]


def first_of(params: Any) -> Any:
    return 3.0 * next(iter(params.values()))


def stacked(params: Any) -> Any:
    return np.stack(list(params.values()))


def same(found: Any, wanted: Any) -> None:
    """Equal trees of one kind and one order."""
    assert tree.structure(found) == tree.structure(wanted)
    for a, b in zip(tree.leaves(found), tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b)


def test_a_function_sees_the_order_of_its_argument() -> None:
    same(graphad.grad(first_of)(PARAMS), {"mu": 3.0, "alpha": 0.0})
    same(graphad.grad(first_of)(OTHER), {"alpha": 3.0, "mu": 0.0})
    same(graphad.jacrev(stacked)(PARAMS), {"mu": np.array([1.0, 0.0]), "alpha": np.array([0.0, 1.0])})
    same(graphad.vmap(first_of)({"b": np.arange(2.0), "a": np.ones(2)}), np.array([0.0, 3.0]))
    hessian = graphad.hessian(lambda p: first_of(p) ** 2)(PARAMS)
    same(hessian, {"mu": {"mu": 18.0, "alpha": 0.0}, "alpha": {"mu": 0.0, "alpha": 0.0}})


@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
def test_a_compiled_function_is_traced_for_each_order(executor: str) -> None:
    compiled = graphad.jit(stacked, executor=executor)
    for params in (PARAMS, OTHER, PARAMS, OTHER):
        np.testing.assert_array_equal(compiled(params), list(params.values()))
    nested = graphad.jit(lambda x: stacked(x["inner"]), executor=executor)
    for params in (PARAMS, OTHER, PARAMS):
        np.testing.assert_array_equal(nested({"inner": params}), list(params.values()))


def test_results_keep_the_order_of_the_function() -> None:
    made = lambda x: {"z": x, "a": 2 * x}
    for run in (made, graphad.jit(made), graphad.vmap(made)):
        assert list(run(np.ones(2))) == ["z", "a"]
    assert list(graphad.jvp(made, (1.0,), (1.0,))[1]) == ["z", "a"]
    assert list(graphad.eval_shape(made, 1.0)) == ["z", "a"]


def test_tangents_and_cotangents_are_matched_by_key() -> None:
    assert graphad.jvp(first_of, (PARAMS,), ({"alpha": 5.0, "mu": 7.0},))[1] == 21.0
    assert graphad.linearize(first_of, PARAMS)[1]({"alpha": 5.0, "mu": 7.0}) == 21.0
    value, pullback = graphad.vjp(lambda p: {"b": 2 * p["x"], "a": p["y"]}, {"y": 1.0, "x": 2.0})
    same(value, {"b": 4.0, "a": 1.0})
    same(pullback({"a": 1.0, "b": 10.0})[0], {"y": 1.0, "x": 20.0})
    same(graphad.linear_transpose(lambda p: {"b": 2 * p["x"]}, {"x": 1.0})({"b": 3.0})[0], {"x": 6.0})
    with pytest.raises(TypeMismatchError, match="structure"):
        graphad.jvp(first_of, (PARAMS,), ({"alpha": 5.0, "nu": 7.0},))


def test_prefixes_are_matched_by_key() -> None:
    f = lambda p: p["x"] + p["y"]
    mapped = graphad.vmap(f, in_axes=({"y": None, "x": 0},))({"x": np.arange(3.0), "y": 1.0})
    np.testing.assert_array_equal(mapped, [1.0, 2.0, 3.0])
    both = graphad.vmap(lambda x: {"a": x, "b": 2 * x}, out_axes={"b": 1, "a": 0})(np.ones((2, 3)))
    assert (both["a"].shape, both["b"].shape) == ((2, 3), (3, 2))


def test_map_matches_by_key_and_keeps_the_first_order() -> None:
    found = tree.map(lambda a, b: a - b, {"x": 1.0, "y": {"p": 2.0, "q": 3.0}}, {"y": {"q": 1.0, "p": 1.0}, "x": 0.0})
    same(found, {"x": 1.0, "y": {"p": 1.0, "q": 2.0}})
    with pytest.raises(TypeMismatchError, match="differ in structure"):
        tree.map(lambda a, b: a, {"x": 1.0}, {"y": 1.0})


@pytest.mark.parametrize("unroll", [1, 2, True])
def test_carries_are_matched_by_key(unroll: Any) -> None:
    body = lambda c, x: ({"b": c["b"] + x, "a": 2 * next(iter(c.values()))}, {"z": x, "k": c["a"]})
    carry, ys = graphad.scan(body, {"a": 1.0, "b": 0.0}, np.arange(3.0), unroll=unroll)
    same(carry, {"a": 8.0, "b": 3.0})
    same(ys, {"z": np.arange(3.0), "k": np.array([1.0, 2.0, 4.0])})
    doubled = lambda c: {"b": c["b"] + 1.5, "a": 2 * next(iter(c.values()))}
    same(graphad.while_loop(lambda c: c["a"] < 20, doubled, {"a": 1.0, "b": 0.0}), {"a": 32.0, "b": 7.5})
    same(graphad.fori_loop(0, 5, lambda i, c: doubled(c), {"a": 1.0, "b": 0.0}), {"a": 32.0, "b": 7.5})
    prefixes = graphad.associative_scan(
        lambda p, q: {"y": p["y"] + q["y"], "x": p["x"] * q["x"]}, {"x": np.arange(1.0, 4.0), "y": np.arange(3.0)}
    )
    same(prefixes, {"x": np.array([1.0, 2.0, 6.0]), "y": np.array([0.0, 1.0, 3.0])})


def test_branches_are_matched_by_key() -> None:
    pick = graphad.jit(lambda x: graphad.cond(x > 0, lambda x: {"b": x, "a": 2 * x}, lambda x: {"a": x, "b": 3 * x}, x))
    for x, wanted in ((2.0, {"b": 2.0, "a": 4.0}), (-1.0, {"b": -3.0, "a": -1.0})):
        found = pick(x)
        assert {k: float(found[k]) for k in wanted} == wanted


def test_branches_of_python_that_give_other_orders_are_refused() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            d = {"a": x, "b": 2 * x}
        else:
            d = {"b": x, "a": 3 * x}
        return next(iter(d.values()))

    assert graphad.grad(f)(-1.0) == 1.0
    with pytest.raises(ControlFlowError, match="dicts with keys in the same order"):
        graphad.jit(f)(1.0)


@pytest.mark.parametrize("params", KINDS, ids=lambda d: type(d).__name__)
def test_kinds_of_dict(params: Any) -> None:
    gradient = graphad.grad(lambda p: first_of(p) + p["alpha"] ** 2)(params)
    assert type(gradient) is type(params)
    assert (list(gradient), gradient["mu"], gradient["alpha"]) == (["mu", "alpha"], 3.0, 4.0)
    result = graphad.jit(lambda p: p)(params)
    assert type(result) is type(params)
    assert list(result.items()) == list(params.items())
    assert tree.paths(params, "p") == ["p['mu']", "p['alpha']"]
    assert graphad.jvp(first_of, (params,), (OTHER,))[1] == 3.0


def test_a_defaultdict_keeps_its_factory() -> None:
    params = defaultdict(lambda: 5.0, a=2.0)
    assert graphad.grad(lambda p: p["a"] * p["missing"])(params)["a"] == 5.0
    assert graphad.jit(lambda p: p)(params)["new"] == 5.0


@pytest.mark.parametrize("params", [PARAMS, *KINDS[:1], (1.0, [{"b": 1.0, "a": None}])], ids=["d", "o", "nested"])
def test_structures_are_plain_data(params: Any) -> None:
    treedef = tree.structure(params)
    assert pickle.loads(pickle.dumps(treedef)) == treedef
    assert hash(treedef) == hash(tree.structure(params))
    same(tree.unflatten(treedef, tree.leaves(params)), params)


def test_derivative_rules_are_matched_by_key() -> None:
    @graphad.custom_vjp
    def f(p: Any) -> Any:
        return p["a"] * p["b"]

    f.defvjp(lambda p: (f(p), p), lambda p, ct: ({"b": ct * p["a"], "a": ct * p["b"]},))
    same(graphad.grad(f)({"a": 2.0, "b": 5.0}), {"a": 5.0, "b": 2.0})

    @graphad.custom_jvp
    def g(x: Any) -> Any:
        return {"a": x, "b": 2 * x}

    g.defjvp(lambda primals, tangents: (g(*primals), {"b": 2 * tangents[0], "a": tangents[0]}))
    same(graphad.jvp(g, (1.0,), (3.0,))[1], {"a": 3.0, "b": 6.0})
    declared = {"a": graphad.ShapeDtype(()), "b": graphad.ShapeDtype(())}
    found = graphad.jit(lambda x: graphad.pure_callback(lambda x: {"b": 2 * x, "a": x}, declared, x))(3.0)
    same(found, {"a": 3.0, "b": 6.0})


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Held:
    a: Any
    b: Any = None


ONE = np.arange(3.0)
ALIKE = [
    {"a": ONE, "b": 2.0}, (ONE, 2.0), [ONE, [2.0, ()]], Point(ONE, 2.0), Held(ONE, 2.0), Held(Point(ONE, {1: 2.0})),
    OrderedDict(a=ONE, b=(2.0,)), defaultdict(list, a=ONE), {"a": {}, "b": None, "c": [ONE]}, {}, None, (), ONE,
]  # fmt: skip


@pytest.mark.parametrize("first", ALIKE, ids=str)
def test_calls_of_one_structure_and_of_others(first: Any) -> None:
    """What is written for one structure serves no other, which differs in a key, an order, a kind or a leaf."""
    jitted = graphad.jit(lambda x, y: {"x": x, 2: [y, None], "n": tree.leaves(x)}, executor="numpy")
    for other in [first, *ALIKE, {"b": 2.0, "a": ONE}, {"a": ONE, "c": 2.0}, [ONE], (ONE, [2.0])]:
        for y in (ONE, [ONE]):
            same(jitted(other, y), {"x": other, 2: [y, None], "n": tree.leaves(other)})
        same(jitted(first, ONE), {"x": first, 2: [ONE, None], "n": tree.leaves(first)})
    with pytest.raises(TypeError):
        jitted(first)
    with pytest.raises(TypeError):
        jitted(first, ONE, ONE)


@pytest.mark.parametrize("first", ALIKE[:6], ids=str)
def test_containers_in_the_place_of_leaves(first: Any) -> None:
    jitted = graphad.jit(lambda x: x, executor="llvm")
    same(jitted(first), first)
    for more in ([1.0], {"k": 3.0}, None):
        other = tree.unflatten(tree.structure(first), [more for _ in tree.leaves(first)])
        same(jitted(other), other)
        same(jitted(first), first)

"""The functions that users call behave as JAX's: argument selection, auxiliary results, trees, axes, caching."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad
from graphad import tree

X = np.array([0.5, -1.0, 2.0])


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Model:
    weight: Any
    bias: Any


class Box:
    """A container of the user's own, registered below."""

    def __init__(self, content: Any, label: str) -> None:
        self.content, self.label = content, label


tree.register(Box, lambda box: ((box.content,), box.label), lambda label, children: Box(children[0], label))


def assert_type(x: Any, dtype: str, shape: tuple[int, ...]) -> None:
    """Results are NumPy arrays, or NumPy scalars where they have no axis."""
    assert isinstance(x, np.ndarray if shape else np.generic)
    assert x.dtype == dtype
    assert x.shape == shape


# -- grad and value_and_grad --------------------------------------------------------------------------------------


def product(x: Any, y: Any, z: Any) -> Any:
    return x * y + y * np.sin(z)


def test_grad_argnums() -> None:
    args = (2.0, 3.0, 0.5)
    dx, dy, dz = 3.0, 2.0 + np.sin(0.5), 3.0 * np.cos(0.5)
    assert graphad.grad(product)(*args) == dx
    assert graphad.grad(product, 1)(*args) == pytest.approx(dy)
    assert graphad.grad(product, -1)(*args) == pytest.approx(dz)
    assert graphad.grad(product, argnums=(0, 2))(*args) == pytest.approx((dx, dz))
    assert graphad.grad(product, argnums=[2, 0])(*args) == pytest.approx((dz, dx))
    assert graphad.grad(product, argnums=(-3,))(*args) == (dx,)


def test_value_and_grad_gives_both() -> None:
    value, gradient = graphad.value_and_grad(lambda x: np.sum(x**3))(X)
    assert value == np.sum(X**3)
    np.testing.assert_allclose(gradient, 3 * X**2)
    assert_type(value, "float64", ())
    assert_type(gradient, "float64", (3,))


def test_has_aux() -> None:
    def loss(x: Any) -> Any:
        y = x * x
        return np.sum(y), {"y": y, "nothing": None}

    gradient, aux = graphad.grad(loss, has_aux=True)(X)
    np.testing.assert_allclose(gradient, 2 * X)
    np.testing.assert_allclose(aux["y"], X**2)
    assert aux["nothing"] is None
    (value, aux), gradient = graphad.value_and_grad(loss, has_aux=True)(X)
    assert value == np.sum(X**2)
    np.testing.assert_allclose(aux["y"], X**2)


def test_keyword_arguments_are_traced_and_not_differentiated() -> None:
    assert graphad.grad(lambda x, *, scale: scale * x * x)(3.0, scale=2.0) == 12.0
    assert graphad.jit(lambda x, *, scale: scale * x)(3.0, scale=2.0) == 6.0


def test_default_arguments_stay_defaults() -> None:
    assert graphad.grad(lambda x, p=3: x**p)(2.0) == 12.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_are_kept(dtype: str) -> None:
    x = X.astype(dtype)
    value, gradient = graphad.value_and_grad(lambda x: np.sum(2.0 * np.sin(x) / 3))(x)
    assert value.dtype == gradient.dtype == dtype
    primal, tangent = graphad.jvp(lambda x: 1 - x * 2, (x,), (x,))
    assert primal.dtype == tangent.dtype == dtype
    assert graphad.hessian(lambda x: np.sum(x**3))(x).dtype == dtype


def test_numbers_give_scalars() -> None:
    assert_type(graphad.grad(lambda x: x**2)(3.0), "float64", ())
    assert_type(graphad.grad(lambda x: x**2)(np.float32(3)), "float32", ())
    assert_type(graphad.jit(lambda x: x + 1)(3), "int64", ())


def test_arguments_are_not_changed_and_results_are_the_callers() -> None:
    x = X.copy()
    result = graphad.jit(lambda x: x)(x)
    result[0] = 9.0
    value, tangent = graphad.jvp(lambda x: x, (x,), (x,))
    value[1] = tangent[1] = 9.0
    np.testing.assert_array_equal(x, X)


def test_foreign_layouts_and_byte_order() -> None:
    for x in (X.astype(">f8"), np.repeat(X, 2)[::2], X[::-1][::-1], list(X) and np.asfortranarray(X)):
        np.testing.assert_allclose(graphad.grad(lambda x: np.sum(x**2))(x), 2 * X)
        np.testing.assert_allclose(graphad.jit(lambda x: x**2)(x), X**2)


def test_complex_follows_the_convention_of_jax() -> None:
    z = np.array([1.0 + 2.0j, -0.5 + 1.0j])
    gradient = graphad.grad(lambda z: np.sum(np.real(z * np.conj(z))))(z)
    np.testing.assert_allclose(gradient, 2 * np.conj(z))
    np.testing.assert_allclose(graphad.grad(lambda z: z**3, holomorphic=True)(z[0]), 3 * z[0] ** 2)


# -- trees --------------------------------------------------------------------------------------------------------


TREES: list[Any] = [
    (X, 2.0),
    [X, [2.0]],
    {"b": X, "a": (2.0, None)},
    Point(X, 2.0),
    Model(X, {"c": 2.0}),
    Box([X, 2.0], "mine"),
    [None, {"deep": (X, Point(2.0, [Model(1.0, None)]))}, ()],
]


def square_sum(params: Any) -> Any:
    total = 0.0
    for x in tree.leaves(params):
        total = total + np.sum(x * x)
    return total


@pytest.mark.parametrize("params", TREES, ids=lambda t: type(t).__name__)
def test_every_transformation_takes_trees(params: Any) -> None:
    doubled = [2 * x for x in tree.leaves(params)]

    def check(found: Any, expected: list[Any]) -> None:
        assert tree.structure(found) == tree.structure(params)
        for a, b in zip(tree.leaves(found), expected, strict=True):
            np.testing.assert_allclose(a, b)

    check(graphad.grad(square_sum)(params), doubled)
    check(graphad.jit(graphad.grad(square_sum))(params), doubled)
    twice = lambda t: tree.map(lambda x: 2 * x, t)
    check(graphad.jit(twice)(params), doubled)
    value, tangent = graphad.jvp(twice, (params,), (params,))
    check(value, doubled)
    check(tangent, doubled)
    check(graphad.vjp(twice, params)[1](params)[0], doubled)
    check(graphad.linearize(twice, params)[1](params), doubled)
    check(graphad.linear_transpose(twice, params)(params)[0], doubled)
    stacked = tree.map(lambda x: np.stack([x, x]), params)
    check(graphad.vmap(graphad.grad(square_sum))(stacked), [np.stack([x, x]) for x in doubled])
    shapes = graphad.eval_shape(twice, params)
    assert [s.shape for s in tree.leaves(shapes)] == [np.shape(x) for x in tree.leaves(params)]
    assert tree.structure(graphad.jacrev(square_sum)(params)) == tree.structure(params)


def test_jacobian_trees_nest_result_over_argument() -> None:
    f = lambda p: {"sum": p["a"] + p["b"], "scaled": (2.0 * p["a"],)}
    params = {"a": X, "b": 1.5}
    for jacobian in (graphad.jacfwd, graphad.jacrev):
        j = jacobian(f)(params)
        np.testing.assert_allclose(j["sum"]["a"], np.eye(3))
        np.testing.assert_allclose(j["sum"]["b"], np.ones(3))
        np.testing.assert_allclose(j["scaled"][0]["a"], 2 * np.eye(3))
        np.testing.assert_allclose(j["scaled"][0]["b"], np.zeros(3))


# -- forward, reverse, linear -------------------------------------------------------------------------------------


def test_jvp_and_vjp_agree_with_the_known_derivative() -> None:
    t = np.array([1.0, 2.0, -1.0])
    value, tangent = graphad.jvp(np.sin, (X,), (t,))
    np.testing.assert_allclose(value, np.sin(X))
    np.testing.assert_allclose(tangent, np.cos(X) * t)
    value, pullback = graphad.vjp(np.sin, X)
    np.testing.assert_allclose(pullback(t)[0], np.cos(X) * t)
    np.testing.assert_allclose(pullback(2 * t)[0], 2 * np.cos(X) * t)


def test_aux_of_jvp_vjp_linearize_and_jacobians() -> None:
    f = lambda x: (x * x, x + 1)
    _, tangent, aux = graphad.jvp(f, (X,), (np.ones(3),), has_aux=True)
    np.testing.assert_allclose(tangent, 2 * X)
    np.testing.assert_allclose(aux, X + 1)
    _, pullback, aux = graphad.vjp(f, X, has_aux=True)
    np.testing.assert_allclose(pullback(np.ones(3))[0], 2 * X)
    np.testing.assert_allclose(aux, X + 1)
    _, f_jvp, aux = graphad.linearize(f, X, has_aux=True)
    np.testing.assert_allclose(f_jvp(np.ones(3)), 2 * X)
    for jacobian in (graphad.jacfwd, graphad.jacrev):
        j, aux = jacobian(f, has_aux=True)(X)
        np.testing.assert_allclose(j, np.diag(2 * X))
        np.testing.assert_allclose(aux, X + 1)


def test_linear_transpose_needs_only_shapes() -> None:
    transposed = graphad.linear_transpose(lambda x: 3.0 * x[::-1], graphad.ShapeDtype((3,), float))
    np.testing.assert_allclose(transposed(X)[0], 3.0 * X[::-1])


def test_jacobians_and_hessian() -> None:
    f = lambda x, y: np.sin(x) * y[0] + y[1]
    y = np.array([2.0, -1.0])
    expected = (np.diag(np.cos(X) * 2.0), np.stack([np.sin(X), np.ones(3)], 1))
    for jacobian in (graphad.jacfwd, graphad.jacrev, graphad.jacobian):
        both = jacobian(f, argnums=(0, 1))(X, y)
        for a, b in zip(both, expected, strict=True):
            np.testing.assert_allclose(a, b)
        np.testing.assert_allclose(jacobian(f, argnums=-1)(X, y), expected[1])
    np.testing.assert_allclose(graphad.hessian(lambda x: np.sum(x**3))(X), np.diag(6 * X))
    h = graphad.hessian(lambda x, y: np.sum(x) * y[0] * y[1], argnums=(0, 1))(X, y)
    np.testing.assert_allclose(h[0][1], np.tile([y[1], y[0]], (3, 1)))
    np.testing.assert_allclose(h[1][1], np.sum(X) * np.array([[0, 1], [1, 0]]))


def test_jacobian_shapes_of_higher_rank() -> None:
    x = np.arange(6.0).reshape(2, 3)
    f = lambda x: np.stack([x[0] * x[1], x[0] + x[1]], axis=1)
    forward, reverse = graphad.jacfwd(f)(x), graphad.jacrev(f)(x)
    assert forward.shape == reverse.shape == (3, 2, 2, 3)
    np.testing.assert_allclose(forward, reverse)


def test_hvp_is_the_hessian_times_a_vector() -> None:
    f = lambda x: np.sum(np.sin(x) * x[0])
    t = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(graphad.hvp(f, (X,), (t,)), graphad.hessian(f)(X) @ t)


def test_stop_gradient() -> None:
    assert graphad.grad(lambda x: x * graphad.stop_gradient(x))(3.0) == 3.0


# -- vmap ---------------------------------------------------------------------------------------------------------


def test_vmap_axes() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(8.0).reshape(4, 2)
    outer = lambda x, y: x[:, None] * y
    np.testing.assert_allclose(graphad.vmap(outer, in_axes=(0, 1))(a, b), np.einsum("bi,jb->bij", a, b))
    np.testing.assert_allclose(graphad.vmap(outer, in_axes=(0, -1))(a, b), np.einsum("bi,jb->bij", a, b))
    found = graphad.vmap(outer, in_axes=(0, 1), out_axes=1)(a, b)
    np.testing.assert_allclose(found, np.einsum("bi,jb->ibj", a, b))
    found = graphad.vmap(outer, in_axes=(0, 1), out_axes=-1)(a, b)
    np.testing.assert_allclose(found, np.einsum("bi,jb->ijb", a, b))
    np.testing.assert_allclose(graphad.vmap(outer, in_axes=(None, 1))(a[0], b), np.einsum("i,jb->bij", a[0], b))


def test_vmap_axes_as_trees() -> None:
    params = {"w": np.arange(6.0).reshape(3, 2), "b": 2.0}
    f = lambda p, x: {"y": p["w"] * x + p["b"], "shared": p["b"]}
    out = graphad.vmap(f, in_axes=({"w": 1, "b": None}, 0), out_axes={"y": 1, "shared": None})(params, np.ones(2))
    np.testing.assert_allclose(out["y"], params["w"] + 2.0)
    assert out["shared"] == 2.0


def test_vmap_gives_unmapped_results_the_axis() -> None:
    out = graphad.vmap(lambda x: (x, 1.5))(X)
    np.testing.assert_allclose(out[1], [1.5, 1.5, 1.5])


def test_vmap_of_an_empty_batch() -> None:
    assert graphad.vmap(lambda x: np.sin(x) * 2)(np.zeros((0, 3))).shape == (0, 3)


def test_vmap_sees_values_of_an_enclosing_function() -> None:
    def f(scale: Any) -> Any:
        return np.sum(graphad.vmap(lambda x: x * scale)(X))

    assert graphad.grad(f)(2.0) == pytest.approx(np.sum(X))


# -- trace, jit, eval_shape ---------------------------------------------------------------------------------------


def test_trace_gives_the_graph() -> None:
    graph = graphad.trace(lambda x, y: np.sin(x) * y)(X, 2.0)
    assert [str(t) for t in graph.input_types] == ["f64[3]", "f64[]"]
    assert [node.op.name for node in graph.nodes] == ["sin", "multiply"]
    assert [v.name for v in graph.inputs] == ["x", "y"]
    (result,) = graph.eval(X, np.asarray(2.0))
    np.testing.assert_allclose(result, np.sin(X) * 2)


def test_trace_takes_shapes_and_static_arguments() -> None:
    graph = graphad.trace(lambda x, n: x**n, static_argnums=1)(graphad.ShapeDtype((2, 3), "float32"), 3)
    assert str(graph.output_types[0]) == "f32[2,3]"


def test_eval_shape_computes_nothing() -> None:
    out = graphad.eval_shape(lambda x: (np.sin(x), np.sum(x)), graphad.ShapeDtype((10**9, 10**6)))
    assert out == (graphad.ShapeDtype((10**9, 10**6)), graphad.ShapeDtype(()))


@pytest.fixture
def counted() -> tuple[Any, list[int]]:
    """A function that counts how often Python runs it."""
    runs = [0]

    def f(x: Any, n: Any = 1) -> Any:
        runs[0] += 1
        return x * n

    return f, runs


def test_jit_traces_once_for_each_signature(counted: tuple[Any, list[int]]) -> None:
    f, runs = counted
    g = graphad.jit(f)
    for _ in range(3):
        np.testing.assert_allclose(g(X), X)
    assert runs[0] == 1
    g(X + 1)
    assert runs[0] == 1, "other values, same signature"
    g(X.astype("float32"))
    assert runs[0] == 2, "another dtype"
    g(X[:2])
    assert runs[0] == 3, "another shape"
    g(2.0)
    g(3.0)
    assert runs[0] == 4, "a weak scalar, twice"
    assert g(np.float32(2)).dtype == np.float32
    assert runs[0] == 5
    g.clear_cache()
    g(X)
    assert runs[0] == 6


def test_equal_static_values_are_told_apart() -> None:
    side = graphad.jit(lambda x, n: x * np.copysign(1.0, n), static_argnums=1)
    assert [float(side(1.0, n)) for n in (0.0, -0.0, 0.0)] == [1.0, -1.0, 1.0]
    kind = graphad.jit(lambda x, n: x * len(type(n[0]).__name__), static_argnums=1)
    assert [float(kind(1.0, n)) for n in ((1,), (True,), (1.0,))] == [3.0, 4.0, 5.0]


def test_jit_tells_trees_and_static_values_apart(counted: tuple[Any, list[int]]) -> None:
    f, runs = counted
    g = graphad.jit(f, static_argnums=1)
    np.testing.assert_allclose(g(X, 2), 2 * X)
    np.testing.assert_allclose(g(X, 3), 3 * X)
    np.testing.assert_allclose(g(X, 2), 2 * X)
    assert runs[0] == 2
    assert g(X, 2.0).dtype == np.float64
    assert runs[0] == 3, "2 and 2.0 are equal and of different types"


def test_jit_as_a_decorator() -> None:
    @graphad.jit
    def f(x: Any) -> Any:
        """Doc of f."""
        return x + 1

    @graphad.jit(static_argnums=(0,))
    def g(n: int, x: Any) -> Any:
        return x * n if n > 2 else x

    assert f(1.0) == 2.0
    assert (f.__name__, f.__doc__) == ("f", "Doc of f.")
    assert (g(3, 2.0), g(1, 2.0)) == (6.0, 2.0)


def test_jit_keeps_stages(executor: str) -> None:
    compiled = graphad.jit(lambda x: np.sin(x) + np.sin(x), executor=executor).compile(X)
    assert compiled.stages[0].name == "trace"
    assert compiled.stages[-1].name == f"compile[{executor}]"
    assert [n.op.name for n in compiled.stages[0].graph.nodes].count("sin") == 2
    assert all(stage.seconds >= 0 for stage in compiled.stages)
    np.testing.assert_allclose(compiled(X)[0], 2 * np.sin(X))
    assert "sin" in compiled.source()


def test_the_default_executor_is_part_of_the_cache(executor: str) -> None:
    g = graphad.jit(lambda x: x * 2)
    np.testing.assert_allclose(g(X), 2 * X)
    np.testing.assert_allclose(g(X), 2 * X)


def test_jitted_methods_and_closures() -> None:
    class Scaler:
        def __init__(self, scale: float) -> None:
            self.scale = scale

        @graphad.jit
        def unbound(x: Any) -> Any:
            return 2 * x

        def call(self, x: Any) -> Any:
            return graphad.jit(lambda x: self.scale * x)(x)

    assert Scaler.unbound(3.0) == 6.0
    assert Scaler(4.0).call(3.0) == 12.0


def test_python_control_flow_on_values() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        while total < 10:
            total = total + x * x
        return total if x > 2 else -total

    assert graphad.grad(f)(3.0) == 12.0
    assert graphad.grad(f)(2.0) == -12.0
    assert graphad.jvp(f, (3.0,), (1.0,))[1] == 12.0
    assert graphad.vjp(f, 3.0)[1](1.0)[0] == 12.0
    assert graphad.jacfwd(f)(3.0) == 12.0
    assert graphad.grad(graphad.grad(f))(3.0) == 4.0


def test_conversions_of_known_values() -> None:
    def f(x: Any) -> Any:
        n = int(x)
        return x * n + float(x) * 0 + [1.0, 2.0, 3.0][int(np.floor(x))]

    assert graphad.grad(f)(2.5) == 2.0

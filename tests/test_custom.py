"""Derivatives of the user's own making, and calls back into Python."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad
from graphad.errors import MissingRuleError, TypeMismatchError


@graphad.custom_jvp
def softplus(x: Any) -> Any:
    return np.log(1 + np.exp(x))


@softplus.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return softplus(x), t * (1 - 1 / (1 + np.exp(x)))


@graphad.custom_vjp
def scaled_sine(x: Any, y: Any) -> Any:
    return np.sin(x) * y


scaled_sine.defvjp(
    lambda x, y: (scaled_sine(x, y), (np.cos(x), np.sin(x), y)),
    lambda residuals, ct: (residuals[0] * ct * residuals[2], residuals[1] * ct),
)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def test_custom_jvp_replaces_the_derivative_at_every_order(executor: str) -> None:
    assert np.isclose(graphad.jit(softplus, executor=executor)(1.0), np.log(1 + np.e))
    first = graphad.jit(graphad.grad(softplus), executor=executor)
    assert first(1000.0) == 1.0  # the plain derivative, exp(x) / (1 + exp(x)), is not a number here
    second = graphad.jit(graphad.grad(graphad.grad(softplus)), executor=executor)
    assert np.isclose(second(1.0), sigmoid(1.0) * (1 - sigmoid(1.0)))
    assert np.isclose(graphad.jvp(softplus, (1.0,), (2.0,))[1], 2 * sigmoid(1.0))


def test_custom_jvp_under_vmap() -> None:
    x = np.array([-1.0, 0.0, 1000.0])
    assert np.allclose(graphad.vmap(graphad.grad(softplus))(x), [sigmoid(-1.0), 0.5, 1.0])
    assert np.allclose(graphad.grad(lambda x: graphad.vmap(softplus)(x) @ np.ones(3))(x), [sigmoid(-1.0), 0.5, 1.0])


def test_defjvps_sums_the_terms() -> None:
    @graphad.custom_jvp
    def product(x: Any, y: Any) -> Any:
        return x * y

    product.defjvps(lambda t, out, x, y: t * y, lambda t, out, x, y: 10 * t * x)
    assert graphad.grad(product, argnums=(0, 1))(2.0, 3.0) == (3.0, 20.0)
    product.defjvps(lambda t, out, x, y: t * y, None)
    assert graphad.grad(product, argnums=(0, 1))(2.0, 3.0) == (3.0, 0.0)


def test_nondiff_argnums_reach_the_rule_first() -> None:
    def power(n: int, x: Any) -> Any:
        return x**n

    wrapped = graphad.custom_jvp(power, nondiff_argnums=(0,))
    wrapped.defjvp(lambda n, primals, tangents: (wrapped(n, *primals), 100.0 * n * tangents[0]))
    assert graphad.grad(lambda x: wrapped(3, x))(2.0) == 300.0

    reverse = graphad.custom_vjp(power, nondiff_argnums=(0,))
    reverse.defvjp(lambda n, x: (x**n, x), lambda n, x, ct: (7.0 * n * ct,))
    assert graphad.grad(lambda x: reverse(3, x))(2.0) == 21.0


def test_custom_vjp(executor: str) -> None:
    gradient = graphad.jit(graphad.grad(scaled_sine, argnums=(0, 1)), executor=executor)
    assert np.allclose(gradient(1.0, 2.0), (2 * np.cos(1.0), np.sin(1.0)))
    batched = graphad.vmap(graphad.grad(scaled_sine, argnums=(0, 1)), in_axes=(0, None))
    x = np.array([1.0, 2.0])
    assert np.allclose(batched(x, 2.0), (2 * np.cos(x), np.sin(x)))
    shared = graphad.grad(lambda y: np.sum(graphad.vmap(scaled_sine, in_axes=(0, None))(x, y)))
    assert np.isclose(shared(2.0), np.sum(np.sin(x)))


def test_custom_vjp_twice() -> None:
    assert np.isclose(graphad.grad(graphad.grad(scaled_sine))(1.0, 2.0), -2 * np.sin(1.0))


def test_custom_vjp_refuses_forward_mode() -> None:
    with pytest.raises(MissingRuleError, match="reverse-mode derivatives only"):
        graphad.jvp(scaled_sine, (1.0, 2.0), (1.0, 0.0))
    with pytest.raises(MissingRuleError, match="custom_jvp"):
        graphad.hessian(scaled_sine)(1.0, 2.0)


def test_trees_pass_through_custom_rules() -> None:
    class Point(NamedTuple):
        x: Any
        y: Any

    @graphad.custom_vjp
    def norm(p: Any) -> Any:
        return {"norm": np.sqrt(p.x**2 + p.y**2)}

    norm.defvjp(lambda p: (norm(p), p), lambda p, ct: (Point(ct["norm"] * 5.0, ct["norm"] * p.y),))
    gradient = graphad.grad(lambda p: norm(p)["norm"])(Point(3.0, 4.0))
    assert gradient == Point(5.0, 4.0)


def test_a_function_may_close_over_values_that_are_not_differentiated() -> None:
    def outer(x: Any, scale: Any) -> Any:
        @graphad.custom_jvp
        def f(y: Any) -> Any:
            return y * scale

        f.defjvp(lambda primals, tangents: (primals[0], 3.0 * tangents[0]))
        return f(x)

    assert graphad.grad(outer)(2.0, 5.0) == 3.0
    with pytest.raises(MissingRuleError, match="pass it as an argument"):
        graphad.grad(outer, argnums=1)(2.0, 5.0)


def test_wrong_rules_are_refused() -> None:
    @graphad.custom_jvp
    def f(x: Any) -> Any:
        return x * 2

    with pytest.raises(MissingRuleError, match=r"f\.defjvp"):
        graphad.grad(f)(1.0)
    f.defjvp(lambda primals, tangents: tangents[0])
    with pytest.raises(TypeMismatchError, match="must return"):
        graphad.grad(f)(1.0)
    f.defjvp(lambda primals, tangents: (primals[0], np.ones(3) * tangents[0]))
    with pytest.raises(TypeMismatchError, match=r"f64\[3\]"):
        graphad.grad(f)(1.0)

    @graphad.custom_vjp
    def g(x: Any) -> Any:
        return x * 2

    g.defvjp(lambda x: (x * 2, None), lambda residuals, ct: ct)
    with pytest.raises(TypeMismatchError, match="tuple of 1"):
        graphad.grad(g)(1.0)


def test_stop_gradient() -> None:
    assert graphad.grad(lambda x: graphad.stop_gradient(x) * x)(3.0) == 3.0
    assert graphad.grad(lambda d: graphad.stop_gradient(d)["a"] * d["b"])({"a": 2.0, "b": 3.0}) == {"a": 0.0, "b": 2.0}


def test_pure_callback(executor: str) -> None:
    calls: list[Any] = []

    def host(x: Any) -> Any:
        calls.append(x.shape)
        return np.sort(x)[::-1]

    def f(x: Any) -> Any:
        return 2.0 * graphad.pure_callback(host, graphad.ShapeDtype(x.shape, x.dtype), x) + 1.0

    x = np.array([1.0, 3.0, 2.0])
    assert np.allclose(graphad.jit(f, executor=executor)(x), [7.0, 5.0, 3.0])
    assert calls == [(3,)]
    assert np.allclose(graphad.vmap(f)(np.stack([x, -x])), [[7.0, 5.0, 3.0], [-1.0, -3.0, -5.0]])
    with pytest.raises(MissingRuleError, match="custom_jvp"):
        graphad.grad(lambda x: np.sum(f(x)))(x)


def test_pure_callback_checks_what_comes_back(executor: str) -> None:
    def wrong(x: Any) -> Any:
        return np.zeros(2)

    f = graphad.jit(lambda x: graphad.pure_callback(wrong, graphad.ShapeDtype((3,)), x) * 1.0, executor=executor)
    with pytest.raises(TypeMismatchError, match="wrong returned"):
        f(np.ones(3))


def test_pure_callback_with_a_rule() -> None:
    @graphad.custom_jvp
    def sine(x: Any) -> Any:
        return graphad.pure_callback(np.sin, graphad.ShapeDtype(x.shape, x.dtype), x, vectorized=True)

    sine.defjvp(lambda primals, tangents: (sine(*primals), np.cos(primals[0]) * tangents[0]))
    x = np.linspace(0, 1, 4)
    assert np.allclose(graphad.jacfwd(sine)(x), np.diag(np.cos(x)))
    assert np.allclose(graphad.vmap(graphad.grad(sine))(x), np.cos(x))

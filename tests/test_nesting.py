"""Transformations nest in any order and to any depth, and never confuse the perturbations of one with another's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad
from graphad import grad, jacfwd, jacrev, jit, jvp, linearize, vjp, vmap

X = np.array([0.5, -1.0, 2.0])


def diff_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    return grad(f)


def diff_jvp(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: jvp(f, (x,), (1.0 + 0 * x,))[1]


def diff_vjp(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: vjp(f, x)[1](1.0)[0]


def diff_linearize(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: linearize(f, x)[1](1.0)


def diff_vmapped(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: vmap(grad(f))(np.stack([x, x]))[1]


def diff_jitted(f: Callable[..., Any]) -> Callable[..., Any]:
    return jit(grad(jit(f)))


DIFFS = {
    "grad": diff_grad, "jvp": diff_jvp, "vjp": diff_vjp, "linearize": diff_linearize, "jacfwd": jacfwd,
    "jacrev": jacrev, "vmap": diff_vmapped, "jit": diff_jitted,
}  # fmt: skip


@pytest.mark.parametrize("names", list(itertools.product(DIFFS, repeat=2)), ids="-".join)
def test_second_derivative_by_every_pair(names: tuple[str, str]) -> None:
    outer, inner = (DIFFS[n] for n in names)
    f = lambda x: np.sin(x) * x
    assert outer(inner(f))(0.7) == pytest.approx(2 * np.cos(0.7) - 0.7 * np.sin(0.7))


@pytest.mark.parametrize("names", list(itertools.product(["grad", "jvp", "jit", "vmap"], repeat=3)), ids="-".join)
def test_third_derivative_by_every_triple(names: tuple[str, ...]) -> None:
    f = lambda x: np.exp(2 * x) + x**4
    for name in reversed(names):
        f = DIFFS[name](f)
    assert f(0.3) == pytest.approx(8 * np.exp(0.6) + 24 * 0.3)


def test_fifth_derivative() -> None:
    f: Callable[..., Any] = np.sin
    for _ in range(5):
        f = grad(f)
    assert f(0.4) == pytest.approx(np.cos(0.4))


@pytest.mark.parametrize("names", list(itertools.product(DIFFS, repeat=2)), ids="-".join)
def test_perturbations_are_not_confused(names: tuple[str, str]) -> None:
    """d/dx (x d/dy (x + y)) is 1; an implementation that mixes the two perturbations says 2.

    Siskind and Pearlmutter, "Perturbation confusion and referential transparency" (2005).
    """
    outer, inner = (DIFFS[n] for n in names)
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("names", list(itertools.product(DIFFS, repeat=2)), ids="-".join)
def test_the_inner_function_uses_both_variables(names: tuple[str, str]) -> None:
    """d/dx (x d/dy (x y^2) at y = x) is d/dx (2 x^3)."""
    outer, inner = (DIFFS[n] for n in names)
    assert outer(lambda x: x * inner(lambda y: x * y * y)(x))(3.0) == pytest.approx(54.0)


@pytest.mark.parametrize("name", DIFFS)
def test_the_inner_point_is_the_outer_variable(name: str) -> None:
    diff = DIFFS[name]
    assert diff(lambda x: diff(lambda y: x * y)(x) * x)(2.0) == pytest.approx(4.0)
    assert diff(lambda x: diff(lambda y: y * y * y)(x))(2.0) == pytest.approx(12.0)
    assert diff(lambda x: diff(lambda y: x * 1.0)(x) + x)(2.0) == pytest.approx(1.0)


@pytest.mark.parametrize("name", DIFFS)
def test_three_levels_read_each_other(name: str) -> None:
    """d/dx of d/dy of d/dz (x y z^2) at z = y, y = x."""
    diff = DIFFS[name]
    f = lambda x: diff(lambda y: diff(lambda z: x * y * z * z)(y))(x)
    assert f(2.0) == pytest.approx(4 * 2.0 * 2.0)
    assert diff(f)(2.0) == pytest.approx(16.0)


def test_a_derivative_that_escapes_as_a_function() -> None:
    """The second "amazing bug": a derivative operator that returns a function, applied to itself.

    Manzyuk, Pearlmutter, Radul, Rush and Siskind, "Perturbation confusion in forward automatic differentiation of
    higher-order functions" (2019): with s(u)(f)(x) = f(x + u), D(s)(0) is the derivative operator.
    """

    def derivative_of_shift(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: jvp(lambda u: f(x + u), (0.0,), (1.0,))[1]

    h = lambda x: np.exp(2 * x)
    assert derivative_of_shift(derivative_of_shift(h))(0.3) == pytest.approx(4 * np.exp(0.6))


def test_inner_derivatives_of_captured_functions() -> None:
    def f(x: Any) -> Any:
        g = grad(lambda y: np.sin(x * y))
        return g(1.0) + g(2.0)

    x = 0.6
    expected = sum(np.cos(x * y) - x * y * np.sin(x * y) for y in (1.0, 2.0))
    for diff in (grad, diff_jvp, jacfwd, diff_jitted):
        assert diff(f)(x) == pytest.approx(expected)


def test_hessian_in_every_order() -> None:
    f = lambda x: np.sum(np.sin(x)) * x[0] * x[2]
    expected = jacfwd(jacfwd(f))(X)
    np.testing.assert_allclose(expected, expected.T)
    for outer, inner in itertools.product([jacfwd, jacrev], repeat=2):
        np.testing.assert_allclose(outer(inner(f))(X), expected, rtol=1e-12)
        np.testing.assert_allclose(jit(outer(jit(inner(f))))(X), expected, rtol=1e-12)
    np.testing.assert_allclose(graphad.hessian(f)(X), expected, rtol=1e-12)
    np.testing.assert_allclose(vmap(graphad.hessian(f))(np.stack([X, X]))[1], expected, rtol=1e-12)


def test_vmap_of_grad_of_jit_and_jit_of_vmap_of_jacrev() -> None:
    f = lambda w, x: np.tanh(np.sum(w * x))
    batch = np.stack([X, 2 * X, -X])
    rows = np.stack([grad(f)(X, x) for x in batch])
    np.testing.assert_allclose(vmap(grad(jit(f)), in_axes=(None, 0))(X, batch), rows)
    np.testing.assert_allclose(jit(vmap(jacrev(f), in_axes=(None, 0)))(X, batch), rows)
    np.testing.assert_allclose(jit(vmap(jacfwd(jit(f)), (None, 0)))(X, batch), rows)
    np.testing.assert_allclose(jacrev(vmap(f, (None, 0)))(X, batch), rows)


def test_vmap_of_vmap() -> None:
    outer = vmap(vmap(lambda x, y: x * y + 1, (None, 0)), (0, None))
    np.testing.assert_allclose(outer(X, X), np.multiply.outer(X, X) + 1)
    np.testing.assert_allclose(jit(outer)(X, X), np.multiply.outer(X, X) + 1)
    total = lambda x: np.sum(outer(x, X))
    np.testing.assert_allclose(grad(total)(X), np.full(3, np.sum(X)))


def test_derivatives_within_vmap_of_captured_values() -> None:
    def loss(scale: Any) -> Any:
        return np.sum(vmap(lambda x: grad(lambda y: scale * scale * y**3)(x))(X))

    assert grad(loss)(2.0) == pytest.approx(np.sum(2 * 2.0 * 3 * X**2))


def test_transformations_on_every_executor(executor: str) -> None:
    f = lambda x: np.sum(np.sin(x) ** 2) / (1 + x[0] ** 2)
    expected = grad(f)(X)
    np.testing.assert_allclose(jit(grad(f))(X), expected, rtol=1e-12)
    np.testing.assert_allclose(jit(grad(f), executor=executor)(X), expected, rtol=1e-12)
    np.testing.assert_allclose(jit(vmap(grad(f)))(np.stack([X, X]))[1], expected, rtol=1e-12)
    np.testing.assert_allclose(jit(graphad.hessian(f))(X), graphad.hessian(f)(X), rtol=1e-10)
    value, gradient = jit(graphad.value_and_grad(f))(X.astype("float32"))
    assert value.dtype == gradient.dtype == np.float32

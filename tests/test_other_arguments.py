"""Arguments that are not differentiated may be of any type; those that are must be of floating point."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import TypeMismatchError
from graphad.testing import check_grads

HERE = Path(__file__).name


def powered(x: Any, mode: str = "square", *, module: ModuleType = np, flag: Any = None, scale: Any = 1.0) -> Any:
    assert mode.startswith("sq")
    assert flag is None or flag is True
    return module.sin(x) ** 2 * scale if mode == "square" else np.sqrt(x)


TRANSFORMATIONS: dict[str, Callable[..., Any]] = {
    "grad": graphad.grad,
    "value_and_grad": lambda f: lambda *a, **k: graphad.value_and_grad(f)(*a, **k)[1],
    "jacfwd": graphad.jacfwd,
    "jacrev": graphad.jacrev,
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_other_arguments_are_passed_as_they_are(name: str) -> None:
    gradient = TRANSFORMATIONS[name](powered)
    assert gradient(0.5, "square") == pytest.approx(math.sin(1.0))
    assert gradient(0.5, "square", module=math) == pytest.approx(math.sin(1.0))
    assert gradient(0.5, mode="sqrt", flag=True) == pytest.approx(0.5 / math.sqrt(0.5))
    assert gradient(0.5, scale=np.array(3.0), flag=None) == pytest.approx(3.0 * math.sin(1.0))


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_objects_and_functions_keep_their_identity(name: str) -> None:
    seen = []

    def f(x: Any, config: Any, fun: Any, table: Any) -> Any:
        seen.append((config, table["text"], table["records"]))
        return fun(x) * config.scale * table["weight"]

    config = SimpleNamespace(scale=2.0)
    records = np.array([("a", 1)], [("name", "U1"), ("n", int)])
    found = TRANSFORMATIONS[name](f)(0.5, config, np.sin, {"text": "t", "records": records, "weight": 3.0})
    assert found == pytest.approx(6.0 * math.cos(0.5))
    assert all(c is config and text == "t" and r is records for c, text, r in seen)


def test_hessian_and_aux() -> None:
    f = lambda x, mode: (x**3 if mode == "cube" else x, mode)
    assert graphad.hessian(lambda *a: f(*a)[0])(2.0, "cube") == 12.0
    gradient, aux = graphad.grad(lambda x, mode: (x**3, {"x": 2 * x, "n": len(mode)}), has_aux=True)(2.0, "cube")
    assert (gradient, aux["x"], aux["n"]) == (12.0, 4.0, 4)
    under_jit = graphad.jit(lambda x: graphad.grad(lambda *a: f(*a)[0])(x, "cube"))
    assert under_jit(2.0) == 12.0
    np.testing.assert_array_equal(graphad.vmap(lambda x: graphad.grad(lambda *a: f(*a)[0])(x, "cube"))(X), 3 * X**2)


X = np.array([1.0, 2.0, 3.0])


def test_check_grads_differentiates_what_is_floating() -> None:
    check_grads(lambda x, mode, n: np.sin(x) ** n if mode == "sin" else x, (0.5, "sin", 2))
    check_grads(lambda p, i: p["w"][i] * p["n"], ({"w": X, "n": 2}, 1))
    with pytest.raises(TypeMismatchError, match="no argument is of floating point"):
        check_grads(lambda n: n, (2,))


def test_messages_name_options_that_there_are() -> None:
    for name in ("static_argnums", "static_argnames"):
        with pytest.raises(TypeMismatchError) as caught:
            graphad.grad(lambda mode: mode)("square")
        assert name not in str(caught.value)
        with pytest.raises(TypeMismatchError, match=rf"argument mode: 'square'.*{HERE}.*{name}"):
            graphad.jit(lambda x, mode: x)(1.0, "square")
    with pytest.raises(TypeMismatchError, match=rf"grad: argument mode: 'square'.*{HERE}.*other argnums"):
        graphad.grad(lambda mode: mode)("square")


INTEGERS = [3, True, np.arange(3), np.array([True, False]), np.int32(2)]
REFUSING: dict[str, Callable[[Any], Any]] = {
    "jvp": lambda n: graphad.jvp(lambda x, n: x * np.sum(n), (1.0, n), (1.0, n)),
    "vjp": lambda n: graphad.vjp(lambda x, n: x * np.sum(n), 1.0, n),
    "linearize": lambda n: graphad.linearize(lambda x, n: x * np.sum(n), 1.0, n),
    "hvp": lambda n: graphad.hvp(lambda x, n: x * np.sum(n), (1.0, n), (1.0, n)),
    "grad": lambda n: graphad.grad(lambda x, n: x * np.sum(n), (0, 1))(1.0, n),
    "jacfwd": lambda n: graphad.jacfwd(lambda x, n: x * np.sum(n), 1)(1.0, n),
    "jacrev": lambda n: graphad.jacrev(lambda x, n: x * np.sum(n), 1)(1.0, n),
    "hessian": lambda n: graphad.hessian(lambda x, n: x * np.sum(n), 1)(1.0, n),
}


@pytest.mark.parametrize("value", INTEGERS, ids=str)
@pytest.mark.parametrize("name", REFUSING)
def test_integers_have_no_derivative(name: str, value: Any) -> None:
    for run in (lambda: REFUSING[name](value), lambda: graphad.jit(lambda n: REFUSING[name](n))(value)):
        with pytest.raises(TypeMismatchError, match=rf"argument n is (i|b).*{HERE}.*pass a float .*(close|argnums)"):
            run()


def test_integers_in_trees_are_named() -> None:
    f = lambda p: p["w"] * p["n"]
    for run in (lambda p: graphad.jvp(f, (p,), (p,)), lambda p: graphad.vjp(f, p), lambda p: graphad.jacrev(f)(p)):
        with pytest.raises(TypeMismatchError, match=r"argument p\['n'\] is i64"):
            run({"w": 1.0, "n": 2})


def test_what_argnums_may_be() -> None:
    f = lambda x, y: x * y
    assert graphad.grad(f, np.int64(1))(2.0, 3.0) == 2.0
    assert graphad.grad(f, [0, -1])(2.0, 3.0) == (3.0, 2.0)
    for transform in (graphad.grad, graphad.value_and_grad, graphad.jacfwd, graphad.jacrev, graphad.hessian):
        for argnums in ("x", None, 1.0, ("x",)):
            with pytest.raises(TypeMismatchError, match=rf"argnums=.* is no position.*{HERE}"):
                transform(f, argnums)(2.0, 3.0)
        with pytest.raises(TypeMismatchError, match=rf"names an argument twice.*{HERE}"):
            transform(f, (0, -2))(2.0, 3.0)
        with pytest.raises(TypeMismatchError, match=rf"'f' \(str\) is not a function.*{HERE}"):
            transform("f")

"""Misuse gets an error that says what is wrong, where in the user's own code, and what to do instead."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import GraphadError, MissingRuleError, ShapeError, TracerError, TypeMismatchError

X = np.array([0.5, -1.0, 2.0])
HERE = Path(__file__).name


def test_every_error_is_of_the_kind_that_python_would_raise() -> None:
    assert issubclass(TypeMismatchError, TypeError)
    assert issubclass(ShapeError, ValueError)
    assert issubclass(TracerError, TypeError)
    assert issubclass(MissingRuleError, NotImplementedError)
    assert all(issubclass(e, GraphadError) for e in (TypeMismatchError, ShapeError, TracerError, MissingRuleError))


def test_every_error_and_the_debugging_functions_are_public() -> None:
    for name, cls in vars(graphad.errors).items():
        if isinstance(cls, type) and issubclass(cls, GraphadError):
            assert getattr(graphad, name) is cls
            assert name in graphad.__all__
    assert importlib.import_module("graphad.debug") is graphad.debug


@pytest.mark.parametrize("value", [3, np.arange(3), True], ids=["int", "int array", "bool"])
def test_grad_of_an_argument_that_is_not_floating(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"grad: argument count is .*{HERE}.*pass a float .* or choose other argnums"):
        graphad.grad(lambda count: np.sum(count * 2.0))(value)


def test_grad_names_the_leaf_of_a_tree() -> None:
    with pytest.raises(TypeError, match=r"argument params\['n'\] is i64\[\]"):
        graphad.grad(lambda params: params["w"] * params["n"])({"w": 1.0, "n": 2})


def test_grad_of_a_vector_result() -> None:
    def doubled(x: Any) -> Any:
        return 2 * x

    with pytest.raises(TypeError, match=rf"doubled returns f64\[3\], not a scalar.*{HERE}.*jacrev"):
        graphad.grad(doubled)(X)


def test_grad_of_a_tree_result() -> None:
    with pytest.raises(TypeError, match=r"not one scalar.*jacrev"):
        graphad.grad(lambda x: (x, x))(1.0)


def test_grad_of_an_integer_or_complex_result() -> None:
    with pytest.raises(TypeError, match=r"returns bool\[\], not a real floating-point scalar"):
        graphad.grad(lambda x: x > 1)(1.0)
    with pytest.raises(TypeError, match=r"returns c128\[\].*holomorphic=True"):
        graphad.grad(lambda z: z * z)(1.0 + 2.0j)
    with pytest.raises(TypeError, match=r"holomorphic=True needs complex arguments"):
        graphad.grad(lambda x: x * x, holomorphic=True)(1.0)


def test_argnums_out_of_range() -> None:
    for transformation in (graphad.grad, graphad.jacfwd, graphad.jacrev, graphad.value_and_grad):
        with pytest.raises(TypeError, match=r"argnums=2, but .* 1 positional argument"):
            transformation(lambda x: x, argnums=2)(1.0)


def test_aux_must_be_a_pair() -> None:
    with pytest.raises(TypeError, match=r"has_aux=True.*must return \(loss, aux\)"):
        graphad.grad(lambda x: x, has_aux=True)(1.0)
    with pytest.raises(TypeError, match=r"has_aux=True.*must return \(out, aux\)"):
        graphad.vjp(lambda x: x, 1.0, has_aux=True)
    with pytest.raises(TypeError, match=r"has_aux=True.*must return \(out, aux\)"):
        graphad.jvp(lambda x: x, (1.0,), (1.0,), has_aux=True)


def test_tangents_of_the_wrong_shape_dtype_structure_or_number() -> None:
    with pytest.raises(ShapeError, match=rf"jvp: tangents\[0\] is f64\[2\], and should be f64\[3\].*{HERE}"):
        graphad.jvp(np.sin, (X,), (X[:2],))
    with pytest.raises(TypeError, match=r"tangents\[0\] is c128\[3\], and should be f64\[3\]"):
        graphad.jvp(np.sin, (X,), (X + 1j,))
    with pytest.raises(TypeError, match=r"tangents\[0\] has the structure"):
        graphad.jvp(lambda p: p["a"], ({"a": X},), ([X],))
    with pytest.raises(TypeError, match=r"1 given for 2 primals"):
        graphad.jvp(np.add, (X, X), (X,))
    _, f_jvp = graphad.linearize(np.sin, X)
    with pytest.raises(ShapeError, match=r"linearize: tangents\[0\] is f64\[2\]"):
        f_jvp(X[:2])


def test_cotangents_of_the_wrong_shape_or_structure() -> None:
    _, pullback = graphad.vjp(np.sin, X)
    with pytest.raises(ShapeError, match=rf"vjp: the cotangent is f64\[2\], and should be f64\[3\].*{HERE}"):
        pullback(X[:2])
    with pytest.raises(TypeError, match=r"vjp: the cotangent has the structure"):
        pullback((X,))


def test_linear_transpose_of_what_is_not_linear() -> None:
    with pytest.raises(MissingRuleError, match=rf"sin is not linear.*{HERE}"):
        graphad.linear_transpose(np.sin, X)(X)


def test_vmap_axes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=rf"different extents: f64\[3\] over axis 0, f64\[2\] over axis 0.*{HERE}"):
        graphad.vmap(np.add)(X, X[:2])
    with pytest.raises(ValueError, match=r"f64\[3\], which has no axis 1"):
        graphad.vmap(np.sin, in_axes=1)(X)
    with pytest.raises(ValueError, match=r"f64\[\], which has no axis 0"):
        graphad.vmap(np.add)(X, 1.0)
    with pytest.raises(TypeError, match=r"in_axes has 3 entries for 2 arguments"):
        graphad.vmap(np.add, in_axes=(0, 0, 0))(X, X)
    with pytest.raises(TypeError, match=r"no argument is mapped"):
        graphad.vmap(np.sin, in_axes=None)(X)
    with pytest.raises(TypeError, match=r"in_axes: .* does not match the structure"):
        graphad.vmap(lambda p: p["a"], in_axes=({"b": 0},))({"a": X})
    with pytest.raises(TypeError, match=r"out_axes is None for result 0, which depends on a mapped argument"):
        graphad.vmap(np.sin, out_axes=None)(X)


def test_static_arguments_must_be_hashable() -> None:
    with pytest.raises(TypeError, match=rf"static_argnums: argument 1 is a list.*hashed.*{HERE}.*use a tuple"):
        graphad.jit(lambda x, sizes: x * sizes[0], static_argnums=1)(X, [1, 2])


@pytest.mark.parametrize("transformation", [graphad.jit, graphad.trace, graphad.vmap], ids=lambda t: t.__name__)
def test_branching_on_a_value_that_is_not_known(transformation: Any) -> None:
    def f(x: Any) -> Any:
        return x if np.sum(x) > 0 else -x

    with pytest.raises(TypeError, match=rf"bool\(\) needs the value of a traced bool\[\].*{HERE}.*numpy.where"):
        transformation(f, control_flow=False)(np.stack([X, X]))


def test_grad_of_a_jitted_branch() -> None:
    with pytest.raises(TracerError, match=HERE):
        graphad.grad(graphad.jit(lambda x: x if x > 0 else -x, control_flow=False))(1.0)


def test_a_leaked_tracer() -> None:
    kept: list[Any] = []
    with pytest.raises(TracerError, match=rf"a list holds a traced f64\[3\] when its fun.*{HERE}.*result"):
        graphad.jit(lambda x: kept.append(x * 2) or x)(X)
    assert kept == []
    graphad.jit(lambda x: kept.append(x * 2) or x, control_flow=False)(X)
    with pytest.raises(TracerError, match=rf"f64\[3\] outlived its trace.*{HERE}.*return it"):
        _ = kept[0] + 1
    with pytest.raises(TracerError, match=r"outlived its trace"):
        graphad.grad(lambda y: np.sum(y * kept[0]))(X)


def test_conversions_that_lose_the_trace() -> None:
    with pytest.raises(TracerError, match=rf"traced f64\[3\] cannot become a NumPy array.*{HERE}.*numpy.stack"):
        graphad.jit(lambda x: np.asarray(x, dtype=float), control_flow=False)(X)
    with pytest.raises(TracerError, match=r"float\(\) needs the value"):
        graphad.jit(lambda x: float(x), control_flow=False)(1.0)
    with pytest.raises(TracerError, match=r"range"):
        graphad.jit(lambda n: [0.0 for _ in range(n)], control_flow=False)(3)


def test_functions_that_cannot_be_traced() -> None:
    foreign = np.frompyfunc(pow, 2, 1)
    with pytest.raises(NotImplementedError, match=rf"outer .*pow .* cannot be traced .*f64\[3\].*{HERE}.*pure_"):
        graphad.grad(lambda x: np.sum(foreign.outer(x, x)))(X)


def test_arguments_that_are_not_arrays() -> None:
    with pytest.raises(TypeError, match=rf"'text' .str. is not an array or a number.*{HERE}.*static_argnums"):
        graphad.jit(lambda s: s)("text")
    with pytest.raises(TypeError, match=rf"type object is not an array or a number.*{HERE}.*register.*static_argnums"):
        graphad.jit(lambda s: s)(object())


def test_shape_errors_name_op_types_and_line() -> None:
    def f(x: Any) -> Any:
        return x * np.ones(4)

    line = f.__code__.co_firstlineno + 1
    with pytest.raises(ShapeError, match=rf"multiply: f64\[3\] and f64\[4\] do not broadcast .{HERE}:{line}: return"):
        graphad.trace(f)(X)


def test_unknown_executors_passes_and_options() -> None:
    with pytest.raises(graphad.errors.ExecutorError, match=rf"is named 'nonsense'.*{HERE}.*; there are .*numpy"):
        graphad.jit(lambda x: x, executor="nonsense")(1.0)
    with pytest.raises(graphad.errors.PipelineError, match=r"no pass is named nonsense; there are .*cse"):
        graphad.compile(graphad.trace(np.sin)(1.0), "nonsense")
    with pytest.raises(graphad.errors.PipelineError, match=r"grad has no option deep; it has wrt"):
        graphad.compile(graphad.trace(np.sin)(1.0), "grad(deep=1)")
    with pytest.raises(graphad.errors.PipelineError, match=r"must be Python literals"):
        graphad.compile(graphad.trace(np.sin)(1.0), "grad(wrt=open)")

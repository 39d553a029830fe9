"""What is more than its numbers (masks, units, labels, matrices) is refused with the remedy, wherever it comes in."""

from __future__ import annotations

import array
import fractions
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import graphad
from graphad.errors import GraphadError, TracerError, TypeMismatchError

X = np.array([0.5, 1.5, 2.5])


class Tagged(np.ndarray):
    """An array of one's own class."""


class Readable:
    """An object that NumPy reads as an array and that has no say in NumPy's functions."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([1.0, 2.0, 3.0], dtype)


class Opinionated(Readable):
    """One that has."""

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        return NotImplemented


def pint() -> Any:
    return pytest.importorskip("pint").UnitRegistry().Quantity(X, "km")


def astropy() -> Any:
    return X * pytest.importorskip("astropy.units").km


def pandas(name: str) -> Callable[[], Any]:
    def make() -> Any:
        module = pytest.importorskip("pandas")
        return {
            "series": lambda: module.Series(X, index=[2, 1, 0]),
            "frame": lambda: module.DataFrame([X], columns=["a", "b", "c"]),
            "index": lambda: module.Index(X),
            "nullable": lambda: module.array([1.0, None, 2.0], dtype="Float64"),
        }[name]()

    return make


RECORDS = np.array([(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)], [("a", float), ("b", float)])
FOREIGN: dict[str, tuple[Callable[[], Any], str]] = {
    "masked": (lambda: np.ma.array(X, mask=[0, 1, 0]), r"mask would be dropped; pass x\.filled"),
    "matrix": (lambda: np.matrix([X, X, X]), r"matrix product; pass numpy\.asarray"),
    "pint": (pint, r"unit would be dropped; pass q\.magnitude"),
    "astropy": (astropy, r"unit would be dropped; pass q\.value"),
    "series": (pandas("series"), r"pandas\.Series .* pass x\.to_numpy"),
    "frame": (pandas("frame"), r"pass x\.to_numpy"),
    "index": (pandas("index"), r"pass x\.to_numpy"),
    "nullable": (pandas("nullable"), r"pass x\.to_numpy"),
    "xarray": (lambda: pytest.importorskip("xarray").DataArray(X, dims="t"), r"pass x\.to_numpy"),
    "sparse": (lambda: scipy.sparse.csr_array(np.eye(3)), r"the products a @ x and x @ a"),
    "tagged": (lambda: X.view(Tagged), r"test_foreign_arrays\.Tagged .* pass numpy\.asarray"),
    "opinionated": (Opinionated, r"pass numpy\.asarray"),
    "recarray": (lambda: RECORDS.view(np.recarray), r"pass numpy\.asarray"),
    "structured": (lambda: RECORDS, r"structured array; pass its fields"),
    "objects": (lambda: X.astype(object), r"Python objects; .* astype\(float\)"),
    "dates": (lambda: np.array(["2020-01-01"] * 3, "M8[D]"), r"dates; pass numbers"),
    "durations": (lambda: np.array([1, 2, 3], "m8[s]"), r"durations; pass numbers"),
    "text": (lambda: np.array(["a", "b", "c"]), r"text; pass numbers"),
    "fraction": (lambda: fractions.Fraction(1, 2), r"pass float\(x\)"),
    "object": (object, r"register its class"),
}


def double(x: Any) -> Any:
    return np.sum(2.0 * x)


ENTRANCES: dict[str, Callable[[Any], Any]] = {
    "grad": lambda q: graphad.grad(double)(q),
    "jvp": lambda q: graphad.jvp(double, (q,), (X,)),
    "tangent": lambda q: graphad.jvp(double, (X,), (q,)),
    "vjp": lambda q: graphad.vjp(double, q),
    "cotangent": lambda q: graphad.vjp(lambda x: 2.0 * x, X)[1](q),
    "linearize": lambda q: graphad.linearize(double, q),
    "jacfwd": lambda q: graphad.jacfwd(double)(q),
    "jit": lambda q: graphad.jit(double)(q),
    "trace": lambda q: graphad.trace(double)(q),
    "vmap": lambda q: graphad.vmap(double)(q),
    "compiled": lambda q: graphad.compile(graphad.trace(double)(X))(q),
    "graph": lambda q: graphad.trace(double)(X).eval(q),
    "closure": lambda q: graphad.jit(lambda x: np.sum(np.multiply(x, q)))(X),
    "result": lambda q: graphad.jit(lambda x: (x, q))(X),
    "carry": lambda q: graphad.scan(lambda c, x: (c, x), q, X),
    "branch": lambda q: graphad.jit(lambda x: graphad.cond(x[0] > 0, lambda: x, lambda: q))(X),
    "callback": lambda q: graphad.jit(lambda x: graphad.pure_callback(lambda x: q, graphad.ShapeDtype(3), x))(X),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_refused_at_every_entrance(name: str, entrance: str) -> None:
    make, remedy = FOREIGN[name]
    given = make()
    with pytest.raises(TypeMismatchError, match=remedy):
        ENTRANCES[entrance](given)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "x*q": lambda x, q: x * q,
    "q*x": lambda x, q: q * x,
    "q-x": lambda x, q: q - x,
    "q/x": lambda x, q: q / x,
    "x**q": lambda x, q: x**q,
    "q@x": lambda x, q: q @ x,
    "multiply": lambda x, q: np.multiply(q, x),
    "where": lambda x, q: np.where(x > 1, q, x),
    "less": lambda x, q: np.where(q < x, x, 0.0),
    "concatenate": lambda x, q: np.concatenate([q, x]),
    "dot": lambda x, q: np.dot(q, x),
    "interp": lambda x, q: np.interp(x, np.arange(3.0), q),
    "average": lambda x, q: np.average(x, weights=q),
    "listed": lambda x, q: np.stack([x, q]),
}
ARRAYS = ["masked", "matrix", "pint", "astropy", "series", "frame", "index", "nullable", "xarray", "tagged", "objects"]


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("mode", ["grad", "jit"])
def test_beside_traced_values(name: str, operation: str, mode: str) -> None:
    """On either side of an operator and in NumPy's functions: as in NumPy, or an error."""
    q = FOREIGN[name][0]()
    total = lambda x: np.sum(OPERATIONS[operation](x, q))
    try:
        if mode == "jit":
            found, wanted = graphad.jit(total)(X), total
        else:
            step = lambda x: [(total(x + h) - total(x - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
            found, wanted = graphad.grad(total)(X), step
    except (GraphadError, TypeError, ValueError):  # the other library may refuse first
        return
    if operation != "less":  # a finite difference across a comparison tells nothing
        np.testing.assert_allclose(found, np.asarray(wanted(X), float), rtol=1e-5)


def test_what_is_nothing_but_its_numbers_is_taken(tmp_path: Any) -> None:
    mapped = np.memmap(tmp_path / "x", float, "w+", shape=3)
    mapped[:] = [1.0, 2.0, 3.0]
    for q in (mapped, array.array("d", [1.0, 2.0, 3.0]), Readable(), memoryview(np.arange(1.0, 4.0))):
        np.testing.assert_array_equal(graphad.grad(lambda x, q=q: np.sum(np.multiply(x, q)))(X), [1.0, 2.0, 3.0])
        assert graphad.jit(double)(q) == 12.0
    assert graphad.jit(double)(np.float32(2.0)) == 4.0


def test_other_libraries_arrays_are_read_where_the_meaning_is_the_same() -> None:
    jnp = pytest.importorskip("jax.numpy")
    given = jnp.array([1.0, 2.0, 3.0])
    gradient = graphad.grad(lambda x: np.sum(np.multiply(x, given)))(X)
    np.testing.assert_array_equal(gradient, [1.0, 2.0, 3.0])
    with pytest.raises(TypeMismatchError, match="bfloat16"):
        graphad.jit(double)(given.astype(jnp.bfloat16))


def test_a_compiled_function_looks_at_the_class_of_each_call() -> None:
    for executor in ("numpy", "llvm", "numba"):
        compiled = graphad.jit(double, executor=executor)
        for _ in range(2):
            assert compiled(X) == 9.0
        with pytest.raises(TypeMismatchError, match="mask"):
            compiled(np.ma.array(X, mask=[0, 1, 0]))


def test_explicit_conversions_are_the_users_own() -> None:
    q = np.ma.array(X, mask=[0, 1, 0])
    np.testing.assert_array_equal(graphad.jit(lambda x: x * np.asarray(q))(X), X * X)
    np.testing.assert_array_equal(graphad.jit(lambda x: x * q.filled(0.0))(X), X * [0.5, 0.0, 2.5])
    np.testing.assert_array_equal(graphad.jit(lambda x: x * (np.array(["a", "b", "a"]) == "a"))(X), X * [1, 0, 1])


def test_a_unit_around_a_traced_value() -> None:
    unit = pytest.importorskip("pint").UnitRegistry()
    speed = lambda x: (unit.Quantity(3.0, "km") * x / unit.Quantity(2.0, "h")).m_as("m/h")
    assert graphad.grad(speed)(2.0) == pytest.approx(1500.0)
    with pytest.raises(GraphadError):
        graphad.grad(lambda x: unit.Quantity(3.0, "km") * x)(2.0)


def test_a_list_of_foreign_values_is_refused() -> None:
    unit = pytest.importorskip("pint").UnitRegistry()
    with pytest.raises(TypeMismatchError, match=r"pass q\.magnitude"):
        graphad.jit(lambda x: np.dot(x, [unit.Quantity(1.0, "km")] * 3))(X)
    with pytest.raises(TracerError, match=r"numpy\.stack"):
        graphad.grad(lambda x: np.sum(np.ma.array([1.0, 2.0, 3.0]) * x))(X)


def test_what_a_library_makes_an_array_of_is_told_by_the_users_line() -> None:
    module = pytest.importorskip("pandas")
    series = module.Series(X, index=[2, 1, 0])

    def f(x: Any) -> Any:
        return np.sum(series * x)

    with pytest.raises(TracerError, match=r"in pandas \(test_foreign_arrays\.py:.*series \* x.*x\.to_numpy\(\)"):
        graphad.grad(f)(X)

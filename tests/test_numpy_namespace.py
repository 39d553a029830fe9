"""Plain NumPy calls on traced values: value, shape, dtype and derivative, one line for each case."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy_cases import CASES, POSITIVE, Case, M, V, W
from numpy_cases_families import FAMILIES

import graphad
import graphad.numpy as gnp
from graphad import executors, passes
from graphad.build import Builder, building
from graphad.testing.checks import check_graph_batch, check_graph_transpose
from graphad.testing.conformance import compiled
from graphad.testing.samples import differentiable_inputs
from graphad.trace import inline

ALL = [*CASES, *FAMILIES]
STRIDE = 60
"""How many calls are compiled together."""


def flat(results):
    return [x for r in results for x in flat(r)] if isinstance(results, (tuple, list)) else [results]


def difference(case, floats, directions, step=1e-6):
    """Central differences of the call along a direction of its floating arguments."""

    def at(h):
        moved = list(case.arrays)
        for i, d in zip(floats, directions, strict=True):
            moved[i] = moved[i] + h * d
        return flat(case.expected(*moved))

    ahead, behind = at(step), at(-step)
    return [(np.multiply(a, 1.0) - np.multiply(b, 1.0)) / (2 * step) for a, b in zip(ahead, behind, strict=True)]


@pytest.mark.parametrize("case", ALL, ids=repr)
def test_traced_call_is_numpys(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = flat(case.expected(*case.arrays))
        graph = graphad.trace(lambda *xs: flat(case.call(*xs)))(*case.arrays)
        found = graph.verify().eval(*case.arrays)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        tolerance = 1e-4 if np.asarray(b).dtype.itemsize <= 4 else 1e-10
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", [c for c in ALL if c.derivative], ids=repr)
def test_derivative_is_the_slope(case):
    floats = [i for i, x in enumerate(case.arrays) if np.asarray(x).dtype in (np.float64, np.complex128)]
    if not floats:
        pytest.skip("no floating argument")
    directions = [np.cos(np.arange(np.size(case.arrays[i])) + 1.0).reshape(np.shape(case.arrays[i])) for i in floats]

    def function(*xs):
        arrays = list(case.arrays)
        for i, x in zip(floats, xs, strict=True):
            arrays[i] = x
        return [gnp.asarray(r) for r in flat(case.call(*arrays))]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = difference(case, floats, directions)
        primals = [case.arrays[i] for i in floats]
        tangents = [d.astype(x.dtype) for d, x in zip(directions, primals, strict=True)]
        _, slopes = graphad.jvp(function, primals, tangents)
    for a, b in zip(slopes, expected, strict=True):
        if np.issubdtype(np.asarray(a).dtype, np.inexact):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def graph_of(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return graphad.trace(lambda *xs: [gnp.asarray(r) for r in flat(case.call(*xs))])(*case.arrays)


@pytest.mark.parametrize("case", ALL, ids=repr)
def test_laws_of_the_graph(case):
    """Reverse mode is forward mode's adjoint, to the second order; vmap is a loop; text parses to the same graph."""
    graph = graph_of(case)
    assert graphad.parse(str(graph)).digest == graph.digest
    arrays = [np.asarray(x) for x in case.arrays]
    with np.errstate(all="ignore"):
        if arrays:
            check_graph_batch(graph, arrays, [[True] * len(arrays)])
        check_graph_transpose(graph, arrays)
        floats = differentiable_inputs(graph)
        if floats and case.derivative:
            tangents = [np.cos(np.arange(arrays[i].size) + 1.0).reshape(arrays[i].shape) for i in floats]
            tangents = [t.astype(arrays[i].dtype) for t, i in zip(tangents, floats, strict=True)]
            check_graph_transpose(passes.jvp(graph, floats), [*arrays, *tangents])


def groups():
    """Many calls to one function; numba, which compiles the loops that llvm does, takes one of fifty unless asked."""
    yield from [pytest.param("llvm", ALL[i : i + STRIDE], id=f"llvm-{i}") for i in range(0, len(ALL), STRIDE)]
    for k in range(50):
        some = ALL[k::50]
        for i in range(0, len(some), 8):
            marks = [pytest.mark.slow] if k else []
            yield pytest.param("numba", some[i : i + 8], id=f"numba-{k}-{i}", marks=marks)


@pytest.mark.parametrize(("executor", "chosen"), groups())
def test_compiled_as_numpy(executor, chosen):
    """What NumPy gives, of many calls compiled into one function."""
    cases = [Compiled(repr(c), graph_of(c), c) for c in chosen]
    failures = {}
    try:
        compare(cases, executor)
    except Exception:
        for case in cases:
            try:
                compare([case], executor)
            except Exception as error:
                failures[case.name] = f"{type(error).__name__}: {error}"
        assert failures, "the calls fail together and pass alone"
    assert not failures


class Compiled(NamedTuple):
    name: str
    graph: Any
    case: Case


def compare(cases, executor):
    builder = Builder("cases")
    inputs = [[builder.input(t) for t in c.graph.input_types] for c in cases]
    values = []
    with building(builder):
        for c, given in zip(cases, inputs, strict=True):
            values += [x.value for x in inline(c.graph, given, builder)]
    run = compiled(executors.get(executor), builder.finish(values))
    with np.errstate(all="ignore"):
        results = iter(run(*[np.asarray(x) for c in cases for x in c.case.arrays]))
        for c in cases:
            expected = c.graph.eval(*c.case.arrays)
            for b in expected:
                a = next(results)
                assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype), c.name
                tolerance = 1e-4 if np.asarray(b).dtype.itemsize <= 4 else 1e-9
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=c.name)


SPECIAL = [
    Case("logsumexp", M),
    Case("logsumexp", M, axis=1, keepdims=True),
    Case("logsumexp", M, axis=0, b=POSITIVE),
    Case("logsumexp", V, b=[1.0, -0.2, 0.0, 0.3, 1.0], return_sign=True),
    Case("logsumexp", np.array([-np.inf, -np.inf])),
    Case("softmax", M, axis=1),
    Case("log_softmax", M),
    Case("log_softmax", 1000 * M, axis=0),
    Case("polygamma", 2, POSITIVE),
    Case("multigammaln", np.float64(4.2), 3),
    Case("erf", M),
    Case("gammaln", POSITIVE),
    Case("xlogy", POSITIVE, W[:4]),
    Case("expit", M),
    Case("sinc", M),
]


@pytest.mark.parametrize("case", SPECIAL, ids=repr)
def test_special_functions_are_scipys(case):
    import scipy.special

    import graphad.scipy.special as special

    name = case.function
    expected = flat(getattr(scipy.special, name)(*case.args, **case.kwargs))
    case = Case(getattr(special, name), *case.args, **case.kwargs)
    found = graphad.trace(lambda *xs: flat(case.call(*xs)))(*case.arrays).verify().eval(*case.arrays)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert np.shape(a) == np.shape(b)
    for a, b in zip(flat(case.call(*case.arrays)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_namespace_without_tracers_is_numpys():
    np.testing.assert_array_equal(gnp.sum(M, axis=0), np.sum(M, axis=0))
    np.testing.assert_array_equal(gnp.linalg.norm(M), np.linalg.norm(M))
    assert gnp.pi == np.pi
    with pytest.raises(AttributeError):
        gnp.no_such_function  # noqa: B018


def test_array_api_namespace():
    def standardize(x):
        xp = x.__array_namespace__()
        centered = x - xp.mean(x, axis=0, keepdims=True)
        return xp.matmul(xp.matrix_transpose(centered), centered) / xp.asarray(x.shape[0], dtype=x.dtype)

    (found,) = graphad.trace(standardize)(M).eval(M)
    np.testing.assert_allclose(found, np.cov(M.T, ddof=0))

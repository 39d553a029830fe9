"""Elementwise ops: derivatives at edges, dtype promotion, meaning, and scalar code."""

from __future__ import annotations

import itertools
import math
import operator
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.special as sp

import graphad
from graphad.errors import TypeMismatchError
from graphad.op import OPS
from graphad.ops.complex import angle, imag, real
from graphad.ops.elementwise import Elementwise, Ufunc
from graphad.ops.rounding import clip, round_
from graphad.ops.select import select
from graphad.ops.special.elementary import sinc
from graphad.ops.special.gamma import polygamma
from graphad.testing.samples import differentiable_inputs
from graphad.trace import trace_flat
from graphad.types import type_of

INF, NAN = math.inf, math.nan
ELEMENTWISE = sorted(name for name, op in OPS.items() if isinstance(op, Ufunc))


def traced(function, *operands):
    """The graph of a function of arrays, whose operands are not weak."""
    return trace_flat(lambda xs: [function(*xs)], [type_of(np.asarray(x)) for x in operands]).graph


def gradient(function, *point):
    with np.errstate(all="ignore"):
        return graphad.grad(function, argnums=tuple(range(len(point))))(*map(float, point))


# -- derivatives at the edges -------------------------------------------------------------------------------------

EDGES = [
    (np.abs, (0,), (0,)),
    (np.abs, (-0.0,), (0,)),
    (np.fabs, (0,), (0,)),
    (np.sign, (0,), (0,)),
    (np.sqrt, (0,), (INF,)),
    (np.cbrt, (0,), (INF,)),
    (np.log, (0,), (INF,)),
    (np.arcsin, (1,), (INF,)),
    (np.arctanh, (1,), (INF,)),
    (np.arctan, (1e200,), (0,)),
    (np.exp, (-INF,), (0,)),
    (np.exp, (800,), (INF,)),
    (np.tanh, (INF,), (0,)),
    (np.maximum, (2, 2), (0.5, 0.5)),
    (np.minimum, (2, 2), (0.5, 0.5)),
    (np.maximum, (-INF, -INF), (0.5, 0.5)),
    (np.maximum, (1, 2), (0, 1)),
    (np.fmax, (NAN, 2), (0, 1)),
    (np.fmax, (2, NAN), (1, 0)),
    (np.fmin, (2, 2), (0.5, 0.5)),
    (np.fmin, (1, NAN), (1, 0)),
    (np.copysign, (2, -3), (-1, 0)),
    (np.copysign, (-2, -3), (1, 0)),
    (np.copysign, (0, -3), (0, 0)),
    (np.heaviside, (0, 0.3), (0, 1)),
    (np.heaviside, (1, 0.3), (0, 0)),
    (np.floor, (2,), (0,)),
    (np.hypot, (0, 0), (0, 0)),
    (np.hypot, (0, 2), (0, 1)),
    (np.hypot, (1e300, 0), (1, 0)),
    (np.arctan2, (0, 0), (0, 0)),
    (np.arctan2, (1e200, 0), (0, -1e-200)),
    (np.arctan2, (0, 1e-200), (1e200, 0)),
    (np.logaddexp, (-INF, -INF), (0.5, 0.5)),
    (np.logaddexp, (INF, INF), (0.5, 0.5)),
    (np.logaddexp, (-INF, 1), (0, 1)),
    (np.logaddexp, (INF, 1), (1, 0)),
    (np.logaddexp, (3, 3), (0.5, 0.5)),
    (np.logaddexp, (0, 1000), (0, 1)),
    (np.logaddexp2, (-INF, -INF), (0.5, 0.5)),
    (np.power, (0, 2), (0, 0)),
    (np.power, (0, 1), (1, 0)),
    (np.power, (0, 0), (0, 0)),
    (np.power, (0, 0.5), (INF, 0)),
    (np.power, (3, 0), (0, math.log(3))),
    (lambda x: np.power(x, 3.0), (-2,), (12,)),
    (lambda x: np.power(x, -1.0), (-2,), (-0.25,)),
    (lambda x: x**0, (0,), (0,)),
    (lambda x: x**0.0, (0,), (0,)),
    (lambda x: x**1, (0,), (1,)),
    (lambda x: x**-2, (2,), (-0.25,)),
    (lambda y: 0.0**y, (2,), (0,)),
    (lambda y: np.power(2.0, y), (0,), (math.log(2),)),
    (np.divide, (0, 2), (0.5, 0)),
    (np.remainder, (7, 3), (1, -2)),
    (np.remainder, (-7, 3), (1, 3)),
    (np.fmod, (-7, 3), (1, 2)),
    (np.degrees, (1,), (180 / math.pi,)),
    (lambda x: clip(x, 0.0, 1.0), (0,), (1,)),
    (lambda x: clip(x, 0.0, 1.0), (1,), (1,)),
    (lambda x: clip(x, 0.0, 1.0), (1.5,), (0,)),
    (lambda x: clip(x, 0.0, None), (0,), (1,)),
    (lambda x: clip(x, None, 1.0), (2,), (0,)),
    (clip, (-1, 0, 2), (0, 1, 0)),
    (clip, (3, 0, 2), (0, 0, 1)),
    (clip, (1, 2, 0), (0, 0, 1)),
    (round_, (2.6,), (0,)),
    (angle, (-1,), (0,)),
    (sinc, (0,), (0,)),
    (sp.xlogy, (0, 0), (0, 0)),
    (sp.xlogy, (0, 2), (math.log(2), 0)),
    (lambda y: sp.xlogy(0.0, y), (0,), (0,)),
    (lambda x: sp.xlogy(x, x), (1,), (1,)),
    (sp.xlog1py, (0, -1), (0, 0)),
    (sp.rel_entr, (0, 0), (0, 0)),
    (sp.kl_div, (0, 0), (0, 1)),
    (sp.entr, (0,), (INF,)),
    (sp.rel_entr, (2, 2), (1, -1)),
    (lambda y: sp.kl_div(0.0, y), (0,), (1,)),
    (sp.entr, (1,), (-1,)),
    (sp.expit, (1000,), (0,)),
    (sp.expit, (-1000,), (0,)),
    (sp.log_expit, (-1000,), (1,)),
    (sp.log_ndtr, (-1e8,), (1e8,)),
    (sp.log_ndtr, (40,), (0,)),
    (sp.erf, (INF,), (0,)),
    (sp.i1, (0,), (0.5,)),
    (sp.i0, (0,), (0,)),
    (sp.i0e, (0,), (0,)),
    (sp.j1, (0,), (0.5,)),
    # A branch that is not taken passes nothing back, whatever its derivative is.
    (lambda x: select(x > 0, np.sqrt(x), 0.0), (0,), (0,)),
    (lambda x: select(x > 0, np.log(x), 0.0), (0,), (0,)),
    (lambda x: select(x > 0, 1 / x, 0.0), (0,), (0,)),
    (lambda x: select(x < 1, np.exp(x), x), (1000,), (1,)),
    (lambda x: select(x > 0, x**0.5, x), (0,), (1,)),
    (lambda x: select(x > 0, sp.xlogy(x, x), x), (0,), (1,)),
    (lambda x: select(abs(x) < 1, np.arcsin(x), x), (1,), (1,)),
    (lambda x: select(x > 0, np.sqrt(np.sin(x) / x), x), (0,), (1,)),
]


@pytest.mark.parametrize(("function", "point", "expected"), EDGES)
def test_gradient_at_an_edge(function, point, expected):
    np.testing.assert_allclose(gradient(function, *point), expected, rtol=1e-12)


SECOND = [
    (np.abs, 0, 0),
    (lambda x: x**2.0, 0, 2),
    (lambda x: x**2, 0, 2),
    (lambda x: x**1.0, 0, 0),
    (lambda x: x**3.0, -1, -6),
    (lambda x: np.maximum(x, 0.0), 0, 0),
    (lambda x: np.logaddexp(x, 0.0), 0, 0.25),
    (lambda x: np.logaddexp(x, 0.0), 1000, 0),
    (lambda x: np.logaddexp(x, 0.0), -1000, 0),
    (lambda x: np.hypot(x, 2.0), 0, 0.5),
    (sinc, 0, -(math.pi**2) / 3),
    (sp.expit, 0, 0),
    (sp.i0, 0, 0.5),
    (sp.i1, 0, 0),
    (lambda x: select(x > 0, np.sqrt(x), 0.0), 0, 0),
    (lambda x: select(x > 0, np.log(x), 0.0), 0, 0),
    (sp.gammaln, 1, math.pi**2 / 6),
    (lambda x: sp.xlogy(x, x), 2, 0.5),
    (np.tanh, 0, 0),
]


@pytest.mark.parametrize(("function", "point", "expected"), SECOND)
def test_second_derivative_at_an_edge(function, point, expected):
    with np.errstate(all="ignore"):
        found = graphad.grad(graphad.grad(function))(float(point))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_third_derivatives():
    third = lambda f: graphad.grad(graphad.grad(graphad.grad(f)))
    assert third(sp.i1)(0.0) == pytest.approx(3 / 8)
    assert third(np.sin)(0.5) == pytest.approx(-math.cos(0.5))
    assert third(lambda x: x**2.0)(0.0) == 0
    assert third(sp.psi)(1.0) == pytest.approx(sp.polygamma(3, 1.0))


@pytest.mark.parametrize(("x", "y"), [(3.0, 0.0), (2.0, 1.5), (0.5, -1.0)])
def test_mixed_second_derivative_of_power_is_symmetric(x, y):
    by_base = graphad.grad(graphad.grad(np.power, 0), 1)(x, y)
    by_exponent = graphad.grad(graphad.grad(np.power, 1), 0)(x, y)
    expected = x ** (y - 1) * (1 + y * math.log(x))
    assert by_base == pytest.approx(expected)
    assert by_exponent == pytest.approx(expected)


def test_exponent_derivative_of_a_negative_base_is_asked_for_only_where_it_moves():
    with np.errstate(invalid="ignore"):
        _, tangent = graphad.jvp(np.power, (-2.0, 3.0), (1.0, 0.0))
        assert tangent == 12
        assert np.isnan(graphad.grad(np.power, 1)(-2.0, 3.0))


def test_gammainc_has_derivatives_in_argument_and_parameter():
    x = 1.3
    assert graphad.grad(sp.gammainc, 1)(2.0, x) == pytest.approx(x * math.exp(-x))
    assert graphad.grad(sp.gammaincc, 1)(2.0, x) == pytest.approx(-x * math.exp(-x))
    by_a = (sp.gammainc(2.0 + 1e-5, x) - sp.gammainc(2.0 - 1e-5, x)) / 2e-5
    assert graphad.grad(sp.gammainc, 0)(2.0, x) == pytest.approx(by_a, rel=1e-8)


# -- complex numbers ----------------------------------------------------------------------------------------------

Z = np.array([1.5 - 2j, -2.0 + 0.5j, 0.5j, 0.25 + 1j])


@pytest.mark.parametrize("name", ["absolute", "conjugate", "sign", "real", "imag", "sqrt", "exp", "arccosh"])
def test_complex_transpose_pairs_without_conjugation(name):
    rng = np.random.default_rng(0)
    t = rng.normal(size=Z.shape) + 1j * rng.normal(size=Z.shape)
    out, pullback = graphad.vjp(OPS[name], Z)
    _, tangent = graphad.jvp(OPS[name], (Z,), (t,))
    ct = rng.normal(size=Z.shape) + (1j * rng.normal(size=Z.shape) if out.dtype.kind == "c" else 0)
    (pulled,) = pullback(ct)
    assert np.sum(ct * tangent).real == pytest.approx(np.sum(pulled * t).real)
    step = 1e-6
    difference = (OPS[name].eval(np, Z + step * t) - OPS[name].eval(np, Z - step * t)) / (2 * step)
    np.testing.assert_allclose(tangent, difference, rtol=1e-7)


def test_gradient_of_a_real_loss_is_dx_minus_i_dy():
    z = 1.5 - 2j
    assert graphad.grad(lambda z: abs(z) ** 2)(z) == pytest.approx(2 * z.conjugate())
    assert graphad.grad(abs)(0j) == 0
    assert graphad.grad(real)(z) == 1
    assert graphad.grad(imag)(z) == -1j
    assert graphad.grad(angle)(1j) == pytest.approx(-1)
    assert graphad.grad(np.exp, holomorphic=True)(z) == pytest.approx(np.exp(z))


# -- dtypes -------------------------------------------------------------------------------------------------------

DTYPES = ["?", "i1", "u1", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
PROMOTING = [np.add, np.multiply, np.divide, np.power, np.maximum, np.arctan2, np.less, np.logaddexp, sp.xlogy]


def numpy_dtype(function, *operands):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(function(*operands)).dtype
        except TypeError:
            return None


def graph_dtype(function, *operands):
    arrays = [x for x in operands if isinstance(x, np.ndarray)]

    def apply(tracers):
        given = iter(tracers)
        return [function(*[next(given) if isinstance(x, np.ndarray) else x for x in operands])]

    try:
        return trace_flat(apply, [type_of(x) for x in arrays]).graph.outputs[0].type.dtype
    except TypeMismatchError:
        return None


@pytest.mark.parametrize("ufunc", PROMOTING, ids=lambda f: f.__name__)
def test_binary_promotion_is_numpys(ufunc):
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = np.ones(2, a), np.ones(2, b)
        assert graph_dtype(ufunc, x, y) == numpy_dtype(ufunc, x, y), (a, b)
    for a, scalar in itertools.product(DTYPES, [2, 2.5, 2j]):
        x = np.ones(2, a)
        assert graph_dtype(ufunc, x, scalar) == numpy_dtype(ufunc, x, scalar), (a, scalar)
        assert graph_dtype(ufunc, scalar, x) == numpy_dtype(ufunc, scalar, x), (scalar, a)


UNARY = [np.sin, np.sqrt, np.abs, np.sign, np.floor, np.negative, np.square, np.isnan, np.conjugate, sp.erf, sp.gammaln]


@pytest.mark.parametrize("ufunc", UNARY, ids=lambda f: f.__name__)
def test_unary_promotion_is_numpys(ufunc):
    for a in DTYPES:
        x = np.ones(2, a)
        assert graph_dtype(ufunc, x) == numpy_dtype(ufunc, x), a


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift, operator.eq, operator.lt,
]  # fmt: skip


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
def test_operators_promote_as_numpys(function):
    for a, scalar in itertools.product(DTYPES, [2, 2.5, 2j, np.float32(2), np.int8(2), np.float64(2), True]):
        x = np.ones(2, a)
        assert graph_dtype(function, x, scalar) == numpy_dtype(function, x, scalar), (a, scalar)
        assert graph_dtype(function, scalar, x) == numpy_dtype(function, scalar, x), (scalar, a)


def test_clip_and_select_promote_as_numpys():
    for a, (low, high) in itertools.product(DTYPES[1:], [(0, 1), (0.5, 1.5), (0, 1.5)]):
        x = np.ones(2, a)
        assert graph_dtype(clip, x, low, high) == numpy_dtype(np.clip, x, low, high), (a, low, high)
        assert graph_dtype(lambda x, y=low: select(x == 0, x, y), x) == numpy_dtype(
            lambda x, y=low: np.where(x == 0, x, y), x
        )


def test_derivatives_keep_float32():
    for name in ELEMENTWISE:
        op = OPS[name]
        if not op._accepts(np.dtype("f4")) or name.startswith("gammainc"):
            continue
        operands = [op._draw(np.random.default_rng(0), i, np.dtype("f4"), (2,)) for i in range(op.ufunc.nin)]
        graph = traced(op, *operands)
        wrt = differentiable_inputs(graph)
        if not graph.outputs[0].type.differentiable or not wrt:
            continue
        for node in graphad.passes.vjp(graph, wrt).nodes:
            assert all(v.type.dtype != np.float64 for v in node.outputs), (name, node)


def test_float_power_is_in_double_precision():
    x = np.array([2.0, 3.0], "f4")
    graph = traced(lambda x: np.float_power(x, 2), x)
    assert graph.outputs[0].type.dtype == np.float64
    np.testing.assert_allclose(graph.eval(x)[0], np.float_power(x, 2))


def test_a_dtype_that_the_ufunc_does_not_take_is_refused():
    with pytest.raises(TypeMismatchError, match="bitwise_and does not take"):
        traced(np.bitwise_and, np.ones(2), np.ones(2))
    with pytest.raises(TypeMismatchError, match="gammaln does not take"):
        traced(sp.gammaln, np.ones(2, complex))


# -- meaning ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_value_is_the_ufuncs(name):
    op = OPS[name]
    samples = list(op.samples())
    assert samples
    for sample in samples:
        graph = traced(op.ufunc, *sample.operands).verify()
        (found,) = graph.eval(*sample.operands)
        expected = op.ufunc(*sample.operands)
        assert type_of(found) is type_of(expected) is graph.outputs[0].type
        np.testing.assert_allclose(found, expected, rtol=1e-14 if expected.dtype.itemsize >= 8 else 1e-6)


@pytest.mark.parametrize("ufunc", [np.divmod, np.frexp, np.modf], ids=lambda f: f.__name__)
def test_ufuncs_of_two_results(ufunc):
    x = np.array([-7.5, 0.0, -0.0, 2.25, INF])
    operands = (x, np.array(2.0)) if ufunc is np.divmod else (x,)
    graph = trace_flat(lambda xs: list(ufunc(*xs)), [type_of(a) for a in operands]).graph
    with np.errstate(invalid="ignore"):
        for found, expected in zip(graph.eval(*operands), ufunc(*operands), strict=True):
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_mantissa_derivative():
    assert graphad.grad(lambda x: np.frexp(x)[0])(6.0) == 1 / 8
    assert graphad.grad(lambda x: np.modf(x)[0])(-2.25) == 1


def test_functions_of_integer_order():
    x = np.array([0.5, 1.25, 3.0])
    np.testing.assert_allclose(traced(lambda x: polygamma(2, x), x).eval(x)[0], sp.polygamma(2, x))
    np.testing.assert_allclose(traced(lambda x: sp.jv(3, x), x).eval(x)[0], sp.jv(3, x))
    np.testing.assert_allclose(graphad.vmap(graphad.grad(lambda x: sp.jv(3, x)))(x), sp.jvp(3, x), rtol=1e-13)
    np.testing.assert_allclose(graphad.vmap(graphad.grad(lambda x: sp.iv(-2, x)))(x), sp.ivp(2, x), rtol=1e-13)
    np.testing.assert_allclose(traced(sinc, x).eval(x)[0], np.sinc(x), atol=1e-16)


@pytest.mark.parametrize("n", range(7))
def test_derivatives_of_sinc_meet_where_the_series_ends(n):
    edge = (1.0 + 0.5 * n) / math.pi
    below, above = graphad.ops.special.Sinc(n)(np.array([edge * (1 - 1e-12), edge * (1 + 1e-12)]))
    assert below == pytest.approx(above, rel=1e-9, abs=1e-9)


# -- scalar code --------------------------------------------------------------------------------------------------

_UNARY = {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "lgamma": sp.gammaln, "erf": sp.erf, "erfc": sp.erfc, "conj": np.conj, "real": np.real,
    "imag": np.imag, "bool": lambda x: np.not_equal(x, 0), "float": np.float64,
    "special_zeta": lambda n, x: sp.zeta(n, x),
}  # fmt: skip
_BINARY = {
    "max": np.maximum, "min": np.minimum, "pow": np.power, "atan2": np.arctan2, "floordiv": np.floor_divide,
    "mod": np.remainder, "ipow": lambda x, n: x**n, "where": np.where,
    "complex": lambda x, y: x + 1j * y,
}  # fmt: skip


class _Intrinsics(dict):
    def __missing__(self, name):
        if name.startswith("special_"):
            return getattr(sp, name.removeprefix("special_"))
        return getattr(np, name)


@pytest.mark.parametrize("name", sorted(OPS))
def test_code_means_what_the_op_means(name):
    samples = [s for s in OPS[name].samples() if isinstance(s.op, Elementwise) and s.op.code]
    for sample in samples:
        xs = [np.asarray(x) for x in sample.operands]
        code = re.sub(r"\{(\d)\}", r"x\1", sample.op.code)
        result = sample.op.infer(*map(type_of, xs))
        if name == "reciprocal" and xs[0].dtype.kind in "iu":
            code = "floordiv(1, x0)"
        names = _Intrinsics(_UNARY | _BINARY | {f"x{i}": x for i, x in enumerate(xs)} | {"__builtins__": {}})
        with np.errstate(all="ignore"):
            found = np.asarray(eval(code, names)).astype(result.dtype)
            expected = np.asarray(sample.op.eval(np, *xs))
        np.testing.assert_allclose(found, expected, rtol=1e-12 if result.dtype.itemsize >= 8 else 2e-6, atol=1e-15)


def test_importing_and_tracing_numpy_ufuncs_leave_scipy_special_alone():
    code = (
        "import graphad, sys, numpy as np; graphad.grad(np.logaddexp)(1.0, 2.0); "
        "assert 'scipy.special' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)



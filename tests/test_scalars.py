"""Python's own functions of numbers on traced values: the module `math`, `float` and its kin; random numbers."""

from __future__ import annotations

import cmath
import math
import sys
from math import exp as exponential

import numpy as np
import pytest

import graphad
from graphad.errors import TracerError, TypeMismatchError

SMOOTH = [
    "acos", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh", "degrees", "erf", "erfc", "exp", "exp2", "expm1",
    "fabs", "gamma", "lgamma", "log", "log10", "log1p", "log2", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
]  # fmt: skip
SMOOTH = [name for name in SMOOTH if hasattr(math, name)]


def unary(x):
    return np.array([getattr(math, name)(x) for name in SMOOTH])


def several(x):
    return np.array([
        math.acosh(1 + x), math.atan2(x, 0.3), math.copysign(2 * x, -1.0), math.fmod(3 * x, 0.5), math.hypot(x, 2.0, x),
        math.log(x, 3), math.pow(x, 1.5), exponential(x * math.pi),
    ])  # fmt: skip


@pytest.mark.parametrize("function", [unary, several])
def test_functions_of_math_and_their_derivatives(function):
    both = graphad.jit(lambda x: (function(x), graphad.jacfwd(function)(x)), executor="numpy")
    value, slope = both(0.4)
    np.testing.assert_allclose(value, function(0.4), rtol=1e-14)
    h = 1e-5
    np.testing.assert_allclose(slope, (function(0.4 + h) - function(0.4 - h)) / (2 * h), rtol=1e-7, atol=1e-9)


def rounded(x):
    inside = 1.0 if math.isfinite(x[0]) and not math.isnan(x[1]) and not math.isinf(x[2]) else 0.0
    whole = math.floor(x[0]) + 10 * math.ceil(x[1]) + 100 * math.trunc(x[2])
    return whole + inside, int(x[2]), bool(x[0] > 0), x[int(x[3])]


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_integers_and_truths(executor):
    compiled = graphad.jit(rounded, executor=executor)
    for x in ([-1.5, 0.2, -2.7, 3.9], [2.5, -0.4, 1.0, 0.0], [0.0, 1e9, 7.0, 2.2]):
        found = compiled(np.array(x))
        assert [float(a) for a in found] == [float(a) for a in rounded(np.array(x))]
        assert found[1].dtype == np.int64
        assert found[2].dtype == np.bool_


def scaled(x, n):
    return math.ldexp(x, n)


EDGES = [
    (lambda x: math.lgamma(x), (-math.inf, 5e-324, -5e-324, 0.0, -3.0)),
    (lambda x: math.pow(x, 0.5), (-math.inf, 4.0, -1.0)),
    (lambda x: math.ulp(x), (sys.float_info.max, 1.0, math.inf)),
    (lambda z: cmath.atan(z), (1j, 2j)),
    (lambda z: cmath.tanh(z), (complex(0, math.inf), complex(1, 2))),
    (lambda z: cmath.log(z, 2.0), (0j, complex(0, math.inf), 3j)),
    (lambda z: cmath.log(2.0, z), (1 + 0j, 3j)),
    (lambda z: cmath.polar(z), (complex(1.7e308, 1.7e308), 3j)),
    (lambda x: cmath.rect(2.0, x), (math.inf, 1.0)),
    (lambda x: cmath.rect(x, 0.0), (math.inf, 1.0)),
    (lambda x: cmath.rect(x, math.inf), (0.0, 1.0)),
]


def outcome(f, *x):
    try:
        found = f(*x)
    except (ValueError, OverflowError) as error:
        return str(error)
    return [f"{z:.12g}" for z in np.atleast_1d(np.array(found, complex))]


@pytest.mark.parametrize("number", range(len(EDGES)))
def test_math_at_its_edges_is_pythons(number, executor):
    f, xs = EDGES[number]
    jitted = graphad.jit(f, executor=executor)
    for x in xs:
        assert outcome(jitted, x) == outcome(f, x)
        assert outcome(lambda x: graphad.jvp(f, (x,), (x * 0 + 1,))[0], x) == outcome(f, x)


def test_powers_of_two(executor):
    jitted = graphad.jit(scaled, executor=executor)
    for x, n in ((0.0, 100000), (1.5, -1070), (1.0, 100000), (-3.0, 4)):
        assert outcome(jitted, x, n) == outcome(scaled, x, n)


def of_parts(x, y):
    z = np.zeros(2, complex)
    z.real[:] = x
    z.imag = y
    return complex(x, y), z


def test_complex_numbers_keep_infinities_in_their_parts(executor):
    jitted = graphad.jit(of_parts, executor=executor)
    for x, y in ((1.0, math.inf), (math.inf, math.nan), (-0.0, 1.0)):
        for found, expected in zip(jitted(x, y), of_parts(x, y), strict=True):
            assert repr(np.array(found).tolist()) == repr(np.array(expected).tolist())


def test_numbers_keep_their_derivative():
    assert graphad.jit(graphad.grad(lambda x: x * float(x)))(3.0) == 6.0
    assert graphad.jit(graphad.grad(lambda x: abs(complex(x, 2 * x)) ** 2))(3.0) == pytest.approx(30.0)
    assert graphad.jit(lambda x: float(x[0]) + float("1") + int("2"))(np.array([3.0])) == 6.0


def test_arrays_are_no_numbers():
    with pytest.raises(TypeMismatchError, match=r"math.sqrt of a traced f64\[3\] .*test_scalars.py.*NumPy's"):
        graphad.jit(lambda x: math.sqrt(x))(np.ones(3))
    with pytest.raises(TypeMismatchError, match=r"int\(\) of a traced f64\[2\] .*test_scalars.py"):
        graphad.jit(lambda x: int(x))(np.ones(2))


def test_math_and_float_without_jit_have_derivatives():
    assert graphad.grad(lambda x: x + math.sin(2 * x))(1.0) == 1 + 2 * math.cos(2.0)
    assert graphad.grad(lambda x: exponential(x))(1.0) == math.exp(1.0)
    assert graphad.grad(lambda x: float(x[0]) ** 2 * x[1])(np.array([2.0, 3.0])).tolist() == [12.0, 4.0]
    assert graphad.grad(lambda x: x * math.floor(x) if not math.isnan(x) else x)(2.5) == 2.0


def test_math_in_code_that_cannot_be_read_is_refused_rather_than_losing_the_derivative():
    space = {"math": math}
    exec("def f(x):\n    return x + math.sin(2 * x)\n", space)
    with pytest.raises(TracerError, match=r"math.sin of a traced f64\[\].*NumPy's.*source can be read"):
        graphad.grad(space["f"])(1.0)


def noisy(x, n, draw):
    for _ in range(n):
        x = x + draw()
    return x


def test_random_numbers_are_drawn_in_an_unrolled_loop():
    def walk(x):
        return noisy(x, 4, np.random.default_rng(1).normal)

    # The function seeds the generator itself, and so its draws are the same in every call.
    assert graphad.value_and_grad(walk)(1.0) == (pytest.approx(walk(1.0), rel=1e-14), 1.0)
    assert graphad.jit(walk)(1.0) == pytest.approx(walk(1.0), rel=1e-14)


@np.vectorize
def clipped(a, b):
    if a > b:
        return b * a**2
    return a - b


def test_vectorized_functions_have_branches():
    x = np.linspace(-1.0, 3.0, 6)
    inline = lambda x: np.vectorize(lambda a: a**2 if a > 2 else 1.0 - a)(x)
    for function in (lambda x: clipped(x, 1.5), inline):
        np.testing.assert_allclose(graphad.jit(function, executor="numpy")(x), function(x), rtol=1e-14)
    slope = graphad.jit(graphad.grad(lambda x: np.sum(clipped(x, 1.5))), executor="numpy")(x)
    np.testing.assert_allclose(slope, np.where(x > 1.5, 3 * x, 1.0))


def joined(x):
    return np.c_[np.ones(3), x, np.outer(x, x)], np.r_[x, 0:3, x[0], [x[1], 2.0]]


def test_joining_with_subscripts():
    x = np.array([1.0, 3.0, 2.0])
    for found, expected in zip(graphad.jit(joined, executor="numpy")(x), joined(x), strict=True):
        np.testing.assert_array_equal(found, expected)


TRUTHS = {
    "+": lambda x: ((x > 0) + (x > 1)) * x,
    "-": lambda x: ((x > 0) - (x < 0)) * x,
    "*": lambda x: ((x > 0) * (x > 1) + (x > 1)) * x,
    "//": lambda x: ((x > 0) // (x > 1) + (x > 0)) * x,
    "**": lambda x: ((x > 0) ** (x > 1) + (x > 1)) * x,
    "<<": lambda x: ((x > 0) << (x > 1)) * x,
    "-x": lambda x: -(x > 0) * x,
    "+x": lambda x: +(x > 0) * x,
    "~x": lambda x: ~(x > 0) * x,
    "abs": lambda x: (abs(x > 0) + abs(x > 1)) * x,
    "True + x": lambda x: (True + (x > 0)) * x,
    "&": lambda x: ((x > 0) & (x > 1) | (x > 2) ^ (x > 0)) * x,
    "sum": lambda x: sum([x > 0, x > 1, x > 9]) * x,
    "bool": lambda x: (bool(x) + bool(x)) * x,
    "not": lambda x: ((not x > 9) + (not x > 0) + True) * x,
    "and": lambda x: ((x > 0 and x > 1) + (0 < x < 9)) * x,
    "any": lambda x: (any([x > 0, x > 9]) + all([x > 0, x > 1])) * x,
    "in": lambda x: ((x in (1.5, 9.0)) + (x not in (9.0, 8.0)) - True) * x,
    "math": lambda x: (math.isfinite(x) + (not math.isnan(x))) * x,
    "NumPy": lambda x: (np.add(x > 0, x > 1) + np.sum(np.array([x > 0, x > 1]))) * x,
}


@pytest.mark.parametrize("name", TRUTHS)
@pytest.mark.parametrize("kind", [float, np.float64, np.array])
def test_truths_are_numbers_where_they_are_pythons(name, kind):
    """Python's bools are 0 and 1 in its arithmetic; NumPy's are truths in its own."""
    f, x = TRUTHS[name], kind(1.5)
    try:
        wanted = f(x)
    except TypeError:  # NumPy has no difference of truths
        for g in (graphad.jit(f), graphad.grad(f)):
            with pytest.raises(TypeError):
                g(x)
        return
    for g in (graphad.jit(f), lambda x: graphad.jvp(f, (x,), (1.0,))[0]):
        assert g(x) == wanted
    # The truths do not change around 1.5.
    slope = wanted / 1.5 if name != "in" else graphad.grad(f)(x)
    assert graphad.grad(f)(x) == graphad.jit(graphad.grad(f))(x) == slope


def sums(x):
    return math.fsum([x, 1e16, -1e16]) * math.fsum(x * np.array([1e100, 3.0, -1e100]))


def test_fsum_loses_nothing(executor):
    assert graphad.jit(sums, executor=executor)(2.3) == sums(2.3)
    assert graphad.jvp(sums, (2.3,), (1.0,))[0] == sums(2.3)
    for f in (graphad.grad, graphad.jacfwd, lambda f: graphad.jit(graphad.grad(f), executor=executor)):
        assert f(lambda x: math.fsum([x * x, 1e16, -1e16]))(2.5) == 5.0
    assert np.isnan(graphad.jit(lambda x: math.fsum([x, np.nan]))(1.0))


def test_integers_of_python_have_powers_that_are_none():
    f = lambda x: int(x) ** -2 * x + isinstance(int(x) ** -1, float)
    assert graphad.jit(f)(2.5) == graphad.jvp(f, (2.5,), (1.0,))[0] == f(2.5)
    assert graphad.jit(graphad.grad(f))(2.5) == graphad.grad(f)(2.5) == 0.25


def test_methods_that_traced_numbers_lack_are_named():
    with pytest.raises(TracerError, match="bit_length"):
        graphad.jit(lambda x: int(x).bit_length() * x)(2.5)


@pytest.mark.parametrize("dtype", ["f4", "i1", "c8"])
def test_numbers_of_python_and_of_numpy_in_turn(dtype):
    # Python's own numbers take the dtype of what they meet, and NumPy's do not, though both come as one dtype.
    x = np.ones(3, dtype)
    f = graphad.jit(lambda x, y: x * y)
    for y in (2.5, np.float64(2.5), 2.5, 3, np.int64(3), np.array(3), 3, 1j, np.complex128(1j), True, np.True_):
        found, expected = f(x, y), x * y
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)

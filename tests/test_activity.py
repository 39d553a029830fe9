"""An active value, one that a derivative goes through, never becomes a plain number in silence."""

from __future__ import annotations

import array
import cmath
import collections
import collections.abc
import colorsys
import copy
import ctypes
import decimal
import fractions
import functools
import heapq
import itertools
import json
import logging
import math
import numbers
import operator
import pickle
import random
import statistics
import struct
import threading
import warnings

import numpy as np
import pytest
from scipy import integrate, optimize

import graphad
from graphad import GraphadError, TraceWarning

H = 1e-6


def difference(f, x):
    return (float(f(x + H)) - float(f(x - H))) / (2 * H)


def constant(x):
    return graphad.stop_gradient(x)


KEPT = {
    "float": lambda x: float(x) * 3,
    "float_of_one_element": lambda x: float(np.stack([x]).reshape(())) ** 2,
    "complex": lambda x: abs(complex(x, 2 * x)) ** 2,
    "complex_by_name": lambda x: complex(real=x, imag=1.0).real ** 2,
    "item": lambda x: (x * np.ones(3)).item(1) ** 2,
    "item_of_two_indices": lambda x: (x * np.ones((2, 2))).item(1, 0) ** 2,
    "tolist": lambda x: sum((x * np.arange(3.0)).tolist()) ** 2,
    "nested_tolist": lambda x: (x * np.ones((2, 2))).tolist()[1][0] ** 2,
    "float64": lambda x: np.float64(x) ** 2,
    "complex128": lambda x: np.complex128(x).real ** 2,
    "map_math": lambda x: sum(map(math.sin, [x, 2 * x])),
    "min_of_floats": lambda x: min(map(float, [x, 2 * x])) ** 2,
    "sorted": lambda x: sorted([3 * x, x, 2 * x])[0] ** 2,
    "sorted_by_key": lambda x: _weighed(sorted([x, -x, 0.1], key=math.fabs, reverse=True)),
    "sorted_pairs": lambda x: _weighed([a * b for a, b in sorted([(x, 3.0), (0.1, x), (x, x)])]),
    "sorted_positions": lambda x: [x, 0.1, 3.0][sorted(range(3), key=lambda i: [x, 0.1, 3.0][i])[1]],
    "sort": lambda x: _weighed(_sorted_in_place([x, -x, 0.1], key=math.exp)),
    "min_by_float": lambda x: min([x, 2 * x], key=float) ** 2,
    "max_by_key": lambda x: max([(x, 1.0), (3.0, x)], key=lambda p: p[0] * p[1])[1] ** 2,
    "max_of_pairs": lambda x: max((x, 2.0), (x, x), (0.1, 3.0))[1] * x,
    "max_of_none": lambda x: max([], default=x) * max((v for v in [x, 2 * x]), default=0.0),
    "nlargest": lambda x: _weighed(heapq.nlargest(2, [x, 3 * x, 2 * x])),
    "nsmallest": lambda x: heapq.nsmallest(1, [x, 1.0], key=math.sin)[0] ** 2,
    "index": lambda x: (lambda xs: xs[xs.index(max(xs))])([x, 3 * x]) * [x, 1.0, x].count(x),
    "in": lambda x: (x in [0.1, x]) * x,
    "fromiter": lambda x: _weighed(np.fromiter((x * i for i in itertools.count()), float, 3)),
    "fromiter_of_list": lambda x: np.fromiter([x, 2], dtype="d").sum() ** 2,
    "starmap": lambda x: _weighed(itertools.starmap(math.pow, [(x, 2), (2, x)])),
    "accumulate_math": lambda x: _weighed(itertools.accumulate([1.0, x, 2.0], math.hypot, initial=x)),
    "accumulate_max": lambda x: _weighed(itertools.accumulate([x, 0.1, 3 * x], func=max)),
    "normal_pdf": lambda x: statistics.NormalDist(x, 2 * x).pdf(0.3),
    "normal_cdf": lambda x: statistics.NormalDist(x, 2.0).cdf(x * x) + statistics.NormalDist().zscore(x),
    "normal_quantiles": lambda x: _weighed(statistics.NormalDist(x, x).quantiles(5)),
    "normal_quantile": lambda x: statistics.NormalDist(1.0, 2.0).inv_cdf(x),
    "normal_arithmetic": lambda x: (statistics.NormalDist(x, 1.0) * x + statistics.NormalDist(1, x)).variance,
    "normal_of_samples": lambda x: statistics.NormalDist.from_samples([x, 1.0, x * x]).pdf(x),
    "color": lambda x: _weighed(colorsys.rgb_to_hsv(x, 0.2, x * x)),
    "method_of_float": lambda x: float.__mul__(x, x) + x.__float__() + float.__rsub__(x, 1.0),
    "is_integer": lambda x: x * 2 if x.is_integer() else x * 3,
    "reduce": lambda x: functools.reduce(operator.mul, [x, 2.0, x]),
    "accumulate": lambda x: list(itertools.accumulate([x, x, x]))[-1] ** 2,
    "partial": lambda x: functools.partial(math.pow, x)(3.0),
    "fsum": lambda x: math.fsum([x, x * x, 1.0]),
    "prod": lambda x: math.prod([x, x, 2.0]),
    "dist": lambda x: math.dist([x, 0.0], [1.0, 2 * x]),
    "hypot": lambda x: math.hypot(x, 2 * x, 1.0),
    "isclose": lambda x: x * 2 if math.isclose(x, x + 1e-12) else x,
    "modf": lambda x: math.modf(3 * x)[0] ** 2,
    "remainder": lambda x: math.remainder(5 * x, 1.7),
    "ldexp": lambda x: math.ldexp(x, 3) ** 2,
    "cmath_exp": lambda x: abs(cmath.exp(x * 1j + x)),
    "cmath_phase": lambda x: cmath.phase(complex(x, 1.0)),
    "cmath_polar": lambda x: cmath.polar(complex(x, 1.0))[0],
    "cmath_rect": lambda x: cmath.rect(x, 2 * x).real,
    "mean": lambda x: statistics.mean([x, x * x, 1.0]),
    "fmean": lambda x: statistics.fmean([x, x * x, 1.0]),
    "geometric_mean": lambda x: statistics.geometric_mean([x, 2.0, 3.0]),
    "harmonic_mean": lambda x: statistics.harmonic_mean([x, 2.0, 3.0]),
    "stdev": lambda x: statistics.stdev([x, x * x, 1.0]),
    "pvariance": lambda x: statistics.pvariance([x, x * x, 1.0]),
    "median": lambda x: statistics.median([x, 3 * x, 2 * x, 0.1]),
    "correlation": lambda x: statistics.correlation([x, 2.0, 1.0], [1.0, x * x, 0.0]),
    "linear_regression": lambda x: statistics.linear_regression([1.0, 2.0, 4.0], [x, x * x, 0.0]).slope,
    "deepcopy": lambda x: copy.deepcopy([x, 2.0])[0] ** 2,
    "copy": lambda x: copy.copy(x) ** 2,
    "stop_gradient": lambda x: x * array.array("d", [constant(x)])[0] - x * constant(x),
    "fill": lambda x: x * _filled(x),
    "flat": lambda x: x * _flat(x),
    "setitem": lambda x: x * _set(x),
    "format": lambda x: x * len(f"{constant(x):.3f}" if not isinstance(x, str) else ""),
}
"""Programs of one number whose derivative is kept, eager and compiled."""


@pytest.mark.parametrize("name", KEPT)
def test_derivative_is_kept(name):
    function, x = KEPT[name], 0.7
    right = 0.0 if name == "stop_gradient" else difference(function, x)
    for mode in (graphad.grad, graphad.jacfwd):
        assert float(mode(function)(x)) == pytest.approx(right, rel=1e-5, abs=1e-8)
    if name in ("stop_gradient", "format"):
        return  # these ask for the number itself, which is not known under jit
    assert float(graphad.jit(function)(x)) == pytest.approx(float(function(x)), rel=1e-6)
    compiled = float(graphad.jit(graphad.grad(function))(x))
    assert compiled == pytest.approx(right, rel=1e-5, abs=1e-8)


LOST = {
    "array": lambda x: x * array.array("d", [x])[0],
    "struct": lambda x: x * struct.unpack("d", struct.pack("d", x))[0],
    "ctypes": lambda x: x * ctypes.c_double(x).value,
    "decimal": lambda x: x * float(decimal.Decimal(x)),
    "fraction": lambda x: x * float(fractions.Fraction(x)),
    "nditer": lambda x: x * _iterated(x),
    "pickle": lambda x: x * pickle.loads(pickle.dumps(x)),
    "random": lambda x: np.random.default_rng(0).beta(x, 2.0),
    "array_of_math": lambda x: math.sin(np.ones(2) * x),
}
"""Programs that cannot keep it: they are refused."""


def _weighed(xs):
    return sum([(i + 1.0) * x for i, x in enumerate(xs)])


def _sorted_in_place(xs, key):
    xs.sort(key=key)
    return xs


def _filled(x):
    y = np.array([1.0, 2.0])
    y.fill(x)
    return y[0]


def _flat(x):
    y = np.array([1.0, 2.0])
    y.flat[0] = x
    return y[0]


def _set(x):
    y = np.array([1.0, 2.0])
    y.__setitem__(0, x)
    return y[0]


def _iterated(x):
    y = np.array([1.0, 2.0])
    for element in np.nditer(y, op_flags=["readwrite"]):
        element[...] = x
    return y[0]


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("mode", [graphad.grad, graphad.jacfwd, lambda f: graphad.jit(graphad.grad(f))])
def test_what_would_lose_a_derivative_is_refused_or_right(name, mode):
    with pytest.raises(GraphadError, match=r"test_activity\.py"):
        mode(LOST[name])(0.7)


def _hopping(x):
    class Cost:
        def __init__(self):
            self.place = x

        def __call__(self, t):
            return (t[0] - self.place) ** 2

    return optimize.basinhopping(Cost(), [0.0]).x[0]


CALLBACKS = {
    "solve_bvp": lambda x: integrate.solve_bvp(
        lambda t, y: np.stack([y[1], -x * y[0]]), lambda a, b: np.stack([a[0], b[0] - 1]), [0.0, 1.0], np.ones((2, 2))
    ).y[0, 0],
    "approx_fprime": lambda x: optimize.approx_fprime(np.ones(1), lambda t: t[0] * x)[0],
    "approx_fprime_partial": lambda x: optimize.approx_fprime(np.ones(1), functools.partial(np.dot, [x]))[0],
    "differential_evolution": lambda x: optimize.differential_evolution(lambda t: (t[0] - x) ** 2, [(0, 1)]).x[0],
    "basinhopping_of_an_object": _hopping,
}
"""SciPy's functions that call back and have no derivative."""


@pytest.mark.parametrize("name", CALLBACKS)
def test_functions_that_call_back_refuse_active_values(name):
    for mode in (graphad.grad, graphad.jacfwd, graphad.jit, lambda f: graphad.jit(graphad.grad(f))):
        with pytest.raises(GraphadError, match=r"test_activity\.py"):
            mode(CALLBACKS[name])(0.7)


def test_functions_that_call_back_take_constants():
    def f(x, c):
        area = integrate.quad(lambda t: c * t, 0, 1)[0]
        fixed = graphad.stop_gradient(x)
        return x * area * optimize.brentq(lambda t: t * t - fixed, 0, 5)

    assert graphad.grad(f)(4.0, 6.0) == pytest.approx(3.0 * 2.0)


def test_what_runs_later_gives_nothing_now():
    with pytest.raises(GraphadError, match="called at run time"):
        graphad.jit(lambda x: x * json.loads(json.dumps([x]))[0])(2.0)


def test_code_without_source_refuses_too():
    space = {"np": np, "math": math}
    exec("def f(x):\n    return float(x) * x\ndef g(x):\n    return math.floor(x) * x + int(x)\n", space)
    with pytest.raises(GraphadError, match="lose its derivative"):
        graphad.grad(space["f"])(0.7)
    assert graphad.grad(space["g"])(2.5) == 2.0
    assert graphad.grad(lambda x, y: space["f"](y) * x, argnums=0)(3.0, 2.0) == 4.0  # y is not differentiated


def test_an_enclosing_trace_counts():
    def inner(x):
        return graphad.grad(lambda y: y * array.array("d", [x])[0])(2.0)

    with pytest.raises(GraphadError, match="lose its derivative"):
        graphad.grad(inner)(3.0)
    assert graphad.grad(lambda y: y * array.array("d", [3.0])[0])(2.0) == 3.0


def test_steps_end_activity():
    def f(x):
        n = np.floor(x)
        counts = np.zeros(8)
        counts.__setitem__(int(n), 1.0)
        return x * np.fromiter([n, np.sign(x), graphad.stop_gradient(x), x > 1], float).sum()

    assert graphad.grad(f)(2.5) == 2.0 + 1.0 + 2.5 + 1.0


# -- types ------------------------------------------------------------------------------------------------------------


def kinds(x):
    y = np.asarray(x)
    z = np.ones(2) * x
    found = [
        isinstance(x, float), isinstance(x, (int, str)), isinstance(x * 2, float | int), type(x) is float,
        isinstance(np.sin(x), np.floating), isinstance(z, np.ndarray), isinstance(z, float), type(z) is np.ndarray,
        np.isscalar(x), np.isscalar(z), hasattr(x, "__len__"), hasattr(z, "__len__"), hasattr(x, "shape"),
        isinstance(x > 1, bool), isinstance(z[0], float), y.ndim == 0,
    ]  # fmt: skip
    return x * sum([2.0**i for i, truth in enumerate(found) if truth])


def matched(x):
    match x:
        case int():
            y = 2.0
        case float(value):
            y = value
        case _:
            y = 5.0
    match x > 1:
        case True:
            return y * x
        case _:
            return y * 3


@functools.singledispatch
def dispatched(x):
    return x * 2


@dispatched.register
def _(x: float):
    return x * 3


@dispatched.register
def _(x: np.ndarray):
    return x.sum() * 5


def dispatching(x):
    return dispatched(x) * dispatched(np.ones(2) * x)


def classes(x):
    """What gives the class in other ways, and what has no shape or length."""
    box, row = np.array(x), np.ones(2) * x
    found = [
        x.__class__ is float, row.__class__ is np.ndarray, x.__class__.__name__ == "float",
        isinstance(x, collections.abc.Iterable), isinstance(row, collections.abc.Sized), isinstance(x, numbers.Real),
        getattr(x, "ndim", None) is None, getattr(row, "shape", ()) == (2,), isinstance(box, np.ndarray),
        isinstance(box * 2, np.floating), isinstance(x, object), isinstance(x, (list, float | str)),
    ]  # fmt: skip
    try:
        size = x.shape
    except AttributeError:
        size = (7,)
    return x * sum([2.0**i for i, truth in enumerate(found) if truth]) * len(size)


def exhaustive(x):
    match x > 1:
        case False:
            y = 2 * x
        case True:
            y = 3 * x
    match y > 5:
        case True if y > 7:
            return y * 2
        case True:
            return y * x
        case None:
            return None
        case False:
            return y * 5


class Chooser:
    @functools.singledispatchmethod
    def choose(self, x):
        return x * 2

    @choose.register
    def _(self, x: float):
        return x * 3


def choosing(x):
    @functools.singledispatch
    def own(x):
        return x * 5

    @own.register
    def _(x: float):
        return x * 7

    return own(x) * Chooser().choose(x)


@pytest.mark.parametrize("function", [kinds, matched, exhaustive, dispatching, classes, choosing])
@pytest.mark.parametrize("x", [0.7, 2.5])
def test_tests_of_types_answer_for_what_is_meant(function, x):
    assert float(graphad.jit(function)(x)) == function(x)
    assert float(graphad.grad(function)(x)) == pytest.approx(difference(function, x))
    assert float(graphad.jit(graphad.grad(function))(x)) == pytest.approx(difference(function, x))


def truths_within(x):
    y = 3.0
    match (x > 1, 5.0):
        case (True, y):
            z = x * y
        case _:
            z = x * x * y
    match {"big": x > 2, "value": x}:
        case {"big": True | False as big, **rest} if rest["value"] > 0.8:
            return z * rest["value"] * (2 if big else 1)
        case {"value": value}:
            return z * value * 3


def truths_of_alternatives(x):
    match [x > 1, [x < 2, x]]:
        case [True, [True, z]] | [False, [_, z]]:
            return z * 2
        case [_, [_, z]]:
            return z * 5


@pytest.mark.parametrize("function", [truths_within, truths_of_alternatives])
@pytest.mark.parametrize("x", [0.7, 1.5, 2.5])
def test_truths_within_patterns(function, x):
    assert float(graphad.grad(function)(x)) == pytest.approx(difference(function, x))
    with pytest.raises(graphad.TracerError):  # which case is taken must be known
        graphad.jit(function)(x)


def numbers_of_tests(x):
    y = (x > 1 and x * 2) or x**2
    return y * (x < 2 or x * 3) + max(x > 1 and x, 0.1) * ((x > 0.5 and 2) or 3)


def numbers_of_chains(x):
    return (x > 1 and x < 2 and x * 5) or (x > 2 and x * 6) or x * complex(1, x).imag


@pytest.mark.parametrize("function", [numbers_of_tests, numbers_of_chains])
@pytest.mark.parametrize("x", [0.7, 1.5, 2.5])
def test_and_and_or_give_numbers(function, x):
    for f in (graphad.jit(function), lambda x: graphad.vmap(function)(np.array([x]))[0]):
        assert float(f(x)) == pytest.approx(function(x))
    for f in (graphad.grad(function), graphad.jit(graphad.grad(function))):
        assert float(f(x)) == pytest.approx(difference(function, x))


def test_numbers_of_python_give_way():
    x = np.ones(2, np.float32)
    for function in (float, math.sin, lambda v: v.item() if isinstance(v, np.generic) else v, abs):
        assert graphad.jit(lambda s, function=function: x * function(s))(2.0).dtype == np.float32


def test_imaginary_parts_are_not_dropped():
    for function in (float, int, np.float64, math.sin):
        with pytest.raises((TypeError, GraphadError)):
            graphad.jit(lambda z, function=function: function(z))(1.0 + 2.0j)


# -- exceptions -------------------------------------------------------------------------------------------------------


def test_exceptions_of_math_are_raised_where_values_are_known():
    def f(x):
        try:
            return math.sqrt(x) * x
        except ValueError:
            return x * 3

    assert graphad.grad(f)(-2.0) == 3.0
    assert graphad.grad(f)(4.0) == pytest.approx(3.0)

    def g(x):
        try:
            return math.exp(x)
        except OverflowError:
            return x

    assert graphad.grad(g)(1e4) == 1.0
    for h, raising in ((f, -2.0), (g, 1e4)):
        jitted = graphad.jit(graphad.value_and_grad(h))
        for x in (2.0, raising):
            assert jitted(x) == pytest.approx((h(x), graphad.grad(h)(x)))


@pytest.mark.parametrize("divide", [lambda x: 1 / x, lambda x: 2.0 // x, lambda x: 5 % x, lambda x: x**-2])
def test_division_of_pythons_numbers_by_zero(divide):
    def f(x):
        try:
            return divide(x)
        except ZeroDivisionError:
            return 3.0 * x + 1.0

    assert graphad.value_and_grad(f)(0.0) == (1.0, 3.0)
    assert float(graphad.grad(f)(4.0)) == pytest.approx(difference(f, 4.0), abs=1e-6)
    with pytest.raises(graphad.ControlFlowError, match="ZeroDivisionError is raised for some values"):
        graphad.jit(f)(2.0)

    def g(x):
        try:
            return 1.0 / np.sin(x)
        except ZeroDivisionError:
            return x

    assert graphad.jit(g)(0.0) == graphad.value_and_grad(g)(0.0)[0] == np.inf


# -- sinks ------------------------------------------------------------------------------------------------------------


def test_sinks_get_plain_read_only_values(tmp_path, capsys, caplog):
    seen = []

    def record(x, note=""):
        seen.append((x, note))

    graphad.sinks.add(record)
    try:

        def f(x):
            y = x * np.arange(3.0)
            record(y, note=f"{x:.1f}")
            record({"a": [x]})
            np.savetxt(tmp_path / "y.txt", y)
            np.testing.assert_allclose(y, y)
            print("%.2f" % x, f"{x:6.3f}", y)  # noqa: UP031
            logging.getLogger("test").warning("at %s", x)
            warnings.warn(f"value {x}")
            return np.sum(y) * len(json.dumps({"x": x}))

        with pytest.warns(UserWarning, match="value 2"):
            assert graphad.grad(f)(2.0) == 3.0 * len('{"x": 2.0}')
    finally:
        graphad.sinks.discard(record)
    array, note = seen[0]
    assert type(array) is np.ndarray
    assert not array.flags.writeable
    assert note == "2.0"
    assert seen[1][0] == {"a": [2.0]}
    assert type(seen[1][0]["a"][0]) is float
    assert np.array_equal(np.loadtxt(tmp_path / "y.txt"), [0, 2, 4])
    assert capsys.readouterr().out == "2.00  2.000 [0. 2. 4.]\n"
    assert caplog.messages == ["at 2.0"]


def test_texts_of_arrays_are_sinks(capsys):
    def f(x):
        y = x * np.arange(1.0, 3.0)
        print(np.array2string(y, precision=2), np.array_str(y))
        return np.sum(y)

    assert graphad.grad(f)(1.234) == 3.0
    assert capsys.readouterr().out == "[1.23 2.47] [1.234 2.468]\n"


@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
def test_sinks_are_called_at_run_time_under_jit(executor, capsys, caplog):
    def f(x):
        for i in range(40):
            x = x * 1.01
            if x > 1.4:
                print(f"step {i:3d} value {x:.3f}", x > 1)
        logging.getLogger("test").warning("end %s", x)
        return x

    f(1.0)
    wanted = capsys.readouterr().out
    caplog.clear()
    compiled = graphad.jit(f, executor=executor)
    for _ in range(2):
        compiled(1.0)
        assert capsys.readouterr().out == wanted
    assert len(caplog.messages) == 2
    assert graphad.jit(graphad.grad(f), executor=executor)(1.0) == pytest.approx(1.01**40)


# -- what outlives a call ---------------------------------------------------------------------------------------------


class Model:
    def __init__(self):
        self.calls, self.history, self.last = 0, [], None

    def loss(self, x):
        self.calls += 1
        self.history.append(x * 2)
        self.last = {"x": (x, 1.0)}
        return x**2


def test_eager_functions_leave_plain_values():
    model = Model()
    assert graphad.grad(model.loss)(3.0) == 6.0
    assert (model.calls, model.history, model.last) == (1, [6.0], {"x": (3.0, 1.0)})


def test_jitted_functions_refuse_to_leave_traced_values():
    model = Model()
    with pytest.raises(GraphadError, match=r"test_activity.py.*return it"):
        graphad.jit(model.loss)(3.0)
    assert (model.history, model.last) == ([], None)


def test_objects_of_the_function_itself_are_its_own():
    class Filter:
        def __init__(self):
            self.seen, self.me = [], self.see

        def see(self, x):
            self.seen.append(x)
            self.last = x
            return self

    def f(x):
        table = {}
        table["filter"] = Filter().see(x).see(2 * x)
        table["filter"].seen.append(3.0)
        return sum(table["filter"].seen) * table["filter"].last

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert graphad.jit(f)(2.0) == f(2.0)
        assert graphad.jit(graphad.grad(f))(2.0) == pytest.approx(30.0)


def test_a_value_of_an_inner_trace_that_an_outer_one_differentiates_is_refused():
    model = Model()

    def outer(x):
        slope = graphad.grad(model.loss)(x)
        return slope * model.history[0]

    with pytest.raises(GraphadError, match="return it"):
        graphad.grad(outer)(3.0)


counter = 0


def counting(x):
    global counter
    counter += 1
    return x * 2


def test_changes_of_state_under_jit_warn_once():
    model = Model()

    def f(x):
        model.calls += 1
        return x * 2

    for function, words in ((f, "attribute calls of Model"), (counting, "global variable counter")):
        compiled = graphad.jit(function)
        with pytest.warns(TraceWarning, match=rf"{words}.*test_activity.py.*debug.callback"):
            compiled(1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled(2.0)
            graphad.grad(function)(1.0)
    with pytest.warns(TraceWarning):
        graphad.jit(graphad.grad(f))(1.0)


def test_what_an_exception_leaves_behind_is_plain():
    kept = []

    def f(x):
        kept.append(x)
        raise KeyError("no")

    with pytest.raises(KeyError):
        graphad.grad(f)(2.0)
    assert kept == [2.0]
    assert type(kept[0]) is float
    with pytest.raises(KeyError):
        graphad.jit(f)(2.0)
    assert kept == [2.0]


def test_random_numbers_keep_derivatives_of_their_parameters():
    def f(x):
        random.seed(1)
        return random.gauss(x, 2 * x)

    assert float(graphad.grad(f)(0.7)) == pytest.approx(difference(f, 0.7), rel=1e-5)


class Kept:
    counts = collections.OrderedDict()
    local = threading.local()

    def __init__(self):
        self.last = self.error = self.cell = None


HELD = Kept()
LATEST = None


def attribute(x):
    HELD.last = x
    return x * 2


def of_a_library(x):
    Kept.local.last = x
    return x * 2


def entry(x):
    Kept.counts["x"] = x
    return x * 2


def rebound(x):
    global LATEST
    LATEST = x
    return x * 2


def failure(x):
    HELD.error = ValueError(x, [x])
    return x * 2


STORED = [
    (attribute, lambda: HELD.last), (of_a_library, lambda: Kept.local.last), (entry, lambda: Kept.counts["x"]),
    (rebound, lambda: LATEST), (failure, lambda: HELD.error.args[0] + HELD.error.args[1][0] - 3.5),
]  # fmt: skip


@pytest.mark.parametrize(("function", "stored"), STORED)
def test_what_a_function_without_control_flow_stores_is_plain(function, stored):
    Kept.local.last = Kept.counts["x"] = 0.0
    assert graphad.grad(function)(3.5) == 2.0
    assert type(stored()) is float
    assert stored() == 3.5
    with pytest.raises(graphad.TracerError, match="when its function has ended"):
        graphad.jit(function)(1.5)
    assert stored() == 3.5

"""Where values are known, exceptions are Python's: handlers are taken in eager derivatives."""

from __future__ import annotations

import contextlib
import decimal
import math
import struct

import numpy as np
import pytest

import graphad
from graphad.errors import ControlFlowError, GraphadError, TracerError

EAGER = {
    "grad": lambda f, x: graphad.grad(f)(x),
    "grad of grad": lambda f, x: graphad.grad(lambda y: f(y) + graphad.grad(f)(y) * 0.0)(x),
    "jvp": lambda f, x: graphad.jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f, x: graphad.vjp(f, x)[1](1.0)[0],
    "linearize": lambda f, x: graphad.linearize(f, x)[1](1.0),
}


def factor(x):
    try:
        return np.log(np.linalg.cholesky(np.eye(2) * x)[0, 0])
    except np.linalg.LinAlgError:
        return 3.0 * x


def inverted(x):
    with contextlib.suppress(np.linalg.LinAlgError):
        return np.linalg.inv(np.ones((2, 2)) * x)[0, 0]
    return 3.0 * x


def indexed(x):
    y = x * np.arange(1.0, 4.0)
    try:
        return y[(x * -4).astype(int)]
    except IndexError:
        return 3.0 * x


@graphad.jit
def inner(x):
    if x < 0:
        raise ValueError(f"{x} is negative")
    return x


def called(x):
    try:
        return inner(x)
    except ValueError as error:
        return 3.0 * x + len(str(error))


def divided(x):
    try:
        with np.errstate(divide="raise"):
            return 1 / (x + 2)
    except FloatingPointError:
        return 3.0 * x


def rooted(x):
    before = np.seterr(invalid="raise")
    try:
        return np.sqrt(x)
    except FloatingPointError:
        return 3.0 * x
    finally:
        np.seterr(**before)


@pytest.mark.parametrize("f", [factor, inverted, indexed, called, divided, rooted], ids=lambda f: f.__name__)
@pytest.mark.parametrize("mode", EAGER)
def test_the_handler_is_taken(f, mode):
    assert EAGER[mode](f, -2.0) == 3.0
    before = np.geterr()
    assert graphad.value_and_grad(f)(-2.0)[0] == f(np.float64(-2.0))
    assert np.geterr() == before


@pytest.mark.parametrize("f", [factor, indexed, called, divided, rooted], ids=lambda f: f.__name__)
def test_no_handler_is_taken_where_nothing_is_raised(f):
    x, h = np.float64(-0.4 if f is indexed else 2.5), 1e-6
    slope = (f(x + h) - f(x - h)) / (2 * h)
    assert np.isclose(graphad.grad(f)(x), slope, rtol=1e-6)


def test_code_that_is_not_converted():
    space = {"np": np}
    exec(
        "def f(x):\n    try:\n        return np.linalg.inv(np.ones((2, 2)) * x)[0, 0]\n"
        "    except np.linalg.LinAlgError:\n        return 3.0 * x\n",
        space,
    )
    assert graphad.grad(space["f"])(2.0) == 3.0
    assert graphad.grad(lambda x: space["f"](x) * 2)(2.0) == 6.0


def test_a_callback_is_not_called_again():
    calls = []

    def double(x):
        calls.append(float(x))
        return 2 * x

    def f(x):
        try:
            y = graphad.pure_callback(double, x, graphad.stop_gradient(x))
        except ValueError:
            y = 0.0
        return x * y

    assert graphad.grad(f)(3.0) == 6.0
    assert len(calls) == 1


def test_settings_around_a_derivative():
    with np.errstate(all="raise"):
        with pytest.raises(FloatingPointError, match="divide by zero"):
            graphad.grad(lambda x: 1 / x)(0.0)
        assert graphad.grad(lambda x: np.where(x > 0, x * x, 0.0))(2.0) == 4.0


def test_floating_point_errors_are_refused_under_jit():
    with pytest.raises(ControlFlowError, match=r"errstate.*numpy\.isfinite"):
        graphad.jit(divided)(2.0)

    def quiet(x):
        with np.errstate(all="ignore"):
            return 1 / x

    assert graphad.jit(quiet)(2.0) == 0.5


def test_exceptions_hold_plain_values():
    class Negative(ValueError):
        def __init__(self, value):
            super().__init__(f"{value!r} is negative")
            self.value = value

    def f(x):
        if x < 0:
            raise Negative(x)
        if x > 3:
            raise KeyError(f"{x!r}, {x:.1f}", x, np.ones(2) * x)
        return x

    with pytest.raises(Negative) as caught:
        graphad.grad(f)(-2.0)
    assert type(caught.value.value) is float
    with pytest.raises(KeyError) as caught:
        graphad.grad(f)(4.0)
    text, number, array = caught.value.args
    assert (text, number) == ("4.0, 4.0", 4.0)
    assert type(number) is float
    assert array.tolist() == [4.0, 4.0]


def test_what_is_not_a_number_is_no_index(executor):
    x, limits = np.arange(8.0), [np.nan, np.inf, -np.inf, 1e30, -1e30, 8.0]
    for dtype in (np.int32, np.int64, np.intp):
        read = graphad.jit(lambda x, y, dtype=dtype: x[y.astype(dtype)])
        assert read(x, np.array([1.0, 7.9])).tolist() == [1.0, 7.0]
        for y in limits:
            with pytest.raises(IndexError):
                read(x, np.array([1.0, y]))
            with pytest.raises(IndexError):
                read(x.astype("f4"), np.array([1.0, y], "f4"))
    read = graphad.jit(lambda x, y: x[int(y)])
    for y in limits:
        with pytest.raises(ValueError if np.isnan(y) else IndexError if y == 8.0 else OverflowError):
            read(x, y)


@pytest.mark.parametrize("function", [int, round, math.floor, math.ceil, math.trunc, np.int64, np.int32, np.uint8])
def test_numbers_that_are_no_integer_raise_what_python_raises(function, executor):
    def f(x):
        return 1 * function(x)

    compiled = graphad.jit(f)
    for x in (np.nan, np.inf, -np.inf, 3e9, 2.5, -3.5, -0.5):
        outcomes = []
        for call in (f, compiled, lambda x: graphad.value_and_grad(lambda x: 1.0 * f(x))(x)[0]):
            try:
                outcomes.append(call(x))
            except (ValueError, OverflowError) as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[1] == outcomes[0]
        assert outcomes[2] == outcomes[0]


def test_an_integer_of_more_than_64_bits_is_refused_at_run_time(executor):
    whole = graphad.jit(lambda x: int(x) * 2)
    assert whole(2.0**61) == 2**62
    for x in (1e30, -1e30, 2.0**63):
        with pytest.raises(OverflowError, match="too large"):
            whole(x)
    with pytest.raises(OverflowError, match="too large"):
        whole(np.uint64(2**63))


def test_no_integer_is_made_in_a_branch_that_is_not_taken(executor):
    def f(x):
        return x + int(x) if x < 9.0 else 0.5

    assert graphad.jit(f)(np.inf) == 0.5
    assert np.array_equal(graphad.jit(graphad.vmap(f))(np.array([1.5, np.inf, 4.0])), [2.5, 0.5, 8.0])
    with pytest.raises(OverflowError, match="infinity"):
        graphad.jit(graphad.vmap(f))(np.array([1.5, -np.inf, 4.0]))


def test_a_handler_of_what_makes_no_integer_is_refused_under_jit():
    def f(x):
        try:
            return x * int(x)
        except ValueError:
            return x * 0.0

    assert graphad.grad(f)(2.5) == 2.0
    assert f(np.nan) != f(np.nan)
    with pytest.raises(graphad.ControlFlowError, match="ValueError is raised for some values"):
        graphad.jit(f)(2.5)


def test_an_axis_that_there_is_not():
    def f(x):
        try:
            return np.sum(np.ones(3) * x, axis=2)
        except np.exceptions.AxisError:
            return 3.0 * x

    with pytest.raises(graphad.ShapeError, match="out of bounds"):
        graphad.grad(lambda x: np.sum(x, axis=1))(np.ones(2))
    assert f(2.0) == graphad.jit(f)(2.0) == 6.0
    assert graphad.grad(f)(2.0) == 3.0


def test_settings_that_are_refused_are_put_back():
    def f(x):
        np.seterr(divide="raise")
        return 1 / x

    before = np.geterr()
    with pytest.raises(ControlFlowError, match="floating-point errors"):
        graphad.jit(f)(2.0)
    assert np.geterr() == before


def test_what_math_raises_for_an_infinity():
    for function in (math.sin, math.cos, math.tan):
        with pytest.raises(ValueError, match="math domain error"):
            graphad.grad(lambda x, function=function: function(x * 1e308))(1e10)


def saturating(x, n):
    total = x
    for _ in range(n):
        try:
            if total > 3:
                raise OverflowError
            total = total * 1.5
        except OverflowError:
            total = total / x
    return total


def test_raised_and_handled_in_every_executor(executor):
    compiled = graphad.jit(saturating)
    slopes = graphad.jit(graphad.vmap(graphad.grad(saturating), (0, None)))(np.array([0.5, 1.7]), 9)
    for x, slope in zip((0.5, 1.7), slopes, strict=True):
        assert np.isclose(compiled(x, 9), saturating(x, 9), rtol=1e-14)
        right = (saturating(x + 1e-6, 9) - saturating(x - 1e-6, 9)) / 2e-6
        assert np.isclose(graphad.grad(saturating)(x, 9), right, rtol=1e-6)
        assert np.isclose(slope, right, rtol=1e-6)
        assert np.isclose(graphad.jit(graphad.jacfwd(saturating))(x, 9), right, rtol=1e-6)


def test_what_is_handled_at_run_time_may_raise_something_else():
    def f(x):
        try:
            if x > 1:
                raise KeyError("large")
            return x
        except KeyError as error:
            raise ValueError(f"{x:.1f} is too large") from error

    compiled = graphad.jit(f)
    assert compiled(0.5) == 0.5
    with pytest.raises(ValueError, match=r"2\.0 is too large"):
        compiled(2.0)


def by_except(body, kinds):
    def f(x):
        try:
            return body(x) * x
        except kinds:
            return 0.0 * x

    return f


def by_suppress(body, kinds):
    def f(x):
        with contextlib.suppress(kinds):
            return body(x) * x
        return 0.0 * x

    return f


class Quiet:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return True


def by_a_class(body, kinds):
    def f(x):
        with Quiet():
            return body(x) * x
        return 0.0 * x

    return f


@pytest.mark.parametrize("swallow", [by_except, by_suppress, by_a_class])
@pytest.mark.parametrize("kinds", [Exception, TypeError, (ValueError, TypeError)], ids=["all", "TypeError", "two"])
def test_a_refusal_is_no_exception_of_the_program(swallow, kinds):
    """What graphad cannot do does not send a program another way without a word."""
    bodies = [lambda x: float(decimal.Decimal(x)), lambda x: struct.unpack("d", struct.pack("d", x))[0]]
    if kinds is Exception:
        bodies.append(lambda x: np.frompyfunc(lambda a, b: a * b, 2, 1).outer(x, x))
    for body in bodies:
        f = swallow(body, kinds)
        assert f(1.5) > 0
        for g in (graphad.grad(f), graphad.jit(f), graphad.jit(graphad.grad(f))):
            with pytest.raises(GraphadError):
                g(1.5)


def test_handlers_that_name_graphads_errors_take_them():
    def f(x):
        try:
            return float(decimal.Decimal(x))
        except TracerError:
            return 2.0 * x

    assert graphad.grad(f)(1.5) == graphad.jit(graphad.grad(f))(1.5) == 2.0


def listed(x):
    try:
        return sum(list(x))
    except TypeError:
        return 2.0 * x


def measured(x):
    try:
        return len(x) * np.sum(x)
    except TypeError:
        return 2.0 * x


def hashed(x):
    try:
        return {x: 1.0}[x] * np.sum(x)
    except TypeError:
        return 2.0 * np.sum(x)


@pytest.mark.parametrize(("f", "x"), [(listed, 1.5), (listed, np.ones(3)), (measured, 1.5), (hashed, np.ones(3))])
def test_what_python_raises_of_numbers_and_arrays_is_handled(f, x):
    assert graphad.jit(f)(x) == f(x)
    assert np.all(graphad.grad(f)(x) == f(x) / np.sum(x))


class Carrying(Exception):
    def __init__(self, value):
        super().__init__("carries a value")
        self.value = value


def test_an_exception_carries_a_traced_value():
    def f(x):
        try:
            raise Carrying(x * x)
        except Carrying as error:
            return 2.0 * error.value

    assert graphad.jit(f)(3.0) == 18
    assert graphad.grad(f)(3.0) == graphad.jit(graphad.grad(f))(3.0) == 12


def test_what_comes_before_an_exception_that_is_always_raised(capsys):
    """The trace ends in it: what was recorded before happens first, or raises itself."""

    def f(x):
        assert x < 0.5, f"x is {x:.2f}"
        print(f"x {x:.2f}")
        for _ in range(2):
            assert x < 0.5, f"x is {x:.2f}"
            x = np.tanh(0.7)
        return x

    for function in (f, graphad.jit(f), graphad.jit(graphad.grad(f)), graphad.grad(graphad.jit(f))):
        for x, text, printed in ((0.6, "x is 0.60", ""), (0.2, "x is 0.60", "x 0.20\n")):
            with pytest.raises(AssertionError, match=text):
                function(x)
            assert capsys.readouterr().out == printed
    with pytest.raises(AssertionError):
        graphad.trace(f)(0.2)
    assert capsys.readouterr().out == ""


def test_an_exception_that_is_always_raised_may_be_handled(capsys):
    def inner(x):
        print(f"x {x:.2f}")
        raise ValueError("always")

    def outer(x):
        try:
            inner(x)
        except ValueError as error:
            x = x * len(str(error))
        return x

    assert graphad.jit(outer)(2.0) == 12.0
    with pytest.raises(ValueError, match="always"):
        graphad.jit(lambda x: graphad.jit(inner)(x))(2.0)
    assert capsys.readouterr().out == "x 2.00\nx 2.00\n"


def says(a, b):
    print("seen", a)
    raise KeyError(f"{a!r} {b * 2:.3f}", 3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: f,
        graphad.jit,
        graphad.grad,
        lambda f: graphad.jit(graphad.grad(f)),
        lambda f: graphad.jit(lambda a, b: graphad.jit(f)(a, b)),
    ],
    ids=["plain", "jit", "grad", "jit of grad", "nested"],
)
def test_what_is_always_raised_tells_values(wrap):
    with pytest.raises(KeyError) as told:
        wrap(says)(1.0, 3.0)
    assert told.value.args == ("1.0 6.000", 3)


def test_what_is_always_raised_in_a_batch_tells_those_of_the_first():
    for wrap in (graphad.vmap, lambda f: graphad.jit(graphad.vmap(f))):
        with pytest.raises(KeyError) as told:
            wrap(says)(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        assert told.value.args == ("np.float64(1.0) 6.000", 3)

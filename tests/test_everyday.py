"""Everyday calls whose results have no known length, place or type: they work as far as masks do, or are refused."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import ControlFlowError, IndexOutOfBoundsError, TracerError

PROGRAMS: dict[str, tuple[Callable[[Any], Any], tuple[float, ...]]] = {}


def program(*points: float) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def register(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        PROGRAMS[f.__name__] = f, points
        return f

    return register


MATRIX = np.array([[1.0, 2.0], [3.0, -4.0]])


@program(1.3, -0.7)
def methods_of_plain_arrays(s):
    x = np.array([s, 1.0])
    made = np.zeros((3, 2))
    made[0] = [2.0, -1.0]
    chosen = np.array([0, 1]).choose([x, x**2])
    between = MATRIX[1].clip(min=-s) + MATRIX[0].searchsorted(s) + MATRIX.max(axis=0, initial=s)
    between = between + MATRIX.sum(where=x > 0)
    return (MATRIX.dot(x) + MATRIX.T.dot(b=x) + chosen * between).sum() + made[0].dot(x) + MATRIX[0].dot([s, 2.0])


@program(2.0, -0.7)
def values_with_leading_axes_of_one(s):
    a = np.zeros((3, 2))
    a[-1, :] = np.array([[s], [1.0]]).T
    a[[0, 1]] = np.full((1, 1, 2), s)
    for i in range(2):
        a[i] = np.array([[i * s, s**2]]) + a[i]
    a[:, 1] = a[:, :1].T * 2.0
    return np.sum(a**2)


@program(2.0, -0.7)
def imaginary_parts_of_real_numbers(s):
    a = np.array([s, 2 * s])
    for i in range(2):
        if a[i].imag > 35:
            a[i] = a[i].real + 35j
    assert (s * a.imag >= 0).all()
    return np.sum(a**2) + abs((s * 1.0).imag)


@program(2.0, -0.7)
def places_as_indices(s):
    a = np.array([1.0, -2.0, 3.0]) * s
    a[np.where(a < 0)] *= -1
    j = np.flatnonzero(a > 3)
    a[j] = a[j] ** 2
    b = np.zeros((2, 3))
    b[0] = a
    r, c = np.nonzero(b > 1)
    b[r, c] += s
    k = np.where(b > 2)[1]
    return np.sum(a) + b.sum() + k.size + np.sum(k) + np.arange(6.0).reshape(2, 3)[r, c].sum() * s


@program(1.1, 0.3)
def bins(s):
    p = np.array([0.2, 1.7, 2.2]) * s
    j = np.floor(p).astype(int)
    return np.sum(np.bincount(j, weights=p - j, minlength=6) ** 2) + np.bincount(j, minlength=4)[1]


TABLE = [0.0, 1.0, 2.0]


@program(1.5, 0.5, 2.5, 1.0)
def bisections(s):
    i = bisect.bisect(TABLE, s)
    j = bisect.bisect_left(TABLE, s)
    return [1.0, 4.0, 9.0][i - 1] * s + j + bisect.bisect_right(TABLE, 1.0)


@program(2.0, 0.5)
def entries_of_lists(s):
    i = (s > 1) * 1
    rows = [np.array([1.0, 2.0]) * s, np.array([3.0, 4.0])]
    pairs = (("a", 1.0), ("a", 5.0))
    return rows[i][0] * s + rows[-1 - i].sum() + pairs[i][1] * s


@program(2.0, 0.5, 3.5)
def truths_of_generators(s):
    y = s * 2 if any(s > i for i in range(1, 4)) else s * 5
    if all(s > i for i in [1, 2, 3]) or any([]) or not all(()):
        y = y + 1
    return y if any([s < 0, True]) else 0.0


@program(1.1, 0.9)
def sums_with_conditions(s):
    xs = [1.0, 2.0, 3.0]
    total = sum(x * s for x in xs if x * s > 2.5) + sum([x * y for x in xs if x > 1 for y in (1, s) if x * y > 2])
    return total if any(x * s > 3 for x in xs if x * s < 3.2) and all(x * s > 3 for x in xs if x * s > 3) else 2 * s


@program(2.0, 0.4)
def vectorized(s):
    single = np.vectorize(lambda x: x * s)(np.arange(3.0))
    chosen = np.vectorize(lambda x, y: x * s if x > y else y)(np.arange(3.0), 1.0)
    known = np.vectorize(lambda x: int(x) + 1)(np.arange(3.0))
    return single.sum() + chosen.sum() + single[: known[1]].sum()


@lru_cache
def remembered(x):
    return np.sin(x) * x


@program(2.0, 0.4)
def cached(s):
    return remembered(s) + remembered(2.0)


@program(2.0)
def shape_set_in_place(s):
    y = np.arange(6.0) * s
    y.shape = (2, -1)
    return y[1, 2] * y.shape[0]


@program(1.3)
def seeded_draws(s):
    np.random.seed(0)
    u = np.zeros(3)
    for _ in range(40):
        u = 0.9 * u + s * np.random.randn(3)
    return np.sum(u)


CALLS = [(name, x) for name, (_, points) in PROGRAMS.items() for x in points]


@pytest.mark.parametrize(("name", "x"), CALLS)
def test_values_and_derivatives_are_those_of_plain_python(name: str, x: float) -> None:
    f, h = PROGRAMS[name][0], 1e-7
    slope = float(f(x + h) - f(x - h)) / (2 * h) if x != 1.0 else float(f(x + h) - f(x)) / h
    value = float(f(x))
    for both in (graphad.value_and_grad(f), graphad.jit(graphad.value_and_grad(f))):
        found, gradient = both(x)
        assert float(found) == pytest.approx(value, rel=1e-12)
        if x != 1.0:  # a jump
            assert float(gradient) == pytest.approx(slope, rel=1e-5, abs=1e-6)
    assert float(graphad.jit(f, executor="numpy")(x)) == pytest.approx(value, rel=1e-12)
    if name != "seeded_draws":
        assert float(graphad.vmap(f)(np.array([x, x]))[1]) == pytest.approx(value, rel=1e-12)
        assert float(graphad.jit(graphad.jacfwd(f), executor="numpy")(x)) == pytest.approx(float(gradient), rel=1e-12)


# -- refusals -----------------------------------------------------------------------------------------------------


def endless(n):
    return 1.0 if n <= 1 else n * endless(n - 1)


def aliased(s):
    rows = [np.array([1.0, 2.0]) * s, np.array([3.0, 4.0])]
    rows[(s > 1) * 1][0] = s
    return rows[1].sum()


def viewed(s):
    y = np.arange(6.0) * s
    z = y[:2]
    y.shape = (2, 3)
    return y[0, 1] + z[0]


def half_of_the_places(s):
    a = np.ones((2, 3)) * s
    return a[np.where(a > 1)[0]].sum()


REFUSED = [
    (endless, ControlFlowError, "calls itself.*write a loop"), (aliased, ControlFlowError, "make a copy of it"),
    (viewed, TracerError, r"x = x\.reshape"), (half_of_the_places, TracerError, "size=n"),
    (lambda s: len(np.flatnonzero(s * np.arange(3.0) > 1)) * s, TracerError, "size=n"),
    (lambda s: np.bincount(np.arange(3) * int(s))[0] * s, TracerError, "give it as minlength"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "error", "message"), REFUSED, ids=lambda x: getattr(x, "__name__", ""))
def test_what_is_not_known_is_refused_in_words(f: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        graphad.jit(f)(3.0)


def test_values_beyond_the_bins_are_found_at_run_time() -> None:
    f = graphad.jit(lambda s: np.bincount(np.floor(np.arange(3) * s).astype(int), minlength=6))
    assert np.array_equal(f(1.0), [1, 1, 1, 0, 0, 0])
    with pytest.raises(IndexOutOfBoundsError, match="minlength=6"):
        f(4.0)
    with pytest.raises(ValueError, match="negative"):
        f(-1.0)


def test_texts_of_traced_values(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print("%.3f" % x, "%d: %s" % (3, x), "%(k)6.2f%%" % {"k": x})  # noqa: UP031
        print("{:.1f} {1} {k!r}".replace("{:", "{0:").format(x, 5, k=x), "a" + str(x) + "b")
        if x > 5:
            raise ValueError("bad %.2f and %s, " % (x, x) + str(x))  # noqa: UP031
        return x * 2

    for g, value in ((graphad.grad(f), 2.0), (graphad.jit(f), 4.0), (graphad.jit(graphad.grad(f)), 2.0)):
        assert g(2.0) == value
        lines = capsys.readouterr().out.splitlines()
        assert lines == ["2.000 3: 2.0   2.00%", "2.0 5 2.0 a2.0b"], g
        with pytest.raises(ValueError, match=r"bad 7\.00 and 7\.0, 7\.0"):
            g(7.0)
        capsys.readouterr()


@pytest.mark.parametrize("read", [
    lambda x: x * float("%.17g" % x),  # noqa: UP031
    lambda x: float(repr(x)) * 2,
    lambda x: float(str(x)) * 2,
    lambda x: np.float64(f"{x}") + x,
    lambda x: complex("{}".format(x)).real,  # noqa: UP032
    lambda x: float(Decimal(repr(x))),
])
def test_texts_of_traced_values_are_no_numbers(read) -> None:
    for run in (graphad.grad(read), graphad.jit(read)):
        with pytest.raises(TracerError, match=r"test_everyday\.py"):
            run(2.0)


def test_texts_of_traced_values_are_texts() -> None:
    def f(x):
        told = repr(x) + str(x)
        return x * len(told) * int(f"{x:.0f}") * float(str(graphad.stop_gradient(x)))

    assert graphad.grad(f)(2.0) == 24.0


OUTSIDE = np.frompyfunc(lambda a, b: a * b if a > 1 else a + b, 2, 1)


def test_functions_of_python_as_ufuncs() -> None:
    def inside(x: Any) -> Any:
        both = np.frompyfunc(lambda a: (2 * a, a * a), 1, 2)
        double, square = both(x)
        return np.sum(double * square)

    x, y = np.array([0.5, 2.0]), np.array([3.0, 4.0])
    for run in (graphad.grad, lambda f: graphad.jit(graphad.grad(f))):
        assert np.allclose(run(lambda x: np.sum(OUTSIDE(x, y)))(x), [1.0, 4.0])
        assert np.allclose(run(inside)(x), 6 * x**2)
    assert graphad.jit(lambda x: OUTSIDE(x, 3.0))(2.0) == 6.0
    assert graphad.jit(lambda x: OUTSIDE.reduce([1, 2, 3]) * x)(1.0) == 9.0


@pytest.mark.parametrize("f", [lambda x: len({x, 2 * x}), lambda x: sum({x, 2.0}), lambda x: frozenset((x,))])
def test_sets_of_traced_values_are_refused(f: Any) -> None:
    for run in (graphad.grad(f), graphad.jit(f)):
        with pytest.raises(TracerError, match=r"as key or in a set.*use a list"):
            run(1.0)

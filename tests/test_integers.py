"""Python's integers under `jit`: beyond 64 bits they raise, NumPy's wrap, and what cannot get there is not checked."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphad
from graphad.errors import GraphadError
from graphad.ops.checks import Check


def product(n):
    return n * n * n


def power(n):
    return n**40


def shifted(n):
    return 1 << n


def factorial(n):
    found = 1
    while n > 1:
        found = found * n
        n = n - 1
    return found


def factors(n):
    found = 1
    for i in range(1, n + 1):
        found *= i
    return found


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def doubled(n):
    return n + n


def lowered(n):
    return -n - n - n


def negated(n):
    return -n


def size(n):
    return abs(n)


def next_one(n):
    return n + 1


def counted(n):
    for _ in range(3):
        n += 1
    return n


def product_of(n):
    return math.prod([n, n, n])


def total(n):
    return sum([n, n, n])


def masked(n):
    return (n | 5) ^ 3 & n


def cut(x):
    return int(x) * 3


LARGE = {
    product: (10**6, 10**9), power: (2, 3), shifted: (61, 63), factorial: (20, 21), factors: (20, 30),
    fibonacci: (90, 93), doubled: (2**61, 2**62), lowered: (2**60, 2**62), negated: (-(2**62), -(2**63)),
    size: (-(2**62), -(2**63)), next_one: (2**62, 2**63 - 1), counted: (2**62, 2**63 - 2), product_of: (10**6, 2**40),
    total: (2**60, 2**62), masked: (12, 2**63 - 1), cut: (1e18, 4e18),
}  # fmt: skip


@pytest.mark.parametrize("f", LARGE, ids=lambda f: f.__name__)
def test_beyond_64_bits(executor, f):
    fine, large = LARGE[f]
    jitted = graphad.jit(f)
    assert jitted(fine) == f(fine)
    with pytest.raises(OverflowError, match=r"Python's integers|too large") as caught:
        jitted(large)
    assert any("test_integers.py:" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("f", [product, doubled, negated, next_one, counted], ids=lambda f: f.__name__)
def test_numpys_integers_wrap(executor, f):
    n = np.int64(2**63 - 1)
    with np.errstate(all="ignore"):
        assert graphad.jit(f)(n) == f(n)
        assert np.array_equal(graphad.jit(f)(np.array([n, 3])), f(np.array([n, 3])))


def checks(graph):
    found = sum(isinstance(node.op, Check) for node in graph.nodes)
    for node in graph.nodes:
        node.map_regions(lambda region: [nested.append(checks(region)), region][1])
    return found


nested: list[int] = []


def loop_of_small_steps(x, n):
    count, odd = 0, 0
    for i in range(len(x)):
        if x[i] > 0:
            count += 1
        odd = odd + i % 2
        j = 2 * i + 7 - i * i
        count += j * 0
    return count * x[0] + odd + n


def pairs(x, n):
    total = 0.0
    for i in range(3):
        for j in range(i + 1, 3):
            k = i * len(x) + j - (i * (i + 1)) // 2
            total = total + x[k % 3]
    return total * n


@pytest.mark.parametrize("f", [loop_of_small_steps, pairs], ids=lambda f: f.__name__)
def test_no_checks_where_ranges_are_known(f):
    nested.clear()
    assert checks(graphad.trace(f)(np.ones(3), np.int64(2))) + sum(nested) == 0
    assert np.isclose(graphad.jit(f)(np.ones(3), 2), f(np.ones(3), 2))


def test_derivatives_pass_by(executor):
    def f(x, n):
        return x**2 * (n * n + 1)

    assert graphad.jit(graphad.grad(f))(3.0, 2) == 30.0
    with pytest.raises(OverflowError):
        graphad.jit(graphad.grad(f))(3.0, 2**40)


def test_batches():
    def f(x):
        return x * int(x) ** 3

    assert graphad.jit(graphad.vmap(f))(np.array([2.0, 3.0])).tolist() == [16.0, 81.0]
    with pytest.raises(OverflowError):
        graphad.jit(graphad.vmap(f))(np.array([2.0, 1e7]))


def quotient(n):
    return 7 // n


def rest(n):
    return 7 % n


def ratio(n):
    return 7 / n


def inverse_square(n):
    return n**-2


def inverse_power(n):
    return n ** -(n + 1)


@pytest.mark.parametrize("f", [quotient, rest, ratio, inverse_square, inverse_power], ids=lambda f: f.__name__)
def test_divisions_by_zero(executor, f):
    assert graphad.jit(f)(-2) == f(-2)
    with pytest.raises(ZeroDivisionError):
        graphad.jit(f)(0)


def test_negative_shifts(executor):
    with pytest.raises(ValueError, match="negative shift count"):
        graphad.jit(lambda n: 8 >> n)(-1)
    with pytest.raises(ValueError, match="negative shift count"):
        graphad.jit(lambda n: 8 << n)(-1)
    assert graphad.jit(lambda n: n >> 70)(8) == 0
    assert graphad.jit(lambda n: n << 70)(0) == 0


def test_negative_powers(executor):
    assert graphad.jit(lambda n: 2**-n)(3) == 0.125
    assert graphad.jit(lambda n: n**-2)(4) == 0.0625
    assert graphad.jit(lambda x: x * 2 ** -int(x))(3.5) == 3.5 / 8
    assert graphad.jit(graphad.grad(lambda x: x * 2 ** -int(x)))(3.5) == 0.125
    assert graphad.jit(lambda n: 3**n)(4) == 81
    with pytest.raises(GraphadError, match=r"write\s*float\(x\) \*\* y"):
        graphad.jit(lambda n: 3**n)(-1)


def write(x, v):
    x[0] = v
    return x


def write_made(x, v):
    y = np.zeros(3, x.dtype)
    y[0] = x[0]
    y[1:] = [v, 1]
    return y


def write_some(x, v):
    x[x > 1] = v
    return x


@pytest.mark.parametrize("f", [
    write, write_made, write_some, lambda x, v: np.full_like(x, v), lambda x, v: np.insert(x, 1, v),
    lambda x, v: np.copyto(x, v) or x, lambda x, v: np.put(x, [0], v) or x, lambda x, v: x.fill(v) or x,
])  # fmt: skip
@pytest.mark.parametrize(("dtype", "fits", "large"), [(np.int8, -128, 300), (np.uint8, 255, -1), (np.uint64, 7, -1)])
def test_integers_that_an_array_cannot_hold(f, dtype, fits, large):
    x = np.array([3, 2, 5], dtype)
    for call in (graphad.jit(f, static_argnums=1), lambda x, v: graphad.vmap(lambda x: f(x, v))(x[None])[0]):
        assert np.array_equal(call(x, fits), f(x.copy(), fits))
        with pytest.raises(OverflowError, match="out of bounds"):
            call(x, large)


def test_large_literals():
    with pytest.raises(GraphadError, match="64 bits"):
        graphad.jit(lambda n: n * 2**70)(3)
    with pytest.raises(GraphadError, match="modulus"):
        graphad.jit(lambda n: pow(n, 3, 7))(3)

"""Lists and tuples of traced values where NumPy takes an array: in converted functions, and beside a traced operand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import graphad
from graphad.errors import ShapeError, TracerError

FUNCTIONS = {
    "sum": lambda x: np.sum([x[0], 2 * x[1]]),
    "mean over the list": lambda x: np.mean([x, x**2], axis=0),
    "max of a tuple": lambda x: np.max((x[0], x[1] * x[2])),
    "norm": lambda x: np.linalg.norm([x[0], x[1]]),
    "determinant of rows": lambda x: np.linalg.det([[x[0], 1.0], [x[2], x[1]]]),
    "dot product": lambda x: np.dot([x[0], 1.0], [2.0, x[1]]),
    "cross product": lambda x: np.cross([x[0], 3.0, x[1]], x),
    "ufunc of a list": lambda x: np.sin([x[0], x[1]]),
    "ufunc of two lists": lambda x: np.hypot([x[0], x[1]], (x[2], 1.0)),
    "ufunc beside an array": lambda x: np.add([x[0], 1.0, x[2]], x),
    "list times array": lambda x: [x[0], 1.0, 2.0] * x,
    "array to the power of a list": lambda x: x ** [x[1], 2.0, x[0]],
    "comparison": lambda x: np.where(x > [x[1], x[1], x[1]], x, 0.0),
    "matrix product": lambda x: np.array([[x[0], x[1], 0.0]]) @ [x[2], 1.0, x[0]],
    "polynomial": lambda x: np.polyval([x[0], x[1], 1.0], x[2]),
    "joined": lambda x: np.concatenate(([x[0]], x[1:], [1.0])),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_lists_are_arrays(function):
    x = np.array([1.5, 0.5, 2.5])
    weights = np.cos(np.arange(np.size(function(x)))).reshape(np.shape(function(x)))

    def both(x):
        return function(x), graphad.grad(lambda x: np.sum(weights * function(x)))(x)

    value, slope = graphad.jit(both, executor="numpy")(x)
    np.testing.assert_allclose(value, function(x), rtol=1e-14)
    h = 1e-6
    differences = [np.sum(weights * (function(x + h * e) - function(x - h * e))) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(slope, differences, rtol=1e-8, atol=1e-8)


def test_operators_take_lists_without_conversion():
    slope = graphad.grad(lambda x: np.sum([x[0], 1.0] * x) + np.sum(np.multiply(x, (x[1], x[0]))))
    np.testing.assert_allclose(slope(np.array([3.0, 2.0])), [2 * 3.0 + 2 * 2.0, 1.0 + 2 * 3.0])


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(ShapeError, match=r"\[3\].*test_lists.py"):
        graphad.jit(lambda x: np.sum([x, x[:2]]))(np.ones(3))


def test_a_library_that_asks_for_numbers_is_told_the_remedy():
    with pytest.raises(TracerError, match=r"test_lists.py.*numpy.stack"):
        graphad.grad(lambda x: np.asarray(np.polynomial.Polynomial([x[0], x[1]]).coef).sum())(np.ones(2))


def test_first_function_of_a_process_is_converted(tmp_path):
    script = tmp_path / "first.py"
    script.write_text(
        "import numpy as np\nimport graphad\n\n\ndef f(x):\n    return np.array([x[0], 2 * x[1]])\n\n\n"
        "print(graphad.jit(f, executor='numpy')(np.array([1.0, 2.0])))\n"
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[1. 4.]", run.stderr

def total(l):
    return np.sum(l)


def helped(l):
    return total(l) + np.max(l[1:])


OF_LISTS = [
    total, helped, lambda l: np.mean(l), lambda l: np.dot(l, l), lambda l: np.sort(l)[::-1], lambda l: np.median(l),
    lambda l: np.std(l, axis=-1), lambda l: np.multiply(l, [1.0, 2.0, 3.0]), lambda l: np.interp(1.5, l, l),
    lambda l: np.polyval(l, 2), lambda l: np.add.reduce(l), lambda l: np.einsum("i,i", l, l), lambda l: np.argmax(l),
    lambda l: np.linalg.norm(l), lambda l: np.average(l, weights=l), lambda l: np.convolve(l, l), lambda l: np.prod(l),
]  # fmt: skip


@pytest.mark.parametrize("function", OF_LISTS)
@pytest.mark.parametrize("numbers", [[1.0, 3.0, 2.0], (1.0, 3.0, 2.0), [1, 3, 2], [np.float32(1), 3, 2]])
def test_numpys_functions_take_lists_that_are_arguments(function, numbers):
    found, expected = graphad.jit(function)(numbers), function(numbers)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.asarray(found).dtype == np.asarray(expected).dtype


def test_gradients_by_lists_are_lists():
    assert graphad.grad(lambda l: np.sum(l) ** 2)([1.0, 2.0]) == [6.0, 6.0]
    assert graphad.grad(lambda d: np.dot(d["w"], d["w"]))({"w": [1.0, 2.0]}) == {"w": [2.0, 4.0]}


@pytest.mark.parametrize("function", [lambda n: [1, 2] * n, lambda n: n * (1, 2), lambda n: [1, 2] * (n > 1)])
def test_a_list_is_repeated_and_not_multiplied(function):
    with pytest.raises(TracerError, match="list"):
        graphad.jit(function)(3)


def test_a_list_is_repeated_as_often_as_is_known():
    assert graphad.value_and_grad(lambda x: len([x] * int(x)) * x)(3.5) == (10.5, 3.0)
    assert graphad.jit(lambda n: [1, 2] * n)(np.array(3)).tolist() == [3, 6]


@pytest.mark.parametrize("pick", [
    lambda x, k: [x, 10.0, 20.0][k],
    lambda x, k: (x, 2, x * 2.0)[k] * x,
    lambda x, k: [1.0, 2.0, np.float64(3.0)][k] * x,
])
def test_numbers_of_several_kinds_at_a_traced_index(pick):
    ks = np.arange(3)
    expected = [pick(3.0, k) for k in ks]
    assert np.allclose([graphad.jit(pick)(3.0, k) for k in ks], expected)
    assert np.allclose(graphad.vmap(pick, (None, 0))(3.0, ks), expected)
    assert np.allclose(graphad.vmap(pick)(np.full(3, 3.0), ks), expected)
    slopes = graphad.jit(graphad.vmap(graphad.grad(pick), (None, 0)))(3.0, ks)
    assert np.allclose(slopes, [(pick(3.1, k) - pick(2.9, k)) / 0.2 for k in ks])
    with pytest.raises(IndexError):
        graphad.jit(pick)(3.0, 3)

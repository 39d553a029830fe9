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

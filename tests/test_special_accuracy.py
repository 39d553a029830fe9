"""`docs/reference/special-functions.md` states the errors of special functions and distributions truly."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest
from scipy import special as sp
from special_accuracy import PAGE, measured, stated
from special_accuracy_rows import ROWS

import graphad

STATED = stated(PAGE.read_text())
ROUNDING = 2e-15
"""Errors of this size depend on the machine's elementary functions."""
SPREAD = 3
"""And so do larger ones, whose digits are lost in differences."""


def test_every_row_is_on_the_page():
    assert list(STATED) == list(ROWS)
    for name, row in ROWS.items():
        assert f"| `{name}` | {row.shown} |" in STATED[name][1]
        assert all(f"`{column}` " in STATED[name][1] for column in row.columns()), name


# By default every other row, chosen by its name.
SOME = [pytest.param(name, marks=[pytest.mark.slow] if crc32(name.encode()) % 2 else []) for name in ROWS]


@pytest.mark.parametrize("name", SOME)
def test_errors_are_below_those_of_the_page(name):
    limits, _ = STATED[name]
    found = measured(ROWS[name], few=3)
    errors = [found.scipy, found.mpmath, *found.slopes]
    columns = ["SciPy", "mpmath", *ROWS[name].columns()]
    for column, error, limit in zip(columns, errors, limits, strict=True):
        assert error <= max(SPREAD * limit, ROUNDING), (column, found.where)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("pdtr", (2.0,)), ("pdtrc", (2.0,)), ("bdtr", (2.0, 5.0)), ("bdtrc", (2.0, 5.0)), ("nbdtr", (2.0, 5)),
        ("nbdtrc", (2.0, 5)), ("chdtr", (3.0,)), ("chdtrc", (3.0,)), ("chdtri", (3.0,)), ("gdtr", (0.5, 2.0)),
        ("gdtrc", (0.5, 2.0)), ("gdtrix", (0.5, 2.0)), ("fdtr", (2.0, 3.0)), ("fdtrc", (2.0, 3.0)),
        ("fdtri", (2.0, 3.0)), ("poch", (2.0,)), ("boxcox", (2.0,)), ("inv_boxcox", (2.0,)), ("pseudo_huber", (2.0,)),
    ],
)  # fmt: skip
def test_numbers_of_python_leave_single_precision(name, args):
    """Beside them the result has the precision that it has in SciPy."""
    function, x = getattr(sp, name), np.array([0.3, 0.8], np.float32)
    found, wanted = graphad.jit(lambda x: function(*args, x))(x), function(*args, x)
    assert found.dtype == wanted.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert graphad.grad(lambda x: np.sum(function(*args, x)))(x).dtype == np.float32

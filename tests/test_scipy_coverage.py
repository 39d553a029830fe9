"""What of SciPy is traced: the page that lists it, written from graphad's own tables, and held to them.

`python tests/test_scipy_coverage.py` writes the page anew.
"""

from __future__ import annotations

import textwrap
from importlib import import_module
from pathlib import Path

import graphad.scipy.interpolate
import graphad.scipy.linalg
import graphad.scipy.signal
import graphad.scipy.special
from graphad.scipy import integrate, stats
from graphad.scipy._register import TRACED
from graphad.trace import UFUNCS

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "scipy.md"
HEAD = """# SciPy's functions

What `graphad.scipy` has of SciPy's modules on traced values. This page is written by `tests/test_scipy_coverage.py`
from graphad's own tables; a test holds it to them. The tests named tell each function's numbers from SciPy's, its
derivatives from differences or mpmath, forward and reverse mode, batches from loops, in the executors. Functions that
are not listed are SciPy's own and take no traced values.
"""


def callables(module):
    """The public functions and classes of one of SciPy's modules."""
    found = import_module(module)
    names = getattr(found, "__all__", dir(found))
    return sorted(n for n in names if not n.startswith("_") and callable(getattr(found, n)))


def tables():
    """For each module its names that are traced, and the test that holds them."""
    special = set(TRACED["scipy.special"])
    special |= {n for n in callables("scipy.special") if n in UFUNCS}
    inter = {n for n, c in vars(graphad.scipy.interpolate).items() if isinstance(c, type) and not n.startswith("_")}
    integ = set(integrate.__all__)
    yield "scipy.special", special - {"sinc"}, "tests/test_special.py"
    yield "scipy.stats", set(stats.DISTRIBUTIONS), "tests/test_stats.py"
    yield "scipy.linalg", set(TRACED["scipy.linalg"]), "tests/test_scipy_linalg.py"
    yield "scipy.integrate", integ & set(callables("scipy.integrate")), "tests/test_integrate.py"
    yield "scipy.interpolate", inter & set(callables("scipy.interpolate")), "tests/test_interpolate.py"
    yield "scipy.signal", set(TRACED["scipy.signal"]), "tests/test_signal.py"


def page():
    parts = [HEAD]
    for module, names, test in tables():
        count = len(callables(module))
        parts.append(f"## {module}\n\n{len(names)} of {count} public names, held by `{test}`:\n")
        parts.append(textwrap.fill(", ".join(f"`{n}`" for n in sorted(names, key=str.lower)) + ".", 120) + "\n")
    return "\n".join(parts)


def test_the_page_is_written_from_the_tables():
    assert PAGE.read_text() == page(), "run python tests/test_scipy_coverage.py"


def test_every_listed_name_is_scipys_and_has_a_case():
    root = Path(__file__).parent.parent
    for module, names, test in tables():
        text = (root / test).read_text()
        for name in names:
            assert hasattr(import_module(module), name), f"{module} has no {name}"
        assert sum(name in text for name in names) > 0.8 * len(names), module


if __name__ == "__main__":
    PAGE.write_text(page())

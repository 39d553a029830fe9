"""The page that lists NumPy's functions tells the truth: each row is found anew by trying.

With `GRAPHAD_UPDATE=1` in the environment the page is written anew.
"""

import os

import numpy_coverage as coverage
import pytest

NAMES = [
    pytest.param(where, name, marks=[pytest.mark.slow] if i % 8 else [])
    for where, module in coverage.MODULES.items()
    for i, name in enumerate(coverage.names(module))
]


@pytest.fixture(scope="module")
def text():
    if os.environ.get("GRAPHAD_UPDATE"):
        coverage.PAGE.write_text(coverage.page())
    return coverage.PAGE.read_text()


@pytest.mark.parametrize(("where", "name"), NAMES)
def test_row_is_true(text, where, name):
    section = text.split(f"## {where}\n")[1].split("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith(f"| `{name}` |")]
    if not rows and not of_this_numpy(text):
        pytest.skip("the page tells of another version of NumPy")
    assert rows == [coverage.line(where, name)], f"write the page anew: GRAPHAD_UPDATE=1 pytest {__file__}"


def of_this_numpy(text):
    return f"NumPy {coverage.VERSION}. This" in text


def test_page_names_everything(text):
    if not of_this_numpy(text):
        pytest.skip("the page tells of another version of NumPy")
    for where, module in coverage.MODULES.items():
        section = text.split(f"## {where}\n")[1].split("\n## ")[0]
        for kind, names in coverage.others(module).items():
            assert all(f"`{name}`" in section for name in names), kind
        assert section.count("\n| `") == len(coverage.names(module))
    assert text.startswith(coverage.HEADER)

"""The page that lists what works of SciPy tells the truth: its names are all that are traced, rows are found anew."""

import pytest
import scipy_coverage as coverage
from scipy_samples import MODULES, sample, traced

EVERY = [(module, name) for module in MODULES for name in traced(module)]
TRIED = ("numpy", "llvm")
ANEW = "write the page anew: python tests/scipy_coverage.py"


@pytest.fixture(scope="module")
def text():
    return coverage.PAGE.read_text()


@pytest.mark.parametrize("module", MODULES)
def test_page_lists_what_is_traced(text, module):
    found = coverage.rows(text, module)
    assert list(found) == traced(module), f"{ANEW} {module}"
    for name, cells in found.items():
        assert [cells[title] for title in coverage.PEERS.values()] == coverage.told(module, name)
        assert {cells[column] for column in coverage.COLUMNS} <= {"yes", "no", "-"}
    assert coverage.unlisted(module).strip() in text


def test_page_begins_with_the_counts(text):
    if f"SciPy {coverage.SCIPY} on" not in text:
        pytest.skip("the page tells of another version of SciPy")
    assert text.startswith(coverage.HEADER + coverage.summary()), f"{ANEW} peers"


@pytest.mark.parametrize("module", MODULES)
def test_every_name_has_a_sample(module):
    for name in traced(module):
        found = sample(module, name)
        assert len(found.names) == len(found.args), name


@pytest.mark.parametrize(("module", "name"), EVERY[::7])
def test_row_is_true(text, module, name):
    found = coverage.cells(module, name, TRIED)
    written = coverage.rows(text, module)[name]
    assert found == {column: written[column] for column in found}, f"{ANEW} {module}"

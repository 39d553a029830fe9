"""The example programs give what they say."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import graphad

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """Examples find the modules that stand beside them, as when they are run."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def test_ode_fit():
    import ode_fit

    counts = ode_fit.data()
    estimates, errors = ode_fit.fit(counts)
    true = np.concatenate([ode_fit.RATES, ode_fit.START])
    assert np.all(np.abs(np.log(estimates / true)) < 4 * errors)
    assert np.all(errors < 0.1)
    at = np.log(true)
    graphad.check_grads(lambda p: ode_fit.loss(p, counts), (at,), order=1)


@pytest.mark.parametrize("name", ["ode_fit", "particle", "saddle"])
def test_programs_print_their_results(name, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    if name != "ode_fit":
        assert len({line.partition(": ")[2] for line in lines}) == 1

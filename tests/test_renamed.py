"""What stood under another name before still imports and parses, with a warning that names what it is called now."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import graphad
from graphad.passes.base import FORMER as FORMER_PASSES
from graphad.renamed import StandIn

FORMER = sorted(name for name, module in sys.modules.items() if isinstance(module, StandIn))


def test_modules_import_under_their_former_names() -> None:
    assert len(FORMER) > 15
    for former in FORMER:
        module = importlib.import_module(former)
        assert isinstance(module, StandIn)
        importlib.import_module(module._module)


def test_contents_are_the_same_objects_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match=r"dce\.dce is called graphad\.passes\.cleanup\.dce\.dce now") as seen:
        from graphad.passes.dce import dce
    assert dce is graphad.passes.dce
    assert seen[0].filename == __file__
    with pytest.raises(ImportError), pytest.warns(DeprecationWarning, match="nothing"):
        from graphad.passes.dce import nothing  # noqa: F401


def test_a_former_name_hides_no_function_of_the_package() -> None:
    code = (
        "import warnings; warnings.simplefilter('error'); import graphad.passes.dce, graphad\n"
        "assert callable(graphad.passes.dce)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_passes_are_found_by_their_former_names() -> None:
    graph = graphad.trace(lambda x: x + 1.0)(2.0)
    for former, now in FORMER_PASSES.items():
        with pytest.warns(DeprecationWarning, match=f"the pass {former} is called {now} now") as seen:
            pipeline = graphad.Pipeline(f"{former}, dce")
        assert seen[0].filename == __file__
        assert str(pipeline) == f"{now}, dce"
        assert pipeline(graph).eval(2.0)[0] == 3.0
        with pytest.warns(DeprecationWarning, match=former):
            assert graphad.passes.PASSES[former] is graphad.passes.PASSES[now]
        with pytest.warns(DeprecationWarning, match=f"graphad.passes.{former} is called graphad.passes.{now} now"):
            assert getattr(graphad.passes, former) is graphad.passes.PASSES[now]
        with pytest.warns(DeprecationWarning, match=rf"\.{former} is called .*\.{now} now"):
            assert getattr(sys.modules[f"graphad.passes.{former}"], former) is graphad.passes.PASSES[now]
    with pytest.raises(graphad.PipelineError, match="no pass is named foo"):
        graphad.Pipeline("foo")


def test_a_pass_of_the_user_s_may_have_a_former_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(graphad.passes.PASSES, "undo", lambda graph: graph)
    assert str(graphad.Pipeline("undo")) == "undo"

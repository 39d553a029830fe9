"""The command `graphad`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphad
from graphad.cli import main
from graphad.interop.fit import fit
from graphad.interop.histfactory import load

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
WORKSPACE = str(EXAMPLES / "2-bin_1-channel.json")
THREE = str(EXAMPLES / "three-channel.json")


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")


def test_fit_prints_its_tables_and_draws_every_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", WORKSPACE, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    model = load(WORKSPACE)
    for text in (
        "3 parameters (3 free), 2 bins, channels: singlechannel",
        "Likelihood and gradient, numpy",
        "Likelihood and gradient, llvm",
        "Best fit",
        "Exact gradients against finite differences",
        *model.parameters,
    ):
        assert text in printed.out
    assert "done" in printed.err
    for executor in ("numpy", "llvm"):
        drawings = list((tmp_path / executor).glob("*.svg"))
        assert len(drawings) >= len(fit(model, executor).stages)
        assert all("<svg" in drawing.read_text() for drawing in drawings)


def test_fit_writes_its_results(tmp_path: Path) -> None:
    assert main(["fit", THREE, "--executor", "numpy", "--no-draw", "--quiet", "--out", str(tmp_path / "a" / "b")]) == 0
    results = json.loads((tmp_path / "a" / "b" / "fit.json").read_text())
    model = load(THREE)
    exact, differences = results["fits"]
    assert results["measurement"] == "discovery"
    assert results["parameters"] == list(model.parameters)
    assert (exact["executor"], exact["gradient"], differences["gradient"]) == ("numpy", "exact", "2-point")
    np.testing.assert_allclose(exact["params"], fit(model).params, rtol=1e-6, atol=1e-6)
    assert exact["nll"] == pytest.approx(model.nll(np.array(exact["params"])))
    fixed = model.parameters.index("fakes_shape[2]")
    assert exact["uncertainties"][fixed] is None
    assert not list(tmp_path.rglob("*.svg"))


def test_quiet_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", WORKSPACE, "--executor", "numpy", "--quiet", "--out", str(tmp_path)]) == 0
    assert capfd.readouterr() == ("", "")


def test_measurement_is_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit", THREE, "--measurement", "background_only", "--executor", "numpy", "--no-draw"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if " mu " in line)
    assert "fixed" in row


def test_drawings_in_dot(tmp_path: Path) -> None:
    assert main(["fit", WORKSPACE, "--executor", "numpy", "--format", "dot", "--quiet", "--out", str(tmp_path)]) == 0
    assert any("digraph" in drawing.read_text() for drawing in (tmp_path / "numpy").glob("*.dot"))


def test_without_a_layout_engine_the_drawings_are_dot_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(engine: str) -> list[str]:
        raise graphad.errors.MissingExtraError("pygraphviz", "viz", "drawing")

    monkeypatch.setattr("graphad.viz.engine.engines", none)
    assert main(["fit", WORKSPACE, "--executor", "numpy", "--quiet", "--out", str(tmp_path)]) == 0
    assert 'pip install "graphad[viz]"' in capsys.readouterr().err
    assert list((tmp_path / "numpy").glob("*.dot"))
    assert not list((tmp_path / "numpy").glob("*.svg"))


def test_a_broken_workspace_exits_with_2_and_names_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(Path(THREE).read_text())
    del document["channels"][0]["samples"][0]["modifiers"][3]["data"]["hi"]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document))
    assert main(["fit", str(broken), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.err == "graphad: error: channels[0].samples[0].modifiers[3].data.hi: missing\n"
    assert printed.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not valid JSON"), ('{"a": 1}', "channels: missing"), ("[]", "must be an object, not an array")],
)
def test_a_foreign_file_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    path = tmp_path / "foreign.json"
    path.write_text(content)
    assert main(["fit", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_file_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "no-such-file.json"]) == 2
    assert "no-such-file.json: cannot be read" in capsys.readouterr().err


def test_unknown_measurement_or_executor_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", THREE, "--measurement", "x", "--out", str(tmp_path)]) == 2
    assert "no measurement is called 'x'" in capsys.readouterr().err
    assert main(["fit", THREE, "--executor", "abacus", "--out", str(tmp_path)]) == 2
    assert "abacus" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["fit", WORKSPACE, "--out", str(tmp_path / "file" / "out")]) == 2
    assert "graphad: error:" in capsys.readouterr().err


def test_a_likelihood_that_cannot_start_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(Path(WORKSPACE).read_text())
    for sample in document["channels"][0]["samples"]:
        sample["data"][0] = 0.0
    path = tmp_path / "empty-bin.json"
    path.write_text(json.dumps(document))
    assert main(["fit", str(path), "--quiet", "--out", str(tmp_path)]) == 1
    assert "expects no events but observed some" in capsys.readouterr().err


def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["paint"], ["fit"], ["fit", WORKSPACE, "--format", "gif"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_python_dash_m_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "graphad", "fit", WORKSPACE, "--executor", "numpy", "--no-draw"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Best fit" in done.stdout


def test_the_installed_command() -> None:
    command = shutil.which("graphad", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run([command, "fit", "none.json"], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("graphad: error: none.json: cannot be read")


def test_draw_a_graph_in_text_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = graphad.trace(lambda x: np.sum(np.sin(x) ** 2))(np.ones(3))
    path = tmp_path / "f.graph"
    path.write_text(str(graph))
    assert main(["draw", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "f.svg")
    assert "sin" in (tmp_path / "f.svg").read_text()
    assert main(["draw", str(path), "--out", str(tmp_path / "g.dot")]) == 0
    assert "digraph" in (tmp_path / "g.dot").read_text()


def test_draw_a_saved_graph(tmp_path: Path) -> None:
    graphad.trace(lambda x: np.cos(x))(np.ones(3)).save(tmp_path / "f.json")
    assert main(["draw", str(tmp_path / "f.json"), "--format", "dot"]) == 0
    assert "cos" in (tmp_path / "f.dot").read_text()


@pytest.mark.parametrize(("name", "content"), [("f.graph", b"graph @f("), ("f.graph", b"\xff\xfe"), ("f.json", b"{}")])
def test_draw_of_what_is_no_graph_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    assert main(["draw", str(tmp_path / name)]) == 2
    assert "graphad: error:" in capsys.readouterr().err

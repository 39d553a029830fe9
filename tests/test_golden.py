"""Golden tests: `// RUN: passes`, a graph, `// ----`, and the graph that the passes must give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import graphad
from graphad import Pipeline

FILES = sorted((Path(__file__).parent / "golden").glob("*.graph"))


def without_places(text: str) -> str:
    return re.sub(r"[ \t]*//[^\n]*", "", text)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_golden(path: Path) -> None:
    text = path.read_text()
    pipeline = re.match(r"// RUN: (.*)\n", text)
    assert pipeline is not None, f"{path} does not start with // RUN:"
    source, expected = text[pipeline.end() :].split("// ----\n")
    stages = Pipeline(pipeline[1]).stages(graphad.parse(source), verify=True)
    found, expected = str(stages[-1].graph), str(graphad.parse(expected))
    assert without_places(found) == without_places(expected)

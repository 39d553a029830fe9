"""Every Python code block of the README and of the documentation runs, page by page, top to bottom."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
OTHERS = ("jax", "array_api_strict")
"""Array libraries that pages show and graphad does not need."""
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text()
    source = ""
    for block in BLOCK.finditer(text):
        # Blank lines keep the page's line numbers in error messages.
        source += "\n" * (text.count("\n", 0, block.start(1)) - source.count("\n")) + block[1]
    script = tmp_path / f"{page.stem}.py"
    script.write_text(source)
    monkeypatch.delenv("GRAPHAD_TRACEBACK")
    monkeypatch.setenv("GRAPHAD_DOCS", str(ROOT / "docs"))
    monkeypatch.chdir(tmp_path)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except ModuleNotFoundError as error:
        if error.name not in OTHERS:
            raise
        pytest.skip(f"{error.name} is not installed")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"

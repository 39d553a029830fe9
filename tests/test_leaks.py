"""No callable of NumPy, SciPy and Python's modules of numbers loses a derivative, and the page of those refused."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from leak_programs import outcome, programs

LIMIT = 0.1
"""The part of all callables that may be refused in some way."""
PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "refused.md"


def outcomes() -> dict[str, dict[str, str]]:
    """What comes of each program that differences can check."""
    found = {program.name: outcome(program) for program in programs()}
    return {name: ways for name, ways in found.items() if ways}


def calls_back(name: str) -> bool:
    """Whether a program hands a function to one of SciPy's, which computes with numbers: refused by design."""
    return name.startswith("scipy.") and "(function" in name


def refusals(found: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """The callables of each module that are refused in some way."""
    refused: dict[str, list[str]] = {}
    for name, ways in found.items():
        if any(way.startswith("refused") for way in ways.values()):
            module, _, function = name.partition("(")[0].rpartition(".")
            everywhere = all(way.startswith("refused") for way in ways.values())
            refused.setdefault(module, []).append(f"`{function}`" + ("" if everywhere else "*"))
    return refused


def test_no_derivative_is_lost():
    found = outcomes()
    wrong = {
        name: other
        for name, ways in found.items()
        if (other := {w: r for w, r in ways.items() if r != "right" and not r.startswith("refused")})
    }
    assert not wrong
    assert len(found) >= 900
    others = {name: ways for name, ways in found.items() if not calls_back(name)}
    assert sum(map(len, refusals(others).values())) <= LIMIT * len(others)


def page() -> str:
    """The page of callables that refuse an active value."""
    found = outcomes()
    others = {name: ways for name, ways in found.items() if not calls_back(name)}
    refused = refusals(others)
    back = refusals({name: ways for name, ways in found.items() if calls_back(name)})
    text = (
        "Each public callable of NumPy, of SciPy's modules and of Python's modules of numbers that runs on a plain "
        "number, array or list was given one that is differentiated, in eager `grad`, under `jit` and under "
        "`jit(grad)`. Either its derivative is that of finite differences, or it is refused with a `GraphadError`. "
        f"Of {len(others)} callables {sum(map(len, refused.values()))} are refused; those with a star only in some of "
        "the three ways, as functions whose result has a shape that depends on values. Functions of SciPy that call a "
        f"function of the user's are counted apart: {sum(map(len, back.values()))} of {len(found) - len(others)}, by "
        "design. This page is written by `tests/test_leaks.py`."
    )
    parts = ["# What refuses a traced value\n", textwrap.fill(text, 118) + "\n"]
    for module, names in refused.items():
        parts.append(f"## {module}\n\n{', '.join(names)}\n")
    parts.append("# What calls a function of the user's, and refuses it a traced value\n")
    for module, names in back.items():
        parts.append(f"## {module}, with a function\n\n{', '.join(names)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    text = page()
    if "-" in sys.argv:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text)

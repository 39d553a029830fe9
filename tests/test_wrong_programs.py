"""Every wrong program raises what the catalogue says, its repair works, and the page of errors shows both."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import wrong_programs
from wrong_programs import ENTRIES, Entry, LinearTriple, Model, Triple

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"


def raised(entry: Entry) -> BaseException:
    with pytest.raises(entry.error) as caught:
        entry.wrong()
    return caught.value


def source(program) -> str:
    """The program's lines without decorator and `def`."""
    lines = textwrap.dedent(inspect.getsource(program)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("def "))
    return textwrap.dedent("\n".join(lines[start + 1 :])).strip()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.wrong.__name__)
def test_the_message(entry: Entry) -> None:
    message = str(raised(entry))
    for phrase in entry.phrases:
        assert phrase in message, f"{phrase!r} is not in: {message}"
    if entry.place:
        found = re.search(r"wrong_programs\.py:(\d+): ", message)
        assert found is not None, f"no place in: {message}"
        lines, first = inspect.getsourcelines(entry.wrong)
        at = int(found[1]) - first
        assert 0 <= at < len(lines)
        assert lines[at].strip()[:80] in message


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.wrong.__name__)
def test_the_repair(entry: Entry) -> None:
    assert entry.repaired is not None
    found = entry.repaired()
    if isinstance(entry.result, (str, type)):
        assert found == entry.result
    else:
        np.testing.assert_allclose(found, entry.result, rtol=1e-12, atol=1e-12)


def test_there_are_many() -> None:
    assert len(ENTRIES) >= 60
    assert len({e.wrong.__name__ for e in ENTRIES}) == len(ENTRIES)


def test_the_page_is_written_from_the_catalogue() -> None:
    """In a process of its own, since messages list the passes and executors that other tests may have registered."""
    written = subprocess.run([sys.executable, __file__, "-"], capture_output=True, text=True, check=True).stdout
    assert PAGE.read_text() == written, "run python tests/test_wrong_programs.py"


def page() -> str:
    """The page: sections of wrong programs with their messages and repairs."""
    parts = [
        "# Errors and their repairs\n\nWhat programs that go wrong say, and how to mend them. This page is written by "
        "`tests/test_wrong_programs.py`, which runs\nall of it. In the messages `program.py` is the user's file. All "
        "of graphad's own errors derive from `graphad.GraphadError`, and also from\nPython's class for the kind of "
        "error (`ValueError` for shapes, `TypeError` for dtypes and traced values, `IndexError`, ...).\n\n```py\n"
        "import numpy as np\nimport graphad\n\nA = np.arange(6.0).reshape(2, 3)\nX = np.array([1.0, 2.0, 3.0])\n"
        "Q = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])\n\n\n"
        + "\n\n".join(inspect.getsource(cls) for cls in (Triple, LinearTriple, Model))
        + "```\n\nA function without a rule gets one by a class of its own, as `LinearTriple`, or by "
        "`graphad.custom_jvp` and `graphad.custom_vjp`\n(see *A callback without a derivative* below and "
        "[Add an op](guide/add-an-op.md)).\n"
    ]
    section = ""
    for entry in ENTRIES:
        if entry.section != section:
            section = entry.section
            parts.append(f"## {section}\n")
        error = raised(entry)
        message = str(error).replace("wrong_programs.py", "program.py")
        message = re.sub(r"(program\.py):\d+", r"\1", re.sub(r"/\S*/", "", message))
        message = textwrap.fill(" ".join(message.split()), 110)
        parts.append(f"### {entry.title}\n\n```py\n{source(entry.wrong)}\n```\n")
        parts.append(f"```text\n{type(error).__name__}: {message}\n```\n")
        parts.append(f"Instead:\n\n```py\n{source(entry.repaired)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    assert wrong_programs.ENTRIES is ENTRIES
    if "-" in sys.argv:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page())

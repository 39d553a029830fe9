"""Running Graphviz: the `dot` program where it is installed, else pygraphviz's own engine, always with a timeout."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from typing import Literal

from graphviz import CalledProcessError, ExecutableNotFound, Source
from graphviz.backend import dot_command, execute

from graphad.errors import GraphadError, MissingExtraError

Engine = Literal["auto", "dot", "pygraphviz"]
FORMATS = ("svg", "png", "pdf", "dot")
PLACED = "nop2"
"""Graphviz's engine for text that holds all places; `neato` with `-n2` is the same."""

# An engine in this process could not be stopped, so pygraphviz runs in one of its own.
_WORKER = """
import sys
import pygraphviz
text = sys.stdin.buffer.read().decode("utf-8")
picture = pygraphviz.AGraph(string=text)
if sys.argv[2] == "png":
    picture.graph_attr["dpi"] = sys.argv[3]
sys.stdout.buffer.write(picture.draw(format=sys.argv[2], prog=sys.argv[1]))
"""


class DrawingError(GraphadError, RuntimeError):
    """Graphviz could not draw a picture."""


class DrawingTimeoutError(DrawingError, TimeoutError):
    """Graphviz did not finish a layout in time."""


def engines(engine: Engine = "auto") -> list[str]:
    """The engines to try, best first. Raises `MissingExtraError` if there is none."""
    found = []
    if engine in ("auto", "dot") and shutil.which("dot"):
        found.append("dot")
    if engine in ("auto", "pygraphviz") and importlib.util.find_spec("pygraphviz") is not None:
        found.append("pygraphviz")
    if not found:
        what = "pygraphviz (or the Graphviz program dot)" if engine != "pygraphviz" else "pygraphviz"
        raise MissingExtraError(what, "viz", "drawing in a format other than DOT text")
    return found


def source(text: str, layout: str = "dot") -> Source:
    """DOT text as the package graphviz has it."""
    return Source(text, engine="neato" if layout == PLACED else layout)


def render(
    text: str, format: str, *, layout: str = "dot", engine: Engine = "auto", timeout: float = 10.0, dpi: int = 144
) -> bytes:
    """DOT text as a picture. `layout` is Graphviz's own name for the layout engine.

    Raises `DrawingTimeoutError` after `timeout` seconds, `DrawingError` if every engine fails, and
    `MissingExtraError` if there is no engine.
    """
    problem = ""
    drawn = source(text, layout)
    for name in engines(engine):
        if name == "dot":
            places_given = 2 if layout == PLACED else None
            command = [*dot_command.command(drawn.engine, format, neato_no_op=places_given)]
            command += [f"-Gdpi={dpi}"] if format == "png" else []
        else:
            command = [sys.executable, "-c", _WORKER, layout, format, str(dpi)]
        try:
            # `Source.pipe` is this, but for the timeout.
            done = execute.run_check(
                command, input=drawn.source.encode(), capture_output=True, quiet=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise DrawingTimeoutError(f"Graphviz ({name}) did not finish the layout in {timeout:g} s") from None
        except CalledProcessError as error:
            problem = error.stderr.decode(errors="replace").strip()[-400:]
        except (ExecutableNotFound, OSError) as error:
            problem = str(error)
        else:
            if done.stdout:
                return bytes(done.stdout)
    raise DrawingError(f"Graphviz could not draw the picture as {format}: {problem or 'it gave no output'}")

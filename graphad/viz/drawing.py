"""`Drawing`: a picture that can be saved, or shown in a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from graphviz import Source

from graphad.errors import GraphadError, MissingExtraError, TypeMismatchError
from graphad.graph import Graph, Node
from graphad.serial import write_file
from graphad.viz.collapse import subgraph
from graphad.viz.dot import to_dot
from graphad.viz.engine import FORMATS, PLACED, DrawingError, Engine, render, source
from graphad.viz.layered import place
from graphad.viz.picture import Picture

Layout = Literal["auto", "dot", "layered"]
DOT_LIMIT = 110
"""Boxes above which a picture is not given to `dot` for its layout."""
SMALL, NEAR, FAR = 40, 6, 14
"""Levels that an edge may span uncut: `FAR` in a picture of up to `SMALL` boxes, else `NEAR`."""
PIXELS = 6e6
"""Pixels above which a bitmap gets a lower resolution."""
USES = 5
"""Uses above which an input is drawn once per use."""


class Drawing:
    """A drawing of a graph. Graphviz runs when a format is asked for; `dot` needs none.

    `groups` gives the nodes behind each collapsed box; `open` draws one of them.
    """

    def __init__(
        self,
        picture: Picture,
        *,
        layout: Layout = "auto",
        engine: Engine = "auto",
        timeout: float = 4.0,
        legend: bool = True,
        graph: Graph | None = None,
        groups: Mapping[str, tuple[Node, ...]] | None = None,
    ) -> None:
        if layout not in ("auto", "dot", "layered"):
            raise TypeMismatchError(f'layout={layout!r}: use "auto", "dot" or "layered"')
        if engine not in ("auto", "dot", "pygraphviz"):
            raise TypeMismatchError(f'engine={engine!r}: use "auto", "dot" or "pygraphviz"')
        self.picture = _cut(picture)
        large = len(self.picture.boxes) > DOT_LIMIT or len(self.picture.edges) > 2 * DOT_LIMIT
        self.layout = ("layered" if large else "dot") if layout == "auto" else layout
        self.engine: Engine = engine
        self.timeout = timeout
        self.legend = legend
        self.groups = dict(groups or {})
        self._graph = graph
        self._texts: dict[str, str] = {}
        self._extent = (1.0, 1.0)

    @property
    def dot(self) -> str:
        """The DOT text. With the layout "layered" it holds all places, for Graphviz's engine `nop2`."""
        return self._text(self.layout)

    @property
    def source(self) -> Source:
        """The drawing as the `Source` of the package graphviz, with its methods: `view()`, `unflatten()`, `pipe()`. It
        knows no timeout; with the layout "layered" its `pipe` and `render` want `neato_no_op=2`."""
        return source(self.dot, PLACED if self.layout == "layered" else "dot")

    def _text(self, layout: str) -> str:
        if layout not in self._texts:
            picture, placement = place(self.picture) if layout == "layered" else (self.picture, None)
            self._extent = placement.bounds[2:] if placement is not None else (1.0, 1.0)
            self._texts[layout] = to_dot(picture, placement, legend=self.legend)
        return self._texts[layout]

    def render(self, format: str = "svg") -> bytes:
        """The drawing as bytes: "svg", "png", "pdf" or "dot".

        Where `dot` does not finish within the timeout, the layered layout stands in. Raises `MissingExtraError`
        without an engine (never for "dot"), `DrawingError` if Graphviz fails.
        """
        if format not in FORMATS:
            raise DrawingError(f"a drawing cannot be written as {format!r}; the formats are {', '.join(FORMATS)}")
        if format == "dot":
            return self.dot.encode()
        if self.layout == "dot":
            try:
                return render(self._text("dot"), format, layout="dot", engine=self.engine, timeout=self.timeout)
            except DrawingError:
                # The layered layout needs none of what may have failed.
                pass
        text = self._text("layered")
        width, height = self._extent
        dpi = int(72 * min(2.0, max(0.5, (PIXELS / (4 * width * height)) ** 0.5 * 2), 30000 / max(width, height)))
        return render(text, format, layout=PLACED, engine=self.engine, timeout=max(60.0, self.timeout), dpi=dpi)

    def svg(self) -> str:
        """The drawing as SVG text."""
        return self.render("svg").decode()

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> Path:
        """Write the drawing; the suffix tells the format unless `format` does. Returns the path.

        The file is replaced in one step: if anything fails, a file that was there before stays as it was.
        """
        path = Path(path)
        data = self.render(format or path.suffix[1:].lower())
        write_file(path, data)
        return path

    def open(self, group: str) -> Drawing:
        """The drawing of the ops behind a collapsed box, named by its id in `groups` (it stands in the SVG).

        Raises `DrawingError` if there is no such box.
        """
        if self._graph is None or group not in self.groups:
            raise DrawingError(f"no collapsed box is named {group!r}; there are {', '.join(self.groups) or 'none'}")
        from graphad.viz.show import draw

        inner = subgraph(self._graph, self.groups[group], self._graph.name)
        title = self.picture.boxes[group].title
        return draw(inner, collapse=None, engine=self.engine, title=title)

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except GraphadError:
            return None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        try:
            bundle["image/svg+xml"] = self.svg()
        except MissingExtraError as error:
            bundle["text/plain"] = f"{self!r}\n{error}"
        except GraphadError:
            pass
        return bundle

    def __repr__(self) -> str:
        return f"<Drawing {self.picture.title}: {len(self.picture.boxes)} boxes, {len(self.picture.edges)} edges>"


def _cut(picture: Picture) -> Picture:
    """Cut the edges that span many levels, and those of inputs that are used in many places."""
    level = picture.levels()
    reach = FAR if len(picture.boxes) <= SMALL else NEAR
    uses: dict[str, int] = {}
    for edge in picture.edges:
        uses[edge.tail] = uses.get(edge.tail, 0) + 1
    far = set()
    for i, edge in enumerate(picture.edges):
        often = picture.boxes[edge.tail].kind == "input" and uses[edge.tail] > USES
        if often or level[edge.head] - level[edge.tail] > reach:
            far.add(i)
    return picture.cut(far) if far else picture

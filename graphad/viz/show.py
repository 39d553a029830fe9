"""`draw`, `diff` and `draw_stages`."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphad.errors import TypeMismatchError
from graphad.graph import Graph
from graphad.serial import write_file
from graphad.viz.collapse import CHOICES, Collapse, choose
from graphad.viz.differ import difference
from graphad.viz.drawing import Drawing, Layout
from graphad.viz.engine import FORMATS, DrawingError, Engine
from graphad.viz.heat import Heat, Scale
from graphad.viz.label import clean, region_size
from graphad.viz.paint import Painter


def graph_of(source: Any) -> Graph:
    """The graph of a graph, a stage or a compiled function. Raises `TypeMismatchError` for anything else."""
    graph = source if isinstance(source, Graph) else getattr(source, "graph", None)
    if not isinstance(graph, Graph):
        raise TypeMismatchError(
            f"a {type(source).__name__} cannot be drawn: give a Graph, a Stage or a Compiled; a function is drawn as "
            "draw(trace(f)(*args)) or draw(jit(f).compile(*args))"
        )
    return graph


def draw(
    source: Any,
    *,
    collapse: Collapse = "auto",
    heat: Heat = None,
    layout: Layout = "auto",
    engine: Engine = "auto",
    title: str | None = None,
    legend: bool = True,
    timeout: float = 4.0,
) -> Drawing:
    """A drawing of a graph, a stage or a compiled function.

    `collapse` draws several ops as one box: "region" (every op with regions), "kernel" (fused kernels), "line" or
    "function" (ops from one line or function of the user's code); `None` draws every op, and "auto" collapses only
    large graphs. `heat` colours the ops by "bytes" moved, by "flops", or by a mapping from node to seconds.
    `layout` is "dot", "layered" (for large graphs) or "auto"; `engine` is "dot" (the program), "pygraphviz" or "auto".
    `timeout` is in seconds; after it the layered layout stands in for dot's.

    Raises `TypeMismatchError` for something that is no graph or for an unknown option.
    """
    graph = graph_of(source)
    if collapse not in CHOICES:
        raise TypeMismatchError(f"collapse={collapse!r}: use one of {', '.join(map(repr, CHOICES))}")
    chosen = choose(graph, collapse)
    painter = Painter(Scale((graph,), heat), chosen)
    picture = painter.picture
    picture.prefix = f"g{graph.digest[:8]}"
    picture.title = clean(str(title) if title is not None else f"@{graph.name}", 80)
    painter.graph(graph)
    count = region_size(graph)
    picture.notes.append(f"{count} op{'s' if count != 1 else ''}")
    if collapse == "auto" and chosen is not None:
        picture.notes.append(f"collapsed by {chosen}; collapse=None draws every op")
    if heat is not None:
        picture.notes.append(f"heat: up to {painter.scale.format(painter.scale.top)}")
    return Drawing(
        picture, layout=layout, engine=engine, timeout=timeout, legend=legend, graph=graph, groups=painter.members
    )


def diff(
    before: Any, after: Any, *, layout: Layout = "auto", engine: Engine = "auto", title: str | None = None,
    legend: bool = True, timeout: float = 4.0,
) -> Drawing:  # fmt: skip
    """A drawing of what changed from one stage to the next: what was removed, added, merged or computed otherwise.

    Stages are compared by the identity of their values, which passes keep. In a large difference only the changes
    and what stands next to them are drawn.
    """
    first, second = graph_of(before), graph_of(after)
    picture = difference(first, second)
    names = [str(getattr(source, "name", "")) for source in (before, after)]
    picture.title = clean(title or (" → ".join(names) if names[0] != names[1] else f"@{names[0]}"), 80)
    return Drawing(picture, layout=layout, engine=engine, timeout=timeout, legend=legend)


def draw_stages(
    stages: Sequence[Any] | Any, folder: str | os.PathLike[str], format: str = "svg", diffs: bool = True, **options: Any
) -> list[Path]:
    """Draw every stage of a compiled function into a folder, and what each one changed.

    `stages` is a list of `Stage` or a `Compiled`. Files are numbered (`00-trace.svg`, `01-cse.svg`, `01-cse.diff.svg`)
    and an `index.html` shows all. Stages that changed nothing get no diff. Returns the paths in order, the index
    last. `options` go to `draw`.
    """
    stages = list(getattr(stages, "stages", stages))
    if format not in FORMATS:
        raise DrawingError(f"a drawing cannot be written as {format!r}; the formats are {', '.join(FORMATS)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    parts: list[str] = []
    for i, stage in enumerate(stages):
        stem = f"{i:02d}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', stage.name).strip('-')[:60] or 'stage'}"
        facts = f"{region_size(stage.graph)} ops, {stage.seconds * 1e3:.2f} ms"
        parts.append(f"<h2>{i}. {html.escape(stage.name)} <small>{facts}</small></h2>")
        previous = stages[i - 1] if i else None
        if previous is not None and previous.graph is stage.graph:
            parts.append("<p>the graph of the stage before</p>")
        drawing = draw(stage, **{"title": f"{i}. {stage.name}", **options})
        paths.append(drawing.save(folder / f"{stem}.{format}"))
        parts.append(_shown(paths[-1].name, format))
        if diffs and previous is not None and not _same(previous.graph, stage.graph):
            change = diff(previous, stage, title=f"{previous.name} → {stage.name}")
            paths.append(change.save(folder / f"{stem}.diff.{format}"))
            parts.append(f"<details><summary>what changed</summary>{_shown(paths[-1].name, format)}</details>")
    style = (
        "body{font-family:Helvetica,Arial,sans-serif;color:#26323D;margin:2em}small{color:#66727F;font-weight:normal}"
        "img{max-width:100%}summary{cursor:pointer;color:#2F6FA3;margin:.5em 0}h2{font-size:1.1em;margin-top:2em}"
    )
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Stages</title>'
        f"<style>{style}</style></head>"
        "<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
    index = folder / "index.html"
    write_file(index, page.encode("utf-8", "replace"))
    return [*paths, index]


def _same(first: Graph, second: Graph) -> bool:
    return first is second or (
        first.outputs == second.outputs
        and [(n.op, n.inputs, n.outputs) for n in first.nodes] == [(n.op, n.inputs, n.outputs) for n in second.nodes]
    )


def _shown(name: str, format: str) -> str:
    link = f'<a href="{html.escape(name)}">'
    return (
        f'{link}<img src="{html.escape(name)}" alt="{html.escape(name)}"></a>'
        if format in ("svg", "png")
        else (f"<p>{link}{html.escape(name)}</a></p>")
    )

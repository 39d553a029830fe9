"""Pictures as DOT text, to be laid out by Graphviz or with every place given."""

from __future__ import annotations

from graphad.viz.label import clean
from graphad.viz.layered import Placement
from graphad.viz.picture import Box, Cluster, Edge, Picture
from graphad.viz.style import CLUSTER_FILLS, EDGES, FAINT, FONT, INK, LOOKS, heat_fill


def to_dot(picture: Picture, placement: Placement | None = None, *, legend: bool = True) -> str:
    """The DOT text of a picture; with a placement, for the engine `nop2`, which only draws."""
    lines = ["digraph graphad {"]
    caption = caption_label(picture, legend)
    lines += [f"  graph [{attributes(_graph_attributes(placement, caption))}];"]
    lines += [f'  node [shape=box, fontname="{FONT}", fontsize=11, fontcolor="{INK}", margin="0.12,0.06", height=0.3];']
    lines += [f'  edge [fontname="{FONT}", fontsize=9, arrowsize=0.6, penwidth=1.1, fontcolor="{FAINT}"];']
    _cluster(picture, picture.root, placement, lines, 0)
    if placement is not None:
        x, y = placement.caption
        lines.append(f"  caption [{attributes({'shape': 'plain', 'label': caption, 'pos': f'{x:.1f},{y:.1f}'})}];")
    for i, edge in enumerate(picture.edges):
        found = edge_attributes(edge)
        if placement is not None:
            found["pos"] = placement.edges[i]
        lines.append(f"  {edge.tail} -> {edge.head} [{attributes(found)}];")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _graph_attributes(placement: Placement | None, caption: str) -> dict[str, str]:
    # Network simplex and the search for fewer crossings are the two parts of dot that may run for minutes.
    found = {
        "charset": "UTF-8", "bgcolor": "white", "fontname": FONT, "fontsize": "11", "fontcolor": INK,
        "outputorder": "edgesfirst", "pad": "0.15", "tooltip": " ", "nslimit": "2", "nslimit1": "2", "mclimit": "0.6",
    }  # fmt: skip
    if placement is None:
        return {
            **found, "rankdir": "TB", "nodesep": "0.22", "ranksep": "0.32", "splines": "true",
            "label": caption, "labelloc": "b",
        }  # fmt: skip
    return {**found, "bb": "{:.1f},{:.1f},{:.1f},{:.1f}".format(*placement.bounds)}


def _cluster(picture: Picture, cluster: Cluster, placement: Placement | None, lines: list[str], depth: int) -> None:
    indent = "  " * (depth + 1)
    for id in cluster.boxes:
        lines.append(f"{indent}{id} [{attributes(box_attributes(picture, picture.boxes[id], placement))}];")
    for inner in cluster.clusters:
        lines.append(f"{indent}subgraph cluster_{inner.id} {{")
        found = {
            "label": inner.label.replace("&", "&amp;"),
            "tooltip": _tooltip(inner.tooltip or inner.label), "style": "rounded,filled",
            "fillcolor": CLUSTER_FILLS[depth % 2], "color": "#B4BCC5", "fontsize": "10", "fontcolor": FAINT,
            "fontname": FONT, "labeljust": "l", "margin": "10",
        }  # fmt: skip
        if placement is not None:
            x0, y0, x1, y1 = placement.clusters[inner.id]
            found["bb"] = f"{x0:.1f},{y0:.1f},{x1:.1f},{y1:.1f}"
            found["lp"] = f"{(x0 + x1) / 2:.1f},{y1 - 9:.1f}"
        lines.append(f"{indent}  graph [{attributes(found)}];")
        _cluster(picture, inner, placement, lines, depth + 1)
        lines.append(f"{indent}}}")


def box_attributes(picture: Picture, box: Box, placement: Placement | None) -> dict[str, str]:
    """The DOT attributes of a box."""
    look = LOOKS[box.category]
    stub = box.kind in ("stub", "use")
    styles = ["rounded", "filled"] + (["dashed"] if look.dashed else [])
    found = {
        "id": f"{picture.prefix}-{box.id}",
        "label": html_label(box, look.text),
        "tooltip": _tooltip(box.tooltip or box.title),
        "style": ",".join(styles),
        "color": look.border,
        "fillcolor": "#FFFFFF" if box.kind == "stub" else look.fill if box.share is None else heat_fill(box.share),
        "penwidth": f"{0.8 if stub else look.pen}",
    }
    if stub:
        found |= {"margin": "0.06,0.02", "height": "0.16", "width": "0.2"}
    if box.closed:
        found["peripheries"] = "2"
    if box.href:
        found["URL"] = f"#{picture.prefix}-{box.href}"
    if placement is not None:
        (x, y), (w, h) = placement.places[box.id], placement.sizes[box.id]
        found |= {"pos": f"{x:.1f},{y:.1f}", "width": f"{w / 72:.3f}", "height": f"{h / 72:.3f}", "fixedsize": "true"}
    return found


def html_label(box: Box, ink: str) -> str:
    """The words on a box: its title in bold, its type and place small below."""
    if box.kind in ("stub", "use"):
        return f'<<font point-size="9" color="{ink}">{escape(box.title)}</font>>'
    lines = [f'<font color="{ink}"><b>{escape(box.title)}</b></font>']
    if box.detail:
        color = "#C9D1D9" if ink == "#FFFFFF" else FAINT
        lines.append(f'<font point-size="9" color="{color}">{escape(box.detail)}</font>')
    return f"<{'<br/>'.join(lines)}>"


def edge_attributes(edge: Edge) -> dict[str, str]:
    """The DOT attributes of an edge."""
    found = {"color": EDGES.get(edge.category, EDGES["forward"])}
    if edge.dashed:
        found["style"] = "dashed"
    if edge.label:
        found["label"] = edge.label
    return found


def caption_label(picture: Picture, legend: bool) -> str:
    """Title, notes and the legend of the categories that occur, as an HTML-like label."""
    notes = f'  <font color="{FAINT}">{escape("  ·  ".join(picture.notes))}</font>' if picture.notes else ""
    rows = [f'<tr><td align="center"><b>{escape(picture.title)}</b>{notes}</td></tr>']
    used = {box.category for box in picture.boxes.values() if box.kind not in ("stub", "use")}
    cells = []
    for name, look in LOOKS.items():
        if legend and name in used and name not in ("constant",):
            colours = f'bgcolor="{look.fill}" color="{look.border}"'
            swatch = f'<td width="14" height="10" fixedsize="true" {colours} border="1"></td>'
            cells.append(f'{swatch}<td align="left"><font point-size="9">{escape(look.legend)}</font></td>')
    if cells:
        inner = f'<table border="0" cellborder="0" cellspacing="4" cellpadding="1"><tr>{"".join(cells)}</tr></table>'
        rows.append(f"<tr><td>{inner}</td></tr>")
    return f'<<table border="0" cellborder="0" cellspacing="2">{"".join(rows)}</table>>'


def attributes(found: dict[str, str]) -> str:
    """An attribute list. A value in doubled angle brackets is an HTML-like label and goes in as it is."""
    html = {name for name, text in found.items() if name == "label" and text.startswith("<<")}
    return ", ".join(f"{name}={text if name in html else quote(text)}" for name, text in found.items())


def quote(text: str) -> str:
    """A DOT string that means exactly the text."""
    return '"' + clean(text, 8000).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _tooltip(text: str) -> str:
    # Graphviz lets entities through as they are, so a literal & has to be one.
    return clean(text, 6000).replace("&", "&amp;") or " "


def escape(text: str) -> str:
    """Text for an HTML-like label."""
    text = clean(text)
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text

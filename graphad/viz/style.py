"""Colours and shapes of a drawing, in one table."""

from __future__ import annotations

from typing import NamedTuple

FONT = "Helvetica,Arial,sans-serif"
INK = "#26323D"
"""Colour of labels."""
FAINT = "#66727F"
"""Colour of types and places under a label."""


class Look(NamedTuple):
    """Fill, border and edge colours of a category, and what the legend calls it."""

    fill: str
    border: str
    legend: str
    text: str = INK
    dashed: bool = False
    pen: float = 1.1


LOOKS: dict[str, Look] = {
    "input": Look("#FFFFFF", "#3B4754", "input", pen=1.5),
    "constant": Look("#F3F4F6", "#9AA3AE", "constant"),
    "forward": Look("#E4EEF8", "#5B8DBE", "forward"),
    "residual": Look("#FFF3D1", "#CF9F2C", "residual: forward, read by the cotangents"),
    "tangent": Look("#E3F2E1", "#5FA057", "tangent"),
    "cotangent": Look("#FBE6E3", "#CD6A5D", "cotangent"),
    "output": Look("#3B4754", "#3B4754", "output", text="#FFFFFF"),
    "kept": Look("#F6F7F8", "#A4ACB6", "kept"),
    "added": Look("#DDF3DF", "#2E8B45", "added", pen=1.8),
    "removed": Look("#FDE7E7", "#C93A3A", "removed", dashed=True, pen=1.4),
    "merged": Look("#F1E8F9", "#8957B5", "removed: an equal value takes its place", dashed=True, pen=1.4),
    "replaced": Look("#FFF3D1", "#C98F12", "removed: another value takes its place", dashed=True, pen=1.4),
    "changed": Look("#DDF1F5", "#2F8FA3", "same value, computed otherwise", pen=1.8),
}
"""Every category of a box, in the order of the legend."""

EDGES: dict[str, str] = {
    "forward": "#8B96A2",
    "residual": "#CF9F2C",
    "tangent": "#5FA057",
    "cotangent": "#CD6A5D",
    "kept": "#A4ACB6",
    "added": "#2E8B45",
    "removed": "#C93A3A",
    "merged": "#8957B5",
    "replaced": "#C98F12",
}
"""Colour of an edge by its category."""

CLUSTER_FILLS = ("#FAFBFC", "#F1F3F6")
"""Backgrounds of clusters, by depth of nesting."""


def heat_fill(share: float) -> str:
    """White for 0 to a warm orange for 1 (readable under dark text)."""
    cold, hot = (255, 255, 255), (245, 150, 80)
    share = min(max(share, 0.0), 1.0)
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in zip(cold, hot, strict=True))

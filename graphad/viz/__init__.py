"""Drawings of graphs, of the stages of a compiled function, and of the difference of two stages."""

from graphad.viz.drawing import Drawing
from graphad.viz.engine import DrawingError, DrawingTimeoutError
from graphad.viz.show import diff, draw, draw_stages

__all__ = ["Drawing", "DrawingError", "DrawingTimeoutError", "diff", "draw", "draw_stages"]

"""Graph passes: each a function from graph to graph, named in pipelines such as `"vjp(wrt=0), cse, dce"`."""

from graphad.passes.base import PASSES, Pass, Pipeline, Stage, graph_pass
from graphad.passes.cleanup.cse import cse
from graphad.passes.cleanup.dce import dce
from graphad.passes.cleanup.fold import fold
from graphad.passes.cleanup.share_pads import share_pads
from graphad.passes.cleanup.simplify import rewrite, simplify
from graphad.passes.decompose import decompose
from graphad.passes.differentiation.jvp import jvp
from graphad.passes.differentiation.linearize import linearize, split
from graphad.passes.differentiation.transpose import transpose
from graphad.passes.differentiation.vjp import grad, vjp
from graphad.passes.fusion.fuse import fuse
from graphad.passes.inline import inline
from graphad.passes.loops.accumulate import accumulate
from graphad.passes.loops.licm import licm
from graphad.passes.loops.merge_loops import merge_loops
from graphad.passes.loops.propagate import propagate
from graphad.passes.loops.unroll_loops import unroll_loops
from graphad.passes.memory.lifetime import lifetime
from graphad.passes.memory.undo import undo
from graphad.passes.vmap import batch, vmap
from graphad.renamed import stand_ins
from graphad.rewriter import Rewriter

__all__ = [
    "PASSES", "Pass", "Pipeline", "Rewriter", "Stage", "accumulate", "batch", "cse", "dce", "decompose", "fold", "fuse",
    "grad", "graph_pass", "inline", "jvp", "licm", "lifetime", "linearize", "merge_loops", "propagate", "rewrite",
    "share_pads", "simplify", "split", "transpose", "undo", "unroll_loops", "vjp", "vmap",
]  # fmt: skip

_MOVED = {
    "differentiation": "jvp linearize transpose vjp cotangents",
    "cleanup": "cse dce fold simplify kinks share_pads",
    "loops": "licm merge_loops unroll_loops propagate accumulate",
    "fusion": "fuse grouping unroll",
    "memory": "lifetime remat undo",
}
stand_ins(__name__, {name: f"{folder}.{name}" for folder, names in _MOVED.items() for name in names.split()}, {})

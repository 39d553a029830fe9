"""Graph passes: each a function from graph to graph, named in pipelines such as `"vjp(wrt=0), cse, dce"`."""

from graphad.passes.accumulate import accumulate
from graphad.passes.base import PASSES, Pass, Pipeline, Stage, graph_pass
from graphad.passes.cse import cse
from graphad.passes.dce import dce
from graphad.passes.decompose import decompose
from graphad.passes.fold import fold
from graphad.passes.fuse import fuse
from graphad.passes.inline import inline
from graphad.passes.jvp import jvp
from graphad.passes.licm import licm
from graphad.passes.lifetime import lifetime
from graphad.passes.linearize import linearize, split
from graphad.passes.merge_loops import merge_loops
from graphad.passes.propagate import propagate
from graphad.passes.share_pads import share_pads
from graphad.passes.simplify import rewrite, simplify
from graphad.passes.transpose import transpose
from graphad.passes.undo import undo
from graphad.passes.unroll_loops import unroll_loops
from graphad.passes.vjp import grad, vjp
from graphad.passes.vmap import batch, vmap
from graphad.rewriter import Rewriter

__all__ = [
    "PASSES", "Pass", "Pipeline", "Rewriter", "Stage", "accumulate", "batch", "cse", "dce", "decompose", "fold", "fuse",
    "grad", "graph_pass", "inline", "jvp", "licm", "lifetime", "linearize", "merge_loops", "propagate", "rewrite",
    "share_pads", "simplify", "split", "transpose", "undo", "unroll_loops", "vjp", "vmap",
]  # fmt: skip

"""Graph passes: each a function from graph to graph, named in pipelines such as `"vjp(wrt=0), cse, dce"`."""

from graphad.passes.base import FORMER, PASSES, Pass, Pipeline, Stage, graph_pass
from graphad.passes.cleanup.adjoint_stencils import adjoint_stencils
from graphad.passes.cleanup.cse import cse
from graphad.passes.cleanup.dce import dce
from graphad.passes.cleanup.fold import fold
from graphad.passes.cleanup.simplify import rewrite, simplify
from graphad.passes.decompose import decompose
from graphad.passes.differentiation.jvp import jvp
from graphad.passes.differentiation.linearize import linearize, split
from graphad.passes.differentiation.transpose import transpose
from graphad.passes.differentiation.vjp import grad, vjp
from graphad.passes.fusion.fuse import fuse
from graphad.passes.inline import inline
from graphad.passes.loops.fold_add_into_dest import fold_add_into_dest
from graphad.passes.loops.licm import licm
from graphad.passes.loops.merge_loops import merge_loops
from graphad.passes.loops.simplify_regions import simplify_regions
from graphad.passes.loops.unroll_loops import unroll_loops
from graphad.passes.memory.lifetime import lifetime
from graphad.passes.memory.store_on_kill import store_on_kill
from graphad.passes.vmap import batch, vmap
from graphad.renamed import attributes, stand_ins
from graphad.rewriter import Rewriter

__all__ = [
    "PASSES", "Pass", "Pipeline", "Rewriter", "Stage", "adjoint_stencils", "batch", "cse", "dce", "decompose", "fold",
    "fold_add_into_dest", "fuse", "grad", "graph_pass", "inline", "jvp", "licm", "lifetime", "linearize",
    "merge_loops", "rewrite", "simplify", "simplify_regions", "split", "store_on_kill", "transpose", "unroll_loops",
    "vjp", "vmap",
]  # fmt: skip

_MOVED = {
    "cleanup": "cse dce fold simplify kinks",
    "differentiation": "jvp linearize transpose vjp cotangents",
    "fusion": "fuse grouping",
    "loops": "licm merge_loops unroll_loops",
    "memory": "lifetime remat",
}
stand_ins(
    __name__,
    {
        **{name: f"{folder}.{name}" for folder, names in _MOVED.items() for name in names.split()},
        "accumulate": "loops.fold_add_into_dest", "propagate": "loops.simplify_regions",
        "share_pads": "cleanup.adjoint_stencils", "undo": "memory.store_on_kill", "unroll": "fusion.scalarize",
    },
    FORMER,
)  # fmt: skip
__getattr__ = attributes(__name__, FORMER)

"""Graph passes: each a function from graph to graph, named in pipelines such as `"vjp(wrt=0), cse, dce"`.

The module of a pass is imported when the pass is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from graphad.passes.base import FORMER, PASSES, Pass, Pipeline, Stage, graph_pass
from graphad.renamed import attributes, stand_ins
from graphad.rewriter import Rewriter

if TYPE_CHECKING:
    from graphad.passes.cleanup.adjoint_stencils import adjoint_stencils
    from graphad.passes.cleanup.cse import cse
    from graphad.passes.cleanup.dce import dce
    from graphad.passes.cleanup.diagonals import diagonals
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

__all__ = [
    "PASSES", "Pass", "Pipeline", "Rewriter", "Stage", "adjoint_stencils", "batch", "cse", "dce", "decompose",
    "diagonals", "fold",
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
_former = attributes(__name__, FORMER)

# -- what is imported when it is first used ------------------------------------------------------------------------

_FOLDERS = {
    "cleanup": "adjoint_stencils cse dce diagonals fold simplify",
    "differentiation": "jvp linearize transpose vjp",
    "fusion": "fuse",
    "loops": "fold_add_into_dest licm merge_loops simplify_regions unroll_loops",
    "memory": "lifetime store_on_kill",
}
_HOMES = {name: f"{__name__}.{folder}.{name}" for folder, names in _FOLDERS.items() for name in names.split()}
_HOMES |= {name: f"{__name__}.{name}" for name in ("decompose", "inline", "vmap")}
_HOMES["grad"] = _HOMES["vjp"]
PASSES.pending.update(_HOMES)
_HOMES |= {"rewrite": _HOMES["simplify"], "split": _HOMES["linearize"], "batch": _HOMES["vmap"]}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return _former(name)
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


class _Passes(ModuleType):
    """The package, in which a pass stands for the module that has its name, whichever is imported first."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, getattr(value, name) if name in _HOMES and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Passes


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

"""Lowering of spectral decompositions to LAPACK: of Hermitian matrices, and by singular values.

The routines are NumPy's (`syevd`, `gesdd`) and take the matrices in columns as NumPy gives them, so that signs and
phases of vectors, which are LAPACK's choice, are those that `numpy.linalg` finds with the same LAPACK.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.executors.loops.lower import Lowering
from graphad.executors.loops.program import StridedView
from graphad.executors.loops.routines import LETTERS, workspace
from graphad.executors.loops.small import matrix_rule
from graphad.executors.loops.stacks import INT32, call, deliver, flat, matrices, memory, result, succeeded, work
from graphad.graph import Node, Value
from graphad.ops.decompositions import Svd, Svdvals
from graphad.ops.eigen import Eigh, Eigvalsh

_STUCK, _STUCK_SVD = "Eigenvalues did not converge", "SVD did not converge"


@matrix_rule(Eigh, Eigvalsh)
def hermitian(low: Lowering, node: Node) -> bool:
    (a,), (w, *vectors) = node.inputs, node.outputs
    op: Any = node.op
    n, dtype, real = a.type.shape[-1], a.type.dtype, w.type.dtype
    if not a.type.size:
        return False
    target = result(low, vectors[0], columns=True, only=True) if vectors else memory(dtype, a.type.shape, columns=True)
    low.copy(low.view(a), target, low.note(node))
    values = memory(real, w.type.shape)
    x = matrices(target)
    kind = "V" if vectors else "N"
    # The least lengths that LAPACK's documentation gives; the length of `work` is the one that it prefers.
    integers = 3 + 5 * n if vectors else 1
    scratch = [(work(INT32, integers), integers)]
    if dtype.kind == "c":
        reals = 1 + 5 * n + 2 * n * n if vectors else n
        scratch.insert(0, (work(real, reals), reals))
    name = "heevd" if dtype.kind == "c" else "syevd"
    nothing = [x for pair in scratch for x in (None, -1)]
    size = workspace(f"{LETTERS[dtype.char]}{name}", kind, "L", n, None, n, None, "work", -1, *nothing, None)
    size = max(size, 1 + 6 * n + 2 * n * n if vectors else 2 * n + 1)
    space = work(dtype, size)
    rest = [part for pair in scratch for part in pair]
    arguments = (kind, "L" if op.lower else "U", n, x.view, x.leading, flat(values), space, size, *rest)
    info = call(low, node, name, arguments, [x.view, flat(values), space, *[view for view, _ in scratch]])
    succeeded(low, node, info, _STUCK)
    deliver(low, w, values)
    for v in vectors:
        deliver(low, v, target)
    return True


@matrix_rule(Svd, Svdvals)
def singular(low: Lowering, node: Node) -> bool:
    (a,), outputs = node.inputs, node.outputs
    op: Any = node.op
    if not a.type.size:
        return False
    kind = "N" if len(outputs) == 1 else "A" if op.full_matrices else "S"
    found = decomposed(low, node, a, kind)
    for v, view in zip(outputs, found, strict=True):
        deliver(low, v, view)
    return True


def decomposed(low: Lowering, node: Node, a: Value, kind: str) -> list[StridedView]:
    """The decomposition `u, s, vh` of a value's matrices: whole for kind "A", thin for "S", only `s` for "N"."""
    (*lead, m, n), dtype = a.type.shape, a.type.dtype
    real = np.zeros(0, dtype).real.dtype
    k = min(m, n)
    matrix = memory(dtype, a.type.shape, columns=True)
    low.copy(low.view(a), matrix, low.note(node))
    values = memory(real, (*lead, k))
    sides = {"A": (m, n), "S": (k, k), "N": (1, 1)}[kind]
    # Without vectors nothing is written to these.
    outer = lead if kind != "N" else []
    u = memory(dtype, (*outer, m if kind != "N" else 1, sides[0]), columns=True)
    vh = memory(dtype, (*outer, sides[1], n if kind != "N" else 1), columns=True)
    scratch = [work(INT32, 8 * k)]
    if dtype.kind == "c":
        long = max(m, n)
        scratch.insert(0, work(real, 7 * k if kind == "N" else k * max(5 * k + 7, 2 * long + 2 * k + 1)))
    nothing = [None] * (1 + len(scratch))
    ldu, ldvt = (m, sides[1]) if kind != "N" else (1, 1)
    name = f"{LETTERS[dtype.char]}gesdd"
    size = workspace(name, kind, m, n, None, m, None, None, ldu, None, ldvt, "work", -1, *nothing)
    space = work(dtype, size)
    x, left, right = (matrices(view).view for view in (matrix, u, vh))
    arguments = (kind, m, n, x, m, flat(values), left, ldu, right, ldvt, space, size, *scratch)
    info = call(low, node, "gesdd", arguments, [x, flat(values), left, right, space, *scratch])
    succeeded(low, node, info, _STUCK_SVD)
    return [values] if kind == "N" else [u, values, vh]

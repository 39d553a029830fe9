"""Ways into a compiled function: by the leaves of its arguments, or by the arguments themselves, for one signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import passes, tree
from graphad.api.apart import clash
from graphad.api.call import Invocation, as_array, run
from graphad.api.starting import Starting
from graphad.api.unpacking import packing, unpacking
from graphad.numpy.layouts import standing
from graphad.ops.regions.call import Call as CallOp
from graphad.trace import Trace, apply


def by_leaves(executable: Callable[..., Any], call: Invocation) -> Callable[..., Any]:
    """A function of the leaves of a call's arguments, which need not be arrays yet."""
    out_tree = call.out_tree
    return lambda *leaves: tree.unflatten(out_tree, executable(*[as_array(x) for x in leaves]))


def direct(
    executable: Callable[..., Any], call: Invocation, other: Callable[..., Any], read: Callable[[], Sequence[Any]]
) -> Callable[..., Any]:
    """A function of a call's arguments that looks at nothing but what tells its signature from others; calls of any
    other signature go to `other`, and those where an argument that is written to shares memory with another one, or
    with what is `read` otherwise."""
    out_tree, trees = call.out_tree, call.trees
    single = out_tree is tree.LEAF
    bare = single or (out_tree.kind is tuple and all(child is tree.LEAF for child in out_tree.children))
    nested = any(t is not tree.LEAF for t in trees)

    def otherwise(*leaves: Any) -> Any:
        rest = iter(leaves)
        args = [tree.unflatten(t, [next(rest) for _ in range(t.num_leaves)]) for t in trees] if nested else leaves
        return other(*args) if bare else _Whole(other(*args))

    def bound(executable: Any) -> Callable[..., Any]:
        if hasattr(executable, "bind"):
            return executable.bind(otherwise, single, [type(x) for x in call.leaves])  # type: ignore[no-any-return]
        return _checked(executable, call.leaves, otherwise, single)

    native = executable.then(bound(executable), bound) if isinstance(executable, Starting) else bound(executable)
    if call.written and (sum([isinstance(x, np.ndarray) for x in call.leaves]) > 1 or read()):
        native = _apart(native, call.written, otherwise, read)
    if bare and not nested:
        return native  # type: ignore[no-any-return]

    if bare:
        return unpacking(trees, native, other)
    pack = packing(out_tree)

    def whole(*leaves: Any) -> Any:
        results = native(*leaves)
        return results.result if type(results) is _Whole else pack(results)

    return unpacking(trees, whole, other) if nested else whole


def _apart(
    native: Callable[..., Any], written: list[int], otherwise: Callable[..., Any], read: Callable[[], Sequence[Any]]
) -> Callable[..., Any]:
    def apart(*leaves: Any) -> Any:
        if len(leaves) > written[-1] and clash(leaves, written, read()) is not None:
            return otherwise(*leaves)
        return native(*leaves)

    return apart


class _Whole(NamedTuple):
    """A result that stands as the function gave it, where flat ones are expected."""

    result: Any


def _told(x: Any) -> tuple[Any, ...]:
    """What tells the signature of an array of NumPy's from others."""
    return x.__class__, x.dtype, x.shape, x.ndim < 2 or x.flags.c_contiguous


def _checked(
    executable: Callable[..., Any], leaves: list[Any], otherwise: Callable[..., Any], single: bool
) -> Callable[..., Any]:
    """An executable that checks nothing, for arrays of these types only."""
    if not all(type(x) is np.ndarray and x.dtype.isnative for x in leaves):
        return otherwise
    signature = [_told(x) for x in leaves]

    def checked(*args: Any) -> Any:
        try:
            same = [_told(x) for x in args] == signature
        except AttributeError:
            same = False
        if not same:
            return otherwise(*args)
        results = executable(*args)
        return results[0] if single else results

    return checked


def record(call: Invocation, traced: Trace) -> Any:
    """Within another trace: record a call of the function's graph."""
    op = CallOp(traced.graph)
    operands = [*call.leaves, *traced.captures]
    if op.drawn:  # a trace that runs at once draws at once
        return tree.unflatten(call.out_tree, run(passes.inline(traced.graph), operands))
    results = apply(op, operands) if traced.graph.outputs or op.effect else []
    call.give_up()
    return tree.unflatten(call.out_tree, [standing(x, [y]) for x, y in zip(results, traced.results, strict=False)])

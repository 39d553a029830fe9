"""`vmap`: a function of one example becomes a function of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from graphad import passes, tree
from graphad.api.call import Invocation, argument_type, check_callable, run
from graphad.api.methods import transformation
from graphad.errors import ShapeError, TypeMismatchError
from graphad.graph import Graph
from graphad.location import place
from graphad.ops.shape import Transpose
from graphad.trace import trace_flat
from graphad.types import TensorType

P = ParamSpec("P")
R = TypeVar("R")


@transformation
def vmap(
    fun: Callable[P, R], in_axes: Any = 0, out_axes: Any = 0, *, control_flow: bool = True
) -> Callable[P, R]:
    """Vectorise `fun` over an axis of its arguments.

    `in_axes` gives the mapped axis of each argument (an integer for all, a sequence with one entry for each, or trees
    of them); `None` leaves an argument as it is. `out_axes` says where the new axis stands in each result; `None`
    for a result that does not depend on the batch. Keyword arguments are mapped over their first axis. With
    `control_flow`, Python's `if`, `while` and `for` on traced values are converted, as in `jit`.

    Raises `ShapeError` where the mapped axes have different extents, `TypeMismatchError` for an argument that is no
    array.
    """
    return mapped(fun, in_axes, out_axes, control_flow)


def mapped(
    fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, control_flow: bool = True
) -> Callable[..., Any]:
    """The function of a batch that `vmap` gives."""
    check_callable("vmap", fun)

    def of_batch(*args: Any, **kwargs: Any) -> Any:
        call = Invocation(fun, args, kwargs)
        axes = _input_axes(call, args, in_axes)
        size = _batch_size(call, axes)
        leaves, types = [], []
        for x, axis in zip(call.leaves, axes, strict=True):
            kind = argument_type(x)
            if axis is not None:
                kind = TensorType(kind.dtype, (*kind.shape[:axis], *kind.shape[axis + 1 :]))
                x = _move(x, axis, 0)
            leaves.append(x)
            types.append(kind)
        name = getattr(fun, "__name__", "f").strip("<>")
        call.repeats = True
        flags = [axis is not None for axis in axes]

        def over_batch(graph: Graph) -> tuple[Graph, Any]:
            return passes.batch(graph, size, flags + [False] * (len(graph.inputs) - len(flags)))  # type: ignore[no-any-return]

        try:
            trace = trace_flat(call.apply, types, names=call.names(), name=name, control_flow=control_flow)
        except Exception as error:
            call.precede(error, leaves, lambda graph: over_batch(graph)[0])
            raise
        graph, batched = over_batch(trace.graph)
        results = run(graph, [*leaves, *trace.captures])
        call.give_up()
        out_tree = call.out_tree
        wanted = tree.broadcast_prefix(out_axes, tree.unflatten(out_tree, results), "vmap: out_axes")
        for i, (axis, flag) in enumerate(zip(wanted, batched, strict=True)):
            if axis is not None and not isinstance(axis, (int, np.integer)):
                raise TypeMismatchError(f"vmap: out_axes has {axis!r}{place()}; each entry is an axis, or None")
            if axis is None:
                if flag:
                    raise TypeMismatchError(
                        f"vmap: out_axes is None for result {i}, which depends on a mapped argument{place()}"
                    )
                results[i] = results[i][0]
            elif axis != 0:
                results[i] = _move(results[i], 0, axis)
        return tree.unflatten(out_tree, results)

    return of_batch


def _input_axes(call: Invocation, args: tuple[Any, ...], in_axes: Any) -> list[int | None]:
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise TypeMismatchError(
            f"vmap: in_axes has {len(in_axes)} entries for {len(args)} arguments{place()}; give one for each"
        )
    types = call.types()
    axes = tree.broadcast_prefix(in_axes, args, "vmap: in_axes")
    axes += [0] * (len(call.leaves) - len(axes))
    found: list[int | None] = []
    for kind, axis in zip(types, axes, strict=True):
        if axis is not None and not isinstance(axis, (int, np.integer)):
            raise TypeMismatchError(f"vmap: in_axes has {axis!r}{place()}; each entry is an axis, or None")
        if axis is not None and not -kind.ndim <= axis < kind.ndim:
            raise ShapeError(f"vmap: an argument is {kind}, which has no axis {axis} to map over{place()}")
        found.append(None if axis is None else int(axis) % kind.ndim)
    return found


def _batch_size(call: Invocation, axes: list[int | None]) -> int:
    extents = {argument_type(x).shape[a] for x, a in zip(call.leaves, axes, strict=True) if a is not None}
    if not extents:
        raise TypeMismatchError(f"vmap: no argument is mapped{place()}; in_axes must name an axis of one at least")
    if len(extents) > 1:
        types = ", ".join(f"{argument_type(x)} over axis {a}" for x, a in zip(call.leaves, axes, strict=True))
        raise ShapeError(f"vmap: the mapped axes have different extents: {types}{place()}")
    return extents.pop()


def _move(x: Any, source: int, target: int) -> Any:
    ndim = argument_type(x).ndim
    order = [i for i in range(ndim) if i != source]
    order.insert(target if target >= 0 else target + ndim, source)
    return x if order == list(range(ndim)) else Transpose(tuple(order))(x)

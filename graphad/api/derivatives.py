"""Derivatives, with the names and arguments that JAX's users know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, ParamSpec, TypeVar, overload

import numpy as np

from graphad import passes, tree
from graphad.api.call import Invocation, argument_type, as_array, check_callable, chosen_positions, given_positions, run
from graphad.api.methods import transformation
from graphad.errors import ShapeError, TypeMismatchError
from graphad.executors.numpy import NumpyExecutor
from graphad.graph import Graph
from graphad.location import place, placed
from graphad.ops.elementwise import cast
from graphad.trace import innermost
from graphad.tracebacks import boundary

Argnums = int | Sequence[int]
P = ParamSpec("P")
R = TypeVar("R")
Aux = TypeVar("Aux")
Pullback = Callable[[Any], tuple[Any, ...]]


@transformation
def value_and_grad(
    fun: Callable[P, R], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[P, tuple[R, Any]]:
    """A function giving `(fun(*args), gradient)`, computed together in reverse mode.

    The gradient has the structure of the argument, or is a tuple of them when `argnums` is a sequence. With
    `has_aux`, `fun` returns `(loss, aux)` and so does the first result. Complex arguments follow JAX's convention:
    for a real loss the gradient is `df/dx - i df/dy`; `holomorphic=True` differentiates a complex loss.

    The other arguments may be of any type: arrays and numbers are traced, everything else (text, functions, objects,
    True and False) is passed to `fun` as it is.

    Raises `TypeMismatchError` (a `TypeError`) for an integer argument or a loss that is not a real scalar.
    """
    return _value_and_grad(fun, argnums, has_aux, holomorphic)


@transformation
def grad(
    fun: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[P, Any]:
    """A function giving the gradient of a scalar-valued `fun`; with `has_aux`, `(gradient, aux)`.

    See `value_and_grad` for structure, complex numbers and errors.
    """
    both = _value_and_grad(fun, argnums, has_aux, holomorphic)

    def gradient(*args: P.args, **kwargs: P.kwargs) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def _value_and_grad(
    fun: Callable[..., Any], argnums: Argnums, has_aux: bool, holomorphic: bool
) -> Callable[..., Any]:
    check_callable("grad", fun)
    several, chosen = isinstance(argnums, Iterable), chosen_positions("argnums", argnums)
    own: dict[tuple[Any, ...], Gradient] = {}

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        positions = given_positions("argnums", fun, args, chosen)
        call = Invocation(fun, args, kwargs, positions)
        wrt = [i for j in positions for i in call.argument_leaves(j)]
        for i in wrt:
            check_differentiable("grad", call, i, holomorphic)
        trace = call.trace(known=True, active=frozenset(wrt))
        _check_scalar(trace.graph, call, has_aux, holomorphic)
        results = _run_gradient(trace.graph, wrt, [*call.leaves, *trace.captures], own)
        call.give_up()
        n = len(trace.graph.outputs)
        gradients = iter(results[n:])
        trees = [tree.unflatten(call.trees[i], gradients) for i in positions]
        value = tree.unflatten(call.out_tree, results[:n])
        return value, tuple(trees) if several else trees[0]

    return value_and_gradient


@overload
def jvp(
    fun: Callable[..., R], primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[False] = False
) -> tuple[R, R]: ...


@overload
def jvp(
    fun: Callable[..., tuple[R, Aux]], primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[True]
) -> tuple[R, R, Aux]: ...


@overload
def jvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool) -> Any: ...


@boundary
def jvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """`(fun(*primals), directional derivative along tangents)`, in forward mode; with `has_aux`, `aux` comes third.

    Tangents have the structure, shapes and dtypes of the primals, dicts matched by key. Raises `ShapeError`, and
    `TypeMismatchError` too for a primal that is not of floating point.
    """
    check_callable("jvp", fun)
    call = Invocation(fun, _arguments("jvp: primals", primals), {})
    wrt = _differentiable("jvp", call)
    leaves = _matching("jvp: tangents", call, _arguments("jvp: tangents", tangents))
    trace = call.trace(known=True)
    _split_aux(trace.graph, call, has_aux)
    graph = passes.jvp(trace.graph, wrt)
    results = run(graph, [*call.leaves, *trace.captures, *leaves])
    call.give_up()
    return _with_tangents(call, trace.graph, results, has_aux)


@overload
def vjp(  # type: ignore[overload-overlap]
    fun: Callable[..., tuple[R, Aux]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Pullback, Aux]: ...


@overload
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool) -> Any: ...


@overload
def vjp(fun: Callable[P, R], *primals: P.args, **none: P.kwargs) -> tuple[R, Pullback]: ...


@boundary  # type: ignore[misc]  # `none` is there for the form of a ParamSpec only
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """`(fun(*primals), pullback)`, where `pullback(ct)` gives a tuple of cotangents, one for each primal.

    The law: `<ct, jvp(t)> == <pullback(ct), t>`. With `has_aux`, `fun` returns `(out, aux)` and `aux` comes third.
    Raises `TypeMismatchError` for a primal that is not of floating point.
    """
    check_callable("vjp", fun)
    call = Invocation(fun, primals, {})
    wrt = _differentiable("vjp", call)
    trace = call.trace(known=True)
    graph, out_tree, n_out, aux_tree = _split_aux(trace.graph, call, has_aux)
    linear = passes.linearize(graph, wrt)
    total = len(graph.outputs)
    kept = len([v for v in graph.outputs[:n_out] if v.type.differentiable])
    linear_outputs = linear.outputs[total : total + kept]
    first, second = passes.split(
        linear.replace(outputs=(*linear.outputs[:total], *linear_outputs), name=graph.name),
        linear.inputs[len(graph.inputs) :],
        linear_outputs,
    )
    results = run(first, [*call.leaves, *trace.captures])
    call.give_up()
    residuals = results[total:]
    n_res = len(residuals)
    transposed = passes.transpose(second, range(n_res, len(second.inputs)), range(kept))
    differentiable = [v.type.differentiable for v in graph.outputs[:n_out]]

    @boundary
    def pullback(ct: Any) -> tuple[Any, ...]:
        """Cotangents of the primals for a cotangent of the result."""
        leaves = _check_tree("vjp: the cotangent", ct, out_tree, [v.type for v in graph.outputs[:n_out]])
        cts = run(transposed, [*residuals, *[c for c, d in zip(leaves, differentiable, strict=True) if d]])
        starts = zip(call.trees, call.starts, strict=False)
        return tuple(tree.unflatten(t, cts[s : s + t.num_leaves]) for t, s in starts)

    value = tree.unflatten(out_tree, results[:n_out])
    if has_aux:
        return value, pullback, tree.unflatten(aux_tree, results[n_out:total])
    return value, pullback


@boundary
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """`(fun(*primals), f_jvp)`, where `f_jvp(*tangents)` is the derivative at the primals, computed ahead once.

    With `has_aux`, `fun` returns `(out, aux)` and `aux` comes third. Raises `TypeMismatchError` for a primal that is
    not of floating point.
    """
    check_callable("linearize", fun)
    call = Invocation(fun, primals, {})
    wrt = _differentiable("linearize", call)
    trace = call.trace(known=True)
    graph, out_tree, n_out, aux_tree = _split_aux(trace.graph, call, has_aux)
    linear = passes.linearize(graph, wrt)
    total = len(graph.outputs)
    first, second = passes.split(linear, linear.inputs[len(graph.inputs) :], linear.outputs[total:])
    results = run(first, [*call.leaves, *trace.captures])
    call.give_up()
    residuals = results[total:]
    types = [v.type for v in graph.outputs[:n_out]]

    @boundary
    def f_jvp(*tangents: Any) -> Any:
        """The derivative applied to tangents of the primals."""
        leaves = _matching("linearize: tangents", call, tangents)
        found = iter(run(second, [*residuals, *leaves]))
        return tree.unflatten(out_tree, [next(found) if t.differentiable else np.zeros(t.shape)[()] for t in types])

    value = tree.unflatten(out_tree, results[:n_out])
    if has_aux:
        return value, f_jvp, tree.unflatten(aux_tree, results[n_out:total])
    return value, f_jvp


@boundary
def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function: `linear_transpose(f, x)(ct)` gives a tuple of cotangents of the primals.

    Only the primals' shapes and dtypes matter (`ShapeDtype` will do). Raises `MissingRuleError` where `fun` is not
    linear.
    """
    check_callable("linear_transpose", fun)
    call = Invocation(fun, primals, {})
    trace = call.trace(known=False)
    graph = trace.graph
    transposed = passes.transpose(graph, range(len(call.leaves)), range(len(graph.outputs)))

    @boundary
    def transposed_fun(ct: Any) -> tuple[Any, ...]:
        """Cotangents of the primals."""
        leaves = _check_tree("linear_transpose: the cotangent", ct, call.out_tree, graph.output_types)
        cts = run(transposed, [*trace.captures, *leaves])
        starts = zip(call.trees, call.starts, strict=False)
        return tuple(tree.unflatten(t, cts[s : s + t.num_leaves]) for t, s in starts)

    return transposed_fun


Gradient = Callable[..., tuple[Any, ...]]
_MEMO_NODES = 256
_MEMO_BYTES = 4096
"""Bytes of a graph's constants up to which its gradient is remembered for all functions."""
_MEMO_ENTRIES = 128
_OWN_ENTRIES = 8
_gradients: dict[tuple[Any, ...], Gradient] = {}
"""The gradients of graphs that are plain data and hold little of it: nothing of a function that made one lives here."""


def _run_gradient(
    graph: Graph, wrt: Sequence[int], args: Sequence[Any], own: dict[tuple[Any, ...], Gradient]
) -> Sequence[Any]:
    """Values and gradients of a traced graph. Small graphs are differentiated once and then remembered: in the
    function's `own` table, or, where that keeps nothing of it alive, for all functions."""
    if innermost(args) is not None or len(graph.nodes) > _MEMO_NODES:
        return run(passes.grad(graph, wrt), args)
    key = (graph.signature(), *wrt)
    gradient = _gradients.get(key) or own.get(key)
    if gradient is None:
        light = sum(v.type.nbytes for v in graph.constants()) <= _MEMO_BYTES and all(n.op.of_data for n in graph.nodes)
        table, entries = (_gradients, _MEMO_ENTRIES) if light else (own, _OWN_ENTRIES)
        if len(table) >= entries:
            table.clear()
        differentiated = passes.dce(passes.grad(graph, wrt))
        if light:
            for node in differentiated.nodes:
                if node.where is not None:
                    node.where.settle()
        gradient = table[key] = NumpyExecutor().compile(differentiated)
    return gradient(*[as_array(x) for x in args])


# -- checks -------------------------------------------------------------------------------------------------------


def _arguments(what: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, (tuple, list)):
        raise TypeMismatchError(
            f"{what} are a {type(values).__name__}{place()}, and should be a tuple with one entry for each argument; "
            "write (x,) for a single one"
        )
    return tuple(values)


def _differentiable(what: str, call: Invocation) -> range:
    """All leaves of a call. Raises `TypeMismatchError` naming one that has no derivatives."""
    for i in range(len(call.leaves)):
        check_differentiable(what, call, i, False, "close over it")
    return range(len(call.leaves))


def check_differentiable(
    what: str, call: Invocation, i: int, holomorphic: bool, remedy: str = "choose other argnums"
) -> None:
    """Raise `TypeMismatchError` for a leaf that has no derivatives."""
    x = call.leaves[i]
    if (type(x) is float or (type(x) is np.ndarray and x.dtype.kind == "f")) and not holomorphic:
        return
    try:
        kind = argument_type(x)
    except TypeMismatchError as error:
        raise TypeMismatchError(placed(f"{what}: argument {call.names()[i] or i}: {error}", remedy)) from None
    if not kind.differentiable:
        raise TypeMismatchError(
            f"{what}: argument {call.names()[i] or i} is {kind}, and only floating-point arguments have derivatives"
            f"{place()}; pass a float (3.0, x.astype(float)) or {remedy}"
        )
    if holomorphic and kind.dtype.kind != "c":
        raise TypeMismatchError(
            f"{what}: holomorphic=True needs complex arguments, but {call.names()[i] or i} is {kind}{place()}; pass a "
            "complex number, or leave holomorphic out"
        )


def _check_scalar(graph: Graph, call: Invocation, has_aux: bool, holomorphic: bool) -> None:
    name = graph.name
    loss = call.out_tree
    if has_aux:
        if loss.kind is not tuple or len(loss.children) != 2:
            raise TypeMismatchError(f"grad: with has_aux=True, {name} must return (loss, aux){place()}")
        loss = loss.children[0]
    if loss is not tree.LEAF:
        raise TypeMismatchError(
            f"grad: {name} returns {loss}, not one scalar{place()}; give has_aux=True if it returns (loss, aux), or "
            "use jacrev or vjp"
        )
    kind = graph.outputs[0].type
    wanted = "c" if holomorphic else "f"
    if kind.shape:
        raise TypeMismatchError(
            f"grad: {name} returns {kind}, not a scalar{place()}; use jacrev or jacfwd for its Jacobian, vjp for a "
            "product, or sum the result"
        )
    if kind.dtype.kind != wanted:
        remedy = "holomorphic=True differentiates a complex one" if kind.dtype.kind == "c" else "return a real float"
        raise TypeMismatchError(f"grad: {name} returns {kind}, not a real floating-point scalar{place()}; {remedy}")


def _matching(what: str, call: Invocation, tangents: Sequence[Any]) -> list[Any]:
    if len(tangents) != len(call.trees):
        raise TypeMismatchError(
            f"{what}: {len(tangents)} given for {len(call.trees)} primals{place()}; give one for each"
        )
    leaves: list[Any] = []
    for i, (t, treedef) in enumerate(zip(tangents, call.trees, strict=True)):
        types = [argument_type(call.leaves[j]) for j in call.argument_leaves(i)]
        leaves += _check_tree(f"{what}[{i}]", t, treedef, types)
    return leaves


def _check_tree(what: str, value: Any, treedef: tree.TreeDef, types: Sequence[Any]) -> list[Any]:
    leaves = tree.matched(treedef, value)
    if leaves is None:
        raise TypeMismatchError(
            f"{what} has the structure {tree.structure(value)}, and should have {treedef}{place()}"
        )
    for i, (x, kind) in enumerate(zip(leaves, types, strict=True)):
        given = argument_type(x)
        if given.shape != kind.shape:
            raise ShapeError(f"{what} is {given}, and should be {kind}{place()}")
        if kind.differentiable and given.dtype != kind.dtype:
            if not np.can_cast(given.dtype, kind.dtype, "safe") and type(x) not in (int, float, complex):
                raise TypeMismatchError(f"{what} is {given}, and should be {kind}{place()}")
            leaves[i] = cast(x, kind.dtype)
    return leaves


def _split_aux(graph: Graph, call: Invocation, has_aux: bool) -> tuple[Graph, tree.TreeDef, int, tree.TreeDef]:
    """The graph, the structure and number of its differentiated outputs, and the structure of the auxiliary ones."""
    if not has_aux:
        return graph, call.out_tree, len(graph.outputs), tree.structure(None)
    if call.out_tree.kind is not tuple or len(call.out_tree.children) != 2:
        raise TypeMismatchError(f"with has_aux=True, {graph.name} must return (out, aux){place()}")
    out, aux = call.out_tree.children
    return graph, out, out.num_leaves, aux


def _with_tangents(call: Invocation, graph: Graph, results: list[Any], has_aux: bool) -> Any:
    n = len(graph.outputs)
    found = iter(results[n:])
    filled = [next(found) if v.type.differentiable else np.zeros(v.type.shape)[()] for v in graph.outputs]
    value, tangent = tree.unflatten(call.out_tree, results[:n]), tree.unflatten(call.out_tree, filled)
    return (value[0], tangent[0], value[1]) if has_aux else (value, tangent)

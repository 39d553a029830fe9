"""Branches, checkpoints, and what the loops share with them: functions as regions of a structured op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from graphad import tree
from graphad.api.call import (
    Invocation,
    check_callable,
    chosen_positions,
    converted,
    given_positions,
    is_weak,
    scalar_type,
)
from graphad.api.methods import transformation
from graphad.build import current_builder
from graphad.errors import TypeMismatchError
from graphad.graph import Graph, Value
from graphad.location import place
from graphad.numpy.arguments import known
from graphad.numpy.layouts import standing
from graphad.ops.elementwise import cast
from graphad.ops.regions.checkpoint import Checkpoint
from graphad.ops.regions.cond import Cond
from graphad.trace import Tracer, apply, inline, innermost, trace_flat
from graphad.tracebacks import boundary
from graphad.types import TensorType

P = ParamSpec("P")
R = TypeVar("R")


class TracedRegion:
    """A user's function traced for some arguments: a graph whose first inputs are what the function captured."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        call = Invocation(function, args, {})
        call.repeats = True
        self.call = call
        traced = trace_flat(
            call.apply,
            call.types(),
            names=call.names(),
            weak=[is_weak(x) for x in call.leaves],
            name=getattr(function, "__name__", "f").strip("<>"),
        )
        self.captures = traced.captures
        self.results = traced.results
        self.out_tree = call.out_tree
        graph, n = traced.graph, len(call.leaves)
        self.graph = graph.replace(inputs=(*graph.inputs[n:], *graph.inputs[:n]))

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of the function's results."""
        return self.graph.output_types

    def weak(self) -> list[bool]:
        """Which results are Python scalars, or stand for one."""
        return [is_weak(x) for x in self.results]

    def reading(self, captures: Sequence[Tracer]) -> Graph:
        """The graph with all of these captured values as its first inputs, whether it reads them or not."""
        own = {x.value: v for x, v in zip(self.captures, self.graph.inputs, strict=False)}
        first = [own.get(x.value) or Value(x.type, x.value.name) for x in captures]
        return self.graph.replace(inputs=(*first, *self.graph.inputs[len(self.captures) :]))

    def fit(self, treedef: tree.TreeDef) -> bool:
        """Put the results in the order of a structure, dicts matched by key. Answers whether they have it."""
        order = tree.matching(treedef, self.out_tree)
        if order is None:
            return False
        self.graph = self.graph.replace(outputs=[self.graph.outputs[i] for i in order])
        self.results = [self.results[i] for i in order]
        self.out_tree = treedef
        return True

    def cast(self, types: Sequence[TensorType]) -> None:
        """Convert the results to these dtypes."""
        old = self.graph

        def converted(args: Sequence[Any]) -> list[Any]:
            results = inline(old, args, args[0].builder if args else current_builder())  # type: ignore[arg-type]
            return [cast(r, t.dtype) for r, t in zip(results, types, strict=True)]

        if types != list(old.output_types):
            graph = trace_flat(converted, old.input_types, name=old.name).graph
            self.graph = Graph(graph.inputs, graph.nodes, graph.outputs, graph.name)


def all_captures(*regions: TracedRegion) -> list[Tracer]:
    """The values that any of the regions captured, each once."""
    found: dict[Any, Tracer] = {}
    for region in regions:
        for x in region.captures:
            found.setdefault(x.value, x)
    return list(found.values())


def describe_difference(path: str, left: str, a: Any, right: str, b: Any) -> str:
    """`state['x']: the body takes f64[3] and gives f64[4]`."""
    return f"{path or 'the value'}: {left} {a}, {right} {b}"


def check_trees(op: str, what: str, root: str, left: str, a: tuple[Any, Sequence[Any]], right: str, b: Any) -> None:
    """Raise `TypeMismatchError` unless two trees of types agree, naming the first leaf where they differ."""
    (tree_a, types_a), (tree_b, types_b) = a, b
    if tree_a != tree_b:
        raise TypeMismatchError(
            f"{op}: {what} differ in structure: {left} {tree_a}, {right} {tree_b}{place()}"
        )
    paths = tree.paths(tree.unflatten(tree_a, types_a), root)
    for path, s, t in zip(paths, types_a, types_b, strict=True):
        if s != t:
            raise TypeMismatchError(
                f"{op}: {what} differ in type at {describe_difference(path, left, s, right, t)}"
                f"{place()}; cast one of them (astype, dtype=) so that both are the same"
            )


@boundary
def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """`true_fun(*operands)` if `pred`, else `false_fun(*operands)`; only the branch taken runs.

    `pred` is a scalar of bool or of numbers, true unless zero. Both functions return trees of one structure with
    leaves of one shape and dtype; dicts are matched by key, and where `pred` is traced come in `false_fun`'s order.
    Derivatives of every order, in both modes, are those of the branch taken. Under `vmap` with a batched `pred` both
    branches run. Raises `TypeMismatchError` where the branches' results differ.
    """
    check_callable("cond", true_fun)
    check_callable("cond", false_fun)
    scalar_type("cond: the predicate", pred, "biufc")
    if isinstance(pred, Tracer):
        if pred.dtype.kind != "b":
            pred = np.not_equal(pred, 0)
    else:
        return true_fun(*operands) if pred else false_fun(*operands)
    return _select("cond", pred, [false_fun, true_fun], operands, ["the false branch gives", "the true branch gives"])


@boundary
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, with the index clamped to the branches there are.

    The other rules are those of `cond`.
    """
    if not isinstance(branches, (tuple, list)) or not branches:
        raise TypeMismatchError(
            f"switch: the branches are {branches!r}{place()}, and should be a list of one "
            "function or more"
        )
    for branch in branches:
        check_callable("switch", branch)
    scalar_type("switch: the index", index, "biu")
    if not isinstance(index, Tracer):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    if len(branches) == 1:
        return branches[0](*operands)
    return _select("switch", index, branches, operands, [f"branch {i} gives" for i in range(len(branches))])


def _select(
    name: str, index: Tracer, functions: Sequence[Callable[..., Any]], operands: tuple[Any, ...], titles: Sequence[str]
) -> Any:
    builder = current_builder()
    value = known(index) if builder is not None and not builder.staged else None
    if value is not None:
        # An eager derivative takes the branch that Python would.
        return converted(functions[min(max(int(value), 0), len(functions) - 1)])(*operands)
    regions = [TracedRegion(f, operands) for f in functions]
    unify(name, "the branches' results", "result", regions, titles)
    captures = all_captures(*regions)
    op = Cond(tuple([region.reading(captures) for region in regions]))
    results = apply(op, [index, *captures, *regions[0].call.leaves])
    weak = [all(column) for column in zip(*[r.weak() for r in regions], strict=True)]
    for x, flag, column in zip(results, weak, zip(*[r.results for r in regions], strict=True), strict=True):
        if isinstance(x, Tracer):
            standing(x, column).weak = flag
    for region in regions:
        region.call.give_up()
    return tree.unflatten(regions[0].out_tree, results)


def unify(name: str, what: str, root: str, regions: Sequence[TracedRegion], titles: Sequence[str]) -> None:
    """Give all regions results of the same types: a Python scalar takes the dtype of the others' results.

    Raises `TypeMismatchError` where they still differ.
    """
    first = regions[0]
    if all([r.fit(first.out_tree) for r in regions]):
        columns = zip(*[zip(r.types, r.weak(), strict=True) for r in regions], strict=True)
        dtypes = [_common(column) for column in columns]
        for region in regions:
            each = zip(region.types, dtypes, region.weak(), strict=True)
            region.cast([t.with_dtype(d) if d is not None and weak else t for t, d, weak in each])
    for title, region in zip(titles[1:], regions[1:], strict=True):
        check_trees(name, what, root, titles[0], (first.out_tree, first.types), title, (region.out_tree, region.types))


def _common(column: Sequence[tuple[TensorType, bool]]) -> Any:
    """The dtype that Python scalars among these values take: that of the first array, if it can hold them."""
    strong = [t.dtype for t, weak in column if not weak]
    if not strong:
        return np.result_type(*[t.dtype for t, _ in column])
    held = all([np.result_type(strong[0], _PYTHON[t.dtype.kind]) == strong[0] for t, weak in column if weak])
    return strong[0] if held else None


_PYTHON: dict[str, Any] = {"b": True, "i": 0, "u": 0, "f": 0.0, "c": 0j}


@transformation
def checkpoint(fun: Callable[P, R], *, static_argnums: int | Sequence[int] = ()) -> Callable[P, R]:
    """`fun`, whose intermediate values a derivative computes anew from the arguments instead of keeping them.

    Memory of the arguments alone, for one more run of `fun` in the backward pass: the law of `jax.checkpoint`.
    """
    check_callable("checkpoint", fun)
    positions = chosen_positions("checkpoint: static_argnums", static_argnums)

    @wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        held = {i: args[i] for i in given_positions("checkpoint: static_argnums", fun, args, positions)}
        dynamic = tuple([x for i, x in enumerate(args) if i not in held])
        if innermost(tree.leaves((dynamic, kwargs))) is None and current_builder() is None:
            return fun(*args, **kwargs)

        @wraps(fun)
        def bound(named: dict[str, Any], *rest: Any) -> Any:
            given = iter(rest)
            return converted(fun)(*[held[i] if i in held else next(given) for i in range(len(args))], **named)

        region = TracedRegion(bound, (kwargs, *dynamic))
        results = apply(Checkpoint(region.graph), [*region.captures, *region.call.leaves])
        region.call.give_up()
        return tree.unflatten(region.out_tree, [standing(x, [y]) for x, y in zip(results, region.results, strict=True)])

    return checkpointed

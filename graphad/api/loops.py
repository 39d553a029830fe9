"""The loops, with the names and arguments that JAX's users know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import (
    ShapeDtype,
    argument_type,
    as_array,
    check_callable,
    converted,
    integer,
    is_weak,
    scalar_type,
)
from graphad.api.control import TracedRegion, all_captures, check_trees, checkpoint
from graphad.build import current_builder
from graphad.errors import ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.layouts import standing
from graphad.ops.elementwise import cast
from graphad.ops.regions.scan import Scan
from graphad.ops.regions.while_ import While
from graphad.ops.shape import concatenate, iota, reshape
from graphad.trace import apply, innermost
from graphad.tracebacks import boundary
from graphad.types import BOOL, INT64, TensorType

Segments = int | Sequence[int] | None
"""How many iterations stand between two kept states of a loop, outermost first."""


@boundary
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint_every: Segments = None,
) -> tuple[Any, Any]:
    """Fold `f` over the first axis of `xs`: `carry, y = f(carry, x)`; gives `(last carry, stacked ys)`.

    `xs` is a tree of arrays with one leading extent, or `None` with a `length`. The carry keeps its structure, shapes
    and dtypes; dicts in it are matched by key and keep the order of `init`. `reverse` goes from the last entry to the
    first. `unroll` runs so many steps in one iteration of the compiled loop (`True`: all). Reverse mode keeps what it
    needs of every step; with `checkpoint_every=k` only every k-th state, and runs the steps between again: memory
    `n/k + k` states instead of `n`, for at most one more forward run; a sequence of `d` numbers nests it, for `d` more
    runs (Griewank and Walther, Evaluating Derivatives, 2008, chapter 12).

    Raises `TypeMismatchError` where `f` gives a carry of another type, `ShapeError` where the extents differ.
    """
    check_callable("scan", f)
    leaves, treedef = tree.flatten(xs)
    count = _length(leaves, xs, length)
    unroll = unroll if unroll is True else integer("scan: unroll", unroll, 1)
    if unroll is True or unroll >= count > 0:
        return _unrolled(f, init, xs, count, reverse)
    if unroll > 1:
        size = int(unroll)
        return _chunked(f, init, xs, count, size, reverse, lambda c, chunk: _unrolled(f, c, chunk, size, reverse))
    if checkpoint_every is not None:
        size, *rest = _segments(checkpoint_every)

        def segment(carry: Any, chunk: Any) -> tuple[Any, Any]:
            return scan(f, carry, chunk, size, reverse, checkpoint_every=rest or None)

        return _chunked(f, init, xs, count, size, reverse, checkpoint(segment))
    region, carry = _prepared("scan", f, init, tree.unflatten(treedef, [_entry(x) for x in leaves]))
    captures, n = region.captures, len(carry)
    results = apply(Scan(region.graph, len(captures), count, n, reverse), [*captures, *carry, *leaves])
    region.call.give_up(*zip(leaves, region.call.leaves[n:], strict=True))
    for x, before, after in zip(results, carry, region.results, strict=False):
        standing(x, [before, after])
    carry_tree, y_tree = region.out_tree.children
    return tree.unflatten(carry_tree, results[:n]), tree.unflatten(y_tree, results[n:])


def _segments(every: Segments) -> list[int]:
    """Lengths of segments, the outermost first. Raises `TypeMismatchError` for what is no positive integer."""
    given = list(every) if isinstance(every, Iterable) else [every]
    if not given:
        raise TypeMismatchError(f"checkpoint_every={every!r}{place()}; give a number of iterations, or several")
    return [integer("checkpoint_every", size, 1) for size in given]


def _length(leaves: Sequence[Any], xs: Any, length: int | None) -> int:
    types = [argument_type(x) for x in leaves]
    for t, path in zip(types, tree.paths(xs, "xs"), strict=True):
        if not t.shape:
            raise ShapeError(f"scan: {path} is {t}, which has no axis to scan over{place()}")
    extents = {t.shape[0] for t in types} | ({integer("scan: length", length, 0)} if length is not None else set())
    if len(extents) > 1:
        found = ", ".join(f"{p} is {t}" for p, t in zip(tree.paths(xs, "xs"), types, strict=True))
        raise ShapeError(f"scan: the leading extents differ: {found}, length={length}{place()}")
    if not extents:
        raise TypeMismatchError(f"scan: without xs the length must be given{place()}")
    return extents.pop()


def _entry(x: Any) -> ShapeDtype:
    kind = argument_type(x)
    return ShapeDtype(kind.shape[1:], kind.dtype)


def _prepared(name: str, f: Callable[..., Any], init: Any, x: Any) -> tuple[TracedRegion, list[Any]]:
    """The traced body of a scan and the initial carry, whose Python scalars have the dtypes that the body gives."""
    carry, carry_tree = tree.flatten(init)
    for _ in range(3):
        region = TracedRegion(f, (tree.unflatten(carry_tree, carry), x))
        if region.out_tree.kind is not tuple or len(region.out_tree.children) != 2:
            raise TypeMismatchError(
                f"{name}: the body returns {region.out_tree}, and should return (carry, y){place()}; return None as y "
                "where there is nothing to stack"
            )
        region.fit(region.out_tree._replace(children=(carry_tree, region.out_tree.children[1])))
        found = region.out_tree.children[0]
        given = (found, region.types[: found.num_leaves])
        promoted = _promoted(carry, given[1]) if found == carry_tree else None
        if promoted is None:
            break
        carry = promoted
    taken = (carry_tree, [argument_type(x) for x in carry])
    check_trees(name, "the carries", "carry", "the body takes", taken, "and gives", given)
    return region, carry


def _promoted(carry: list[Any], types: Sequence[TensorType]) -> list[Any] | None:
    """The carry with its Python scalars cast to the types given; `None` if none changes."""
    changed = [
        is_weak(x)
        and not t.shape
        and argument_type(x).dtype != t.dtype
        and np.can_cast(argument_type(x).dtype, t.dtype, "same_kind")
        for x, t in zip(carry, types, strict=True)
    ]
    if not any(changed):
        return None
    return [cast(x, t.dtype) if flag else x for x, t, flag in zip(carry, types, changed, strict=True)]


def _unrolled(f: Callable[..., Any], init: Any, xs: Any, count: int, reverse: bool) -> tuple[Any, Any]:
    carry, rows, treedef = init, [], tree.structure(init)
    for i in reversed(range(count)) if reverse else range(count):
        carry, y = converted(f)(carry, tree.map(lambda x, i=i: x[i], xs))
        leaves = tree.matched(treedef, carry)
        carry = carry if leaves is None else tree.unflatten(treedef, leaves)
        rows.append(y)
    rows = rows[::-1] if reverse else rows
    if not rows:
        return scan(f, init, xs, count)
    return carry, tree.map(lambda *ys: _stacked(ys), rows[0], *rows[1:])


def _stacked(ys: Sequence[Any]) -> Any:
    return concatenate([reshape(y, (1, *argument_type(y).shape)) for y in ys])


def _chunked(
    f: Callable[..., Any], init: Any, xs: Any, count: int, size: int, reverse: bool, run: Callable[..., Any]
) -> tuple[Any, Any]:
    """Scan with `run` over chunks of `size` entries, and with `f` over those that remain at the end."""
    whole, rest = divmod(count, size)
    cut = whole * size

    def head(x: Any) -> Any:
        return reshape(x[rest:] if reverse else x[:cut], (whole, size, *argument_type(x).shape[1:]))

    def tail(x: Any) -> Any:
        return x[:rest] if reverse else x[cut:]

    def flat(y: Any) -> Any:
        return reshape(y, (cut, *argument_type(y).shape[2:]))

    carry, ys = scan(run, init, tree.map(head, xs), whole, reverse)
    ys = tree.map(flat, ys)
    if not rest:
        return carry, ys
    carry, last = scan(f, carry, tree.map(tail, xs), rest, reverse)
    pair = (last, ys) if reverse else (ys, last)
    return carry, tree.map(lambda a, b: concatenate([a, b]), *pair)


@boundary
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` of each entry along the first axis of `xs`, the results stacked; one entry at a time, as `jax.lax.map`.

    `vmap` gives the same values all at once, with more memory.
    """
    check_callable("map", f)
    return scan(lambda _, x: (None, converted(f)(x)), None, xs)[1]


@boundary
def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    checkpoint_every: Segments = None,
) -> Any:
    """`body_fun` applied to the value again and again as long as `cond_fun` of it holds.

    The value is a tree that keeps its structure, shapes and dtypes, dicts the order of `init_val`. Differentiable in
    both modes: reverse mode keeps what it needs of every iteration on stacks that grow with the run; with
    `checkpoint_every=k` only every k-th state (memory `n/k + k` states for `n` iterations, one more forward run),
    nested for a sequence of numbers, as in `scan`.

    Raises `TypeMismatchError` where the body gives another type, or the condition no scalar of bool.
    """
    check_callable("while_loop", cond_fun)
    check_callable("while_loop", body_fun)
    if checkpoint_every is not None:
        return _segmented(cond_fun, body_fun, init_val, checkpoint_every)
    carry, carry_tree = tree.flatten(init_val)
    for _ in range(3):
        body = TracedRegion(body_fun, (tree.unflatten(carry_tree, carry),))
        promoted = _promoted(carry, body.types) if body.fit(carry_tree) else None
        if promoted is None:
            break
        carry = promoted
    taken = (carry_tree, [argument_type(x) for x in carry])
    check_trees("while_loop", "the values", "value", "the body takes", taken, "and gives", (body.out_tree, body.types))
    test = TracedRegion(cond_fun, (tree.unflatten(carry_tree, carry),))
    if test.out_tree is not tree.LEAF or test.types[0].shape:
        raise TypeMismatchError(
            f"while_loop: the condition gives {list(test.types)}, and should give one scalar of bool{place()}; use "
            "numpy.any or numpy.all"
        )
    test.cast([TensorType(BOOL)])
    captures = all_captures(body, test)
    op = While(body.reading(captures), len(captures), test.reading(captures))
    results = apply(op, [*captures, *carry])
    for x, before, after in zip(results, carry, body.results, strict=True):
        standing(x, [before, after])
    for region in (body, test):
        region.call.give_up()
    return tree.unflatten(carry_tree, results)


def _segmented(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init: Any, every: Segments) -> Any:
    size, *rest = _segments(every)

    def segment(value: Any) -> Any:
        state = (0, value)
        going = lambda state: (state[0] < size) & converted(cond_fun)(state[1])
        step = lambda state: (state[0] + 1, converted(body_fun)(state[1]))
        return while_loop(going, step, state, checkpoint_every=rest or None)[1]

    return while_loop(cond_fun, checkpoint(segment), init)


@boundary
def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool = 1,
    checkpoint_every: Segments = None,
) -> Any:
    """`for i in range(lower, upper): val = body_fun(i, val)`; the bounds may be traced.

    `unroll` and `checkpoint_every` as in `scan`; with traced bounds the loop is not unrolled, and `checkpoint_every`
    acts as in `while_loop`.
    """
    check_callable("fori_loop", body_fun)
    for bound in (lower, upper):
        scalar_type("fori_loop: a bound", bound, "biu")
    if innermost([lower, upper]) is None:
        start = int(lower)
        count = max(int(upper) - start, 0)
        numbered = lambda val, i: (converted(body_fun)(i + start if start else i, val), None)
        numbers = iota(count) if current_builder() is not None else np.arange(count)
        return scan(numbered, init_val, numbers, count, unroll=unroll, checkpoint_every=checkpoint_every)[0]
    if checkpoint_every is not None:
        first, stop = (cast(lower, INT64), init_val), cast(upper, INT64)
        counted = lambda pair: (pair[0] + 1, converted(body_fun)(*pair))
        return while_loop(lambda pair: pair[0] < stop, counted, first, checkpoint_every=checkpoint_every)[1]
    start = cast(lower, INT64)
    carry, carry_tree = tree.flatten(init_val)
    single = lambda state, _: ((state[0] + 1, converted(body_fun)(state[0], state[1])), None)
    region, state = _prepared("fori_loop", single, (start, tree.unflatten(carry_tree, carry)), None)
    captures = region.captures
    count = cast(upper, INT64) - start
    op = Scan(region.graph, len(captures), None, len(state))
    return tree.unflatten(carry_tree, apply(op, [count, *captures, *state])[1:])


@boundary
def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes `e0, fn(e0, e1), fn(fn(e0, e1), e2), ...` along an axis, in `2 log2(n)` vectorised steps.

    `fn` takes and gives trees like `elems`, works on whole arrays, and must be associative. With `reverse` the prefixes
    start at the end. After Blelloch, Prefix sums and their applications (1990).
    """
    check_callable("associative_scan", fn)
    axis = integer("associative_scan: axis", axis)
    leaves, treedef = tree.flatten(elems)
    leaves = [as_array(x) for x in leaves]
    types = [argument_type(x) for x in leaves]
    extents = {t.shape[axis] if -t.ndim <= axis < t.ndim else None for t in types}
    if len(extents) != 1 or None in extents:
        raise ShapeError(f"associative_scan: axis {axis} differs in extent, or is missing: {types}{place()}")
    at = [axis % t.ndim for t in types]

    def cut(xs: Sequence[Any], *ends: int | None) -> list[Any]:
        return [x[(*[slice(None)] * a, slice(*ends))] for x, a in zip(xs, at, strict=True)]

    def both(xs: Sequence[Any], ys: Sequence[Any]) -> list[Any]:
        x, y = tree.unflatten(treedef, xs), tree.unflatten(treedef, ys)
        result = fn(y, x) if reverse else fn(x, y)
        found = tree.matched(treedef, result)
        if found is None:
            raise TypeMismatchError(
                f"associative_scan: the function gives {tree.structure(result)}, and should give {treedef} as its "
                f"arguments{place()}"
            )
        for given, x in zip(xs, found, strict=True):
            if argument_type(given).shape != argument_type(x).shape:
                raise ShapeError(
                    f"associative_scan: the function gives {argument_type(x)} for {argument_type(given)}{place()}; it "
                    "works on whole arrays, entry by entry along the axis"
                )
        return found

    def prefixes(xs: list[Any]) -> list[Any]:
        n = argument_type(xs[0]).shape[at[0]]
        if n < 2:
            return xs
        odd = prefixes(both(cut(xs, 0, n - 1, 2), cut(xs, 1, None, 2)))
        even = cut(xs, 0, 1)
        if n > 2:
            rest = both(cut(odd, 0, (n - 1) // 2, None), cut(xs, 2, None, 2))
            even = [concatenate([a, b], axis) for a, b in zip(even, rest, strict=True)]
        return [_alternating(a, b, axis) for a, b, axis in zip(even, odd, at, strict=True)]

    flipped = [x[(*[slice(None)] * a, slice(None, None, -1))] for x, a in zip(leaves, at, strict=True)]
    found = prefixes(flipped if reverse else leaves)
    if reverse:
        found = [x[(*[slice(None)] * a, slice(None, None, -1))] for x, a in zip(found, at, strict=True)]
    return tree.unflatten(treedef, found)


def _alternating(even: Any, odd: Any, axis: int) -> Any:
    """The entries of two arrays in turn along an axis; the first may have one more."""
    a, b = argument_type(even).shape, argument_type(odd).shape
    n = b[axis]
    head = even[(*[slice(None)] * axis, slice(0, n))]
    shape = (*b[:axis], n, 1, *b[axis + 1 :])
    pairs = reshape(
        concatenate([reshape(head, shape), reshape(odd, shape)], axis + 1), (*b[:axis], 2 * n, *b[axis + 1 :])
    )
    return pairs if a[axis] == n else concatenate([pairs, even[(*[slice(None)] * axis, slice(n, None))]], axis)

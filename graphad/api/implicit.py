"""Solvers of the user's own, with the derivatives of what they solve, in the names of `jax.lax`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import ShapeDtype, argument_type, as_array, check_callable, converted, run
from graphad.api.control import TracedRegion, all_captures, check_trees
from graphad.api.derivatives import jvp, linear_transpose
from graphad.errors import TypeMismatchError
from graphad.graph import Graph
from graphad.location import place
from graphad.ops.custom import CustomRoot, LinearSolve, NoTangent
from graphad.ops.elementwise import cast
from graphad.trace import apply
from graphad.tracebacks import boundary
from graphad.types import FLOAT64, TensorType

Flat = Callable[[Sequence[Any]], list[Any]]


@boundary
def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """`solve(f, initial_guess)`, a root of `f`, with the derivative of the root in what `f` reads.

    `f` maps a tree to one of the same structure, shapes and dtypes, and is 0 at the root. However `solve` finds it, the
    derivative is that of the implicit function theorem: `tangent_solve(g, y)` solves `g(x) = y` for a linear function
    `g`, which is the derivative of `f` at the root; for a number `lambda g, y: y / g(1.0)` will do. Reverse mode
    transposes `tangent_solve`, so let it be linear in `y` in the sense of NumPy's own operations, or use
    `custom_linear_solve` in it. With `has_aux`, `solve` gives `(root, aux)`; `aux` has no derivative, and is refused
    where one would be used. The signature and the law are those of `jax.lax.custom_root`.

        def cube_root(a):
            step = lambda f, x: graphad.fori_loop(0, 40, lambda _, x: x - f(x) / (3 * x**2), x)
            return graphad.optimize.custom_root(lambda x: x**3 - a, 1.0, step, lambda g, y: y / g(1.0))

    Raises `TypeMismatchError` where `f` or `solve` gives a tree of another structure or type.
    """
    return _rooted("custom_root", f, f, initial_guess, solve, tangent_solve, has_aux)


@boundary
def custom_fixed_point(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """`solve(f, initial_guess)`, a fixed point `f(x) = x`, with its derivative in what `f` reads.

    As `custom_root` of `f(x) - x`, whose derivative is what `tangent_solve` is given; `solve` is given `f`.
    """
    less: Callable[[Any], Any] = lambda x: tree.map(lambda a, b: a - b, converted(f)(x), x)
    return _rooted("custom_fixed_point", f, less, initial_guess, solve, tangent_solve, has_aux)


def _rooted(
    name: str, f: Callable[..., Any], zero: Callable[..., Any], guess: Any, solve: Callable[..., Any],
    tangent_solve: Callable[..., Any], has_aux: bool,
) -> Any:  # fmt: skip
    for function in (f, solve, tangent_solve):
        check_callable(name, function)
    guess, leaves, treedef = _floating(guess)
    equations = TracedRegion(zero, (guess,))
    _same(name, "f gives", equations, treedef, leaves)
    solved = TracedRegion(lambda x: converted(solve)(f, x), (guess,))
    parts = solved.out_tree
    if has_aux and (parts.kind is not tuple or len(parts.children) != 2):
        raise TypeMismatchError(f"{name}: solve gives {parts}, and with has_aux should give (root, aux){place()}")
    n = len(leaves)
    if not has_aux:
        _same(name, "solve gives", solved, treedef, leaves)
    elif not solved.fit(parts._replace(children=(treedef, parts.children[1]))):
        raise TypeMismatchError(f"{name}: solve gives a root {parts.children[0]}, the guess is {treedef}{place()}")
    captures = all_captures(equations, solved)
    read, graph = len(captures), equations.reading(captures)
    message = (
        f"{name}: what solve gives beside the root{place()} has no derivative; compute what you need from the root, or "
        "give it to graphad.stop_gradient"
    )

    def rule(xs: Sequence[Any]) -> list[Any]:
        held, results, tangents = xs[:read], xs[read + n : -(read + n)], xs[-(read + n) :][:read]
        root = results[:n]
        change = _moved(graph, read)([*held, *root, *tangents])
        whole = tree.unflatten(treedef, root)
        at = lambda x: tree.unflatten(treedef, run(graph, [*held, *tree.leaves(x)]))
        slope: Callable[[Any], Any] = lambda v: jvp(at, [whole], [v])[1]
        found = tree.matched(treedef, converted(tangent_solve)(slope, tree.unflatten(treedef, change)))
        if found is None:
            raise TypeMismatchError(f"{name}: tangent_solve gives another tree than {treedef}{place()}")
        return [*[-x for x in found], *[no_tangent(message, x, tangents) for x in results[n:]]]

    op = CustomRoot(solved.reading(captures), rule, read + n)
    results = apply(op, [*captures, *leaves])
    for region in (equations, solved):
        region.call.give_up()
    return tree.unflatten(solved.out_tree, results)


def _floating(given: Any) -> tuple[Any, list[Any], tree.TreeDef]:
    """A tree with the floating numbers that a solution has, its leaves and its structure."""
    leaves, treedef = tree.flatten(given)
    arrays = [as_array(x) for x in leaves]
    arrays = [x if argument_type(x).dtype.kind in "fc" else cast(x, FLOAT64) for x in arrays]
    return tree.unflatten(treedef, arrays), arrays, treedef


def no_tangent(message: str, x: Any, tangents: Sequence[Any]) -> Any:
    """The tangent of a value that has no derivative: refused with the message where it is used, none of integers."""
    kind = TensorType(x.dtype, x.shape)
    return NoTangent(message, kind)(*tangents) if kind.differentiable else np.zeros(x.shape)


def _moved(graph: Graph, read: int) -> Flat:
    """(what a graph reads, its arguments, tangents of what it reads) to tangents of its results."""

    def moved(xs: Sequence[Any]) -> list[Any]:
        count = len(graph.inputs) - read
        held, own, tangents = xs[:read], xs[read : read + count], xs[read + count :]
        free = [i for i, v in enumerate(graph.inputs[:read]) if v.type.differentiable]

        def at(*some: Any) -> list[Any]:
            return run(graph, [*replaced(held, free, some), *own])

        if not free:
            return [x * 0.0 for x in at()]
        return list(jvp(at, [held[i] for i in free], [tangents[i] for i in free])[1])

    return moved


def replaced(values: Sequence[Any], at: Sequence[int], some: Sequence[Any]) -> list[Any]:
    """The values with others at some positions."""
    found = list(values)
    for i, x in zip(at, some, strict=True):
        found[i] = x
    return found


def _same(name: str, what: str, region: TracedRegion, treedef: tree.TreeDef, leaves: Sequence[Any]) -> None:
    """Raise `TypeMismatchError` unless a function gives what it is given."""
    types = [argument_type(x) for x in leaves]
    if region.fit(treedef) and all([a.shape == b.shape for a, b in zip(types, region.types, strict=True)]):
        region.cast(types)
    check_trees(name, "the types", "x", "x is", (treedef, types), what, (region.out_tree, region.types))


@boundary
def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """`solve(matvec, b)`, the solution of `matvec(x) = b`, with its derivative in `b` and in what `matvec` reads.

    `matvec` is a linear function of a tree like `b`. The derivative solves the same system again, by `solve` in forward
    mode and by `transpose_solve(vecmat, ct)` in reverse mode, which `solve` does itself for a `symmetric` system; no
    iteration is differentiated. The signature and the law are those of `jax.lax.custom_linear_solve`.

    Raises `TypeMismatchError` where `matvec` or `solve` gives a tree of another structure or type, `MissingRuleError`
    in reverse mode where no transpose is known. `has_aux` is refused: return what else you need by `debug.callback`.
    """
    check_callable("custom_linear_solve", matvec)
    check_callable("custom_linear_solve", solve)
    if has_aux:
        raise TypeMismatchError(
            f"custom_linear_solve: has_aux{place()} is not known; solve again for what you need beside the solution"
        )
    back = solve if symmetric else transpose_solve
    return linear_solve("custom_linear_solve", matvec, b, solve, solve, back, symmetric)


Solve = Callable[[Callable[[Any], Any], Any], Any]


def linear_solve(
    name: str, matvec: Callable[[Any], Any], b: Any, solve: Solve, again: Solve, back: Solve | None, symmetric: bool
) -> Any:
    """`solve(matvec, b)`; where a derivative asks, `again(matvec, b)` and `back(transpose of matvec, b)`."""
    b, leaves, treedef = _floating(b)
    spec = tree.map(lambda x: ShapeDtype(argument_type(x).shape, argument_type(x).dtype), b)
    vecmat: Callable[[Any], Any] = matvec if symmetric else lambda ct: linear_transpose(matvec, spec)(ct)[0]

    def closed(what: str, function: Callable[[Any], Any]) -> TracedRegion:
        region = TracedRegion(function, (b,))
        _same(name, what, region, treedef, leaves)
        return region

    product = closed("matvec gives", matvec)
    solved = closed("solve gives", lambda b: converted(solve)(matvec, b))
    anew = solved if again is solve else closed("solve gives", lambda b: converted(again)(matvec, b))
    known = back is not None
    product_back = product if symmetric or not known else closed("the transpose gives", vecmat)
    turned = closed("transpose_solve gives", lambda ct: converted(back)(vecmat, ct)) if back is not None else anew
    regions = [product, solved, anew, product_back, turned]
    captures = all_captures(*regions)
    graphs = [r.reading(captures) for r in regions]
    moved, moved_back = [_moved(graphs[i], len(captures)) for i in (0, 3)]
    op = LinearSolve(
        graphs[1], graphs[2], graphs[4] if known else None, moved, moved_back if known else None, len(leaves)
    )
    results = apply(op, [*captures, *leaves])
    for region in regions:
        region.call.give_up()
    return tree.unflatten(treedef, results)

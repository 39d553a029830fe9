"""Jacobians and Hessians: columns by forward mode, rows by reverse mode, vectorised over a basis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.apart import check, clash
from graphad.api.call import (
    Invocation,
    argument_type,
    check_callable,
    chosen_positions,
    converted,
    forget,
    given_positions,
)
from graphad.api.derivatives import Argnums, P, check_differentiable, jvp, linearize, vjp
from graphad.api.derivatives import grad as _grad
from graphad.api.methods import transformation
from graphad.api.reads import arrays_read
from graphad.api.vectorize import mapped
from graphad.build import current_builder
from graphad.errors import TypeMismatchError
from graphad.location import place
from graphad.numpy.buffers import Buffer, buffer, plain
from graphad.numpy.layouts import laid
from graphad.ops.complex import from_parts
from graphad.trace import Tracer, innermost, lift
from graphad.tracebacks import boundary
from graphad.types import TensorType

_SMALL = 64
"""Rows up to which the identity matrix stands in a graph as a constant."""


@transformation
def jacfwd(fun: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The Jacobian by forward mode, a column at a time for each input element; best for few inputs.

    For an argument of shape `a` and a result of shape `r` it has shape `r + a`; trees nest result over argument. The
    arguments that `argnums` leaves out may be of any type. That of real results by a complex argument is `df/dx - i
    df/dy`, as of `grad`; of complex results it is the derivative along real numbers. Raises `TypeMismatchError` for an
    argument that is not of floating point.
    """
    check_callable("jacfwd", fun)

    def jacobian_fun(*args: Any, **kwargs: Any) -> Any:
        partial, chosen, settle = _partial("jacfwd", fun, args, kwargs, argnums)
        out = linearize(partial, *chosen, has_aux=has_aux)
        settle()
        leaves, treedef = tree.flatten(chosen)
        columns = []
        for basis in _basis("jacfwd", leaves):
            push: Callable[[Any], Any] = lambda t: mapped(out[1], control_flow=False)(*tree.unflatten(treedef, t))
            column = push(_with(leaves, *basis))
            if basis[0].dtype.kind == "c" and not all(map(_is_complex, tree.leaves(out[0]))):
                turned = push(_with(leaves, basis[0] * 1j, basis[1]))
                column = tree.map(lambda c, t: c if _is_complex(c) else from_parts(c, -t), column, turned)
            columns.append(column)
        # Each column set has the result's structure with the input's elements in front; move them behind.
        per_leaf = []
        for x, column in zip(leaves, columns, strict=True):
            shape = argument_type(x).shape
            per_leaf.append([_columns_last(c, shape) for c in tree.leaves(column)])
        out_tree = tree.structure(out[0])
        jacobians = [
            _arrange(tree.unflatten(treedef, list(row)), argnums) for row in zip(*per_leaf, strict=True)
        ]
        result = tree.unflatten(out_tree, jacobians)
        return (result, out[2]) if has_aux else result

    return jacobian_fun


@transformation
def jacrev(fun: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The Jacobian by reverse mode, a row at a time for each result element; best for few results.

    Shapes, trees, arguments and errors as `jacfwd`. That of complex results by a complex argument is the gradient of
    their real parts, which is the derivative where Cauchy's and Riemann's equations hold.
    """
    check_callable("jacrev", fun)

    def jacobian_fun(*args: Any, **kwargs: Any) -> Any:
        partial, chosen, settle = _partial("jacrev", fun, args, kwargs, argnums)
        out = vjp(partial, *chosen, has_aux=has_aux)
        settle()
        leaves, treedef = tree.flatten(out[0])
        rows = []
        for basis, position in _basis("jacrev", leaves):
            pull: Callable[[Any], Any] = lambda ct: mapped(out[1], control_flow=False)(tree.unflatten(treedef, ct))
            found = pull(_with(leaves, basis, position))
            if basis.dtype.kind == "c" and not all(map(_is_complex, tree.leaves(chosen))):
                turned = pull(_with(leaves, basis * -1j, position))
                found = tree.map(lambda r, t: r if _is_complex(r) else from_parts(r, t), found, turned)
            shape = argument_type(leaves[position]).shape
            split = tree.map(lambda r, shape=shape: _reshape(r, (*shape, *r.shape[1:])), found)
            rows.append(_arrange(split, argnums))
        result = tree.unflatten(treedef, rows)
        return (result, out[2]) if has_aux else result

    return jacobian_fun


jacobian = jacrev


@boundary
def hessian(fun: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The matrix of second derivatives, forward over reverse: shape `r + a + a`. Arguments and errors as `jacfwd`."""
    check_callable("hessian", fun)
    return jacfwd(jacrev(fun, argnums, has_aux), argnums, has_aux)


@boundary
def hvp(fun: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """Hessian-vector product of a scalar-valued `fun`, forward over reverse, without forming the Hessian.

    `primals` and `tangents` are tuples of arguments; the result has the structure of the first argument. Raises as
    `jvp`.
    """
    check_callable("hvp", fun)
    return jvp(_grad(fun), primals, tangents)[1]


def _partial(
    what: str, fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums
) -> tuple[Callable[..., Any], list[Any], Callable[[], None]]:
    """The function of the arguments that are differentiated, these, and what is to be done after it has been traced."""
    chosen = chosen_positions("argnums", argnums)
    if not chosen:
        raise TypeMismatchError(f"{what}: argnums={argnums!r} names no argument{place()}; give one at least")
    positions = given_positions("argnums", fun, args, chosen)
    call = Invocation(fun, args, {}, positions)
    for j in positions:
        for i in call.argument_leaves(j):
            check_differentiable(what, call, i, False)

    held = [None if i in positions else x for i, x in enumerate(args)]
    arrays = tuple([x for x in tree.leaves((held, kwargs)) if isinstance(x, (np.ndarray, Tracer))])
    copies: list[tuple[Any, Any, Any]] = []

    def given(x: Any) -> Any:
        """An array of the function's own in place of one that is held."""
        builder = current_builder()
        if isinstance(x, Tracer) and builder is not None:
            new: Any = laid(Tracer(builder, lift(builder, x), x.weak), x.layout)
            new.boxed = x.boxed
        elif type(x) in (np.ndarray, Buffer) and x.dtype.kind in "biufc":
            new = buffer(np.ndarray.copy(plain(x), "K"))
        else:
            return x
        copies.append((x, new, new.value if isinstance(x, Tracer) else None))
        return new

    @wraps(fun)
    def partial(*chosen: Any) -> Any:
        full = [tree.map(given, x) for x in held]
        for i, x in zip(positions, chosen, strict=True):
            full[i] = x
        return converted(fun)(*full, **{name: tree.map(given, x) for name, x in kwargs.items()})

    def settle() -> None:
        """Let what the function has changed of its other arguments no longer be read by an enclosing one."""
        written = [i for i, copy in enumerate(copies) if _changed(*copy)]
        every = [*[x for x, _, _ in copies], *[x for i in positions for x in tree.leaves(args[i])]]
        if written:
            check(call.title(), lambda: [None] * len(every), clash(every, written, arrays_read(fun, ())))
        for i in written:
            forget(every[i], call.title())

    partial.__graphad_held__ = arrays  # type: ignore[attr-defined]
    return partial, [args[i] for i in positions], settle


def _changed(x: Any, new: Any, value: Any) -> bool:
    """Whether a function has written to the array that stood for another one."""
    if isinstance(x, Tracer):
        return new.value is not value
    return isinstance(new, Tracer) or not np.array_equal(plain(x), plain(new), equal_nan=True)


def _with(leaves: list[Any], basis: Any, position: int) -> list[Any]:
    """Zeros for all leaves but one."""
    types = map(argument_type, leaves)
    return [basis if i == position else np.zeros((len(basis), *t.shape), t.dtype) for i, t in enumerate(types)]


def _is_complex(x: Any) -> bool:
    return argument_type(x).dtype.kind == "c"


def _basis(what: str, leaves: list[Any]) -> list[tuple[Any, int]]:
    bases = []
    for position, x in enumerate(leaves):
        kind = argument_type(x)
        if not kind.differentiable:
            raise TypeMismatchError(
                f"{what}: a result is {kind}, and only floating-point values have derivatives{place()}; return a float "
                "(astype), or leave it to has_aux=True"
            )
        bases.append((_identity(kind, leaves), position))
    return bases


def _identity(kind: TensorType, leaves: list[Any]) -> Any:
    """The basis of a type: an array, or in a graph the comparison of two ranges, which takes no memory."""
    n = kind.size
    if innermost(leaves) is None or n <= _SMALL:
        return np.eye(n, dtype=kind.dtype).reshape(n, *kind.shape)
    from graphad.ops.elementwise import cast
    from graphad.ops.shape import iota

    numbers = iota(n)
    return _reshape(cast(_reshape(numbers, (n, 1)) == numbers, kind.dtype), (n, *kind.shape))


def _reshape(x: Any, shape: tuple[int, ...]) -> Any:
    from graphad.ops.shape import reshape

    return reshape(x, shape)


def _columns_last(x: Any, shape: tuple[int, ...]) -> Any:
    from graphad.ops.shape import Transpose

    moved = x if x.ndim == 1 else Transpose((*range(1, x.ndim), 0))(x)
    return _reshape(moved, (*x.shape[1:], *shape))


def _arrange(jacobians: Any, argnums: Argnums) -> Any:
    return tuple(jacobians) if isinstance(argnums, Iterable) else jacobians[0]

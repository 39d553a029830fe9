"""Pytrees: nested containers of arrays, flattened to lists of leaves and back.

Tuples, lists, dicts, named tuples, dataclasses and None are containers; users register more. A tree's structure is
plain data that compares and hashes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from graphad.errors import TypeMismatchError


class TreeDef(NamedTuple):
    """The structure of a tree: the kind of its root, what else rebuilds it, and the children's structures."""

    kind: Any
    data: Any
    children: tuple[TreeDef, ...]

    @property
    def num_leaves(self) -> int:
        return 1 if self.kind is None else sum(child.num_leaves for child in self.children)

    def __repr__(self) -> str:
        return f"TreeDef({unflatten(self, ['*'] * self.num_leaves)!r})"

    def __str__(self) -> str:
        return str(unflatten(self, ["*"] * self.num_leaves)).replace("'*'", "*")


class _Registration(NamedTuple):
    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Any, Sequence[Any]], Any]


LEAF = TreeDef(None, None, ())
_REGISTRY: dict[type, _Registration] = {}


def register(
    cls: type,
    flatten: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten: Callable[[Any, Sequence[Any]], Any],
) -> None:
    """Make a class a container: `flatten(x) -> (children, data)`, `unflatten(data, children) -> x`.

    `data` must be hashable. The law: `unflatten(*reversed(flatten(x)))` equals `x`.
    """
    _REGISTRY[cls] = _Registration(flatten, unflatten)


def _children(tree: Any) -> tuple[Any, Any, Sequence[Any]] | None:
    """Kind, data and children of a container; None for a leaf."""
    cls = type(tree)
    if cls is tuple or cls is list:
        return cls, None, tree
    if cls is dict:
        try:
            keys = tuple(sorted(tree))
        except TypeError:
            keys = tuple(tree)
        return dict, keys, [tree[k] for k in keys]
    if tree is None:
        return type(None), None, ()
    registration = _REGISTRY.get(cls)
    if registration is not None:
        children, data = registration.flatten(tree)
        return cls, data, tuple(children)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return cls, None, tuple(tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(f.name for f in dataclasses.fields(tree))
        return cls, names, [getattr(tree, name) for name in names]
    return None


def flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """The leaves of a tree, in order, and its structure. Dicts are ordered by key."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> TreeDef:
    found = _children(tree)
    if found is None:
        leaves.append(tree)
        return LEAF
    kind, data, children = found
    return TreeDef(kind, data, tuple([_flatten(child, leaves) for child in children]))


def unflatten(treedef: TreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with these leaves."""
    return _unflatten(treedef, iter(leaves))


def _unflatten(treedef: TreeDef, leaves: Any) -> Any:
    kind, data, children = treedef
    if kind is None:
        return next(leaves)
    values = [_unflatten(child, leaves) for child in children]
    if kind is tuple:
        return tuple(values)
    if kind is list:
        return values
    if kind is dict:
        return dict(zip(data, values, strict=True))
    if kind is type(None):
        return None
    registration = _REGISTRY.get(kind)
    if registration is not None:
        return registration.unflatten(data, values)
    if data is None:
        return kind(*values)
    if kind.__dataclass_params__.init:
        fields = dataclasses.fields(kind)
        given = {f.name: v for f, v in zip(fields, values, strict=True) if f.init}
        return kind(**given)
    instance = object.__new__(kind)
    for name, value in zip(data, values, strict=True):
        object.__setattr__(instance, name, value)
    return instance


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in order."""
    return flatten(tree)[0]


def structure(tree: Any) -> TreeDef:
    """The structure of a tree."""
    return flatten(tree)[1]


def map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply a function leaf by leaf to trees of one structure. Raises `TypeMismatchError` if they differ."""
    first, treedef = flatten(tree)
    columns = [first]
    for other in rest:
        found, other_def = flatten(other)
        if other_def != treedef:
            raise TypeMismatchError(f"tree.map: the trees differ in structure: {treedef} and {other_def}")
        columns.append(found)
    return unflatten(treedef, [function(*xs) for xs in zip(*columns, strict=True)])


def paths(tree: Any, root: str = "") -> list[str]:
    """A name for each leaf, as one would write it: `params['w']`, `state.x`, `xs[0]`."""
    found = _children(tree)
    if found is None:
        return [root]
    kind, data, children = found
    if kind is dict:
        steps = [f"[{k!r}]" for k in data]
    elif hasattr(kind, "_fields"):
        steps = [f".{name}" for name in kind._fields]
    elif isinstance(data, tuple) and dataclasses.is_dataclass(kind):
        steps = [f".{name}" for name in data]
    else:
        steps = [f"[{i}]" for i in range(len(children))]
    return [path for child, step in zip(children, steps, strict=True) for path in paths(child, root + step)]


def broadcast_prefix(prefix: Any, tree: Any, what: str) -> list[Any]:
    """One entry of `prefix` for each leaf of `tree`; a leaf of the prefix stands for a whole subtree.

    `None` in the prefix is an entry, not a container. Raises `TypeMismatchError` naming `what` if they do not fit.
    """
    if prefix is None or isinstance(prefix, (int, bool)):
        return [prefix] * len(leaves(tree))
    p, t = _children(prefix), _children(tree)
    if p is None:
        return [prefix] * len(leaves(tree))
    fits = t is not None and len(p[2]) == len(t[2]) and (p[0] is t[0] or {p[0], t[0]} <= {list, tuple})
    if not fits or t is None or p[1] != t[1]:
        raise TypeMismatchError(f"{what}: {prefix!r} does not match the structure of {structure(tree)}")
    return [x for a, b in zip(p[2], t[2], strict=True) for x in broadcast_prefix(a, b, what)]

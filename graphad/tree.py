"""Pytrees: nested containers of arrays, flattened to lists of leaves and back.

Tuples, lists, dicts (also `OrderedDict`, `defaultdict`, `Counter`), named tuples, dataclasses and None are containers;
users register more. A tree's structure is plain data that compares and hashes. A dict keeps its order, which is a part
of its structure; what is matched to it (tangents, cotangents, carries, prefixes) is matched by key.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from types import MemberDescriptorType
from typing import Any, NamedTuple

import numpy as np

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


class Held:
    """Kind of a tree without leaves that is rebuilt as its data, the very object."""


class Made(NamedTuple):
    """Kind of an object that is made anew with its attributes, without a call of its class."""

    cls: type


LEAF = TreeDef(None, None, ())

_REGISTRY: dict[type, _Registration] = {}
LEAVES = {np.ndarray, float, int, complex, bool, str}
"""Types that are no containers, whoever registers them."""


def holds_lists(treedef: TreeDef) -> bool:
    """Whether a list or tuple stands somewhere in a tree."""
    return treedef.kind in (list, tuple) or any([holds_lists(child) for child in treedef.children])


def register(
    cls: type,
    flatten: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten: Callable[[Any, Sequence[Any]], Any],
) -> None:
    """Make a class a container: `flatten(x) -> (children, data)`, `unflatten(data, children) -> x`.

    `data` must be hashable. The law: `unflatten(*reversed(flatten(x)))` equals `x`.
    Raises `TypeMismatchError` for what is no class or no function.
    """
    for x, wanted in ((cls, "a class"), (flatten, "a function"), (unflatten, "a function")):
        if not (isinstance(x, type) if wanted == "a class" else callable(x)):
            raise TypeMismatchError(f"tree.register: {x!r} ({type(x).__name__}) is not {wanted}; pass one")
    _REGISTRY[cls] = _Registration(flatten, unflatten)


def _children(tree: Any) -> tuple[Any, Any, Sequence[Any]] | None:
    """Kind, data and children of a container; None for a leaf."""
    cls = type(tree)
    if cls is tuple or cls is list:
        return cls, None, tree
    if cls is dict:
        return dict, tuple(tree), tuple(tree.values())
    if tree is None:
        return type(None), None, ()
    if cls in LEAVES:
        return None
    registration = _REGISTRY.get(cls)
    if registration is not None:
        children, data = registration.flatten(tree)
        return cls, data, tuple(children)
    if cls in _DICTS:
        factory = (tree.default_factory,) if cls is defaultdict else ()
        return cls, (*factory, *tree), tuple(tree.values())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return cls, None, tuple(tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(f.name for f in dataclasses.fields(tree))
        return cls, names, [getattr(tree, name) for name in names]
    return None


_DICTS = {dict, OrderedDict, defaultdict, Counter}
"""Kinds whose data are their keys, in order; those of a `defaultdict` follow its factory."""


def _keys(kind: Any, data: Any) -> tuple[Any, ...]:
    return data[1:] if kind is defaultdict else data  # type: ignore[no-any-return]


def flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """The leaves of a tree, in order, and its structure. A dict's leaves stand in the dict's own order."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> TreeDef:
    found = _children(tree)
    if found is None:
        leaves.append(tree)
        return LEAF
    kind, data, children = found
    return TreeDef(kind, data, tuple([_flatten(child, leaves) for child in children]))


def flatten_some(tree: Any, leaves: list[Any], wanted: Callable[[Any], bool]) -> TreeDef:
    """Append the leaves that are wanted; the others become a part of the structure, which then is not to be hashed."""
    found = _children(tree)
    if found is not None:
        kind, data, children = found
        return TreeDef(kind, data, tuple([flatten_some(child, leaves, wanted) for child in children]))
    if not wanted(tree):
        return TreeDef(Held, tree, ())
    leaves.append(tree)
    return LEAF


def unflatten(treedef: TreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with these leaves. Raises `TypeMismatchError` where there are too few."""
    if not isinstance(treedef, TreeDef) or not hasattr(leaves, "__iter__"):
        raise TypeMismatchError(
            f"tree.unflatten takes a structure and a list of leaves, not a {type(treedef).__name__} and a "
            f"{type(leaves).__name__}; tree.flatten gives both"
        )
    try:
        return _unflatten(treedef, iter(leaves))
    except StopIteration:
        raise TypeMismatchError(
            f"tree.unflatten: there are too few leaves for {treedef}, which takes {treedef.num_leaves}"
        ) from None


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
    if kind is Held:
        return data
    if kind in _DICTS:
        content = dict(zip(_keys(kind, data), values, strict=True))
        return defaultdict(data[0], content) if kind is defaultdict else kind(content)
    if type(kind) is Made:
        return _with_attributes(kind.cls, data, values)
    registration = _REGISTRY.get(kind)
    if registration is not None:
        return registration.unflatten(data, values)
    if data is None:
        return kind(*values)
    if kind.__dataclass_params__.init:
        fields = dataclasses.fields(kind)
        given = {f.name: v for f, v in zip(fields, values, strict=True) if f.init}
        return kind(**given)
    return _with_attributes(kind, data, values)


def _with_attributes(cls: type, names: Sequence[str], values: Sequence[Any]) -> Any:
    instance: Any = object.__new__(cls)
    for name, value in zip(names, values, strict=True):
        if isinstance(getattr(cls, name, None), MemberDescriptorType) or not hasattr(instance, "__dict__"):
            object.__setattr__(instance, name, value)
        else:
            instance.__dict__[name] = value
    return instance


def is_leaf_class(cls: type) -> bool:
    """Whether nothing but its being a dataclass can make a class one of containers."""
    return cls not in _REGISTRY


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in order."""
    return flatten(tree)[0]


def structure(tree: Any) -> TreeDef:
    """The structure of a tree."""
    return flatten(tree)[1]


def matching(treedef: TreeDef, other: TreeDef) -> list[int] | None:
    """For each leaf of a structure, the position of the leaf of `other` that belongs to it; `None` if they differ.

    Dicts are matched by key, whatever their order and their kind.
    """
    order: list[int] = []
    return order if _match(treedef, other, 0, order) else None


def _match(a: TreeDef, b: TreeDef, start: int, order: list[int]) -> bool:
    if a == b:
        order.extend(range(start, start + a.num_leaves))
        return True
    if len(a.children) != len(b.children):
        return False
    steps: Sequence[int] = range(len(a.children))
    if a.kind in _DICTS and b.kind in _DICTS:
        place = {key: i for i, key in enumerate(_keys(b.kind, b.data))}
        keys = _keys(a.kind, a.data)
        if not all([key in place for key in keys]):
            return False
        steps = [place[key] for key in keys]
    elif (a.kind, a.data) != (b.kind, b.data) or a.kind is None:
        return False
    starts = [start]
    for child in b.children:
        starts.append(starts[-1] + child.num_leaves)
    return all([_match(child, b.children[i], starts[i], order) for child, i in zip(a.children, steps, strict=True)])


def matched(treedef: TreeDef, tree: Any) -> list[Any] | None:
    """The leaves of a tree in the order of `treedef`, dicts matched by key; `None` if the structures differ."""
    found, other = flatten(tree)
    order = matching(treedef, other)
    return None if order is None else [found[i] for i in order]


def map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply a function leaf by leaf to trees of one structure, dicts matched by key; the result is as the first tree.

    Raises `TypeMismatchError` if they differ.
    """
    if not callable(function):
        raise TypeMismatchError(f"tree.map: {function!r} ({type(function).__name__}) is not a function; pass one")
    first, treedef = flatten(tree)
    columns = [first]
    for other in rest:
        found = matched(treedef, other)
        if found is None:
            raise TypeMismatchError(
                f"tree.map: the trees differ in structure: {treedef} and {structure(other)}; give all the same"
            )
        columns.append(found)
    return unflatten(treedef, [function(*xs) for xs in zip(*columns, strict=True)])


def paths(tree: Any, root: str = "") -> list[str]:
    """A name for each leaf, as one would write it: `params['w']`, `state.x`, `xs[0]`."""
    return paths_of(structure(tree), root)


def paths_of(treedef: TreeDef, root: str = "") -> list[str]:
    """The same for the leaves of a structure."""
    kind, data, children = treedef
    if kind is None:
        return [root]
    if kind in _DICTS:
        steps = [f"[{k!r}]" for k in _keys(kind, data)]
    elif hasattr(kind, "_fields") and type(kind) is not Made:
        steps = [f".{name}" for name in kind._fields]
    elif type(kind) is Made or (isinstance(data, tuple) and dataclasses.is_dataclass(kind)):
        steps = [f".{name}" for name in data]
    else:
        steps = [f"[{i}]" for i in range(len(children))]
    return [path for child, step in zip(children, steps, strict=True) for path in paths_of(child, root + step)]


def broadcast_prefix(prefix: Any, tree: Any, what: str) -> list[Any]:
    """One entry of `prefix` for each leaf of `tree`; a leaf of the prefix stands for a whole subtree.

    `None` in the prefix is an entry, not a container; dicts are matched by key. Raises `TypeMismatchError` naming
    `what` if they do not fit.
    """
    if prefix is None or isinstance(prefix, (int, bool)):
        return [prefix] * len(leaves(tree))
    p, t = _children(prefix), _children(tree)
    if p is None:
        return [prefix] * len(leaves(tree))
    entries: Sequence[Any] | None = None
    if t is not None and len(p[2]) == len(t[2]):
        if p[0] in _DICTS and t[0] in _DICTS:
            given = dict(zip(_keys(*p[:2]), p[2], strict=True))
            keys = _keys(*t[:2])
            entries = [given[key] for key in keys] if all([key in given for key in keys]) else None
        elif p[1] == t[1] and (p[0] is t[0] or {p[0], t[0]} <= {list, tuple}):
            entries = p[2]
    if entries is None or t is None:
        raise TypeMismatchError(f"{what}: {prefix!r} does not match the structure of {structure(tree)}")
    return [x for a, b in zip(entries, t[2], strict=True) for x in broadcast_prefix(a, b, what)]

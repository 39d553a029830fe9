"""Trees of one structure taken apart and put together by code that is written for it: a call costs no walk."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphad import tree
from graphad.tree import LEAF, TreeDef


def unpacking(trees: Sequence[TreeDef], native: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
    """A function of trees that calls `native` with their leaves, or `other` with the trees themselves where one has
    another structure. What stands in the place of a leaf is not looked at: it is for `native` to refuse containers."""
    names: dict[str, Any] = {"native": native, "other": other}
    lines: list[str] = []
    parts: list[str] = []
    miss = "return other(*args)"

    def take(treedef: TreeDef, name: str) -> None:
        """Check what stands under a name, and tell where its leaves are."""
        if treedef is LEAF:
            parts.append(name)
            return
        kind, data, children = treedef
        names[f"{name}_kind"], names[f"{name}_data"] = kind, data
        if kind is type(None):
            lines.append(f"if {name} is not None: {miss}")
            return
        if not _known(treedef):
            names[f"{name}_leaves"] = _leaves(treedef)
            lines.append(f"{name} = {name}_leaves({name})")
            lines.append(f"if {name} is None: {miss}")
            parts.append(f"*{name}")
            return
        lines.append(f"if {name}.__class__ is not {name}_kind: {miss}")
        if kind in tree._DICTS:
            keys = f"({name}.default_factory, *{name})" if kind is defaultdict else f"tuple({name})"
            lines.append(f"if {keys} != {name}_data: {miss}")
            items, inside = f"{name}.values()", [f"*{name}.values()"]
        elif data is not None:
            inside = [f"{name}.{field}" for field in data]
            items = f"{', '.join(inside)},"
        else:
            lines.append(f"if len({name}) != {len(children)}: {miss}")
            items, inside = name, [f"*{name}"]
        if all([child is LEAF for child in children]):
            parts.extend(inside)
        else:
            inside = [f"{name}_{i}" for i in range(len(children))]
            lines.append(f"{', '.join(inside)}, = {items}")
            for child, x in zip(children, inside, strict=True):
                take(child, x)

    for i, treedef in enumerate(trees):
        take(treedef, f"a{i}")
    given = f"{', '.join([f'a{i}' for i in range(len(trees))])}, = args"
    last = f"return native({', '.join(parts)})"
    return _made(["def unpacked(*args):", f"if len(args) != {len(trees)}: {miss}", given, *lines, last], names)


def packing(treedef: TreeDef) -> Callable[[Sequence[Any]], Any]:
    """A function that makes the tree of a structure from its leaves."""
    names: dict[str, Any] = {"unflatten": tree.unflatten}
    count = treedef.num_leaves
    leaves = iter([f"x{i}" for i in range(count)])
    code = _code(treedef, leaves, names)
    taken = f"{', '.join([f'x{i}' for i in range(count)])}, = leaves" if count else "pass"
    return _made(["def packed(leaves):", taken, f"return {code}"], names)


def _code(treedef: TreeDef, leaves: Iterator[str], names: dict[str, Any]) -> str:
    kind, data, children = treedef
    if treedef is LEAF:
        return next(leaves)
    if kind is type(None):
        return "None"
    if kind not in (dict, list, tuple):
        inside = [next(leaves) for _ in range(treedef.num_leaves)]
        return f"unflatten({_named(treedef, names)}, [{', '.join(inside)}])"
    inside = [_code(child, leaves, names) for child in children]
    if kind is dict:
        keys = [repr(key) if type(key) is str else _named(key, names) for key in data]
        return f"{{{', '.join([f'{k}: {x}' for k, x in zip(keys, inside, strict=True)])}}}"
    return f"[{', '.join(inside)}]" if kind is list else f"({''.join([f'{x}, ' for x in inside])})"


def _named(x: Any, names: dict[str, Any]) -> str:
    """A name under which code finds an object."""
    name = f"k{len(names)}"
    names[name] = x
    return name


def _known(treedef: TreeDef) -> bool:
    """Whether code can take a container apart as `tree.flatten` does."""
    kind = treedef.kind
    if kind in (tuple, list) or kind in tree._DICTS:
        return True
    if kind in tree._REGISTRY:
        return False
    return issubclass(kind, tuple) or dataclasses.is_dataclass(kind)


def _leaves(treedef: TreeDef) -> Callable[[Any], list[Any] | None]:
    """The leaves of a tree of the structure; None for one of another."""

    def leaves(x: Any) -> list[Any] | None:
        found, structure = tree.flatten(x)
        return found if structure == treedef else None

    return leaves


def _made(lines: list[str], names: dict[str, Any]) -> Callable[..., Any]:
    exec(compile("\n    ".join(lines), __file__, "exec"), names)
    return names[lines[0].split("(")[0].removeprefix("def ")]  # type: ignore[no-any-return]


__all__ = ["packing", "unpacking"]

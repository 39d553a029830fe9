"""The words on a drawing: what an op, a value and a place are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.graph import Constant, Graph, Node, Value
from graphad.location import Location
from graphad.op import Op
from graphad.ops.regions.cond import Cond
from graphad.ops.regions.loop import Loop
from graphad.ops.regions.scan import Scan

_WIDTH = 44


def clean(text: str, limit: int = 400) -> str:
    """Text that every format can hold: unprintable characters are replaced, and an excess is cut off."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def number(x: Any) -> str:
    """A scalar, short."""
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, (complex, np.complexfloating)):
        return f"{complex(x):.4g}"
    if isinstance(x, (float, np.floating)):
        return f"{float(x):.4g}"
    return str(x)


def is_scalar(v: Value) -> bool:
    """Whether a value is a constant that a label can hold."""
    return isinstance(v, Constant) and not v.type.shape


def constant_text(v: Constant) -> str:
    """A constant's elements if they are few, else its type alone."""
    if v.array.size <= 4 and v.type.ndim == 1:
        return "[" + ", ".join(number(x) for x in v.array.flat) + "]"
    return number(v.array[()]) if not v.type.shape else "constant"


def op_text(node: Node) -> str:
    """`multiply(_, 2)`, `sum(axes=(0,))`, `sin`: the op with its scalar constants and attributes."""
    op = node.op
    if isinstance(op, Loop):
        return _loop_text(op)
    words: list[str] = []
    if any(is_scalar(v) for v in node.inputs):
        words = [number(v.array[()]) if isinstance(v, Constant) and is_scalar(v) else "_" for v in node.inputs]
    for name, value in op.attributes.items():
        if name not in op._region_fields:
            text = str(value) if isinstance(value, (np.dtype, type)) else repr(value)
            words.append(f"{name}={text}" if len(text) <= 24 else f"{name}=…")
    return clean(f"{op.name}({', '.join(words)})" if words else op.name, _WIDTH)


def _loop_text(op: Loop) -> str:
    if not isinstance(op, Scan):
        return op.name
    length = "?" if op.length is None else op.length
    return f"{op.name}(length={length}{', reverse' if op.reverse else ''})"


def region_text(node: Node, name: str) -> str:
    """What a region of a node is called: the branches of a condition by its value."""
    if isinstance(node.op, Cond):
        i = name.rpartition(".")[2]
        return ("false", "true")[int(i)] if node.inputs[0].type.dtype.kind == "b" else f"branch {i}"
    return name


def input_roles(op: Op, region: Graph) -> list[str]:
    """What each input of a region is for the loop around it; nothing for other ops."""
    if not isinstance(op, Loop):
        return [""] * len(region.inputs)
    entries = len(region.inputs) - op.consts - op.carried
    return ["const"] * op.consts + ["carry"] * op.carried + ["entry"] * entries


def result_titles(op: Op, region: Graph, name: str) -> list[str]:
    """What each result of a region is called: carries and stacked results of a loop are told apart."""
    n = len(region.outputs)
    if isinstance(op, Loop) and name == "body":
        return numbered("carry", op.carried) + numbered("stacked", n - op.carried)
    return numbered("result", n)


def numbered(word: str, n: int) -> list[str]:
    """The word alone if there is one, else with a number each."""
    return [word] if n == 1 else [f"{word} {i}" for i in range(n)]


def types_text(values: Sequence[Value]) -> str:
    """The types of some values; `f64[3] ×4` for many of one type."""
    types = [str(v.type) for v in values]
    if len(types) > 2 and len(set(types)) == 1:
        return f"{types[0]} ×{len(types)}"
    return clean(", ".join(types), _WIDTH)


def op_tooltip(node: Node, role: str) -> str:
    """Everything about a node: op, types, the user's line, and its role."""
    reads = ", ".join(str(v.type) for v in node.inputs)
    lines = [f"{node.op!r}", f"({reads}) -> {', '.join(str(v.type) for v in node.outputs)}"]
    if node.where is not None and str(node.where):
        lines.append(f"{node.where} in {node.where.function}")
        if text := node.where.text:
            lines.append(f"    {text}")
    lines.append(role)
    return "\n".join(clean(line) for line in lines)


def listing(nodes: Iterable[Node], limit: int = 40) -> str:
    """The ops of a group, one in a line."""
    lines = []
    for i, node in enumerate(nodes):
        if i == limit:
            lines.append("…")
            break
        lines.append(clean(f"{op_text(node)}: {types_text(node.outputs)}  {node.where or ''}".rstrip(), 100))
    return "\n".join(lines)


def summary(nodes: Sequence[Node]) -> str:
    """`9 ops: sin ×4, add ×3, …`."""
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.op.name] = counts.get(node.op.name, 0) + 1
    common = sorted(counts, key=lambda name: -counts[name])
    words = [name if counts[name] == 1 else f"{name} ×{counts[name]}" for name in common[:3]]
    return f"{len(nodes)} ops: " + ", ".join(words) + (", …" if len(common) > 3 else "")


def region_size(graph: Graph) -> int:
    """The number of nodes of a region, those of inner regions included."""
    return sum(1 for _ in graph.walk())


def place(where: Location | None) -> str:
    """`model.py:12`, or nothing."""
    return clean(str(where), 32) if where is not None else ""


class ValueNames:
    """What each value of a graph is called: the user's name, or `%3`."""

    def __init__(self) -> None:
        self._numbers: dict[Value, str] = {}
        self._taken: set[str] = set()

    def of(self, v: Value, node: Node | None) -> tuple[str, bool]:
        """The value's name, and whether it is the user's."""
        if v not in self._numbers:
            name = v.name
            if name is None and node is not None and node.where is not None and not node.where.role:
                name = node.where.target if len(node.outputs) == 1 else None
            own = name is not None
            name = clean(name or f"%{len(self._numbers)}", 32)
            if name in self._taken:
                count = 1
                while f"{name}.{count}" in self._taken:
                    count += 1
                name = f"{name}.{count}"
            self._taken.add(name)
            self._numbers[v] = name if own else f"\0{name}"
        found = self._numbers[v]
        return (found[1:], False) if found.startswith("\0") else (found, True)

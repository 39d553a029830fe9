"""The text form of graphs: `print_graph` writes what `parse_graph` reads back exactly."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphad.graph import Constant, Graph, Node, Value
from graphad.literals import spell, spell_complex
from graphad.location import Location
from graphad.parser import parse_graph
from graphad.types import BOOL, COMPLEX128, FLOAT64, INT64, Array, dtype_spelling

INLINE_SIZE = 8
"""Constants of at most so many elements are written where they are read."""
_COMMENT_COLUMN = 44
_IDENTIFIER = re.compile(r"[^\W\d]\w*(?:\.\w+)*")


def print_graph(graph: Graph) -> str:
    """The graph as text, `graph @f(%x: f64[3]) -> (f64[]) { ... }`, with types, names and the user's places.

    Values bear the user's names where known. Constants of more than 8 elements stand in a trailing section
    `constants`. Law: `print_graph(parse_graph(text)) == text` for every text that this function gives.
    """
    printer = _Printer()
    lines = list(printer.graph(graph, "", "graph"))
    if printer.large:
        lines.append("constants {")
        for constant, name in printer.large.items():
            data = constant.array.astype(constant.array.dtype.newbyteorder("<")).tobytes()
            lines.append(f'  {name}: {constant.type} = "{base64.b64encode(data).decode()}"')
        lines.append("}")
    return "\n".join(lines) + "\n"


def value_names(graph: Graph) -> dict[Value, str]:
    """A name for each value of the graph (regions not included), all different.

    A value is called by its own name, else by the variable that the user assigned it to, else by a number.
    """
    names: dict[Value, str] = {}
    used: set[str] = set()
    suffixes: dict[str, int] = {}
    count = 0

    def choose(v: Value, wanted: str | None) -> None:
        nonlocal count
        if wanted is None:
            name = str(count)
            count += 1
        else:
            name = base = spell_name(wanted)
            while name in used:
                suffixes[base] = suffixes.get(base, 0) + 1
                name = spell_name(f"{wanted}_{suffixes[base]}")
            used.add(name)
        names[v] = name

    for v in graph.inputs:
        choose(v, v.name)
    assigned = _assigned(graph)
    for node in graph.nodes:
        for v in node.outputs:
            choose(v, v.name or assigned.get(v))
    return names


def spell_name(name: str) -> str:
    """A name as it stands in the text: quoted unless it is an identifier."""
    return name if _IDENTIFIER.fullmatch(name) else repr(name)


def _assigned(graph: Graph) -> dict[Value, str]:
    # One statement of the user can make several nodes at one place; the variable is the last one's.
    found: dict[Value, str] = {}
    following: Location | None = None
    for node in reversed(graph.nodes):
        where = node.where
        if where is not None and not where.role and len(node.outputs) == 1:
            target = where.target
            if target is not None and not (following is not None and where.same_place(following)):
                found[node.outputs[0]] = target
        following = where
    return found


def describe_place(where: Location | None) -> str:
    """`model.py:12 cotangent`: a place without its folder, and its role."""
    if where is None:
        return ""
    return " ".join(f"{where} {where.role}".split())


class _Printer:
    def __init__(self) -> None:
        self.large: dict[Constant, str] = {}
        self.spelled: dict[Constant, str] = {}

    def graph(self, graph: Graph, indent: str, head: str) -> Iterator[str]:
        names = value_names(graph)
        inputs = ", ".join(f"%{names[v]}: {v.type}" for v in graph.inputs)
        outputs = ", ".join(map(str, graph.output_types))
        yield f"{indent}{head} @{spell_name(graph.name)}({inputs}) -> ({outputs}) {{"
        for node in graph.nodes:
            yield from self.node(node, names, indent + "  ")
        returned = ", ".join(self.operand(v, names) for v in graph.outputs)
        yield f"{indent}  return {returned}".rstrip()
        yield f"{indent}}}"

    def node(self, node: Node, names: dict[Value, str], indent: str) -> Iterator[str]:
        op = node.op
        results = ", ".join([f"%{names[v]}: {v.type}" for v in node.outputs])
        line = f"{indent}{results} = {op.name}" if results else f"{indent}{op.name}"
        regions = {}
        if op._fields:
            attributes = {}
            for field, value in op.attributes.items():
                if field in op._region_fields and value is not None:
                    regions[field] = value
                else:
                    attributes[field] = value
            if attributes:
                line += f"[{', '.join([f'{k}={spell(v)}' for k, v in attributes.items()])}]"
        for v in node.inputs:
            line += " " + self.operand(v, names)
        if regions:
            line += " {"
        place = describe_place(node.where)
        yield f"{line:<{_COMMENT_COLUMN}} // {place}" if place else line
        if regions:
            for field, value in regions.items():
                yield from self.region(field, value, indent + "  ")
            yield f"{indent}}}"

    def region(self, field: str, value: Any, indent: str) -> Iterator[str]:
        if isinstance(value, Graph):
            yield from self.graph(value, indent, f"{field} = graph")
            return
        yield f"{indent}{field} = ("
        for graph in value:
            yield from self.graph(graph, indent + "  ", "graph")
        yield f"{indent})"

    def operand(self, v: Value, names: dict[Value, str]) -> str:
        if type(v) is not Constant:
            return f"%{names.get(v, '?')}"
        text = self.spelled.get(v)
        if text is None:
            text = (spell_constant(v.array) if v.type.size <= INLINE_SIZE else None) or self.large_name(v)
            self.spelled[v] = text
        return text

    def large_name(self, constant: Constant) -> str:
        return self.large.setdefault(constant, f"@c{len(self.large)}")


def spell_constant(array: Array) -> str | None:
    """A small array as text; `None` if it holds a NaN with other bits than the usual ones."""
    if array.dtype.kind in "fc" and np.isnan(array).any():
        parts = array.reshape(-1).view(f"f{array.dtype.itemsize // (1 + (array.dtype.kind == 'c'))}")
        usual = np.array(np.nan, parts.dtype).tobytes()
        if any(x.tobytes() != usual for x in parts if np.isnan(x)):
            return None
    dtype = array.dtype
    if array.ndim == 0:
        text = _element(array[()])
        return text if dtype in (BOOL, INT64, FLOAT64, COMPLEX128) else f"{text}:{dtype_spelling(dtype)}"
    shape = ",".join(map(str, array.shape))
    return f"{_nested(array) if array.size else '[]'}:{dtype_spelling(dtype)}[{shape}]"


def _nested(array: Array) -> str:
    return f"[{', '.join(_element(x) if array.ndim == 1 else _nested(x) for x in array)}]"


def _element(x: Any) -> str:
    kind = x.dtype.kind
    if kind == "c":
        return spell_complex(complex(x))
    if kind != "f":
        return str(x.item())
    text = str(x)  # the shortest decimal that means this number in its own precision
    if x.dtype == FLOAT64 or np.isnan(x) or x.dtype.type(float(text)) == x:
        return text if x.dtype != FLOAT64 else repr(float(x))
    return repr(float(x))


__all__ = ["parse_graph", "print_graph"]

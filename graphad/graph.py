"""The intermediate representation: immutable graphs of typed values in single assignment.

Values and nodes compare by identity. A pass that keeps a value keeps the very object, so two stages of a pipeline
can be compared value by value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from graphad.arrays import array_of
from graphad.errors import ShapeError, VerifyError
from graphad.location import Location
from graphad.op import Op, Traced
from graphad.registry import LATER
from graphad.types import Array, TensorType

if TYPE_CHECKING:
    import networkx


class Value:
    """One typed result. `name` is the user's own name for it, if there is one."""

    __slots__ = ("name", "type")

    def __init__(self, type: TensorType, name: str | None = None) -> None:
        self.type = type
        self.name = name

    def __repr__(self) -> str:
        return f"<%{self.name or '?'}: {self.type}>"


class Constant(Value):
    """A value known when the graph is made. Equal arrays of equal type are one `Constant`, in every graph."""

    __slots__ = ("__weakref__", "array", "key")
    array: Array
    key: tuple[TensorType, bytes]

    def __new__(cls, array: Any) -> Constant:
        array = array_of(array)
        kind = TensorType(array.dtype, array.shape)
        content = array.tobytes()
        if len(content) > 32:
            from hashlib import blake2b

            content = blake2b(content, digest_size=33).digest()
        self = _CONSTANTS.get((kind, content))
        if self is None:
            self = object.__new__(cls)
            self.type, self.name, self.key = kind, None, (kind, content)
            self.array = np.array(array, dtype=kind.dtype, order="C")
            self.array.flags.writeable = False
            _CONSTANTS[kind, content] = self
        return self

    def __init__(self, array: Any) -> None:
        pass

    def __reduce__(self) -> tuple[Any, ...]:
        return Constant, (np.array(self.array),)

    def __repr__(self) -> str:
        return f"<constant {self.type}>"


_CONSTANTS: WeakValueDictionary[tuple[TensorType, bytes], Constant] = WeakValueDictionary()


class Node:
    """One op applied: `outputs = op(inputs)`, at the user's place `where`."""

    __slots__ = ("inputs", "op", "outputs", "where")

    def __init__(
        self, op: Op, inputs: tuple[Value, ...], outputs: tuple[Value, ...], where: Location | None = None
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.where = where

    def with_inputs(self, inputs: tuple[Value, ...]) -> Node:
        """The same results computed from other operands."""
        return Node(self.op, inputs, self.outputs, self.where)

    def with_op(self, op: Op) -> Node:
        """The same results of the same operands by another op."""
        return Node(op, self.inputs, self.outputs, self.where)

    def reading(self, env: Mapping[Value, Value]) -> Node:
        """The node with the operands that `env` has for its own; the very node if it has none."""
        if env.keys().isdisjoint(self.inputs):
            return self
        return self.with_inputs(tuple([env.get(v, v) for v in self.inputs]))

    def renamed(self, env: Mapping[Value, Value]) -> Node:
        """The node with what `env` has for its operands and for its results."""
        inputs, outputs = (tuple([env.get(v, v) for v in values]) for values in (self.inputs, self.outputs))
        return Node(self.op, inputs, outputs, self.where)

    def copied(self, env: dict[Value, Value]) -> Node:
        """The node with what `env` has for its operands, and results of its own, which are noted there."""
        outputs = tuple([Value(v.type, v.name) for v in self.outputs])
        node = Node(self.op, tuple([env.get(v, v) for v in self.inputs]), outputs, self.where)
        env.update(zip(self.outputs, outputs, strict=True))
        return node

    def map_regions(self, function: Callable[[Graph], Graph]) -> Node:
        """The node with `function` applied to its op's sub-graphs; the very node if none of them changes."""
        op = self.op
        if not op._region_fields:
            return self
        changed = False

        def apply(graph: Graph) -> Graph:
            nonlocal changed
            result = function(graph)
            changed = changed or result is not graph
            return result

        mapped = op.map_regions(apply)
        return self.with_op(mapped) if changed else self

    def __repr__(self) -> str:
        return f"<{self.op!r} {self.where or ''}>"


def reads(nodes: Iterable[Node], outputs: Iterable[Value] = ()) -> list[Value]:
    """What nodes and outputs read that none of the nodes makes, in order of first use; no constants."""
    nodes = tuple(nodes)
    made = {v for node in nodes for v in node.outputs}
    found = dict.fromkeys([*[v for node in nodes for v in node.inputs], *outputs])
    return [v for v in found if v not in made and not isinstance(v, Constant)]


Rule = Callable[..., Any]


class Graph:
    """An immutable program: `inputs`, `nodes` in order, `outputs`.

    Every value is an input, a `Constant`, or the result of exactly one earlier node. Dead and duplicate nodes stay
    until a pass removes them.
    """

    __slots__ = ("__weakref__", "_digest", "inputs", "name", "nodes", "outputs")

    def __init__(
        self,
        inputs: Iterable[Value],
        nodes: Iterable[Node],
        outputs: Iterable[Value],
        name: str = "f",
    ) -> None:
        self.inputs = tuple(inputs)
        self.nodes = tuple(nodes)
        self.outputs = tuple(outputs)
        self.name = name
        self._digest: str | None = None

    # -- reading ----------------------------------------------------------------------------------------------

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        return tuple(v.type for v in self.inputs)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        return tuple(v.type for v in self.outputs)

    def constants(self) -> tuple[Constant, ...]:
        """The constants that the graph reads, in order of first use (regions not included)."""
        found: dict[Constant, None] = {}
        for node in self.nodes:
            for v in node.inputs:
                if type(v) is Constant:
                    found.setdefault(v)
        for v in self.outputs:
            if type(v) is Constant:
                found.setdefault(v)
        return tuple(found)

    def producers(self) -> dict[Value, Node]:
        """The node that computes each value."""
        return {v: node for node in self.nodes for v in node.outputs}

    def users(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, in order; a node that reads it twice stands once."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for v in dict.fromkeys(node.inputs):
                found.setdefault(v, []).append(node)
        return found

    def walk(self) -> Iterator[Node]:
        """All nodes, those of regions included, outer before inner."""
        for node in self.nodes:
            yield node
            for region in node.op.regions.values():
                yield from region.walk()

    @property
    def digest(self) -> str:
        """Structural hash: equal for graphs that differ only in names and places."""
        if self._digest is None:
            from hashlib import blake2b

            number: dict[Value, Any] = {v: i for i, v in enumerate(self.inputs)}
            h = blake2b(digest_size=16)
            h.update(repr([str(t) for t in self.input_types]).encode())

            def ref(v: Value) -> Any:
                return (str(v.type), v.key[1]) if isinstance(v, Constant) else number[v]

            for node in self.nodes:
                h.update(repr((node.op.name, node.op.key[1:], [ref(v) for v in node.inputs])).encode())
                for v in node.outputs:
                    number[v] = len(number)
            h.update(repr([ref(v) for v in self.outputs]).encode())
            self._digest = h.hexdigest()
        return self._digest

    def signature(self) -> tuple[Any, ...]:
        """A hashable that is equal for graphs with the same types, ops, wiring and constants; cheaper than `digest`."""
        number: dict[Value, Any] = {v: i for i, v in enumerate(self.inputs)}
        parts: list[Any] = [v.type for v in self.inputs]
        for node in self.nodes:
            parts.append(node.op)
            parts.append(tuple([number.get(v, v) for v in node.inputs]))
            for v in node.outputs:
                number[v] = len(number)
        parts.append(tuple([number.get(v, v) for v in self.outputs]))
        return tuple(parts)

    # -- making another ---------------------------------------------------------------------------------------

    def replace(
        self, *, inputs: Iterable[Value] | None = None, nodes: Iterable[Node] | None = None,
        outputs: Iterable[Value] | None = None, name: str | None = None,
    ) -> Graph:  # fmt: skip
        """The graph with other inputs, nodes, outputs or another name; the very graph if they are the same."""
        new = Graph(
            self.inputs if inputs is None else inputs, self.nodes if nodes is None else nodes,
            self.outputs if outputs is None else outputs, self.name if name is None else name,
        )  # fmt: skip
        mine, its = (self.inputs, self.nodes, self.outputs, self.name), (new.inputs, new.nodes, new.outputs, new.name)
        return self if mine == its else new

    def copy_into(self, nodes: list[Node], operands: Iterable[Value]) -> list[Value]:
        """Append copies of the graph's nodes, `operands` standing for its inputs; gives what its outputs are there."""
        env: dict[Value, Value] = dict(zip(self.inputs, operands, strict=True))
        nodes += [node.copied(env) for node in self.nodes]
        return [env.get(v, v) for v in self.outputs]

    def copy(self) -> Graph:
        """The same program in values of its own."""
        inputs, nodes = [Value(v.type, v.name) for v in self.inputs], list[Node]()
        outputs = self.copy_into(nodes, inputs)
        return Graph(inputs, nodes, outputs, self.name)

    # -- interpreting -----------------------------------------------------------------------------------------

    def replay(self, args: Sequence[Any], rule: Rule, constant: Callable[[Constant], Any] | None = None) -> list[Any]:
        """Interpret the graph: `rule(node, *operands)` gives each node's result (a sequence for several).

        `args` stand for the inputs; a constant stands for itself, or for `constant(value)`. Every forward pass and
        every replaying executor is one call of this method.
        """
        env: dict[Value, Any] = dict(zip(self.inputs, args, strict=True))

        def read(v: Value) -> Any:
            if type(v) is Constant:
                return v if constant is None else constant(v)
            return env[v]

        for node in self.nodes:
            result = rule(node, *[read(v) for v in node.inputs])
            if len(node.outputs) == 1:
                env[node.outputs[0]] = result
            else:
                env.update(zip(node.outputs, result, strict=True))
        return [read(v) for v in self.outputs]

    def eval(self, *args: Any) -> tuple[Any, ...]:
        """Run the graph with NumPy, op by op: the definition of its meaning.

        Raises `ShapeError` for another number of arguments or other shapes, `TypeMismatchError` for what is no array.
        """
        if len(args) != len(self.inputs):
            raise ShapeError(f"@{self.name}: {len(args)} arguments were given to a graph of {len(self.inputs)} inputs")
        arrays: list[Any] = [x if isinstance(x, Traced) else array_of(x) for x in args]
        for i, (x, v) in enumerate(zip(arrays, self.inputs, strict=True)):
            if x.shape != v.type.shape:
                raise ShapeError(f"@{self.name}: argument {i} has the shape {list(x.shape)}, and should be {v.type}")
        return tuple(
            self.replay(arrays, lambda node, *xs: node.op.eval(np, *xs), constant=lambda c: c.array)
        )

    # -- checking ---------------------------------------------------------------------------------------------

    def verify(self, verified: set[Graph] | None = None) -> Graph:
        """Check single assignment, order and types, in regions too; return the graph. Raises `VerifyError`.

        Graphs in `verified` are not checked again, and those that are found right are added to it.
        """
        if verified is not None and self in verified:
            return self
        known = set(self.inputs)
        if len(known) != len(self.inputs):
            raise VerifyError(f"graph @{self.name}: one value stands twice among the inputs")

        def check_read(v: Value, node: Node | None) -> None:
            if not isinstance(v, Constant) and v not in known:
                reader = "return" if node is None else repr(node)
                raise VerifyError(f"graph @{self.name}: {reader} reads {v!r}, which nothing before it defines")

        for node in self.nodes:
            for v in node.inputs:
                check_read(v, node)
            inferred = node.op.infer(*[v.type for v in node.inputs])
            expected = inferred if isinstance(inferred, tuple) else (inferred,)
            found = tuple(v.type for v in node.outputs)
            if found != expected:
                raise VerifyError(
                    f"graph @{self.name}: {node!r} declares {list(found)}, but its op infers {list(expected)}"
                )
            for v in node.outputs:
                if v in known:
                    raise VerifyError(f"graph @{self.name}: {v!r} is assigned twice")
                known.add(v)
            for region in node.op.regions.values():
                region.verify(verified)
        for v in self.outputs:
            check_read(v, None)
        if verified is not None:
            verified.add(self)
        return self

    # -- views of the graph -----------------------------------------------------------------------------------

    def __str__(self) -> str:
        return str(LATER["print_graph"](self))

    def __repr__(self) -> str:
        return f"<Graph @{self.name}: {len(self.inputs)} inputs, {len(self.nodes)} nodes, {len(self.outputs)} outputs>"

    def _repr_svg_(self) -> str | None:
        svg: str | None = LATER["draw"](self)._repr_svg_()
        return svg

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {**LATER["draw"](self)._repr_mimebundle_(), "text/plain": repr(self)}

    def to_networkx(self) -> networkx.MultiDiGraph[Any]:
        """The graph as a `networkx.MultiDiGraph`.

        Its nodes are integers: inputs (`kind="input"`), constants (`"constant"`), ops (`"op"`, with `op` and
        `where`) and one `"output"` for each result; an edge carries `value` (the `Value`) and `position`
        (the operand's place).
        """
        import networkx

        g: networkx.MultiDiGraph[Any] = networkx.MultiDiGraph(name=self.name)
        source: dict[Value, int] = {}

        def add(**attributes: Any) -> int:
            index = int(g.number_of_nodes())
            g.add_node(index, **attributes)
            return index

        def edge(v: Value, target: int, position: int) -> None:
            if v not in source:
                source[v] = add(kind="constant", label=repr(v), value=v)
            g.add_edge(source[v], target, value=v, position=position, type=str(v.type))

        for v in self.inputs:
            source[v] = add(kind="input", label=v.name or "", value=v)
        for node in self.nodes:
            index = add(kind="op", label=repr(node.op), op=node.op, where=node.where, node=node)
            for position, v in enumerate(node.inputs):
                edge(v, index, position)
            for v in node.outputs:
                source[v] = index
        for position, v in enumerate(self.outputs):
            edge(v, add(kind="output", label=f"return {position}"), 0)
        return g

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph as versioned JSON, with its larger constants in an `.npz` file beside it."""
        LATER["save"](self, path)

    def __reduce__(self) -> tuple[Any, ...]:
        return Graph, (self.inputs, self.nodes, self.outputs, self.name)

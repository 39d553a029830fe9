"""`jit(f, debug=...)`: where in the user's program a NaN, an infinity or an index out of bounds came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphad.errors import IndexOutOfBoundsError, KinkError, NonFiniteError, TypeMismatchError
from graphad.graph import Constant, Graph, Node, Value
from graphad.location import describe_location, place
from graphad.op import Op
from graphad.ops.regions.base import Structured
from graphad.ops.regions.call import Applied
from graphad.passes.cleanup.dce import dce
from graphad.passes.inline import inline

KINDS = ("nan", "index", "kink")
Env = dict[Value, Any]
Look = Callable[[Graph, Node, Sequence[Any], str], None]


def kinds_of(debug: str | Sequence[str] | None) -> tuple[str, ...]:
    """The checks that `jit`'s `debug` asks for. Raises `TypeMismatchError` for one that there is not."""
    if isinstance(debug, str):
        debug = debug.replace(",", " ").split()
    given = () if debug is None else tuple(debug) if isinstance(debug, Sequence) else (debug,)
    for kind in given:
        if not isinstance(kind, str) or kind not in KINDS:
            raise TypeMismatchError(
                f"jit: debug={debug!r} asks for {kind!r}{place()}; "
                'use "nan", "index", "kink" or several: "nan, index"'
            )
    return given


def watched(executable: Callable[..., Any], graph: Graph, kinds: Sequence[str]) -> Callable[..., Any]:
    """The executable; where it goes wrong, the graph is run again op by op to find the place.

    Calls raise `NonFiniteError` with "nan" among the kinds where a result is NaN or infinite, and with "index" an
    `IndexOutOfBoundsError` that tells the index and the iteration. With "kink" the graph is run op by op at each call,
    and a derivative that is taken at a kink raises `KinkError`.
    """
    looked = dce(inline(graph)) if "kink" in kinds else graph

    def run(*args: Any) -> Any:
        if "kink" in kinds:
            with np.errstate(all="ignore"):
                _interpret(looked, args, "", _refuse_kink)
        try:
            results = executable(*args)
        except IndexOutOfBoundsError:
            if "index" in kinds:
                with np.errstate(all="ignore"):
                    _interpret(graph, args, "")
            raise
        if "nan" in kinds and any(map(_bad, results)):
            with np.errstate(all="ignore"):
                raise _origin(graph, args, "")
        return results

    return run


# -- running op by op -----------------------------------------------------------------------------------------------


def _interpret(graph: Graph, args: Sequence[Any], trail: str, look: Look | None = None) -> Env:
    """Every value of the graph. An index out of bounds is told with its line and the loops around it.

    `look(graph, node, operands, trail)` is called for each node.
    """
    env: Env = {v: np.asarray(x) for v, x in zip(graph.inputs, args, strict=True)}
    for node in graph.nodes:
        xs = _operands(node, env)
        region = _entered(node)
        if look is not None:
            look(graph, node, xs, trail)
        if region is not None:
            results = region(partial(_results, look=look), xs, trail)
        else:
            try:
                results = node.op.eval(np, *xs)
            except IndexOutOfBoundsError as error:
                raise IndexOutOfBoundsError(f"{error}{describe_location(node.where)}{trail}") from None
            results = results if len(node.outputs) != 1 else (results,)
        env.update(zip(node.outputs, [np.asarray(x) for x in results], strict=True))
    return env


def _results(graph: Graph, args: Sequence[Any], trail: str, look: Look | None = None) -> list[Any]:
    return _outputs(graph, _interpret(graph, args, trail, look))


def _outputs(graph: Graph, env: Env) -> list[Any]:
    return [v.array if isinstance(v, Constant) else env[v] for v in graph.outputs]


def _operands(node: Node, env: Env) -> list[Any]:
    return [v.array if isinstance(v, Constant) else env[v] for v in node.inputs]


def _entered(node: Node) -> Callable[..., Any] | None:
    """`run(visit, operands, trail)`: the op's results, where `visit(region, operands, trail)` runs its regions."""
    op = node.op
    if isinstance(op, Applied):
        return lambda visit, xs, trail: visit(op.function, xs, trail)
    if not isinstance(op, Structured):
        return None

    def run(visit: Callable[..., Any], xs: Sequence[Any], trail: str) -> Any:
        def prepared(region: Graph) -> Callable[..., Any]:
            count = 0

            def step(*operands: Any) -> Any:
                nonlocal count
                count += 1
                # Branches and checkpoints run once and have no iterations.
                at = describe_location(node.where)
                loop = f", in iteration {count - 1} of {op.name}{at}" if hasattr(op, "body") else ""
                return visit(region, operands, loop + trail)

            return step

        return op.interpret(prepared, *xs)

    return run


# -- kinks --------------------------------------------------------------------------------------------------------


def _refuse_kink(graph: Graph, node: Node, xs: Sequence[Any], trail: str) -> None:
    """Raise `KinkError` where a node chooses a derivative at a kink, or a derivative reads its result there."""
    where = node.where
    if where is None or type(node.op).kinks is Op.kinks:
        return
    if not where.role:
        readers = graph.users().get(node.outputs[0], [])
        if not any([r.where is not None and r.where.role and r.where.same_place(where) for r in readers]):
            return
    met = np.asarray(node.op.kinks(*xs))
    if met.any():
        at = [int(i) for i in np.argwhere(met)[0]]
        raise KinkError(
            f"the derivative of {_spoken(node)} was taken at a kink{f' at {at}' if at else ''}"
            f"{describe_location(node.where)}{trail}; it is a choice there (docs/edges.md): move the point, or write a "
            "function that is smooth, such as "
            "np.sqrt(x * x + eps) for abs(x)"
        )


def _spoken(node: Node) -> str:
    """The user's function that a node of a derivative belongs to."""
    return {"sign": "abs", "winner": "maximum or minimum", "absolute": "abs"}.get(node.op.name, node.op.name)


# -- the first NaN --------------------------------------------------------------------------------------------------


def _bad(x: Any) -> bool:
    x = np.asarray(x)
    return x.dtype.kind in "fc" and not bool(np.isfinite(x).all())


def _origin(graph: Graph, args: Sequence[Any], trail: str) -> NonFiniteError:
    """Follow what is not finite back from the outputs to what made it of finite operands."""
    env = _interpret(graph, args, trail)
    producers = graph.producers()
    v = next(v for v, x in zip(graph.outputs, _outputs(graph, env), strict=True) if _bad(x))
    while v in producers:
        node = producers[v]
        before = [u for u in node.inputs if not isinstance(u, Constant) and _bad(env[u])]
        if not before:
            return _inside(graph, node, v, env, trail)
        v = before[0]
    name = f"%{v.name}" if v.name else "an argument"
    value = v.array if isinstance(v, Constant) else env[v]
    return NonFiniteError(f"{name} of @{graph.name} is not finite itself: {_element(value)}{trail}", graph, None)


def _inside(graph: Graph, node: Node, made: Value, env: Env, trail: str) -> NonFiniteError:
    """The error for a node that made what is not finite, found within its regions if it has them."""
    region = _entered(node)
    if region is not None:
        found: list[NonFiniteError] = []

        def visit(inner: Graph, xs: Sequence[Any], trail: str) -> list[Any]:
            results = _results(inner, xs, trail)
            if not found and any(map(_bad, results)) and not any(map(_bad, xs)):
                found.append(_origin(inner, xs, trail))
            return results

        region(visit, _operands(node, env), trail)
        if found:
            return found[0]
    value = env[made]
    at = _first_bad(value)
    operands = []
    for x in _operands(node, env):
        same = x[at] if x.shape == value.shape else x
        operands.append(f"{same}" if same.size == 1 else f"{x.dtype}{list(x.shape)}")
    role = node.where.role if node.where is not None else ""
    where = {"tangent": ", in the derivative of this line", "cotangent": ", in the backward pass"}.get(role, "")
    near = neighbourhood(graph, node)
    text = "\n".join("    " + line for line in str(near).strip().splitlines())
    return NonFiniteError(
        f"{node.op.name} made {_element(value)} of {', '.join(operands) or 'nothing'}"
        f"{describe_location(node.where)}{where}{trail}; what stands around it (error.draw() draws it):\n{text}",
        near,
        node,
    )


def _first_bad(x: Any) -> tuple[int, ...]:
    """Where the first element stands that is not finite."""
    return tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])


def _element(x: Any) -> str:
    """The first element that is not finite, and its place in an array."""
    at = _first_bad(x)
    return f"{x[at]} at {list(at)}" if at else f"{x[at]}"


def neighbourhood(graph: Graph, node: Node, reach: int = 3) -> Graph:
    """The nodes at most `reach` steps before a node and one step after it, as a graph."""
    producers, users = graph.producers(), graph.users()
    near = {node}
    front = [node]
    for _ in range(reach):
        front = [producers[v] for n in front for v in n.inputs if v in producers]
        near.update(front)
    near.update(reader for v in node.outputs for reader in users.get(v, []))
    nodes = [n for n in graph.nodes if n in near]
    made = {v for n in nodes for v in n.outputs}
    read = dict.fromkeys(v for n in nodes for v in n.inputs if v not in made and not isinstance(v, Constant))
    used = {v for n in nodes for v in n.inputs}
    return Graph(read, nodes, [v for n in nodes for v in n.outputs if v not in used], graph.name)


__all__ = ["kinds_of", "neighbourhood", "watched"]

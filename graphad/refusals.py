"""What is said where a traced value is used as it cannot be: as a plain number, as an array, by what is not traced."""

from __future__ import annotations

import dis
import itertools
import os
import sys
import threading
from collections.abc import Sequence
from opcode import _nb_ops, opmap  # type: ignore[attr-defined]
from types import CodeType, FrameType
from typing import Any

from graphad.build import Builder, current_builder
from graphad.codes import OfCode
from graphad.errors import ControlFlowError, GraphadError, TracerError
from graphad.graph import Graph, Value
from graphad.location import Location, describe_location, is_internal, place
from graphad.op import Traced

_ASSIGN_ELEMENTS = frozenset(opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE") if name in opmap)
_OPERATOR = opmap["BINARY_OP"]
_REMAINDERS = tuple(i for i, (name, _) in enumerate(_nb_ops) if name in ("NB_REMAINDER", "NB_INPLACE_REMAINDER"))
_FOR_SOME = "is raised for some values of a number that is known at run time only"
_FLAT = ("is", "floor", "ceil", "trunc")  # how functions of `math` begin whose derivative is zero


def lost(x: Any, use: str, frame: FrameType) -> str | None:
    """What to say where Python asks for the number behind an active value, whose derivative would be lost.

    None where the frame's instruction formats a string or calls a function of `math` whose derivative is zero.
    """
    operation, argument = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
    if operation == _OPERATOR and argument in _REMAINDERS:
        return None  # "%.3f" % x: numbers leave the remainder to the tracer
    here = place()
    if operation in _ASSIGN_ELEMENTS:
        return (
            f"an element of a NumPy array is assigned a traced {x.type}{here}, which would lose its derivative; make "
            "the array with graphad.numpy and write a = a.at[i].set(x), or stack the elements; in a function whose "
            "source can be read, from a file or a notebook, the assignment works as it is"
        )
    function = called(frame)
    if getattr(function, "__module__", None) == "math":
        name = function.__name__
        if name.startswith(_FLAT):
            return None
        return (
            f"math.{name} of a traced {x.type}{here} would lose its derivative; use NumPy's function; in a function "
            f"whose source can be read, from a file or a notebook, math.{name} works as it is"
        )
    return (
        f"{use} of a traced {x.type}{here} would lose its derivative; compute with NumPy's functions and let the value "
        "stay traced, or write graphad.stop_gradient(x) where it shall count as a constant; in a function whose source "
        "can be read, from a file or a notebook, float() and complex() keep the derivative"
    )


def handles(cls: type[BaseException]) -> bool:
    """Whether a try statement around the running code would handle an exception."""
    builder = current_builder()
    return builder is not None and any([block.takes(cls) >= 0 for block in builder.handled])


def leads_to_handler(raised: Sequence[type[BaseException]], held: Any, error: BaseException | None = None) -> bool:
    """Where a try statement around the running code handles exceptions, let its handler run unless `held`: the rest of
    its block does not. Answers whether it can; `error` is the exception, if it is known."""
    builder = current_builder()
    for block in reversed(builder.handled if builder is not None else ()):
        taken = {block.takes(cls) for cls in raised}
        if taken != {-1}:
            # One handler must take all that this may raise.
            return len(taken) == 1 and block.fail(builder, taken.pop(), held, error)
    return False


def refuse_handled(cls: type[BaseException], how: str = _FOR_SOME) -> None:
    """Raise `ControlFlowError` where a try statement would handle an exception, which a compiled program cannot do."""
    if handles(cls):
        raise handled_elsewhere(cls, how)


def handled_elsewhere(cls: type[BaseException], how: str = _FOR_SOME) -> ControlFlowError:
    """What is said of an exception that a try statement would handle, which a compiled program cannot do there."""
    builder = current_builder()
    where = place(None if builder is None else builder.where)
    return ControlFlowError(
        f"{cls.__name__} {how}{where}; a try statement around it would handle it, and none can at run time, unless "
        "a statement of its own block raises it; check before the function is called, give NaN with numpy.where, or "
        "mark the argument static (static_argnums)"
    )


def refuse_unsure(what: str) -> None:
    """Raise `ControlFlowError` where something is about to change that would not where an operation before it in a
    statement raises for a handler."""
    builder = current_builder()
    if builder is not None and any([block.failed for block in builder.handled]):
        raise ControlFlowError(
            f"{what} is changed{place(builder.where)} in a statement of which a part before may raise what a try "
            "statement handles; compute that part in a statement of its own before"
        )


def texts(error: Exception) -> list[Any]:
    """The texts among what an exception tells that have values which are known at run time only."""
    return [x for x in error.args if hasattr(type(x), "parts")]


_EARLIER = "graphad@earlier"
"""The attribute of an exception that holds what was recorded before it was raised, and the values that this reads."""


def note_earlier(builder: Builder, error: Exception, told: Sequence[Value]) -> None:
    """Note with what a function raises while it is traced, whatever the values are, what its trace had recorded before
    if some of that may raise too, or has an effect, or makes the values that the exception tells."""
    error.__dict__.pop(_EARLIER, None)
    refused = isinstance(error, GraphadError) and not isinstance(error, IndexError)
    acts = told or any([node.op.effect or node.op.raises for node in builder.nodes])
    if builder.staged and not refused and acts:
        error.__dict__[_EARLIER] = builder.finish(told), list(builder.captures.values())


def earlier(error: Exception) -> tuple[Graph, list[tuple[Builder, Value]]] | None:
    """What `note_earlier` noted, which is forgotten then."""
    return error.__dict__.pop(_EARLIER, None)  # type: ignore[no-any-return]


_latest = threading.local()


def refused(error: TracerError) -> TracerError:
    """The error itself, noted as this thread's latest, since C code may raise another in its place."""
    _latest.words = error.args  # the error itself would keep the frames that it passes
    return error


def latest_refusal() -> TracerError | None:
    """The latest refusal in this thread, which is forgotten then."""
    words = getattr(_latest, "words", None)
    _latest.words = None
    return None if words is None else TracerError(*words)


def not_known(x: Any, use: str) -> str:
    """What to say where a value is needed that is not known while tracing."""
    return (
        f"{use} needs the value of a traced {x.type}, which is not known inside jit, trace or vmap{place()}; use "
        "numpy.where instead of branching on it, graphad.cond or graphad.while_loop (control_flow=True converts "
        "Python's own if, while and for), mark the argument static (static_argnums), or call the function without jit"
    )


def no_array(x: Any) -> str:
    """What to say where a library makes a NumPy array of a traced value."""
    package, where = _library()
    within = f" in {package}" if package else ""
    numbers = " numbers of an object with labels (x.to_numpy())," if package in ("pandas", "xarray") else ""
    return (
        f"a traced {x.type} cannot become a NumPy array{within}{describe_location(where)}: np.asarray, np.array of a "
        f"list, or a library call lost track of it; use{numbers} numpy.stack to join traced values, graphad.scipy for "
        "functions of SciPy (of sparse matrices a @ x is traced), or graphad.pure_callback to call code that cannot be "
        "traced"
    )


def _library() -> tuple[str, Location | None]:
    """The installed package that runs, other than NumPy and SciPy, if there is one, and the line that called it."""
    frame: FrameType | None = sys._getframe(2)
    package, innermost = "", None
    while frame is not None:
        code = frame.f_code
        if not is_internal(code):
            innermost = innermost or Location.of(code, frame.f_lasti)
            if f"{os.sep}site-packages{os.sep}" not in code.co_filename:
                return package, Location.of(code, frame.f_lasti)
            package = package or frame.f_globals.get("__name__", "").partition(".")[0]
        frame = frame.f_back
    return "", innermost


def unsupported(what: str, operands: Sequence[Any]) -> str:
    types = ", ".join(str(x.type if isinstance(x, Traced) else type(x).__name__) for x in operands)
    return (
        f"{what} cannot be traced (operands: {types}){place()}; write it with other NumPy "
        "functions, or wrap it in graphad.pure_callback and give its derivative with graphad.custom_jvp"
    )


_CALLEES: OfCode[dict[int, list[tuple[str, Any]]]] = OfCode()


def _callee(code: CodeType, lasti: int) -> list[tuple[str, Any]]:
    """Operations and names of the instructions at the place of a call, read once."""
    known = _CALLEES.get(id(code))
    if known is None:
        known = _CALLEES.learn(code, {})
    if lasti not in known:
        line, _, column, _ = next(itertools.islice(code.co_positions(), lasti // 2, None))
        there = []
        for instruction in dis.get_instructions(code):
            place = instruction.positions
            if column is not None and place is not None and (place.lineno, place.col_offset) == (line, column):
                value = instruction.argval
                there.append((instruction.opname, value if isinstance(value, str) else None))
        known[lasti] = there
    return known[lasti]


def called(frame: FrameType) -> Any:
    """What the call that a frame stands in calls, where that is a name or an attribute of one; else None."""
    found = None
    for opname, name in _callee(frame.f_code, frame.f_lasti):
        if opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF"):
            scopes = (frame.f_locals, frame.f_globals, frame.f_builtins)
            found = next((scope[name] for scope in scopes if name in scope), None)
        elif opname in ("LOAD_ATTR", "LOAD_METHOD"):
            found = getattr(found, name, None)
        elif found is not None:
            break
    return found

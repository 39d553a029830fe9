"""Pieces of the user's code as regions: traced one by one, then given results of the same types."""

from __future__ import annotations

import dis
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.control import TracedRegion
from graphad.api.conversion.dispatch import special
from graphad.api.conversion.heap import UNSET
from graphad.api.conversion.ledger import reading
from graphad.api.conversion.scope import plain_name
from graphad.api.conversion.structure import flatten
from graphad.arrays import PYTHON_SCALARS, array_of
from graphad.build import Builder, building, current_builder
from graphad.errors import (
    ControlFlowError,
    GraphadError,
    IndexOutOfBoundsError,
    TracerError,
    TraceWarning,
    TypeMismatchError,
)
from graphad.graph import Constant, Node, Value
from graphad.location import is_user_file, place, raised_at
from graphad.numpy.views import Lost, lose
from graphad.ops.elementwise import cast
from graphad.ops.shape import reshape
from graphad.refusals import refuse_handled
from graphad.registry import LATER
from graphad.trace import Tracer, kind_of, lift
from graphad.tracebacks import is_accident
from graphad.types import DType, TensorType, type_of


class PartBuilder(Builder):
    """The builder of a piece of a function that may not run, or run often."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.outer = current_builder()
        if self.outer is not None:
            self.ledger, self.filled = self.outer.ledger, self.outer.filled
            self.unrolled, self.asked = self.outer.unrolled, self.outer.asked


_LIMITS = (RecursionError, MemoryError, TraceWarning)
"""What is raised since a program is traced."""


def _is_failure(error: BaseException) -> bool:
    """Whether what a piece raises is a failure of the program itself, which happens whenever the piece runs: nothing
    that graphad refuses or has done wrong, and no variable that only a branch or a loop gives a value."""
    if isinstance(error, IndexOutOfBoundsError) or raised_by_user(error):
        return isinstance(error, IndexOutOfBoundsError) or not isinstance(error, GraphadError)
    if isinstance(error, (GraphadError, *_LIMITS)) or is_accident(error):
        return False
    if isinstance(error, AttributeError) and isinstance(error.obj, Tracer):
        return False  # an array may have it
    if isinstance(error, NameError):
        code = _last(error).tb_frame.f_code
        return error.name not in (*code.co_varnames, *code.co_cellvars, *code.co_freevars)
    return isinstance(error, (Exception, SystemExit))


class StagedRegion(TracedRegion):
    """A piece of the user's code under trace, until its results are settled."""

    around: Collection[int] = ()
    """The identities of the arrays that the code reaches before the piece runs."""

    def __init__(self, name: str) -> None:
        self.builder = PartBuilder(name)
        self.builder.staged = True
        self.raised = False
        self.changed: list[tuple[Any, Value]] = []

    def run(self, function: Callable[[], Any], where: str) -> Any:
        """Trace the piece, and give the function's value. A `raise` statement that it reaches is its last step, and so
        is what fails for known values, which are the same whenever the piece runs. Arrays from around it that it
        changed are `changed` afterwards, with what they are at its end, and are again what they were."""
        with building(self.builder):
            try:
                return function()
            except BaseException as error:
                if not _is_failure(error):
                    if isinstance(error, Exception) and not isinstance(error, GraphadError):
                        refuse_handled(type(error), f"is raised {where}, whose condition is known at run time only")
                    raise
                self.raised = True
                self.builder.where = raised_at(error)
                LATER["conversion.fail"](error, f"is raised {where}, whose condition is known at run time only")
            finally:
                self.changed = self.builder.leave()

    @contextmanager
    def at_end(self) -> Iterator[None]:
        """Within the block arrays from around the piece are what they are at its end."""
        with building(self.builder):
            for x, value in self.changed:
                if isinstance(value, Lost):
                    lose(x, str(value.name))
                else:
                    self.builder.enter(x, value)
            try:
                yield
            finally:
                self.builder.leave()

    def input(self, kind: TensorType, name: str | None = None, weak: bool = False) -> Tracer:
        """A new input."""
        return Tracer(self.builder, self.builder.input(kind, name), weak)

    def lifted(self, x: Any, dtype: DType) -> Any:
        """A result as a value of this piece, in a dtype."""
        with self.at_end():
            if isinstance(x, Tracer):
                return lift(self.builder, x if x.dtype == dtype else cast(x, dtype))
            return lift(self.builder, np.asarray(array_of(x), dtype))

    def finish(self, outputs: Sequence[Any]) -> None:
        """Close the region: what it captured, then its inputs, to these results."""
        self.captures = [Tracer(outer, value) for outer, value in self.builder.captures.values()]
        traced = self.builder.finish(outputs)
        n = len(self.builder.inputs)
        self.graph = traced.replace(inputs=(*traced.inputs[n:], *traced.inputs[:n]))


def in_part() -> bool:
    """Whether a piece that may not run is under trace."""
    return isinstance(current_builder(), PartBuilder)


def staged() -> bool:
    """Whether the running trace cannot know the values."""
    builder = current_builder()
    return builder is not None and builder.staged


def recorded() -> int:
    """How many nodes the running trace has."""
    builder = current_builder()
    return 0 if builder is None else len(builder.nodes)


def unrecord(start: int, stop: int | None = None, instead: Sequence[Node] = ()) -> list[Node]:
    """Take back the nodes of the running trace between two positions, which nothing reads but views that follow their
    origins anew, and put others there. What is made of constants stays, since arrays may begin as that."""
    builder = current_builder()
    if builder is None:
        return []
    undone = builder.nodes[start:stop]
    kept = [n for n in undone if not n.op.effect and n.inputs and all([isinstance(v, Constant) for v in n.inputs])]
    builder.replace(start, stop, [*instead, *[n for n in kept if n not in instead]])
    builder.undone.update([v for n in undone if n not in kept for v in n.outputs])
    builder.undone.difference_update([v for n in instead for v in n.outputs])
    return undone


# -- values -------------------------------------------------------------------------------------------------------


def known(x: Tracer) -> Any:
    """The array behind a tracer, None where it is not known while tracing."""
    try:
        return x.builder.evaluate(x.value)
    except TracerError:
        return None


def unknown(x: Any) -> bool:
    """Whether a value is traced and not known."""
    return isinstance(x, Tracer) and known(x) is None


def truth(x: Any, what: str) -> Any:
    """The truth of a value: a Python bool, or a traced scalar of bool where the value is not known."""
    if not isinstance(x, Tracer):
        method = special(reading(x), "__bool__")
        return bool(x) if method is None else truth(method(), what)
    value = known(x)
    if value is not None:
        return bool(value)
    if x.size != 1:
        raise ControlFlowError(
            f"the test of {what} is a traced {x.type}{place()}, and should be a scalar; use numpy.any, numpy.all or "
            "numpy.where"
        )
    x = reshape(x, ()) if x.shape else x
    return x if x.dtype.kind == "b" else x != 0


def python_bool(x: Any) -> Any:
    """A truth as Python's own bool, or what stands for one."""
    return Tracer(x.builder, x.value, True) if isinstance(x, Tracer) else x


def is_number(x: Any) -> bool:
    """Whether a value can be carried by the graph."""
    kind = type(x)
    if isinstance(x, Tracer) or kind is bool or kind in PYTHON_SCALARS:
        return True
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc"


def is_weak(x: Any) -> bool:
    """Whether a number gives way to the dtype of others."""
    return x.weak if isinstance(x, Tracer) else type(x) in PYTHON_SCALARS


def kind(x: Any) -> TensorType:
    """The type of a number."""
    return x.type if isinstance(x, Tracer) else type_of(x)


def same(a: Any, b: Any) -> bool:
    """Whether two values are one, as far as Python can tell."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, (Tracer, np.ndarray, np.generic)):
        return False
    if type(a) in (float, complex):
        return repr(a) == repr(b)
    try:
        return bool(a == b)
    except Exception:
        return False


def common(values: Sequence[Any]) -> tuple[DType, bool] | None:
    """The dtype that some numbers of one shape can all take, Python scalars giving way; and whether all are weak."""
    strong = {kind(x).dtype for x in values if not is_weak(x)}
    if len(strong) > 1:
        return None
    if not strong:
        return np.result_type(*[kind(x).dtype for x in values]), True
    dtype = next(iter(strong))
    for x in values:
        python = kind_of(x)
        if isinstance(python, type) and np.result_type(dtype, python()) != dtype:
            return None
    return dtype, False


def placeholder(value: Any) -> Any:
    """A value of the same structure and types that nothing reads: NaN, or zero."""

    def blank(x: Any) -> Any:
        if not is_number(x):
            return x
        t = kind(x)
        return (
            np.full(t.shape, np.nan if t.dtype.kind in "fc" else 0, t.dtype)
            if t.shape or not is_weak(x)
            else type_blank(t)
        )

    leaves, treedef = flatten(value)
    return tree.unflatten(treedef, map(blank, leaves))


def type_blank(t: TensorType) -> Any:
    """A Python scalar of the kind of a type."""
    return {"b": False, "i": 0, "u": 0, "f": float("nan"), "c": complex("nan")}[t.dtype.kind]


# -- messages -----------------------------------------------------------------------------------------------------


def describe(x: Any) -> str:
    """What a value is, for a message."""
    if x is UNSET:
        return "not assigned"
    if x is None:
        return "None"
    if isinstance(x, Tracer):
        return str(x.type)
    if isinstance(x, (np.ndarray, np.generic)):
        try:
            return str(type_of(x))
        except TypeMismatchError:
            return f"an array of {x.dtype}"
    if isinstance(x, (str, int, float, complex)):
        return f"{x!r} ({type(x).__name__})"
    if isinstance(x, (tuple, list)):
        return f"{type(x).__name__}({', '.join(map(describe, x))})"
    if isinstance(x, dict):
        return "dict(" + ", ".join(f"{k!r}: {describe(v)}" for k, v in x.items()) + ")"
    return f"of type {type(x).__name__}"


def quoted(path: str) -> str:
    """A path as a message names it."""
    return plain_name(path)


def _last(error: BaseException) -> Any:
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb


_RAISE = dis.opmap["RAISE_VARARGS"]


def raised_by_user(error: BaseException) -> bool:
    """Whether a `raise` or `assert` statement of the user's raised an exception."""
    tb = _last(error)
    code = tb.tb_frame.f_code
    return is_user_file(code.co_filename) and code.co_code[tb.tb_lasti] == _RAISE

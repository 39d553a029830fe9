"""Checks at run time: what the user's `assert`, and `raise` in a branch that values decide, become."""

from __future__ import annotations

import builtins
import itertools
import sys
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from graphad.errors import GraphadError, TracerError, TypeMismatchError
from graphad.op import Op, Sample, Types
from graphad.ops.arithmetic import logical_not, logical_or
from graphad.ops.shape import batch_all
from graphad.refusals import handles, leads_to_handler, refuse_handled
from graphad.trace import Tracer, apply
from graphad.types import BOOL, Array, TensorType

ExceptionClass = type[BaseException]
_local: WeakValueDictionary[str, ExceptionClass] = WeakValueDictionary()
_names: WeakKeyDictionary[ExceptionClass, str] = WeakKeyDictionary()
_count = itertools.count(1)
LOCAL = "#"
"""What stands before the number of a class that is known in this process only."""


class ExceptionName(str):
    """The name of an exception class, which keeps the class alive."""

    __slots__ = ("cls",)
    cls: ExceptionClass

    def __reduce__(self) -> Any:
        return str, (str(self),)


def name_of(cls: ExceptionClass) -> ExceptionName:
    """`ValueError` for a builtin exception, `module:Name` for another; one that its module does not hold under its name
    is numbered, and found by that as long as it lives."""
    name = _names.get(cls)
    if name is None:
        name = cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}:{cls.__qualname__}"
        if find(name) is not cls:
            name = f"{name}{LOCAL}{next(_count)}"
            _local[name] = cls
        _names[cls] = name
    found = ExceptionName(name)
    found.cls = cls
    return found


def find(name: str) -> ExceptionClass | None:
    """The exception class of a name. None where there is none in a module that is imported: nothing is imported for a
    name that may come from a file."""
    if isinstance(name, ExceptionName):
        return name.cls
    module, _, path = name.rpartition(":")
    found = _local.get(name)
    if found is None:
        found = builtins if not module else sys.modules.get(module)  # type: ignore[assignment]
        for part in path.split("."):
            found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


class Check(Op):
    """Raise an exception where an element of the predicate, the first operand, is false; there is no result.

    `exception` is the class's name as `name_of` gives it. `arguments` are what it is made with, the last of them by
    the names in `keywords`: a string is a format in which `{0:.3f}` shows the first operand behind the predicate,
    `("value", 0)` is that operand itself, and `("number", 0)` the number of Python that it stands for; a tuple is
    `("tuple", ...)`, all else stands for itself. The first `lead` axes of all operands are those of batches: the first
    example that fails is shown.

    Checks keep their order, and stand where the program has them; derivatives pass them by.
    """

    host_only = "Python raises what it finds"
    raises = (Exception,)
    effect = True
    exception: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[str, ...] = ()
    lead: int = 0

    def infer(self, *xs: TensorType) -> Types:
        if not xs or xs[0].dtype != BOOL:
            raise TypeMismatchError(f"check: the predicate is {xs[0] if xs else 'missing'}, and should be of bool")
        if any(x.shape[: self.lead] != xs[0].shape[: self.lead] or x.ndim < self.lead for x in xs):
            raise TypeMismatchError(f"check: the first {self.lead} axes of {list(xs)} should be the same")
        return ()

    def eval(self, xp: Any, *xs: Any) -> Any:
        if not np.all(xs[0]):
            raise self.error(*map(np.asarray, xs))
        return ()

    def error(self, predicate: Array, *xs: Any) -> BaseException:
        """The exception for the first example whose predicate does not hold."""
        each = np.all(predicate, axis=tuple(range(self.lead, predicate.ndim)))
        at = tuple(np.argwhere(~each)[0]) if self.lead else ()
        values = [x[at] for x in xs]
        made = [_argument(x, values) for x in self.arguments]
        n = len(made) - len(self.keywords)
        cls = find(self.exception)
        if cls is None:
            return GraphadError(f"{self.exception}: {', '.join(map(str, made))}")
        return cls(*made[:n], **dict(zip(self.keywords, made[n:], strict=True)))

    def guarded(self, live: Array, *xs: Any) -> Any:
        return self(logical_or(xs[0], logical_not(live)), *xs[1:])

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self.replace(lead=self.lead + 1)(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        return 0

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("ValueError", ("x is {0:.3f} of {1}",)), (np.array(True), np.array(1.5), np.arange(3)))
        yield Sample(cls("AssertionError"), (np.array([True, True]),))
        some = np.array([True, True, True])
        yield Sample(cls("KeyError", ("a", ("value", 0)), ("code",), 1), (some, np.array([1.5, -2.0, 0.0])))


class NoInteger(Exception):
    """What Python raises for a number of which it makes no integer of 64 bits, made of that number."""

    def __new__(cls, number: Any) -> Any:  # type: ignore[misc]
        try:
            int(number)
        except (ValueError, OverflowError) as error:
            return error.with_traceback(None)
        return OverflowError("Python int too large to convert to C long")


def ensure(held: Any, raised: Sequence[ExceptionClass], cls: ExceptionClass, *arguments: Any) -> None:
    """Record a check of what Python checks by itself: `cls(*arguments)` is one of the exceptions `raised`."""
    if any(map(handles, raised)):
        try:
            known = held.builder.evaluate(held.value) if isinstance(held, Tracer) else held
        except TracerError:
            if leads_to_handler(raised, held, cls(*arguments)):
                return
            for kind in raised:
                refuse_handled(kind)
        else:
            if not np.all(known):
                raise cls(*arguments)
            return
    apply(Check(name_of(cls), arguments), [held])


def _argument(x: Any, values: Sequence[Any]) -> Any:
    """An argument of an exception, given the operands behind the predicate."""
    if isinstance(x, str):
        return x.format(*values)
    if not isinstance(x, tuple):
        return x
    kind, *rest = x
    if kind == "tuple":
        return tuple([_argument(part, values) for part in rest])
    value = values[rest[0]]
    return value.item() if kind == "number" else value


__all__ = ["Check", "NoInteger", "ensure", "find", "name_of"]

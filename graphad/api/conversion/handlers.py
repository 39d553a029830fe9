"""The handlers of the user's try statements: what they are known to take, and what they do not take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FunctionType
from typing import Any

import numpy as np

from graphad.api.conversion.functions import REPLACED
from graphad.api.conversion.functions import carrying as converted
from graphad.api.conversion.heap import UNSET
from graphad.build import Builder, current_builder
from graphad.errors import ControlFlowError, GraphadError, IndexOutOfBoundsError, MissingRuleError, TracerError
from graphad.location import place, user_frame
from graphad.op import Op
from graphad.ops.arithmetic import logical_and, logical_not
from graphad.ops.checks import Check
from graphad.ops.guarding import succeeds
from graphad.ops.machinery import select
from graphad.refusals import handled_elsewhere
from graphad.trace import Tracer, lift


class Block:
    """The block of a try statement under trace.

    `at` is the trace in which one of its own statements runs, whose failures are jumps: `failed` are, in order, the
    handlers that take them, what holds where they do not happen, and the exceptions, as far as they are known.
    """

    def __init__(self, types: Callable[[], Any]) -> None:
        self.types = types
        self.at: Builder | None = None
        self.code: Any = None
        self.failed: list[tuple[int, Any, BaseException | None]] = []
        self.carried: tuple[Any, Any] = (False, -1)

    def takes(self, cls: type[BaseException]) -> int:
        """Which of the handlers takes an exception, -1 if none does."""
        return next((i for i, taken in enumerate(self.types()) if issubclass(cls, taken)), -1)

    def fail(self, builder: Builder, handler: int, held: Any, error: BaseException | None) -> bool:
        """Let a handler run unless `held`, where this can be."""
        if self.at is not builder or _user_code() != self.code:
            return False  # a function that is called may change objects after what fails
        self.failed.append((handler, held, error))
        return True

    def emit(self, builder: Builder, op: Op, inputs: Sequence[Any]) -> Any:
        """The results of an op that may raise or has an effect, where nothing has failed before it in the running
        statements: what it raises for a handler is a jump. None where it is recorded as it is."""
        blocks = builder.handled
        xs = [Tracer(builder, v) for v in inputs]
        builder.handled = ()
        try:
            for kind in () if isinstance(op, Check) or op._region_fields else op.raises:
                handler, block = next(((b.takes(kind), b) for b in blocks[::-1] if b.takes(kind) >= 0), (-1, self))
                if handler >= 0 or kind is Exception:
                    if handler < 0 or not block.fail(builder, handler, None, None):
                        raise handled_elsewhere(kind)
                    block.failed[-1] = handler, succeeds(op, *xs), _raised(op, xs)
                    break
            going = _going([held for block in blocks for _, held, _ in block.failed])
            if going is True:
                return None
            found = op.guarded(going, *xs)
            found = found if isinstance(found, tuple) else (found,)
            return tuple([lift(builder, x) for x in found if x is not None])
        finally:
            builder.handled = blocks


def _user_code() -> tuple[str, str] | None:
    """The file and the name of the user's function that runs."""
    frame = user_frame()
    return None if frame is None else (frame.f_code.co_filename, frame.f_code.co_name)


def carrying(f: Any, builder: Builder) -> Callable[..., Any] | None:
    """What a statement in the block of a try statement calls for a function of the user's or a method: what it raises
    for a handler ends it, and is the statement's. None where it is called as anywhere else."""
    block = builder.handled[-1]
    if not builder.staged or block.at is not builder or _user_code() != block.code:
        return None
    function = getattr(f, "__func__", f)
    made = converted(function) if type(function) is FunctionType else None
    if made is None:
        return None

    def called(*args: Any, **kwargs: Any) -> Any:
        before, inner = builder.handled, Block(block.types)
        if block.failed:
            inner.carried = logical_not(_going([held for _, held, _ in block.failed])), -1
        builder.handled = (*before, inner)
        try:
            result = made(*args, **kwargs) if made is function or f is function else made(f.__self__, *args, **kwargs)
        finally:
            builder.handled = before
        raised, handler = inner.carried
        if raised is not False:
            block.failed.append((handler, logical_not(raised), None))
        if not isinstance(raised, Tracer) and raised:
            raise _Ended
        return result

    return called


def taken() -> Any:
    """The exceptions that the handlers around the call of a function take."""
    builder = current_builder()
    return builder.handled[-1].types() if builder is not None and builder.handled else ()


def carried() -> tuple[Any, Any]:
    """Whether a statement has raised something before it calls the running function, and for which handler."""
    builder = current_builder()
    return builder.handled[-1].carried if builder is not None and builder.handled else (False, -1)


def carry(raised: Any, handler: Any, result: Callable[[], Any]) -> Any:
    """Note at the end of a function whether it has raised, and for which handler; gives its result, if it has any."""
    builder = current_builder()
    if builder is not None and builder.handled:
        builder.handled[-1].carried = raised, handler
    return result() if isinstance(raised, Tracer) or not raised else None


def _going(held: Sequence[Any]) -> Any:
    return functools.reduce(logical_and, held) if held else True


def _raised(op: Op, xs: Sequence[Tracer]) -> BaseException | None:
    """What an op raises for zeros, in whose words operands have no place."""
    try:
        with np.errstate(all="ignore"):
            op.eval(np, *[np.zeros(x.shape, x.dtype) for x in xs])
    except op.raises as error:
        return error.with_traceback(None)
    return None


class _Ended(BaseException):
    """What ends a statement that calls a function which always raises for a handler."""


class Attempt:
    """What stands around a statement of a try statement's own block. What is raised while it is traced, in a piece that
    may not run, is raised whenever that runs."""

    def __enter__(self) -> None:
        builder = current_builder()
        self.block = builder.handled[-1] if builder is not None and builder.staged and builder.handled else None
        if self.block is not None:
            self.block.at, self.block.code = builder, _user_code()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if isinstance(error, _Ended):
            return True
        refused = isinstance(error, GraphadError) and not isinstance(error, IndexOutOfBoundsError)
        if self.block is None or not isinstance(error, Exception) or refused or self.block.at.outer is None:
            return False
        handler = self.block.takes(kind)
        if handler < 0:
            return False
        self.block.failed.append((handler, np.bool_(False), error.with_traceback(None)))
        return True


attempt = Attempt


def caught(asked: Callable[[], Any] | None) -> tuple[Any, Any, Any]:
    """Whether the statement before has raised for a handler, which one takes it, and the exception; `asked`, if a
    handler asks for that, gives what it has been so far."""
    builder = current_builder()
    block = builder.handled[-1] if builder is not None and builder.handled else None
    try:
        before = UNSET if asked is None else asked()
    except NameError:
        before = UNSET
    if block is None:
        return False, -1, before
    block.at = None
    failed, block.failed = block.failed, []
    if not failed:
        return False, -1, before
    chosen: Any = failed[-1][0]
    for handler, held, _ in failed[-2::-1]:
        if chosen is not handler:
            first = handler if isinstance(handler, Tracer) else np.int64(handler)
            chosen = select(held, chosen, first)
    error = failed[0][2] if len(failed) == 1 else None
    if error is not None and type(before) is type(error) and before.args == error.args:
        error = before
    if asked is not None and error is None:
        raise ControlFlowError(
            f"a handler asks for the exception{place()}, which is known at run time only; let it do without (except "
            "ValueError: ...), or compute the statements in try statements of their own"
        )
    return logical_not(_going([held for _, held, _ in failed])), chosen, error


@contextmanager
def trying(handled: Callable[[], Any]) -> Iterator[None]:
    """The block of a try statement; `handled` gives the exceptions that its handlers take."""
    builder = current_builder()
    if builder is None:
        yield
        return
    before, block = builder.handled, Block(handled)
    builder.handled = (*before, block)
    try:
        yield
    except Exception as error:
        if block.failed and not isinstance(error, GraphadError):
            raise handled_elsewhere(type(error)) from error
        raise
    finally:
        builder.handled = before


_REFUSALS = (ControlFlowError, MissingRuleError, TracerError)


def passing(handled: Callable[[], Sequence[Any]]) -> tuple[Any, ...]:
    """What the handlers of a try statement do not take though their types say so: what graphad cannot do is no failure
    of the program, which would go on without a word. Handlers that name graphad's errors take them."""
    named = [t for types in handled() for t in (types if isinstance(types, tuple) else (types,))]
    return () if any([isinstance(t, type) and issubclass(t, GraphadError) for t in named]) else _REFUSALS


class Suppressed(suppress):
    """`contextlib.suppress` as the try statement that it stands for."""

    def __enter__(self) -> None:
        self.block = trying(lambda: self._exceptions)  # type: ignore[attr-defined]
        self.block.__enter__()

    def __exit__(self, *error: Any) -> Any:
        self.block.__exit__(None, None, None)
        refused = isinstance(error[1], passing(lambda: self._exceptions))  # type: ignore[attr-defined]
        return not refused and super().__exit__(*error)


REPLACED[suppress] = Suppressed

__all__ = ["attempt", "carried", "carry", "carrying", "caught", "passing", "taken", "trying"]

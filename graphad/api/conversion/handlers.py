"""The handlers of the user's try statements: what they are known to take, and what they do not take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from graphad.api.conversion.functions import REPLACED
from graphad.build import current_builder
from graphad.errors import ControlFlowError, GraphadError, MissingRuleError, TracerError


@contextmanager
def trying(handled: Callable[[], Any]) -> Iterator[None]:
    """The block of a try statement; `handled` gives the exceptions that its handlers take."""
    builder = current_builder()
    if builder is None:
        yield
        return
    before = builder.handled
    builder.handled = (*before, handled)
    try:
        yield
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

__all__ = ["passing", "trying"]

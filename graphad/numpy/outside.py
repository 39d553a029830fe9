"""Arrays from outside of a function, of which a traced one may be one at run time."""

from __future__ import annotations

from collections.abc import Iterable

from graphad.errors import ControlFlowError
from graphad.location import place
from graphad.types import Array


class Watched:
    """Arrays of NumPy's own, and what they hold. Who changes them is not seen: it shows when they are read."""

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._held = [(x, x.tobytes()) for x in arrays]

    def check(self) -> None:
        """Raise `ControlFlowError` where one of them no longer holds what it did."""
        if any([x.tobytes() != held for x, held in self._held]):
            raise ControlFlowError(
                f"an array that may be one from outside of the function is read{place()}, "
                "which has been changed since a branch or a loop chose it; which one it is, is known at run time "
                "only, so let it choose a copy (x.copy())"
            )


__all__ = ["Watched"]

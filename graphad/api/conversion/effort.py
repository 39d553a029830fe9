"""What becomes of a loop is decided by the work that Python's own would make: by the nodes of the graph."""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any

from graphad.api.conversion.growth import MoreItemsError
from graphad.api.conversion.heap import AdvancedIteratorError
from graphad.api.conversion.parts import staged
from graphad.build import current_builder
from graphad.errors import GraphadError
from graphad.location import Location, is_own, user_location
from graphad.numpy.buffers import Unchanged

LIMIT = 256
"""Nodes that a loop may make when Python runs it, as far as the trip count is known."""
_SOME = 64
"""Nodes after which it is asked whether a `while` that Python runs can be a loop of the graph."""
_QUESTIONS = 2
_MANY = 512
"""Nodes from which on it is told that Python ran a loop."""


class Effort:
    """The nodes that a loop of Python's makes, and why it is none of the graph."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.builder = current_builder()
        self.start = self.seen = 0 if self.builder is None else len(self.builder.nodes)
        self.total = 0
        self.reason = ""
        self.asked = 0

    def made(self) -> int:
        """The nodes so far, those of regions included."""
        if self.builder is not None and staged():
            new = self.builder.nodes[self.seen :]
            regional = [n.op for n in new if n.op._region_fields]
            self.total += len(new) + sum([len(list(g.walk())) for op in regional for g in op.regions.values()])
            self.seen = len(self.builder.nodes)
        return self.total

    def heavy(self, count: int, more: int) -> bool:
        """Whether the iterations that follow will make too much, if they are like the `count` so far."""
        return self.made() * more > LIMIT * count

    def becomes_heavy(self, count: int, more: int) -> bool:
        """The same, asked after 1, 2, 4 ... iterations, of which the first may be others than the rest. It is so a few
        times only."""
        if not count or count & (count - 1) or self.asked == _QUESTIONS or not self.heavy(count, more):
            return False
        self.asked += 1
        return True

    def grows(self) -> bool:
        """Whether a loop of no known length has made some nodes by now, once."""
        if self.asked or self.made() < _SOME:
            return False
        self.asked = 1
        return True

    def tell(self, count: int) -> None:
        """Note a loop that has made many nodes."""
        if count > 1 and self.made() > _MANY and self.builder is not None:
            reason = f", since {self.reason}" if self.reason else ""
            where: Location | None = user_location()
            self.builder.unrolled[str(where)] = (
                f"{self.what} is run by Python while it is traced, {count} times, and makes {self.total} operations of "
                f"the graph{reason}",
                where,
            )


def attempt(run: Callable[[], Any], effort: Effort | None = None) -> bool:
    """Run what makes a loop of the graph; False, with the reason noted, where the loop cannot be one."""
    buffers = Unchanged()
    try:
        run()
        return True
    except (AdvancedIteratorError, MoreItemsError):
        raise
    except GraphadError as error:
        reason = str(error)
    except Exception as error:
        if _is_ours(error):
            raise
        reason = f"{type(error).__name__} is raised for a traced value: {error}"
    buffers.restore()
    if effort is not None:
        effort.reason = reason
    return False


def _is_ours(error: BaseException) -> bool:
    """Whether graphad's own code has failed, and neither raised what it meant to, nor the user's code."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None or not is_own(tb.tb_frame.f_code):
        return False
    return dis.opname[tb.tb_frame.f_code.co_code[tb.tb_lasti]] != "RAISE_VARARGS"

"""The loop program that compilers share: lowering from graphs, and the schedule of each loop."""

from graphad.executors.loops.lower import lower
from graphad.executors.loops.nest import schedule
from graphad.executors.loops.program import Program
from graphad.executors.loops.verify import verify

__all__ = ["Program", "lower", "schedule", "verify"]

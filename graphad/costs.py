"""The classes of scalar code by what they cost: one scale for fusion, loops, rematerialisation and reports."""

from __future__ import annotations

LIGHT = 1
"""Additions, products, comparisons, choices: an instruction or few, less than the way of a number through memory."""
HEAVY = 4
"""Divisions and roots, and the way of a number to memory or back."""
SPECIAL = 20
"""Elementary and special functions, and whatever nothing is known of."""


def class_of(instructions: int) -> int:
    """The class of so many instructions of `LIGHT`, `HEAVY` or `SPECIAL` each, in all."""
    return LIGHT if instructions < HEAVY else HEAVY if instructions < SPECIAL else SPECIAL

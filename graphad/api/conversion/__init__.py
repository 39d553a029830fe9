"""Conversion of Python control flow: a function's source becomes one whose branches and loops run in Python where they
can, and are branches and loops of the graph where what decides them is traced."""

from graphad.api.conversion.explain import explain
from graphad.api.conversion.functions import convert
from graphad.api.conversion.ledger import settle
from graphad.numpy.buffers import revive

__all__ = ["convert", "explain", "revive", "settle"]

"""Conversion of Python control flow: a function's source becomes one whose branches and loops run in Python where they
can, and are branches and loops of the graph where what decides them is traced."""

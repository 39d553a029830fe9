"""Choice between values, element by element."""

from graphad.ops.machinery import Select, select

__all__ = ["Select", "select"]

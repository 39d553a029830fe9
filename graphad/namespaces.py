"""Array namespaces: modules with the names of NumPy's main one, and what executors add to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

Rule = Callable[..., Any]
"""`rule(op, run, *xs)` gives an op's result (a tuple for several); `run(region)(*operands)` gives those of a region."""
Host = Callable[..., Any]
"""`host(function, types, *xs)` gives what NumPy's `function` makes of the operands: a tuple of arrays of the types."""

_SCIPY = {"jax.numpy": "jax.scipy", "cupy": "cupyx.scipy"}


def scipy_of(xp: Any, module: str) -> Any:
    """What stands beside an array namespace for a module of SciPy's, `"special"` or `"linalg"`; None for nothing."""
    found = _SCIPY.get(xp.__name__)
    return found and import_module(f"{found}.{module}")


class Extended:
    """An array namespace with the rules that an executor brings for ops, by their classes; `lift` makes arrays of it
    of NumPy's, and `host`, if there is one, calls NumPy for ops that need it."""

    def __init__(
        self, xp: Any, table: Mapping[type, Rule], lift: Callable[[Any], Any], host: Host | None = None
    ) -> None:
        self.xp, self.table, self.lift, self.host = xp, table, lift, host

    def __getattr__(self, name: str) -> Any:
        return getattr(self.xp, name)


__all__ = ["Extended", "Host", "Rule", "scipy_of"]

"""Functions that look at numbers for their own sake: what they are given has no influence on what is computed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


class Functions(set[Any]):
    """A set of functions, and of names of modules, classes and functions, whose changes are noticed: `forget` is called
    for each."""

    forget: Callable[[], None]
    _packages: frozenset[str] | None = None

    def named(self, module: str, qualname: str) -> bool:
        """Whether a function of a module stands in the set by a name: its own, or that of its class or module."""
        if self._packages is None:
            self._packages = frozenset([x.partition(".")[0] for x in self if isinstance(x, str)])
        if module.partition(".")[0] not in self._packages:
            return False
        name = f"{module}.{qualname}"
        while name and name not in self:
            name = name.rpartition(".")[0]
        return bool(name)


def _noticed(name: str) -> Callable[..., Any]:
    method = getattr(set, name)

    def change(self: Functions, *args: Any) -> Any:
        found = method(self, *args)
        self._packages = None
        self.forget()
        return found

    return change


for _name in (
    "__iand__", "__ior__", "__isub__", "__ixor__", "add", "clear", "difference_update", "discard",
    "intersection_update", "pop", "remove", "symmetric_difference_update", "update",
):  # fmt: skip
    setattr(Functions, _name, _noticed(_name))

sinks: Functions = Functions({
    "builtins.print", "json", "logging.Logger", "logging.LoggerAdapter", "logging.critical", "logging.debug",
    "logging.error", "logging.exception", "logging.info", "logging.log", "logging.warning", "matplotlib",
    "numpy.array2string", "numpy.array_repr", "numpy.array_str", "numpy.save", "numpy.savetxt", "numpy.savez",
    "numpy.savez_compressed", "numpy.testing", "pprint", "rich", "tqdm", "warnings",
})  # fmt: skip
"""What converted code may hand plain values to, without a derivative: functions, and names of modules and functions.

A sink gets read-only copies of the values that are known. Inside `jit`, `vmap` and `trace`, where they are not, it is
called at run time, in program order; one of a module, with known arguments, is called while tracing if its result is
used. Add your own:

    graphad.sinks.add("mypackage.plotting")     # every function of a module and of those in it
    graphad.sinks.add(log_row)                  # one function
"""


def is_sink(function: Callable[..., Any]) -> bool:
    """Whether a function stands in `sinks`, itself or by the name of its module."""
    module = getattr(function, "__module__", None)
    if not isinstance(module, str):  # a method of a built-in type
        return False
    return sinks.named(module, getattr(function, "__qualname__", "")) or function in sinks


@cache
def is_library_sink(function: Callable[..., Any]) -> bool:
    """`is_sink` of a function that lives as long as Python runs."""
    return is_sink(function)


@cache
def names_within(packages: frozenset[str]) -> frozenset[str]:
    """The last parts of the names of sinks that stand in some packages."""
    names = [n for n in sinks if isinstance(n, str) and n.partition(".")[0] in packages]
    return frozenset([n.rpartition(".")[2] for n in names])


def _forget() -> None:
    is_library_sink.cache_clear()
    names_within.cache_clear()


sinks.forget = _forget

"""Names under which something stood before: they still import and parse, with a `DeprecationWarning`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from graphad.registry import Registry

_SPECIAL = (
    "composed", "distributions", "entropies", "higher", "incomplete", "legendre", "more_special", "special_functions",
    "waves",
)  # fmt: skip
MODULES = {
    "graphad.places": "graphad.location",
    "graphad.ops.bessel": "graphad.ops.special.bessel",
    "graphad.ops.elliptic": "graphad.ops.special.elliptic",
    **{f"graphad.ops.{name}": "graphad.ops.special" for name in _SPECIAL},
    **{f"graphad.ops.{name}": "graphad.ops.regions" for name in ("control", "iteration", "loops", "structured")},
    "graphad.executors.kept": "graphad.executors.cache",
    "graphad.executors.objects": "graphad.executors.cache",
    "graphad.executors.llvm.parts": "graphad.executors.llvm.functions",
    "graphad.executors.llvm.scope": "graphad.executors.llvm.environment",
    "graphad.executors.loops.cells": "graphad.executors.loops.lanes",
    "graphad.executors.loops.foreign": "graphad.executors.loops.routines",
    "graphad.executors.loops.unrolled": "graphad.executors.loops.scalarized",
    "graphad.executors.numba_control": "graphad.executors.numba.control",
    "graphad.executors.numba_printer": "graphad.executors.numba.printer",
    "graphad.executors.numba_runtime": "graphad.executors.numba.runtime",
    "graphad.executors.numba_scalars": "graphad.executors.numba.scalars",
}
"""The names that modules had, and those that they have."""


class _Renamed(MetaPathFinder, Loader):
    """Finds a module by its old name: the very module that has the new one."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        warn(old, MODULES[old])
        sys.modules[old] = import_module(MODULES[old])


def install() -> None:
    """Let the old names be found, where nothing else finds them."""
    if not any([type(finder).__name__ == _Renamed.__name__ for finder in sys.meta_path]):
        sys.meta_path.append(_Renamed())


class StandIn(ModuleType):
    """A module under its old name, in a package that has a function of that name: were the module itself imported by
    it, it would take the function's place. What is asked of it is taken from where it stands now; `names` are those of
    its contents that are called otherwise."""

    def __init__(self, old: str, module: str, names: Mapping[str, str]) -> None:
        super().__init__(old, f"Moved to {module}.")
        self._module, self._names = module, names

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        now = self._names.get(name, name)
        warn(f"{self.__name__}.{name}", f"{self._module}.{now}")
        return getattr(import_module(self._module), now)


def stand_ins(package: str, moved: Mapping[str, str], names: Mapping[str, str]) -> None:
    """Let modules of a package be imported by their old names: `moved` says where in it they stand now."""
    for old, now in moved.items():
        full = f"{package}.{old}"
        sys.modules.setdefault(full, StandIn(full, f"{package}.{now}", names))


def attributes(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a package in which `names` are called otherwise now."""

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        warn(f"{package}.{name}", f"{package}.{names[name]}")
        return getattr(sys.modules[package], names[name])

    return get


class Renamed(Registry):
    """A dict by names, of which `former` ones lead to what they are called now; the warning says `what` it is."""

    def __init__(self, what: str, former: Mapping[str, str]) -> None:
        super().__init__()
        self._what, self._former = what, former

    def name(self, name: str) -> str:
        """What a name is now."""
        if name in self or name not in self._former:
            return name
        warn(f"the {self._what} {name}", self._former[name])
        return self._former[name]

    def __missing__(self, name: str) -> Any:
        return self[self.name(name)] if name in self._former else super().__missing__(name)


def warn(former: str, now: str) -> None:
    """Warn of a former name where code that is not graphad's uses it."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(("graphad.", "importlib")):
        frame = frame.f_back
        depth += "importlib._bootstrap" not in frame.f_code.co_filename  # which Python does not count
    warnings.warn(f"{former} is called {now} now; use that name", DeprecationWarning, stacklevel=depth)


__all__ = ["MODULES", "Renamed", "StandIn", "attributes", "install", "stand_ins", "warn"]

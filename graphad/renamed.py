"""Modules that have another name now: the old ones still import, with a `DeprecationWarning`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES = {
    "graphad.places": "graphad.location",
}
"""The names that modules had, and those that they have."""


class _Renamed(MetaPathFinder, Loader):
    """Finds a module by its old name: the very module that has the new one."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        warnings.warn(f"{old} is {MODULES[old]} now; import that", DeprecationWarning, stacklevel=2)
        sys.modules[old] = import_module(MODULES[old])


def install() -> None:
    """Let the old names be found, where nothing else finds them."""
    if not any([type(finder).__name__ == _Renamed.__name__ for finder in sys.meta_path]):
        sys.meta_path.append(_Renamed())


__all__ = ["MODULES", "install"]

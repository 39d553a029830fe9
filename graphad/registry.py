"""Definitions by name, of which some stand in modules that are imported when they are first needed."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from importlib import import_module
from typing import Any

from graphad.once import LOCK


class Registry(dict[Any, Any]):
    """A dict of which `pending` names are defined by modules that are not imported yet: asking for such a name imports
    its module, and asking for all names imports all modules."""

    def __init__(self, pending: Mapping[Any, str] | None = None) -> None:
        super().__init__()
        self.pending = dict(pending or {})

    def _load(self, module: str) -> None:
        # Names stay pending until the module is there: other threads wait for it, and itself it finds what it has made.
        with LOCK:  # so does a fork
            import_module(module)
        self.pending = {name: home for name, home in self.pending.items() if home != module}

    def _all(self) -> None:
        for module in dict.fromkeys(self.pending.values()):
            self._load(module)

    def __missing__(self, name: Any) -> Any:
        if name not in self.pending:
            raise KeyError(name)
        self._load(self.pending[name])
        return super().__getitem__(name)

    def get(self, name: Any, default: Any = None) -> Any:
        if name in self.pending:
            self._load(self.pending[name])
        return super().get(name, default)

    def __contains__(self, name: Any) -> bool:
        return super().__contains__(name) or name in self.pending

    def __iter__(self) -> Iterator[Any]:
        self._all()
        return super().__iter__()

    def __len__(self) -> int:
        self._all()
        return super().__len__()

    def keys(self) -> KeysView[Any]:  # type: ignore[override]
        self._all()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._all()
        return super().values()

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        self._all()
        return super().items()


class _Later(dict[str, Any]):
    """What stands in modules further right, found when it is first asked for."""

    def __missing__(self, name: str) -> Any:
        module, attribute = HANDED_IN[name]
        with LOCK:  # a fork waits for the import
            loaded = import_module(module)
        found = self[name] = getattr(loaded, attribute) if attribute else loaded
        return found


HANDED_IN: dict[str, tuple[str, str]] = {
    # Methods of graphs and errors: they print, draw and save.
    "print_graph": ("graphad.text", "print_graph"),
    "save": ("graphad.serial", "save"),
    "draw": ("graphad.viz", "draw"),
    # The transpose of broadcasting sums, and that of a sum broadcasts; an array filled with a traced value casts it.
    "ops.sum": ("graphad.ops.reduce", "Sum"),
    "ops.cast": ("graphad.ops.elementwise", "cast"),
    # Functions of SciPy that simpler ops make up, loaded when an executor has none of SciPy's.
    "ops.compositions": ("graphad.ops.compositions", "COMPOSITIONS"),
    # NumPy's functions of functions are transformations.
    "vmap": ("graphad.api.vectorize", "vmap"),
    # What is called with traced values leads to SciPy's counterparts, which are loaded only then.
    "scipy.functions": ("graphad.scipy.dispatch", "TRACED"),
    "scipy.distributions": ("graphad.scipy.stats", "DISTRIBUTIONS"),
    "scipy.objects": ("graphad.scipy.objects", "traced_object"),
    "scipy.special": ("graphad.scipy.special", ""),
    "scipy.sparse.product": ("graphad.scipy.sparse.matrices", "product"),
    # A function is converted where it is called; converted code calls functions, which are converted then.
    "convert": ("graphad.api.conversion.functions", "convert"),
    "explain": ("graphad.api.conversion.explain", "explain"),
    "settle": ("graphad.api.conversion.ledger", "settle"),
    "arrays_read": ("graphad.api.reads", "arrays_read"),
    "conversion.runtime": ("graphad.api.conversion.runtime", ""),
    "conversion.rewrite": ("graphad.api.conversion.rewrite", ""),
    "conversion.dunders": ("graphad.api.conversion.dunders", ""),
    "conversion.series": ("graphad.api.conversion.series", "series"),
    "conversion.fail": ("graphad.api.conversion.checks", "fail"),
}
"""What a layer uses of those to its right: module and name in it, "" for the module. Nothing else goes against the
order of the layers, and no circle of files is closed but by these."""
LATER: dict[str, Any] = _Later()
"""The definitions themselves, by the names in `HANDED_IN`."""


__all__ = ["HANDED_IN", "LATER", "Registry"]

"""`Registry`: definitions by name, of which some stand in modules that are imported when they are first needed."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from importlib import import_module
from typing import Any


class Registry(dict[Any, Any]):
    """A dict of which `pending` names are defined by modules that are not imported yet: asking for such a name imports
    its module, and asking for all names imports all modules."""

    def __init__(self, pending: Mapping[Any, str] | None = None) -> None:
        super().__init__()
        self.pending = dict(pending or {})

    def _load(self, module: str) -> None:
        # Names stay pending until the module is there: other threads wait for it, and itself it finds what it has made.
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


__all__ = ["Registry"]

"""The attributes of ops and records: annotated fields of a class, from which its constructor is made when it is first
called, so that importing graphad does not compile what most programs never make."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, dataclass_transform, overload

from graphad.errors import TypeMismatchError

_T = TypeVar("_T")
_OF_CLASSES = re.compile(r"(\w+\.)*ClassVar\b").match


def declared(cls: type) -> dict[str, str]:
    """The attributes that a class itself declares, with their types as text."""
    return {name: str(kind) for name, kind in cls.__annotations__.items() if not _OF_CLASSES(str(kind))}


def defaults(cls: Any, own: Mapping[str, str]) -> dict[str, Any]:
    """The defaults of a class's own attributes. Raises `TypeMismatchError` for one that is no value, and for an
    attribute without one that follows others with one."""
    found: dict[str, Any] = {}
    optional = set(cls._defaults) - own.keys()
    for name in own:
        if name in cls.__dict__:
            default = found[name] = cls.__dict__[name]
            kind = type(default)
            if kind.__hash__ is None or kind.__module__ == "dataclasses":
                raise TypeMismatchError(
                    f"{cls.__name__}: the default of {name} is a {kind.__name__}; give what does not change"
                )
            optional.add(name)
        elif optional and name not in cls._types:
            raise TypeMismatchError(f"{cls.__name__}: {name} has no default and follows {min(optional)}, which has one")
    return found


def constructor(cls: Any) -> Callable[..., None]:
    """The `__init__` of a class: it takes the attributes, and then calls `__post_init__` where there is one."""
    known = cls._defaults
    taken = [f"{name}=_defaults[{name!r}]" if name in known else name for name in cls._fields]
    lines = [f"def __init__(self, {', '.join(taken)}):", "    own = self.__dict__"]
    lines += [f"    own[{name!r}] = {name}" for name in cls._fields]
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    made: dict[str, Any] = {"_defaults": known}
    exec("\n".join(lines), made)
    made["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    return made["__init__"]  # type: ignore[no-any-return]


@dataclass_transform(frozen_default=True)
class Record:
    """A value of annotated fields that does not change. Records of one class are equal where their `compared` fields
    are, which are all unless the class says so."""

    compared: ClassVar[tuple[str, ...]] = ()
    _types: ClassVar[dict[str, str]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}
    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        own = declared(cls)
        cls._defaults = {**cls._defaults, **defaults(cls, own)}
        cls._types = {**cls._types, **own}
        cls._fields = tuple(cls._types)
        cls.compared = cls.compared or cls._fields
        cls.__init__ = Record.__init__  # type: ignore[method-assign]

    def __init__(self, *args: Any, **fields: Any) -> None:
        cls: Any = type(self)
        cls.__init__ = constructor(cls)
        cls.__init__(self, *args, **fields)

    def __setattr__(self, name: str, value: Any) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to {name!r}: a {type(self).__name__} does not change")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def _content(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.compared])

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is type(self) and self._content() == other._content())  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._content()))

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in self._fields])})"


class cached(Generic[_T]):
    """A property that is computed when it is first read, and is an attribute from then on.

    Unlike `functools.cached_property` it has no lock, which in Python 3.11 a fork may find taken by another thread.
    """

    def __init__(self, function: Callable[[Any], _T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached[_T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        found = instance.__dict__[self.name] = self.function(instance)
        return found


__all__ = ["Record", "cached", "constructor", "declared", "defaults"]

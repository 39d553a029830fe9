"""Static arguments: hashable Python values that select a version of a traced function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NamedTuple

from graphad.api.call import converted
from graphad.errors import TypeMismatchError
from graphad.location import place


class Bound(NamedTuple):
    """A call's function with its static arguments bound, what else it was given, and the key of the static ones."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    key: tuple[Any, ...]


def _all(option: str, given: Any, kind: type, wanted: str) -> tuple[Any, ...]:
    found = (given,) if isinstance(given, kind) or not isinstance(given, Iterable) else tuple(given)
    if not all([isinstance(x, kind) for x in found]):
        raise TypeMismatchError(f"{option}={given!r}{place()}; give {wanted}")
    return found


class Static:
    """Which arguments of `fun` are static, by position or by name; each stands for the other, as in JAX."""

    def __init__(self, fun: Callable[..., Any], argnums: int | Sequence[int], argnames: str | Sequence[str]) -> None:
        self.fun = fun
        self.positions = set(_all("static_argnums", argnums, int, "a position or a tuple of them"))
        self.names = set(_all("static_argnames", argnames, str, "a name or a tuple of them"))
        if not self.positions and not self.names:
            return
        try:
            parameters = list(inspect.signature(fun).parameters.values())
        except (TypeError, ValueError):
            return
        known = [p.name for p in parameters]
        missing = self.names - set(known)
        if missing and not any(p.kind is p.VAR_KEYWORD for p in parameters):
            name, which = getattr(fun, "__name__", "the function"), ", ".join(map(repr, sorted(missing)))
            raise TypeMismatchError(
                f"static_argnames: {name} has no argument {which}{place()}; it has "
                f"{', '.join(known)}"
            )
        by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.names |= {by_position[i] for i in self.positions if -len(by_position) <= i < len(by_position)}
        self.positions |= {by_position.index(name) for name in self.names if name in by_position}

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """The call with its static arguments bound. Raises `TypeMismatchError` for one that cannot be hashed."""
        fun, n = self.fun, len(args)
        if not self.positions and not self.names:
            return Bound(fun, args, kwargs, ())
        static = {i % n: args[i] for i in self.positions if -n <= i < n}
        named = {name: x for name, x in kwargs.items() if name in self.names}
        for name, x in (*static.items(), *named.items()):
            try:
                hash(x)
            except TypeError:
                raise TypeMismatchError(
                    f"static_arg{'names' if isinstance(name, str) else 'nums'}: argument {name} is a "
                    f"{type(x).__name__}, which cannot be hashed{place()}; static arguments "
                    "select a compiled version, so use a tuple"
                ) from None

        @wraps(fun)
        def bound(*dynamic: Any, **rest: Any) -> Any:
            items = iter(dynamic)
            given = [static[i] if i in static else next(items) for i in range(n)]
            return converted(fun)(*given, **rest, **named)

        if hasattr(fun, "__code__"):
            names = fun.__code__.co_varnames[: fun.__code__.co_argcount]
            bound.__graphad_names__ = [x for i, x in enumerate(names) if i not in static]  # type: ignore[attr-defined]
        key = tuple([(i, _told_apart(x), x) for i, x in (*sorted(static.items()), *sorted(named.items()))])
        dynamic = tuple([x for i, x in enumerate(args) if i not in static])
        return Bound(bound, dynamic, {k: x for k, x in kwargs.items() if k not in named}, key)


def _told_apart(x: Any) -> Any:
    """A static argument as part of a key: `1`, `1.0` and `True` are equal, and so are `0.0` and `-0.0`."""
    if isinstance(x, (tuple, frozenset)):
        return type(x), (tuple if isinstance(x, tuple) else frozenset)(map(_told_apart, x))
    return (type(x), repr(x)) if isinstance(x, (float, complex)) else type(x)

"""What transformations make of functions: it stands where the function stood, as a method of a class too, and travels
by pickle wherever the function does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial, update_wrapper
from types import FunctionType, MethodType
from typing import Any, TypeVar, cast

from graphad import tree
from graphad.tracebacks import boundary, shorten

F = TypeVar("F", bound=Callable[..., Any])
KEPT = "__graphad__"
"""The attribute in which an object keeps what was compiled for its methods."""


class Decorated:
    """A function that stands for another, `fun`. As an attribute of a class it binds objects as `fun` does: the object
    is no argument, and `argnums` count from the one after it."""

    fun: Callable[..., Any]
    owner: type | None = None
    origin: tuple[Any, Any, Any] | None = None
    """The attribute of a class, the object and the class of which this is the bound method."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        update_wrapper(self, fun, updated=() if isinstance(fun, Decorated) else ("__dict__",))  # type: ignore[arg-type]
        self.fun = fun

    def again(self, fun: Callable[..., Any]) -> Any:
        """The same for another function."""
        raise NotImplementedError

    def remake(self) -> tuple[Any, ...]:
        """A function and its arguments that make this anew, for pickle, and a state if there is one."""
        raise NotImplementedError

    def __set_name__(self, owner: type, name: str) -> None:
        if self.owner is None:
            self.owner = owner

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        bind = getattr(type(self.fun), "__get__", None)
        if bind is None or (instance is None and not isinstance(self.fun, (classmethod, staticmethod))):
            return self
        found = self.bound(bind(self.fun, instance, owner))
        found.origin = self, instance, owner
        return found

    def bound(self, method: Callable[..., Any]) -> Any:
        """The same for a method of an object."""
        return self.again(method)

    def called_on(self, args: tuple[Any, ...]) -> bool:
        """Whether the first argument is the object of a method that was called through its class, or the class of a
        `classmethod`, which from Python 3.13 on binds nothing of what it holds."""
        if args and isinstance(args[0], type):
            found = [x for c in args[0].__mro__ for x in vars(c).values() if isinstance(x, classmethod)]
            return any([id(x.__func__) == id(self) for x in found])
        if self.owner is None or not args or not isinstance(args[0], self.owner):
            return False
        return tree.structure(args[0]) is tree.LEAF

    def __reduce__(self) -> Any:
        if self.origin is not None:
            return _attribute(*self.origin) or (_bind, self.origin)
        if _by_name(self):
            return self.__qualname__  # type: ignore[attr-defined]
        make, args, *state = self.remake()
        if _in_cloudpickle():
            from graphad.api.conversion.packed import pack, unpack

            return unpack, (pack(innermost_function(self.fun)), make, args), *state
        return make, args, *state

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = self.__reduce__()
        if isinstance(made, str):
            return self
        # Functions are copied to themselves, and methods to those of a copied object.
        args = deepcopy(made[1], memo)
        same = all(a is b or (isinstance(a, dict) and a == b) for a, b in zip(args, made[1], strict=True))
        return self if same else made[0](*args)


def _bind(decorated: Decorated, instance: Any, owner: type | None) -> Any:
    return decorated.__get__(instance, owner)


def _attribute(decorated: Decorated, instance: Any, owner: type | None) -> tuple[Any, ...] | None:
    """How to get a bound method by its name, where a class has it under its own."""
    home, name = owner if instance is None else instance, getattr(decorated, "__name__", "")
    for c in getattr(home if isinstance(home, type) else type(home), "__mro__", ()):
        if name in vars(c):
            found = vars(c)[name]
            is_own = decorated is found or decorated is getattr(found, "__func__", None)
            return (getattr, (home, name)) if is_own else None
    return None


def _by_name(x: Any) -> bool:
    """Whether another process finds an object by the name of its module and its own. What cloudpickle packs of the
    program itself is not there."""
    module = getattr(x, "__module__", None)
    found: Any = sys.modules.get(module or "")
    for part in getattr(x, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is x and not (module == "__main__" and _in_cloudpickle())


def _in_cloudpickle() -> bool:
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__") in (__name__, "copyreg", "pickle") and frame.f_back is not None:
        frame = frame.f_back
    return "cloudpickle" in str(frame.f_globals.get("__name__"))


class Transformed(Decorated):
    """A function that `grad`, `vmap` or another transformation made: `make(fun)` makes it, `call` is what it does."""

    def __init__(self, fun: Callable[..., Any], make: Callable[..., Any], call: Callable[..., Any]) -> None:
        super().__init__(fun)
        self.make = make
        self.call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.called_on(args):
                return self.__get__(args[0])(*args[1:], **kwargs)
            return self.call(*args, **kwargs)
        except Exception as error:
            shorten(error)
            raise

    def again(self, fun: Callable[..., Any]) -> Any:
        return self.make(fun)

    def remake(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.make, (self.fun,)


def transformation(transform: F) -> F:
    """A transformation, the first argument of which is a function: what it gives binds and pickles as that does."""

    @boundary
    def made(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
        call = transform(fun, *args, **kwargs)
        return Transformed(fun, partial(_again, made, args, kwargs), call)

    update_wrapper(made, transform)
    return made  # type: ignore[return-value]


def _again(make: Any, args: tuple[Any, ...], kwargs: dict[str, Any], fun: Callable[..., Any]) -> Any:
    return make(fun, *args, **kwargs)


def receiver(method: Any) -> Any:
    """The object of a bound method, or of what was made of one; None of a function."""
    while isinstance(method, Decorated):
        method = method.fun
    return method.__self__ if isinstance(method, MethodType) else None


def innermost_function(fun: Any) -> FunctionType:
    """The user's function that transformations, methods and partial functions lead to; one without effect if none."""
    while not isinstance(fun, FunctionType):
        if isinstance(fun, Decorated):
            fun = fun.fun
        elif isinstance(fun, (MethodType, staticmethod, classmethod)):
            fun = fun.__func__
        elif isinstance(fun, partial):
            fun = fun.func
        else:
            return _NOTHING
    return fun


_NOTHING = cast(FunctionType, lambda: None)


class Kept(dict[Any, Any]):
    """What one object keeps of its compiled methods. It belongs to that object: copies and pickles have none of it, and
    objects that differ in it alone are equal."""

    def __init__(self, instance: Any = None) -> None:
        self.instance = instance

    def __reduce__(self) -> Any:
        return Kept, ()

    def __copy__(self) -> Kept:
        return Kept()

    def __deepcopy__(self, memo: dict[int, Any]) -> Kept:
        return Kept()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept)

    __hash__ = None  # type: ignore[assignment]


def kept(instance: Any) -> dict[Any, Any] | None:
    """What an object keeps of methods, by what was decorated; None for one without a dict of attributes."""
    space = getattr(instance, "__dict__", None)
    if type(space) is not dict:
        return None
    found = space.get(KEPT)
    # A shallow copy has that of the original.
    if found is None or found.instance is not instance:
        found = space[KEPT] = Kept(instance)
    return found  # type: ignore[no-any-return]

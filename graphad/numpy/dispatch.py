"""How a traced implementation takes the place of a NumPy function: in NumPy's dispatch, the namespace, the methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from graphad.build import current_builder
from graphad.errors import GraphadError, IndexOutOfBoundsError, ShapeError, TypeMismatchError
from graphad.location import locate, place, user_location
from graphad.numpy.arguments import check_device, holds_tracer
from graphad.numpy.layouts import UNKNOWN
from graphad.trace import FUNCTIONS, UFUNC_METHODS, Tracer
from graphad.tracebacks import is_accident

Function = Callable[..., Any]

NAMESPACE: dict[Any, Function] = {}
"""NumPy's functions to those of `graphad.numpy`."""


def implements(
    *functions: Any, method: str | None = None, beyond: tuple[str, ...] = (), laid: bool | None = False
) -> Callable[[Function], Function]:
    """Make the decorated function the meaning of NumPy `functions` on traced values.

    It is called by NumPy's dispatch, and by the function that stands in its place in `graphad.numpy`, which leaves
    calls without traced operands to NumPy. `method` names the tracer method that it becomes as well, `beyond` the
    keywords that NumPy's function lacks; `laid` says that the layouts of its results are those of NumPy's, None that
    they are known of no operands.
    """

    def register(handler: Function) -> Function:
        located = located_errors(handler, functions[0].__name__, laid)
        original = functions[0]

        @wraps(handler)
        def function(*args: Any, **kwargs: Any) -> Any:
            if holds_tracer(args) or (kwargs and holds_tracer(kwargs.values())):
                return located(*args, **kwargs)
            if beyond and any(kwargs.get(name) is not None for name in beyond):
                return located(*args, **kwargs)
            return original(*args, **{k: v for k, v in kwargs.items() if k not in beyond} if beyond else kwargs)

        for f in functions:
            FUNCTIONS[f] = located
            NAMESPACE[f] = function
        if method is not None:
            setattr(Tracer, method, located)
        return function

    return register


def creates(function: Any) -> Callable[[Function], Function]:
    """Make the decorated function the one of `graphad.numpy` that makes arrays from nothing, as `function` does.

    NumPy calls it for `like=` a traced value. Outside of a trace, without traced operands, NumPy's own is called.
    """

    def register(handler: Function) -> Function:
        located = located_errors(handler)

        @wraps(handler)
        def create(*args: Any, **kwargs: Any) -> Any:
            if current_builder() is None and not holds_tracer(args) and not holds_tracer(kwargs.values()):
                return function(*args, **kwargs)
            kwargs.pop("like", None)
            return located(*args, **kwargs)

        FUNCTIONS[function] = located
        NAMESPACE[function] = create
        return create

    return register


def tracer_method(name: str) -> Callable[[Function], Function]:
    """Make the decorated function a method of tracers."""

    def register(handler: Function) -> Function:
        setattr(Tracer, name, located_errors(handler))
        return handler

    return register


_ACCUMULATE = {
    "reduce", "accumulate", "reduceat", "sum", "prod", "cumsum", "cumprod", "max", "min", "any", "all", "mean",
}  # fmt: skip
"""What accumulates in `out=`, whose dtype NumPy does not check."""


_KINDS: dict[type, type[GraphadError]] = {ValueError: ShapeError, IndexError: IndexOutOfBoundsError}


def _described(x: Any) -> str:
    """An argument for a message: the type of an array, else the value or its class."""
    if isinstance(x, Tracer):
        return str(x.type)
    if isinstance(x, np.ndarray):
        return f"{x.dtype}{list(x.shape)}"
    return repr(x) if isinstance(x, (int, float, str, type(None))) else type(x).__name__


def located_errors(handler: Function, name: str | None = None, laid: bool | None = True) -> Function:
    """The handler of the function of that name, whose errors name the user's place.

    Where code of graphad fails on arguments that it was not made for, that too becomes an error of graphad's own.
    Without `laid` its results are new arrays, whose layouts are not those of NumPy's where they are not row by row;
    with None they never are.
    """

    @wraps(handler)
    def located(*args: Any, **kwargs: Any) -> Any:
        try:
            if kwargs.get("device") is not None:
                check_device(handler.__name__, kwargs["device"])
            if kwargs.get("out") is not None:
                out = kwargs.pop("out")
                title = handler.__name__.rstrip("_")
                casting = "unsafe" if title in _ACCUMULATE else "same_kind"
                return UFUNC_METHODS["into"](out, handler(*args, **kwargs), title, True, casting)
            found = handler(*args, **kwargs)
            return found if laid else unlaid(found, (*args, *kwargs.values()), laid is None)
        except GraphadError as error:
            locate(error, user_location())
            raise
        except (TypeError, ValueError, AttributeError, LookupError, ZeroDivisionError) as error:
            if not is_accident(error):
                raise
            given = ", ".join([*map(_described, args), *[f"{k}={_described(v)}" for k, v in kwargs.items()]])
            raise _KINDS.get(type(error), TypeMismatchError)(
                f"{name or handler.__name__}({given}){place()}: {type(error).__name__}: {error}; give arguments "
                "that the function takes without traced values, and report it where they are right"
            ) from error

    return located


def unlaid(found: Any, args: Sequence[Any] = (), never: bool = False) -> Any:
    """New arrays whose layout, where it is not row by row, may be another in NumPy.

    With `never` neither that is known, nor whether what is an argument, or a view, is a new array.
    """
    if isinstance(found, Tracer) and (found.shape or found.boxed):
        if any([found is x for x in args]) or (never and type(found) is not Tracer):
            layout, given = found.layout, found
            found = Tracer(found.builder, found.value)
            found.layout = layout
            if never:
                UFUNC_METHODS["doubt"](found, given)
        if type(found) is Tracer and (found.layout is not None or (never and found.shape)):
            found.layout = UNKNOWN
    elif isinstance(found, (tuple, list)):
        items = [unlaid(x, args, never) for x in found]
        return type(found)(items) if type(found) in (tuple, list) else found
    return found


__all__ = ["NAMESPACE", "Function", "creates", "implements", "located_errors", "tracer_method", "unlaid"]

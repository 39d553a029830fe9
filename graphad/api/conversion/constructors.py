"""Calls of the user's classes: `__new__`, `__init__`, and what dataclasses make of their fields, all converted."""

from __future__ import annotations

import dataclasses
import gc
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from graphad.api.conversion.classes import defined, meet
from graphad.api.conversion.functions import REPLACED, call, convert
from graphad.location import user_frame
from graphad.numpy.adopted import adopt, holds, made


def constructor(cls: type) -> Callable[..., Any]:
    """What is called in place of a class."""
    meet(cls)
    if type(cls).__call__ is not type.__call__:  # a class of the user's, or an enumeration, makes its instances itself
        return cls
    new = defined(cls, "__new__")
    init = defined(cls, "__init__")
    written = isinstance(new, staticmethod) and type(new.__func__) is FunctionType
    if not written and type(init) is not FunctionType:
        return cls

    def make(*args: Any, **kwargs: Any) -> Any:
        x = convert(new.__func__)(cls, *args, **kwargs) if written else cls.__new__(cls, *args, **kwargs)
        if isinstance(x, cls):
            initializer(x)(x, *args, **kwargs)
            # Arrays that code made which is not converted: that of a library's class, from which this one inherits.
            if any([holds(type(y)) for y in gc.get_referents(x)]):
                adopt(getattr(x, "__dict__", {}))
        return x

    return make


def under_construction(x: Any) -> bool:
    """Whether the user's function that runs is what makes an object: it is nobody's if that raises."""
    frame = user_frame()
    while frame is not None and frame.f_code.co_name in ("__init__", "__post_init__"):
        if frame.f_code.co_argcount:
            return frame.f_locals.get(frame.f_code.co_varnames[0]) is x
        frame = user_frame(frame.f_back)  # a piece of the function
    return False


def _replace(x: Any, /, **changes: Any) -> Any:
    """`dataclasses.replace`, with the constructor converted."""
    plain: Any = dataclasses.replace
    if not dataclasses.is_dataclass(x) or isinstance(x, type):
        return plain(x, **changes)
    for field in dataclasses.fields(x):
        if not field.init and field.name in changes:
            return plain(x, **changes)  # raises
        if field.init:
            changes.setdefault(field.name, getattr(x, field.name))
    return constructor(type(x))(**changes)


REPLACED[dataclasses.replace] = _replace


def initializer(x: Any) -> Callable[..., Any]:
    """The `__init__` of an object's class, converted."""
    for c in type(x).__mro__:
        init = c.__dict__.get("__init__")
        if init is not None:
            if type(init) is not FunctionType:
                return init  # type: ignore[no-any-return]
            return _fields(c, init) if _is_generated(c, init) else call(init)  # type: ignore[no-any-return]
    return object.__init__


def _is_generated(cls: type, init: FunctionType) -> bool:
    """Whether `__init__` is the one that `dataclass` made."""
    parameters = cls.__dict__.get("__dataclass_params__")
    return parameters is not None and parameters.init and init.__code__.co_filename == "<string>"


def _fields(cls: Any, init: FunctionType) -> Callable[..., Any]:
    """The `__init__` of a dataclass: the fields set in order, by their default factories where nothing is given, then
    `__post_init__`."""
    fields = cls.__dataclass_fields__.values()
    if not hasattr(cls, "__post_init__") and all([f.default_factory is dataclasses.MISSING for f in fields]):
        return init
    signature = inspect.signature(init)
    put: Any = object.__setattr__ if cls.__dataclass_params__.frozen else setattr

    def set_fields(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError:
            init(self, *args, **kwargs)  # raises in Python's own words
            raise
        later = []
        for field in fields:
            kind = field._field_type.name
            if kind == "_FIELD_CLASSVAR":
                continue
            if field.init and field.name in given:
                value = given[field.name]
            elif field.default_factory is not dataclasses.MISSING:
                value = made(call(field.default_factory)())
            elif field.init:
                value = field.default
            else:
                continue
            if kind == "_FIELD_INITVAR":
                later.append(value)
            else:
                put(self, field.name, value)
        after = getattr(type(self), "__post_init__", None) if hasattr(cls, "__post_init__") else None
        if after is not None:
            call(after)(self, *later)

    return set_fields

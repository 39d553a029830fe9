"""Special methods and descriptors of the user's classes at run time: what Python would call is converted and called."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Iterator
from functools import cached_property, partial, reduce
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from graphad.api.conversion.classes import MISSING, OPERATORS, UNARY, defined
from graphad.api.conversion.functions import REPLACED, call, convert
from graphad.api.conversion.handlers import passing
from graphad.api.conversion.kinds import lacks
from graphad.api.conversion.ledger import changing, reading
from graphad.location import is_user_class, is_user_file
from graphad.numpy.adopted import made
from graphad.numpy.arguments import touched
from graphad.trace import Tracer

_PLAIN: set[type] = {
    Tracer, int, float, complex, bool, str, bytes, type(None), np.ndarray, np.float64, np.int64, np.bool_, list, tuple,
    dict, set, range, ModuleType,
}  # fmt: skip
"""Types none of whose methods are the user's."""


def special(x: Any, name: str) -> Callable[..., Any] | None:
    """The special method of an object, converted and bound, where it is the user's code; None for any other."""
    cls = type(x)
    if cls in _PLAIN:
        return None
    f = defined(cls, name)
    if type(f) is not FunctionType:
        if not any(is_user_class(c) for c in cls.__mro__):
            _PLAIN.add(cls)
        return None
    return MethodType(convert(f), x) if is_user_file(f.__code__.co_filename) else None


def attribute(x: Any, name: str) -> Any:
    """`x.name`."""
    cls = type(x)
    if cls in _PLAIN or isinstance(x, type):
        return getattr(x, name)
    if cls is super:
        return _of_base(x, name)
    found = defined(cls, name)
    own = getattr(x, "__dict__", None) or {}
    if found is MISSING:
        get = special(x, "__getattr__") if name not in own else None
        return getattr(x, name) if get is None else get(name)
    if isinstance(found, property) and type(found.fget) is FunctionType:
        return call(found.fget)(x)
    if isinstance(found, cached_property) and name not in own:
        value = made(convert(found.func)(x))
        changing(x).__dict__[name] = value
        return value
    if is_user_class(type(found)) and (name not in own or defined(type(found), "__set__") is not MISSING):
        get = special(found, "__get__")
        if get is not None:
            return get(x, cls)
    return getattr(x, name)


def _of_base(x: Any, name: str) -> Any:
    """`super().name`."""
    mro = x.__self_class__.__mro__
    for c in mro[mro.index(x.__thisclass__) + 1 :]:
        found = c.__dict__.get(name)
        if found is not None:
            is_property = isinstance(found, property) and type(found.fget) is FunctionType
            return convert(found.fget)(x.__self__) if is_property else getattr(x, name)
    return getattr(x, name)


def assign(value: Any, x: Any, name: str) -> None:
    """`x.name = value`."""
    found = defined(type(x), name)
    if isinstance(found, property) and type(found.fset) is FunctionType:
        convert(found.fset)(x, value)
        return
    put = special(found, "__set__") if found is not MISSING else None
    if put is None:
        setattr(x, name, value)
    else:
        put(x, value)


# A remainder is written out: by its instruction a traced value knows that a text is formatted (`"%.3f" % x`).
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": operator.add, "Sub": operator.sub, "Mult": operator.mul, "Div": operator.truediv,
    "FloorDiv": operator.floordiv, "Mod": lambda a, b: a % b, "Pow": operator.pow, "MatMult": operator.matmul,
    "LShift": operator.lshift, "RShift": operator.rshift, "BitAnd": operator.and_, "BitOr": operator.or_,
    "BitXor": operator.xor, "Eq": operator.eq, "NotEq": operator.ne, "Lt": operator.lt, "LtE": operator.le,
    "Gt": operator.gt, "GtE": operator.ge, "USub": operator.neg, "UAdd": operator.pos, "Invert": operator.invert,
}  # fmt: skip
_NUMBERS = (Tracer, int, float, complex)


def operate(kind: str, a: Any, *right: Any) -> Any:
    """`a + b`, `-a`, `a < b` and so on, by the name of the operator."""
    function = _FUNCTIONS[kind]
    if not right:
        method = special(a, UNARY[kind])
        return function(a) if method is None else method()
    (b,) = right
    if type(a) in _PLAIN and type(b) in _PLAIN:
        return function(a, b)
    name, reflected = OPERATORS[kind]
    left, other = special(a, name), special(b, reflected)
    first = type(b) is not type(a) and issubclass(type(b), type(a))
    # A left operand of a library's is asked by Python itself, unless it is known to leave the operation to the right.
    reflects = (
        left is not None or isinstance(a, _NUMBERS) or defined(type(a), name) in (MISSING, vars(object).get(name))
    )
    for method, operand in ((other, a), (left, b)) if first else ((left, b), (other, a)):
        if method is not None and (method is left or reflects):
            result = method(operand)
            if result is not NotImplemented:
                return result
    return function(a, b)


def is_plain(x: Any) -> bool:
    """Whether no method of an object can be the user's."""
    return type(x) in _PLAIN


def update(kind: str, x: Any, value: Any, function: Callable[[Any, Any], Any]) -> Any:
    """`x += value` and so on, which `function` is, by the name of the operator."""
    name, reflected = OPERATORS[kind]
    method = special(x, f"__i{name[2:]}")
    result = NotImplemented if method is None else method(value)
    if result is not NotImplemented:
        return result
    by_user = special(x, name) is not None or special(value, reflected) is not None
    return operate(kind, x, value) if by_user else function(x, value)


class _Managed:
    """A context manager whose methods are converted."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __enter__(self) -> Any:
        method = special(self.x, "__enter__")
        return self.x.__enter__() if method is None else method()

    def __exit__(self, *error: Any) -> Any:
        method = special(self.x, "__exit__")
        taken = self.x.__exit__(*error) if method is None else method(*error)
        return taken and not isinstance(error[1], passing(tuple))


def managed(x: Any) -> Any:
    """What a `with` statement enters."""
    return x if type(x) in _PLAIN or not is_user_class(type(x)) else _Managed(x)


def iterated(x: Any) -> Any:
    """What a loop runs over, where that is an object with `__iter__`, `__next__` or `__getitem__` of the user's."""
    reading(touched(x) if hasattr(type(x), "__next__") else x)
    if type(x) in _PLAIN or not is_user_class(type(x)):
        return x
    start = special(x, "__iter__")
    items = x if start is None and hasattr(type(x), "__iter__") else start() if start is not None else _indexed(x)
    return _stepped(items) if special(items, "__next__") is not None else items


def _stepped(items: Any) -> Iterator[Any]:
    step = special(items, "__next__")
    assert step is not None
    while True:
        try:
            item = step()
        except StopIteration:
            return
        yield item


def _indexed(x: Any) -> Any:
    read = special(x, "__getitem__")
    if read is None:
        return x

    def items() -> Iterator[Any]:
        i = 0
        while True:
            try:
                item = read(i)
            except IndexError:
                return
            yield item
            i += 1

    return items()


def calling(function: Any, name: str) -> Callable[..., Any]:
    """A builtin that calls a special method of its first argument."""

    def calling(*args: Any, **kwargs: Any) -> Any:
        reading(args[0] if args else None)
        method = special(args[0], name) if args else None
        return function(*args, **kwargs) if method is None else method(*args[1:], **kwargs)

    return calling


def _next(items: Any, *default: Any) -> Any:
    touched(items)
    step = special(items, "__next__")
    if step is None:
        return next(items, *default)
    try:
        return step()
    except StopIteration:
        if default:
            return default[0]
        raise


def _getattr(x: Any, name: Any, *default: Any) -> Any:
    if not isinstance(name, str):
        name = str(name)  # a text that is not known refuses, saying so
    if default and lacks(x, name):
        return default[0]
    try:
        return attribute(x, name)
    except AttributeError:
        if default:
            return default[0]
        raise


def _attrgetter(*paths: str) -> Callable[[Any], Any]:
    def get(x: Any) -> Any:
        found = [reduce(attribute, path.split("."), x) for path in paths]
        return found[0] if len(found) == 1 else tuple(found)

    return get


def install() -> None:
    """Fill the table of what converted code calls in place of functions that call special methods."""
    for kind, function in _FUNCTIONS.items():
        REPLACED[function] = partial(operate, kind)
    REPLACED[operator.attrgetter] = _attrgetter
    for name in ("len", "abs"):
        REPLACED[getattr(builtins, name)] = calling(getattr(builtins, name), f"__{name}__")
    REPLACED[next] = _next
    REPLACED[getattr] = _getattr
    REPLACED[iter] = lambda *args: iter(iterated(args[0])) if len(args) == 1 else iter(*args)


install()

"""Functions converted: found in their source, rewritten, compiled under their own file and line numbers, and kept."""

from __future__ import annotations

import ast
import dis
import inspect
import sys
from collections.abc import Callable
from functools import cache, partial, wraps
from importlib import import_module
from importlib.util import find_spec
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from graphad.api.conversion.heap import RUNTIME
from graphad.api.conversion.scope import MARK, is_user_class, is_user_file, nested_codes
from graphad.api.conversion.source import Unreadable, definition
from graphad.numpy._register import NAMESPACE, holds_tracer, operand
from graphad.trace import Tracer


class Conversion(NamedTuple):
    """What became of a code object: the converted one, or why there is none. `code` keeps the original alive, `space`
    are the globals by which it was judged."""

    code: CodeType
    converted: CodeType | None
    reason: str
    space: dict[str, Any]


_conversions: dict[int, Conversion] = {}
_converted: dict[int, tuple[CodeType, CodeType]] = {}
_runtime = CellType()
REPLACED: dict[Any, Any] = {}
"""Builtins and library functions to what converted code calls in their place."""


def convert(f: Any) -> Any:
    """A callable with its control flow converted: functions, methods, partials, objects with `__call__`, classes.

    What is not the user's own, and what cannot be converted, comes back as it is.
    """
    kind = type(f)
    if kind is FunctionType:
        return _function(f)
    if kind is MethodType and type(f.__self__).__module__.startswith("scipy.stats"):
        found = _of_distribution(f.__self__)
        return f if found is f.__self__ else getattr(found, f.__name__)
    if kind.__module__.startswith("scipy.stats"):
        return _of_distribution(f)
    if kind is MethodType:
        inner = convert(f.__func__)
        return f if inner is f.__func__ else MethodType(inner, f.__self__)
    if kind is partial:
        inner = convert(f.func)
        return f if inner is f.func else partial(inner, *f.args, **f.keywords)
    if isinstance(f, type):
        return _of_scipy(f) or _class(f) if f.__module__.startswith(_CLASSES) else _class(f)
    if kind.__module__ in _MULTIMETHODS:
        return _of_scipy(f) or f
    if is_user_class(kind):
        method = inspect.getattr_static(kind, "__call__", None)
        if type(method) is FunctionType:
            inner = _function(method)
            return f if inner is method else MethodType(inner, f)
    return f


def call(f: Any) -> Any:
    """What converted code calls in place of `f`."""
    if type(f) is FunctionType:
        return _function(f)
    try:
        found = REPLACED.get(f)
    except TypeError:
        return convert(f)
    if found is None:
        if type(getattr(f, "__self__", None)).__name__ in _RANDOM:
            _holder[RUNTIME].refuse_random(f)
        if isinstance(f, np.vectorize):
            options = {name: getattr(f, name) for name in ("otypes", "excluded", "cache", "signature")}
            return REPLACED[np.vectorize](f.pyfunc, **options)
        return _joining(f) if isinstance(f, _NUMPY) else convert(f)
    return found


_NUMPY = (np.ufunc, type(np.sum))
_CLASSES = ("scipy.interpolate", "scipy.sparse")
"""The modules of SciPy of which graphad has classes, or functions in their place."""
_MULTIMETHODS = ("uarray", "scipy.special._multiufuncs")
"""The modules of the types of SciPy's functions that are objects: they choose a backend or a ufunc when called."""
_RANDOM = ("Generator", "RandomState", "Random")


@cache
def _joining(function: Any) -> Callable[..., Any]:
    """A function of NumPy for lists of traced values too, which NumPy itself does not hand on to graphad."""
    traced = NAMESPACE.get(function)

    @wraps(function)
    def joining(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            # Of some arguments, such as the indices of take, NumPy does not look at the type.
            if traced is not None and isinstance(x, Tracer):
                return traced(*args, **kwargs)
            if isinstance(x, (list, tuple)) and holds_tracer(x):
                if traced is not None:
                    return traced(*args, **kwargs)
                if isinstance(function, np.ufunc):
                    args = tuple([operand(x) if isinstance(x, (list, tuple)) else x for x in args])
                break
        return function(*args, **kwargs)

    return joining


def _function(f: FunctionType) -> Any:
    code = f.__code__
    found = _conversions.get(id(code))
    if found is None or (found.converted is None and found.space is not f.__globals__):
        if id(code) in _converted:
            return f
        if not is_user_file(code.co_filename):
            return _wrapper(f)
        found = _conversions[id(code)] = _convert_code(f)
    new = found.converted
    if new is None:
        return f
    cells = dict(zip(code.co_freevars, f.__closure__ or (), strict=True))
    cells[RUNTIME] = _runtime
    made = FunctionType(new, f.__globals__, f.__name__, f.__defaults__, tuple([cells[n] for n in new.co_freevars]))
    made.__kwdefaults__ = f.__kwdefaults__
    made.__dict__.update(f.__dict__)
    return made


def _wrapper(f: FunctionType) -> Any:
    """A function of a library: it is called as it is, but for those of SciPy that graphad has as well."""
    found = REPLACED.get(f)
    return (_of_scipy(f) or f) if found is None else found


@cache
def _of_scipy(f: Any) -> Any:
    """The function of `graphad.scipy` for one of SciPy, None where there is none."""
    parts = (f.__module__ or "").split(".")
    place = ".".join(parts[: 3 if parts[:3] == ["scipy", "sparse", "linalg"] else 2])
    if not place.startswith("scipy.") or find_spec(f"graphad.{place}") is None:
        return None
    traced = import_module("graphad.scipy._register").TRACED.get(place, {})
    found = vars(import_module(f"graphad.{place}")).get(f.__name__) or traced.get(f.__name__)
    if found is None and place == "scipy.special":
        # Under SciPy's switch for the array API its ufuncs stand behind functions.
        found = getattr(import_module("scipy.special._ufuncs"), f.__name__, None)
    return found if getattr(sys.modules[place], f.__name__, None) is f else None


def _of_distribution(x: Any) -> Any:
    """The distribution of `graphad.scipy.stats` for one of SciPy's, with its parameters if it is frozen."""
    from graphad.scipy.stats import DISTRIBUTIONS

    if hasattr(x, "dist") and hasattr(x, "args"):
        ours = DISTRIBUTIONS.get(getattr(x.dist, "name", ""))
        return x if ours is None else ours(*x.args, **x.kwds)
    name = getattr(x, "name", None) or type(x).__name__.removesuffix("_gen")
    original = getattr(sys.modules["scipy.stats"], name, None)
    return DISTRIBUTIONS.get(name, x) if original is x else x


_NEW = inspect.getattr_static(object, "__new__")


def _class(cls: type) -> Any:
    """A call of one of the user's own classes: its `__init__` is converted."""
    init = cls.__dict__.get("__init__")
    if type(init) is not FunctionType or type(cls) is not type or inspect.getattr_static(cls, "__new__") is not _NEW:
        return cls
    converted = _function(init)
    if converted is init:
        return cls

    def make(*args: Any, **kwargs: Any) -> Any:
        self: Any = object.__new__(cls)
        converted(self, *args, **kwargs)
        return self

    return make


def _convert_code(f: FunctionType) -> Conversion:
    code = f.__code__
    if code.co_flags & (0x20 | 0x80 | 0x100 | 0x200):
        why = "generators and coroutines are not converted; collect the values in a list"
        return Conversion(code, None, why, f.__globals__)
    _load()
    if not _needs(f):
        return Conversion(code, None, "", f.__globals__)
    try:
        node = definition(code)
        return Conversion(code, compiled(node, code), "", f.__globals__)
    except Unreadable as error:
        return Conversion(code, None, str(error), f.__globals__)


def compiled(node: ast.AST, code: CodeType) -> CodeType:
    """The converted code of a definition, with the names, file, line numbers and free variables of the original."""
    from graphad.api.conversion import rewrite

    body: ast.stmt
    if isinstance(node, ast.Lambda):
        body = ast.Expr(rewrite.lambda_(node, None))
    else:
        assert isinstance(node, ast.FunctionDef)
        # Under its own name it would hide what the user's code finds there.
        body = rewrite.function(node, None)
        body.name += MARK
    owner = _owner(code)
    start: list[ast.stmt] = []
    if owner is not None:
        # Names like self.__x are spelled with the class's name, as the compiler does within a class.
        body = ast.ClassDef(owner, [], [], [body], [])
        start = [ast.Global([owner])] if owner not in code.co_freevars else []
    arguments = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(n) for n in (*code.co_freevars, RUNTIME)],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )
    factory = ast.copy_location(ast.FunctionDef(f"factory{MARK}", arguments, [*start, body], []), node)
    module = ast.fix_missing_locations(ast.Module([factory], []))
    future = code.co_flags & 0x1FE0000
    outer = compile(module, code.co_filename, "exec", flags=future, dont_inherit=True)
    inner = _first(_first(outer))
    if owner is not None:
        inner = _first(inner)
    new = _named(inner, code.co_name, code.co_qualname)
    for c in nested_codes(new):
        _converted[id(c)] = c, code
    return new


_holder: dict[str, Any] = {}


def _load() -> None:
    """Import what converted code calls, which fills `REPLACED` too."""
    if RUNTIME not in _holder:
        from graphad.api.conversion import runtime

        _runtime.cell_contents = _holder[RUNTIME] = runtime


def _first(code: CodeType) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType))


def _owner(code: CodeType) -> str | None:
    """The class that a method is defined in."""
    parts = code.co_qualname.split(".")
    return parts[-2] if len(parts) > 1 and not parts[-2].startswith("<") else None


def _named(code: CodeType, name: str, qualname: str) -> CodeType:
    """The code with its functions named as the user knows them: parts of a function by that function's name."""
    consts = []
    for c in code.co_consts:
        if isinstance(c, CodeType):
            own = MARK in c.co_name or c.co_name == "<lambda>"
            c = _named(c, name, qualname) if own else _named(c, c.co_name, f"{qualname}.<locals>.{c.co_name}")
        consts.append(c)
    return code.replace(co_consts=tuple(consts), co_name=name, co_qualname=qualname)


_jumps = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_CALLS = frozenset(dis.opmap[n] for n in ("CALL", "CALL_FUNCTION_EX") if n in dis.opmap)
# What follows a tuple that is no argument: it is returned, is an index, or formats a string.
_TUPLE_ENDS = ("RETURN_VALUE", "BINARY_SUBSCR", "BINARY_OP", "STORE_FAST")
_GLOBAL = dis.opmap["LOAD_GLOBAL"]
_CHAIN = frozenset(dis.opmap[n] for n in ("LOAD_METHOD", "LOAD_ATTR") if n in dis.opmap)


def _needs(f: FunctionType) -> bool:
    """Whether a function has control flow, assigns elements, calls what may need to be converted, or gives lists to
    NumPy's functions."""
    for code in nested_codes(f.__code__):
        calls = foreign = 0
        lists, before = False, ""
        # A callee is a global name, or what attributes of one lead to; NULL marks where a call begins.
        chain, called = None, False
        for instruction in dis.get_instructions(code):
            op, name = instruction.opcode, instruction.opname
            if op in _jumps or name == "STORE_SUBSCR" or (name == "BINARY_OP" and "=" in instruction.argrepr):
                return True
            if name == "LOAD_ATTR" and instruction.argval in ("r_", "c_"):
                return True
            lists = lists or name == "BUILD_LIST" or (before == "BUILD_TUPLE" and name not in _TUPLE_ENDS)
            before = name
            if op in _CHAIN and chain is not None:
                chain = getattr(chain, instruction.argval, None)
                called = called or name == "LOAD_METHOD" or "NULL" in instruction.argrepr
                continue
            foreign += called and _foreign(chain)
            calls += op in _CALLS
            chain, called = None, False
            if op == _GLOBAL:
                chain, called = _resolve(f, instruction.argval), "NULL" in instruction.argrepr
        if calls > foreign or (calls and lists):
            return True
    return False


def _resolve(f: FunctionType, name: str) -> Any:
    builtins = f.__globals__.get("__builtins__")
    space = builtins if isinstance(builtins, dict) else getattr(builtins, "__dict__", {})
    return f.__globals__.get(name, space.get(name))


def _foreign(x: Any) -> bool:
    """Whether a call of this object leaves the user's code for good."""
    if x is None or not callable(x) or x in REPLACED or isinstance(x, np.vectorize):
        return False
    if isinstance(x, FunctionType):
        return not is_user_file(x.__code__.co_filename) and _of_scipy(x) is None
    if type(x).__module__ in _MULTIMETHODS:
        return _of_scipy(x) is None
    return not isinstance(x, type) and not is_user_class(type(x)) and not isinstance(x, (MethodType, partial))


def conversion_of(code: CodeType) -> Conversion | None:
    """What is known about a code object that was to be converted."""
    return _conversions.get(id(code))


def origin(code: CodeType) -> CodeType | None:
    """The user's code object that a converted one comes from, `None` for any that is not converted."""
    found = _converted.get(id(code))
    return None if found is None else found[1]


Function = Callable[..., Any]

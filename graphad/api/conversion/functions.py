"""Functions converted: found in their source, rewritten, compiled under their own file and line numbers, and kept."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable
from functools import cache, partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from graphad.api.conversion.classes import KNOWN, defined, meet, meet_all, uses
from graphad.api.conversion.heap import RUNTIME
from graphad.api.conversion.ledger import CHANGES, changing, reading
from graphad.api.conversion.library import (
    joining,
    met,
    method_of_array,
    of_distribution,
    of_object,
    of_scipy,
    python_function,
    vectorized,
    with_arrays,
)
from graphad.api.conversion.needs import Callees, needs, unchanged
from graphad.api.conversion.private import Private
from graphad.api.conversion.scope import MARK, keeps, nested_codes
from graphad.api.conversion.source import Unreadable, compiled_like, definition, first_code, named, owner_of
from graphad.api.guards import Cached
from graphad.api.impure import is_impure, is_library_impure, note
from graphad.api.sinks import is_library_sink, is_sink, sinks
from graphad.build import current_builder
from graphad.codes import OfCode
from graphad.location import is_user_class, is_user_file
from graphad.numpy.arguments import holds_tracer
from graphad.numpy.buffers import Buffer
from graphad.numpy.lending import lending, unread
from graphad.numpy.writers import WRITERS
from graphad.once import LOCK
from graphad.registry import LATER
from graphad.trace import Tracer


class Conversion(NamedTuple):
    """What became of a code object: the converted one, or why there is none. `callees` are what it was judged by where
    it did not need to be converted; `known` of the `size` things that were known of the user's classes those that it
    uses."""

    converted: CodeType | None
    reason: str
    callees: Callees
    known: frozenset[str]
    size: int


_conversions: OfCode[Conversion] = OfCode()
_for_list_arguments: OfCode[Conversion] = OfCode()
"""Those of functions that need to be converted only where they are given lists."""
_carrying: OfCode[Conversion] = OfCode()
_converted: OfCode[ref[CodeType]] = OfCode()
"""The originals of converted code objects, and of those within."""
_runtime = CellType()
REPLACED: dict[Any, Any] = {}
"""Builtins and library functions to what converted code calls in their place."""


def _class(cls: type) -> Any:
    """A call of a class: of one of the user's with all that it runs converted."""
    if not is_user_class(cls):
        return cls
    _load()
    return _holder[RUNTIME].constructor(cls)


def convert(f: Any, lists: bool = False) -> Any:
    """A callable with its control flow converted: functions, methods, partials, objects with `__call__`, classes.

    What is not the user's own, and what cannot be converted, comes back as it is. For arguments that hold `lists` a
    function is converted also where it only calls NumPy's functions, which do not hand lists on to graphad.
    """
    kind = type(f)
    if kind is FunctionType:
        return _function(f, lists)
    owner = type(f.__self__) if kind is MethodType else kind
    if owner.__module__.startswith(_OBJECTS) and (found := of_object(f)) is not f:
        return found
    if kind is MethodType and type(f.__self__).__module__.startswith("scipy.stats"):
        found = of_distribution(f.__self__)
        return f if found is f.__self__ else getattr(found, f.__name__)
    if kind.__module__.startswith("scipy.stats"):
        return of_distribution(f)
    if kind is MethodType:
        meet(type(f.__self__))
        inner = convert(f.__func__, lists)
        return f if inner is f.__func__ else MethodType(inner, f.__self__)
    if kind is partial:
        _load()
        inner = call(f.func)
        return f if inner is f.func else partial(inner, *f.args, **f.keywords)
    if isinstance(f, type):
        found = of_scipy(f) if f.__module__.startswith(_CLASSES) else None
        return _class(f) if found is None else lending(found, f.__name__)
    if kind.__module__ in _MULTIMETHODS:
        return of_scipy(f) or f
    if kind is _LruCache:
        return _uncached(f)
    if kind.__module__ == "typing" and isinstance(getattr(f, "__origin__", None), type):
        return convert(f.__origin__)  # a generic class with its parameters
    if is_user_class(kind):
        method = defined(kind, "__call__")
        if type(method) is FunctionType:
            inner = _function(method)
            return f if inner is method else MethodType(inner, f)
    return f


_LruCache = type(cache(lambda: None))
_IN_C = ("SuperLU",)  # classes of SciPy's that do not tell their module


def _uncached(f: Any) -> Callable[..., Any]:
    """A cached function: traced values, which are no keys, go to the function itself."""

    def uncached(*args: Any, **kwargs: Any) -> Any:
        if holds_tracer(args) or holds_tracer(kwargs.values()):
            return call(f.__wrapped__)(*args, **kwargs)
        found = f(*args, **kwargs)
        met(f, lambda: Cached(f, args, kwargs, found))
        return met(found, lambda: found)

    return uncached


def call(f: Any) -> Any:
    """What converted code calls in place of `f`."""
    kind = type(f)
    if kind is MethodType and isinstance(f.__self__, Tracer) and f.__func__ not in REPLACED:
        return f
    if kind is FunctionType and f in sinks:
        return poured(f)
    if kind is FunctionType or kind is MethodType:
        note(f)
        builder = current_builder()
        if builder is not None and builder.handled and (found := _holder[RUNTIME].carrying(f, builder)) is not None:
            return found
        asked = _holder[RUNTIME].asking(f)
        if asked is not None or kind is FunctionType:
            return asked or for_lists(f)
    if (function := python_function(f)) is not None:
        return vectorized(f, call(function))
    if kind in _NUMPY and f not in REPLACED and not (kind is _DISPATCHED and f.__module__.startswith(_SERIES)):
        note(f, is_library_impure)
        return joining(f) if not is_library_sink(f) else poured(f)
    if kind is BuiltinFunctionType and type(f.__self__) in _OWN_METHODS:
        if f.__name__ in CHANGES:
            changing(f.__self__)
        if f.__name__ not in ("append", "extend"):
            reading(f.__self__)
        found = REPLACED.get(getattr(type(f.__self__), f.__name__)) if f.__name__ in _COMPARING else None
        return f if found is None else partial(found, f.__self__)
    if kind is MethodWrapperType and type(f.__self__) in _HOLDING:
        return _holder[RUNTIME].storing(f)
    if kind is BuiltinFunctionType and type(f.__self__) is np.ufunc:
        return with_arrays(f)
    if kind is BuiltinFunctionType and type(f.__self__).__name__ in _IN_C:
        return of_object(f)
    if kind is BuiltinFunctionType and type(f.__self__) in (np.ndarray, Buffer) and (found := method_of_array(f)):
        return found
    try:
        found = REPLACED.get(f)
    except TypeError:
        return convert(f)
    if found is None and kind is _DISPATCHED and f.__module__.startswith(_SERIES):
        return _function(f.__wrapped__)
    if found is None:
        random = type(getattr(f, "__self__", None)).__name__ in _RANDOM
        if random and (found := _holder[RUNTIME].drawing(f)) is not None:
            return found
        if isinstance(f, np.vectorize):
            options = {name: getattr(f, name) for name in ("otypes", "excluded", "cache", "signature")}
            return REPLACED[np.vectorize](f.pyfunc, **options)
        if getattr(f, "__name__", "") == "rvs" and type(f.__self__).__module__.startswith("scipy.stats"):
            return _holder[RUNTIME].sampling(f)
        found = convert(f)
        return _of_library(f) if found is f else found
    return found


def _of_library(f: Any) -> Any:
    """What is called as it is, but for what is said of traced values where it fails."""
    _load()
    note(f)
    if is_sink(f):
        return poured(f)
    if type(f) in _UNBOUND and f.__objclass__ in (np.ndarray, int, float, complex):
        return _holder[RUNTIME].unbound(f)
    package = (getattr(f, "__module__", None) or "").partition(".")[0]
    if package == "graphad":
        return f
    found = getattr(_holder[RUNTIME], "calling_back" if package == "scipy" else "guarded")(f)
    return lending(found, getattr(f, "__qualname__", type(f).__name__)) if package and keeps(f) else found


def poured(f: Any) -> Callable[..., Any]:
    """A sink as converted code calls it."""
    return _holder[RUNTIME].poured(f)  # type: ignore[no-any-return]


_COMPARING = frozenset({"count", "index", "sort"})
_OWN_METHODS = frozenset({list, dict, set, deque, str, tuple})
"""The types whose methods take traced values as any others."""
_UNBOUND = (MethodDescriptorType, WrapperDescriptorType)
_HOLDING = frozenset({np.ndarray, Buffer, list, dict})
"""The types whose elements are assigned by special methods of their own."""
_DISPATCHED = type(np.sum)
_NUMPY = (np.ufunc, _DISPATCHED)
_CLASSES = ("scipy.interpolate", "scipy.optimize", "scipy.sparse")
"""The modules of SciPy of which graphad has classes, or functions in their place."""
_OBJECTS = ("scipy.interpolate", "scipy.spatial.transform", "scipy.stats", "numpy.polynomial")
"""The modules of objects that compute with what they were made of."""
_MULTIMETHODS = ("uarray", "scipy.special._multiufuncs")
"""The modules of the types of SciPy's functions that are objects: they choose a backend or a ufunc when called."""
_SERIES = "numpy.polynomial."
_RANDOM = frozenset({"Generator", "RandomState", "Random", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"})
_NONE: frozenset[str] = frozenset()
_ASYNC = 0x380  # coroutines and asynchronous generators
_LAZY = _ASYNC | 0x20  # and generators


def for_lists(f: FunctionType) -> Any:
    """What is called for a function: itself, if it was not converted and is given no lists of traced values."""
    converted = _function(f)
    if converted is not f or f.__code__.co_argcount == 0 or not is_user_file(f.__code__.co_filename):
        return converted

    def called(*args: Any, **kwargs: Any) -> Any:
        listed = any([isinstance(x, (list, tuple)) and holds_tracer(x) for x in args])
        return (_function(f, True) if listed else f)(*args, **kwargs)

    return called


def _function(f: FunctionType, lists: bool = False) -> Any:
    code = f.__code__
    found = _conversions.get(id(code))
    if found is None or (found.converted is None and not unchanged(found.callees, f)) or _learnt(code, found):
        if id(code) in _converted:
            return f
        if not is_user_file(code.co_filename) or f in REPLACED:
            return _wrapper(f)
        found = _conversions.learn(code, _convert_code(f))
    met(f, ref(f))
    if lists and found.converted is None and not found.reason:
        found = _for_list_arguments.get(id(code))
        found = found or _for_list_arguments.learn(code, _converted_code(code, f.__globals__))
    return unread(f, found.reason) if found.converted is None else _made(f, found.converted)


def carrying(f: FunctionType) -> Any:
    """A function of the user's converted such that it tells the try statement around its call of what it raises; None
    where that cannot be."""
    code = original(f.__code__)
    if not is_user_file(code.co_filename) or f in REPLACED or code.co_flags & _LAZY:
        return None
    found = _carrying.get(id(code))
    if found is None or uses(code) != found.known:
        _load()
        meet_all(f)
        found = _carrying.learn(code, _converted_code(code, f.__globals__, True))
    met(f, ref(f))
    return None if found.converted is None else _made(f, found.converted)


def converted(f: FunctionType, change: Callable[[ast.AST], ast.AST]) -> Any:
    """A library's function, its definition changed and then converted."""
    code = f.__code__
    if f not in _library:
        _load()
        _library[f] = compiled(change(definition(code, f.__globals__)), code, uses(code), f.__globals__)
    return _made(f, _library[f])


_library: dict[FunctionType, CodeType] = {}


def _made(f: FunctionType, new: CodeType) -> Any:
    """The function with its converted code and its own closure."""
    code = f.__code__
    cells = dict(zip(code.co_freevars, f.__closure__ or (), strict=True))
    cells[RUNTIME] = _runtime
    return _copy(f, new, tuple([cells[n] for n in new.co_freevars]))


def _copy(f: FunctionType, code: CodeType, closure: tuple[CellType, ...]) -> FunctionType:
    made = FunctionType(code, f.__globals__, f.__name__, f.__defaults__, closure)
    made.__kwdefaults__ = f.__kwdefaults__
    made.__dict__.update(f.__dict__)
    return made


def _learnt(code: CodeType, found: Conversion) -> bool:
    """Whether classes were met since a function was converted that give a meaning to what it uses."""
    if found.size == len(KNOWN):
        return False
    if uses(code) != found.known:
        return True
    _conversions.learn(code, found._replace(size=len(KNOWN)))
    return False


def _wrapper(f: FunctionType) -> Any:
    """A function of a library: it is called as it is, but for sinks and those of SciPy that graphad has as well."""
    found = REPLACED.get(f)
    if found is not None:
        return found
    if hasattr(f, "registry") or "obj" in f.__code__.co_freevars:
        found = _holder[RUNTIME].dispatched(f)
        if found is not None:
            return found
    if (f.__module__ or "").startswith(_SERIES):
        return LATER["conversion.series"](f)
    return of_scipy(f) or _around(f) or _of_library(f)


def _around(f: FunctionType) -> Any:
    """What a decorator of a library, such as `contextmanager`, made of a function of the user's, around that function
    converted; None for any other function."""
    inner = f.__dict__.get("__wrapped__")
    cells = f.__closure__ or ()
    found = convert(inner) if type(inner) is FunctionType else inner
    held = [i for i, c in enumerate(cells) if c.cell_contents is inner] if found is not inner else []
    new = tuple([CellType(found) if i in held else c for i, c in enumerate(cells)])
    return _of_library(_copy(f, f.__code__, new)) if held else None


def _convert_code(f: FunctionType) -> Conversion:
    code = f.__code__
    if code.co_flags & _ASYNC:
        return Conversion(None, "coroutines are not converted; write a function", (), _NONE, 0)
    _load()
    meet_all(f)
    known, size = uses(code), len(KNOWN)
    callees = needs(f, _foreign) if not known else None
    return _converted_code(code, f.__globals__) if callees is None else Conversion(None, "", callees, known, size)


def _converted_code(code: CodeType, space: dict[str, Any], carrying: bool = False) -> Conversion:
    known, size = uses(code), len(KNOWN)
    try:
        made = compiled(definition(code, space), code, known, space, carrying)
        return Conversion(made, "", (), known, size)
    except Unreadable as error:
        return Conversion(None, str(error), (), known, size)


def compiled(
    node: ast.AST, code: CodeType, known: frozenset[str], space: dict[str, Any], carrying: bool = False
) -> CodeType:
    """The converted code of a definition, with the names, file, line numbers and free variables of the original."""
    rewrite = LATER["conversion.rewrite"]
    owner = owner_of(code)
    if owner is not None:
        node = Private(owner).visit(node)
    body: Any
    names = {n for n in code.co_names if isinstance(space.get(n), ModuleType)}
    libraries = frozenset([n for n in names if space[n].__name__.partition(".")[0] in _KEEPING_NOTHING])
    if isinstance(node, ast.Lambda) and carrying:
        made = ast.copy_location(ast.Return(node.body), node.body)
        node = ast.copy_location(ast.FunctionDef("function", node.args, [made], []), node)
    if isinstance(node, ast.Lambda):
        body = ast.Expr(rewrite.lambda_(node, None, libraries))
    else:
        assert isinstance(node, ast.FunctionDef)
        # Under its own name it would hide what the user's code finds there.
        body = rewrite.function(node, None, libraries, carrying)
        body.name += MARK
    if known:
        body = LATER["conversion.dunders"].Dunders(known, names).visit(body)
    inner = first_code(compiled_like(ast.copy_location(body, node), code, f"factory{MARK}", (RUNTIME,)))
    new = named(inner, code.co_name, code.co_qualname)
    for c in nested_codes(new):
        _converted.learn(c, ref(code))
    return new


_KEEPING_NOTHING = ("cmath", "math", "numpy", "scipy")
"""Packages whose functions keep no argument: what they are given need not be an array that can become a traced one."""
_holder: dict[str, Any] = {}


def _load() -> None:
    """Import what converted code calls, which fills `REPLACED` too."""
    if RUNTIME not in _holder:
        with LOCK:
            runtime, *_ = [LATER[f"conversion.{name}"] for name in ("runtime", "rewrite", "dunders")]
        _runtime.cell_contents = _holder[RUNTIME] = runtime


def _foreign(x: Any) -> bool:
    """Whether a call of this object leaves the user's code for good, and needs no look at what it is given."""
    if any(x is f for f in _ASKING):
        return True
    if x is None or not callable(x) or x in REPLACED or isinstance(x, np.vectorize) or is_sink(x) or python_function(x):
        return False
    if x in WRITERS or is_impure(x) or getattr(x, "__name__", "") == "at":  # numpy.add.at
        return False
    if isinstance(x, type) or is_user_class(type(x)) or isinstance(x, (MethodType, partial)):
        return False
    if type(x).__module__ in _MULTIMETHODS:
        return of_scipy(x) is None
    if (getattr(x, "__module__", None) or "").startswith(_SERIES):
        return False
    return isinstance(x, _NUMPY) or (getattr(x, "__module__", None) or "").partition(".")[0] in _SAFE


_ASKING = (len, abs, iter)
"""Builtins that are replaced only for special methods of the user's, which is no reason to convert a function."""
_SAFE = ("builtins", "graphad", "numpy")  # whose functions say themselves what they cannot do with traced values


def original(code: CodeType) -> CodeType:
    """The user's code of a function that was converted, or stands within one; else the code itself."""
    outer = origin(code)
    like = nested_codes(outer) if outer is not None else []
    return next((c for c in like if (c.co_name, c.co_firstlineno) == (code.co_name, code.co_firstlineno)), code)


def conversion_of(code: CodeType) -> Conversion | None:
    """What is known about a code object that was to be converted."""
    return _conversions.get(id(code))


def origin(code: CodeType) -> CodeType | None:
    """The user's code object that a converted one comes from, `None` for any that is not converted."""
    found = _converted.get(id(code))
    return None if found is None else found()

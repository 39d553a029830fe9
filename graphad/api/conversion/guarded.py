"""Calls of code that is not converted: where it fails over a traced value, graphad says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from numbers import Integral, Number
from os import PathLike
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion.functions import call
from graphad.api.conversion.parts import known, raised_by_user
from graphad.api.conversion.texts import Shown, Text, no_number
from graphad.build import current_builder
from graphad.errors import GraphadError, TracerError
from graphad.location import place
from graphad.numpy.lending import opaque
from graphad.refusals import handles, latest_refusal
from graphad.trace import Tracer


class Later:
    """What a call gives that is made at run time: nothing that can be used while tracing."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TracerError(
            f"the result of {object.__getattribute__(self, '_name')} is used{place()}, which is called at run time, "
            "since it looks at traced values; call it outside of jit, on results"
        )

    __getattr__ = __iter__ = __getitem__ = __call__ = __bool__ = __len__ = __add__ = __setattr__ = refuse
    __float__ = __int__ = __complex__ = __index__ = refuse


_PYTHONS = ("iteration over a 0-d array", "len() of unsized object")
"""What Python says of numbers too, which a program may ask for by a handler."""


def guarded(f: Callable[..., Any], pure: bool = False) -> Callable[..., Any]:
    """A callable of a library, as converted code calls it.

    C code may put an error of its own in the place of a refusal, which is raised again; a `TypeError` about what is no
    number is a `TracerError`, which is a `TypeError` too, and so is an error that names a tracer. Of a `pure` function
    so is any error that it does not raise for the numbers themselves.
    """
    reads = _reads_memory(f)

    def called(*args: Any, **kwargs: Any) -> Any:
        builder = current_builder()
        if builder is not None and builder.deferred:
            _not_written_yet(f, (args, kwargs), builder.deferred)
        latest_refusal()
        if reads:
            args, kwargs = opaque(args), {k: opaque(x) for k, x in kwargs.items()}
        try:
            found = f(*args, **kwargs)
            for x in args:
                if type(x) is Shown and _is_real(found):
                    no_number(x, getattr(f, "__qualname__", type(f).__name__))
            return found
        except GraphadError:
            raise
        except Exception as error:
            if raised_by_user(error):
                raise
            refusal = latest_refusal()
            if refusal is not None:
                raise refusal from error
            leaves = tree.leaves((args, kwargs))
            for x in leaves:
                if type(x) in (Later, Text):
                    x.refuse()
            traced = [x for x in leaves if isinstance(x, Tracer)]
            if not traced:
                raise
            bare = isinstance(error, (TypeError, AttributeError)) or any([repr(x) in str(error) for x in traced])
            if str(error) in _PYTHONS and handles(TypeError):
                raise
            if bare or (pure and not _raises(f, args, kwargs, type(error))):
                name = getattr(f, "__qualname__", type(f).__name__)
                types = ", ".join(str(x.type) for x in traced)
                raise TracerError(
                    f"{name} of a traced {types}{place()} raises {type(error).__name__}: {error}; it takes no traced "
                    "value: use NumPy's functions, graphad.stop_gradient(x) for what needs no derivative, or "
                    "graphad.pure_callback to call code that cannot be traced"
                ) from error
            raise

    return called


def _reads_memory(f: Any) -> bool:
    """Whether a callable may read the memory of arrays: of Python's own only those that take bytes do."""
    owner = getattr(f, "__objclass__", None) or type(getattr(f, "__self__", None))
    package = (getattr(f, "__module__", None) or owner.__module__).partition(".")[0]
    return f in _BYTES or package in _OF_BYTES or package not in sys.stdlib_module_names


_BYTES = (memoryview, bytes, bytearray)
_OF_BYTES = frozenset({
    "_blake2", "_ctypes", "_hashlib", "_io", "_md5", "_pickle", "_sha1", "_sha2", "_sha3", "_socket", "_struct",
    "array", "base64", "binascii", "bz2", "ctypes", "gzip", "hashlib", "io", "lzma", "marshal", "mmap", "pickle",
    "socket", "struct", "zlib",
})  # fmt: skip


def _is_real(x: Any) -> bool:
    """Whether a result is a number, or an array of such, that is no integer."""
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype.kind in "fc"
    return isinstance(x, Number) and not isinstance(x, Integral)


def unbound(method: Any) -> Callable[..., Any]:
    """A method of NumPy's arrays or of a number, called as a function: of a traced value it is that one's own."""

    def unbound(x: Any, *args: Any, **kwargs: Any) -> Any:
        own = isinstance(x, Tracer) and hasattr(x, method.__name__)
        found = call(getattr(x, method.__name__)) if own else partial(guarded(method), x)
        return found(*args, **kwargs)

    return unbound


def _not_written_yet(f: Callable[..., Any], arguments: Any, deferred: list[Any]) -> None:
    """Refuse what is to touch a file that a call which is left to run time will write to."""
    given = [getattr(f, "__self__", None), *tree.leaves(arguments)]
    if any([x is y or (isinstance(x, (str, PathLike)) and x == y) for x in given for y in deferred]):
        name = getattr(f, "__qualname__", type(f).__name__)
        raise TracerError(
            f"{name}{place()} takes a file to which a call before it writes at run time, since it looks at traced "
            "values or gives nothing back; write and read it in one function that graphad.pure_callback calls, or "
            "outside of jit"
        )


def _raises(f: Callable[..., Any], args: Any, kwargs: Any, kind: type[Exception]) -> bool:
    """Whether a function raises an error of this kind for the numbers that are traced, where they are known."""
    leaves, treedef = tree.flatten((args, kwargs))
    plain = [known(x) if isinstance(x, Tracer) else x for x in leaves]
    if any([isinstance(x, Tracer) and v is None for x, v in zip(leaves, plain, strict=True)]):
        return False
    args, kwargs = tree.unflatten(treedef, [v[()] if isinstance(v, np.ndarray) else v for v in plain])
    try:
        f(*args, **kwargs)
    except kind:
        return True
    return False

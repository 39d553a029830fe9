"""`graphad.debug`: looking into functions while they run, compiled or not, with JAX's names.

What is called here runs in program order, at each run of the compiled code; in derivatives it belongs to the forward
pass, and under `vmap` it runs for each example.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from string import Formatter
from types import CodeType
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import as_array, check_callable
from graphad.attributes import Record
from graphad.errors import TypeMismatchError
from graphad.location import is_internal, place
from graphad.ops.effects import DebugCallback
from graphad.trace import apply
from graphad.tracebacks import boundary


class _Called(Record):
    """A user's function of trees, as one of arrays."""

    function: Callable[..., Any]
    treedef: tree.TreeDef

    def __call__(self, *leaves: Any) -> None:
        args, kwargs = tree.unflatten(self.treedef, [x[()] if x.ndim == 0 else x for x in leaves])
        self.function(*args, **kwargs)


@boundary
def callback(callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call a Python function with arrays for what it does; what it returns is dropped.

    Arguments are trees of arrays; a number comes as a NumPy scalar. An error that it raises ends the run.
    """
    check_callable("debug.callback", callback)
    leaves, treedef = tree.flatten((args, kwargs))
    apply(DebugCallback(_Called(callback, treedef)), [as_array(x) for x in leaves])


class _Print(Record):
    format: str

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        builtins.print(_FORMATTER.vformat(self.format, args, kwargs))


class _Formatter(Formatter):
    """Format strings whose specification holds for the elements of an array: `{x:.2f}`."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, np.ndarray) and format_spec:
            each: Any = {"all": lambda x: format(x, format_spec)}
            return np.array2string(value, formatter=each)
        return super().format_field(value, format_spec)


class _Anything:
    """Stands for a value of any kind while a format string is checked."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __format__(self, spec: str) -> str:
        return ""


_FORMATTER = _Formatter()


@boundary
def print(fmt: str, *args: Any, **kwargs: Any) -> None:
    """Print a format string with the values of arrays, at every run: `debug.print("x = {}, s = {s:.3f}", x, s=s)`.

    Raises `TypeMismatchError` if `fmt` is no format string or does not fit the arguments.
    """
    if not isinstance(fmt, str):
        raise TypeMismatchError(
            f"debug.print: the first argument is a {type(fmt).__name__}, not a format string"
            f'{place()}; write debug.print("{{}}", x)'
        )
    try:
        _FORMATTER.vformat(fmt, [_Anything()] * len(args), dict.fromkeys(kwargs, _Anything()))
    except (IndexError, KeyError, ValueError) as error:
        raise TypeMismatchError(
            f"debug.print: {fmt!r} does not fit {len(args)} arguments and the names {sorted(kwargs)}: {error}"
            f"{place()}; give each {{}} an argument and each {{name}} a keyword"
        ) from None
    callback(_Print(fmt), *args, **kwargs)


class _Breakpoint(Record):
    """Opens the debugger with arrays in the place of what was traced. `others` are what was not."""

    code: CodeType
    line: int
    module: Any
    others: Any
    compared = ("code", "line")

    def __call__(self, **values: Any) -> None:
        import pdb

        # A frame with the user's file, line and names, in which the debugger can list and evaluate.
        stop = "\n" * (self.line - 1) + "__frame__ = __import__('sys')._getframe()"
        inside = {**self.others, **values}
        exec(compile(stop, self.code.co_filename, "exec"), self.module, inside)
        debugger = pdb.Pdb(stdin=sys.stdin, stdout=sys.stdout)
        debugger.reset()
        debugger.interaction(inside.pop("__frame__"), None)
        if debugger.quitting:
            raise KeyboardInterrupt("the debugger was left with quit")


def breakpoint() -> None:
    """Stop here at every run, in Python's debugger, with the values of the function's variables.

    `p x` prints a variable, any expression is evaluated, `l` lists the source, `c` goes on, `q` ends the run with
    `KeyboardInterrupt`. Assigning to a variable changes nothing in the run.
    """
    frame = sys._getframe(1)
    while is_internal(frame.f_code) and frame.f_back is not None:
        frame = frame.f_back
    traced: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in frame.f_locals.items():
        try:
            leaves = [as_array(x) for x in tree.leaves(value)]
            arrays = bool(leaves) and all(x.dtype.kind in "biufc" for x in leaves)
        except Exception:  # whatever an object's own conversion to an array raises: it is shown as it is
            arrays = False
        (traced if arrays and name.isidentifier() else others)[name] = value
    callback(_Breakpoint(frame.f_code, frame.f_lineno, frame.f_globals, others), **traced)


__all__ = ["breakpoint", "callback", "print"]

"""Calls that look at numbers and give none back (`print`, logging, plots): they get plain read-only values.

Where the values cannot be known the call is made at run time, as by `graphad.debug.callback`, so that calls keep their
order and are made again each time. Only what gives something back that is used (`tqdm(range(9))`, `plt.subplots()`) is
called while tracing, if its arguments are known.
"""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Callable, Sequence
from os import PathLike
from types import FrameType
from typing import Any

import numpy as np

from graphad import debug, tree
from graphad.api.conversion.functions import REPLACED
from graphad.api.conversion.guarded import Later, guarded
from graphad.api.conversion.parts import in_part, known, staged
from graphad.api.conversion.texts import Text
from graphad.api.sinks import is_sink, sinks
from graphad.arrays import Unsized
from graphad.build import current_builder
from graphad.ops.effects import handed
from graphad.trace import Tracer


class _Poured:
    """A call with the values of its traced arguments filled in."""

    def __init__(self, function: Callable[..., Any], treedef: tree.TreeDef, leaves: Sequence[Any]) -> None:
        self.function, self.treedef, self.leaves = function, treedef, leaves

    def __call__(self, *values: Any) -> None:
        given = iter(values)
        filled = [_filled(x, given) for x in self.leaves]
        args, kwargs = tree.unflatten(self.treedef, filled)
        self.function(*args, **kwargs)


def _filled(leaf: Any, values: Any) -> Any:
    if isinstance(leaf, Text):
        return leaf.filled([next(values) if isinstance(x, Tracer) else x for x in leaf.values])
    return _shape(leaf, next(values)) if isinstance(leaf, Tracer) else leaf


def _shape(x: Tracer, array: Any) -> Any:
    """The array behind a tracer as NumPy would show it: a number of Python or NumPy, or a read-only copy."""
    if not x.shape:
        return array.item() if x.weak else np.asarray(array)[()]
    array = np.array(array)
    array.flags.writeable = False
    return array


def _traced(leaf: Any) -> list[Tracer]:
    """The tracers of an argument."""
    return [x for x in (leaf.values if isinstance(leaf, Text) else [leaf]) if isinstance(x, Tracer)]


_SILENT = {
    "builtins": ("print",), "warnings": ("warn",),
    "logging": ("critical", "debug", "error", "exception", "info", "log", "warn", "warning"),
}  # fmt: skip
"""Functions that give nothing back."""


def poured(function: Callable[..., Any]) -> Callable[..., Any]:
    """A sink as converted code calls it."""
    name = getattr(function, "__qualname__", "the function")
    module = (getattr(function, "__module__", None) or "").partition(".")[0]
    silent = getattr(function, "__name__", "") in _SILENT.get(module, ())
    own = function in sinks
    saving = module == "numpy"
    function = guarded(function)

    def sink(*args: Any, **kwargs: Any) -> Any:
        leaves, treedef = tree.flatten((args, kwargs))
        for x in leaves:
            if isinstance(x, Unsized):
                raise x.refusal(name)
        tracers = [x for leaf in leaves for x in _traced(leaf)]
        # A loop's body or a branch is traced any number of times, and what gives nothing back runs at every call.
        later = in_part() or (staged() and (silent or own or _dropped(sys._getframe(1))))
        values = [] if later else [known(x) for x in tracers]
        if later or any([v is None for v in values]):
            kept = [handed(x) if isinstance(x, np.ndarray) else x for x in leaves]
            debug.callback(_Poured(function, treedef, kept), *tracers)
            if (builder := current_builder()) is not None:
                path = args[0] if args else kwargs.get("fname", kwargs.get("file"))
                builder.deferred += [path] if saving and isinstance(path, (str, PathLike)) else []
                others = [x for x in kept if type(x) is not Text and x is not sys.stdout and x is not sys.stderr]
                builder.deferred += [x for x in others if hasattr(x, "write")]
            return None if silent else Later(name)
        given = iter(values)
        args, kwargs = tree.unflatten(treedef, [_filled(x, given) for x in leaves])
        return function(*args, **kwargs)

    return sink


_CACHE, _POP = dis.opmap["CACHE"], dis.opmap["POP_TOP"]


def _dropped(frame: FrameType) -> bool:
    """Whether the call that a frame stands in is a statement of its own, whose result nothing uses."""
    code, at = frame.f_code.co_code, frame.f_lasti + 2
    while code[at] == _CACHE:
        at += 2
    return code[at] == _POP


def install() -> None:
    """Fill the table of what converted code calls in place of `print`."""
    if is_sink(builtins.print):
        REPLACED[builtins.print] = poured(builtins.print)


install()

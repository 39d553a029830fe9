"""Functions of `numpy.polynomial` on traced coefficients: NumPy's own code, converted as the user's is.

It strips zeros from the ends of coefficients, and asks here and there whether a number is 0: where values are not known
while tracing they count as others than 0, and so all are kept.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import FunctionType
from typing import Any

import numpy as np
from numpy.polynomial import polyutils

from graphad.api.conversion.functions import REPLACED, converted
from graphad.api.conversion.heap import RUNTIME
from graphad.numpy.arguments import deciding, float_dtype, holds_tracer, known
from graphad.numpy.dispatch import NAMESPACE

Function = Callable[..., Any]


def _trimmed(seq: Any) -> Any:
    """Coefficients without the zeros at their end, as far as they are known."""
    numbers = known(seq)
    if numbers is None or not numbers.size:
        return seq
    return seq[: max(int(np.max(np.flatnonzero(numbers), initial=0)) + 1, 1)]


def _as_series(alist: Any, trim: bool = True) -> list[Any]:
    arrays = [NAMESPACE[np.array](a, ndmin=1) for a in alist]
    for a in arrays:
        if a.size == 0:
            raise ValueError("Coefficient array is empty")
        if a.ndim != 1:
            raise ValueError("Coefficient array is not 1-d")
    dtype = float_dtype(*arrays)
    return [NAMESPACE[np.array](_trimmed(a) if trim else a, dtype, copy=True) for a in arrays]


def _trimcoef(c: Any, tol: Any = 0) -> Any:
    (c,) = _as_series([c])
    numbers = known(c) if tol == 0 else deciding(c, "trimcoef: with a tolerance, the coefficients")
    if tol < 0:
        raise ValueError("tol must be non-negative")
    places = [c.size - 1] if numbers is None else np.flatnonzero(np.abs(numbers) > tol)
    return c[: places[-1] + 1] if len(places) else c[:1] * 0


_OWN: dict[Function, Function] = {
    polyutils.trimseq: _trimmed, polyutils.as_series: _as_series, polyutils.trimcoef: _trimcoef
}  # fmt: skip


# Since NumPy 2.5 its functions make real numbers of eigenvalues themselves; traced ones are always complex.
_to_real = getattr(import_module("numpy.linalg._linalg"), "_to_real_if_imag_zero", None)
if _to_real is not None:
    REPLACED[_to_real] = lambda w, t: w if holds_tracer([w]) else _to_real(w, t)


class _Zeros(ast.NodeTransformer):
    """`x == 0` and `x != 0` become questions that have an answer for what is not known."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        match node:
            case ast.Compare(ops=[ast.Eq() | ast.NotEq()], comparators=[ast.Constant(value=0)]):
                asked = ast.Attribute(ast.Name(RUNTIME, ast.Load()), "vanishes", ast.Load())
                found: ast.expr = ast.Call(asked, [node.left], [])
                found = found if isinstance(node.ops[0], ast.Eq) else ast.UnaryOp(ast.Not(), found)
                return ast.fix_missing_locations(ast.copy_location(found, node))
        return node


def series(f: FunctionType) -> Function:
    """A function of `numpy.polynomial`, that is converted where it is given traced values."""

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not holds_tracer(args) and not holds_tracer(kwargs.values()):
            return f(*args, **kwargs)
        return (_OWN.get(f) or converted(f, _Zeros().visit))(*args, **kwargs)

    REPLACED[f] = function
    return function

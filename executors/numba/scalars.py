"""How each scalar intrinsic is spelled in the Python that numba compiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from graphad.ops.scalar import Const, Operation
from graphad.types import DType, dtype_spelling

_MATH: Final[dict[str, str]] = {
    "exp": "math.exp", "expm1": "math.expm1", "log": "math.log", "log10": "math.log10", "log1p": "math.log1p",
    "sqrt": "math.sqrt", "sin": "math.sin", "cos": "math.cos", "tan": "math.tan", "arcsin": "math.asin",
    "arccos": "math.acos", "arctan": "math.atan", "sinh": "math.sinh", "cosh": "math.cosh", "tanh": "math.tanh",
    "arcsinh": "math.asinh", "arccosh": "math.acosh", "arctanh": "math.atanh", "erf": "math.erf", "erfc": "math.erfc",
    "lgamma": "math.lgamma", "gamma": "math.gamma", "copysign": "math.copysign", "hypot": "math.hypot",
    "arctan2": "math.atan2", "pow": "math.pow", "exp2": "exp2", "log2": "log2", "cbrt": "np.cbrt",
    "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint", "nextafter": "np.nextafter",
    "signbit": "np.signbit", "sign": "sign", "maximum": "maximum", "minimum": "minimum", "fmax": "fmax",
    "fmin": "fmin", "fmod": "np.fmod", "mod": "float_mod", "floordiv": "float_floordiv",
}  # fmt: skip
_OPERATORS: Final[dict[str, str]] = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}", "negative": "-{0}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "less": "{0} < {1}", "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}", "greater_equal": "{0} >= {1}", "bitwise_and": "{0} & {1}", "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}", "invert": "~{0}", "abs": "abs({0})", "real": "{0}.real", "imag": "{0}.imag",
    "conj": "{0}.conjugate()", "complex": "complex({0}, {1})",
    "isnan": "{0} != {0}", "isinf": "abs({0}) == inf", "isfinite": "abs({0}) < inf",
    "where": "{1} if {0} else {2}",
}  # fmt: skip
_INTEGER: Final[dict[str, str]] = {
    "maximum": "{0} if {0} > {1} else {1}", "minimum": "{0} if {0} < {1} else {1}",
    "fmax": "{0} if {0} > {1} else {1}", "fmin": "{0} if {0} < {1} else {1}",
    "floordiv": "int_floordiv({0}, {1})", "mod": "int_mod({0}, {1})", "fmod": "int_fmod({0}, {1})",
    "left_shift": "({0} << {1}) if 0 <= {1} and {1} < {bits} else {zero}",
    "right_shift": "({0} >> {1}) if 0 <= {1} and {1} < {bits} else ({minus} if {0} < 0 else {zero})",
    "sign": "({0} > 0) - ({0} < 0)", "isnan": "False", "isinf": "False", "isfinite": "True",
}  # fmt: skip
_BOOL: Final[dict[str, str]] = {"invert": "not {0}", "isnan": "False", "isinf": "False", "isfinite": "True"}
_COMPLEX: Final[dict[str, str]] = {
    **{n: f"np.{n}({{0}})" for n in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{n: f"np.{n}({{0}})" for n in ("isnan", "isinf", "isfinite")},
    "divide": "complex_divide({0}, {1})",
}
_WHOLE: Final[dict[str, str]] = {"i64": "whole64", "u32": "whole64", "u64": "unsigned64"}
"""What converts a real number, by the spelling of the integer dtype that it becomes; else `whole32`."""


def literal(x: Const) -> str:
    """A number as source text of exactly its dtype."""
    kind, name = x.dtype.kind, dtype_spelling(x.dtype)
    value: Any = x.value
    if kind == "b":
        return str(bool(value))
    if kind in "iu":
        return str(int(value)) if name == "i64" and value > np.iinfo(np.int64).min else f"{name}({int(value)})"
    if kind == "c":
        return f"{name}(complex({_real(value.real)}, {_real(value.imag)}))"
    return _real(value) if name == "f64" else f"{name}({_real(value)})"


def _real(x: Any) -> str:
    return repr(float(x))


def spell(x: Operation, args: Sequence[str]) -> str:
    """Source text of an intrinsic of named or literal arguments."""
    source = x.args[0].dtype
    if x.name == "cast":
        return _cast(args[0], source, x.dtype)
    if x.name.startswith("special_"):
        return f"{dtype_spelling(x.dtype)}({x.name}({', '.join(args)}))"
    if x.name.startswith("ipow"):
        n = int(x.name.removeprefix("ipow"))
        text = _product(args[0], abs(n))
        name = dtype_spelling(x.dtype)
        return f"{name}({name}(1) / ({text}))" if n < 0 else f"{name}({text})"
    kind = source.kind
    if kind in "iu" and x.name in _INTEGER:
        template = _INTEGER[x.name]
    elif kind == "b" and x.name in _BOOL:
        template = _BOOL[x.name]
    elif kind == "c" and x.name in _COMPLEX:
        template = _COMPLEX[x.name]
    else:
        template = _OPERATORS.get(x.name) or f"{_MATH[x.name]}({', '.join(f'{{{i}}}' for i in range(len(args)))})"
    if kind == "b" and x.name in ("less", "less_equal", "greater", "greater_equal"):
        args = [f"i8({a})" for a in args]
    name = dtype_spelling(x.dtype)
    zero, minus = f"{name}(0)", f"{name}(-1)" if source.kind == "i" else f"{name}(0)"
    text = template.format(*args, bits=source.itemsize * 8, zero=zero, minus=minus)
    # Numba widens small integers, and some functions widen single precision.
    exact = x.dtype.kind == "b" or name in ("f64", "c128") or (name == "i64" and x.name != "sign") or x.name == "where"
    return text if exact else f"{name}({text})"


def _product(x: str, n: int) -> str:
    """A power of a named number by repeated squaring; what is spelled twice is computed once."""
    if n == 1:
        return x
    half = _product(x, n // 2)
    return f"({half}) * ({half}) * {x}" if n % 2 else f"({half}) * ({half})"


def _cast(x: str, source: DType, target: DType) -> str:
    if target.kind == "b":
        return f"{x} != 0"
    name = dtype_spelling(target)
    if source.kind == "c" and target.kind != "c":
        x = f"{x}.real"
    if source.kind in "fc" and target.kind in "iu":
        return f"{name}({_WHOLE.get(name, 'whole32')}({x}))"
    return f"{name}({x})"

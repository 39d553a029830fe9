"""Scalar code: what an elementwise op computes on one element, as a typed expression over a fixed set of intrinsics.

An op states its code as a Python expression in `{0}`, `{1}`, ...; `translate` reads it for given operand types.
Compilers print or emit the expression; each knows every intrinsic of `INTRINSICS`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np

from graphad.attributes import Record
from graphad.costs import HEAVY, LIGHT, SPECIAL, class_of
from graphad.errors import MissingRuleError
from graphad.types import BOOL, FLOAT64, DType


@dataclass(eq=False, slots=True)
class Scalar:
    """One scalar value; scalars compare by identity. With several `lanes` it is so many values side by side."""

    dtype: DType
    lanes: int = field(default=1, kw_only=True)


@dataclass(eq=False, slots=True)
class Const(Scalar):
    """A known number, or an array with one for each lane."""

    value: Any


@dataclass(eq=False, slots=True)
class Operation(Scalar):
    """An intrinsic applied to scalars; those of one lane serve all lanes of the others."""

    name: str
    args: tuple[Scalar, ...]


class Intrinsic(Record):
    """How many arguments an intrinsic takes, of which dtype kinds, its result (`same` or a kind), and its cost."""

    arity: int
    kinds: str
    result: str = "same"
    weight: int = LIGHT


_REAL_FUNCTIONS = str.split(
    "exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh "
    "arctanh erf erfc lgamma gamma"
)
_COMPLEX_TOO = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}

INTRINSICS: Final[dict[str, Intrinsic]] = {
    **{name: Intrinsic(1, "fc" if name in _COMPLEX_TOO else "f", weight=SPECIAL) for name in _REAL_FUNCTIONS},
    **{name: Intrinsic(1, "f") for name in ("floor", "ceil", "trunc", "rint")},
    "sqrt": Intrinsic(1, "fc", weight=HEAVY),
    **{name: Intrinsic(2, "biufc") for name in ("add", "multiply")},
    "subtract": Intrinsic(2, "iufc"),
    "divide": Intrinsic(2, "fc", weight=HEAVY),
    "negative": Intrinsic(1, "iufc"),
    **{name: Intrinsic(2, "biufc", "bool") for name in ("equal", "not_equal")},
    **{name: Intrinsic(2, "biuf", "bool") for name in ("less", "less_equal", "greater", "greater_equal")},
    **{name: Intrinsic(2, "biu") for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    **{name: Intrinsic(2, "iu") for name in ("left_shift", "right_shift")},
    "invert": Intrinsic(1, "biu"),
    "abs": Intrinsic(1, "biufc", "real"),
    "sign": Intrinsic(1, "iuf"),
    **{name: Intrinsic(2, "biuf") for name in ("maximum", "minimum", "fmax", "fmin")},
    **{name: Intrinsic(2, "iuf", weight=HEAVY) for name in ("floordiv", "mod", "fmod")},
    **{name: Intrinsic(2, "f", weight=SPECIAL) for name in ("hypot", "arctan2", "nextafter", "pow")},
    "copysign": Intrinsic(2, "f"),
    **{name: Intrinsic(1, "biufc", "bool") for name in ("isnan", "isinf", "isfinite")},
    "signbit": Intrinsic(1, "f", "bool"),
    "real": Intrinsic(1, "biufc", "real"),
    "imag": Intrinsic(1, "c", "real"),
    "conj": Intrinsic(1, "biufc"),
    "complex": Intrinsic(2, "f", "complex"),
}
"""Every function of scalar code but `where(c, x, y)`, `bool(x)`, `float(x)`, `ipow(x, n)` with a literal `n`, and
`special_NAME` (the function `NAME` of `scipy.special.cython_special`), which `translate` handles by rules of their
own."""

_OPERATORS: Final[dict[type[ast.AST], str]] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or", ast.BitXor: "bitwise_xor",
    ast.LShift: "left_shift", ast.RShift: "right_shift", ast.USub: "negative", ast.Invert: "invert",
    ast.Eq: "equal", ast.NotEq: "not_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Gt: "greater",
    ast.GtE: "greater_equal", ast.And: "bitwise_and", ast.Or: "bitwise_or",
}  # fmt: skip
_ALIASES: Final[dict[str, str]] = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "fabs": "abs", "absolute": "abs", "power": "pow", "gammaln": "lgamma", "round": "rint",
    "conjugate": "conj", "min": "minimum", "max": "maximum", "floor_divide": "floordiv", "remainder": "mod",
}  # fmt: skip
_NAMES: Final[dict[str, Any]] = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
_COMPLEX_PART: Final[dict[DType, DType]] = {np.dtype("c8"): np.dtype("f4"), np.dtype("c16"): np.dtype("f8")}


class _Unknown(Exception):
    pass


Reader = Callable[[Sequence[Scalar]], Any]
"""What an expression comes to for given operands: a scalar, or a plain number."""


@cache
def _reader(code: str) -> Reader:
    operands = [f"_{i}" for i in range(8)]
    return _read(ast.parse(code.format(*operands), mode="eval").body)


def translate(code: str, operands: Sequence[Scalar], dtype: DType) -> Scalar:
    """The value of scalar code on these operands, in the result type `dtype`.

    Raises `MissingRuleError` where the code uses what no intrinsic offers for these types (half precision, say).
    """
    try:
        if dtype.char == "e" or any(x.dtype.char == "e" for x in operands):
            raise _Unknown("float16")
        return convert(_strong(_reader(code)(operands), dtype), dtype)
    except (_Unknown, SyntaxError) as error:
        types = ", ".join(str(x.dtype) for x in operands)
        raise MissingRuleError(f"scalar code {code!r} cannot be compiled for {types}: {error}") from None


@cache
def expressible(code: str | None, operands: tuple[DType, ...], dtype: DType) -> bool:
    """Whether `translate` reads this code for these types."""
    if code is None:
        return False
    try:
        translate(code, [Scalar(d) for d in operands], dtype)
    except MissingRuleError:
        return False
    return True


def weight(x: object) -> int:
    """About how many instructions a scalar takes once its operands are there, or what else stands in a loop."""
    return weigh_name(x.name) if isinstance(x, Operation) else LIGHT


@cache
def weigh_name(name: str) -> int:
    """The same for an operation of this name."""
    if name in ("where", "cast"):
        return LIGHT
    return _products(int(name[4:])) if name.startswith("ipow") else _weight(name)


def _weight(name: str) -> int:
    found = INTRINSICS.get(name)
    return SPECIAL if found is None else found.weight


def _products(n: int) -> int:
    """The instructions of a power by repeated multiplication."""
    return max(n.bit_length() + n.bit_count() - 2, 0) + (HEAVY if n < 0 else 0)


@cache
def weigh(code: str | None) -> int:
    """The class of scalar code: `LIGHT`, `HEAVY` or `SPECIAL`."""
    if code is None:
        return SPECIAL
    return class_of(sum(map(_instructions, ast.walk(ast.parse(code.format(*[f"_{i}" for i in range(8)]))))))


def _instructions(node: ast.AST) -> int:
    match node:
        case ast.Call(func=ast.Name(id="ipow"), args=[_, n]):
            return _products(int(ast.literal_eval(n)))
        case ast.Call(func=ast.Name(id="bool" | "float" | "where")):
            return LIGHT
        case ast.Call(func=ast.Name(id=name)):
            return _weight(_ALIASES.get(name, name))
        case ast.BinOp(op=op) if type(op) is not ast.Pow:
            return _weight(_OPERATORS[type(op)])
        case ast.BinOp(right=ast.Constant(value=int(n))):
            return _products(n)
        case ast.BinOp():
            return SPECIAL
        case ast.UnaryOp() | ast.IfExp():
            return LIGHT
        case ast.Compare(ops=ops):
            return 2 * len(ops) - 1
        case ast.BoolOp(values=values):
            return len(values) - 1
    return 0


def operation(name: str, *args: Scalar) -> Scalar:
    """An intrinsic applied to scalars of one dtype, its result typed."""
    rule = INTRINSICS[name]
    dtype = args[0].dtype
    if len(args) != rule.arity or dtype.kind not in rule.kinds or any(x.dtype != dtype for x in args):
        raise _Unknown(f"{name} of {', '.join(str(x.dtype) for x in args)}")
    if dtype.kind == "b":
        name = {"add": "bitwise_or", "multiply": "bitwise_and", "maximum": "bitwise_or", "minimum": "bitwise_and",
                "fmax": "bitwise_or", "fmin": "bitwise_and"}.get(name, name)  # fmt: skip
    if name in ("real", "conj", "abs") and dtype.kind in ("bu" if name == "abs" else "biuf"):
        return args[0]
    if rule.result == "bool":
        dtype = BOOL
    elif rule.result == "real":
        dtype = _COMPLEX_PART.get(dtype, dtype)
    elif rule.result == "complex":
        dtype = np.result_type(dtype, np.complex64)
    return Operation(dtype, name, args, lanes=_lanes(args))


def convert(x: Scalar, dtype: DType) -> Scalar:
    """`x` as another dtype, as `ndarray.astype` converts."""
    if x.dtype == dtype:
        return x
    if isinstance(x, Const):
        with np.errstate(all="ignore"):
            value = np.asarray(x.value, x.dtype)
            value = value.real if value.dtype.kind == "c" and dtype.kind in "iuf" else value
            return Const(dtype, value.astype(dtype)[()], lanes=x.lanes)
    return Operation(dtype, "cast", (x,), lanes=x.lanes)


def where(condition: Scalar, x: Scalar, y: Scalar) -> Scalar:
    """`x` where the condition holds, else `y`."""
    args = (condition, x, y)
    return Operation(x.dtype, "where", args, lanes=_lanes(args))


def _lanes(args: Sequence[Scalar]) -> int:
    return max([x.lanes for x in args])


def _strong(x: Any, dtype: DType) -> Scalar:
    if isinstance(x, Scalar):
        return x
    if (isinstance(x, float) and dtype.kind not in "fc") or dtype.kind == "b":
        if dtype.kind == "b" and isinstance(x, (bool, int)):
            return Const(dtype, bool(x))
        raise _Unknown(f"the number {x} among values of {dtype}")
    return Const(dtype, dtype.type(x))


def _same(xs: list[Any], operands: Sequence[Scalar]) -> list[Scalar]:
    # Literals alone take the type of the op's first real operand.
    typed = [x.dtype for x in xs if isinstance(x, Scalar)] or [x.dtype for x in operands if x.dtype.kind == "f"]
    return [_strong(x, typed[0] if typed else np.dtype(float)) for x in xs]


def _read(node: ast.expr) -> Reader:
    match node:
        case ast.Constant(value=value):
            return lambda xs: value
        case ast.Name(id=name):
            if name in _NAMES:
                return lambda xs: _NAMES[name]
            number = int(name[1:])
            return lambda xs: xs[number]
        case ast.UnaryOp(op=ast.UAdd(), operand=x):
            return _read(x)
        case ast.UnaryOp(op=op, operand=x):
            return _unary(op, _read(x))
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(node, op, _read(left), _read(right))
        case ast.Compare(left=left, ops=ops, comparators=rest):
            sides = [_read(x) for x in (left, *rest)]
            triples = [(_OPERATORS[type(op)], a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False)]
            return lambda xs: _fold("bitwise_and", [operation(n, *_same([a(xs), b(xs)], xs)) for n, a, b in triples])
        case ast.BoolOp(op=op, values=values):
            joined, terms = _OPERATORS[type(op)], [_read(x) for x in values]
            return lambda xs: _fold(joined, [_truth(x(xs)) for x in terms])
        case ast.IfExp(test=test, body=body, orelse=orelse):
            choose, first, second = _read(test), _read(body), _read(orelse)
            return lambda xs: where(_truth(choose(xs)), *_same([first(xs), second(xs)], xs))
        case ast.Call(func=ast.Name(id=name), args=args):
            readers = [_read(x) for x in args]
            return lambda xs: _call(name, [x(xs) for x in readers], xs)
    raise _Unknown(ast.unparse(node))


def _unary(op: ast.unaryop, x: Reader) -> Reader:
    if isinstance(op, ast.Not):
        return lambda xs: operation("invert", _truth(x(xs)))
    name = _OPERATORS[type(op)]

    def read(xs: Sequence[Scalar]) -> Any:
        value = x(xs)
        return operation(name, value) if isinstance(value, Scalar) else -value

    return read


def _binary(node: ast.expr, op: ast.operator, left: Reader, right: Reader) -> Reader:
    name, power = _OPERATORS[type(op)], isinstance(op, ast.Pow)

    def read(xs: Sequence[Scalar]) -> Any:
        x, y = left(xs), right(xs)
        if not isinstance(x, Scalar) and not isinstance(y, Scalar):
            return eval(compile(ast.Expression(node), "code", "eval"), {"__builtins__": {}}, dict(_NAMES))
        if power and type(y) is int:
            return _integer_power(x, y)
        return operation(name, *_same([x, y], xs))

    return read


def _fold(name: str, terms: list[Scalar]) -> Scalar:
    result = terms[0]
    for term in terms[1:]:
        result = operation(name, result, term)
    return result


def _truth(x: Any) -> Scalar:
    return convert(x, BOOL) if isinstance(x, Scalar) else Const(BOOL, bool(x))


def _integer_power(x: Scalar, n: int) -> Scalar:
    # Binary powering; a negative power is one division at the end. Of real numbers each executor has its own way.
    if n < 0 and x.dtype.kind not in "fc":
        raise _Unknown("a negative integer power")
    if x.dtype.kind == "f" and (n < -1 or n > 2):
        return Operation(x.dtype, f"ipow{n}", (x,), lanes=x.lanes)
    result: Scalar | None = None
    square, left = x, abs(n)
    while left:
        if left & 1:
            result = square if result is None else operation("multiply", result, square)
        left >>= 1
        if left:
            square = operation("multiply", square, square)
    one = Const(x.dtype, x.dtype.type(1))
    if result is None:
        return one
    return operation("divide", one, result) if n < 0 else result


def _call(name: str, args: list[Any], operands: Sequence[Scalar]) -> Any:
    name = _ALIASES.get(name, name)
    if name == "bool":
        return _truth(args[0])
    if name == "float":
        return convert(args[0], FLOAT64)
    if name == "where":
        return where(_truth(args[0]), *_same(args[1:], operands))
    if name == "ipow":
        return _integer_power(args[0], int(args[1]))
    if name.startswith("special_"):
        scalars = _same(args, operands)
        if any(x.dtype.char not in "fd" for x in scalars):
            raise _Unknown(f"{name} of {scalars[0].dtype}")
        return Operation(scalars[0].dtype, name, tuple(scalars), lanes=_lanes(scalars))
    if name not in INTRINSICS:
        raise _Unknown(f"no intrinsic is named {name}")
    return operation(name, *_same(args, operands))

"""Python's operators on traced values; where both stand for numbers of Python, as Python has them.

Its integers have no bounds: what may go beyond 64 bits is checked at run time, unless ranges or the time that a program
takes tell that it does not.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS, Unsized
from graphad.build import Builder, building, current_builder
from graphad.errors import TracerError, TypeMismatchError
from graphad.graph import Constant
from graphad.intervals import Interval, combined
from graphad.location import place
from graphad.numpy.bounds import made, span
from graphad.ops.arithmetic import (
    add,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    divide,
    equal,
    float_power,
    floor_divide,
    greater,
    greater_equal,
    invert,
    left_shift,
    less,
    less_equal,
    negative,
    not_equal,
    operator_power,
    positive,
    remainder,
    right_shift,
    subtract,
)
from graphad.ops.checks import ensure
from graphad.ops.elementwise import cast
from graphad.ops.integers import LARGEST, SMALL, Fits
from graphad.ops.machinery import multiply
from graphad.ops.rounding import maximum
from graphad.refusals import handles, refuse_handled
from graphad.trace import UFUNC_METHODS, Tracer
from graphad.types import FLOAT64, INT64, Array, ArrayLike


def _is_weak(x: Any) -> bool:
    return x.weak if type(x) is Tracer else type(x) in (int, float, complex, bool)


def _is_bool(x: Any) -> bool:
    """Whether an operand stands for a bool of Python's, which in its arithmetic is the number 0 or 1."""
    return type(x) is bool or (type(x) is Tracer and x.weak and x.value.type.dtype.kind == "b")


def _number(x: Any) -> Any:
    if not isinstance(x, Tracer):
        return int(x)
    found = cast(x, INT64)
    found.weak = True
    return found


def _is_whole(x: Any) -> bool:
    """Whether a number of Python is an integer."""
    return type(x) in (int, bool) or (type(x) is Tracer and x.value.type.dtype.kind in "ib")


def _range(x: ArrayLike) -> Interval:
    """The range of an integer of Python's."""
    low, high = span(x)
    return (max(low, -LARGEST), min(high, LARGEST)) if isinstance(x, Tracer) else (low, high)


_BEYOND = (
    "the result of {} of Python's integers goes beyond the 64 bits that compiled code has for them; use float(x), or "
    "numpy.int64(x), which wraps around as NumPy's arrays do"
)


def _fitting(op: Any, sign: str) -> Any:
    """A rule for integers of Python: what it gives fits, or raises `OverflowError`."""

    def rule(x: Any, y: Any) -> Any:
        for number in (x, y):
            if type(number) is int and abs(number) > LARGEST:
                raise TypeMismatchError(f"{number} {sign} ...{place()}: {_BEYOND.format(sign)}")
        ranges = [_range(x), _range(y)]
        if not _idle(sign, ranges):
            ensure(Fits(sign)(*map(_number, (x, y))), (OverflowError,), OverflowError, _BEYOND.format(sign))
        return op(x, y)

    return rule


def _idle(sign: str, ranges: list[Interval]) -> bool:
    """Whether the result fits for all numbers of these ranges."""
    name = {"+": "add", "-": "subtract", "*": "multiply"}.get(sign)
    if name is not None:
        low, high = combined(name, ranges) or (-np.inf, np.inf)
        if low >= -LARGEST and high <= LARGEST:
            return True
    x, y = [max(-low, high) for low, high in ranges]
    match sign:
        case "+" | "-" if min(x, y) <= SMALL:
            _note_integers()
            return True
        case "&":
            return True
        case "|" | "^":
            return max(x, y) <= LARGEST // 4
        case "**":
            return y <= 1 or (y < 64 and x ** int(y) <= LARGEST)
        case "<<":
            return y < 63 and x * 2.0 ** int(y) <= LARGEST
    return False


def _divided(op: Any, message: str) -> Any:
    """A rule for integers of Python: a division by zero raises."""

    def rule(x: Array, y: Any) -> Array:
        low, high = _range(y)
        if low <= 0 <= high:
            held = not_equal(y, 0) if isinstance(y, Tracer) else np.array(False)
            ensure(held, (ZeroDivisionError,), ZeroDivisionError, message)
        return op(x, y)

    return rule


def _shifted(op: Any) -> Any:
    """A rule for integers of Python: they are not shifted by negative numbers of bits."""

    def rule(x: Any, y: Any) -> Any:
        if _range(y)[0] < 0:
            held = greater_equal(y, 0) if isinstance(y, Tracer) else np.array(y >= 0)
            ensure(held, (ValueError,), ValueError, "negative shift count")
        return op(x, min(y, 63) if type(y) is int else y)

    return rule


_FRACTION = (
    "x ** y of Python's integers is an integer for some values and, since y is negative, a float for these; write "
    "float(x) ** y"
)


def _not_of_zero(x: Any, y: Any) -> None:
    """A negative power of zero raises."""
    low, high = _range(x)
    if low <= 0 <= high:
        held = np.logical_or(np.not_equal(x, 0), np.greater_equal(y, 0))
        ensure(held, (ZeroDivisionError,), ZeroDivisionError, "0.0 cannot be raised to a negative power")


def _whole_power(x: Any, y: Any) -> Any:
    """`x ** y` of integers of Python, which is one where `y` is not negative, and else a float."""
    if not isinstance(y, Tracer):
        if y >= 0:
            return _power_fits(x, y)
        _not_of_zero(x, y)
        return operator_power(x, y)
    _, _, node = made(y.builder, y.value)
    if _range(y)[1] <= 0 or (node is not None and node.op == negative):
        _not_of_zero(x, y)
        out = float_power(cast(x, FLOAT64), cast(y, FLOAT64))
        if _range(y)[1] > 0:
            ensure(less_equal(out, 2.0**53), (OverflowError,), OverflowError, _BEYOND.format("**"))
        return out
    if _range(y)[0] < 0:
        ensure(greater_equal(y, 0), (), TypeMismatchError, _FRACTION)
        y = maximum(y, 0)
    return _power_fits(x, y)


def _note_integers() -> None:
    """Let the arguments of the running trace that are integers of Python's be looked at when it starts."""
    builder = current_builder()
    while builder is not None and builder.outer is not None:
        builder = builder.outer
    if builder is not None:
        builder.facts[_INTEGERS] = True


_INTEGERS = "integers"


def _look_at(builder: Builder, tracers: Any) -> None:
    """Record at the start of a trace that integers of Python's among its arguments fit, if they are computed with.
    Within another trace that one does it."""
    if builder.facts.pop(_INTEGERS, False):
        if current_builder() is not None:
            return _note_integers()
        start = len(builder.nodes)
        with building(builder):
            for x in tracers:
                if x.weak and x.dtype == INT64 and not isinstance(x.value, Constant):
                    ensure(Fits("+")(x, 0), (), OverflowError, _BEYOND.format("arithmetic"))
        new = builder.nodes[start:]
        builder.replace(start, None, [])
        builder.replace(0, 0, new)


UFUNC_METHODS["look_at_integers"] = _look_at


def _binary(op: Any, reflected: bool = False, numeric: bool = True) -> Any:
    def operator(self: Tracer, other: Any) -> Any:
        if not self.weak and (type(other) is Tracer or type(other) in PYTHON_SCALARS):
            return op(other, self) if reflected else op(self, other)
        if other is None or isinstance(other, (str, bytes, dict, set, Unsized)):
            return NotImplemented
        if op is multiply and isinstance(other, (list, tuple)) and self.dtype.kind in "biu" and not _is_array(self):
            return _repeated(self)
        if not (self.weak and _is_weak(other)):
            return op(other, self) if reflected else op(self, other)
        if numeric and _is_bool(self) and _is_bool(other):
            self, other = _number(self), _number(other)
        operands = (other, self) if reflected else (self, other)
        rule = _WHOLE.get(op)
        if rule is None or not all(map(_is_whole, operands)):
            out = op(*operands)
        else:
            out = rule(*operands)
        out.weak = True
        return out

    return operator


def _is_array(x: Tracer) -> bool:
    return bool(x.shape or x.boxed)


def _repeated(count: Tracer) -> Any:
    """A list times a number of Python's is the list repeated, which Python does if the number can be an index."""
    if count.dtype.kind == "b":
        raise TracerError(
            f"a list or tuple times a traced bool{place()} is repeated or empty; choose its entries with numpy.where, "
            "or make it an array for a product"
        )
    return NotImplemented


def _division(op: Any, reflected: bool = False) -> Any:
    """A division, of which Python's numbers raise `ZeroDivisionError` where a try statement handles that."""
    inner = _binary(op, reflected)

    def operator(self: Tracer, other: ArrayLike, modulus: Any = None) -> Array:
        if modulus is not None:
            raise TypeMismatchError(f"pow() of a traced {self.type} with a modulus{place()}; write x**y % modulus")
        if self.weak and _is_weak(other) and handles(ZeroDivisionError) and not (_is_whole(self) and _is_whole(other)):
            _not_by_zero(op, *((other, self) if reflected else (self, other)))
        return inner(self, other)

    return operator


def _not_by_zero(op: Any, x: Any, y: Any) -> None:
    try:
        x, y = [v.builder.evaluate(v.value) if isinstance(v, Tracer) else v for v in (x, y)]
    except TracerError:
        refuse_handled(ZeroDivisionError)
        return
    if (x == 0 and y < 0) if op is operator_power else y == 0:
        raise ZeroDivisionError("float division by zero")


def _unary(op: Any) -> Any:
    def operator(self: Tracer) -> Array:
        if self.weak and _is_whole(self) and span(self)[0] < -LARGEST:
            _note_integers()
        out = op(_number(self) if self.weak and _is_bool(self) else self)
        out.weak = self.weak
        return out

    return operator


_power_fits = _fitting(operator_power, "**")
_WHOLE: dict[Any, Any] = {
    add: _fitting(add, "+"), subtract: _fitting(subtract, "-"), multiply: _fitting(multiply, "*"),
    bitwise_and: _fitting(bitwise_and, "&"), bitwise_or: _fitting(bitwise_or, "|"),
    bitwise_xor: _fitting(bitwise_xor, "^"), operator_power: _whole_power,
    left_shift: _shifted(_fitting(left_shift, "<<")), right_shift: _shifted(right_shift),
    divide: _divided(divide, "division by zero"),
    floor_divide: _divided(floor_divide, "integer division or modulo by zero"),
    remainder: _divided(remainder, "integer modulo by zero"),
}  # fmt: skip


def _bind_operators() -> None:
    binary = {
        "add": add, "sub": subtract, "mul": multiply, "truediv": divide, "floordiv": floor_divide,
        "mod": remainder, "pow": operator_power, "and": bitwise_and, "or": bitwise_or, "xor": bitwise_xor,
        "lshift": left_shift, "rshift": right_shift,
    }  # fmt: skip
    for name, op in binary.items():
        make: Any = _division if name in ("truediv", "floordiv", "mod", "pow") else _binary
        if name in ("and", "or", "xor"):
            make = partial(_binary, numeric=False)
        setattr(Tracer, f"__{name}__", make(op))
        setattr(Tracer, f"__r{name}__", make(op, reflected=True))
    compare = {"eq": equal, "ne": not_equal, "lt": less, "le": less_equal, "gt": greater, "ge": greater_equal}
    for name, op in compare.items():
        setattr(Tracer, f"__{name}__", _binary(op, numeric=False))
    for name, op in {"neg": negative, "pos": positive, "invert": invert}.items():
        setattr(Tracer, f"__{name}__", _unary(op))
    setattr(Tracer, "__divmod__", lambda self, other: (self // other, self % other))  # noqa: B010
    setattr(Tracer, "__rdivmod__", lambda self, other: (other // self, other % self))  # noqa: B010
    setattr(Tracer, "__abs__", _unary(np.absolute))  # noqa: B010


_bind_operators()

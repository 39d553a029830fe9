"""Elementary functions as vector code: for each the best form that processor, precision and C library allow.

The forms stand in modules of their own, each with the bounds of its errors: `avx512`; `elementary` and `trigonometric`
for any processor; `libmvec`, the C library's vector functions; and `precise`, for what all of these round too often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from typing import Final

from graphad.executors.llvm import avx512, elementary, libmvec, precise, trigonometric
from graphad.executors.llvm.mathcode import Math, Registers
from graphad.executors.llvm.text import Code, Module, mangle, vector

PRECISE_ULP: Final = 1.0
"""The largest error that precise code may have, in units in the last place."""
ROUNDED_ULP: Final = 0.51
"""The largest error in single precision of what is computed in double and rounded."""
_FORMS: Final = {**elementary.FORMS, **trigonometric.FORMS}
_FUSED_ULP: Final = {**elementary.ERROR_ULP, **trigonometric.ERROR_ULP}
_UNFUSED_ULP: Final = {**elementary.ERROR_ULP, **trigonometric.UNFUSED_ULP}


@dataclass(frozen=True)
class Definition:
    """A function by its symbol: IR that defines it, the declarations that the IR needs, and the bound of its error in
    units in the last place."""

    symbol: str
    text: str
    needs: tuple[str, ...]
    ulp: float


@dataclass(frozen=True)
class _Form:
    """One way to compute a function: `write` adds its code for registers of `lanes` numbers of type `element`."""

    element: str
    lanes: int
    ulp: float
    write: Callable[[Code, list[str]], str]
    arguments: int = 1


@cache
def definition(
    name: str, char: str, lanes: int, *, features: frozenset[str], precise: bool = False
) -> Definition | None:
    """The vector function `name` for `lanes` doubles (`char` is "d") or floats ("f"), one lane being a scalar.

    None where there is none: the caller then uses the C library's scalar function. `precise` leaves out all whose error
    may exceed one unit in the last place.
    """
    element = "double" if char == "d" else "float"
    for form in _forms(name, element, lanes, features):
        if form.lanes >= lanes and (form.ulp <= PRECISE_ULP or not precise):
            return _define(name, element, lanes, form)
    return None


def _forms(name: str, element: str, lanes: int, features: frozenset[str]) -> Iterator[_Form]:
    """The forms that there are, fastest first."""
    double = element == "double"
    if "avx512f" in features and name in avx512.FORMS:
        yield _by_avx512(name, element)
    fused = bool(features & {"fma", "neon"})
    if not double and fused and name in trigonometric.SINGLE_ULP:
        yield _by_arithmetic(name, "float", lanes, fused, trigonometric.SINGLE_ULP[name])
    library = libmvec.function(name, element, lanes, features)
    if library is not None and not double:
        yield _by_library(element, *library)
    if name in _FORMS:
        ulp = (_FUSED_ULP if fused else _UNFUSED_ULP)[name] if double else ROUNDED_ULP
        yield _by_arithmetic(name, "double", lanes, fused, ulp)
    if library is not None and double:
        yield _by_library(element, *library)
    if name in precise.FORMS:
        ulp = precise.ERROR_ULP[name] if double else ROUNDED_ULP
        yield _by_arithmetic(name, "double", lanes, fused, ulp, precise.FORMS)


def _by_avx512(name: str, element: str) -> _Form:
    double = element == "double"
    form, ulp = avx512.FORMS[name], avx512.ERROR_ULP[name][not double]
    arguments = 2 if name == "pow" else 1
    return _Form(element, 8 if double else 16, ulp, lambda code, xs: form(Registers(code, element), *xs), arguments)


def _by_arithmetic(
    name: str, element: str, lanes: int, fused: bool, ulp: float, forms: Mapping[str, elementary.Form] = _FORMS
) -> _Form:
    form = forms[name]
    return _Form(element, lanes, ulp, lambda code, xs: form(Math(code, element, lanes, fused), *xs))


def _by_library(element: str, symbol: str, lanes: int, arguments: int) -> _Form:
    kind = vector(element, lanes)
    return _Form(
        element, lanes, libmvec.ERROR_ULP, lambda code, xs: code.call(kind, symbol, *[(kind, x) for x in xs]), arguments
    )


def _define(name: str, element: str, lanes: int, form: _Form) -> Definition:
    code, kind, wide = Code(Module()), vector(element, lanes), vector(form.element, lanes)
    names = ["%x", "%y"][: form.arguments]
    converted = names if wide == kind else [code(f"fpext {kind} {x} to {wide}") for x in names]
    result = form.write(code, [_widened(code, form.element, x, lanes, form.lanes) for x in converted])
    result = _narrowed(code, form.element, result, form.lanes, lanes)
    if wide != kind:
        result = code(f"fptrunc {wide} {result} to {kind}")
    symbol = f"graphad.{name}.{mangle(element, lanes)}"
    head = f'define internal {kind} @"{symbol}"({", ".join(f"{kind} {x}" for x in names)}) alwaysinline nounwind {{'
    text = f"{head}\nentry:\n{code.string()}\nret {kind} {result}\n}}"
    return Definition(symbol, text, tuple(code.module.declarations), form.ulp)


def _widened(code: Code, element: str, x: str, lanes: int, width: int) -> str:
    # Lanes beyond the last repeat the first: what happens to lie there may be slow to compute with.
    if lanes == 1:
        return code.broadcast(element, x, width)
    return x if lanes == width else _lanes(code, element, x, lanes, [i if i < lanes else 0 for i in range(width)])


def _narrowed(code: Code, element: str, x: str, width: int, lanes: int) -> str:
    if lanes == 1:
        return code.extract(element, x, width, 0)
    return x if lanes == width else _lanes(code, element, x, width, list(range(lanes)))


def _lanes(code: Code, element: str, x: str, lanes: int, order: list[int]) -> str:
    kind, places = vector(element, lanes), ", ".join(f"i32 {i}" for i in order)
    return code(f"shufflevector {kind} {x}, {kind} poison, <{len(order)} x i32> <{places}>")


# -- powers with a known exponent --------------------------------------------------------------------------------

POWER_ULP: Final = 7.5
"""The largest error of `power`, in units in the last place."""


def is_simple_power(n: float) -> bool:
    """Whether `power` computes `x**n`: a multiple of 1/2 of at most 8 in magnitude."""
    return abs(n) <= 8 and float(2 * n).is_integer()


def power(m: Math, x: str, n: float) -> str:
    """`x**n` by products and a root."""
    if n >= 0:
        result = _product(m, x, n)
    else:
        # Divided in two steps: the whole power may overflow where its reciprocal is a denormal number.
        second = int(-n + 0.5) // 2
        first = -n - second
        result = m.div(1.0, _product(m, x, first))
        if second:
            result = m.mul(result, result) if first == second else m.div(result, _product(m, x, second))
    # As C has it for the two numbers whose roots are -0 and NaN.
    if n % 1:
        result = m.where(m.compare("oeq", x, -math.inf), math.inf if n > 0 else 0.0, m.fabs(result))
    return result


def _product(m: Math, x: str, n: float) -> str:
    factors = [m.sqrt(x)] if n % 1 else []
    square, left = x, int(n)
    while left:
        if left & 1:
            factors.append(square)
        left >>= 1
        square = m.mul(square, square) if left else square
    return reduce(m.mul, factors) if factors else m.number(1.0)

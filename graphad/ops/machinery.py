"""The machinery of elementwise ops: from partial derivatives follow tangents, transposes and batching. The ops that
these are made of, products and choices, stand here too.

Operands broadcast as NumPy's do and have the dtypes that NumPy's own promotion gives (the tracer inserts casts).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.graph import Constant
from graphad.namespaces import scipy_of
from graphad.op import OPS, Op, Sample, is_linear, zeros_like
from graphad.ops.lowering import DECOMPOSED, EVALUATED, LazyUfunc, Plain, by_decomposition, composed, derived
from graphad.ops.scalar import weigh
from graphad.ops.shape import Reshape
from graphad.trace import UFUNCS, Tracer
from graphad.types import BOOL, Array, DType, TensorType, dtype_spelling

Partial = Callable[..., Any] | int | None
Domain = tuple[float, float]
_SAMPLE_DTYPES = ("f8", "f4", "c16", "i8", "?")


def broadcast_shapes(op: object, xs: Sequence[TensorType]) -> tuple[int, ...]:
    """The shape that operands broadcast to. Raises `ShapeError` naming the op and the types."""
    shape = xs[0].shape
    for x in xs[1:]:
        if x.shape == shape or not x.shape:
            continue
        if not shape:
            shape = x.shape
            continue
        try:
            shape = np.broadcast_shapes(shape, x.shape)
        except ValueError:
            names = " and ".join(map(str, xs))
            raise ShapeError(f"{op}: {names} do not broadcast") from None
    return shape


def spelled(dtype: DType) -> str:
    """The short name of a dtype, or NumPy's for one that values cannot have."""
    try:
        return dtype_spelling(dtype)
    except KeyError:
        return str(dtype)


class Elementwise(Op, abstract=True):
    """An op that acts on each element, after broadcasting."""

    code: ClassVar[str | None] = None
    """Scalar code: a Python expression in `{0}`, `{1}`, ... over the functions of `graphad.ops.scalar`."""
    singular: ClassVar[bool] = False
    """Whether a partial derivative can be infinite or NaN where the op is defined or overflows; its product with
    a zero tangent is then zero, so that a branch not taken by `where` passes nothing back."""
    picks: ClassVar[bool] = False
    """Whether a partial derivative is zero where the operand is not taken, as by `maximum`: then not even a tangent
    that is infinite or NaN counts."""

    @property
    def partials(self) -> Sequence[Partial]:
        """For each operand: a function `(out, *xs)` giving the derivative, 1, -1, or None (derivative zero)."""
        return ()

    @property
    def multilinear(self) -> Sequence[int]:
        """The operands in which the op is linear while the others are held."""
        return ()

    def flat(self, i: int) -> bool:
        partials = self.partials
        return bool(partials) and partials[i] is None

    def flops(self, *xs: TensorType) -> int:
        alike = all([x.shape == xs[0].shape for x in xs])
        return xs[0].size if alike else math.prod(broadcast_shapes(self, xs))

    def weight(self, *xs: TensorType) -> int:
        return weigh(self.code)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        """The operands' dtypes as the op takes them, then the result's dtype."""
        raise NotImplementedError

    def infer(self, *xs: TensorType) -> TensorType:
        dtypes = tuple([x.dtype for x in xs])
        *wanted, result = self.result_dtypes(*dtypes)
        if tuple(wanted) != dtypes:
            names = " and ".join(map(str, xs))
            raise TypeMismatchError(f"{self!r}: operands {names} must first be cast to {wanted}")
        return TensorType(result, broadcast_shapes(self, xs))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        total = None
        for i, partial in enumerate(self.partials):
            tangent = tangents[i]
            if tangent is None or partial is None:
                continue
            term = self._scale(partial, tangent, out, primals, self.singular)
            total = term if total is None else total + term
        return total

    def _scale(self, partial: Partial, tangent: Array, out: Array | None, xs: Sequence[Any], guard: bool) -> Array:
        if callable(partial):
            derivative = partial(out, *xs)
            if self.picks:
                return select(derivative == 0, scalar(0, tangent.dtype), multiply(derivative, tangent))
            guard = guard and not known_finite(derivative)
            return (multiply_no_nan if guard else multiply)(derivative, tangent)
        return tangent if partial == 1 else -tangent

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return self.transposed(ct, xs, self.singular)

    def transposed(self, ct: Array, xs: Sequence[Any], guard: bool) -> Any:
        """The rule of `transpose` by the partials; with `guard` zeros of the cotangent stay zeros."""
        partials, multilinear = self.partials, self.multilinear
        cts: list[Any] = []
        for i, x in enumerate(xs):
            if not is_linear(x):
                cts.append(None)
            elif i in multilinear:
                cts.append(self._scale(partials[i], ct, None, xs, guard))
            else:
                raise MissingRuleError(f"{self.name} is not linear in operand {i}, or has no transpose rule")
        return tuple(cts) if len(xs) > 1 else cts[0]

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        rank = max(x.ndim - b for x, b in zip(xs, batched, strict=True))
        return self(*[align(x, rank) if b else x for x, b in zip(xs, batched, strict=True)])


def known_finite(x: Array) -> bool:
    """Whether an operand is a number or a constant without NaN and infinity."""
    if isinstance(x, Tracer):
        if not isinstance(x.value, Constant):
            return False
        x = x.value.array
    return bool(np.isfinite(x).all())


@lru_cache(maxsize=1024)
def scalar(value: complex, dtype: DType) -> Array:
    """A number as a read-only 0-d array of a dtype: an operand that is not weak."""
    array = np.asarray(value, dtype)
    array.flags.writeable = False
    return array


def align(x: Array, rank: int) -> Array:
    """A batched operand with unit axes after its batch axis, so that its own axes line up on the right."""
    missing = rank - (x.ndim - 1)
    return x if missing == 0 else Reshape((x.shape[0], *(1,) * missing, *x.shape[1:]))(x)


class Ufunc(Elementwise, abstract=True):
    """An elementwise op with the meaning and dtype rules of a NumPy or SciPy ufunc."""

    ufunc: ClassVar[Any]
    lazy: ClassVar[bool] = False
    domain: ClassVar[tuple[Domain, ...]]
    _resolved: ClassVar[dict[tuple[Any, ...], tuple[DType, ...]]]
    _partials: ClassVar[Sequence[Partial]] = ()
    _multilinear: ClassVar[Sequence[int]] = ()

    @property
    def partials(self) -> Sequence[Partial]:
        return self._partials

    @property
    def multilinear(self) -> Sequence[int]:
        return self._multilinear

    def transpose_masked(self, ct: Any, *xs: Any) -> Any:
        return self.transposed(ct, xs, True)

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        try:
            return self._resolved[kinds][:-1]
        except KeyError:
            return self._resolve(kinds)[:-1]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        try:
            return self._resolved[dtypes]
        except KeyError:
            return self._resolve(dtypes)

    def _resolve(self, kinds: tuple[Any, ...]) -> tuple[DType, ...]:
        asked = kinds
        if len(kinds) > 1 and all(kind in PYTHON_SCALARS for kind in kinds):
            asked = tuple(np.dtype(kind) for kind in kinds)
        elif len(kinds) == 1 and kinds[0] in PYTHON_SCALARS:
            asked = (np.dtype(kinds[0]),)
        if len(kinds) != self.ufunc.nin:
            raise TypeMismatchError(f"{self.name} takes {self.ufunc.nin} operands, not {len(kinds)}")
        try:
            found = self.ufunc.resolve_dtypes((*asked, None))
        except TypeError:
            raise self._refusal(kinds) from None
        if any(dtype.kind not in "biufc" or dtype.itemsize > 16 or dtype.char in "gG" for dtype in found):
            raise self._refusal(kinds)
        self._resolved[kinds] = found
        return found  # type: ignore[no-any-return]

    def _refusal(self, kinds: tuple[Any, ...]) -> TypeMismatchError:
        names = [kind.__name__ if isinstance(kind, type) else spelled(kind) for kind in kinds]
        return TypeMismatchError(f"{self.name} does not take {' and '.join(names)}; cast with astype first")

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is np:
            return self.ufunc(*xs)
        for space in (xp, scipy_of(xp, "special")) if not isinstance(self.ufunc, Plain) else ():
            found = getattr(space, self.ufunc.__name__, None) or getattr(space, self.name, None)
            if found is not None:
                return found(*xs)
        return by_decomposition(self, xp, xs, "composed" if self.lazy else "decompose")

    def hosted(self, *xs: TensorType) -> str:
        if self.lazy and any([x.dtype.kind == "c" for x in xs]):
            return "SciPy computes it of complex numbers"
        return self.host_only

    def __reduce__(self) -> Any:
        return _ufunc_op, (self.name,)

    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        """Operands drawn from the op's domain, in each dtype that it takes as it stands, broadcast and empty."""
        rng = np.random.default_rng(sum(map(ord, self.name)))
        n = self.ufunc.nin
        for char in _SAMPLE_DTYPES:
            dtype = np.dtype(char)
            if not self._accepts(dtype):
                continue
            yield Sample(self, tuple(self._draw(rng, i, dtype, (3, 4)) for i in range(n)))
            if char == "f8":
                shapes = [(3, 1), (4,), (2, 1, 1), (1,)][:n] if n > 1 else [()]
                yield Sample(self, tuple(self._draw(rng, i, dtype, s) for i, s in enumerate(shapes)))
                yield Sample(self, tuple(self._draw(rng, i, dtype, (0, 2)) for i in range(n)))

    def _accepts(self, dtype: DType) -> bool:
        try:
            return all(found == dtype for found in self.result_dtypes(*[dtype] * self.ufunc.nin)[:-1])
        except TypeMismatchError:
            return False

    def _draw(self, rng: np.random.Generator, i: int, dtype: DType, shape: tuple[int, ...]) -> Array:
        low, high = self.domain[i % len(self.domain)]
        x = rng.uniform(low, high, shape)
        if dtype.kind == "c":
            return (x + 1j * rng.uniform(-0.5, 0.5, shape)).astype(dtype)
        if dtype.kind in "iu":
            return np.where(np.round(x) == 0, 1, np.round(x)).astype(dtype)
        return (x > (low + high) / 2) if dtype.kind == "b" else np.asarray(x, dtype)


def _ufunc_op(name: str) -> Any:
    return OPS[name]


def elementwise(
    ufunc: Any,
    *,
    code: str | None = None,
    partials: Sequence[Partial] = (),
    multilinear: Sequence[int] = (),
    singular: bool = False,
    picks: bool = False,
    shared: bool = False,
    domain: Domain | tuple[Domain, ...] = (-2.0, 2.0),
    base: type[Ufunc] = Ufunc,
    name: str | None = None,
) -> Any:
    """Define an op from a ufunc: its dtype rule and meaning are the ufunc's, its derivatives follow from `partials`.

    Instead of a ufunc it may be a plain function of the elements of arrays, written with NumPy's functions: without
    `partials` its derivatives are those of what it is written with, and compiled executors compute that. The op that
    comes back is called in its place.

    A ufunc of `scipy.special` is given by its name, so that SciPy is loaded only when the op is used. `partials` has
    for each operand a function `(out, *xs)` giving the derivative, or 1, -1, or None where it is zero everywhere;
    `singular`, `picks` and `multilinear` are those of `Elementwise`; `shared` says that JAX and CuPy have SciPy's
    function too. `domain` gives the interval (or one for each operand) that test operands are drawn from. The ufunc
    called on a traced value from then on records the op.

    `code` is the meaning for one element: a Python expression over the operands `{0}`, `{1}`, ..., all of the dtypes
    that the ufunc takes, and of the intrinsics below; the value is converted to the result's dtype (so that bool
    `True + True` is True, and integers wrap). None leaves the op to NumPy. The intrinsics are:

    - `+ - * / ** & | ^ ~ << >>` and comparisons, as in C: `/` of integers truncates;
    - `where(c, a, b)`, which may evaluate both; `bool(x)`, which is `x != 0`; `float(x)`, which is float64;
    - of one operand: `abs sign sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh`
      `tanh asinh acosh atanh erf erfc lgamma floor ceil rint trunc isnan isinf isfinite signbit`; `sign` passes NaN
      on, `rint` rounds ties to even;
    - of two: `atan2 hypot pow copysign nextafter fmod`, as in C's math library (`pow` of integers by squaring);
      `max min`, which pass NaN on; `fmax fmin`, which ignore it; `floordiv mod`, rounding down as NumPy and Python
      do, 0 for a zero integer divisor; `ipow(x, n)` for an integer literal `n`, by repeated multiplication;
    - `special_NAME(...)`, the function `NAME` of `scipy.special.cython_special` for float64 operands; integer orders
      are passed as floats, and `special_zeta` is Hurwitz's zeta function of two operands.

    For complex operands the same names mean the complex functions, `real imag conj` take them apart, `complex(x, y)`
    makes one of two parts, and `max min fmax fmin` and comparisons order by the real part, then the imaginary part.
    """
    lazy, plain = isinstance(ufunc, str), None
    if not lazy and not isinstance(ufunc, np.ufunc):
        ufunc = plain = Plain(ufunc, name)
    name = name or (ufunc if lazy else ufunc.__name__)
    members: dict[str, Any] = {
        "ufunc": LazyUfunc(ufunc) if lazy else ufunc,
        "code": code, "lazy": lazy, "composed": composed,
        "_partials": tuple(partials) or (None,) * ufunc.nin,
        "_multilinear": tuple(multilinear),
        "singular": singular, "picks": picks,
        "host_only": "SciPy computes it, for NumPy's arrays" if lazy and not shared and name not in EVALUATED else "",
        "domain": domain if isinstance(domain[0], tuple) else (domain,),
        "_resolved": {}, "__doc__": f"{'SciPy' if lazy else 'NumPy'}'s `{name}`.",
        "__module__": sys._getframe(1).f_globals["__name__"],
    }  # fmt: skip
    if name in DECOMPOSED:
        members["decompose"] = composed
    if plain is not None:
        members |= {"decompose": lambda op, *xs: plain.decompose(op, *xs), "__doc__": plain.function.__doc__}
        if not partials:
            members |= {"_partials": (), "jvp": derived}
    op = OPS[name] = type(name, (base,), members, name=name)()
    if plain is None:
        UFUNCS.setdefault(ufunc, op)
    return op


# -- the ops that derivatives of all are made of -------------------------------------------------------------------

multiply = elementwise(
    np.multiply, code="{0} * {1}", partials=[lambda out, x, y: y, lambda out, x, y: x], multilinear=[0, 1]
)


class Select(Elementwise):
    """`where(condition, x, y)`: linear in `x` and `y`, so the branch not taken passes back exactly zero."""

    code = "where({0}, {1}, {2})"
    leaves_out = (1, 2)

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if kinds[1] == kinds[2] == BOOL:
            return (BOOL, BOOL, BOOL)
        return (BOOL, *multiply.promote(kinds[1:]))

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        condition, x, y = dtypes
        if condition != BOOL or x != y:
            raise TypeMismatchError(f"where: a bool condition and two operands of one dtype, not {condition}, {x}, {y}")
        return (condition, x, y, x)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.where(*xs)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        condition, x, y = primals
        _, dx, dy = tangents
        if dx is None and dy is None:
            return None
        return self(condition, zeros_like(x) if dx is None else dx, zeros_like(y) if dy is None else dy)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        condition, x, y = xs
        zero = np.zeros((), ct.dtype)
        return (
            None,
            self(condition, ct, zero) if is_linear(x) else None,
            self(condition, zero, ct) if is_linear(y) else None,
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        condition = np.array([[True, False, True]])
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        yield Sample(cls(), (condition, x, -x))
        yield Sample(cls(), (condition[0, 0], x.astype("f4"), np.array([2.0], "f4")))
        yield Sample(cls(), (condition, x + 1j, -x + 0j))
        yield Sample(cls(), (condition, np.arange(3), np.arange(3)[::-1].copy()))
        yield Sample(cls(), (np.zeros((0,), bool), np.zeros((0,)), np.ones((0,))))


select = OPS["select"] = Select()


class MultiplyNoNan(Elementwise):
    """`x * y`, and 0 where `y` is 0 even if `x` is infinite or NaN.

    It multiplies a derivative that may be singular by a tangent or cotangent: no influence times anything is none.
    """

    code = "where({1} == 0, {1}, {0} * {1})"
    multilinear = (0, 1)
    leaves_out: ClassVar[Sequence[int]] = (0,)

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return multiply.promote(kinds)  # type: ignore[no-any-return]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return multiply.result_dtypes(*dtypes)  # type: ignore[no-any-return]

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, y = xs
        zero = y == 0
        if xp is not np:
            return xp.where(zero, y, x * y)
        if not np.any(zero):
            return np.multiply(x, y)
        with np.errstate(invalid="ignore"):
            return np.where(zero, y, np.multiply(x, y))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (x, y), (dx, dy) = primals, tangents
        terms = [self(dx, y)] if dx is not None else []
        if dy is not None:
            terms.append(self(x, dy))
        return terms[0] + terms[1] if len(terms) == 2 else terms[0]

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, y = xs
        return (self(ct, y), None) if is_linear(x) else (None, self(x, ct))

    def transpose_masked(self, ct: Any, *xs: Any) -> Any:
        x, y = xs
        return (self(ct, select(ct == 0, ct, y)), None) if is_linear(x) else (None, self(x, ct))

    def decompose(self, *xs: Any) -> Array:
        x, y = xs
        return select(y == 0, y, x * y)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        yield Sample(cls(), (x, x[::-1] + 0.5))
        yield Sample(cls(), (x, x[0] - 0.25))


multiply_no_nan = OPS["multiply_no_nan"] = MultiplyNoNan()

"""The machinery of elementwise ops: from partial derivatives follow tangents, transposes and batching.

Operands broadcast as NumPy's do and have the dtypes that NumPy's own promotion gives (the tracer inserts casts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import OPS, Op, Sample, is_linear
from graphad.trace import PYTHON_SCALARS, UFUNCS
from graphad.types import FLOAT64, DType, TensorType, dtype_spelling

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


def _spelled(dtype: DType) -> str:
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

    @property
    def partials(self) -> Sequence[Partial]:
        """For each operand: a function `(out, *xs)` giving the derivative, 1, -1, or None (derivative zero)."""
        return ()

    @property
    def multilinear(self) -> Sequence[int]:
        """The operands in which the op is linear while the others are held."""
        return ()

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
        for partial, tangent in zip(self.partials, tangents, strict=True):
            if tangent is None or partial is None:
                continue
            term = self._scale(partial, tangent, out, primals)
            total = term if total is None else total + term
        return total

    def _scale(self, partial: Partial, tangent: Any, out: Any, xs: Sequence[Any]) -> Any:
        if callable(partial):
            derivative = partial(out, *xs)
            return OPS["multiply_no_nan" if self.singular else "multiply"](derivative, tangent)
        return tangent if partial == 1 else -tangent

    def transpose(self, ct: Any, *xs: Any) -> Any:
        partials = self.partials
        cts: list[Any] = []
        for i, x in enumerate(xs):
            if not is_linear(x):
                cts.append(None)
            elif i in self.multilinear:
                cts.append(self._scale(partials[i], ct, None, xs))
            else:
                return super().transpose(ct, *xs)
        return tuple(cts) if len(xs) > 1 else cts[0]

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        rank = max(x.ndim - b for x, b in zip(xs, batched, strict=True))
        return self(*[align(x, rank) if b else x for x, b in zip(xs, batched, strict=True)])


@lru_cache(maxsize=1024)
def scalar(value: complex, dtype: DType) -> Any:
    """A number as a read-only 0-d array of a dtype: an operand that is not weak."""
    array = np.asarray(value, dtype)
    array.flags.writeable = False
    return array


def align(x: Any, rank: int) -> Any:
    """A batched operand with unit axes after its batch axis, so that its own axes line up on the right."""
    missing = rank - (x.ndim - 1)
    return x if missing == 0 else OPS["reshape"]((x.shape[0], *(1,) * missing, *x.shape[1:]))(x)


class Ufunc(Elementwise, abstract=True):
    """An elementwise op with the meaning and dtype rules of a NumPy or SciPy ufunc."""

    ufunc: ClassVar[Any]
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
        names = [kind.__name__ if isinstance(kind, type) else _spelled(kind) for kind in kinds]
        remedy = "cast with astype first"
        if "object" in names:
            remedy = "objects are not traced (a sparse matrix has the products a @ x and x @ a)"
        return TypeMismatchError(f"{self.name} does not take {' and '.join(names)}; {remedy}")

    def eval(self, xp: Any, *xs: Any) -> Any:
        function = getattr(xp, self.ufunc.__name__, None) if xp is not np else self.ufunc
        return (function or self.ufunc)(*xs)

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

    def _draw(self, rng: np.random.Generator, i: int, dtype: DType, shape: tuple[int, ...]) -> Any:
        low, high = self.domain[i % len(self.domain)]
        x = rng.uniform(low, high, shape)
        if dtype.kind == "c":
            return (x + 1j * rng.uniform(-0.5, 0.5, shape)).astype(dtype)
        if dtype.kind in "iu":
            return np.where(np.round(x) == 0, 1, np.round(x)).astype(dtype)
        return (x > (low + high) / 2) if dtype.kind == "b" else np.asarray(x, dtype)


class _LazyUfunc:
    """Loads a SciPy ufunc when it is first used, since importing graphad must not import SciPy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        import scipy.special

        found = getattr(scipy.special, self.name, None)
        # Under SciPy's switch for the array API its ufuncs stand behind functions.
        owner.ufunc = found if isinstance(found, np.ufunc) else getattr(scipy.special._ufuncs, self.name)
        return owner.ufunc


def _ufunc_op(name: str) -> Any:
    return OPS[name]


def elementwise(
    ufunc: Any,
    *,
    code: str | None = None,
    partials: Sequence[Partial] = (),
    multilinear: Sequence[int] = (),
    singular: bool = False,
    domain: Domain | tuple[Domain, ...] = (-2.0, 2.0),
    base: type[Ufunc] = Ufunc,
    name: str | None = None,
) -> Any:
    """Define an op from a ufunc: its dtype rule and meaning are the ufunc's, its derivatives follow from `partials`.

    A ufunc of `scipy.special` is given by its name, so that SciPy is loaded only when the op is used. `partials` has
    for each operand a function `(out, *xs)` giving the derivative, or 1, -1, or None where it is zero everywhere;
    `singular` and `multilinear` are those of `Elementwise`. `domain` gives the interval (or one for each operand)
    that test operands are drawn from. The ufunc called on a traced value from then on records the op.

    `code` is the meaning for one element: a Python expression over the operands `{0}`, `{1}`, ..., all of the dtypes
    that the ufunc takes, and of the intrinsics below; the value is converted to the result's dtype (so that bool
    `True + True` is True, and integers wrap). None leaves the op to NumPy. The intrinsics are:

    - `+ - * / ** & | ^ ~ << >>` and comparisons, as in C: `/` of integers truncates;
    - `where(c, a, b)`, which may evaluate both; `bool(x)`, which is `x != 0`;
    - of one operand: `abs sign sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh`
      `tanh asinh acosh atanh erf erfc lgamma floor ceil rint trunc isnan isinf isfinite signbit`; `sign` passes NaN
      on, `rint` rounds ties to even;
    - of two: `atan2 hypot pow copysign nextafter fmod`, as in C's math library (`pow` of integers by squaring);
      `max min`, which pass NaN on; `fmax fmin`, which ignore it; `floordiv mod`, rounding down as NumPy and Python
      do, 0 for a zero integer divisor; `ipow(x, n)` for an integer literal `n`, by repeated multiplication;
    - `special_NAME(...)`, the function `NAME` of `scipy.special.cython_special` for float64 operands; integer orders
      are passed as floats, and `special_zeta` is Hurwitz's zeta function of two operands.

    For complex operands the same names mean the complex functions, `real imag conj` take them apart, and
    `max min fmax fmin` and comparisons order by the real part, then the imaginary part.
    """
    lazy = isinstance(ufunc, str)
    name = name or (ufunc if lazy else ufunc.__name__)
    members: dict[str, Any] = {
        "ufunc": _LazyUfunc(ufunc) if lazy else ufunc,
        "code": code,
        "_partials": tuple(partials) or (None,) * ufunc.nin,
        "_multilinear": tuple(multilinear),
        "singular": singular,
        "domain": domain if isinstance(domain[0], tuple) else (domain,),
        "_resolved": {},
        "__doc__": f"{'SciPy' if lazy else 'NumPy'}'s `{name}`.",
        "__module__": __name__,
    }
    op = type(name, (base,), members, name=name)()
    OPS[name] = op
    UFUNCS.setdefault(ufunc, op)
    return op


class Cast(Elementwise):
    """Conversion to another dtype, as `ndarray.astype`."""

    dtype: DType

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))

    @property
    def linear(self) -> bool:  # type: ignore[override]
        return self.dtype.kind in "fc"

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0].with_dtype(self.dtype)

    def eval(self, xp: Any, *xs: Any) -> Any:
        x = np.asarray(xs[0]) if xp is np else xs[0]
        if x.dtype.kind == "c" and self.dtype.kind != "c":
            x = x != 0 if self.dtype.kind == "b" else x.real
        return x.astype(self.dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return self(tangents[0]) if self.dtype.kind in "fc" else None

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return Cast(xs[0].dtype)(ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[-1.5, 0.0, 2.25], [3.0, -0.5, 1.0]])
        for source, target in [("f8", "f4"), ("f4", "f8"), ("f8", "c16"), ("c16", "f8"), ("f8", "i4"), ("?", "f8")]:
            yield Sample(cls(np.dtype(target)), (x.astype(source),))
        yield Sample(cls(FLOAT64), (np.zeros((0, 2), "f4"),))


def cast(x: Any, dtype: Any) -> Any:
    """`x` in another dtype; `x` itself where it has that dtype already."""
    dtype = np.dtype(dtype)
    return x if getattr(x, "dtype", None) == dtype and not getattr(x, "weak", False) else Cast(dtype)(x)

"""Bessel and Hankel functions, of integer, real and spherical order.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF), 10.6, 10.29 and 10.51. Where a
recurrence with a quotient and one without give the same derivative it is the one without, which holds where the
quotient is 0 / 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import OPS, Sample
from graphad.ops.complex import sign
from graphad.ops.elementwise import Partial, Ufunc, cast, elementwise, scalar
from graphad.ops.lowering import by_decomposition
from graphad.ops.rounding import maximum, truncated
from graphad.ops.select import select
from graphad.ops.special.base import POSITIVE, Ordered, of_order
from graphad.ops.special.error import FloatFunction
from graphad.ops.special.parameters import above, least, parameter, power, size, within
from graphad.trace import UFUNCS
from graphad.types import Array

# -- Bessel functions of real order -------------------------------------------------------------------------------

_ORDER = ((0.3, 3.0), (0.5, 4.0))


def _neighbours(name: str, below: float, above: float, own: Callable[[Any], Any] | None = None) -> list[Partial]:
    """The derivative by the neighbouring orders, and `own(x)` times the function itself."""

    def slope(out: Array, v: Array, x: Array) -> Array:
        op: Any = OPS[name]
        found = below * op(v - 1, x) + above * op(v + 1, x)
        return found if own is None else found + own(x) * out

    return [of_order(name), slope]


jv, yv, iv, kv = (
    elementwise(
        name, code=f"special_{name}({{0}}, {{1}})", singular=True, domain=_ORDER,
        partials=_neighbours(name, below, above),
    )
    for name, below, above in (("jv", 0.5, -0.5), ("yv", 0.5, -0.5), ("iv", 0.5, 0.5), ("kv", -0.5, -0.5))
)  # fmt: skip


def _real_sign(name: str, x: Array) -> Array:
    if x.dtype.kind == "c":
        raise MissingRuleError(f"{name} of complex numbers has no complex derivative; write it by {name[:-1]} and exp")
    return sign(x)


ive = elementwise(
    "ive", code="special_ive({0}, {1})", singular=True, domain=_ORDER,
    partials=_neighbours("ive", 0.5, 0.5, lambda x: -_real_sign("ive", x)),
)
kve = elementwise(
    "kve", code="special_kve({0}, {1})", singular=True, domain=_ORDER,
    partials=_neighbours("kve", -0.5, -0.5, lambda x: scalar(1, x.dtype)),
)
UFUNCS["jn"] = jv
k0 = elementwise("k0", code="special_k0({0})", partials=[lambda out, x: -k1(x)], singular=True, domain=POSITIVE)
k1: Any = elementwise(
    "k1", code="special_k1({0})", partials=[lambda out, x: -k0(x) - out / x], singular=True, domain=POSITIVE
)
k0e: Any = elementwise(
    "k0e", code="special_k0e({0})", partials=[lambda out, x: out - k1e(x)], singular=True, domain=POSITIVE
)
k1e: Any = elementwise(
    "k1e", code="special_k1e({0})", singular=True, domain=POSITIVE,
    partials=[lambda out, x: out * (1 - 1 / x) - k0e(x)],
)
y0 = elementwise("y0", code="special_y0({0})", partials=[lambda out, x: -y1(x)], singular=True, domain=POSITIVE)
y1: Any = elementwise(
    "y1", code="special_y1({0})", partials=[lambda out, x: y0(x) - out / x], singular=True, domain=POSITIVE
)


# -- Bessel and Hankel functions of real order ---------------------------------------------------------------------


class _OfRealOrder(Ufunc, abstract=True):
    """Samples have a real order and a complex argument."""

    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        v, z = np.array([0.3, 1.5, 2.75]), np.array([[0.5 + 0.3j, 2.0 - 0.4j, 3.0 + 1j], [1.0 + 0j, 1j, 4.0 - 1j]])
        yield Sample(self, (v, z))
        yield Sample(self, (v.astype("f4"), z.astype("c8")))
        yield Sample(self, (v[:1], z[:0]))


def _hankel(name: str, own: complex) -> Sequence[Partial]:
    def slope(out: Array, v: Array, z: Array) -> Array:
        op: Any = OPS[name]
        return 0.5 * (op(v - 1, z) - op(v + 1, z)) + (own * out if own else 0)

    return of_order(name), slope


# The scaled functions are times exp(-i z) and exp(i z).
for _name, _own in (("hankel1", 0), ("hankel1e", -1j), ("hankel2", 0), ("hankel2e", 1j)):
    elementwise(_name, partials=_hankel(_name, _own), singular=True, base=_OfRealOrder)


def _scaled(name: str) -> Sequence[Partial]:
    def slope(out: Array, v: Array, x: Array) -> Array:
        if x.dtype.kind == "c":
            raise MissingRuleError(f"{name} of a complex number is not holomorphic; scale {name[0]}v by its factor")
        op: Any = OPS[name]
        return 0.5 * (op(v - 1, x) - op(v + 1, x))

    return of_order(name), slope


# Times exp(-abs(imag(z))): as the unscaled ones for real operands.
for _name in ("jve", "yve"):
    elementwise(
        _name, code=f"special_{_name}({{0}}, {{1}})", partials=_scaled(_name), singular=True,
        domain=((0.3, 3.0), POSITIVE),
    )  # fmt: skip
# SciPy cuts an order that is no integer.
UFUNCS["kn"] = lambda n, x: kv(truncated(n), x)
UFUNCS["yn"] = lambda n, x: yv(truncated(n), x)


# -- Struve functions ----------------------------------------------------------------------------------------------

besselpoly: Any = elementwise(
    "besselpoly", code="special_besselpoly({0}, {1}, {2})", singular=True,
    domain=((0.3, 2.0), (0.5, 2.0), (1.2, 3.0)),
    partials=[
        lambda out, a, lmb, nu: besselpoly(a, lmb + 1, nu - 1) - besselpoly(a, lmb + 1, nu + 1),
        parameter("besselpoly", 1, lambda a, lmb, nu: least(within(power(a)), above(-1 - nu, lmb))),
        parameter("besselpoly", 2, lambda a, lmb, nu: least(within(power(a), size(nu)), above(-1 - lmb, nu))),
    ],
)  # fmt: skip


# -- spherical Bessel functions ------------------------------------------------------------------------------------


class SphericalBessel(Ordered):
    """The spherical Bessel function of a kind: `jn`, `yn`, `in` or `kn`; operands `n, z`."""

    host_only = "SciPy computes it, for NumPy's arrays"
    kind: str
    kinds = "fdFD"

    @property
    def partials(self) -> Sequence[Partial]:
        return None, lambda out, n, z: self.derivative(n, z)

    def derivative(self, n: Array, z: Array) -> Array:
        """DLMF 10.51.2 and 10.51.5, which have no quotient by `z`."""
        below, above = (-1.0 if self.kind == "kn" else 1.0), (1.0 if self.kind == "in" else -1.0)
        degree = cast(n, z.dtype)
        lower, upper = self(maximum(n - 1, 0), z), self(n + 1, z)
        # Of order 0 there is no lower one; its factor is 0, which leaves nothing of an infinite one.
        lower = select(n == 0, scalar(0, z.dtype), degree * lower)
        return (below * lower + above * (degree + 1) * upper) / (2 * degree + 1)

    def eval(self, xp: Any, *xs: Any) -> Array:
        from scipy import special

        n, z = xs
        return getattr(special, f"spherical_{self.kind}")(n, z).astype(z.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        n, x = np.array([0, 1, 4]), np.array([[0.5, 1.5, 6.25], [3.0, 0.75, 1.0]])
        for kind in ("jn", "yn", "in", "kn"):
            yield Sample(cls(kind), (n, x))
        yield Sample(cls("jn"), (n, x.astype("f4")))
        yield Sample(cls("jn"), (n[:, None, None], x + 0.5j))
        yield Sample(cls("in"), (n[:1], np.ones((0, 2))))


def spherical(kind: str, n: Any, z: Any, derivative: bool = False) -> Any:
    """SciPy's `spherical_jn` or one of its siblings, by the end of its name."""
    op = SphericalBessel(kind)
    if not derivative:
        return op(n, z)
    _, dtype = op.promote((int, getattr(z, "dtype", type(z)))) or ()
    return op.derivative(n, cast(z, dtype))


class Bessel(FloatFunction):
    """The Bessel function of order `n` of a kind: `jv` (first), `iv` (modified), or `ive` (`iv` times `exp(-abs(x))`).

    Its derivative is a combination of the neighbouring orders, which has no quotient by `x` and so holds at 0.
    """

    kind: str
    n: int

    @property
    def host_only(self) -> str:  # type: ignore[override]
        return "" if self.n <= _MOST else "SciPy computes it, for NumPy's arrays"

    @property
    def singular(self) -> bool:  # type: ignore[override]
        return self.kind == "iv"

    @property
    def code(self) -> str:  # type: ignore[override]
        return f"special_{self.kind}({self.n}.0, {{0}})"

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: _bessel_derivative(self.kind, self.n, out, x),)

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is not np:
            return by_decomposition(self, xp, xs, "composed")
        from scipy import special

        return getattr(special, self.kind)(xs[0].dtype.type(self.n), xs[0])

    def composed(self, x: Any) -> Any:
        from graphad.ops.compositions import orders

        if (self.kind, self.n) in _NAMES:
            return bessel(self.kind, self.n, x)
        wide = cast(x, np.dtype("f8"))
        if self.kind == "jv":
            return cast(orders.first(self.n, wide), x.dtype)
        found = orders.modified(self.n, wide)
        if self.kind == "iv":
            root = np.exp(0.5 * abs(wide))
            found = root * (root * found)
        return cast(found, x.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, -1.5, 2.25], [3.0, -0.75, 1.0]])
        for kind in ("jv", "iv", "ive"):
            for n in (0, 1, 2):
                yield Sample(cls(kind, n), (x,))
        yield Sample(cls("iv", 2), (x.astype("f4"),))
        yield Sample(cls("jv", 2), (np.ones((0, 2)),))


_MOST = 100
"""The largest order that is computed by recurrences."""
_NAMES = {
    ("jv", 0): "j0", ("jv", 1): "j1", ("iv", 0): "i0", ("iv", 1): "i1", ("ive", 0): "i0e", ("ive", 1): "i1e",
}  # fmt: skip


def bessel(kind: str, n: int, x: Array) -> Array:
    """The Bessel function `jv`, `iv` or `ive` of integer order `n`, through SciPy's faster ones for orders 0 and 1."""
    if n < 0:
        return bessel(kind, -n, x) * (-1.0 if kind == "jv" and n % 2 else 1.0)
    name = _NAMES.get((kind, n))
    return OPS[name](x) if name else Bessel(kind, n)(x)  # type: ignore[operator]


def _bessel_derivative(kind: str, n: int, out: Array, x: Array) -> Array:
    if n == 0:
        neighbours = -bessel(kind, 1, x) if kind == "jv" else bessel(kind, 1, x)
    else:
        lower, upper = bessel(kind, n - 1, x), bessel(kind, n + 1, x)
        neighbours = 0.5 * (lower - upper if kind == "jv" else lower + upper)
    return neighbours - sign(x) * out if kind == "ive" else neighbours


j0 = elementwise("j0", code="special_j0({0})", partials=[lambda out, x: _bessel_derivative("jv", 0, out, x)])
j1 = elementwise("j1", code="special_j1({0})", partials=[lambda out, x: _bessel_derivative("jv", 1, out, x)])
i0 = elementwise(
    "i0", shared=True,
    code="special_i0({0})", partials=[lambda out, x: _bessel_derivative("iv", 0, out, x)], singular=True,
)
i1 = elementwise(
    "i1", shared=True,
    code="special_i1({0})", partials=[lambda out, x: _bessel_derivative("iv", 1, out, x)], singular=True,
)
i0e = elementwise(
    "i0e", shared=True, code="special_i0e({0})", partials=[lambda out, x: _bessel_derivative("ive", 0, out, x)]
)
i1e = elementwise(
    "i1e", shared=True, code="special_i1e({0})", partials=[lambda out, x: _bessel_derivative("ive", 1, out, x)]
)


def _of_order(kind: str) -> Any:
    def bessel_of_order(n: Any, x: Any) -> Any:
        # Of a known integer order the derivative holds at 0 too, and orders 0 and 1 have faster functions.
        return bessel(kind, int(n), x) if isinstance(n, (int, np.integer)) else OPS[kind](n, x)  # type: ignore[operator]

    return bessel_of_order


UFUNCS.update({kind: _of_order(kind) for kind in ("jv", "iv", "ive")})


__all__ = [
    "Bessel", "SphericalBessel", "bessel", "besselpoly", "i0", "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jv", "k0",
    "k0e", "k1", "k1e", "kv", "kve", "spherical", "y0", "y1", "yv",
]  # fmt: skip

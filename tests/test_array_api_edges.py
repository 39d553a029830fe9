"""The array API standard at its edges: its special cases, devices, copies, what depends on values, masks."""

from __future__ import annotations

import numpy as np
import pytest
from test_array_api import BINARY, UNARY

import graphad
import graphad.numpy as gnp
from graphad.errors import ShapeError, TracerError

RNG = np.random.default_rng(17)
X = RNG.uniform(0.1, 0.9, (3, 4))
Y = RNG.uniform(0.2, 0.8, (3, 4))

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 1e300, -1e300, 5e-324, np.inf, -np.inf, np.nan])
COMPLEX = np.empty(SPECIAL.size**2, complex)
COMPLEX.real, COMPLEX.imag = np.repeat(SPECIAL, SPECIAL.size), np.tile(SPECIAL, SPECIAL.size)
REAL_ONLY = {
    "atan2", "ceil", "copysign", "floor", "floor_divide", "greater", "greater_equal", "hypot", "less", "less_equal",
    "logaddexp", "maximum", "minimum", "nextafter", "remainder", "signbit", "trunc",
}  # fmt: skip


def agrees(found, wanted):
    """Whether elements are equal within rounding, zeros of the same sign, and NaNs in the same places."""
    if wanted.dtype.kind == "c":
        return agrees(found.real, wanted.real) & agrees(found.imag, wanted.imag)
    if wanted.dtype.kind != "f":
        return found == wanted
    nan, finfo = np.isnan(wanted), np.finfo(wanted.dtype)
    close = (found == wanted) | (np.abs(found - wanted) <= 8 * finfo.eps * np.abs(wanted) + finfo.tiny)
    return np.where(nan, np.isnan(found), close & (np.signbit(found) == np.signbit(wanted)))


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@np.errstate(all="ignore")
def test_special_cases(executor, dtype):
    """Zeros of both signs, infinities and NaN, alone and in pairs, in real and imaginary parts: as NumPy has them."""
    is_complex = dtype[0] == "c"
    one = (COMPLEX if is_complex else SPECIAL).astype(dtype)
    few = one[::7] if is_complex else one
    x, y = np.repeat(few, few.size), np.tile(few, few.size)
    # A quotient of complex numbers at the edge of overflow depends on the way it is computed.
    skipped = REAL_ONLY | {"divide", "reciprocal"} if is_complex else set()
    unary, binary = ([n for n in names if n not in skipped] for names in ([*UNARY, "acosh"], BINARY))
    calls = lambda xp, a, x, y: [getattr(xp, n)(a) for n in unary] + [getattr(xp, n)(x, y) for n in binary]
    found = graphad.jit(lambda a, x, y: calls(gnp, a, x, y), executor=executor)(one, x, y)
    for name, a, b in zip([*unary, *binary], found, calls(np, one, x, y), strict=True):
        assert a.dtype == b.dtype, name
        right = agrees(a, b)
        operands = (one,) if name in unary else (x, y)
        assert right.all(), (name, [o[~right][:3] for o in operands], a[~right][:3], b[~right][:3])


# -- dtypes and shapes --------------------------------------------------------------------------------------------

DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"]
SHAPES = [((2, 3), (3,)), ((), (2,)), ((0, 2), (1, 2)), ((2, 1), (1, 3))]
OF_ONE = {
    **{name: lambda xp, x, name=name: getattr(xp, name)(x) for name in UNARY},
    **{
        f"{name} {axis} {keepdims}": lambda xp, x, name=name, axis=axis, keepdims=keepdims: getattr(xp, name)(
            x, axis=axis, keepdims=keepdims
        )
        for name in ("all", "any", "count_nonzero", "max", "mean", "min", "prod", "std", "sum", "var")
        for axis in (None, -1, ())
        for keepdims in (False, True)
    },
    **{name: lambda xp, x, name=name: getattr(xp, name)(x, axis=-1) for name in (
        "argmax", "argmin", "argsort", "cumulative_prod", "cumulative_sum", "diff", "flip", "sort", "vecdot", "concat",
    )},
    "vecdot": lambda xp, x: xp.vecdot(x, x),
    "concat": lambda xp, x: xp.concat([x, x], axis=-1),
    "cumulative_sum": lambda xp, x: xp.cumulative_sum(x, axis=-1, include_initial=True),
    "matmul": lambda xp, x: xp.matmul(x, xp.matrix_transpose(x)),
    "full_like": lambda xp, x: xp.full_like(x, 1),
    "scalars": lambda xp, x: [x + 1, 2 * x, x - 3, x**2, x // 2, 7 % (x * x + 1), x < 2, x == 1, x & 1, x ^ 1],
    "floats": lambda xp, x: [x + 1.5, x / 2.0, 2.0**x, x > 0.5],
}  # fmt: skip


def outcome(call, *args):
    """What a call gives as a list; None where NumPy's dtypes or shapes do not allow it."""
    try:
        found = call(*args)
    except (TypeError, ValueError):
        return None
    return list(found) if isinstance(found, (list, tuple)) else [found]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@np.errstate(all="ignore")
def test_dtypes_and_shapes(dtype):
    """Every dtype, in arrays without elements or axes, broadcast, with Python scalars: NumPy's dtypes and values."""
    rng = np.random.default_rng(3)
    draw = lambda shape: np.asarray(rng.integers(0 if dtype[0] == "u" else -3, 4, shape)).astype(dtype)
    ones = [draw(shape) for pair in SHAPES for shape in pair]
    pairs = [(draw(a), draw(b)) for a, b in SHAPES]
    # An array without axes has no last one, which NumPy's reductions overlook.
    jobs = [(n, call, (x,)) for n, call in OF_ONE.items() for x in ones if x.ndim or n in UNARY or " None " in n]
    jobs += [(n, lambda xp, x, y, n=n: getattr(xp, n)(x, y), pair) for n in BINARY for pair in pairs]
    jobs = [(name, call, xs, outcome(call, np, *xs)) for name, call, xs in jobs]
    jobs = [job for job in jobs if job[3] is not None]
    found = graphad.jit(lambda all: [call(gnp, *xs) for (_, call, _, _), xs in zip(jobs, all, strict=True)],
                        executor="numpy")([list(job[2]) for job in jobs])  # fmt: skip
    for (name, _, xs, wanted), results in zip(jobs, found, strict=True):
        results = list(results) if isinstance(results, (list, tuple)) else [results]
        for a, b in zip(results, wanted, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), (name, [x.shape for x in xs])
            np.testing.assert_allclose(a, b, rtol=1e-5 if dtype in ("f4", "c8") else 1e-12, err_msg=name)
    assert len(jobs) > 300


# -- devices, copies, versions ------------------------------------------------------------------------------------


def test_devices_streams_and_versions():
    for call, words in (
        (lambda x: x.to_device("gpu"), "to_device: device='gpu'"),
        (lambda x: x.to_device("cpu", stream=1), "stream=1"),
        (lambda x: x + gnp.zeros(4, device="gpu"), "zeros: device='gpu'"),
        (lambda x: gnp.ones_like(x, device="gpu"), "ones_like: device='gpu'"),
        (lambda x: gnp.asarray(x, dtype=gnp.float32, copy=False), "copy=False"),
        (lambda x: x.__array_namespace__(api_version="2099.12"), "2099.12"),
    ):
        with pytest.raises(ValueError, match=words):
            graphad.jit(call)(X)
    assert graphad.jit(lambda x: x.__array_namespace__(api_version="2022.12").sum(x, axis=0))(X).shape == (4,)


def test_copies():
    """`copy=True` makes an array of its own, no copy an alias."""

    def f(x):
        xp = x.__array_namespace__()
        kept = [xp.asarray(x, copy=True), xp.astype(x, x.dtype), xp.reshape(x, (4, 3), copy=True)]
        alias = [xp.asarray(x), xp.asarray(x, copy=False), xp.astype(x, x.dtype, copy=False), xp.from_dlpack(x)]
        x[0, 0] = 7.0
        return kept, alias

    kept, alias = graphad.jit(f)(X)
    assert all(a.flat[0] == X[0, 0] for a in kept)
    assert all(a.flat[0] == 7.0 for a in alias)


def test_known_values_are_exchanged_by_dlpack():
    found = graphad.jit(lambda x: x + np.from_dlpack(gnp.ones(4)) + gnp.from_dlpack(np.ones(4)))(X)
    np.testing.assert_array_equal(found, X + 2)


def test_capabilities_depend_on_what_is_known():
    told = lambda: gnp.__array_namespace_info__().capabilities()["data-dependent shapes"]
    seen = []
    graphad.jit(lambda x: [seen.append(told()), x][1])(X)
    graphad.grad(lambda x: [seen.append(told()), np.sum(x)][1])(X)
    assert (told(), *seen) == (True, False, True)
    # Where values are known, so are shapes that depend on them.
    values = lambda x: np.sum(gnp.unique_values(x) ** 2) + np.sum(x[gnp.nonzero(x > 1.5)[0]]) + np.sum(x[x > 2.5])
    np.testing.assert_array_equal(graphad.grad(values)(np.array([1.0, 2.0, 3.0])), [2.0, 5.0, 8.0])


def test_dtypes_that_are_not_widened():
    """`vecdot` of small integers keeps their dtype; `fftfreq` takes one."""
    small = np.arange(6, dtype="i2").reshape(2, 3)
    found = graphad.jit(lambda n: [gnp.vecdot(n, n), gnp.linalg.vecdot(n, n, axis=0)])(small)
    for a, b in zip(found, [np.vecdot(small, small), np.linalg.vecdot(small, small, axis=0)], strict=True):
        assert a.dtype == b.dtype == "i2"
        np.testing.assert_array_equal(a, b)
    sums = lambda b: [gnp.sum(b, axis=0, dtype=bool), gnp.prod(b, axis=0, dtype=bool)]
    for a, b in zip(graphad.jit(sums)(X > 0.5), [(X > 0.5).any(axis=0), (X > 0.5).all(axis=0)], strict=True):
        np.testing.assert_array_equal(a, b)
    assert gnp.fft.fftfreq(4, dtype=gnp.float32).dtype == gnp.fft.rfftfreq(4, dtype=gnp.float32).dtype == "f4"
    with pytest.raises(ShapeError, match="vecdot"):
        graphad.jit(lambda x: gnp.vecdot(x, x[:, :1]))(X)


def test_no_axes_to_roll_along():
    np.testing.assert_array_equal(graphad.jit(lambda x: gnp.roll(x, 2, axis=()))(X), X)


# -- masks --------------------------------------------------------------------------------------------------------


def test_what_a_traced_mask_chooses_is_a_copy():
    """Later changes of the array do not reach it; a mask that is computed again is the same mask."""

    def f(x, y):
        x, before = x.copy(), x[x > 0.5]
        x[x > 0.5] = y[x > 0.5] + np.where(before > 0.7, before, 0.0)
        return x, before.sum()

    for a, b in zip(graphad.jit(f)(X, Y), f(X, Y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    chosen = lambda x: (x[x > 0.5], x.fill(0.0))[0].sum()
    np.testing.assert_allclose(graphad.jit(chosen)(X), X[X > 0.5].sum())


def test_another_mask_is_refused():
    """Its elements would have to move to other places."""
    with pytest.raises(TracerError, match="another mask"):
        graphad.jit(lambda x, y: x.__setitem__(x > 0.5, y[y < 0.5]))(X, Y)


def test_masked_assignment_is_exact_in_every_dtype():
    def f(n, mask):
        n[mask] = 1
        return n

    n = np.array([2**63 + 1, 0, 2], "u8")
    np.testing.assert_array_equal(graphad.jit(f)(n, np.array([False, True, False])), np.array([2**63 + 1, 1, 2], "u8"))

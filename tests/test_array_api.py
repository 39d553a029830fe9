"""The Python array API standard (2024.12): every function, attribute and operator on traced values."""

from __future__ import annotations

import inspect
import operator
import sys

import numpy as np
import pytest

import graphad
import graphad.numpy as gnp
from graphad.errors import TracerError
from graphad.trace import Tracer

compat = pytest.importorskip("array_api_compat.numpy")

RNG = np.random.default_rng(17)
X = RNG.uniform(0.1, 0.9, (3, 4))
Y = RNG.uniform(0.2, 0.8, (3, 4))
N = RNG.integers(1, 9, (3, 4))
B = X > 0.5
Z = X + 1j * Y
S = X[:, :3] @ X[:, :3].T + np.eye(3)

UNARY = [
    "abs",
    "acos",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log1p",
    "log10",
    "log2",
    "negative",
    "positive",
    "reciprocal",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
]
BINARY = [
    "add",
    "atan2",
    "copysign",
    "divide",
    "equal",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "less",
    "less_equal",
    "logaddexp",
    "maximum",
    "minimum",
    "multiply",
    "nextafter",
    "not_equal",
    "pow",
    "remainder",
    "subtract",
]

# What each function is called with: `c` has the arrays x, y (floats), n (integers), b (booleans), z (complex), s.
CALLS = {
    **{name: lambda xp, c, name=name: getattr(xp, name)(c.x) for name in UNARY},
    **{name: lambda xp, c, name=name: getattr(xp, name)(c.x, c.y) for name in BINARY},
    "acosh": lambda xp, c: xp.acosh(c.x + 1),
    "bitwise": lambda xp, c: [
        xp.bitwise_and(c.n, 3), xp.bitwise_or(c.n, c.n + 1), xp.bitwise_xor(c.n, 5), xp.bitwise_invert(c.n),
        xp.bitwise_left_shift(c.n, 2), xp.bitwise_right_shift(c.n, 1),
    ],
    "logical": lambda xp, c: [
        xp.logical_and(c.b, ~c.b), xp.logical_or(c.b, ~c.b), xp.logical_xor(c.b, c.b), xp.logical_not(c.b),
    ],
    "complex": lambda xp, c: [xp.conj(c.z), xp.real(c.z), xp.imag(c.z), xp.abs(c.z), xp.exp(c.z), xp.sqrt(c.z)],
    "clip": lambda xp, c: [xp.clip(c.x, 0.3, 0.6), xp.clip(c.x, min=0.4), xp.clip(c.x, max=c.y)],
    "asarray": lambda xp, c: [
        xp.asarray(c.x), xp.asarray(c.x, dtype=xp.float32), xp.asarray(c.x, copy=True), xp.asarray([1.0, 2.0]),
    ],
    "creation": lambda xp, c: [
        xp.zeros((2, 3)), xp.ones(3, dtype=xp.int64), xp.full((2,), 3.0), xp.arange(5), xp.arange(1.0, 4.0, 0.5),
        xp.linspace(0.0, 1.0, 5), xp.linspace(0.0, 1.0, 4, endpoint=False), xp.eye(3), xp.eye(2, 3, k=1),
        xp.zeros_like(c.x), xp.ones_like(c.n), xp.full_like(c.x, 2.5), xp.full((), 2),
    ],
    "tril": lambda xp, c: [xp.tril(c.x), xp.triu(c.x, k=1)],
    "meshgrid": lambda xp, c: list(xp.meshgrid(c.x[0, :], c.y[:, 0], indexing="ij")),
    "astype": lambda xp, c: [xp.astype(c.x, xp.float32), xp.astype(c.n, xp.float64), xp.astype(c.b, xp.int64)],
    "broadcast": lambda xp, c: [xp.broadcast_to(c.x, (2, 3, 4)), *xp.broadcast_arrays(c.x, c.y[:1, :])],
    "sums": lambda xp, c: [
        xp.sum(c.x), xp.sum(c.x, axis=0), xp.sum(c.n, axis=(0, 1)), xp.sum(c.x, keepdims=True), xp.prod(c.x, axis=1),
        xp.sum(c.x, dtype=xp.float32), xp.cumulative_sum(c.x, axis=1), xp.cumulative_prod(c.x, axis=0),
        xp.cumulative_sum(c.x, axis=0, include_initial=True),
    ],
    "statistics": lambda xp, c: [
        xp.mean(c.x, axis=-1), xp.var(c.x, axis=0, correction=1.0), xp.std(c.x), xp.max(c.x, axis=1), xp.min(c.x),
        xp.max(c.n, axis=0, keepdims=True),
    ],
    "truth": lambda xp, c: [xp.all(c.b), xp.any(c.b, axis=0), xp.all(c.b, axis=1, keepdims=True)],
    "searching": lambda xp, c: [
        xp.argmax(c.x, axis=1), xp.argmin(c.x), xp.argmax(c.x, axis=0, keepdims=True), xp.where(c.b, c.x, c.y),
        xp.searchsorted(xp.sort(c.x[0, :]), c.y[0, :]), xp.searchsorted(xp.sort(c.x[0, :]), c.y[0, :], side="right"),
        xp.count_nonzero(c.b), xp.count_nonzero(c.b, axis=0),
    ],
    "sort": lambda xp, c: [
        xp.sort(c.x), xp.sort(c.x, axis=0), xp.argsort(c.x), xp.sort(c.x, descending=True), xp.sort(c.x, stable=False),
        xp.argsort(c.x, axis=0, descending=True), xp.sort(c.n, descending=True),
        xp.argsort(c.n % 3, descending=True, stable=True),
    ],
    "manipulation": lambda xp, c: [
        xp.concat([c.x, c.y], axis=1), xp.concat([c.x, c.y], axis=None), xp.stack([c.x, c.y], axis=-1), xp.flip(c.x),
        xp.expand_dims(c.x, axis=1), xp.squeeze(c.x[:, None, :], axis=1), xp.permute_dims(c.x, (1, 0)), xp.roll(c.x, 2),
        xp.reshape(c.x, (2, 6)), xp.reshape(c.x, (-1,), copy=True), xp.tile(c.x, (2, 1)), xp.repeat(c.x, 2, axis=0),
        xp.moveaxis(c.x, 0, 1), *xp.unstack(c.x), xp.roll(c.x, (1, 2), axis=(0, 1)), xp.flip(c.x, axis=1),
    ],
    "indexing functions": lambda xp, c: [
        xp.take(c.x, xp.asarray([0, 2]), axis=1), xp.take_along_axis(c.x, xp.argsort(c.x, axis=1), axis=1),
        xp.isin(c.n, xp.asarray([1, 3, 5])), xp.isin(c.n, xp.asarray([1, 3]), invert=True), xp.diff(c.x, axis=0),
    ],
    "products": lambda xp, c: [
        xp.matmul(c.x, c.y.T), xp.matrix_transpose(c.x), xp.tensordot(c.x, c.y, axes=2), xp.vecdot(c.x, c.y),
        xp.tensordot(c.x, c.y, axes=((0,), (0,))), xp.vecdot(c.z, c.z, axis=0),
    ],
    "linalg": lambda xp, c: [
        xp.linalg.cholesky(c.s), xp.linalg.cholesky(c.s, upper=True), xp.linalg.det(c.s), xp.linalg.inv(c.s),
        xp.linalg.solve(c.s, c.x), xp.linalg.eigvalsh(c.s), xp.linalg.svdvals(c.x), *xp.linalg.slogdet(c.s),
        xp.linalg.matrix_norm(c.x), xp.linalg.matrix_norm(c.x, ord="nuc"), xp.linalg.vector_norm(c.x),
        xp.linalg.vector_norm(c.x, axis=1, ord=1), xp.linalg.matrix_power(c.s, 3), xp.linalg.matrix_rank(c.x),
        xp.linalg.pinv(c.x), xp.linalg.trace(c.s, offset=1), xp.linalg.diagonal(c.x),
        xp.linalg.outer(c.x[0, :], c.y[0, :]),
        xp.linalg.cross(c.x[:, :3], c.y[:, :3]), xp.linalg.vecdot(c.x, c.y), xp.linalg.matmul(c.x, c.y.T),
        xp.linalg.eigh(c.s).eigenvalues, xp.abs(xp.linalg.qr(c.x).R), xp.linalg.svd(c.x, full_matrices=False).S,
        xp.linalg.matrix_transpose(c.x), xp.linalg.tensordot(c.x, c.y),
    ],
    "fft": lambda xp, c: [
        xp.fft.fft(c.z), xp.fft.ifft(c.z, n=5), xp.fft.rfft(c.x, axis=0), xp.fft.irfft(c.z, n=6), xp.fft.fftn(c.z),
        xp.fft.ifftn(c.z, axes=(0,)), xp.fft.rfftn(c.x), xp.fft.irfftn(c.z), xp.fft.hfft(c.z), xp.fft.ihfft(c.x),
        xp.fft.fftshift(c.x), xp.fft.ifftshift(c.x, axes=1), xp.fft.fftfreq(5), xp.fft.rfftfreq(6, d=0.5),
        xp.fft.fft(c.z, norm="ortho"),
    ],
    "sets of known values": lambda xp, c: [
        xp.unique_values(xp.asarray([3, 1, 3])), *xp.unique_counts(xp.asarray([3, 1, 3])),
        *xp.unique_inverse(xp.asarray([3, 1, 3])), *xp.nonzero(xp.asarray([0, 1, 1])),
    ],
    "attributes": lambda xp, c: [c.x.T, c.x.mT, c.x[0, ...], c.x[..., None], c.x[1:, ::-2], c.x.to_device("cpu")],
}  # fmt: skip


class Arrays:
    """The operands of a call."""

    def __init__(self, arrays):
        self.x, self.y, self.n, self.b, self.z, self.s = arrays


ARRAYS = [X, Y, N, B, Z, S]


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_every_function(executor):
    """Traced calls give what NumPy gives under the standard's names and keywords, in dtype too."""

    def run(arrays, xp=None):
        xp = xp or arrays[0].__array_namespace__()
        found = {}
        for name, call in CALLS.items():
            result = call(xp, Arrays(arrays))
            found[name] = list(result) if isinstance(result, (list, tuple)) else [result]
        return found

    found, wanted = graphad.jit(run, executor=executor)(ARRAYS), run(ARRAYS, compat)
    for name, results in wanted.items():
        for i, (a, b) in enumerate(zip(found[name], results, strict=True)):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=f"{name} {i}")
            assert (np.asarray(a).dtype, np.shape(a)) == (np.asarray(b).dtype, np.shape(b)), f"{name} {i}"


def test_the_table_covers_the_standard():
    strict = pytest.importorskip("array_api_strict")
    text = inspect.getsource(sys.modules[__name__])
    modules = ((strict, ""), (strict.linalg, "linalg."), (strict.fft, "fft."))
    constants_and_types = ("e", "inf", "nan", "newaxis", "pi", "Device", "DType", "bool")
    missing = []
    for module, prefix in modules:
        for name in module.__all__:
            value = getattr(module, name)
            plain = not callable(value) or isinstance(value, type) or "strict" in name or name.startswith("_")
            if plain or name in constants_and_types or name in UNARY + BINARY or name in ABOUT_DTYPES:
                continue
            if f"xp.{prefix}{name}(" not in text:
                missing.append(prefix + name)
    assert missing == []


ABOUT_DTYPES = (
    "can_cast", "finfo", "iinfo", "isdtype", "result_type", "from_dlpack", "empty", "empty_like", "unique_all",
    "broadcast_shapes",
)  # fmt: skip


def test_functions_about_dtypes():
    def f(x, n):
        xp = x.__array_namespace__()
        assert xp.isdtype(x.dtype, "real floating")
        assert xp.result_type(x, n) == np.float64
        assert xp.result_type(n, 1) == np.int64
        assert xp.can_cast(n, xp.float64)
        assert xp.finfo(x.dtype).bits == 64
        assert xp.iinfo(n.dtype).max == 2**63 - 1
        assert xp.broadcast_shapes(x.shape, (1, 4)) == (3, 4)
        assert xp.empty_like(x).shape == xp.empty((3, 4)).shape == (3, 4)
        assert xp.__array_api_version__ >= "2024.12"
        info = xp.__array_namespace_info__()
        assert info.default_dtypes()["real floating"] == np.float64
        assert {"float64", "complex128", "bool"} <= set(info.dtypes())
        assert (x.ndim, x.size, x.device) == (2, 12, "cpu")
        return x

    graphad.jit(f)(X, N)


OPERATORS = [
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor", "lshift", "rshift", "lt",
    "le", "gt", "ge", "eq", "ne",
]  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    """With arrays and with Python scalars on either side, which take the array's dtype; and in place."""
    f = getattr(operator, name)
    whole = name in ("and_", "or_", "xor", "lshift", "rshift")
    a, b = (N, N % 5) if whole else (X, Y)
    if name == "matmul":
        a, b = X, Y.T
    calls = [lambda x, y: f(x, y)]
    if name != "matmul":
        scalar = 2 if whole else 1.5
        calls += [lambda x, y: f(x, scalar), lambda x, y: f(scalar, x)]
    for kind in (None, np.int32 if whole else np.float32):
        x, y = (a, b) if kind is None else (a.astype(kind), b.astype(kind))
        for call in calls:
            found, wanted = graphad.jit(call, executor="numpy")(x, y), call(x, y)
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
            assert found.dtype == wanted.dtype
    inplace = getattr(operator, f"i{name.rstrip('_')}", None)
    if inplace is not None and name != "matmul":
        np.testing.assert_allclose(graphad.jit(lambda x, y: inplace(x, y))(a, b), f(a, b))


def test_promotion_follows_the_standard():
    kinds = [
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
    pairs = [(a, b) for a in kinds for b in kinds]
    run = lambda xs: [x + y for x, y in xs]
    found = graphad.jit(run, executor="numpy")([(np.ones(2, a), np.ones(2, b)) for a, b in pairs])
    for (a, b), x in zip(pairs, found, strict=True):
        assert x.dtype == np.result_type(np.dtype(a), np.dtype(b)), (a, b)


def test_what_needs_values_is_refused_with_the_remedy():
    for call, remedy in (
        (lambda x: x.__array_namespace__().unique_values(x), "size"),
        (lambda x: x.__array_namespace__().nonzero(x > 0.5), "size"),
        (lambda x: x[x > 0.5], "numpy.where"),
        (lambda x: x.__array_namespace__().repeat(x, x.astype(int)), "total_repeat_length"),
    ):
        with pytest.raises(TracerError, match=remedy):
            graphad.jit(call)(X)


def test_signatures():
    """Every name of the standard is there and takes its arguments under its keywords."""
    strict = pytest.importorskip("array_api_strict")
    wrong = []
    for theirs, ours in ((strict, gnp), (strict.linalg, gnp.linalg), (strict.fft, gnp.fft)):
        for name in theirs.__all__:
            if name.startswith("_") or "strict" in name.lower() or name == "Device":
                continue
            wanted, found = getattr(theirs, name), getattr(ours, name)
            if not callable(wanted) or isinstance(wanted, type):
                continue
            parameters = inspect.signature(found).parameters
            any_keyword = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
            for p in inspect.signature(wanted).parameters.values():
                if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in parameters and not any_keyword:
                    wrong.append((name, p.name))
    assert wrong == []


def test_functions_that_give_views_and_copies_tell_their_arguments():
    for theirs, ours in ((np, gnp), (np.linalg, gnp.linalg)):
        for name in ("reshape", "roll", "repeat", "broadcast_to", "linspace", "squeeze", "flip", "diagonal"):
            if hasattr(theirs, name):
                parameters = inspect.signature(getattr(ours, name)).parameters
                wanted = set(inspect.signature(getattr(theirs, name)).parameters) - {"subok"}
                assert wanted <= set(parameters), name
                assert all(p.kind is not p.VAR_POSITIONAL for p in parameters.values()), name


def test_attributes_are_there():
    strict = pytest.importorskip("array_api_strict")
    names = [n for n in dir(strict.asarray(1.0)) if not n.startswith("_") or n.endswith("__")]
    assert [n for n in names if n not in ("__buffer__", "__weakref__") and not hasattr(Tracer, n)] == []

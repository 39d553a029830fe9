"""Complex numbers: one convention (that of JAX), holomorphic derivatives, real parts, zeros and branch cuts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphad
from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.op import OPS
from graphad.ops.elementwise import Ufunc

RNG = np.random.default_rng(21)
Z = RNG.normal(size=6) + 1j * RNG.normal(size=6)
W = RNG.normal(size=6) + 1j * RNG.normal(size=6)
H = 1e-6
NOT_HOLOMORPHIC = {"conjugate", "sign"}
ONCE = {"gamma", "loggamma", "rgamma"}
"""Functions whose second derivative needs a polygamma function, which SciPy has for real numbers only."""

REAL_ONLY = {"psi", "elliprc", "elliprd", "elliprf", "elliprg", "elliprj", "ive", "jve", "yve"}
"""Functions of complex numbers whose derivatives are in real ones only; they say so."""


def holomorphic(arity):
    """The ops of a ufunc of complex numbers, by the op definitions."""
    for name, op in OPS.items():
        if isinstance(op, Ufunc) and op.ufunc.nin == arity and name not in NOT_HOLOMORPHIC | REAL_ONLY:
            try:
                kinds = [dtype.kind for dtype in op.result_dtypes(*[np.dtype(complex)] * arity)]
            except TypeMismatchError:
                continue
            if kinds == ["c"] * (arity + 1):
                yield name, lambda *zs, op=op: op(*zs)


UNARY, BINARY = dict(holomorphic(1)), dict(holomorphic(2))
MORE = {
    "real power": lambda z: z**2.5, "integer power": lambda z: z**5, "negative power": lambda z: z**-2,
    "sinc": np.sinc, "product": lambda z: np.prod(z) / z[0] ** 0.5, "polyval": lambda z: np.polyval([1j, 2.0, 3.0], z),
    "cumprod": np.cumprod, "fft": np.fft.fft, "irfft of a spectrum": lambda z: np.fft.ifft(z**2),
    "solve": lambda z: np.linalg.solve(z.reshape(2, 3)[:, :2] + 3 * np.eye(2), z[:2]),
    "det": lambda z: np.linalg.det(np.outer(z, z[::-1])[:3, :3] + 2 * np.eye(3)),
    "inv": lambda z: np.linalg.inv(np.diag(z) + 1.0), "einsum": lambda z: np.einsum("i,j,i->j", z, z, z),
    "matmul": lambda z: z.reshape(2, 3) @ z.reshape(3, 2), "where": lambda z: np.where(np.real(z) > 0, z**2, -z),
    "gather": lambda z: z[[0, 0, 3]] * z[1], "mean": lambda z: np.mean(z**2), "exp of log": lambda z: np.exp(np.log(z)),
}  # fmt: skip
HOLOMORPHIC = {**UNARY, **MORE}


def inner(a, b):
    return np.sum(np.asarray(a) * np.asarray(b))


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_holomorphic_functions(name):
    """Forward and reverse mode give the complex derivative: along 1 and along i it is the same number times these."""
    f = HOLOMORPHIC[name]
    direction = W * 0.5
    difference = (f(Z + H * direction) - f(Z - H * direction)) / (2 * H)
    _, tangent = graphad.jvp(f, (Z,), (direction,))
    np.testing.assert_allclose(tangent, difference, rtol=1e-7, atol=1e-7)
    _, turned = graphad.jvp(f, (Z,), (1j * direction,))
    np.testing.assert_allclose(turned, 1j * tangent, rtol=1e-10, atol=1e-12)
    gradient = graphad.grad(lambda z: np.sum(f(z)), holomorphic=True)(Z)
    np.testing.assert_allclose(inner(gradient, direction), np.sum(difference), rtol=1e-7, atol=1e-7)
    if name in ONCE:
        return
    second = graphad.jvp(graphad.grad(lambda z: np.sum(f(z)), holomorphic=True), (Z,), (direction,))[1]
    change = [graphad.grad(lambda z: np.sum(f(z)), holomorphic=True)(Z + s * H * direction) for s in (1, -1)]
    np.testing.assert_allclose(second, (change[0] - change[1]) / (2 * H), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", BINARY)
def test_holomorphic_functions_of_two(name):
    f = BINARY[name]
    for i in (0, 1):
        args = lambda s, i=i: [x + s * H * (1 + 2j) * (i == k) for k, x in enumerate((Z, W))]
        difference = np.sum(f(*args(1)) - f(*args(-1))) / (2 * H)
        gradient = graphad.grad(lambda z, w: np.sum(f(z, w)), argnums=i, holomorphic=True)(Z, W)
        np.testing.assert_allclose(np.sum(gradient) * (1 + 2j), difference, rtol=1e-6, atol=1e-6)


REAL = {
    "absolute": np.abs,
    "absolute squared": lambda z: np.abs(z) ** 2,
    "angle": np.angle,
    "real": np.real,
    "imag": np.imag,
    "norm": np.linalg.norm,
    "z conj(z)": lambda z: np.real(z * np.conj(z)),
    "log of absolute": lambda z: np.log(np.abs(z)),
    "of a conjugate": lambda z: np.real(np.exp(np.conj(z)) * z),
    "vdot": lambda z: np.real(np.vdot(z, z[::-1] * 1j)),
    "sign": lambda z: np.real(np.sign(z) * (1 + 2j)),
    "power spectrum": lambda z: np.abs(np.fft.fft(z)) ** 2,
    "eigenvalues": lambda z: np.linalg.eigvalsh(np.outer(z, np.conj(z))[:3, :3] + np.diag([1.0, 2.0, 4.0])),
    "cholesky": lambda z: np.abs(np.linalg.cholesky(np.outer(z, np.conj(z))[:3, :3] + 2 * np.eye(3))),
    "singular values": lambda z: np.linalg.svdvals(z.reshape(2, 3)),
    "slogdet": lambda z: np.linalg.slogdet(np.diag(z) + 2)[1],
    "hypot of parts": lambda z: np.hypot(np.real(z), np.imag(z)),
    "nuclear": lambda z: np.linalg.norm(z.reshape(2, 3), "nuc"),
    "var": np.var,
    "sum of parts": lambda z: z.real * z.imag,
    "solve": lambda z: np.abs(np.linalg.solve(np.diag(z) + 3, z)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_functions_of_complex_numbers(name):
    """The gradient of a real loss is dL/dx - i dL/dy, so that dL = real(sum(gradient * dz))."""
    loss = lambda z: np.sum(np.cos(REAL[name](z)))
    gradient = graphad.grad(loss)(Z)
    along_x = np.array([(loss(Z + H * e) - loss(Z - H * e)) / (2 * H) for e in np.eye(6)])
    along_y = np.array([(loss(Z + 1j * H * e) - loss(Z - 1j * H * e)) / (2 * H) for e in np.eye(6)])
    np.testing.assert_allclose(gradient, along_x - 1j * along_y, rtol=1e-6, atol=1e-7)
    _, slope = graphad.jvp(loss, (Z,), (W,))
    assert slope == pytest.approx(np.real(inner(gradient, W)), rel=1e-9)


COMPLEX = {
    "cis": lambda x: np.exp(1j * x),
    "complex power": lambda x: (1 + x**2) ** (0.5 + 1j),
    "fft": np.fft.rfft,
    "parts": lambda x: x + 1j * x**2,
    "eigenvalues": lambda x: np.linalg.eigvals(np.diag(x) + np.eye(6, k=1) - np.eye(6, k=-1)),
    "cast": lambda x: x.astype(complex) * (2 + 1j),
    "log": lambda x: np.log(x + 0j),
    "sqrt": lambda x: np.sqrt(x + 0j),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_functions_of_real_numbers(name):
    f, x, t = COMPLEX[name], Z.real, W.real
    difference = (f(x + H * t) - f(x - H * t)) / (2 * H)
    _, tangent = graphad.jvp(f, (x,), (t,))
    np.testing.assert_allclose(tangent, difference, rtol=1e-6, atol=1e-7)
    ct = np.exp(1j * np.arange(difference.size))
    _, back = graphad.vjp(f, x)
    gradient = back(ct)[0]
    assert gradient.dtype == np.float64
    assert np.sum(gradient * t) == pytest.approx(np.real(inner(ct, difference)), rel=1e-6)


@pytest.mark.parametrize("wrap", [lambda f: f, graphad.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("jacobian", [graphad.jacfwd, graphad.jacrev])
def test_jacobians_between_real_and_complex_numbers(jacobian, wrap):
    waves = lambda x: {"wave": x[0] * np.exp(1j * x[1]), "sum": np.sum(x)}
    found = wrap(jacobian(waves))(np.array([2.0, 0.5]))
    assert np.allclose(found["wave"], [np.exp(0.5j), 2j * np.exp(0.5j)])
    assert found["sum"].tolist() == [1.0, 1.0]
    mixed = lambda z, x: (np.abs(z) ** 2, x * z**2)
    (by_z, by_x), (square_by_z, square_by_x) = wrap(jacobian(mixed, (0, 1)))(1.0 + 2.0j, 3.0)
    assert np.allclose([by_z, by_x], [2.0 - 4.0j, 0.0])
    assert np.allclose([square_by_z, square_by_x], [6.0 + 12.0j, (1.0 + 2.0j) ** 2])


def test_the_law_of_transposition():
    """`real(<ct, jvp(t)>) == real(<vjp(ct), t>)` with a product that does not conjugate."""
    f = lambda z: np.conj(z) * np.exp(z[::-1]) + np.abs(z)
    _, tangent = graphad.jvp(f, (Z,), (W,))
    ct = W[::-1] * 1j
    (back,) = graphad.vjp(f, Z)[1](ct)
    assert np.real(inner(ct, tangent)) == pytest.approx(np.real(inner(back, W)), rel=1e-12)


def test_descent_goes_along_the_conjugate():
    target = 2 - 1j
    z = 0j
    for _ in range(60):
        z = z - 0.2 * np.conj(graphad.grad(lambda z: np.abs(z - target) ** 2)(z))
    assert z == pytest.approx(target, abs=1e-8)


AT_ZERO = {
    "absolute": (np.abs, 0.0), "square": (lambda z: np.real(z * np.conj(z)), 0.0),
    "norm": (lambda z: np.linalg.norm(np.stack([z, z])), 0.0), "sine": (lambda z: np.real(np.sin(z)), 1.0),
    "power": (lambda z: np.real(z**2), 0.0), "first power": (lambda z: np.imag(z**1), -1j),
    "zeroth power": (lambda z: np.real(z**0), 0.0), "angle": (np.angle, 0.0),
    "sign": (lambda z: np.real(np.sign(z)), 0.0),
    "deviation": (lambda z: np.std(np.stack([z, z])), 0.0), "hypot": (lambda z: np.hypot(z.real, z.imag), 0.0),
    "branch not taken": (lambda z: np.real(np.where(z != 0, np.sqrt(z), 0)), 0.0),
    "power of zero": (lambda z: np.real(0j ** (z + 1)), 0.0), "sinc": (lambda z: np.real(np.sinc(z)), 0.0),
    "fractional power": (lambda z: np.real(z**2.5), 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_ZERO)
def test_derivatives_at_zero(name):
    f, expected = AT_ZERO[name]
    assert graphad.grad(f)(0j) == expected
    assert graphad.jvp(f, (0j,), (1j,))[1] == np.real(expected * 1j)


def test_branch_points_have_no_derivative():
    with np.errstate(all="ignore"):
        for f in (np.sqrt, np.log):
            assert not np.isfinite(graphad.grad(f, holomorphic=True)(0j))


def test_refusals():
    with pytest.raises(TypeMismatchError, match="holomorphic=True differentiates"):
        graphad.grad(np.exp)(1j)
    with pytest.raises(TypeMismatchError, match="needs complex arguments"):
        graphad.grad(np.exp, holomorphic=True)(1.0)
    with pytest.raises(MissingRuleError, match="real x"):
        graphad.grad(OPS["psi"], holomorphic=True)(1j)


def test_holomorphic_of_what_is_not():
    """The gradient of the real part."""
    z = 1 + 2j
    assert graphad.grad(lambda z: z * np.conj(z), holomorphic=True)(z) == 2 * np.conj(z)
    assert graphad.grad(lambda z: 1j * np.real(z), holomorphic=True)(z) == 0


CUTS = {
    "log": (-2.0, "y"), "sqrt": (-2.0, "y"), "log1p": (-3.0, "y"), "log2": (-2.0, "y"), "log10": (-2.0, "y"),
    "arcsin": (2.0, "y"), "arccos": (-2.0, "y"), "arctanh": (2.0, "y"), "arccosh": (0.5, "y"), "arcsinh": (2.0, "x"),
    "arctan": (2.0, "x"), "angle": (-1.0, "y"),
}  # fmt: skip


def test_branch_cuts_have_the_sides_that_signed_zeros_say(executor):
    points = {n: [complex(p, s) if at == "y" else complex(s, p) for s in (0.0, -0.0)] for n, (p, at) in CUTS.items()}
    run = lambda zs: [getattr(np, name)(z) for name, z in zip(CUTS, zs, strict=True)]
    args = [np.array(points[name]) for name in CUTS]
    for name, a, b in zip(CUTS, graphad.jit(run)(args), run(args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14, err_msg=name)
        assert a[0] != a[1], name


def test_infinities_and_nans(executor):
    parts = (0.0, -0.0, 1.0, np.inf, -np.inf, np.nan)
    z = np.array([complex(a, b) for a, b in itertools.product(parts, parts)])
    names = ["absolute", "conjugate", "negative", "exp", "sqrt", "add", "isfinite", "isinf", "isnan", "square"]
    run = lambda z: [f(z) if f.nin == 1 else f(z, z) for f in (getattr(np, name) for name in names)]
    with np.errstate(all="ignore"):
        for name, a, b in zip(names, graphad.jit(run)(z), run(z), strict=True):
            if name in ("exp", "sqrt"):  # C leaves signs and NaNs of some of these open
                keep = np.isfinite(z)
                a, b = a[keep], b[keep]
            np.testing.assert_allclose(a, b, rtol=1e-15, err_msg=name)


def test_every_transformation_together(executor):
    """A gradient of a batch of second derivatives, compiled."""
    f = lambda z: np.real(np.exp(z) * np.conj(z))
    both = graphad.vmap(graphad.value_and_grad(lambda z: np.abs(graphad.grad(f)(z)) ** 2))
    value, gradient = graphad.jit(both)(Z)
    for i, z in enumerate(Z):
        one = lambda z: np.abs(np.exp(z) * (1 + np.conj(z)) - np.exp(z) + np.conj(np.exp(z))) ** 2
        assert value[i] == pytest.approx(one(z), rel=1e-12)
        along = [(one(z + H * d) - one(z - H * d)) / (2 * H) for d in (1, 1j)]
        assert gradient[i] == pytest.approx(along[0] - 1j * along[1], rel=1e-6)


def test_jax_agrees():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    for f, g in (
        (lambda z: np.sum(np.abs(z) ** 3), lambda z: jnp.sum(jnp.abs(z) ** 3)),
        (lambda z: np.sum(np.real(np.conj(z) * np.exp(z))), lambda z: jnp.sum(jnp.real(jnp.conj(z) * jnp.exp(z)))),
        (lambda z: np.sum(np.angle(z)), lambda z: jnp.sum(jnp.angle(z))),
        (lambda z: np.sum(np.imag(z**3) * np.real(z)), lambda z: jnp.sum(jnp.imag(z**3) * jnp.real(z))),
        (lambda z: np.linalg.norm(np.fft.fft(z)[:3]), lambda z: jnp.linalg.norm(jnp.fft.fft(z)[:3])),
    ):
        np.testing.assert_allclose(graphad.grad(f)(Z), jax.grad(g)(Z), rtol=1e-10)
    ours = graphad.vjp(lambda z: np.conj(z) * z**2, Z)[1](W)[0]
    np.testing.assert_allclose(ours, jax.vjp(lambda z: jnp.conj(z) * z**2, Z)[1](W)[0], rtol=1e-10)


def test_reciprocals_keep_the_side_of_a_branch_cut(executor):
    z = np.array([complex(a, b) for a in (-4.0, 4.0, 0.0, -1e-320) for b in (0.0, -0.0, 3.0)])
    with np.errstate(all="ignore"):
        for f in (lambda z: z**-1, lambda z: np.sqrt(np.reciprocal(z)), lambda z: 1 / z):
            found, wanted = graphad.jit(f, executor=executor)(z), f(z)
            np.testing.assert_array_equal(found, wanted)
            there = ~np.isnan(wanted)
            assert np.array_equal(np.signbit(found.imag[there]), np.signbit(wanted.imag[there]))

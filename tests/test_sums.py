"""Long sums of floating numbers: as exact as NumPy's pairwise ones, along every axis, in kernels and in gradients."""

import numpy as np
import pytest

import graphad

EXECUTORS = ["llvm", "numba"]
N = 10_000_000
WHERE = [
    ((-1,), 0), ((-1, 10), 0), ((-1, 10), 1), ((10, -1), 0), ((10, -1), 1), ((1000, -1), 0), ((1000, -1), 1),
    ((-1, 10), None), ((100, 100, -1), (0, 2)), ((100, -1, 100), 1), ((-1, 2, 5), (0, 2)),
]  # fmt: skip


def error(found, terms, axis):
    """The largest error of sums of `terms`, in units of the rounding of a sum of their sizes."""
    exact = np.sum(terms, axis, np.longdouble)
    size = np.sum(np.abs(terms), axis, np.longdouble)
    return float(np.max(np.abs(found - exact) / size) / np.finfo(np.asarray(found).dtype).eps)


def compiled(f, executor, **options):
    return graphad.jit(f, executor=executor, **options)


@pytest.fixture(params=["equal", "random"])
def numbers(request):
    return np.full(N // 10, 0.1) if request.param == "equal" else np.random.default_rng(3).random(N // 10)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_along_every_axis(numbers, dtype, executor):
    x = numbers.astype(dtype)
    for shape, axis in WHERE if executor == "llvm" else WHERE[::3]:
        y = x.reshape(shape)
        found = compiled(lambda x, axis=axis: np.sum(x, axis), executor)(y)
        assert error(found, y, axis) <= 4 * max(error(np.sum(y, axis), y, axis), 1), (shape, axis)


def test_sums_that_numpy_adds_one_by_one_are_better():
    x = np.full((N // 10, 10), 0.1, np.float32)
    assert error(np.sum(x, 0), x, 0) > 10_000
    for threads in (1, 2):
        assert error(compiled(lambda x: np.sum(x, 0), "llvm", threads=threads)(x), x, 0) < 30


@pytest.mark.parametrize("options", [{}, {"threads": 1}, {"math": "precise"}, {"executor": "numba"}])
def test_means_variances_dot_products_and_kernels(options):
    x = np.full(N, 0.1, np.float32)
    y = np.linspace(0.5, 1.5, N, dtype=np.float32)
    wide = y.astype(float)
    run = lambda f, *args: graphad.jit(f, **options)(*args)
    eps = np.finfo(np.float32).eps
    assert abs(run(np.mean, x) / np.float64(x[0]) - 1) < 4 * eps
    assert abs(run(np.var, y) / np.var(wide) - 1) < 8 * eps
    assert abs(run(lambda x, y: x @ y, x, y) / (wide @ x.astype(float)) - 1) < 4 * eps
    assert abs(run(lambda y: np.sum(y * y + 1), y) / np.sum(wide * wide + 1) - 1) < 4 * eps
    norm, total = run(lambda y: (np.linalg.norm(y), y.max() + np.sum(y)), y)
    assert abs(norm / np.linalg.norm(wide) - 1) < 4 * eps
    assert abs(total / (wide.max() + wide.sum()) - 1) < 4 * eps


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sums_of_gradients_over_broadcast_axes(executor):
    x = np.full((N // 8, 8), 0.1, np.float32)

    def loss(w, b, x):
        return np.sum((x * w + b) ** 2)

    w, b = np.float32(0.7), np.full(8, 0.3, np.float32)
    found = graphad.jit(graphad.grad(loss, argnums=(0, 1)), executor=executor)(w, b, x)
    inner = 2 * (x[0, 0].astype(float) * w + b[0].astype(float))
    assert np.allclose(found[0], inner * x[0, 0] * x.size, rtol=1e-5, atol=0)
    assert np.allclose(found[1], inner * len(x), rtol=1e-5, atol=0)


LENGTHS = [1, 31, 64, 511, 512, 513, 1023, 1024, 1025, 2047, 4097, 66_049]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_blocks_take_every_term_once(dtype, executor):
    # Small integers are added without rounding, so a term left out or taken twice shows.
    for n in LENGTHS if executor == "llvm" else LENGTHS[5::3]:
        x = (np.arange(n) % 7 - 2).astype(dtype) * (1 if dtype in (np.float32, np.float64) else 1 - 2j)

        def f(x):
            return np.sum(x), np.sum(x[:, None] * np.ones(3, dtype), 0), np.sum(x[:, None] + np.zeros(3, dtype))

        total, columns, both = compiled(f, executor)(x)
        assert total == np.sum(x)
        assert np.array_equal(columns, np.full(3, np.sum(x)))
        assert both == 3 * np.sum(x)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_infinities_and_overflow(dtype, executor):
    f = compiled(np.sum, executor)
    x = np.ones(5000, dtype)

    def with_values(**places):
        y = x.copy()
        for place, value in places.items():
            y[int(place[1:])] = value
        return f(y)

    assert with_values(_0=np.inf).real == np.inf
    assert with_values(_4999=-np.inf).real == -np.inf
    assert np.isnan(with_values(_7=np.inf, _4000=-np.inf).real)
    assert np.isnan(with_values(_2500=np.nan).real)
    assert with_values(_0=1.7e308, _3000=1.7e308).real == np.inf


def test_partial_sums_take_little_memory():
    def f(a, b):
        return np.sum(np.exp(a[:, None] * b), 0)

    a, b = np.linspace(0, 1, 100_000), np.linspace(0, 1, 1000)
    run = graphad.jit(f, threads=1).compile(a, b)
    (found,) = run(a, b)
    assert np.allclose(found[[0, -1]], [len(a), np.sum(np.exp(a))])
    assert run.memory()["arena"] < 20e6                                # The terms would take 800 MB.

"""`graphad.scipy.ndimage`: SciPy's numbers in all modes, derivatives, batches, every executor."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

import graphad
import graphad.scipy.ndimage as gn
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.scipy.ndimage import interpolation

RNG = np.random.default_rng(17)
ROW, IMAGE, CUBE = RNG.normal(size=9), RNG.normal(size=(6, 7)), RNG.normal(size=(4, 3, 5))
W, EVEN, PATCH = RNG.normal(size=5), RNG.normal(size=4), RNG.normal(size=(3, 2))
POINTS = RNG.uniform(-6.0, 12.0, size=(2, 3, 4))
NEAR = RNG.uniform(0.6, 4.4, size=(2, 5))
MATRIX, START = np.array([[0.91, 0.23], [-0.31, 1.13]]), np.array([0.42, 0.79])
FOOT = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 1]], bool)
LABELS = np.array([[1, 1, 0, 2, 2, 2, 0], [1, 4, 4, 0, 2, 2, 0], *[[0] * 6 + [5]] * 4])
MODES = ("reflect", "grid-mirror", "constant", "grid-constant", "nearest", "mirror", "wrap", "grid-wrap")
INDEX = [2, 1, 5]
SPECTRUM = np.fft.fft2(IMAGE)


def in_modes(name, call, *args, modes=MODES):
    return {f"{name} {m}": (lambda s, *xs, m=m: call(s, *xs, mode=m), args) for m in modes}


LINEAR = {
    **in_modes("correlate1d", lambda s, x, w, mode: s.correlate1d(x, w, mode=mode, cval=0.7), IMAGE, W),
    **in_modes("correlate", lambda s, x, w, mode: s.correlate(x, w, mode=mode, cval=0.7), IMAGE, PATCH),
    **in_modes("wide windows", lambda s, x, mode: s.uniform_filter1d(x, 17, mode=mode, cval=0.7), IMAGE),
    "correlate1d axis": (lambda s, x, w: s.correlate1d(x, w, axis=0, origin=1), (IMAGE, W)),
    "correlate1d symmetric": (
        lambda s, x: [s.correlate1d(x, [1.0, 2.0, 1.0]), s.correlate1d(x, [-1.0, 0, 1.0]), s.correlate1d(x, [2.0])],
        (IMAGE,),
    ),
    "convolve1d": (lambda s, x, w: s.convolve1d(x, w), (IMAGE, W)),
    "convolve1d even": (lambda s, x, w: s.convolve1d(x, w, axis=0, origin=1), (IMAGE, EVEN)),
    "correlate1d cval": (lambda s, x, c: s.correlate1d(x, W, mode="constant", cval=c), (IMAGE, 0.3)),
    "correlate origin": (lambda s, x, w: s.correlate(x, w, origin=(1, -1)), (IMAGE, PATCH)),
    "correlate known": (lambda s, x: s.correlate(x, FOOT * 2.0), (IMAGE,)),
    "correlate none": (lambda s, x: s.correlate(x, np.zeros((2, 2))), (IMAGE,)),
    "correlate axes": (lambda s, x, w: s.correlate(x, w, axes=(0, 2)), (CUBE, PATCH)),
    "convolve": (lambda s, x, w: s.convolve(x, w, origin=(0, -1), mode="wrap"), (IMAGE, PATCH)),
    "convolve axes": (lambda s, x, w: s.convolve(x, w, axes=(2, 1), origin=(0, -1)), (CUBE, PATCH)),
    "correlate complex": (lambda s, x, y: np.abs(s.correlate(x + 1j * y, PATCH + 1j)), (IMAGE, IMAGE[::-1])),
    "correlate1d complex": (lambda s, x: np.imag(s.correlate1d(x, W * 1j + 1, mode="wrap")), (IMAGE,)),
    "convolve1d complex": (lambda s, x: np.imag(s.convolve1d(x * 1j, W * 1j + 1)), (IMAGE,)),
    "uniform_filter": (lambda s, x: s.uniform_filter(x, (3, 4), origin=(1, -1), mode=["wrap", "mirror"]), (IMAGE,)),
    "uniform_filter axes": (lambda s, x: [s.uniform_filter(x, 2, axes=1), s.uniform_filter(x, 1)], (CUBE,)),
    "uniform_filter1d complex": (lambda s, x: np.imag(s.uniform_filter1d(x * 1j, 3)), (IMAGE,)),
    **in_modes("sobel", lambda s, x, mode: s.sobel(x, 0, mode=mode, cval=0.7), IMAGE, modes=MODES[::3]),
    "prewitt": (lambda s, x: [s.prewitt(x), s.prewitt(x, 1, mode=["wrap", "nearest", "mirror"])], (CUBE,)),
    "laplace": (lambda s, x: [s.laplace(x, mode="wrap"), s.laplace(x, axes=(1,)), s.laplace(x, axes=())], (IMAGE,)),
    "generic_laplace": (
        lambda s, x, k: s.generic_laplace(
            x, lambda y, a, o, m, c, k: s.correlate1d(y, [k, -k, k], a, o, m, c), extra_arguments=(k,)
        ),
        (IMAGE, 0.3),
    ),
}  # fmt: skip
GAUSSIAN = {
    **in_modes("gaussian_filter", lambda s, x, mode: s.gaussian_filter(x, 1.3, mode=mode, cval=0.7), IMAGE),
    "gaussian_filter1d": (lambda s, x: [s.gaussian_filter1d(x, 0.8, 0, order=k) for k in range(4)], (IMAGE,)),
    "gaussian_filter each": (lambda s, x: s.gaussian_filter(x, (1.5, 0, 0.6), order=(0, 1, 2)), (CUBE,)),
    "gaussian_filter axes": (lambda s, x: s.gaussian_filter(x, (1.5, 0.6), axes=(2, 0), radius=(2, 1)), (CUBE,)),
    "gaussian_filter none": (lambda s, x: s.gaussian_filter(x, 0.0), (IMAGE,)),
    "gaussian_laplace": (
        lambda s, x: [s.gaussian_laplace(x, (1.0, 0.7)), s.gaussian_laplace(x, 1.0, axes=0)], (IMAGE,),
    ),
    "gaussian_gradient_magnitude": (lambda s, x: s.gaussian_gradient_magnitude(x, 0.9, mode="wrap"), (IMAGE,)),
    "generic_gradient_magnitude": (
        lambda s, x: [s.generic_gradient_magnitude(x, s.prewitt), s.generic_gradient_magnitude(x, s.sobel, axes=())],
        (IMAGE,),
    ),
}  # fmt: skip
ORDERED = {
    **in_modes("minimum_filter", lambda s, x, mode: s.minimum_filter(x, (3, 2), mode=mode, cval=0.7), IMAGE),
    **in_modes("median_filter", lambda s, x, mode: s.median_filter(x, 3, mode=mode, cval=0.7), IMAGE, modes=MODES[::2]),
    "maximum_filter": (lambda s, x: s.maximum_filter(x, footprint=FOOT, origin=(1, -1)), (IMAGE,)),
    "maximum_filter box": (
        lambda s, x: s.maximum_filter(x, footprint=np.ones((2, 3)), mode=["wrap", "mirror"]), (IMAGE,),
    ),
    "maximum_filter axes": (lambda s, x: s.maximum_filter(x, footprint=FOOT, axes=(0, 2)), (CUBE,)),
    "filters1d": (lambda s, x: [s.minimum_filter1d(x, 4, 0, origin=-1), s.maximum_filter1d(x, 3)], (IMAGE,)),
    "rank_filter": (lambda s, x: [s.rank_filter(x, r, footprint=FOOT) for r in (0, 1, -2, -1)], (IMAGE,)),
    "rank_filter axes": (lambda s, x: s.rank_filter(x, 2, (2, 3), axes=(0, 2), origin=(0, 1)), (CUBE,)),
    "rank_filter row": (lambda s, x: s.rank_filter(x, 1, 4, mode="wrap"), (ROW,)),
    "percentile_filter": (lambda s, x: [s.percentile_filter(x, p, 3) for p in (0, 30, -20.0, 100)], (IMAGE,)),
    "grey_erosion": (lambda s, x: [s.grey_erosion(x, (2, 3)), s.grey_erosion(x, footprint=FOOT)], (IMAGE,)),
    "grey_erosion structure": (lambda s, x, h: s.grey_erosion(x, structure=h), (IMAGE, PATCH)),
    "grey_dilation": (
        lambda s, x: [s.grey_dilation(x, (2, 3)), s.grey_dilation(x, 4, origin=1), s.grey_dilation(x, footprint=FOOT)],
        (IMAGE,),
    ),
    "grey_dilation structure": (
        lambda s, x, h: s.grey_dilation(x, structure=h, mode="constant", cval=0.7), (IMAGE, PATCH),
    ),
    "grey_dilation both": (lambda s, x: s.grey_dilation(x, footprint=FOOT, structure=FOOT * 0.5), (IMAGE,)),
    "grey_opening": (lambda s, x: s.grey_opening(x, 3), (IMAGE,)),
    "grey_closing": (lambda s, x: s.grey_closing(x, 3, axes=(1,)), (IMAGE,)),
    "morphological_gradient": (lambda s, x: s.morphological_gradient(x, 3), (IMAGE,)),
    "morphological_laplace": (lambda s, x: s.morphological_laplace(x, 3), (IMAGE,)),
    "tophats": (lambda s, x: [s.white_tophat(x, 3), s.black_tophat(x, (2, 3))], (IMAGE,)),
}  # fmt: skip
SPLINES = {
    **{
        f"map_coordinates {m} {k}": (
            lambda s, x, p, m=m, k=k: s.map_coordinates(x, p, order=k, mode=m, cval=0.7), (IMAGE, POINTS),
        )
        for m in MODES for k in range(6)
    },
    "map_coordinates as it is": (
        lambda s, x, p: [s.map_coordinates(x, p, order=k, mode=m, prefilter=False) for k in (2, 3) for m in MODES],
        (IMAGE, POINTS),
    ),
    "map_coordinates known": (lambda s, x: s.map_coordinates(x, POINTS, mode="grid-wrap"), (IMAGE,)),
    "map_coordinates cval": (lambda s, x, c: s.map_coordinates(x, POINTS, mode="grid-constant", cval=c), (IMAGE, 0.4)),
    "map_coordinates row": (lambda s, x, p: s.map_coordinates(x, p[:1, 0], mode="mirror"), (ROW, POINTS)),
    "map_coordinates short": (
        lambda s, x, p: [s.map_coordinates(x, p, order=5, mode=m) for m in MODES], (IMAGE[:1, :2], POINTS),
    ),
    "map_coordinates cube": (lambda s, x, p: s.map_coordinates(x, p, mode="reflect"), (CUBE, POINTS.reshape(3, 8))),
    "map_coordinates complex": (
        lambda s, x, p: np.abs(s.map_coordinates(x + 1j * x**2, p, mode="grid-constant", cval=2.0 - 1j)),
        (IMAGE, POINTS),
    ),
    **in_modes(
        "spline_filter1d", lambda s, x, mode: [s.spline_filter1d(x, k, 0, mode=mode) for k in range(6)], IMAGE,
        modes=(*MODES[:3], *MODES[4:]),
    ),
    "spline_filter": (lambda s, x: [s.spline_filter(x), s.spline_filter(x, 4, mode="reflect")], (IMAGE,)),
    **in_modes("shift", lambda s, x, d, mode: s.shift(x, d, mode=mode, cval=0.7), IMAGE, np.array([1.3, -0.6])),
    "shift by halves": (lambda s, x: [s.shift(x, 0.5, order=k) for k in range(6)], (IMAGE,)),
    "shift orders": (lambda s, x, d: [s.shift(x, d, order=k, mode="wrap") for k in (1, 2, 5)], (CUBE, 0.8)),
    **in_modes("zoom", lambda s, x, mode: s.zoom(x, (1.7, 0.6), mode=mode, grid_mode=True), IMAGE, modes=MODES[3:6]),
    "zoom": (lambda s, x: [s.zoom(x, 2.0), s.zoom(x, 0.4, order=1), s.zoom(x, 1), s.zoom(x, (0.1, 2))], (IMAGE,)),
    **in_modes(
        "affine_transform", lambda s, x, m, o, mode: s.affine_transform(x, m, o, mode=mode, cval=0.7),
        IMAGE, MATRIX, START,
    ),
    "affine_transform shape": (lambda s, x, m: s.affine_transform(x, m, 0.2, (4, 5), order=2), (IMAGE, MATRIX)),
    "affine_transform diagonal": (lambda s, x, m, o: s.affine_transform(x, m, o), (IMAGE, START + 0.5, START)),
    "affine_transform homogeneous": (
        lambda s, x, m: s.affine_transform(x, np.concatenate([m, np.array([[0.3], [0.2]])], axis=1)), (IMAGE, MATRIX),
    ),
    "affine_transform full": (
        lambda s, x: s.affine_transform(x, np.array([[0.8, 0.1, 0.2], [0, 1.1, 0.3], [0, 0, 1]])), (IMAGE,),
    ),
    "rotate": (
        lambda s, x: [s.rotate(x, 30.0), s.rotate(x, 90, order=1), s.rotate(x, 20, reshape=False, mode="nearest")],
        (IMAGE,),
    ),
    "rotate by": (lambda s, x, a: s.rotate(x, a, reshape=False, mode="reflect"), (IMAGE, 25.3)),
    "rotate cube": (lambda s, x: s.rotate(x, 33.0, axes=(0, 2), mode="constant", cval=0.7), (CUBE,)),
    "geometric_transform": (
        lambda s, x: [
            s.geometric_transform(x, lambda o: (o[1] * 0.7 + 0.1, o[0] ** 2 * 0.2), (4, 3), mode="reflect"),
            s.geometric_transform(x, bent, extra_arguments=(0.3,), extra_keywords={"by": 1.1}),
        ],
        (IMAGE,),
    ),
}  # fmt: skip
FOURIER = {
    "fourier_gaussian": (lambda s, x, g: s.fourier_gaussian(x, g), (IMAGE, START)),
    "fourier_gaussian real": (
        lambda s, x: np.abs(s.fourier_gaussian(np.fft.rfft2(x) * (1 + 2j), 2.5, n=7)),
        (IMAGE,),
    ),
    "fourier_uniform": (lambda s, x: s.fourier_uniform(x, (2.0, 3.5)), (IMAGE,)),
    "fourier_ellipsoid": (lambda s, x: [s.fourier_ellipsoid(x, (2.0, 3.5)), s.fourier_ellipsoid(x[0], 2.5)], (IMAGE,)),
    "fourier_ellipsoid cube": (lambda s, x, r: s.fourier_ellipsoid(x, r, n=9, axis=0), (CUBE, 2.3)),
    "fourier_shift": (lambda s, x, d: np.real(s.fourier_shift(x, d)), (IMAGE, START)),
    "fourier_shift real": (lambda s, x, d: np.imag(s.fourier_shift(np.fft.rfft2(x), d, 7, 1)), (IMAGE, 0.3)),
}
MEASURED = {
    name: (
        lambda s, x, f=name: [
            getattr(s, f)(x), getattr(s, f)(x, LABELS), getattr(s, f)(x, LABELS, 2), getattr(s, f)(x, LABELS, INDEX),
            getattr(s, f)(x, LABELS, np.array([[4], [5]])) if f != "center_of_mass" else x,
            getattr(s, f)(x, LABELS[0]),
        ],
        (IMAGE,),
    )
    for name in (
        "sum_labels", "sum", "mean", "variance", "standard_deviation", "minimum", "maximum", "center_of_mass", "median",
    )
} | {
    "extrema": (lambda s, x: [*s.extrema(x, LABELS, INDEX)[:2], *s.extrema(x)[:2]], (IMAGE,)),
    "minimum_position": (lambda s, x: [s.minimum_position(x)[0], s.maximum_position(x, LABELS, 2)[1]], (IMAGE,)),
}  # fmt: skip
FAR = {
    "distance_transform_edt": (
        lambda s, x: [
            s.distance_transform_edt(np.maximum(x, 0.0)),
            s.distance_transform_edt(np.maximum(x, 0.0), (0.5, 2.0), return_indices=True),
        ],
        (IMAGE,),
    ),
    "distance_transform_bf": (lambda s, x: s.distance_transform_bf(np.maximum(x, 0.0), "taxicab"), (IMAGE,)),
    "distance_transform_cdt": (lambda s, x: 1.0 * s.distance_transform_cdt(np.maximum(x, 0.0)), (IMAGE,)),
}
CASES = {**FAR, **LINEAR, **GAUSSIAN, **ORDERED, **SPLINES, **FOURIER, **MEASURED}


def bent(o, shear, by=1.0):
    return (o[0] + shear * o[1], by * o[1] if o[0] > 2 else o[1] - 0.4)


def parts(x):
    return graphad.tree.leaves(x)


def numbers(names):
    args = [CASES[n][1] for n in names]
    found = graphad.jit(lambda every: [parts(CASES[n][0](gn, *xs)) for n, xs in zip(names, every, strict=True)])(args)
    for name, xs, results in zip(names, args, found, strict=True):
        for a, b in zip(results, parts(CASES[name][0](scipy.ndimage, *xs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=name)
            assert np.shape(a) == np.shape(b), name
            assert np.asarray(a).dtype == np.asarray(b).dtype, name


NUMBA = ("correlate1d cval", "rank_filter row", "map_coordinates mirror 1")


@pytest.mark.filterwarnings("ignore:It is recommended to use mode")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_numbers_are_scipys(executor):
    for names in {"numpy": [list(CASES)], "llvm": [list(CASES)[::3]], "numba": [[n] for n in NUMBA]}[executor]:
        numbers(names)


FIRST = [n for n in CASES if n.startswith(("map_coordinates", "affine_transform", "shift")) is False]
FIRST += [f"map_coordinates {m} {k}" for i, m in enumerate(MODES) for k in range(i % 2, 6, 2)]
FIRST += [
    n for n in SPLINES if n.startswith(("map_coordinates", "affine_transform", "shift")) and n[-1] not in "012345"
]


@pytest.mark.filterwarnings("ignore:It is recommended to use mode")
@pytest.mark.parametrize("name", FIRST)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_derivatives(name):
    call, args = CASES[name]
    graphad.check_grads(lambda *xs: parts(call(gn, *xs)), args, order=1)


SECOND = list(zip(MODES * 2, (2, 3, 2, 3, 4, 5, 2, 3, 3, 2, 3, 2, 3, 2, 3, 2), strict=True))


@pytest.mark.parametrize(("mode", "order"), SECOND)
def test_second_derivatives_of_interpolation(mode, order):
    def f(x, p):
        return gn.map_coordinates(x, p, order=order, mode=mode, cval=0.2)

    graphad.check_grads(f, (IMAGE, NEAR), order=2)


@pytest.mark.parametrize("name", ["affine_transform", "sigma", "gradient", "rotate", "structure", "fourier"])
def test_second_derivatives(name):
    functions = {
        "affine_transform": (lambda x, m, o: gn.affine_transform(x, m, o, (3, 3)), (IMAGE, MATRIX * 0.8, START)),
        "sigma": (lambda x, s: gn.gaussian_filter(x, s, (0, 1), radius=3), (IMAGE, np.array([0.8, 1.1]))),
        "gradient": (lambda x, s: gn.gaussian_gradient_magnitude(x, s, radius=2), (IMAGE, 0.9)),
        "rotate": (lambda x, a: gn.rotate(x, a, reshape=False, mode="reflect"), (IMAGE, 11.3)),
        "structure": (lambda x, h: gn.grey_erosion(x, structure=h) ** 2, (IMAGE, PATCH)),
        "fourier": (lambda x, s: gn.fourier_gaussian(x, s) * gn.fourier_uniform(x, s), (IMAGE, START)),
    }
    f, args = functions[name]
    graphad.check_grads(f, args, order=2, atol=1e-4, rtol=1e-4)


def test_places_of_extremes():
    for name in ("minimum_position", "maximum_position", "extrema"):
        for region in ((), (LABELS,), (LABELS, 2), (LABELS, INDEX)):
            found = graphad.jit(lambda x, name=name, region=region: getattr(scipy.ndimage, name)(x, *region))(IMAGE)
            wanted = getattr(scipy.ndimage, name)(IMAGE, *region)
            assert found[-2:] == wanted[-2:]
    assert graphad.grad(lambda x: scipy.ndimage.standard_deviation(x * np.ones(3)))(1.5) == 0.0


def test_a_traced_sigma_needs_a_radius_only():
    def filtered(x, s, **options):
        return gn.gaussian_filter(x, s, **options)

    for order in (0, 1, 2, 3):
        found = graphad.jit(lambda x, s, k=order: gn.gaussian_filter1d(x, s, order=k, radius=4))(IMAGE, 1.2)
        expected = scipy.ndimage.gaussian_filter1d(IMAGE, 1.2, order=order, radius=4)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    graphad.check_grads(lambda x, s: gn.gaussian_laplace(x, s, radius=3), (IMAGE, 0.9), order=1)
    with pytest.raises(
        MissingRuleError, match=r"gaussian_filter: a sigma .* without a radius, .*test_ndimage.py.*radius="
    ):
        graphad.jit(filtered)(IMAGE, 1.0)
    np.testing.assert_allclose(
        graphad.jit(filtered, static_argnums=1)(IMAGE, 1.0), scipy.ndimage.gaussian_filter(IMAGE, 1.0), rtol=1e-12
    )


# -- integers, dtypes, batches ------------------------------------------------------------------------------------

WHOLE = {
    "gaussian_filter": lambda s, n: s.gaussian_filter(n, 1.1),
    "gaussian_filter wider": lambda s, n: s.gaussian_filter(n, 1.1, output=np.float32),
    "correlate1d": lambda s, n: s.correlate1d(n, [0.3, -1.7, 0.9]),
    "correlate": lambda s, n: s.correlate(n, [[0.3, 0.4], [0.5, 0.6]], output="int16"),
    "uniform_filter": lambda s, n: s.uniform_filter(n, 3),
    "sobel": lambda s, n: s.sobel(n),
    "laplace": lambda s, n: s.laplace(n, output=np.int64),
    "generic_gradient_magnitude": lambda s, n: s.generic_gradient_magnitude(n, s.prewitt, output=np.int32),
    "minimum_filter": lambda s, n: s.minimum_filter(n, 3, mode="constant", cval=4),
    "median_filter": lambda s, n: s.median_filter(n, 3, output=float),
    "grey_dilation": lambda s, n: s.grey_dilation(n, structure=np.ones((2, 3))),
    "white_tophat": lambda s, n: s.white_tophat(n, 3),
    "map_coordinates": lambda s, n: s.map_coordinates(n, POINTS, order=1, mode="mirror"),
    "shift": lambda s, n: s.shift(n, 0.25),
    "zoom": lambda s, n: s.zoom(n, 1.5, output=float),
    "rotate": lambda s, n: s.rotate(n, 45, order=0),
    "spline_filter": lambda s, n: s.spline_filter(n, output=np.float32),
    "sum_labels": lambda s, n: [s.sum_labels(n), s.sum_labels(n, LABELS, 2), s.sum_labels(n, LABELS, [2, 5])],
    "mean": lambda s, n: [s.mean(n, LABELS), s.mean(n, LABELS, [1, 2])],
    "minimum": lambda s, n: [s.minimum(n, LABELS, i) for i in (2, [9, 2, 7], [8, 9])],
    "center_of_mass": lambda s, n: s.center_of_mass(n),
    "fourier_gaussian": lambda s, n: s.fourier_gaussian(n, 1.0),
    "fourier_shift": lambda s, n: s.fourier_shift(n, 1.0),
}


@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "?"])
def test_other_dtypes(dtype):
    image = (np.arange(42).reshape(6, 7) * 37 % 101).astype(dtype)
    arithmetic = ("laplace", "generic_gradient_magnitude")
    names = [n for n in WHOLE if dtype != "?" or n not in arithmetic]
    # Other executors join products and sums, after which truncation may differ.
    found = graphad.jit(lambda n: [parts(WHOLE[k](gn, n)) for k in names], executor="numpy")(image)
    for name, results in zip(names, found, strict=True):
        for a, b in zip(results, parts(WHOLE[name](scipy.ndimage, image)), strict=True):
            tolerance = 1e-6 if np.asarray(b).dtype.itemsize == 4 else 1e-12
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)
            assert np.asarray(a).dtype == np.asarray(b).dtype, name


@pytest.mark.parametrize("name", [n for n in CASES if n.split()[-1] not in (*MODES, *"012345")])
@pytest.mark.filterwarnings("ignore:It is recommended to use mode")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_batches_are_loops(name):
    call, args = CASES[name]
    batch = [np.stack([x, 0.7 * np.asarray(x), np.asarray(x) + 0.1]) for x in args]
    found = graphad.vmap(lambda *xs: parts(call(gn, *xs)))(*batch)
    for k in range(3):
        expected = parts(call(scipy.ndimage, *[b[k] for b in batch]))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-9, atol=1e-11)


def test_long_axes_are_solved_in_bands(monkeypatch):
    x = RNG.normal(size=(70, 3))
    modes = ("reflect", "mirror", "grid-wrap", "nearest", "constant")
    monkeypatch.setattr(interpolation, "DENSE", 16)
    for order in (2, 3, 4, 5):
        found = graphad.jit(lambda x, k=order: [gn.spline_filter1d(x, k, 0, mode=m) for m in modes])(x)
        for mode, y in zip(modes, found, strict=True):
            expected = scipy.ndimage.spline_filter1d(x, order, 0, mode=mode)
            np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)
    graphad.check_grads(lambda x: gn.spline_filter1d(x, 3, 0, mode="grid-wrap"), (x,), order=1)


# -- SciPy's names as they stand ----------------------------------------------------------------------------------


def blurred(x):
    return scipy.ndimage.gaussian_filter(x, 2.0)


def test_plain_scipy_is_traced(executor):
    np.testing.assert_allclose(graphad.jit(blurred)(IMAGE), blurred(IMAGE), rtol=1e-12)
    weight = np.cos(IMAGE)
    gradient = graphad.grad(lambda x: np.sum(weight * scipy.ndimage.gaussian_filter(x, 2.0)))(IMAGE)
    graphad.check_grads(blurred, (IMAGE,), order=1)
    np.testing.assert_allclose(np.sum(gradient * weight), np.sum(weight * blurred(weight)), rtol=1e-10)
    found = graphad.grad(lambda x: scipy.ndimage.sum(x**2, LABELS, 2) + scipy.ndimage.maximum(x))(IMAGE)
    greatest = np.max(IMAGE) == IMAGE
    expected = 2 * IMAGE * (LABELS == 2) + greatest
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_deblurring():
    truth = np.zeros((16, 16))
    truth[4:9, 5:12] = 1.0
    seen = scipy.ndimage.gaussian_filter(truth, 1.2, mode="wrap") + 0.01 * RNG.normal(size=truth.shape)

    def loss(x):
        rest = scipy.ndimage.gaussian_filter(x, 1.2, mode="wrap") - seen
        slopes = [scipy.ndimage.correlate1d(x, [-1.0, 1.0, 0.0], axis, mode="wrap") for axis in (0, 1)]
        return np.sum(rest**2) + 1e-3 * sum([np.sum(np.sqrt(d**2 + 1e-4)) for d in slopes])

    x = seen
    direction = RNG.normal(size=x.shape)
    value_and_grad = graphad.jit(graphad.value_and_grad(loss))
    start, gradient = value_and_grad(x)
    h = 1e-6
    slope = (loss(x + h * direction) - loss(x - h * direction)) / (2 * h)
    np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6)
    for _ in range(60):
        value, gradient = value_and_grad(x)
        x = x - 0.4 * gradient
    assert value < 0.5 * start
    assert np.linalg.norm(x - truth) < 0.7 * np.linalg.norm(seen - truth)


def test_registration_by_the_derivative_of_a_shift():
    rows, columns = np.mgrid[:12, :12]
    image = np.exp(-((rows - 5.0) ** 2 + (columns - 6.0) ** 2) / 8)
    moved = scipy.ndimage.shift(image, (0.8, -0.5))
    residuals = graphad.jit(lambda d: (scipy.ndimage.shift(image, d) - moved).ravel())
    jacobian = graphad.jit(graphad.jacobian(lambda d: (scipy.ndimage.shift(image, d) - moved).ravel()))
    d = np.zeros(2)
    for _ in range(8):
        d = d - np.linalg.lstsq(jacobian(d), residuals(d))[0]
    np.testing.assert_allclose(d, (0.8, -0.5), atol=1e-8)


# -- refusals -----------------------------------------------------------------------------------------------------

REFUSALS = [
    (lambda x: gn.correlate1d(x, W, output=np.zeros((6, 7))), MissingRuleError, "correlate1d: an array as output="),
    (lambda x: gn.zoom(IMAGE, x[0, 0]), MissingRuleError, "zoom: a factor that is traced .* output_shape="),
    (lambda x: gn.rotate(IMAGE, x[0, 0]), MissingRuleError, "rotate: an angle .* reshape=False"),
    (lambda x: gn.mean(IMAGE, x > 0), MissingRuleError, r"mean: a label array .* where\(labels"),
    (lambda x: gn.minimum(x, LABELS, np.max(x) > 0), MissingRuleError, "minimum: an index"),
    (lambda x: gn.median_filter(x, footprint=x[:2, :2] > 0), MissingRuleError, "median_filter: a footprint"),
    (lambda x: gn.percentile_filter(x, x[0, 0], 3), MissingRuleError, "percentile_filter: a percentile"),
    (lambda x: gn.geometric_transform(x, "mapping"), MissingRuleError, "geometric_transform: a compiled mapping"),
    (lambda x: gn.fourier_shift(x, 1.0, output=float), MissingRuleError, "fourier_shift: output=float64"),
    (lambda x: gn.gaussian_filter1d(x, x[0, 0]), MissingRuleError, "gaussian_filter1d: .* give radius="),
    (lambda x: gn.geometric_transform(x, lambda o: (o[0],)), ShapeError, "the mapping gives 1 coordinates"),
    (lambda x: gn.uniform_filter(x, axes=(0, -2)), ShapeError, r"axes \(0, -2\) name an axis twice"),
    (lambda x: gn.uniform_filter(x, (2, 3, 4)), ShapeError, "uniform_filter: 3 values"),
    (lambda x: gn.correlate(x, W), ShapeError, r"correlate: a window of shape \[5\] for 2 axes"),
    (lambda x: gn.correlate1d(x, PATCH), ShapeError, r"weights of shape \[3, 2\] must be a vector"),
    (lambda x: gn.sobel(x, axis=2), ShapeError, "sobel: axis 2 is out of bounds"),
    (lambda x: gn.map_coordinates(x, POINTS[:1]), ShapeError, "map_coordinates: coordinates"),
    (lambda x: gn.affine_transform(x, np.eye(4)), ShapeError, r"affine_transform: a matrix \[4, 4\]"),
    (lambda x: gn.affine_transform(x, np.ones(2), output_shape=(3,)), ShapeError, "needs a full matrix"),
    (lambda x: gn.rotate(x, 3.0, axes=(0, 0)), ShapeError, r"rotate: axes \(0, 0\) must be two"),
    (lambda x: gn.shift(x[0, 0], 1.0), ShapeError, "shift: a number has no axes"),
    (lambda x: gn.grey_erosion(x, footprint=FOOT, structure=PATCH), ShapeError, "differ in shape"),
    (lambda x: gn.median_filter(x * 1j, 3), TypeMismatchError, "median_filter: a complex image"),
    (lambda x: gn.map_coordinates(x, POINTS * 1j), TypeMismatchError, "map_coordinates: complex coordinates"),
    (lambda x: gn.laplace(x, mode="odd"), ValueError, "laplace: mode='odd' .*test_ndimage.py.* is none of reflect"),
    (lambda x: gn.correlate(x, PATCH, mode=["wrap", "wrap"]), ValueError, "correlate: modes"),
    (lambda x: gn.shift(x, 1.0, mode="odd"), ValueError, "shift: mode='odd'"),
    (lambda x: gn.spline_filter(x, 1), ValueError, "spline_filter: order=1 .* is none of 2 to 5"),
    (lambda x: gn.correlate1d(x, W, origin=4), ValueError, "correlate1d: origin=4"),
    (lambda x: gn.uniform_filter1d(x, 0), ValueError, "uniform_filter1d: size=0"),
    (lambda x: gn.minimum_filter1d(x, 0), ValueError, "minimum_filter1d: size=0"),
    (lambda x: gn.minimum_filter(x), ValueError, "minimum_filter.* needs a size="),
    (lambda x: gn.median_filter(x), ValueError, "median_filter.* needs a size="),
    (lambda x: gn.minimum_filter(x, footprint=np.zeros((2, 2))), ValueError, "chooses nothing"),
    (lambda x: gn.rank_filter(x, 9, 3), ValueError, "rank_filter: rank=9 .* none of a window of 9"),
    (lambda x: gn.percentile_filter(x, 200, 3), ValueError, "percentile=200"),
    (lambda x: gn.gaussian_filter(x, 1.0, radius=1.5), ValueError, "radius=1.5"),
    (lambda x: gn.affine_transform(x, np.ones((3, 3))), ValueError, "last row of a homogeneous matrix"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[m for _, _, m in REFUSALS])
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        graphad.jit(call)(IMAGE)


def test_without_traced_values_it_is_scipys():
    np.testing.assert_array_equal(gn.gaussian_filter(IMAGE, 1.0), scipy.ndimage.gaussian_filter(IMAGE, 1.0))
    assert gn.label is scipy.ndimage.label

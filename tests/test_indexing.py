"""Indexing traced values: NumPy's results, and its errors, for random indices."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphad
import graphad.numpy as gnp
from graphad.errors import IndexOutOfBoundsError, ShapeError, TracerError


def slices(n):
    bound = st.none() | st.integers(-n - 2, n + 2)
    step = st.none() | st.integers(-3, 3).filter(bool)
    return st.builds(slice, bound, bound, step)


@st.composite
def indices(draw):
    """An array and an index of it, with slices, integers, Ellipsis, None, integer arrays, lists and masks."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    x = np.arange(1.0, math.prod(shape) + 1).reshape(shape) / 7
    common = draw(st.sampled_from([(), (2,), (1, 3), (0,)]))
    entries, axis, used_ellipsis, masked = [], 0, False, False
    while axis < len(shape):
        kinds = ["slice", "slice", "int", "array", "none", "stop", "mask", "flag"]
        if not used_ellipsis:
            kinds.append("ellipsis")
        kind = draw(st.sampled_from(kinds))
        n = shape[axis]
        if kind == "stop":
            break
        if kind == "none":
            entries.append(None)
            continue
        if kind == "ellipsis":
            entries.append(Ellipsis)
            used_ellipsis = True
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "flag":
            if not masked and common in ((), (2,)) and draw(st.booleans()):
                entries.append(draw(st.booleans()) if common == () else True)
            continue
        if kind == "slice":
            entries.append(draw(slices(n)))
        elif kind == "int":
            entries.append(draw(st.integers(-n, n - 1)))
        elif kind == "mask" and not masked and common == ():
            span = draw(st.integers(1, len(shape) - axis))
            mask = draw(st.lists(st.booleans(), min_size=1, max_size=64))
            entries.append(np.resize(mask, shape[axis : axis + span]))
            axis += span - 1
            masked = True
        else:
            drawn = draw(st.lists(st.integers(-n, n - 1), min_size=math.prod(common), max_size=math.prod(common)))
            array = np.array(drawn, dtype=draw(st.sampled_from(["i8", "i4"]))).reshape(common)
            entries.append(array.tolist() if array.ndim == 1 and array.size and draw(st.booleans()) else array)
        axis += 1
    if len(entries) == 1 and draw(st.booleans()):
        return x, entries[0]
    return x, tuple(entries)


@given(indices())
@settings(max_examples=250, deadline=None)
def test_indexing_is_numpys(case):
    x, index = case
    try:
        expected = x[index]
    except IndexError:
        with pytest.raises((IndexError, ShapeError)):
            graphad.trace(lambda v: v[index])(x)
        return
    graph = graphad.trace(lambda v: v[index])(x)
    (found,) = graph.verify().eval(x)
    np.testing.assert_array_equal(found, expected, strict=True)
    weights = np.cos(np.arange(expected.size)).reshape(expected.shape)
    gradient = graphad.grad(lambda v: np.sum(v[index] * weights))(x)
    wanted = np.zeros_like(x)
    np.add.at(wanted, index, weights)
    np.testing.assert_allclose(gradient, wanted, atol=1e-12)


@given(indices())
@settings(max_examples=100, deadline=None)
def test_traced_integers_index_as_known_ones(case):
    x, index = case
    entries = list(index) if isinstance(index, tuple) else [index]
    places = [
        i
        for i, e in enumerate(entries)
        if (type(e) is int or (isinstance(e, (np.ndarray, list)) and np.asarray(e).dtype != bool))
    ]
    try:
        expected = x[tuple(entries)]
    except IndexError:
        return

    def function(v, *traced):
        now = list(entries)
        for place, i in zip(places, traced, strict=True):
            now[place] = i
        return v[tuple(now)]

    known = [np.asarray(entries[i]) for i in places]
    (found,) = graphad.trace(function)(x, *known).verify().eval(x, *known)
    np.testing.assert_array_equal(found, expected, strict=True)


UPDATES = {
    "set": lambda a, i, v: a.__setitem__(i, v),
    "add": lambda a, i, v: np.add.at(a, i, v),
    "subtract": lambda a, i, v: np.subtract.at(a, i, v),
    "multiply": lambda a, i, v: np.multiply.at(a, i, v),
    "divide": lambda a, i, v: np.divide.at(a, i, v),
    "min": lambda a, i, v: np.minimum.at(a, i, v),
    "max": lambda a, i, v: np.maximum.at(a, i, v),
}


@pytest.mark.parametrize("method", UPDATES)
@given(case=indices())
@settings(max_examples=40, deadline=None)
def test_updates_are_numpys(method, case):
    x, index = case
    try:
        chosen = x[index]
    except IndexError:
        return
    positions = np.arange(x.size).reshape(x.shape)[index]
    unique = len(np.unique(positions)) == positions.size
    if method == "set" and not unique:
        return
    values = np.sin(np.arange(np.size(chosen)) + 1.0).reshape(np.shape(chosen)) + 1.5
    expected = x.copy()
    UPDATES[method](expected, index, values)

    def update(v, w):
        return getattr(v.at[index], method)(w)

    (found,) = graphad.trace(update)(x, values).verify().eval(x, values)
    np.testing.assert_allclose(found, expected, rtol=1e-12, strict=True)
    if method in ("set", "add", "subtract"):
        weights = np.cos(np.arange(x.size)).reshape(x.shape)
        by_x, by_values = graphad.grad(lambda v, w: np.sum(update(v, w) * weights), argnums=(0, 1))(x, values)
        sign = -1 if method == "subtract" else 1
        kept = np.ones_like(x)
        if method == "set":
            kept[index] = 0
        np.testing.assert_allclose(by_x, weights * kept)
        np.testing.assert_allclose(by_values, sign * weights[index])


X = np.arange(12.0).reshape(3, 4)


def ops_of(function, *args):
    return [node.op.name for node in graphad.trace(function)(*args).nodes]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x[:], []),
        (lambda x: x[...], []),
        (lambda x: x[1:], ["slice"]),
        (lambda x: x[1], ["slice", "reshape"]),
        (lambda x: x[::-1], ["reverse"]),
        (lambda x: x[None], ["reshape"]),
        (lambda x: x[2:0:-1, None, 1], ["slice", "reverse"]),
        (lambda x: x[[0, 2]], ["gather"]),
        (lambda x: x[:, [0, 2]], ["gather", "transpose"]),
        (lambda x: x[[0, 2], [1, 1]], ["gather"]),
        (lambda x: x.at[1:, 2].add(1.0), ["add"]),
    ],
)
def test_indexing_records_few_ops(function, expected):
    assert ops_of(function, X) == expected


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: x[3], IndexOutOfBoundsError, ["index 3", "axis 0", "size 3", "f64[3,4]"]),
        (lambda x: x[:, -5], IndexOutOfBoundsError, ["index -5", "axis 1", "f64[3,4]"]),
        (lambda x: x[[0, 7]], IndexOutOfBoundsError, ["index 7", "axis 0"]),
        (lambda x: x[0, 0, 0], IndexOutOfBoundsError, ["too many indices", "f64[3,4]"]),
        (lambda x: x[np.array([True, False])], IndexOutOfBoundsError, ["boolean index", "f64[3,4]"]),
        (lambda x: x[[0, 1], [0, 1, 2]], ShapeError, ["do not broadcast"]),
        (lambda x: x[x > 1], TracerError, ["traced mask", "numpy.where"]),
        (lambda x: x[1.5], TypeError, ["integers"]),
        (lambda x: x["a"], TypeError, ["integers"]),
        (lambda x: np.sum(x, axis=2), ShapeError, ["sum", "axis 2", "f64[3,4]"]),
        (lambda x: np.mean(x, axis=(0, 0)), ShapeError, ["mean", "twice"]),
        (lambda x: np.reshape(x, (5, -1)), ShapeError, ["reshape", "12"]),
        (lambda x: np.nonzero(x), TracerError, ["numpy.where"]),
        (lambda x: np.sum(x, out=np.zeros(())), TracerError, ["sum", "out=", "zeros_like"]),
        (lambda x: np.pad(x, 1, "other"), NotImplementedError, ["pad", "mode='other'"]),
        (lambda x: np.add.reduceat(x, [0, 4]), ShapeError, ["add.reduceat", "0 ... 2"]),
        (lambda x: np.divide.reduce(x[:0]), ShapeError, ["divide.reduce", "no identity"]),
        (lambda x: np.split(x, 5), ShapeError, ["split", "array_split"]),
    ],
)
def test_errors_name_what_and_where(function, error, words):
    with pytest.raises(error) as caught:
        graphad.trace(function, control_flow=False)(X)
    line = function.__code__.co_firstlineno
    for word in [*words, f"test_indexing.py:{line}"]:
        assert word in str(caught.value)


METHODS = [
    lambda x: x.T,
    lambda x: x.mT,
    lambda x: x.real,
    lambda x: x.imag,
    lambda x: x.sum(0),
    lambda x: x.prod(axis=1),
    lambda x: x.max(),
    lambda x: x.min(1),
    lambda x: x.mean(axis=0),
    lambda x: x.var(ddof=1),
    lambda x: x.std(),
    lambda x: x.any(),
    lambda x: x.all(0),
    lambda x: x.argmax(),
    lambda x: x.argmin(axis=1),
    lambda x: x.cumsum(),
    lambda x: x.cumprod(1),
    lambda x: x.reshape(2, 6),
    lambda x: x.reshape((4, -1)),
    lambda x: x.ravel(),
    lambda x: x.flatten(),
    lambda x: x.transpose(),
    lambda x: x.transpose(1, 0),
    lambda x: x.transpose((0, 1)),
    lambda x: x.swapaxes(0, 1),
    lambda x: x[None].squeeze(),
    lambda x: x.astype("f4"),
    lambda x: x.copy(),
    lambda x: x.dot(x.T),
    lambda x: x @ x.T,
    lambda x: np.ones((2, 3)) @ x,
    lambda x: x.clip(1, 5),
    lambda x: x.round(1),
    lambda x: x.conj(),
    lambda x: x.conjugate(),
    lambda x: x.argsort(axis=0),
    lambda x: x.take([1, 2], axis=1),
    lambda x: x.repeat(2, axis=0),
    lambda x: x.trace(),
    lambda x: x.diagonal(),
    lambda x: abs(x),
    lambda x: round(x[0, 0], 1),
    lambda x: sum(x),
    lambda x: x[0].searchsorted(1.5),
    lambda x: x.compress([True, False, True], axis=0),
    lambda x: [*x][1],
]


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_numpys(method):
    (found,) = graphad.trace(method)(X).verify().eval(X)
    np.testing.assert_allclose(found, method(X))
    assert found.dtype == np.asarray(method(X)).dtype


def test_creation_in_a_trace():
    def function(x):
        y = gnp.zeros(3).at[1].set(x)
        z = gnp.asarray([x, 2 * x, 1.0]) + gnp.ones(3) * gnp.arange(3) + gnp.eye(3)[0]
        return y + z + gnp.full(3, x) + np.zeros(3, like=x) + gnp.array([[x, 1], [2, 3]]).sum()

    x = 1.5
    expected = np.array([0, x, 0]) + [x, 2 * x, 1.0] + np.arange(3) + [1, 0, 0] + x + x + 6
    np.testing.assert_allclose(graphad.jit(function)(x), expected)
    assert isinstance(gnp.zeros(3), np.ndarray)
    assert gnp.float32 is np.float32
    assert gnp.sin is np.sin


def test_norm_and_std_have_derivative_zero_at_zero():
    np.testing.assert_array_equal(graphad.grad(np.linalg.norm)(np.zeros(3)), np.zeros(3))
    np.testing.assert_array_equal(graphad.grad(np.std)(np.ones(3)), np.zeros(3))


def test_masks_of_known_values_select():
    """Without jit, the gradient knows its input, so that masks and nonzero work as in plain NumPy."""
    gradient = graphad.grad(lambda x: np.sum(x[x > 4] ** 2))(X)
    np.testing.assert_allclose(gradient, np.where(X > 4, 2 * X, 0))
    gradient = graphad.grad(lambda x: np.sum(x[np.nonzero(x > 4)] ** 2) + np.sum(np.extract(x < 1, x)))(X)
    np.testing.assert_allclose(gradient, np.where(X > 4, 2 * X, 0) + (X < 1))


@pytest.mark.parametrize("reduce", [
    lambda x: np.max(-x, initial=0.0), lambda x: np.min(x, initial=0.5), lambda x: np.prod(x, initial=2.0),
    lambda x: np.add.reduce(x, initial=5.0), lambda x: np.maximum.reduce(-x, initial=0.0),
])  # fmt: skip
def test_initial_values_of_what_a_mask_or_a_slice_chooses(reduce):
    def masked(x, i):
        return reduce(x[x > 1])

    def sliced(x, i):
        return reduce(x[1:i])

    x = np.linspace(0.5, 3.0, 6)
    for f in (masked, sliced):
        assert graphad.jit(f)(x, 4) == f(x, 4)


CHOSEN = [
    lambda y: np.sum(y @ (2 * y)), lambda y: y.dot(y), lambda y: np.inner(y, y), np.linalg.norm,
    lambda y: np.linalg.norm(y, 1), np.ptp, lambda y: np.sum(y) * np.argmax(y), lambda y: np.sum(y) * np.argmin(-y),
    lambda y: np.max(y) * np.min(y),
]  # fmt: skip


@pytest.mark.parametrize("of", CHOSEN)
def test_products_and_places_of_what_a_mask_chooses(of, executor):
    def function(x):
        return of(x[x > 1])

    x = np.array([1.5, 0.5, 2.5, 0.7])
    assert graphad.jit(function, executor=executor)(x) == pytest.approx(function(x))
    graphad.check_grads(graphad.jit(function, executor=executor), (x,), order=1)
    rows = np.stack([x, x + 1.0])
    assert graphad.vmap(graphad.jit(function, executor=executor))(rows) == pytest.approx([function(r) for r in rows])


def centred(x):
    rows = x[x[:, 0] > 0]
    return np.sum((rows - rows.mean(axis=0)) ** 2)


def stored(x):
    y = x * 1.0
    y[y[:, 0] > 0, 1:] += x[0, :2]
    y[x[:, 1] > 2, ...] = np.arange(3.0)
    y[x[:, 2] < 0, 0] = 7.0
    y[x[0, 0] > 0] *= 2.0
    np.add.at(y, x[:, 1] > 2, 1.0)
    return np.sum(y * x)


ROWS = [
    lambda x: np.sum(x[x[:, 0] > 0].mean(axis=0) ** 2), lambda x: np.sum(x[x[:, 0] > 0].sum(axis=-1) ** 2),
    lambda x: np.sum(np.max(x[x[:, 0] > 0], axis=0) ** 2), lambda x: np.sum(np.add.reduce(x[x[:, 0] > 0]) ** 2),
    lambda x: np.sum(x[x[:, 0] > 0], axis=(0, 1)) * x[x[:, 0] > 0].ndim, lambda x: x[x[:, 0] > 0].size * x.sum(),
    lambda x: np.vdot(x[x[:, 0] > 0], x[x[:, 0] > 0]),
    lambda x: np.sum(x[x[:, 0] > 0].std(axis=1, keepdims=True) * x[x[:, 0] > 0]),
    lambda x: np.sum(x[np.where(x[:, 0] > 0)[0]].mean(0) ** 2), lambda x: np.sum(x[x[:, 0] > 0] - np.arange(3.0)),
    lambda x: np.sum(x[x[:, 0] > 0, 1] * x[x[:, 0] > 0, 2]), lambda x: np.sum(x[x[:, 0] > 0, :2] ** 2),
    lambda x: np.linalg.norm(x[x[:, 0] > 0]), lambda x: x[x[0, 0] > 0].mean(axis=1).sum(), centred, stored,
]  # fmt: skip


@pytest.mark.parametrize("of", ROWS)
def test_rows_that_a_mask_chooses(of, executor):
    x = np.array([[1.0, -2.0, 0.5], [-1.0, 3.0, 4.0], [2.0, 2.5, -3.0], [0.7, 0.1, 0.3]])
    f = graphad.jit(of, executor=executor)
    assert f(x) == pytest.approx(of(x))
    assert np.allclose(graphad.jit(graphad.grad(of), executor=executor)(x), graphad.grad(of)(x))
    graphad.check_grads(f, (x,), order=1)
    assert graphad.vmap(of)(np.stack([x, x + 0.01])) == pytest.approx([of(x), of(x + 0.01)])


@pytest.mark.parametrize("of", [
    lambda x: x[x[:, 0] > 0] @ x[x[:, 0] > 0].T, lambda x: x[x[:, 0] > 0] * x[x[:, 0] > 0, 0],
    lambda x: x[x[:, 0] > 0] - x,
    lambda x: np.linalg.norm(x[x[:, 0] > 0], 2), lambda x: np.inner(x[x[:, 0] > 0], x[x[:, 0] > 0]),
    lambda x: np.count_nonzero(x[x[:, 0] > 0], axis=0), lambda x: x[x[:, 0] > 0].__setitem__(0, 1.0),
])  # fmt: skip
def test_what_needs_the_number_of_rows_is_refused(of):
    with pytest.raises(TracerError):
        graphad.jit(of)(np.ones((3, 3)))


@pytest.mark.parametrize("reduce", [np.max, np.min, np.argmax, np.argmin, np.maximum.reduce])
def test_nothing_has_no_extreme(reduce, executor):
    def f(x):
        return x[0] * reduce(x[x > 1])

    gradient = graphad.grad(f)
    for call in (f, graphad.jit(f, executor=executor), gradient, graphad.jit(gradient, executor=executor)):
        assert np.all(np.isfinite(call(np.arange(4.0))))
        with pytest.raises(ValueError, match=r"zero-size array|empty sequence"):
            call(np.zeros(4))
    with pytest.raises(ValueError, match=r"zero-size array|empty sequence"):
        graphad.jit(graphad.vmap(f), executor=executor)(np.stack([np.arange(4.0), np.zeros(4)]))

    def handled(x):
        try:
            return f(x)
        except ValueError:
            return np.sum(x)

    assert np.all(graphad.grad(handled)(np.zeros(4)) == 1.0)
    with pytest.raises(graphad.ControlFlowError, match="ValueError"):
        graphad.jit(handled, executor=executor)(np.arange(4.0))

"""The tests' own tests: each law notices the mistake that it is there for, and conformance finds a wrong executor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.executors.numpy import NumpyExecutor
from graphad.graph import Graph
from graphad.op import OPS, Op, Sample
from graphad.testing import LAWS, check_executor, check_grads, check_op, conformance, label, samples
from graphad.types import TensorType

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Ops that a test defines are gone after it."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


def scaled_cubes(**changed: Callable[..., Any]) -> type[Op]:
    """A right op, `x**3 * y` with a sum over its last axis, in which single rules are replaced."""

    def infer(self: Any, *xs: TensorType) -> TensorType:
        return xs[0].with_shape(xs[0].shape[:-1])

    def evaluate(self: Any, xp: Any, *xs: Any) -> Any:
        return xp.sum(xs[0] ** 3 * xs[1], axis=-1)

    def jvp(self: Any, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        from graphad.ops.reduce import Sum

        x, y = primals
        terms = [3 * x * x * y * tangents[0]] if tangents[0] is not None else []
        terms += [x * x * x * tangents[1]] if tangents[1] is not None else []
        return Sum((x.ndim - 1,))(terms[0] + terms[1] if len(terms) > 1 else terms[0])

    def batch(self: Any, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        from graphad.ops.shape import BroadcastTo

        x, y = (a if b else BroadcastTo((size, *a.shape))(a) for a, b in zip(xs, batched, strict=True))
        return self(x, y)

    def samples_(cls: Any) -> Iterable[Sample]:
        yield Sample(cls(), (X, X[::-1] + 0.25))
        yield Sample(cls(), (X.astype("f4"), X.astype("f4")))
        yield Sample(cls(), (X + 0.5j, X * 1j))
        yield Sample(cls(), (X[:, :0], X[:, :0]))

    rules = {"infer": infer, "eval": evaluate, "jvp": jvp, "batch": batch, "samples": classmethod(samples_)}
    return type("ScaledCubes", (Op,), {**rules, **changed, "__module__": __name__}, name="scaled_cubes")


def test_a_right_op_of_the_users_own_passes() -> None:
    laws = [law for law in LAWS if law != "pickle"]  # a class made in a function cannot be pickled
    check_op(scaled_cubes(), laws)


def _wrong_jvp(self: Any, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    from graphad.ops.reduce import Sum

    x, y = primals
    term = 2 * x * y * tangents[0] if tangents[0] is not None else x * tangents[1]
    return Sum((x.ndim - 1,))(term)


def _missing_second_term(self: Any, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    from graphad.ops.reduce import Sum

    x, y = primals
    if tangents[0] is None:
        return Sum((x.ndim - 1,))(x * x * x * tangents[1])
    return Sum((x.ndim - 1,))(3 * x * x * y * tangents[0])


def _double_jvp(self: Any, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    from graphad.ops.reduce import Sum

    x, y = primals
    terms = [np.float64(3) * x * x * y * tangents[0]] if tangents[0] is not None else []
    terms += [x * x * x * tangents[1]] if tangents[1] is not None else []
    return Sum((x.ndim - 1,))(terms[0] + terms[1] if len(terms) > 1 else terms[0])


def _shared_batch(self: Any, batched: Sequence[bool], size: int, *xs: Any) -> Any:
    x, y = xs
    return self(x if batched[0] else x + 0 * y, y if batched[1] else y + 0.0 * x[::-1] + 1)


MISTAKES = {
    "a wrong shape": ("infer", {"infer": lambda self, x, y: x}),
    "a wrong dtype": ("infer", {"infer": lambda self, x, y: TensorType("f4", x.shape[:-1])}),
    "an operand changed in place": ("infer", {"eval": lambda self, xp, x, y: np.sum(np.multiply(x, 2, out=x), -1)}),
    "a wrong derivative": ("jvp", {"jvp": _wrong_jvp}),
    "a forgotten term": ("jvp", {"jvp": _missing_second_term}),
    "double precision in a single-precision derivative": ("dtype", {"jvp": _double_jvp}),
    "a wrong batching rule": ("batch", {"batch": _shared_batch}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake: str) -> None:
    law, changed = MISTAKES[mistake]
    with pytest.raises(AssertionError, match=rf"scaled_cubes-f[48].*-{law}: "):
        check_op(scaled_cubes(**changed), [law])


def test_a_wrong_transpose_is_noticed() -> None:
    class Doubled(Op, name="doubled"):
        linear = True

        def infer(self, *xs: TensorType) -> TensorType:
            return xs[0]

        def eval(self, xp: Any, *xs: Any) -> Any:
            return 2 * xs[0]

        def transpose(self, ct: Any, *xs: Any) -> Any:
            return ct * 3

        @classmethod
        def samples(cls) -> Iterable[Sample]:
            yield Sample(cls(), (X,))

    with pytest.raises(AssertionError, match=r"doubled-f8-2x3-transpose.*<ct, jvp\(t\)> = .* but <vjp\(ct\), t> = "):
        check_op(Doubled)


def test_an_op_without_samples_is_noticed() -> None:
    with pytest.raises(AssertionError, match="scaled_cubes has no samples"):
        check_op(scaled_cubes(samples=classmethod(lambda cls: ())))


# -- conformance --------------------------------------------------------------------------------------------------


def test_the_definition_of_meaning_conforms() -> None:
    report = conformance("numpy")
    assert report
    assert len(report.passed) > 500
    assert {"layouts", "plumbing", "repetition"} <= set(report.passed)


def test_every_executor_runs_a_sample(executor: str) -> None:
    check_executor(executor, next(iter(samples(["multiply"]))))


class Faulty(NumpyExecutor):
    """NumPy, but wrong in one way."""

    name = "faulty"

    def __init__(self, fault: Callable[[Graph, tuple[Any, ...], tuple[Any, ...]], Any]) -> None:
        self.fault = fault

    def compile(self, graph: Graph) -> Callable[..., tuple[Any, ...]]:
        right = super().compile(graph)
        return lambda *args: self.fault(graph, args, right(*args))


def _has_sin(graph: Graph) -> bool:
    return any(node.op.name == "sin" for node in graph.walk())


def _change_argument(graph: Graph, args: Any, results: Any) -> Any:
    for x in args:
        if x.size and x.flags.writeable and x.dtype.kind == "f":
            x += 1
    return results


def _memory(kept: dict[Any, Any]) -> Callable[..., Any]:
    def reuse(graph: Graph, args: Any, results: Any) -> Any:
        buffers = kept.setdefault(graph, [np.array(r) for r in results])
        for buffer, r in zip(buffers, results, strict=True):
            buffer[...] = r
        return tuple(buffers)

    return reuse


FAULTS: dict[str, tuple[Callable[..., Any], str]] = {
    "a wrong value in one op": (lambda g, a, r: tuple(x + _has_sin(g) for x in r), "sin-f8-3x4-value"),
    "no tuple": (lambda g, a, r: r[0], "gives a tuple"),
    "a lost result": (lambda g, a, r: r[:-1], "results for the"),
    "another dtype": (lambda g, a, r: tuple(np.asarray(x, "c16") for x in r), r"gave complex128\[\] as output 0"),
    "another shape": (lambda g, a, r: tuple(np.asarray(x)[None] for x in r), "which is f64"),
    "a changed argument": (_change_argument, "argument 0 was changed"),
    "a buffer used again": (_memory({}), "repetition: "),
    "an argument given back": (
        lambda g, a, r: tuple(a[0] if len(a) == 1 and np.array_equal(x, a[0]) else x for x in r),
        "shares memory",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_executor_is_found_out(fault: str) -> None:
    function, message = FAULTS[fault]
    with pytest.raises(AssertionError, match=message):
        conformance(Faulty(function), samples(["sin", "add", "sum", "eigh", "select", "cumsum", "argmax", "svd"]))


def test_the_report_locates_the_failing_case() -> None:
    chosen = list(samples(["cos", "sin", "tanh"]))
    faulty = Faulty(lambda g, a, r: tuple(x + _has_sin(g) for x in r))
    report = conformance(faulty, chosen, raise_=False, plumbing=False)
    assert not report
    assert {name.split("-")[0] for name in report.failures} <= {"sin", "cos"}
    assert {f"{label(s)}-value" for s in chosen if s.op.name == "tanh"} <= set(report.passed)
    assert f"{len(report.failures)} fail" in str(report)


# -- check_grads --------------------------------------------------------------------------------------------------


def test_check_grads_accepts_right_derivatives() -> None:
    check_grads(lambda x, y: np.sin(x) * y + x**3, (X, 2.0), order=3)
    check_grads(lambda x: np.exp(x) / (1 + x * x), (X.astype("f4"),))
    check_grads(lambda z: z * z * np.exp(z), (X + 0.5j,), order=2)
    check_grads(lambda p: {"s": p["a"] * p["b"], "t": (np.tanh(p["a"]),)}, ({"a": X, "b": 1.5},), order=2)
    check_grads(lambda x: x * 2.0, (1.0,), modes=("rev",), eps=1e-3, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_check_grads_notices_a_wrong_derivative(mode: str) -> None:
    @graphad.custom_jvp
    def f(x: Any) -> Any:
        return np.sin(x)

    @f.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return np.sin(primals[0]), 2 * tangents[0]

    what = {"fwd": "forward mode: jvp of", "rev": "reverse mode: vjp of"}[mode]
    with pytest.raises(AssertionError, match=what):
        check_grads(f, (X,), order=1, modes=(mode,))


def test_check_grads_notices_a_wrong_second_derivative() -> None:
    with pytest.raises(AssertionError, match="jvp of jvp of <lambda>"):
        check_grads(lambda x: graphad.stop_gradient(x) * x * 2 + x**2 - graphad.stop_gradient(x) ** 2, (X,), order=2)


def test_check_grads_refuses_unknown_modes() -> None:
    with pytest.raises(ValueError, match="modes are 'fwd' and 'rev'"):
        check_grads(np.sin, (X,), modes=("sideways",))

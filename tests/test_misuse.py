"""Misuse is named: functions that are none, positions, options, broken passes, executors and rules of ops."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad import passes
from graphad.errors import ExecutorError, GraphadError, PipelineError, ShapeError, TracerError, TypeMismatchError

X = np.array([0.5, -1.0, 2.0])
HERE = Path(__file__).name
GRAPH = graphad.trace(lambda x: np.sum(x * x))(X)


class Thing:
    """An object that means nothing to graphad."""


WRONG: dict[str, Any] = {
    "None": None, "text": "abc", "number": 3, "negative": -1, "float": 2.5, "list": [1, 2], "dict": {"a": 1},
    "object": Thing(), "array": X, "matrix": np.ones((2, 2)), "empty": np.zeros(0), "tuple": (), "graph": GRAPH,
    "op": GRAPH.nodes[0].op,
    "shape": graphad.ShapeDtype(3),
}  # fmt: skip

step = lambda c, x: (c + x, x)
below = lambda c: c < 3
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **{
        name: lambda f, name=name: getattr(graphad, name)(f)
        for name in ("grad", "value_and_grad", "jacfwd", "jacrev", "hessian", "vmap", "trace", "checkpoint",
                     "custom_jvp", "custom_vjp", "eval_shape", "vjp", "linearize", "linear_transpose")
    },
    "jit": lambda f: graphad.jit(f if f is not None else "None"),
    "jvp": lambda f: graphad.jvp(f, (X,), (X,)),
    "hvp": lambda f: graphad.hvp(f, (X,), (X,)),
    "cond": lambda f: graphad.cond(True, f, f),
    "cond, traced": lambda f: graphad.jit(lambda x: graphad.cond(x > 0, lambda x: x, f, x))(1.0),
    "switch": lambda f: graphad.switch(0, [f]),
    "switch, traced": lambda f: graphad.jit(lambda i: graphad.switch(i, [f, f]))(0),
    "scan": lambda f: graphad.scan(f, 0.0, X),
    "map": lambda f: graphad.map(f, X),
    "while_loop, condition": lambda f: graphad.while_loop(f, lambda c: c + 1, 0),
    "while_loop, body": lambda f: graphad.while_loop(below, f, 0),
    "fori_loop": lambda f: graphad.fori_loop(0, 3, f, 0),
    "associative_scan": lambda f: graphad.associative_scan(f, X),
    "pure_callback": lambda f: graphad.pure_callback(f, graphad.ShapeDtype(3), X),
    "debug.callback": lambda f: graphad.debug.callback(f, X),
    "defjvp": lambda f: graphad.custom_jvp(np.sin).defjvp(f),
    "defvjp": lambda f: graphad.custom_vjp(np.sin).defvjp(np.sin, f),
    "check_grads": lambda f: graphad.check_grads(f, (X,)),
    "tree.map": lambda f: graphad.tree.map(f, X),
}  # fmt: skip


@pytest.mark.parametrize("value", [v for v in WRONG if v != "op"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_function(name: str, value: str) -> None:
    given = WRONG[value]
    if callable(given):
        return
    with pytest.raises(TypeMismatchError, match=r"is not a function") as caught:
        FUNCTIONS[name](given)
    assert name == "tree.map" or HERE in str(caught.value)


OPTIONS: dict[str, Callable[[Any], Any]] = {
    "grad argnums": lambda v: graphad.grad(np.sum, v)(X),
    "vmap in_axes": lambda v: graphad.vmap(np.sin, in_axes=(v,))(np.ones((2, 3))),
    "vmap out_axes": lambda v: graphad.vmap(np.sin, out_axes=(v,))(np.ones((2, 3))),
    "jit static_argnums": lambda v: graphad.jit(np.sin, static_argnums=v)(X),
    "jit static_argnames": lambda v: graphad.jit(lambda x: x, static_argnames=v)(X),
    "jit executor": lambda v: graphad.jit(np.sin, executor=v if v is not None else 0)(X),
    "jit pipeline": lambda v: graphad.jit(np.sin, pipeline=v)(X),
    "jit debug": lambda v: graphad.jit(np.sin, debug=v if v is not None else 0)(X),
    "jit threads": lambda v: graphad.jit(np.sin, executor="llvm", threads=v if v is not None else 0)(X),
    "compile": lambda v: graphad.compile(v),
    "pipeline step": lambda v: graphad.Pipeline([v])(GRAPH),
    "pipeline of": lambda v: graphad.Pipeline("dce")(v),
    "compiled": lambda v: graphad.compile(GRAPH, executor="numpy")(v),
    "eval": lambda v: GRAPH.eval(v),
    "save": lambda v: __import__("graphad.serial").serial.save(v, "never.json"),
    "draw": lambda v: graphad.draw(v),
    "cond": lambda v: graphad.cond(v, lambda: 0, lambda: 1),
    "switch": lambda v: graphad.switch(v, [lambda: 0]),
    "switch branches": lambda v: graphad.switch(0, v),
    "scan length": lambda v: graphad.scan(step, 0.0, None, v),
    "scan unroll": lambda v: graphad.scan(step, 0.0, X, unroll=v),
    "scan checkpoint_every": lambda v: graphad.scan(step, 0.0, X, checkpoint_every=v if v is not None else 0),
    "while checkpoint_every": lambda v: graphad.while_loop(below, lambda c: c + 1, 0, checkpoint_every=v or 0),
    "fori lower": lambda v: graphad.fori_loop(v, 3, step, 0),
    "fori upper": lambda v: graphad.fori_loop(0, v, step, 0),
    "associative axis": lambda v: graphad.associative_scan(np.add, X, axis=v),
    "jvp primals": lambda v: graphad.jvp(np.sin, v, (X,)),
    "jvp tangents": lambda v: graphad.jvp(np.sin, (X,), v),
    "cotangent": lambda v: graphad.vjp(np.cumsum, np.ones(4))[1](v),
    "nondiff": lambda v: graphad.custom_jvp(np.sin, v if v is not None else "x")(X),
    "checkpoint static": lambda v: graphad.checkpoint(np.sin, static_argnums=v if v is not None else "x")(X),
    "register": lambda v: graphad.executors.register(v),
    "set_default": lambda v: graphad.executors.set_default(v),
    "graph_pass": lambda v: graphad.graph_pass(v),
    "tree.unflatten": lambda v: graphad.tree.unflatten(v, [1]),
    "tree.register": lambda v: graphad.tree.register(v, step, step),
    "check_grads args": lambda v: graphad.check_grads(np.sin, v if isinstance(v, np.ndarray) else "x"),
    "check_grads eps": lambda v: graphad.check_grads(np.sin, (X,), eps=v if v is not None else "x"),
    **{f"pass {name}": lambda v, name=name: passes.PASSES[name](v) for name in ("cse", "dce", "fold", "inline", "licm",
       "simplify", "fuse", "lifetime", "simplify_regions", "jvp", "vjp", "grad", "linearize")},
    "jvp wrt": lambda v: passes.jvp(GRAPH, v if v is not None else 5),
    "grad wrt": lambda v: passes.grad(GRAPH, v if v is not None else 5),
    "grad output": lambda v: passes.grad(GRAPH, output=v),
    "vmap size": lambda v: passes.vmap(GRAPH, v),
    "transpose": lambda v: passes.transpose(GRAPH, v, 0),
}  # fmt: skip
RIGHT = {
    ("jit static_argnums", "number"), ("jit static_argnums", "list"), ("jit static_argnums", "tuple"),
    ("jit static_argnums", "negative"), ("jit static_argnums", "empty"), ("jit static_argnames", "tuple"),
    ("jit static_argnames", "empty"), ("jit pipeline", "tuple"), ("jit pipeline", "empty"), ("jit debug", "tuple"),
    ("jit debug", "dict"), ("vmap in_axes", "None"), ("vmap in_axes", "negative"), ("vmap out_axes", "negative"),
    ("jit threads", "number"), ("compiled", "array"), ("eval", "array"), ("draw", "graph"), ("compile", "graph"),
    ("save", "graph"), ("pipeline of", "graph"), ("cond", "number"), ("cond", "negative"), ("cond", "float"),
    ("switch", "number"), ("switch", "negative"), ("scan length", "number"), ("scan unroll", "number"),
    ("scan checkpoint_every", "number"), ("while checkpoint_every", "number"), ("associative axis", "negative"),
    ("fori lower", "number"), ("nondiff", "negative"), ("nondiff", "tuple"), ("nondiff", "empty"),
    ("checkpoint static", "negative"), ("checkpoint static", "tuple"), ("checkpoint static", "empty"),
    ("scan checkpoint_every", "list"), ("while checkpoint_every", "list"), ("grad argnums", "negative"),
    ("grad argnums", "tuple"), ("grad argnums", "empty"), ("jvp wrt", "negative"), ("grad wrt", "negative"),
    ("jvp wrt", "tuple"), ("jvp wrt", "empty"), ("grad wrt", "tuple"), ("grad wrt", "empty"), ("vmap size", "number"),
    ("grad output", "negative"), ("transpose", "negative"), ("transpose", "tuple"), ("transpose", "empty"),
    ("check_grads eps", "float"), ("check_grads eps", "number"), ("check_grads eps", "negative"),
    ("fori upper", "negative"), ("vmap out_axes", "None"), ("check_grads eps", "list"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options_and_arguments_that_are_wrong(name: str) -> None:
    """Every error is graphad's own; or the value is right after all, or what NumPy says of arrays as truths."""
    for kind, value in WRONG.items():
        if (name, kind) in RIGHT or (name.startswith("pass") and kind == "graph"):
            continue
        with pytest.raises((GraphadError, ValueError)) as caught:
            OPTIONS[name](value)
        if isinstance(caught.value, GraphadError):
            assert ";" in str(caught.value) or ":" in str(caught.value)
        else:
            assert "truth value of an" in str(caught.value), (name, kind)


# -- passes -------------------------------------------------------------------------------------------------------


def nothing(graph: graphad.Graph) -> Any:
    """A pass that forgot its result."""


def failing(graph: graphad.Graph) -> Any:
    """A pass that fails."""
    return graph.nodes[99]


def test_broken_passes_are_named() -> None:
    for run in (lambda p: graphad.Pipeline([p])(GRAPH), lambda p: graphad.compile(GRAPH, graphad.Pipeline([p]))):
        with pytest.raises(PipelineError, match=r"the pass nothing gave None .* return it"):
            run(nothing)
        with pytest.raises(PipelineError, match=r"the pass failing failed on @.* with IndexError: .*leave") as caught:
            run(failing)
        assert isinstance(caught.value.__cause__, IndexError)
    registered = graphad.graph_pass(nothing)
    del passes.PASSES["nothing"]
    with pytest.raises(PipelineError, match="the pass nothing gave None"):
        registered(GRAPH)


def test_options_of_passes_that_fit_nothing() -> None:
    integers = graphad.trace(lambda x, n: np.sum(x * n))(X, 3)
    for run in (passes.jvp, passes.linearize, passes.vjp, passes.grad):
        with pytest.raises(PipelineError, match=r"wrt=5.*there are 2 inputs of @"):
            run(integers, wrt=5)
        with pytest.raises(PipelineError, match=r"wrt=1.*the input 1 is i64\[\], which has no derivatives"):
            run(integers, wrt=1)
    with pytest.raises(PipelineError, match=r"output=3.*there are 1 outputs"):
        graphad.Pipeline("grad(output=3)")(integers)
    with pytest.raises(PipelineError, match=r"batched=\[True\].*one flag for each of the 2 inputs"):
        passes.vmap(integers, 4, [True])


# -- executors ----------------------------------------------------------------------------------------------------


class Broken:
    """An executor that compiles a graph to whatever it is told."""

    name = "broken"
    pipeline = ""

    def __init__(self, made: Any) -> None:
        self.made = made

    def supports(self, op: graphad.Op) -> bool:
        return True

    def compile(self, graph: graphad.Graph) -> Any:
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


def test_broken_executors_are_named() -> None:
    pair = lambda x: (x, np.sum(x))
    run = lambda made: graphad.jit(pair, executor=Broken(made))(X)
    right = run(lambda x: (x, np.sum(x)))
    assert right[1] == 1.5
    with pytest.raises(ExecutorError, match=r"executor broken compiled @.* to None .* is not a function"):
        run(None)
    with pytest.raises(ExecutorError, match=r"executor broken failed to compile @.* with KeyError: 'x'; .*choose"):
        run(KeyError("x"))
    for results, what in (
        ((X,), "1 results for the 2 outputs"),
        (None, "a NoneType for the 2 outputs"),
        ((X, "text"), r"a str as output 1 of @.*, which is f64\[\]"),
        ((X, np.float32(1.5)), r"float32\[\] as output 1 of @.*, which is f64\[\]"),
        ((X[:2], np.float64(1.5)), r"float64\[2\] as output 0 of @.*, which is f64\[3\]"),
    ):
        with pytest.raises(ExecutorError, match=rf"executor broken gave {what}"):
            run(lambda x, results=results: results)
    with pytest.raises(ZeroDivisionError) as caught:
        run(lambda x: 1 / 0)
    assert "while executor broken ran @" in caught.value.__notes__[0]


def test_what_is_no_executor() -> None:
    for given in (Broken, Thing(), 3, ["numpy"]):
        with pytest.raises(ExecutorError, match=rf"(is a class|is not an executor).*{HERE}"):
            graphad.jit(np.sin, executor=given)(X)
    unnamed = Broken(None)
    unnamed.pipeline = None  # type: ignore[assignment]
    with pytest.raises(ExecutorError, match="executor broken: its pipeline is None; write it as text"):
        graphad.jit(np.sin, executor=unnamed)(X)


def test_arguments_of_another_type_are_refused_by_every_executor(executor: str) -> None:
    compiled = graphad.compile(GRAPH)
    with pytest.raises(ShapeError, match=r"argument 0 is an array of float64 with shape \[2\]"):
        compiled(X[:2])
    with pytest.raises(TypeMismatchError, match=r"argument 0 is an array of float32"):
        compiled(X.astype(np.float32))
    with pytest.raises(ShapeError, match="2 arguments were given to a graph of 1 inputs"):
        compiled(X, X)


# -- rules of ops -------------------------------------------------------------------------------------------------


def op_with(**rules: Any) -> graphad.Op:
    """An op that doubles its operand, some of its rules replaced."""
    right = {
        "__module__": __name__,
        "linear": True,
        "infer": lambda self, x: x,
        "eval": lambda self, xp, x: 2 * x,
        "transpose": lambda self, ct, x: self(ct),
        "batch": lambda self, batched, size, x: self(x),
    }
    cls = type("Doubling", (graphad.Op,), {**right, **rules}, abstract=True)
    cls.name = "doubling"
    return cls()


def test_an_op_that_obeys() -> None:
    op = op_with()
    np.testing.assert_array_equal(graphad.grad(lambda x: np.sum(op(x)))(X), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(graphad.vmap(op)(X), 2 * X)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"infer": lambda self, x: None}, "doubling: infer gave None; it must give a TensorType"),
        ({"eval": lambda self, xp, x: None}, "doubling: eval gave a NoneType, and should give an array"),
        ({"eval": lambda self, xp, x: x[:2]}, r"doubling: eval gave float64\[2\], and infer said f64\[3\]"),
        ({"eval": lambda self, xp, x: x.astype("f4")}, r"doubling: eval gave float32\[3\], and infer said f64\[3\]"),
        ({"eval": lambda self, xp, x: (x, x)}, "doubling: eval gave 2 results where there are 1"),
        ({"jvp": lambda self, out, xs, ts: (ts[0], ts[0])}, "doubling: jvp gave 2 tangents where there are 1"),
        ({"jvp": lambda self, out, xs, ts: ts[0][:2]}, r"doubling: jvp gave a tangent of shape \[2\] for .*\[3\]"),
        ({"jvp": lambda self, out, xs, ts: "text"}, "doubling: jvp gave a str for a result"),
        ({"transpose": lambda self, ct, x: (ct, ct)}, "doubling: transpose gave 2 cotangents where there are 1"),
    ],
)
def test_rules_that_give_something_else(rules: dict[str, Any], message: str) -> None:
    op = op_with(**rules)
    with pytest.raises(GraphadError, match=message):
        graphad.grad(lambda x: np.sum(op(x)))(X)


def test_a_batching_rule_that_forgets_the_axis() -> None:
    op = op_with(batch=lambda self, batched, size, x: np.sum(x, axis=0))
    with pytest.raises(ShapeError, match=r"doubling: batch gave a result of shape \[3\]; all results have"):
        graphad.vmap(op)(np.ones((2, 3)))


# -- traced values ------------------------------------------------------------------------------------------------


def test_a_traced_value_cannot_be_a_key() -> None:
    for use in (lambda x: {x: 1}, lambda x: {x}, lambda x: hash(x), lambda x: {1.0: 2.0}[x]):
        for transform in (graphad.grad, graphad.jit):
            with pytest.raises(TracerError, match=rf"unhashable: a traced f64\[\] .*{HERE}.*; use a list or a name"):
                transform(use)(1.0)


def test_rules_of_the_users_own_may_give_constants() -> None:
    @graphad.custom_vjp
    def f(x: Any) -> Any:
        return np.sum(x)

    f.defvjp(lambda x: (f(x), None), lambda residuals, ct: (np.ones(3),))
    np.testing.assert_array_equal(graphad.grad(f)(X), np.ones(3))
    np.testing.assert_array_equal(graphad.grad(f)(x := X), np.ones_like(x))


def test_derivative_rules_take_arguments_by_name() -> None:
    @graphad.custom_jvp
    def power(x: Any, n: Any) -> Any:
        return x**n

    power.defjvps(lambda t, out, x, n: t * n * x ** (n - 1), None)
    assert graphad.grad(lambda x: power(x, n=3.0))(2.0) == 12.0
    assert "n" in inspect.signature(power).parameters
    with pytest.raises(TypeError, match=r"power.*missing a required argument: 'n'"):
        graphad.grad(lambda x: power(x, m=3.0))(2.0)


# -- functions of NumPy and SciPy ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.reshape(x, None), r"reshape\(f64\[3\], None\) .*TypeError: int\(\) arg"),
        (lambda x: np.correlate(x, 2.0), r"correlate\(f64\[3\], 2\.0\)"),
        (lambda x: np.linalg.norm(x, [1, 2]), r"norm\(f64\[3\], list\)"),
        (lambda x: np.fft.fft(x, "abc"), r"fft\(f64\[3\], 'abc'\)"),
        (lambda x: np.histogram(x, {}), r"histogram"),
    ],
)
def test_wrong_arguments_of_traced_functions(call: Callable[[Any], Any], message: str) -> None:
    for transform in (graphad.grad, graphad.jit):
        with pytest.raises(GraphadError, match=message) as caught:
            transform(lambda x: np.sum(call(x)[0] if isinstance(call(x), tuple) else call(x)))(X)
        assert HERE in str(caught.value)

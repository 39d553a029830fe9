"""Python control flow on traced values: converted programs give what plain Python gives, and the same derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conversion_programs import PROGRAMS

import graphad
from graphad import tree

CALLS = [(name, i) for name, (_, calls) in PROGRAMS.items() for i in range(len(calls))]


def jit(f: Any, **options: Any) -> Any:
    return graphad.jit(f, executor="numpy", **options)


def agree(found: Any, expected: Any, rtol: float = 1e-10) -> None:
    assert tree.structure(found) == tree.structure(expected)
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize(("name", "call"), CALLS, ids=lambda x: str(x))
def test_a_converted_program_is_the_program(name: str, call: int) -> None:
    f, calls = PROGRAMS[name]
    agree(jit(f)(*calls[call]), f(*calls[call]))


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_graph_serves_all_ways(name: str) -> None:
    f, calls = PROGRAMS[name]
    converted = jit(f)
    for args in calls:
        agree(converted(*args), f(*args))
    shapes = {tuple((np.shape(x), np.asarray(x).dtype, type(x)) for x in tree.leaves(args)) for args in calls}
    assert len(converted._cache) == len(shapes)


# Plain Python cannot differentiate what goes through elements of a NumPy array.
FILLING = {"fills_an_array", "recurrence_in_an_array", "matrix_elements"}


def slope(f: Any, *args: Any) -> Any:
    """The gradient by plain Python's way through the program, else by central differences."""
    if f.__name__ not in FILLING:
        return graphad.grad(f)(*args)
    x = np.asarray(args[0], float)
    steps = np.eye(x.size).reshape(x.size, *x.shape) * 1e-6
    rows = [(f(x + h, *args[1:]) - f(x - h, *args[1:])) / 2e-6 for h in steps]
    return np.reshape(rows, x.shape)


@pytest.mark.parametrize(("name", "call"), CALLS, ids=lambda x: str(x))
def test_gradients_are_those_of_plain_python(name: str, call: int) -> None:
    f, calls = PROGRAMS[name]
    agree(jit(graphad.grad(f))(*calls[call]), slope(f, *calls[call]), 1e-6 if name in FILLING else 1e-10)


@pytest.mark.parametrize("name", PROGRAMS)
def test_vmap_is_a_loop_over_the_examples(name: str) -> None:
    f, calls = PROGRAMS[name]
    args = calls[0]
    firsts = np.stack([np.asarray(args[0], float) * s + d for s, d in ((1.0, 0.0), (0.9, 0.1), (1.1, -0.05))])
    axes = (0, *[None] * (len(args) - 1))
    expected = np.stack([f(x, *args[1:]) for x in firsts])
    agree(graphad.vmap(f, axes)(firsts, *args[1:]), expected)
    slopes = np.stack([slope(f, x, *args[1:]) for x in firsts])
    agree(jit(graphad.vmap(graphad.grad(f), axes))(firsts, *args[1:]), slopes, 1e-6 if name in FILLING else 1e-10)


# -- what the graph is ----------------------------------------------------------------------------------------------


def nodes(graph: graphad.Graph) -> int:
    return len(graph.nodes) + sum(nodes(region) for node in graph.nodes for region in node.op.regions.values())


def test_the_graph_does_not_grow_with_the_trip_count() -> None:
    def f(xs: Any, n: Any) -> Any:
        total, best = 0.0, 0.0
        for i, x in enumerate(xs):
            if x > best:
                best = x
            total += i * np.sin(x)
        for j in range(n):
            total = total * 0.5 + j
        for x in xs:
            if x > 2:
                break
            total -= x
        return total + best

    sizes = {nodes(graphad.trace(f)(np.ones(n), n)) for n in (3, 10, 1000)}
    assert len(sizes) == 1
    gradients = {nodes(graphad.trace(graphad.grad(f))(np.ones(n), n)) for n in (3, 10, 1000)}
    assert len(gradients) == 1
    searching = lambda n: nodes(graphad.trace(search, static_argnums=1)(2.0, n))
    assert searching(5) == searching(500)


def search(x: Any, most: int) -> Any:
    for _ in range(most):
        x = x - (x * x - 3) / (2 * x)
        if abs(x * x - 3) < 1e-9:
            break
    return x


def test_ordinary_loops_stay_as_written() -> None:
    def f(x: Any) -> Any:
        for k in range(3):
            x = np.sin(x) if k > 0 else x
        for w in [1.0, 2.0]:
            x = w * x
        return x

    assert [node.op.name for node in graphad.trace(f)(1.0).nodes] == ["sin", "sin", "multiply", "multiply"]


def test_nodes_keep_the_users_file_line_function_and_variable() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            y = np.sin(x)
        else:
            y = np.cos(x)
        while y < 3:
            y = y + x
        return y

    first = f.__code__.co_firstlineno
    test, branch, loop = graphad.Pipeline("dce")(graphad.trace(f)(1.0)).nodes
    places = {
        node.op.name: node.where for g in (*branch.op.regions.values(), *loop.op.regions.values()) for node in g.nodes
    }
    places |= {"test": test.where, "branch": branch.where, "loop": loop.where}
    lines = {"test": 1, "branch": 1, "sin": 2, "cos": 4, "loop": 5, "less": 5, "add": 6}
    assert {k: p.line - first for k, p in places.items()} == lines
    assert {p.function for p in places.values()} == {"f"}
    assert {p.file for p in places.values()} == {__file__}
    assert places["sin"].target == places["add"].target == "y"
    assert places["sin"].text == "y = np.sin(x)"


def test_tracebacks_show_the_users_lines() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            x.nonsense()
        return x

    with pytest.raises(AttributeError) as caught:
        graphad.trace(f)(1.0)
    last = caught.traceback[-1]
    assert (last.path.name, last.lineno) == ("test_conversion.py", f.__code__.co_firstlineno + 1)
    assert last.frame.code.name == "f"


# -- transformations within one another -----------------------------------------------------------------------------


def kinked(x: Any) -> Any:
    y = 1.0
    while y < 10 * x:
        y = y * (x + 1.1) if y > 2 else y + x * x
    return y * x if x > 0 else x**3


@pytest.mark.parametrize("x", [1.7, 3.0, -1.5])
def test_transformations_nest(x: float) -> None:
    first, second = graphad.grad(kinked), graphad.grad(graphad.grad(kinked))
    agree(jit(first)(x), first(x))
    agree(jit(graphad.hessian(kinked))(x), second(x))
    agree(jit(graphad.jacfwd(kinked))(x), first(x))
    agree(jit(second)(x), second(x))
    agree(graphad.grad(jit(kinked))(x), first(x))
    agree(
        graphad.grad(lambda v: np.sum(graphad.vmap(kinked)(np.array([1.0, 0.5]) * x)) * v)(2.0),
        kinked(x) + kinked(x / 2),
    )
    xs = np.array([x, 0.5, 2.0])
    agree(jit(graphad.vmap(second))(xs), np.array([second(v) for v in xs]))
    agree(jit(lambda v: graphad.jvp(kinked, (v,), (2.0,)))(x), (kinked(x), 2 * first(x)))
    assert graphad.eval_shape(kinked, x) == graphad.ShapeDtype(())


def test_a_transformation_within_a_branch_of_a_converted_function() -> None:
    def f(x: Any) -> Any:
        if x > 1:
            return graphad.grad(kinked)(x)
        return graphad.grad(lambda v: v * v if v > x else v**3)(x)

    for x in (2.0, 0.5):
        agree(jit(f)(x), f(x))
        agree(jit(graphad.grad(f))(x), graphad.grad(f)(x))


def test_functions_given_to_the_structured_functions_are_converted() -> None:
    def f(x: Any, lib: Any) -> Any:
        step = lambda c, e: (c + (e if e > c else -c), c)
        c, _ = lib.scan(step, x, np.array([0.3, 2.0, -1.0]))
        c = lib.while_loop(lambda s: (s < 9) if s > 0 else s < -1, lambda s: s * 2 if s > 1 else s + 1.5, c)
        c = lib.fori_loop(0, 3, lambda i, s: s - 1 if s > 5 else s * 1.1, c)
        return c + lib.checkpoint(lambda v: v if v > 0 else 0.0 * v)(c)

    class Plain:
        checkpoint = staticmethod(lambda f: f)

        @staticmethod
        def scan(f: Any, c: Any, xs: Any) -> Any:
            for x in xs:
                c, _ = f(c, x)
            return c, None

        @staticmethod
        def while_loop(test: Any, body: Any, c: Any) -> Any:
            while test(c):
                c = body(c)
            return c

        @staticmethod
        def fori_loop(lower: Any, upper: Any, body: Any, c: Any) -> Any:
            for i in range(lower, upper):
                c = body(i, c)
            return c

    for x in (0.5, 4.0):
        agree(f(x, graphad), f(x, Plain))
        agree(jit(lambda x: f(x, graphad))(x), f(x, Plain))
        agree(jit(lambda x: f(x, Plain))(x), f(x, Plain))
        agree(jit(graphad.grad(lambda x: f(x, graphad)))(x), graphad.grad(lambda x: f(x, Plain))(x))


def test_rules_of_custom_derivatives_are_converted() -> None:
    @graphad.custom_jvp
    def clipped(x: Any) -> Any:
        return x if x < 1 else 1.0

    @clipped.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return clipped(x), t if x < 1 else 0.5 * t

    for x, slope in ((0.3, 1.0), (2.0, 0.5)):
        agree(jit(graphad.grad(clipped))(x), np.float64(slope))
        agree(graphad.grad(jit(clipped))(x), np.float64(slope))


def crossing(w: Any) -> Any:
    """A particle falls towards the axis, steered by `w`: where it crosses, squared (Pearlmutter and Siskind)."""
    position, velocity = np.array([0.0, 8.0]), np.array([0.75, 0.0])
    charges = np.stack([10.0, 10.0 - w, 10.0, 0.0]).reshape(2, 2)
    dt = 0.1
    while position[1] > 0:
        force = np.zeros(2)
        for charge in charges:
            difference = position - charge
            force = force + difference / np.sum(difference**2) ** 1.5
        force = force - np.array([0.0, 0.2])
        before = position
        position = position + dt * velocity
        velocity = velocity + dt * force
    t = -before[1] / velocity[1]
    landed = before + t * velocity
    return landed[0] ** 2


def descend(w: Any) -> Any:
    steps = 0
    while steps < 4:
        slope = graphad.grad(crossing)(w)
        w = w - 0.0005 * slope
        steps += 1
        if abs(slope) < 1e-8:
            break
    return w


def test_a_particle_steered_by_gradient_descent() -> None:
    expected = 0.0
    for _ in range(4):
        expected -= 0.0005 * graphad.grad(crossing)(expected)
    agree(jit(descend)(0.0), expected)
    h = 1e-5
    numeric = (descend(0.5 + h) - descend(0.5 - h)) / (2 * h)
    agree(jit(graphad.grad(descend))(0.5), np.float64(numeric), 1e-4)


# -- functions and their surroundings -------------------------------------------------------------------------------


def test_several_lambdas_on_one_line() -> None:
    f, g, h = (
        lambda x: x if x > 0 else -x,
        lambda x: 2 * x if x > 0 else x,
        lambda x: (lambda y: y * x if y > x else y)(3.0),
    )
    for x in (2.0, -2.0, 4.0):
        for k in (f, g, h):
            agree(jit(k)(x), k(x))


SCALE = 2.0


def scaled(x: Any) -> Any:
    return x * SCALE if x > 0 else x


def test_globals_and_closures_are_shared_live(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = 3.0
    g = lambda x: factor * x if x > 0 else x
    assert (graphad.eval_shape(g, 1.0), jit(scaled)(1.0), jit(g)(1.0)) == (graphad.ShapeDtype(()), 2.0, 3.0)
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    factor = 4.0
    assert (jit(scaled)(1.0), jit(g)(1.0)) == (5.0, 4.0)


def test_a_function_that_needs_no_conversion_is_left_alone() -> None:
    from graphad.api.conversion.functions import convert

    f = lambda x: np.sum(np.sin(x) * np.linalg.norm(x))
    assert convert(f) is f
    assert convert(np.sin) is np.sin
    converted = convert(scaled)
    assert converted is not scaled
    assert convert(converted) is converted
    assert convert(scaled).__code__ is converted.__code__
    assert (converted(2.0), converted(-2.0)) == (4.0, -2.0)


def test_the_callers_objects_are_as_plain_python_leaves_them() -> None:
    x, log = np.ones(3), []

    def f(v: Any) -> Any:
        v[0] = 5.0
        log.append("called")
        total = 0.0
        for e in v:
            total += e
        return total

    assert jit(f)(x) == 7.0
    np.testing.assert_array_equal(x, np.ones(3))
    assert log == ["called"]


def test_operands_are_evaluated_once_and_only_if_needed() -> None:
    calls: list[str] = []

    def note(name: str, x: Any) -> Any:
        calls.append(name)
        return x

    def f(x: Any) -> Any:
        a = note("a", 0) < note("b", x) < 2
        b = note("d", False) and note("e", x > 0)
        return x if a or b else -x

    assert jit(f)(1.0) == 1.0
    assert calls == ["a", "b", "d"]


@pytest.mark.parametrize("executor", ["numpy"])
def test_vmap_of_loops_with_different_trip_counts(executor: str) -> None:
    f = PROGRAMS["return_from_while"][0]
    xs = np.array([3.0, 40.0, 0.1, 12.0])
    agree(graphad.jit(graphad.vmap(f), executor=executor)(xs), np.array([f(x) for x in xs]))


def summed(x):
    return module.logsumexp(x)  # noqa: F821


def test_code_is_judged_by_its_globals():
    """The same code with other globals may call what has to be replaced."""
    import types

    import scipy.special

    import graphad.scipy.special

    for module in (graphad.scipy.special, scipy.special):
        f = types.FunctionType(summed.__code__, {"module": module})
        assert graphad.grad(f)(np.zeros(2)).tolist() == [0.5, 0.5]

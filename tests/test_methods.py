"""Transformations as decorators of methods, and what they make under pickle and copy."""

from __future__ import annotations

import copy
import dataclasses
import gc
import multiprocessing
import pickle
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.api.methods import KEPT
from graphad.errors import MissingRuleError


class Model:
    power = 2

    def __init__(self, w: Any) -> None:
        self.w = w

    def plain(self, x: Any) -> Any:
        return np.sum(self.w * x**2) if np.sum(x) > 0 else np.sum(x)

    @graphad.jit
    def loss(self, x: Any) -> Any:
        return self.plain(x)

    @graphad.jit
    @graphad.grad
    def slope(self, x: Any) -> Any:
        return self.plain(x)

    @graphad.grad
    def eager_slope(self, x: Any) -> Any:
        return self.loss(x)

    @graphad.value_and_grad
    def both(self, x: Any) -> Any:
        return self.plain(x)

    @graphad.vmap
    def each(self, x: Any) -> Any:
        return self.w * x

    @graphad.jacfwd
    def forward(self, x: Any) -> Any:
        return self.w * x**2

    @graphad.jacrev
    def reverse(self, x: Any) -> Any:
        return self.w * x**2

    @graphad.hessian
    def curvature(self, x: Any) -> Any:
        return self.plain(x)

    @graphad.checkpoint
    def again(self, x: Any) -> Any:
        return self.plain(x)

    @classmethod
    @graphad.jit
    def raised(cls, x: Any) -> Any:
        return x**cls.power

    @graphad.jit
    @classmethod
    def raised_too(cls, x: Any) -> Any:
        return x**cls.power

    @staticmethod
    @graphad.jit
    def squared(x: Any) -> Any:
        return x**2

    @graphad.jit
    @staticmethod
    def squared_too(x: Any) -> Any:
        return x**2

    @classmethod
    @graphad.grad
    def rise(cls, x: Any) -> Any:
        return x**cls.power

    @staticmethod
    @graphad.grad
    def slope_of_square(x: Any) -> Any:
        return x**2


class Child(Model):
    power = 3

    @graphad.jit
    def loss(self, x: Any) -> Any:
        return super().loss(x) + Model.loss(self, x)


def test_methods_bind() -> None:
    m, x = Model(3.0), np.array([1.0, 2.0])
    assert m.loss(x) == 15
    assert m.loss(x=x) == 15
    assert Model.loss(m, x) == 15
    for slope in (m.slope, m.eager_slope):
        assert np.allclose(slope(x), [6, 12])
    value, slope = m.both(x)
    assert value == 15
    assert np.allclose(slope, [6, 12])
    assert np.allclose(m.each(x), [3, 6])
    assert np.allclose(m.forward(x), np.diag([6, 12]))
    assert np.allclose(m.reverse(x), np.diag([6, 12]))
    assert np.allclose(m.curvature(x), np.diag([6, 6]))
    assert np.allclose(graphad.grad(m.again)(x), [6, 12])
    assert (Model.raised(3.0), m.raised(3.0), Child.raised(3.0)) == (9, 9, 27)
    assert (Model.raised_too(3.0), m.raised_too(3.0), Child.raised_too(3.0)) == (9, 9, 27)
    assert (Model.squared(3.0), m.squared(3.0), Model.squared_too(3.0), m.squared_too(3.0)) == (9, 9, 9, 9)
    assert (Model.rise(3.0), Child(1.0).rise(3.0)) == (6, 27)
    assert (Model.slope_of_square(3.0), m.slope_of_square(3.0)) == (6, 6)


def test_a_class_handed_over_as_an_argument() -> None:
    """As `classmethod` does from Python 3.13 on."""
    jitted = graphad.jit(lambda cls, x: x**cls.power)
    assert (jitted(Model, 3.0), jitted(Child, 3.0)) == (9, 27)
    assert graphad.jit(lambda cls, x: x**cls.power, static_argnums=0)(Child, 3.0) == 27


def test_objects_handed_over_by_other_decorators() -> None:
    class Local:
        def __init__(self, w: float) -> None:
            self.w = w

        @property
        @graphad.jit
        def doubled(self) -> Any:
            return 2 * self.w

        def plain(self, x: Any) -> Any:
            return self.w * x

    local = Local(3.0)
    by_class = graphad.jit(Local.plain)
    assert (local.doubled, by_class(local, 2.0)) == (6, 6)
    local.w = 4.0
    assert (local.doubled, by_class(local, 2.0)) == (8, 8)


def test_inherited_methods_and_super() -> None:
    assert Child(3.0).loss(np.array([1.0, 2.0])) == 30


def test_attributes_are_guarded_for_each_object() -> None:
    a, b, x = Model(3.0), Model(5.0), np.ones(2)
    assert (a.loss(x), b.loss(x), a.loss(x)) == (6, 10, 6)
    a.w = 4.0
    assert (a.loss(x), b.loss(x)) == (8, 10)
    assert (a.loss.traces, b.loss.traces) == (2, 1)
    assert a.loss is a.loss
    assert Model.loss is Model.__dict__["loss"]


def test_argnums_count_from_the_argument_after_self() -> None:
    class Local:
        @graphad.jit(static_argnums=0)
        def power(self, n: int, x: Any) -> Any:
            return x**n if n > 1 else x

        @graphad.jit(static_argnames="n")
        def named(self, n: int, x: Any) -> Any:
            return x**n if n > 1 else x

        def second(self, a: Any, b: Any) -> Any:
            return a * b**2

        slope = graphad.grad(second, argnums=1)

    local = Local()
    assert local.power(3, 2.0) == 8
    assert local.named(3, 2.0) == 8
    assert local.slope(3.0, 2.0) == 12


@dataclasses.dataclass
class Tree:
    """A container for `graphad`, which as the object of a method is none."""

    w: Any

    @graphad.jit
    def loss(self, x: Any) -> Any:
        return self.w * x

    @graphad.grad
    def slope(self, x: Any) -> Any:
        return self.w * x


def test_objects_that_are_trees() -> None:
    tree = Tree(3.0)
    assert (tree.loss(2.0), tree.slope(2.0)) == (6, 3)
    tree.w = 4.0
    assert (tree.loss(2.0), tree.slope(2.0)) == (8, 4)
    assert tree == Tree(4.0)


class Registered:
    """A container that is taken apart by all its attributes."""

    def __init__(self, w: float) -> None:
        self.w = w

    @graphad.jit
    def loss(self, x: Any) -> Any:
        return self.w * x


graphad.tree.register(
    Registered, lambda r: (tuple(vars(r).values()), tuple(vars(r))), lambda names, values: Registered(*values)
)


def test_registered_containers() -> None:
    r = Registered(3.0)
    assert r.loss(2.0) == 6
    assert graphad.grad(lambda r: r.w**2)(r).w == 6
    r.w = 4.0
    assert r.loss(2.0) == 8


class Slotted:
    __slots__ = ("w",)

    def __init__(self, w: float) -> None:
        self.w = w

    @graphad.jit
    def loss(self, x: Any) -> Any:
        return self.w * x


def test_objects_without_a_dict_of_attributes() -> None:
    objects = [Slotted(float(i)) for i in range(40)]
    for _ in range(2):
        assert [o.loss(2.0) for o in objects] == [2 * o.w for o in objects]
    objects[-1].w = 7.0
    assert objects[-1].loss(2.0) == 14
    assert objects[-1].loss is objects[-1].loss


def test_methods_in_traced_code() -> None:
    def outer(w: Any) -> Any:
        m = Model(w)
        return m.loss(np.ones(2)) * m.slope(np.ones(2))[0]

    assert np.isclose(outer(3.0), 36)
    assert np.isclose(graphad.grad(outer)(3.0), 24)
    assert np.isclose(graphad.jit(graphad.grad(outer))(3.0), 24)

    def branching(x: Any, m: Model) -> Any:
        return m.loss(x) if np.sum(x) > 0 else np.sum(x)

    m = Model(2.0)
    assert graphad.jit(lambda x: branching(x, m))(np.ones(2)) == 4


def test_compiled_methods_do_not_keep_objects() -> None:
    m = Model(3.0)
    m.loss(np.ones(2))
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None


def test_custom_rules_on_methods() -> None:
    class Local:
        def __init__(self, k: float) -> None:
            self.k = k

        def function(self, x: Any) -> Any:
            return self.k * x

        function = graphad.custom_jvp(function, nondiff_argnums=(0,))

        @function.defjvp
        def rule(self, primals: Any, tangents: Any) -> Any:  # type: ignore[misc]
            return self.k * primals[0], 100.0 * self.k * tangents[0]

    assert graphad.grad(Local(2.0).function)(1.0) == 200


# -- pickle and copy ----------------------------------------------------------------------------------------------


@graphad.jit
def squares(x: Any) -> Any:
    return np.sum(x**2) if np.sum(x) > 0 else 0 * np.sum(x)


@graphad.grad
def slope(x: Any) -> Any:
    return np.sum(x**2)


@graphad.custom_jvp
def custom(x: Any) -> Any:
    return x**2


custom.defjvps(lambda t, out, x: 3 * x * t)


def cubes(x: Any) -> Any:
    return np.sum(x**3)


class Estimator:
    """Holds jitted functions of its own methods."""

    def __init__(self, w: Any) -> None:
        self.w = w
        self.value = graphad.jit(self.loss, math="precise")
        self.gradient = graphad.jit(graphad.grad(self.loss), debug="nan")

    def loss(self, x: Any) -> Any:
        return np.sum(self.w * x**2)


WAYS = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(params=[*WAYS, "cloudpickle"])
def travelled(request: pytest.FixtureRequest) -> Any:
    if request.param == "cloudpickle":
        cloudpickle = pytest.importorskip("cloudpickle")
        return lambda x: cloudpickle.loads(cloudpickle.dumps(x))
    return WAYS[request.param]


@pytest.mark.parametrize("called", [False, True], ids=["before", "after"])
def test_functions_travel(travelled: Any, called: bool) -> None:
    x = np.array([1.0, 2.0])
    functions = {
        squares: 5, slope: [2, 4], graphad.jit(cubes): 9, graphad.grad(cubes): [3, 12],
        graphad.jit(graphad.grad(cubes), executor="numpy"): [3, 12], graphad.vmap(cubes, in_axes=0): None,
    }  # fmt: skip
    for f, value in functions.items():
        argument = x if value is not None else np.stack([x, x])
        if called:
            f(argument)
        other = travelled(f)
        assert np.allclose(other(argument), [9, 9] if value is None else value)
        if f in (squares, slope):
            assert other is f
    assert graphad.grad(travelled(custom))(2.0) == 6


@pytest.mark.parametrize("called", [False, True], ids=["before", "after"])
def test_objects_travel(travelled: Any, called: bool) -> None:
    x = np.array([1.0, 2.0])
    for m in (Model(3.0), Child(3.0), Estimator(3.0)):
        use = (lambda m: m.value(x)) if isinstance(m, Estimator) else (lambda m: m.loss(x))
        wanted = use(m) if called else None
        other = travelled(m)
        assert wanted is None or use(other) == wanted
        wanted = use(other)
        if travelled is copy.copy and isinstance(m, Estimator):
            continue  # a shallow copy has the functions of the original, as Python says
        other.w = 6.0
        assert use(other) == 2 * wanted
        assert use(m) == wanted
    assert np.allclose(travelled(Estimator(3.0)).gradient(x), [6, 12])


def test_bound_methods_travel(travelled: Any) -> None:
    m, x = Model(3.0), np.ones(2)
    for method in (m.loss, m.slope, m.eager_slope):
        wanted = method(x)
        assert np.allclose(travelled(method)(x), wanted)
    for name in ("raised", "raised_too", "squared", "squared_too", "rise", "slope_of_square"):
        for holder in (m, Model, Child(3.0)):
            method = getattr(holder, name)
            assert travelled(method)(2.0) == method(2.0)


def test_compiled_graphs_travel(travelled: Any) -> None:
    x = np.array([1.0, 2.0])
    compiled = graphad.jit(cubes, math="precise").compile(x)
    assert travelled(compiled)(x)[0] == 9
    other = travelled(graphad.compile(graphad.trace(cubes)(x), "grad(wrt=0), cse", "numpy"))
    assert [stage.name for stage in other.stages][:3] == ["trace", "grad(wrt=0)", "cse"]
    assert np.allclose(other(x)[1], [3, 12])


def test_local_functions_travel_by_cloudpickle() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    k = 3.0

    class Local:
        @graphad.jit
        def loss(self, x: Any) -> Any:
            return k * x

    def helper(x: Any) -> Any:
        return k * x if x > 0 else x

    def branching(x: Any) -> Any:
        while x > 2:
            x = x / 2
        return helper(x)

    f = graphad.jit(lambda x: k * x if x > 0 else x)
    g = graphad.jit(branching)
    call = lambda f: f(2.0)
    for thing, use in ((f, call), (g, call), (Local(), lambda m: m.loss(2.0)), (Local().loss, call)):
        assert use(thing) == 6
        assert use(cloudpickle.loads(cloudpickle.dumps(thing))) == 6


def test_what_an_object_keeps_is_no_part_of_it() -> None:
    m = Model(3.0)
    m.loss(np.ones(2))
    assert KEPT in vars(m)
    assert not pickle.loads(pickle.dumps(m)).__dict__[KEPT]
    shallow = copy.copy(m)
    shallow.w = 5.0
    assert (shallow.loss(np.ones(2)), m.loss(np.ones(2))) == (10, 6)
    used, unused = Model(3.0), Model(3.0)
    used.loss(np.ones(2))
    unused.slope(np.ones(2))
    assert vars(used) == vars(unused)


PROGRAM = """
import multiprocessing
import numpy as np
import graphad

@graphad.jit
def squares(x):
    return np.sum(x**2) if np.sum(x) > 0 else np.sum(x)

if __name__ == "__main__":
    squares(np.ones(3))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(squares, [np.ones(2), 2 * np.ones(2)]))
    import cloudpickle
    open({path!r}, "wb").write(cloudpickle.dumps(squares))
"""


def test_functions_of_a_program_in_other_processes(tmp_path: Path) -> None:
    pytest.importorskip("cloudpickle")
    packed = tmp_path / "packed"
    (tmp_path / "program.py").write_text(PROGRAM.format(path=str(packed)))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")], capture_output=True, text=True, check=False, timeout=300
    )
    assert "2.0" in done.stdout, done.stderr
    assert "8.0" in done.stdout
    # cloudpickle packs functions of the program itself by their code.
    assert pickle.loads(packed.read_bytes())(np.ones(5)) == 5


def test_spawned_workers() -> None:
    squares(np.ones(3))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(squares, [np.ones(2), 2 * np.ones(2)]) == [2, 8]
        assert pool.map(Model(3.0).loss, [np.ones(2)]) == [6]


def test_functions_without_rules_still_say_so(travelled: Any) -> None:
    with pytest.raises(MissingRuleError, match="has no rule yet"):
        graphad.grad(travelled(graphad.custom_jvp(cubes)))(np.ones(2))

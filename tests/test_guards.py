"""A jitted function traces anew when what it read besides its arguments has changed, and only then."""

from __future__ import annotations

import array
import collections
import contextvars
import ctypes
import dataclasses
import datetime
import functools
import gc
import io
import operator
import os
import pathlib
import queue
import random
import sys
import time
import timeit
import types
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import TraceWarning

scale = 2.0
table: Any = [1.0, 2.0]
activation: Any = np.tanh


class Config:
    rate = 0.5  # read through the class as long as an object has none of its own

    def __init__(self, rate: float | None = None) -> None:
        self.inner = types.SimpleNamespace(depth=2, weights=np.ones(3))
        if rate is not None:
            self.rate = rate


config = Config()


def helper(x: Any) -> Any:
    return x * scale


def global_number(x: Any) -> Any:
    return x * scale


def through_helper(x: Any) -> Any:
    return helper(x) + 1 if x > 0 else x


def attribute(x: Any) -> Any:
    return x * config.rate


def nested(x: Any) -> Any:
    for _ in range(config.inner.depth):
        x = x * np.sum(config.inner.weights)
    return x


def by_name(x: Any) -> Any:
    return x * getattr(config, "rate")  # noqa: B009


def listed(x: Any) -> Any:
    return x * table[0] * len(table)


def chosen(x: Any) -> Any:
    return activation(x)


@pytest.mark.parametrize(
    ("function", "change"),
    [
        (global_number, "scale = 3.0"),
        (through_helper, "scale = 3.0"),
        (through_helper, "helper = lambda x: x * 100.0"),
        (attribute, "config = Config(0.25)"),
        (attribute, "config.rate = 0.25"),
        (attribute, "Config.rate = 0.25"),
        (by_name, "config.rate = 0.25"),
        (nested, "config.inner.depth = 3"),
        (nested, "config.inner = types.SimpleNamespace(depth=1, weights=np.ones(1))"),
        (nested, "config.inner.weights = np.ones(5)"),
        (nested, "config.inner.weights[0] = 7"),
        (listed, "table[0] = 5.0"),
        (listed, "table.append(1.0)"),
        (listed, "table = (7.0,)"),
        (chosen, "activation = np.sin"),
    ],
)
@pytest.mark.parametrize("outer", [lambda f: f, graphad.grad, graphad.vmap], ids=["f", "grad", "vmap"])
def test_changes_are_seen(function: Any, change: str, outer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "config": Config(), "table": [1.0, 2.0], "scale": scale, "helper": helper, "activation": activation,
    }.items():  # fmt: skip
        monkeypatch.setattr(sys.modules[__name__], name, value)
    monkeypatch.setattr(Config, "rate", 0.5)
    x = np.array([0.5, 1.5]) if outer is graphad.vmap else 1.5
    eager, jitted = outer(function), graphad.jit(outer(function))
    before = jitted(x)
    assert np.allclose(jitted(x), before)
    assert jitted.traces == 1
    exec(change, globals())
    assert not np.allclose(eager(x), before)
    assert np.allclose(jitted(x), eager(x))
    jitted(x)
    assert jitted.traces == 2


def test_toggling_compiles_once_for_each_value() -> None:
    state = types.SimpleNamespace(flag=True)
    f = graphad.jit(lambda x: x * 2 if state.flag else x * 3)
    for _ in range(5):
        for state.flag in (True, False):
            assert f(1.0) == (2 if state.flag else 3)
    assert f.traces == 2


def test_equal_values_are_no_change() -> None:
    state = types.SimpleNamespace(rate=0.5, name="a" * 3, n=1000)
    f = graphad.jit(lambda x: x * state.rate * len(state.name) * state.n)
    for _ in range(3):
        f(1.0)
        state.rate, state.name, state.n = float("0.5"), "".join(["a"] * 3), int("1000")
    assert f.traces == 1


@pytest.mark.parametrize(("a", "b"), [(1, 1.0), (0.0, -0.0), (True, 1), (np.float32(1), np.float64(1))])
def test_equal_numbers_of_other_types_are_changes(a: Any, b: Any) -> None:
    state = types.SimpleNamespace(x=a, xs=[a], entries={"x": a})
    f = graphad.jit(lambda v: (state.x * v, state.xs[0] * v, state.entries["x"] * v))
    plain = f.fun
    for value in (a, b):
        state.x = state.xs[0] = state.entries["x"] = value
        for found, wanted in zip(f(np.int64(1)), plain(np.int64(1)), strict=True):
            assert found.dtype == wanted.dtype
            assert np.copysign(1, found) == np.copysign(1, wanted)


CONTAINERS: list[tuple[Any, Any]] = [
    ([1.0, 2.0, 3.0], lambda c: c.__setitem__(1, 5.0)),
    (list(range(40)), lambda c: c.__setitem__(39, 5)),
    ({"a": 1.0, "b": 2.0}, lambda c: c.update(a=3.0)),
    ({"a": 1.0, "b": 2.0}, lambda c: c.update(a=c.pop("a"))),  # the order
    ({str(i): float(i) for i in range(30)}, lambda c: c.update({"7": 0.5})),
    ({1.0, 2.0}, lambda c: c.add(3.0)),
    (collections.deque([1.0, 2.0]), lambda c: c.rotate()),
    ([np.ones(3), np.ones(2)], lambda c: c[1].__setitem__(0, 4.0)),
    ({"a": [1.0, {"b": np.ones(2)}]}, lambda c: c["a"][1]["b"].__setitem__(0, 4.0)),
    ((np.ones(3), 1.0), lambda c: c[0].__setitem__(0, 4.0)),
    (np.ones(64), lambda c: c.__setitem__(63, 2.0)),
    (np.ones((4, 4), np.float32), lambda c: c.__imul__(2)),
    (collections.OrderedDict(a=1.0, b=2.0), lambda c: c.move_to_end("a")),
]


def total(c: Any) -> Any:
    """A number that depends on all entries and their order."""
    if isinstance(c, (int, float, np.generic)):
        return c
    if isinstance(c, np.ndarray):
        return c.sum()
    values = c.values() if isinstance(c, dict) else c
    return sum(((i + 1.0) * total(v) for i, v in enumerate(values)), 0.0)


@pytest.mark.parametrize(("container", "change"), CONTAINERS)
def test_contents_changed_in_place(container: Any, change: Any) -> None:
    f = graphad.jit(lambda x: x * total(container))
    assert np.isclose(f(1.0), total(container))
    change(container)
    assert np.isclose(f(1.0), total(container))
    f(1.0)
    assert f.traces == 2


def test_large_arrays_are_constants_that_the_report_lists() -> None:
    weights, small = np.ones(100), np.ones(3)
    f = graphad.jit(lambda x: x * np.sum(weights) * np.sum(small))
    assert f(1.0) == 300
    weights[0] = 101.0
    assert f(1.0) == 300  # not seen, as the documentation says
    weights = weights.copy()
    assert f(1.0) == 600
    report = f.report()
    assert "2 traces" in report
    assert "constant: weights, float64[100]" in report
    assert "guarded: small float64[3], weights" in report
    assert "(f64[])" in report


def test_large_arrays_by_content() -> None:
    weights = np.ones(100)
    f = graphad.jit(lambda x: x * np.sum(weights), guards="content")
    assert f(1.0) == 100
    weights[50] = 2.0
    assert f(1.0) == 101
    assert f(1.0) == 101
    assert f.traces == 2
    with pytest.raises(graphad.GraphadError, match="guards='hash'"):
        graphad.jit(np.sin, guards="hash")


def test_rules_of_custom_derivatives() -> None:
    state = types.SimpleNamespace(slope=2.0)

    @graphad.custom_jvp
    def one(x: Any) -> Any:
        return x**2

    @graphad.custom_vjp
    def two(x: Any) -> Any:
        return x**2

    one.defjvps(lambda t, out, x: state.slope * t)
    two.defvjp(lambda x: (x**2, x), lambda x, ct: (state.slope * ct,))
    f = graphad.jit(graphad.grad(lambda x: one(x) + two(x)))
    assert f(1.0) == 4
    state.slope = 5.0
    assert f(1.0) == 10


def test_tables_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    small, large = pandas.Series([1.0, 2.0]), pandas.DataFrame({"a": np.arange(100.0)})
    f = graphad.jit(lambda x: x * np.sum(small.to_numpy()) + np.sum(large["a"].to_numpy()))
    assert f(1.0) == 3 + 4950
    small[0] = 5.0
    assert f(1.0) == 7 + 4950
    assert "constant: large, DataFrame float64[100, 1]" in f.report()


def test_what_changes_at_each_call_is_told() -> None:
    state = types.SimpleNamespace(t=0)
    f = graphad.jit(lambda x: x * state.t)
    for state.t in range(8):
        f(2.0)
    state.t = 8
    with pytest.warns(TraceWarning, match=r"is traced anew each time that state.t changes, 9 times now .*an argument"):
        assert f(2.0) == 16
    for state.t in range(20, 30):
        assert f(2.0) == 2 * state.t  # without a word


def test_functions_of_the_trace_are_not_guarded() -> None:
    """What a function makes while it is traced goes with the trace."""

    def make(k: Any) -> Any:
        return lambda x: x * k

    def f(x: Any) -> Any:
        box = types.SimpleNamespace(value=x)
        scaled = make(box)
        return scaled.__closure__[0].cell_contents.value * make(x)(2.0)

    jitted = graphad.jit(f)
    assert jitted(3.0) == 18
    assert "k" not in jitted.report().partition("guarded: ")[2].split(", ")


def test_closure_cells() -> None:
    def make() -> Any:
        rate = 2.0

        def set_rate(value: float) -> None:
            nonlocal rate
            rate = value

        return graphad.jit(lambda x: x * rate), set_rate

    f, set_rate = make()
    assert f(1.0) == 2
    set_rate(3.0)
    assert f(1.0) == 3


class Model:
    kind = "linear"

    def __init__(self, w: Any) -> None:
        self.w = w
        self.calls = 0
        self.layers = [Layer(1.0), Layer(2.0)]

    @property
    def doubled(self) -> Any:
        return 2 * self.w

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x * self.doubled if self.kind == "linear" else x

    def counting(self, x: Any) -> Any:
        self.calls += 1
        return x * self.w


@dataclasses.dataclass(eq=False)
class Layer:
    factor: float

    def __call__(self, x: Any) -> Any:
        return x * self.factor


@pytest.mark.parametrize("of", [lambda m: m, lambda m: m.__call__, lambda m: functools.partial(m.__call__)])
def test_objects_and_their_methods(of: Any) -> None:
    model = Model(3.0)
    f = graphad.jit(of(model))
    assert f(1.0) == 12
    model.w = 4.0
    assert f(1.0) == 16
    model.layers[1].factor = 3.0
    assert f(1.0) == 24
    model.layers.append(Layer(10.0))
    assert f(1.0) == 240
    model.kind = "none"
    assert f(1.0) == 30
    model.calls = 5  # which it does not read
    f(1.0)
    assert f.traces == 5


def test_static_arguments_are_looked_into() -> None:
    layer = Layer(2.0)
    f = graphad.jit(lambda layer, x: layer(x), static_argnums=0)
    assert f(layer, 3.0) == 6
    layer.factor = 5.0
    assert f(layer, 3.0) == 15


FILE = os.path.join(os.path.dirname(__file__), "golden", "cse.graph")
ASKING = {
    "time.time": lambda x: x * time.time(),
    "datetime.datetime.now": lambda x: x * datetime.datetime.now().microsecond,
    "io.open": lambda x: x * len(open(FILE).read()),  # noqa: SIM115
    "pathlib.Path.read_text": lambda x: x * len(pathlib.Path(FILE).read_text()),
    "numpy.fromfile": lambda x: x * np.fromfile(FILE, np.int8)[0],
    "numpy.loadtxt": lambda x: x * np.loadtxt(io.StringIO("2")),
    "queue.Queue.get": lambda x: x * waiting.get(),
    "queue.SimpleQueue.get": lambda x: x * simple.get(),
    "random.SystemRandom.uniform": lambda x: x * dice.uniform(1.0, 2.0),
    "os.path.exists": lambda x: x * os.path.exists(FILE) if x > 0 else x,
}
waiting, simple, dice = queue.Queue(), queue.SimpleQueue(), random.SystemRandom()
for _ in range(6):
    waiting.put(2.0)
    simple.put(2.0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", ASKING)
def test_what_is_asked_once_is_told(name: str) -> None:
    f = ASKING[name]
    with pytest.warns(TraceWarning, match=rf"calls {name} \(test_guards.py:.*once, while.* as an argument"):
        graphad.jit(graphad.grad(f), executor="numpy")(2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TraceWarning)
        graphad.grad(f)(2.0)
        graphad.vmap(f)(np.ones(2))
        graphad.jit(lambda x: x * time.strptime("7 2000", "%d %Y").tm_mday * random.random())(1.0)
        graphad.jit(lambda x: x * float(io.StringIO("2").read()))(1.0)


def test_what_the_function_itself_changes_does_not_trace_for_ever() -> None:
    model = Model(3.0)
    f = graphad.jit(model.counting)
    for x in (1.0, np.ones(2), 1.0, np.ones(2), np.ones(3), 1.0, np.ones(3), np.ones(2)):
        f(x)
    assert f.traces <= 4
    model.w = 4.0
    assert f(1.0) == 4


def test_code_replaced_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tools do that reload modules under a running program."""

    def inner(x: Any) -> Any:
        return x * 2.0

    def outer(x: Any) -> Any:
        return inner(x)

    f = graphad.jit(outer)
    assert f(1.0) == 2
    inner.__code__ = (lambda x: x * 3.0).__code__
    assert f(1.0) == 3
    monkeypatch.setitem(sys.modules, "IPython.extensions.autoreload", types.ModuleType("autoreload"))

    def alone(x: Any) -> Any:
        return x * 2.0

    f = graphad.jit(alone)
    assert f(1.0) == 2
    alone.__code__ = (lambda x: x * 3.0).__code__
    assert f(1.0) == 3


def test_methods_of_a_class_replaced() -> None:
    class Local:
        def step(self, x: Any) -> Any:
            return x * 2.0

    local = Local()
    f = graphad.jit(lambda x: local.step(x))
    assert f(1.0) == 2
    Local.step = lambda self, x: x * 3.0  # type: ignore[method-assign]
    assert f(1.0) == 3


def test_modules_of_the_user(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings_of_mine.py").write_text("rate = 2.0\ndef scaled(x):\n    return x * rate\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import settings_of_mine as settings

    f, g = graphad.jit(lambda x: x * settings.rate), graphad.jit(lambda x: settings.scaled(x))
    assert (f(1.0), g(1.0)) == (2, 2)
    settings.rate = 3.0
    assert (f(1.0), g(1.0)) == (3, 3)

    def inside(x: Any) -> Any:
        import settings_of_mine as mine
        from settings_of_mine import rate

        return x * mine.rate * rate

    h = graphad.jit(inside)
    assert h(1.0) == 9
    settings.rate = 4.0
    assert h(1.0) == 16


def test_attributes_by_name() -> None:
    state = types.SimpleNamespace(a=1.0, b=2.0, w0=3.0)

    def f(x: Any) -> Any:
        total = getattr(state, f"w{0}") * x
        for name in ("a", "b"):
            total = total * getattr(state, name)
        return total * operator.attrgetter("a")(state)

    jitted = graphad.jit(f)
    for name in ("a", "b", "w0"):
        assert jitted(1.0) == f(1.0)
        setattr(state, name, 7.0)
        assert jitted(1.0) == f(1.0)


def test_jitted_functions_within_jitted_functions() -> None:
    state = types.SimpleNamespace(rate=2.0)
    inner = graphad.jit(lambda x: x * state.rate)
    constant = graphad.jit(lambda x: x * inner(2.0))
    outer = graphad.jit(lambda x: inner(x))
    assert (constant(1.0), outer(1.0)) == (4, 2)
    state.rate = 3.0
    assert (constant(1.0), outer(1.0)) == (6, 3)


def test_values_of_an_enclosing_trace() -> None:
    state = types.SimpleNamespace(w=2.0)
    inner = graphad.jit(lambda x: x * state.w)
    assert inner(3.0) == 6

    def outer(w: Any) -> Any:
        state.w = w
        value = inner(3.0)
        state.w = 2.0
        return value

    assert graphad.grad(outer)(5.0) == 3
    assert inner(3.0) == 6


def test_unconverted_functions_are_guarded_too() -> None:
    state = types.SimpleNamespace(rate=2.0)
    f = graphad.jit(lambda x: x * state.rate, control_flow=False)
    assert f(1.0) == 2
    state.rate = 3.0
    assert f(1.0) == 3


def test_guards_keep_no_object_for_ever() -> None:
    model = Model(3.0)
    f = graphad.jit(model)
    f(1.0)
    gone = weakref.ref(model)
    del f, model
    gc.collect()
    assert gone() is None


def test_what_reads_nothing_has_no_guards() -> None:
    f = graphad.jit(lambda a, b: np.sin(a) * b + 1.0)
    f(1.0, 2.0)
    assert "guarded: nothing" in f.report()


def test_a_guard_costs_little() -> None:
    """The mark is 0.1 us for each; a shared machine is given some more."""
    numbers = {f"n{i}": float(i + 1) for i in range(20)}
    state = types.SimpleNamespace(**numbers)
    terms = " + ".join(f"state.{n}" for n in numbers)
    with_guards = graphad.jit(eval(f"lambda x: x * ({terms})", {"state": state}))
    without = graphad.jit(eval("lambda x: x * 210.0"))
    x = np.ones(3)
    assert np.allclose(with_guards(x), without(x))
    cost = [min(timeit.repeat(lambda f=f: f(x), number=2000, repeat=9)) / 2000 for f in (without, with_guards)]
    assert (cost[1] - cost[0]) / 20 < 0.2e-6


word = "a"
_space = sys.modules[__name__].__dict__


@dataclasses.dataclass
class Pair:
    a: float = 2.0
    b: float = 5.0


class Base:
    rate = 2.0

    def step(self, x: Any) -> Any:
        return x * self.rate


class Derived(Base):
    pass


class Named:
    """A descriptor that keeps its value under another name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = "_" + name

    def __get__(self, x: Any, owner: type) -> Any:
        return getattr(x, self.name)

    def __set__(self, x: Any, value: Any) -> None:
        setattr(x, self.name, value)


class Entries(dict):  # type: ignore[type-arg]
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__  # type: ignore[assignment]


class Meta(type):
    scale = 2.0


Reading = tuple[Any, Any]


def by_name_elsewhere() -> Reading:
    pair = Pair()
    return lambda x: x * getattr(pair, word), lambda: setattr(pair, "a", 3.0)


def by_a_name_that_a_helper_is_given() -> Reading:
    pair = Pair()

    def get(name: str) -> Any:
        return getattr(pair, name)

    return lambda x: x * get("a"), lambda: setattr(pair, "a", 3.0)


def by_a_name_put_together() -> Reading:
    state, first = types.SimpleNamespace(w1=2.0), "w"
    return lambda x: x * getattr(state, first + "1"), lambda: setattr(state, "w1", 3.0)


def by_getters_made_before() -> Reading:
    pair, get = Pair(), operator.attrgetter("a")
    return lambda x: x * get(pair), lambda: setattr(pair, "a", 3.0)


def by_method_callers() -> Reading:
    base, caller = Base(), operator.methodcaller("step", 1.0)
    return lambda x: x * caller(base), lambda: setattr(base, "rate", 3.0)


def attribute_that_is_not_there() -> Reading:
    state = types.SimpleNamespace()
    return lambda x: x * (2.0 if hasattr(state, "flag") else 1.0), lambda: setattr(state, "flag", True)


def attribute_with_a_default() -> Reading:
    derived = Derived()
    return lambda x: x * getattr(derived, "scale", 1.0), lambda: setattr(derived, "scale", 3.0)


def attribute_in_a_handler() -> Reading:
    state = types.SimpleNamespace()

    def f(x: Any) -> Any:
        try:
            return x * state.scale
        except AttributeError:
            return x

    return f, lambda: setattr(state, "scale", 3.0)


def name_of_a_builtin() -> Reading:
    return lambda x: abs(x), lambda: _space.update(abs=lambda x: x * 7.0)


def globals_as_a_dict() -> Reading:
    return lambda x: x * globals()["scale"], lambda: _space.update(scale=3.0)


def modules_by_name() -> Reading:
    return lambda x: x * sys.modules[__name__].scale, lambda: _space.update(scale=3.0)  # type: ignore[attr-defined]


def module_without_a_file() -> Reading:
    module: Any = types.ModuleType("made")
    module.rate = 2.0
    return lambda x: x * module.rate, lambda: setattr(module, "rate", 3.0)


def class_without_a_file() -> Reading:
    space: dict[str, Any] = {}
    exec("class Local:\n    rate = 2.0\n    def step(self, x):\n        return self.rate * x", space)
    local = space["Local"]()
    return lambda x: local.step(x), lambda: setattr(space["Local"], "rate", 3.0)


def method_of_one_object() -> Reading:
    base: Any = Base()
    return lambda x: base.step(x), lambda: setattr(base, "step", lambda x: 7.0 * x)


def attribute_of_a_subclass() -> Reading:
    class Local(Base):
        pass

    local = Local()
    return lambda x: local.step(x), lambda: setattr(Local, "rate", 3.0)


def special_method() -> Reading:
    class Local:
        def __call__(self, x: Any) -> Any:
            return x * 2.0

    local = Local()
    return lambda x: local(x), lambda: setattr(Local, "__call__", lambda self, x: x * 3.0)


def attribute_of_a_metaclass() -> Reading:
    class Local(metaclass=Meta):
        pass

    def change() -> None:
        Meta.scale += 1.0

    return lambda x: x * Local.scale, change


def descriptor_of_another_name() -> Reading:
    class Local:
        rate = Named()

    local: Any = Local()
    local.rate = 2.0
    return lambda x: x * local.rate, lambda: setattr(local, "rate", 3.0)


def entries_as_attributes() -> Reading:
    entries = Entries(rate=2.0)
    return lambda x: x * entries.rate, lambda: setattr(entries, "rate", 3.0)


def attribute_of_a_function() -> Reading:
    def inner(x: Any) -> Any:
        return x * inner.rate  # type: ignore[attr-defined]

    inner.rate = 2.0  # type: ignore[attr-defined]
    return lambda x: inner(x), lambda: setattr(inner, "rate", 3.0)


def defaults_of_a_function() -> Reading:
    def inner(x: Any, rate: float = 2.0, *, scale: float = 1.0) -> Any:
        return x * rate * scale

    return lambda x: inner(x), lambda: (setattr(inner, "__defaults__", (3.0,)), inner.__kwdefaults__.update(scale=7.0))


def views_of_dicts() -> Reading:
    d = {"a": 2.0}
    shown, values = types.MappingProxyType(d), d.values()
    return lambda x: x * shown["a"] * sum(values), lambda: d.update(a=3.0)


def dicts_of_the_library() -> Reading:
    first, second = collections.UserDict(a=2.0), collections.ChainMap({}, {"a": 2.0})
    return lambda x: x * first["a"] * second["a"], lambda: (first.update(a=3.0), second.update(a=7.0))


def weak_references() -> Reading:
    pair = Pair()
    found, table = weakref.ref(pair), weakref.WeakValueDictionary(a=pair)
    return lambda x: x * found().a * table["a"].b, lambda: (setattr(pair, "a", 3.0), setattr(pair, "b", 7.0))


def context_variables() -> Reading:
    variable = contextvars.ContextVar("variable", default=2.0)
    return lambda x: x * variable.get(), lambda: variable.set(3.0)


def variables_of_the_process() -> Reading:
    os.environ["GRAPHAD_TEST_RATE"] = "2.0"
    return (
        lambda x: x * float(os.environ["GRAPHAD_TEST_RATE"]),
        lambda: os.environ.update(GRAPHAD_TEST_RATE="3.0"),
    )


def what_a_cache_gives() -> Reading:
    @functools.lru_cache
    def settings() -> Any:
        return {"pair": Pair()}

    return lambda x: x * settings()["pair"].a, lambda: setattr(settings()["pair"], "a", 3.0)


def methods_by_type() -> Reading:
    @functools.singledispatch
    def rule(x: Any) -> Any:
        return 2.0

    return lambda x: x * rule("a"), lambda: rule.register(str, lambda x: 3.0)


def memory_seen_otherwise() -> Reading:
    numbers, number = array.array("d", [2.0, 3.0]), ctypes.c_double(1.0)
    view = memoryview(numbers)
    return lambda x: x * view[0] * number.value, lambda: (numbers.__setitem__(0, 5.0), setattr(number, "value", 2.0))


def arrays_of_objects() -> Reading:
    objects = np.array([Pair(), None], object)
    return lambda x: x * objects[0].a, lambda: setattr(objects[0], "a", 3.0)


def arrays_that_get_another_shape() -> Reading:
    x = np.arange(6.0).reshape(2, 3)
    return lambda y: y * np.sum(x[0]), lambda: x.resize((3, 2))


def zeros_that_get_a_sign() -> Reading:
    zeros = [0.0] * 6
    return lambda x: x * np.copysign(1.0, zeros[3]), lambda: zeros.__setitem__(3, -0.0)


def attributes_of_tuples() -> Reading:
    class Point(collections.namedtuple("Point", "a")):
        rate = 2.0

    point = Point(1.0)
    return lambda x: x * point.rate, lambda: setattr(Point, "rate", 3.0)


def labels_of_pandas() -> Reading:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([2.0, 3.0], index=["a", "b"])
    mixed = pandas.DataFrame({"a": [2.0, 3.0], "b": ["u", "v"]})

    def change() -> None:
        series.index = ["b", "a"]
        mixed.loc[0, "a"] = 7.0

    return lambda x: x * series["a"] * mixed["a"].to_numpy()[0], change


@pytest.mark.parametrize("outer", [lambda f: f, graphad.grad], ids=["f", "grad"])
@pytest.mark.parametrize(
    "make",
    [
        by_name_elsewhere, by_a_name_that_a_helper_is_given, by_a_name_put_together, by_getters_made_before,
        by_method_callers, attribute_that_is_not_there, attribute_with_a_default, attribute_in_a_handler,
        name_of_a_builtin, globals_as_a_dict, modules_by_name, module_without_a_file, class_without_a_file,
        method_of_one_object, attribute_of_a_subclass, special_method, attribute_of_a_metaclass,
        descriptor_of_another_name,
        entries_as_attributes, attribute_of_a_function, defaults_of_a_function, views_of_dicts, dicts_of_the_library,
        weak_references, context_variables, variables_of_the_process, what_a_cache_gives, methods_by_type,
        memory_seen_otherwise, arrays_of_objects, arrays_that_get_another_shape, zeros_that_get_a_sign,
        attributes_of_tuples, labels_of_pandas,
    ],
)  # fmt: skip
def test_roundabout_reads_are_seen(make: Any, outer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "scale", 2.0)
    monkeypatch.setattr(sys.modules[__name__], "abs", abs, raising=False)
    monkeypatch.delattr(sys.modules[__name__], "abs")
    monkeypatch.delattr(Derived, "scale", raising=False)
    f, change = make()
    jitted, eager = graphad.jit(outer(f)), outer(f)
    before = jitted(1.5)
    assert before == eager(1.5)
    jitted(1.5)
    assert jitted.traces == 1
    change()
    assert eager(1.5) != before
    assert jitted(1.5) == eager(1.5)
    assert jitted.traces == 2


def test_equal_objects_in_long_lists_are_told_apart() -> None:
    pairs = [Pair(float(i)) for i in range(6)]
    f = graphad.jit(lambda x: sum(p.a * x for p in pairs))
    assert f(1.0) == 15
    pairs[0] = Pair(0.0)
    assert f(1.0) == 15
    pairs[0].a = 9.0
    assert f(1.0) == 24


def test_what_is_set_beside_does_not_trace_anew() -> None:
    """Attributes, entries and globals that the function does not read."""
    base: Any = Derived()
    f = graphad.jit(lambda x: base.step(abs(x)) * getattr(base, "other", 1.0))
    for i in range(4):
        assert f(1.0) == 2
        setattr(base, f"result{i}", i)
        _space[f"unrelated{i}"] = i
    assert f.traces == 1


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: np.zeros(2), lambda a: a.__setitem__(0, a[0] + 1.0)),
        (lambda: np.zeros(100), lambda a: a.fill(1.0)),
        (lambda: iter([1.0, 2.0, 3.0]), next),
        (lambda: (i * 1.0 for i in range(9)), next),
    ],
)
def test_arrays_and_iterators_from_outside_change_once_for_each_trace(make: Any, change: Any) -> None:
    thing = make()

    def f(x: Any) -> Any:
        change(thing)
        return x * 2.0

    with pytest.warns(TraceWarning, match=r"f changes `thing` once, while it is traced"):
        assert graphad.jit(f)(1.0) == 2


def test_arrays_and_iterators_of_the_function_itself_are_no_state() -> None:
    def f(x: Any) -> Any:
        a, items = np.zeros(2), iter([1.0, 2.0])
        a[0] = next(items)
        return x * a[0] * sum(v for v in items)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert graphad.jit(f)(1.0) == 2


@pytest.mark.parametrize("maxsize", [None, 128, 1])
def test_a_cache_that_was_cleared(maxsize: Any) -> None:
    scale = 3.0

    @functools.lru_cache(maxsize)
    def table(name: str) -> Any:
        return {"one": 1.0, "scale": scale}[name]

    @graphad.jit
    def f(x: Any) -> Any:
        return x * table("scale") + table("one")

    assert f(1.0) == f(1.0) == 4.0
    assert f.traces == 1
    scale = 5.0
    assert f(1.0) == 4.0
    table.cache_clear()
    assert f(1.0) == f(1.0) == 6.0
    assert f.traces == 2

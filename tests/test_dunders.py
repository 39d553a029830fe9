"""What Python calls by itself (properties, operators, constructors, `with`, `for`) is converted as any other code."""

from __future__ import annotations

import abc
import collections.abc
import contextlib
import dataclasses
import functools
import gc
import math
import operator
import typing
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import graphad
from graphad.errors import TypeMismatchError

T = typing.TypeVar("T")


def halved(x: Any) -> Any:
    """Control flow that only converted code can trace, and a function of `math` that only it differentiates."""
    while x > 1:
        x = x / 2
    return math.sin(x)


class Lazy:
    """Properties and attributes."""

    def __init__(self, x: Any) -> None:
        self.x = x

    @property
    def half(self) -> Any:
        return halved(self.x)

    @property
    def twice(self) -> Any:
        return self.half + self.half

    @half.setter
    def half(self, value: Any) -> None:
        self.x = halved(value)

    @functools.cached_property
    def kept(self) -> Any:
        return halved(self.x)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return halved(self.x) * len(name)


class Halved:
    """A descriptor."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return halved(getattr(instance, self.name))

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance, self.name, halved(value) + 3.0)


class Described:
    value = Halved()

    def __init__(self, x: Any) -> None:
        self.value = x


class Number:
    """Operators."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __add__(self, other: Any) -> Any:
        return Number(halved(self.x) + (other.x if isinstance(other, Number) else other))

    def __radd__(self, other: Any) -> Any:
        return Number(halved(self.x) + 2 * other)

    def __sub__(self, other: Any) -> Any:
        return NotImplemented if isinstance(other, Other) else Number(halved(self.x) - other.x)

    def __mul__(self, other: Any) -> Any:
        return Number(halved(self.x) * halved(other))

    def __imul__(self, other: Any) -> Any:
        self.x = halved(self.x) * other
        return self

    def __pow__(self, n: Any) -> Any:
        return halved(self.x) ** n

    def __matmul__(self, other: Any) -> Any:
        return halved(self.x) @ other

    def __neg__(self) -> Any:
        return Number(-halved(self.x))

    def __abs__(self) -> Any:
        return halved(self.x)

    def __lt__(self, other: Any) -> Any:
        return halved(self.x) < halved(other.x)

    def __gt__(self, other: Any) -> Any:
        return halved(self.x) > halved(other.x)

    def __eq__(self, other: Any) -> Any:
        return halved(self.x) == other.x

    def __bool__(self) -> Any:
        return halved(self.x) > 0

    __hash__ = None  # type: ignore[assignment]


class Other:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __rsub__(self, other: Any) -> Any:
        return 5.0 * halved(self.x) - other.x


class Sequence:
    """Items, and what runs over them."""

    def __init__(self, x: Any, n: int = 3) -> None:
        self.x = x
        self.n = n
        self.items: dict[Any, Any] = {}

    def __getitem__(self, i: Any) -> Any:
        if i == self.n:
            raise IndexError(i)
        return halved(self.x) * (i + 1)

    def __setitem__(self, i: Any, value: Any) -> None:
        self.items[i] = halved(value)

    def __len__(self) -> int:
        return self.n if self.n > 0 else 0

    def __contains__(self, value: Any) -> Any:
        return halved(value) < halved(self.x) + 1


class Iterated(Sequence):
    def __iter__(self) -> Any:
        return Steps(halved(self.x))


class Generated(Sequence):
    def __iter__(self) -> Any:
        for i in range(3):
            yield self.x * i


class Steps:
    def __init__(self, x: Any) -> None:
        self.x = x
        self.i = 0

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        self.i += 1
        if self.i > 3:
            raise StopIteration
        return halved(self.x * self.i)


class Scaled:
    """A context manager."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __enter__(self) -> Any:
        self.x = halved(self.x)
        return self

    def __exit__(self, *error: Any) -> Any:
        self.x = halved(self.x * 3)


class Base(abc.ABC):
    """Constructors."""

    def __init__(self, x: Any) -> None:
        self.x = halved(x)

    @abc.abstractmethod
    def value(self) -> Any: ...


class Child(Base):
    def value(self) -> Any:
        return self.x


class GrandChild(Child):
    def __init__(self, x: Any) -> None:
        super().__init__(x * 3)


class Made:
    def __new__(cls, x: Any) -> Any:
        made = super().__new__(cls)
        made.x = halved(x)
        return made


class NotMade:
    def __new__(cls, x: Any) -> Any:
        return halved(x)

    def __init__(self, x: Any) -> None:
        raise AssertionError("it is no instance")


class Called:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __call__(self, y: Any) -> Any:
        return halved(self.x * y)


class CalledToo(Called):
    pass


def zeros() -> Any:
    return np.zeros(2)


@dataclasses.dataclass
class State:
    x: Any
    factor: dataclasses.InitVar[float]
    scale: float = 3.0
    work: Any = dataclasses.field(default_factory=zeros)
    total: Any = dataclasses.field(init=False, default_factory=lambda: np.zeros(1))

    def __post_init__(self, factor: float) -> None:
        self.work[0] = halved(self.x) * factor
        self.total[0] = self.work[0] * self.scale


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    x: Any
    half: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "half", halved(self.x))


@dataclasses.dataclass
class Point:
    x: Any
    scale: float = 3.0


class LatePoint(Point):
    def __post_init__(self) -> None:
        self.x = 0.0  # Python does not call it: the dataclass had none


@contextlib.contextmanager
def library_block() -> Any:
    yield 2.0


class Generic(typing.Generic[T]):
    def __init__(self, x: Any) -> None:
        self.x = halved(x)


class LazyChild(Lazy):
    @property
    def half(self) -> Any:
        return super().half * 3.0


class Settings(typing.NamedTuple):
    x: Any
    factor: float = 2.0

    @property
    def half(self) -> Any:
        return halved(self.x) * self.factor


@functools.lru_cache
def cached(x: Any) -> Any:
    return halved(x)


def iteration_by_builtins(x: Any) -> Any:
    total = 0.0
    for i, item in enumerate(Steps(x)):
        total = total + i * item
    for a, b in zip(Steps(x), [1.0, 2.0], strict=False):
        total = total + a * b
    return total + sum(Steps(x)) + max(Steps(x))


def property_of_a_class_made_here(x: Any) -> Any:
    class Local:
        def __init__(self, x: Any) -> None:
            self.x = x

        @property
        def half(self) -> Any:
            return halved(self.x)

        def __add__(self, other: Any) -> Any:
            return halved(self.x) + other

    return Local(x).half * (Local(x) + 1.0)


def setter(x: Any) -> Any:
    lazy = Lazy(x)
    lazy.half = x * 5
    lazy.half += x
    return lazy.x


def in_place(x: Any) -> Any:
    number = Number(x)
    number *= x
    number += x  # no __iadd__
    return number.x


def stored(x: Any) -> Any:
    s = Sequence(x)
    s[1] = x * 3
    s[1] += x
    return s.items[1]


def loops(x: Any) -> Any:
    total = 0.0
    for s in (Sequence(x), Iterated(x), Generated(x)):
        for item in s:
            total = total + item
        total = total + sum([item * 2 for item in s], 0.0) + len(s)
    return total + next(Steps(x))


def block(x: Any) -> Any:
    with Scaled(x) as s, library_block() as two:
        y = s.x * two
    return y + s.x


def branch_on_objects(x: Any) -> Any:
    a, b = Number(x), Number(x * 1.1)
    y = x * 2 if a < b else x * 3
    if a > b or b == a:
        y = y * 5
    if a:
        y = y + 1
    if x in Sequence(x):
        y = y + x
    return y * 2 if not b else y


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "property": lambda x: Lazy(x).half,
    "property of properties": lambda x: Lazy(x).twice,
    "cached property": lambda x: (lambda lazy: lazy.kept * lazy.kept)(Lazy(x)),
    "getattr": lambda x: Lazy(x).abc * getattr(Lazy(x), "abcd") * getattr(Lazy(x), "_a", 2.0),  # noqa: B009
    "setter": setter,
    "descriptor": lambda x: Described(x).value,
    "operators": lambda x: ((Number(x) + Number(x)) * x + x).x,
    "reflected": lambda x: (x + Number(x)).x + (2.0 + Number(x)).x,
    "not implemented": lambda x: Number(x) - Other(x),
    "unary": lambda x: (-Number(x)).x + abs(Number(x)),
    "power": lambda x: Number(x) ** 3,
    "in place": in_place,
    "comparisons": branch_on_objects,
    "item": lambda x: Sequence(x)[2] * Sequence(x)[0],
    "stored": stored,
    "loops": loops,
    "with": block,
    "inherited constructor": lambda x: Child(x).value() * GrandChild(x).value(),
    "new": lambda x: Made(x).x * NotMade(x),
    "call": lambda x: Called(x)(2.0) + CalledToo(x)(3.0),
    "dataclass": lambda x: (lambda s: s.total[0] + s.work[0] + s.scale)(State(x, 2.0)),
    "frozen dataclass": lambda x: Frozen(x=x).half,
    "plain dataclass": lambda x: halved(Point(x).x) * Point(x, scale=x).scale + LatePoint(x).x,
    "replace": lambda x: dataclasses.replace(Frozen(x=x, half=0.0), x=x * 2).half,
    "generic": lambda x: Generic[float](x).x,
    "base's property": lambda x: LazyChild(x).half,
    "named tuple": lambda x: Settings(x).half,
    "cached function": lambda x: cached(x) + cached(2.0),
    "operator": lambda x: functools.reduce(operator.add, [Number(x), Number(x), Number(x)]).x,
    "attrgetter": lambda x: operator.attrgetter("half")(Lazy(x)),
    "iteration by builtins": iteration_by_builtins,
    "local class": property_of_a_class_made_here,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    f = PROGRAMS[name]
    for x in (2.3, 0.7):
        h = 1e-6
        slope = (f(x + h) - f(x - h)) / (2 * h)
        assert graphad.jit(f)(x) == pytest.approx(f(x))
        for gradient in (graphad.grad(f), graphad.jit(graphad.grad(f))):
            assert gradient(x) == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_objects_from_outside() -> None:
    lazy, sequence = Lazy(2.3), Sequence(2.3)

    def f(x: Any, thing: Any) -> Any:
        return x * lazy.half + sequence[1] * x + thing.half

    assert graphad.grad(f)(2.0, lazy) == pytest.approx(lazy.half + sequence[1])
    assert graphad.jit(f, static_argnums=1)(2.0, lazy) == pytest.approx(f(2.0, lazy))
    lazy.x = 0.5
    assert graphad.jit(f, static_argnums=1)(2.0, lazy) == pytest.approx(f(2.0, lazy))


def test_properties_are_guarded() -> None:
    lazy = Lazy(2.3)
    f = graphad.jit(lambda x: x * lazy.half)
    assert f(2.0) == pytest.approx(2 * lazy.half)
    lazy.x = 0.25
    assert f(2.0) == pytest.approx(2 * lazy.half)
    assert f.traces == 2


def test_a_function_converted_before_its_class_was_met() -> None:
    def total(a: Any, b: Any) -> Any:
        return (a + b).total

    class Plain:
        def __init__(self, total: Any) -> None:
            self.total = total

        __add__ = staticmethod(lambda other: other)  # an operator that is no function

    assert graphad.jit(lambda x: total(Plain(x), Plain(x)))(2.0) == 2.0

    class Rich:
        def __init__(self, x: Any) -> None:
            self.x = x

        def __add__(self, other: Any) -> Any:
            return Rich(halved(self.x) + other.x)

        @property
        def total(self) -> Any:
            return halved(self.x)

    f = lambda x: total(Rich(x), Rich(x))
    assert graphad.jit(f)(2.0) == pytest.approx(f(2.0))


def test_errors_of_special_methods_are_pythons() -> None:
    class Strict:
        def __getitem__(self, i: Any) -> Any:
            raise KeyError(i)

        @property
        def missing(self) -> Any:
            raise AttributeError("there is none")

    strict = Strict()

    def f(x: Any) -> Any:
        try:
            return x * strict[1]
        except KeyError:
            return x * getattr(strict, "missing", 3.0)

    assert graphad.grad(f)(2.0) == 3.0
    with pytest.raises(TypeError, match="unsupported operand"):
        graphad.grad(lambda x: (Strict() + Number(x)).x)(1.0)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        graphad.grad(lambda x: State(x))(1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="abstract"):
        graphad.grad(lambda x: Base(x))(1.0)  # type: ignore[abstract]


def test_classes_of_collections() -> None:
    class Vector(collections.abc.Sequence):  # type: ignore[type-arg]
        def __init__(self, *xs: Any) -> None:
            self.xs = xs

        def __len__(self) -> int:
            return len(self.xs)

        def __getitem__(self, i: Any) -> Any:
            return halved(self.xs[i]) if i < 2 else self.xs[i]

    def f(x: Any) -> Any:
        v = Vector(x, 2 * x, 3 * x)
        return v[0] * v[1] * v[2] + len(v)

    assert graphad.jit(f)(2.3) == pytest.approx(f(2.3))


def test_private_names() -> None:
    class _Private:
        __scale = 2.0

        def __init__(self, __x: Any) -> None:
            self.__x = [__x, __x]

        @property
        def __half(self) -> Any:
            return halved(self.__x[0])

        def total(self) -> Any:
            self.__x[1] = self.__half * getattr(self, "_Private__scale")  # noqa: B009
            self.__x[1] += self.__scale
            return self.__x[1]

    f = lambda x: _Private(x).total()
    assert graphad.jit(f)(2.3) == pytest.approx(f(2.3))


def test_classes_are_not_kept() -> None:
    def use() -> Any:
        class Local:
            def __init__(self, x: Any) -> None:
                self.x = x

            @property
            def half(self) -> Any:
                return halved(self.x)

        graphad.jit(lambda x: Local(x).half)(2.0)
        return weakref.ref(Local)

    gone = use()
    gc.collect()
    assert gone() is None


class Fraction:
    """Once it is met, operators in converted code look for methods of the user's."""

    def __init__(self, x):
        self.x = x

    def __mod__(self, other):
        return Fraction(self.x % other)

    def __mul__(self, other):
        return Fraction(self.x * other)

    def __rmul__(self, other):
        return Fraction(other * self.x)


def test_operators_of_other_values_are_what_they_were():
    graphad.jit(lambda x: (2 * Fraction(x) * 3 % 4).x)(1.0)
    texts = []

    def formatted(x):
        texts.append("%.2f" % x)  # noqa: UP031
        return x * x

    assert graphad.grad(formatted)(3.0) == 6.0
    assert texts == ["3.00"]
    sparse = scipy.sparse.csr_array(np.eye(3))
    with pytest.raises(TypeMismatchError, match="a sparse matrix has the products"):
        graphad.jit(lambda x: x * sparse)(np.ones(3))

"""Plain Python programs with control flow on their arguments: each is run as it is and converted, and must agree."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

XS = np.array([0.5, -1.2, 2.5, 0.1])
TABLE = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0], [3.0, 0.2, -0.7], [1.0, 1.0, 1.0]])

PROGRAMS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {}
"""By name: the function, and tuples of arguments that take its different ways. The first argument is differentiated."""


def program(*calls: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Take up a function with these arguments; a single one need not be a tuple."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[f.__name__] = f, [c if isinstance(c, tuple) else (c,) for c in calls]
        return f

    return register


# -- branches -----------------------------------------------------------------------------------------------------


@program(3.0, 1.5, 0.2)
def if_elif_else(x):
    y = 0
    if x > 2:
        y = x * x
    elif x > 1:
        y = np.sin(x)
    else:
        y = -x
    return y


@program(3.0, -1.0)
def if_without_else(x):
    y = 2 * x
    if x > 0:
        y = y + x**2
    return y


@program(3.0, -1.0)
def early_return(x):
    if x > 0:
        return x * x
    return -x


@program(3.0, 0.5, -2.0)
def guard_clauses(x):
    if x < 0:
        return -x
    y = np.sqrt(x)
    if y > 1:
        return y * x
    z = y + 1
    return z * z


@program(3.0, 1.0, -1.0, 0.2)
def nested_early_return(x):
    if x > 0:
        if x > 2:
            return x**3
        x = x + 1
    y = np.exp(-x)
    if x > 1.5:
        y = y * 2
        return y * x
    return y


@program(2.0, -2.0)
def conditional_expression(x):
    y = x * 3 if x > 0 else np.exp(x)
    return y + (1.0 if x < 0 else 2.0) * x


@program((1.0, 2.0), (-1.0, 2.0), (1.0, -2.0), (-1.0, -2.0))
def and_or_not(x, y):
    r = 0.0
    if x > 0 and y > 0:
        r = x * y
    if x < 0 or y < 0:
        r = r - x
    if not (x > 0):
        r += x**2
    if not x > 0 and (y > 0 or x < -5):
        r *= 2.0
    return r + x


@program((0.5, 1.0), (1.5, 1.0), (-0.5, 1.0))
def chained_comparison(x, one):
    if 0 < x < one:
        return x**2
    if -1 <= x <= 0 != one:
        return 3 * x
    return x


@program(2.0, 0.3)
def several_variables(x):
    a, b = x, 1.0
    if x > 1:
        a, b = b * x, a
        c = a + b
    else:
        c = a * b * x
    return a * 2 + b * 3 + c


@program(2.0, -2.0)
def branch_local_variables(x):
    if x > 0:
        t = np.sin(x)
        y = t * t
    else:
        shape_does_not_matter = np.ones(4) * x
        y = shape_does_not_matter.sum()
    return y


@program(2.0, 0.5, -1.0)
def nested_ifs(x):
    y = x
    if x > 0:
        y = y * 2
        if x > 1:
            y = y + x**2
        else:
            y = y - x
    else:
        y = np.cos(y)
    return y


@program((XS, 2.0), (XS, -2.0))
def arrays_in_branches(v, t):
    if t > 0:
        w = v * t
    else:
        w = np.exp(v)
    return np.sum(w * v)


@program((XS, 1), (XS, 2), (XS, 3))
def match_on_values(v, mode):
    match mode:
        case 1:
            r = np.sum(v)
        case 2 | 4:
            r = np.sum(v**2)
        case other if other > 10:
            r = v[0] * 2
        case _:
            r = np.prod(v)
    return r


@program((2.0, (1.0, 2.0)), (-2.0, (1.0, 2.0)))
def match_on_structure(x, pair):
    match pair:
        case (a, b):
            if x > 0:
                return a * x
            return b * x**2
        case _:
            return x


@program(2.0, -2.0)
def walrus_in_test(x):
    if (y := x * x) > 1 and (z := y + x) > 3:
        return z * y
    return y + x


@program(2.0, 0.5)
def asserted(x):
    assert x > -10, "too small"
    return x**2 if x > 1 else x


@program(2.0, -2.0)
def formatted(x):
    name = "positive" if isinstance(x, str) else "number"
    label = f"{name:>10}|{len(name)}"
    return x * len(label) if x > 0 else x


@program(2.0, -2.0)
def deleted(x):
    t = x * 2
    if x > 0:
        y = t + 1
    else:
        y = t**2
    del t
    return y


@program((2.0, True), (2.0, False))
def test_on_a_number(x, flag):
    y = x
    if flag:
        y = y * 3
    return y


@program(2.0, 0.25)
def safe_branch(x):
    return np.log(x - 1) if x > 1 else x * 3


# -- while --------------------------------------------------------------------------------------------------------


@program(13.0, 0.3)
def halving(x):
    n = 0
    while x > 1:
        x = x / 2
        n += 1
    return x + n


@program(2.0, 30.0)
def newton(a):
    x = a
    while abs(x * x - a) > 1e-10:
        x = 0.5 * (x + a / x)
    return x


@program(5.0, 0.5)
def while_with_break(x):
    total = 0.0
    while True:
        total = total + x * x
        x = x * 0.7
        if x < 0.1:
            break
    return total


@program(5.0, 0.5)
def while_with_continue(x):
    total, k = 0.0, 0
    while k < 10 and total < 50:
        k += 1
        x = x * 0.9
        if x > 2:
            total += 1.0
            continue
        total += x * x
    return total + x


@program(5.0, 100.0, 0.01)
def while_else(x):
    n = 0
    while x > 1:
        x = x * 0.5
        n += 1
        if n > 4:
            break
    else:
        x = x * 10
    return x


@program(3.0, 40.0)
def return_from_while(x):
    n = 0.0
    while n < 6:
        n += 1
        x = x * 1.5
        if x > 30:
            return x * n
    return x - n


@program(3.0, 20.0)
def nested_while(x):
    total = 0.0
    while x > 1:
        y = x
        while y > 0.5:
            total = total + y * x
            y = y * 0.5
        x = x - 1
    return total


@program(3.0, 0.5)
def walrus_in_while(x):
    total = 0.0
    while (y := x * x) > 1:
        total += y
        x = x * 0.8
    return total + y


@program((2.0, 3), (2.0, 0))
def counting_down(x, n):
    y = x
    while n > 0:
        y = np.sin(y) * x
        n = n - 1
    return y


@program(5.0)
def fixed_while(x):
    i = 0
    while i < 3:
        x = np.sin(x) + i
        i += 1
    return x


# -- for ----------------------------------------------------------------------------------------------------------


@program(XS)
def for_over_array(xs):
    t = 0
    for x in xs:
        if x > 0:
            t += x * x
        else:
            t -= x
    return t


@program((2.0, 4), (2.0, 0))
def for_over_traced_range(x, n):
    y = x
    for i in range(n):
        y = np.cos(y) + i * x
    return y


@program((2.0, 9), (2.0, 1))
def for_over_traced_range_with_start_and_step(x, n):
    y = 0.0
    for i in range(1, n, 3):
        y = y * x + i
    for j in range(n, 0, -2):
        y += j * x
    return y


@program((XS, TABLE))
def for_over_zip(v, table):
    total = 0.0
    for x, row in zip(v, table):  # noqa: B905
        total = total + x * np.sum(row) if x > 0 else total - x
    return total


@program(XS)
def for_over_enumerate(xs):
    total = 0.0
    for i, x in enumerate(xs, 1):
        total += i * x**2
    return total


@program((XS, TABLE))
def for_over_enumerate_zip(v, table):
    total = 0.0
    for i, (x, row) in enumerate(zip(v, table)):  # noqa: B905
        if x > i:
            continue
        total += x * row[0] + i
    return total


@program(XS)
def for_over_reversed(xs):
    p = 0.0
    for c in reversed(xs):
        p = p * 0.5 + c
    return p


@program((XS, [1.0, 2.0, 3.0, 4.0]))
def for_over_array_and_list(xs, ws):
    total = 0.0
    for x, w in zip(xs, [1, 2, 3, 4]):  # noqa: B905
        total += x * w
    for x, w in zip(xs, ws):  # noqa: B905
        total += x * w
    return total


@program((XS, 2.0), (XS, 9.0))
def return_from_for(xs, t):
    for x in xs:
        if x > t:
            return x * x
    return 0.0


@program((XS, 2.0), (XS, 9.0))
def for_else(xs, t):
    found = 0.0
    for x in xs:
        if x > t:
            found = x * 3
            break
    else:
        found = xs[0]
    return found


@program((2.0, 7), (2.0, 2))
def break_from_traced_range(x, n):
    y = x
    for i in range(n):  # noqa: B007
        y = y * x
        if y > 20:
            break
    return y + i


@program(2.0, 1.1)
def break_from_static_range(x):
    y = x
    for _ in range(100):
        y = y * x
        if y > 20:
            break
    return y


@program(2.0, 1.1)
def newton_with_range(a):
    x = a
    for _i in range(50):
        step = (x * x - a) / (2 * x)
        x = x - step
        if abs(step) < 1e-12:
            break
    return x


@program((2.0, 5))
def nested_for(x, n):
    total = 0.0
    for i in range(n):
        for j in range(i):
            if (i + j) % 2 == 0:
                total += x * j
            else:
                total -= x**2
    return total


@program((XS, 3.0), (XS, -3.0))
def return_from_nested_loops(xs, t):
    for x in xs:
        for y in xs:
            if x * y < t and x > y:
                return x - y * t
    return t * xs[0]


@program((XS, 2.0))
def break_from_list(xs, limit):
    total = 0.0
    for w in [0.5, 1.5, 2.5]:
        total = total + w * xs[0] ** 2
        if total > limit / 4:
            break
    return total


@program(TABLE)
def loop_over_rows(table):
    best = 0.0
    for a, b, c in table:
        s = a * b + c
        best = s if s > best else best
    return best


@program(0.3)
def unrolled_layers(x):
    for layer in [np.sin, np.tanh, lambda v: v * v]:
        x = layer(x + 1)
    return x


@program(XS)
def collects_in_a_list(xs):
    out = []
    for x in xs:
        out.append(x * 2 if x > 0 else x)
    return sum(out)


@program(XS)
def comprehension(xs):
    return sum([x * x if x > 0 else -x for x in xs])


@program(XS)
def last_value_of_the_variable(xs):
    for x in xs:
        y = x * 2
    return x * y


@program((XS, 3))
def min_max_any_all(xs, n):
    top = max(xs[0], xs[1], 0.3)
    low = min(xs)
    r = top * low
    if any(xs > 2) and all([xs[0] > 0, xs[2] > 0]):
        r += sum(xs)
    return r * n


# -- state in arrays, attributes and dicts --------------------------------------------------------------------------


@program((2.0, 4))
def fills_an_array(x, n):
    a = np.zeros(5)
    for i in range(n):
        a[i] = x * i
        a[i] += 1
    return np.sum(a**2)


@program(XS)
def recurrence_in_an_array(xs):
    out = np.zeros(len(xs))
    out[0] = xs[0]
    for i in range(1, len(xs)):
        out[i] = out[i - 1] * 0.5 + (xs[i] if xs[i] > 0 else 0.0)
    return np.sum(out**2)


@program((XS, 2.0), (XS, -2.0))
def element_in_a_branch(v, t):
    w = v * 1.0
    if t > 0:
        w[0] = t
        w[1:3] *= 2
    return np.sum(w * v)


@program((3.0, 3.0), (3.0, -3.0))
def plain_array_in_a_branch(x, t):
    a = np.ones(3)
    if t > 0:
        a[1] = 5.0
    else:
        a += 1
    return np.sum(a) * x


@program(XS)
def swaps_elements(v):
    v = v * 1.0
    for i in range(3):
        if v[i] > v[i + 1]:
            v[i], v[i + 1] = v[i + 1], v[i]
    return np.sum(v * np.arange(4))


@program(TABLE)
def matrix_elements(m):
    c = np.zeros((3, 3))
    for row in m:
        for j in range(3):
            c[j, 0] += row[j]
            c[j][1] += row[j] ** 2
    return np.sum(np.sin(c))


@program((2.0, 5), (2.0, 0))
def dict_entries(x, n):
    state = {"sum": 0.0, "last": x}
    for i in range(n):
        state["last"] = np.sin(state["last"])
        state["sum"] += state["last"] * i
    if x > 1:
        state["sum"] = state["sum"] * 2
    return state["sum"]


class Accumulator:
    """An object of the user's own, with state."""

    def __init__(self, start):
        self.total = start
        self.count = 0
        self._Accumulator__hidden = 1.0

    def add(self, x):
        if x > 0:
            self.total = self.total + x
        else:
            self.total -= 2 * x
        self.count += 1

    def __call__(self, x):
        return self.total * x if x > 1 else self.total + x

    @property
    def mean(self):
        return self.total / (self.count + 1)


@program((2.0, 4), (-2.0, 0))
def object_state(x, n):
    acc = Accumulator(0.0)
    for i in range(n):
        acc.add(x - i)
    acc.add(x)
    return acc.mean + acc(x)


class Base:
    def __init__(self, scale):
        if scale > 1:
            self.scale = scale
        else:
            self.scale = 1.0
        self.__private = 2.0

    def apply(self, x):
        return x * self.scale * self.__private if x > 0 else x


class Derived(Base):
    def __init__(self, scale):
        super().__init__(scale)
        self.extra = 1.0

    def apply(self, x):
        y = super().apply(x)
        if y > 3:
            return y + self.extra
        return super().apply(x) - self.extra


@program(3.0, 0.5, -1.0)
def methods_and_super(x):
    return Derived(x).apply(x) + Base(0.5).apply(x)


@dataclasses.dataclass
class Particle:
    x: Any
    v: Any


@program(1.0, 2.0)
def dataclass_state(v):
    p = Particle(0.0, v)
    while p.x < 3:
        p = Particle(p.x + 0.3 * p.v, p.v * 1.01)
    return p.x


class Pair(NamedTuple):
    a: Any
    b: Any


@program(1.0, 2.0)
def namedtuple_state(x):
    s = Pair(x, (x, 0.0))
    while s.a < 10:
        s = s._replace(a=s.a * 1.5, b=(s.b[0] + s.a, s.b[1] + 1))
    return s.a + s.b[0] * s.b[1]


@program((2.0, 6))
def list_entries(x, n):
    window = [x, 1.0, 0.5]
    for _ in range(n):
        window[0], window[1], window[2] = window[1], window[2], window[0] * 0.5 + window[2] * x
    return window[0] + window[2]


# -- functions ----------------------------------------------------------------------------------------------------


def relu(x):
    if x > 0:
        return x
    return 0.0 * x


@program(2.0, -2.0)
def calls_a_function(x):
    return relu(x) + relu(-x) * 3 + relu(x - 1)


@program(2.0, -2.0)
def nested_function(x):
    scale = 2.0

    def inner(v, w=3.0):
        if v > 1:
            return v * scale * w
        return v - scale

    return inner(x) + inner(x * 0.1, w=1.0)


@program((2.0, 3), (-2.0, 2))
def nonlocal_state(x, n):
    total = 0.0

    def add(v):
        nonlocal total
        if v > 1:
            total = total + v

    for i in range(n):
        add(x * i)
    return total + x


@program(2.0, -2.0)
def lambdas(x):
    f = lambda v: v * v if v > 0 else -v
    g = lambda a, *rest, k=2.0: a * k + sum(rest) if a > 1 else a
    return f(x) + g(x, x, x) + g(0.5 * x, k=3.0)


@program((2.0, 5))
def recursion(x, depth):
    return power(x, 4) if x > 0 else x


def power(x, n):
    if n == 0:
        return 1.0
    if x > 1.5:
        return x * power(x, n - 1)
    return power(x, n - 1)


def doubled(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        result = f(*args, **kwargs)
        return result * 2 if result > 1 else result

    return wrapper


@doubled
def decorated(x, *, offset=0.0):
    if x > 1:
        return x**2 + offset
    return x - offset


@program(2.0, 0.1)
def calls_a_decorated_function(x):
    return decorated(x, offset=0.5) + decorated(x)


@program(2.0, -0.1)
def calls_a_partial(x):
    f = functools.partial(scaled, k=3.0)
    return f(x) + functools.reduce(lambda a, b: a * b if a > b else a + b, [x, 0.5, 2.0])


def scaled(x, k):
    return k * x if x > 0 else x / k


@program((2.0, 1.0), (-2.0, 1.0))
def star_arguments(x, y):
    def total(*args, **kwargs):
        r = 0.0
        for a in args:
            r = r + a if a > 0 else r
        for v in kwargs.values():
            r = r * v
        return r

    return total(x, y, *[x, y], k=x, m=2.0)


@contextmanager
def context():
    yield 3.0


@program(2.0, -2.0)
def with_statement(x):
    with context() as c:
        if x > 0:
            return x * c
        y = x * x
    return y + c


@program(2.0, -2.0)
def try_statement(x):
    table = {"a": 1.0}
    try:
        k = table["b"]
    except KeyError:
        k = 4.0
    finally:
        x = x * 1.0
    try:
        y = x * k if x > 0 else x
    except ValueError:
        y = 0.0
    else:
        y = y + 1
    return y


# -- exceptions that a handler of the same function takes ------------------------------------------------------------


@program(2.0, -2.0)
def raise_in_a_branch(x):
    y = x
    try:
        if x > 0:
            raise ValueError("positive")
        y = x * x
    except ValueError:
        y = y * 3 + x**3
    else:
        y = y + 1
    finally:
        z = y * x
    return z


@program(2.0, 0.7, 0.2, -1.0)
def handlers_of_several_types(x):
    try:
        if x > 1:
            raise KeyError("large")
        elif x > 0.5:
            raise ZeroDivisionError
        if x > 0:
            raise np.linalg.LinAlgError("small")
        y = x
    except (KeyError, IndexError):
        y = x * 2
    except ArithmeticError:
        y = x * 3
    except Exception:
        y = x * x
    return y * x


@program(2.0, -2.0)
def a_handler_that_returns(x):
    try:
        if x > 0:
            raise ValueError
        return x * x
    except ValueError:
        return x**3


@program(2.0, 0.7, -2.0)
def a_handler_that_goes_on(x):
    try:
        if x > 1:
            raise ValueError
        if x > 0:
            return x * x
        else:
            raise ValueError
    except ValueError:
        y = x
    return y + 3 * x


@program(2.0, -2.0)
def a_handler_that_asks(x):
    try:
        if x > 0:
            raise ValueError("four", 4)
        y = x
    except ValueError as error:
        y = x * error.args[1]
    return y * x


@program(2.0, 1.2, 0.1)
def handlers_within_handlers(x):
    y = x
    try:
        try:
            if x > 1:
                raise KeyError
            y = y * x
        except KeyError:
            y = y * 5
            if x > 1.5:
                raise
        finally:
            y = y + x
    except KeyError:
        y = y * x
    return y


@program(0.4, 1.0)
def raise_ends_a_loop(x):
    total = x
    try:
        for i in range(10):
            if total > 2:
                raise OverflowError
            total = total * 1.5 + i
        total = total * 100
    except OverflowError:
        total = total * x
    return total


@program(0.4, 30.0)
def raise_ends_an_endless_loop(x):
    total = x
    try:
        while True:
            total = total * 1.5
            if total > 20:
                return total
            if total > 2:
                raise OverflowError
    except OverflowError:
        total = total * x
    return total


@program(0.4, 1.7)
def handlers_in_a_loop(x):
    total = x
    for i in range(6):
        try:
            if total > 40:
                raise StopIteration
            if total > 1:
                raise ValueError
            total = total * 1.3
        except ValueError:
            total = total * 2 + i
            continue
        except StopIteration:
            break
        total = total + x
    return total


@program(0.4, 1.7)
def raise_after_a_write(x):
    a = np.zeros(3)
    try:
        a[0] = x
        if x > 0.5:
            raise KeyError
        a[1] = x * x
    except KeyError:
        a[2] = 5 * x
    return a[0] + 2 * a[1] + 3 * a[2]


@program(0.4, 1.7)
def raise_by_a_known_test(x):
    for mode in ("small", "large", "small"):
        try:
            if mode == "large":
                raise LookupError(mode)
            x = x * 1.1 if x > 1 else x
        except LookupError as error:
            x = x * len(str(error))
    return x


# --------------------------------------------------------------------------------------------------------------------


@program(1.0, 4.0)
def function_in_a_branch(x):
    if x > 2:

        def g(v):
            return v * v

        y = g(x)
    else:
        y = x
    return y + math.pi


@program((XS, 0.2), (XS, 20.0))
def gradient_descent(target, tol):
    x = np.zeros(4)
    step = 1.0
    while step > tol * 0.01:
        g = 2 * (x - target)
        x = x - 0.3 * g
        step = np.sum(g * g)
        if step > 100:
            break
    return np.sum(x * target)


@program(0.6, 2.0)
def logistic_map(r):
    x, n = 0.3, 0
    while n < 20 and not (0.49 < x < 0.51):
        x = r * x * (1 - x)
        n += 1
        if n == 3:
            x = x + 0.01 * r
    return x * n

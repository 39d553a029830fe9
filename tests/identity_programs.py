"""Programs of one number that change arrays in place, however it is reached: each is what plain NumPy makes of it."""

from __future__ import annotations

import contextlib
import itertools
import operator
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

import graphad

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS[function.__name__] = function
    return function


# -- names that share an array ----------------------------------------------------------------------------------------


@program
def second_name(x):
    a = np.array([1.0, 2.0])
    b = a
    a[0] = x
    return b.sum() + 2 * a[0]


@program
def added_to_a_second_name_in_a_long_loop(x):
    a = np.array([1.0, 2.0])
    b = a
    for _ in range(40):
        a += x
    return b.sum()


@program
def added_to_a_second_name_in_a_branch(x):
    a = np.array([1.0, 2.0])
    b = a
    if x > 1:
        a *= x
    return b.sum() + a[0]


@program
def name_made_in_a_loop(x):
    a = np.zeros(3)
    for i in range(40):
        b = a
        b[i % 3] += x
    return (a**2).sum()


@program
def names_that_change_places(x):
    u, v = np.array([1.0, 2.0]), np.zeros(2)
    for _ in range(40):
        v[:] = u * x * 0.9
        u, v = v, u
    return u.sum() + 2 * v.sum()


@program
def changed_and_bound_anew(x):
    a = np.array([1.0, 2.0])
    for _ in range(40):
        a[0] = x
        a = a * 0.5
    return a.sum()


@program
def bound_anew_and_changed(x):
    a = np.array([1.0, 2.0])
    b = a
    for _ in range(40):
        a = a * 0.5 + x
        a[0] = x
    return b.sum() + a.sum()


@program
def one_of_two(x):
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    c = a if x > 1 else b
    c[0] = x
    return a.sum() * 2 + b.sum() + c[1]


@program
def one_of_two_that_changes_itself(x):
    a = np.array([1.0, 2.0])
    if x > 1:
        c = a
    else:
        c = np.array([3.0, 4.0]) * 2
    a[1] = x * x
    c[0] += x
    return a.sum() * 2 + c.sum()


@program
def one_array_in_one_branch_two_in_the_other(x):
    if x > 1:
        a = np.zeros(2)
        b = a
    else:
        a, b = np.zeros(2), np.ones(2)
    a[0] = x
    return a.sum() + 3 * b.sum()


@program
def one_of_two_views(x):
    a = np.arange(4.0)
    if x > 1:
        v = a[:2]
    else:
        v = a[2:]
    v[0] = x * 3
    return v.sum() + a.sum() * 2


@program
def bound_anew_in_a_branch_and_changed(x):
    a = np.array([1.0, 2.0])
    b = a
    if x > 1:
        a = a * x
    a[0] = x * x
    return a.sum() + 2 * b.sum()


@program
def number_in_an_array(x):
    a = np.array(1.0)
    b = a
    a += x
    a[...] = a * 2
    return b * 1.0


# -- views ------------------------------------------------------------------------------------------------------------


@program
def view_of_a_view(x):
    m = np.arange(24.0).reshape(4, 6)
    v = m[1:, ::2].T[::-1]
    w = v[0]
    w[:] = x
    v[1, 1] *= x
    return (m * np.arange(24.0).reshape(4, 6)).sum()


@program
def views_in_a_list(x):
    m = np.zeros((3, 4))
    rows = [m[i] for i in range(3)]
    for row in rows:
        row[1:] = x
    rows[0] *= x
    return m.sum()


@program
def rows(x):
    m = np.arange(6.0).reshape(3, 2)
    for row in m:
        row[0] = row[1] * x
    return m.sum() + m[2, 0]


@program
def rows_of_a_traced_array(x):
    m = np.ones((40, 2)) * x
    for row in m:
        row[0] = row[1] * 2
    return m.sum()


@program
def rows_beside_others(x):
    m, n = np.zeros((3, 2)), np.ones(3)
    for row, s in zip(m, n, strict=True):
        row[:] = s * x
    for i, row in enumerate(m):
        row += i
    return m.sum()


@program
def transpose_and_reshape(x):
    m = np.arange(6.0).reshape(2, 3)
    t = m.T
    t[0] = x
    t[1:][0] += x
    m.reshape(-1)[4] = x * x
    m.ravel()[5] = 2 * x
    return (m**2).sum()


@program
def view_made_in_a_long_loop(x):
    m = np.zeros((3, 3))
    for i in range(36):
        row = m.T[i % 3]
        row += x * i
    return (m**2).sum() + m[2, 1]


@program
def parts_of_complex_numbers(x):
    z = np.zeros(3, complex)
    real = z.real
    real[1] = x
    z.imag[2] = 2 * x
    return (np.abs(z) ** 2).sum()


@program
def backwards(x):
    a = np.zeros(4)
    v = a[::-2]
    v[:] = x
    v[0] = 1
    return (a * np.arange(4)).sum()


@program
def two_halves(x):
    a, b = np.split(np.arange(6.0), 2)
    a[0] = x
    return a.sum() + b.sum()


@program
def empty_views(x):
    a, b = np.zeros((0, 3)), np.zeros(3)
    a[:] = x
    b[1:1] = x
    return a.sum() + b.sum() + x


@program
def views_whose_shape_is_set(x):
    a = np.array([x, 1.0, 2.0, 3.0, 4.0, 5.0])
    v, u = a[1:5], np.zeros(6)[:]
    v.shape, u.shape = (2, 2), (3, -1)
    w, t = v.T, v.T
    try:
        t.shape = (4,)
    except AttributeError:
        v[1] += 1.0
    w[0] *= 7 * x
    u[1] = v[0]
    a[1] += x
    return (a * np.arange(6)).sum() + v.sum() + w[0, 1] + u[1, 0] * 2


@program
def arrays_whose_shape_is_set_while_nothing_views_them(x):
    a = np.ones(6)
    b = a
    a[1:] += x
    a.shape = 2, 3
    b[1] *= 2.0
    for _ in range(40):
        a[0] += 0.1 * x
    b.shape = (-1,)
    a[2:4] = x
    memory = np.arange(4.0)
    v = memory[1:3]
    memory[0] = x
    v.shape = 2, 1
    v[1, 0] = x * x
    return (b * np.arange(6)).sum() + (memory * np.arange(4)).sum() + v[0, 0]


class Growing:
    def __init__(self):
        self.u, self.n = np.ones(1), 0

    def append(self, v):
        if self.n == self.u.size:
            self.u.resize(2 * self.u.size, refcheck=False)
        self.u[self.n] = v
        self.n += 1


@program
def arrays_that_change_their_length(x):
    g = Growing()
    known = g.u
    for i in range(5):
        g.append(x * i)
    table, places = np.arange(6.0) * x, np.arange(2)
    table.resize((3, 4), refcheck=False)
    table[1, 2:] = 1.0
    table.resize(5, refcheck=False)
    places.resize((3,), refcheck=False)
    places[2] = 4
    total = 0.0
    for i in range(40):
        part = np.ones(2)
        part.resize(3, refcheck=False)
        part[2] = x * i
        total += part.sum()
    return (known * np.arange(8)).sum() + table[places].sum() + total

# -- where arrays come from -------------------------------------------------------------------------------------------


@program
def made_by_functions(x):
    made = [np.linspace(0, 1, 5), np.eye(3), np.zeros_like(np.ones(3)), np.arange(4) * 1.0, np.full(2, 3.0)]
    made += [np.random.default_rng(0).normal(size=3), np.ones((2, 2)).copy(), np.array([[1.0, 2.0]])]
    for a in made:
        a[-1] = x
    return sum([a.sum() for a in made])


@program
def mesh(x):
    a, b = np.meshgrid(np.arange(3.0), np.arange(2.0))
    a[0] = x
    b[:, 1] *= x
    return a.sum() + b.sum()


@program
def chosen_from_a_constant(x):
    table = np.arange(10.0)
    a = table[[1, 3, 5]]
    a[0] = x
    return a.sum() + table.sum()


@program
def integers(x):
    n = np.zeros(3, int)
    m = n
    for i in range(40):
        n[i % 3] += 1
    if x > 1:
        n[0] = 9
    return m.sum() * x


@program
def read_before_and_after(x):
    k = np.array([1.0, 2.0])
    s = k.sum()
    for _ in range(40):
        k[0] += x
    return s + k.sum()


@program
def fresh_in_each_iteration(x):
    s = 0.0
    for i in range(40):
        t = np.zeros(3)
        t[1] = x * i
        p = t
        p[0] = 1.0
        s = s + t.sum()
    return s


@program
def filled_with_constants(x):
    t = np.zeros(50)
    for i in range(50):
        t[i] = i * 0.5
    return (t * x).sum()


@program
def constant_in_a_branch(x):
    a = np.array([1.0, 2.0])
    if x > 1:
        a[0] = 7.0
    return a.sum() * x


# -- containers and objects -------------------------------------------------------------------------------------------


@program
def history_of_one_array(x):
    seen, position = [], np.zeros(2)
    for _ in range(4):
        seen.append(position)
        position += x
    return sum([h.sum() for h in seen])


@program
def history_of_copies(x):
    seen, position = [], np.zeros(2)
    for _ in range(4):
        seen.append(position.copy())
        position += x
    return sum([h.sum() for h in seen])


@program
def entries_of_a_dict(x):
    d = {"a": np.zeros(2), "b": np.ones(2)}
    for i in range(40):
        for k in ["a", "b"]:
            d[k][i % 2] += x
    e = d["a"]
    e[0] = 0.0
    return d["a"].sum() + d["b"].sum()


@program
def entries_of_a_tuple(x):
    s = (np.zeros(2), np.ones(2))
    a, b = s
    a[0] = x
    s[1][1] *= x
    return s[0].sum() + b.sum()


@program
def made_by_a_comprehension(x):
    made = [np.zeros(2) for _ in range(3)]
    for i in range(3):
        made[i][0] = x * i
    return sum([r.sum() for r in made])


def _stepped(s, x):
    u, v = s
    u = u + x
    v[0] += x
    return u, v


@program
def tuple_that_a_helper_steps(x):
    s = (np.zeros(2), np.ones(2))
    for _ in range(40):
        s = _stepped(s, x)
    return s[0].sum() + s[1].sum()


@dataclass
class State:
    u: Any = field(default_factory=lambda: np.zeros(3))
    v: list[Any] = field(default_factory=lambda: [np.zeros(2), np.ones(2)])


@program
def default_factories(x):
    s = State()
    u, v = s.u, s.v
    for _ in range(40):
        s.u[1] += x
        v[0][:] = s.u[:2]
    return u.sum() + s.v[0].sum() * 2 + s.v[1].sum()


class Base:
    def __init__(self):
        self.a = np.array([1.0, 2.0, 3.0])
        self.b = self.a[1:]


class Child(Base):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def step(self, x):
        self.a[0] += x * self.k
        self.b *= x


@program
def inherited_constructor(x):
    c = Child(2.0)
    a = c.a
    for _ in range(3):
        c.step(x)
    return a.sum() + c.b[0]


@program
def method_in_a_branch(x):
    c = Child(2.0)
    a = c.a
    if x > 1:
        c.step(x)
    return a.sum() + c.b[0]


# -- who changes it ---------------------------------------------------------------------------------------------------


def _halve(p):
    p[:] = p * 0.5


@program
def helper_in_a_long_loop(x):
    a = np.array([1.0, 2.0]) * x
    b = np.arange(3.0)
    b[0] = x
    for _ in range(40):
        _halve(a)
        _halve(b[1:])
    return a.sum() * 1e12 + b.sum()


@program
def helper_in_a_branch(x):
    a = np.array([1.0, 2.0])
    if x > 1:
        _halve(a)
    return a.sum() * x


def _both(p, q, x):
    p[:] = p * x
    q += p


@program
def aliased_arguments(x):
    a = np.array([1.0, 2.0])
    for _ in range(5):
        _both(a, a, x)
    return a.sum()


@program
def aliased_arguments_in_a_long_loop(x):
    a = np.array([1.0, 2.0])
    v = a[::-1]
    for _ in range(35):
        _both(a, v, x * 0.4)
    return a.sum()


def _row(m, i):
    return m[i]


@program
def result_of_a_helper(x):
    m = np.zeros((3, 2))
    for i in range(36):
        r = _row(m, i % 3)
        r += x * i
    return m.sum() + m[2, 0]


@program
def closure(x):
    a = np.zeros(3)

    def bump(i):
        a[i] += x

    for i in range(3):
        bump(i)
    if x > 0:
        bump(0)
    return a[0] * 2 + a.sum()


@program
def variable_that_an_inner_function_binds(x):
    a = np.zeros(2)
    b = a

    def grow():
        nonlocal a
        a = a + x

    grow()
    a[0] = 5 * x
    return a.sum() + b.sum()


@program
def methods_that_write(x):
    a = np.array([3.0, 1.0, 2.0])

    def change(p):
        p.sort()
        p.fill(p[0] * x)
        p.put([1], [x])

    if x > 0:
        change(a)
    return a.sum()


@program
def functions_that_write(x):
    a = np.ones(4)
    b = a[1:]
    for _ in range(35):
        np.multiply(b, x, out=b)
    np.add.at(a, [0, 0], x)
    np.copyto(a.reshape(2, 2)[1], x, where=np.array([True, False]))
    np.put(a, [0], [x])
    return a.sum()


@program
def functions_that_write_constants_in_a_branch(x):
    a = np.arange(4.0)
    c = a.reshape(2, 2)
    if x > 1:
        np.fill_diagonal(c, 3.0)
        np.copyto(c[0], 1.0)
        np.add(c[1], 1.0, out=c[1])
        np.negative(a[:1], a[:1])
        a.flat[1] = 8.0
    a.flat[2] = x * 2
    return a.sum() * x + c[0, 1]


@program
def masks(x):
    a = np.arange(4.0) * x
    b = a
    a[a > 1] = 0.5
    b[b < 0.2] += x
    return b.sum()


@program
def exception_between(x):
    a = np.zeros(2)
    try:
        a[0] = x
        a[5] = 1
    except IndexError:
        a[1] = 2 * x
    return a.sum()


# -- branches and loops within one another ----------------------------------------------------------------------------


@program
def branch_in_a_loop(x):
    a = np.zeros(4)
    r = a[1:3]
    for i in range(40):
        if x * i > 10:
            r[0] += x
        else:
            a[3] = i * x
    return a.sum() + r.sum()


@program
def loop_in_a_loop(x):
    a = np.zeros((3, 3))
    t = a.T
    for i in range(33):
        for j in range(33):
            t[i % 3, j % 3] += x * j
    return (a**2).sum()


@program
def branch_in_a_while_loop(x):
    a = np.zeros(3)
    b = a
    i = 0.0
    while i < 5:
        if i > 2:
            a[0] += x
        i = i + x
        b[1] = i
    return a.sum()


@program
def while_loop_that_asks_the_array(x):
    a = np.array([0.0, 1.0])
    state = {"a": a}
    while a[0] < 5:
        state["a"][0] += x
    return a.sum()


@program
def loop_with_a_break(x):
    a = np.zeros(5)
    for i in range(40):
        a[i % 5] += x
        if a.sum() > 3:
            break
    return a.sum() + a[0]


@program
def helper_that_returns_early(x):
    a = np.zeros(3)

    def put(v):
        if v > 1:
            a[0] = v
            return a
        a[1] = v
        return a

    r = put(x)
    r[2] = x
    return (a * np.array([1, 2, 3])).sum()


@program
def neighbours_in_a_long_loop(x):
    a = np.zeros(4)
    i = 0
    for i in range(40):
        a[i % 4] = a[(i + 1) % 4] + x
    return a.sum() + a[i % 4]


@program
def batch(x):
    def f(t):
        a = np.zeros(3)
        b = a[1:]
        for i in range(3):
            b[0] += t * i
        if t > 1:
            a[2] = t
        return a.sum()

    return graphad.vmap(f)(np.array([0.5, 1.5]) * x).sum()


def _parts(p):
    p.real = 2.0
    p.imag = 3.0


@program
def parts_set_in_a_branch(x):
    z = np.zeros(2, complex)
    if x > 1:
        z.real = 1.0
        _parts(z[1:])
    return np.sum(np.abs(z)) * x


@program
def written_after_a_loop_that_broke_off(x):
    w = np.array([x, 1.0, 2.0])
    for i in range(3):
        for _ in range(2):
            if x * (i + 1) > 1.5:
                break
            w = np.tanh(w)
        w[1] += 5 * x
    row = w[1:]
    row[0] *= x
    w *= 2
    return w.sum() + row.sum()


@program
def written_in_a_long_loop_that_breaks_off(x):
    w, u = np.array([x, 1.0, 2.0]), np.ones(3)
    for i in range(40):
        w[i % 2] += 0.1 * x
        if w[0] > 3:
            break
        w = w * 1.1
        u[i % 3] += w[1]
    w[1] = 3 * x
    if x > 1:
        w = w * 0.5
    w += u
    return 3 * w.sum() + u.sum()


@program
def a_view_that_is_only_read_in_a_branch(x):
    b, s = np.ones(3), x
    a = b * 2
    for _ in range(2):
        b = np.broadcast_to(b, (3,)) if s > 1 else a
        a, s = np.array([x, s, 0.1]), s * 0.5
    return b.sum() + a.sum()


def _with_a_last_one(p, x):
    p[-1] = x
    return p


@program
def new_arrays_given_to_a_helper(x):
    m = np.arange(6.0).reshape(2, 3)
    b, c = _with_a_last_one(m.flat[1:4], x), _with_a_last_one(np.where(m > 1, m, 0.1)[0], x)
    return m.sum() + b.sum() * 2 + c.sum() * 3 + _with_a_last_one(m.flat.copy(), x).sum()


@program
def chosen_by_a_branch_and_read_in_others(x):
    m = np.arange(6.0).reshape(2, 3)
    c = np.array([x, 1.0, 2.0])
    if x > 1:
        c = m[0]
        c[0] = x
    m[0] += x
    if x > 0.9:
        s = c.sum()
        m[0] *= 2.0
    else:
        s = c.sum() * 3
    for _ in range(40):
        s += c[1] * x
    return s + c.sum()


# -- kinds that were wrong ------------------------------------------------------------------------------------------


@program
def names_that_share_in_turns(x):
    a, c = np.zeros(4), np.full(4, 0.5)
    p = c
    if a.sum() > x:
        p = a
    if x > 1:
        a[0] = 3 * x
    if x > 1:
        c[2] = x
    else:
        p = a
    c[-1] *= x
    return a.sum() + c.sum() * 0.7 + p.sum() * 0.6


@program
def bound_anew_beside_a_second_name(x):
    a = np.zeros(3)
    v = a
    for _ in range(40):
        v[0] += x
        a = a * 1.0
    return a.sum()


@program
def entry_bound_anew_beside_a_name(x):
    a = np.array([0.1, 0.2, 0.3])
    d = {"k": a}
    for _ in range(40):
        a[0] += x
        d["k"] = d["k"] * 1.0
    return d["k"].sum() + a.sum()


@program
def swapped_beside_a_third_that_changes(x):
    u, v = np.zeros(3), np.ones(3)
    w = u
    for _ in range(40):
        w[0] += x
        u, v = v, u
    return u.sum() + 3 * v.sum()


@program
def view_bound_anew_now_and_then(x):
    a = np.zeros(3)
    v = a[1:]
    for i in range(40):
        v[0] += x
        if i % 2:
            a = a * 1.0
            v = a[1:]
    return a.sum()


@program
def break_after_a_store_by_a_view(x):
    a = np.zeros(3)
    for i in range(40):
        v = a[i % 3 :]
        v[0] += x
        if a[i % 3] > 4.3:
            break
    return a.sum()


@program
def flat_of_a_traced_array(x):
    m = np.zeros((2, 3))
    m[0, 0] = x
    m.flat[4] = x
    f = m.flat
    f[1] = 2 * x
    if x > 1:
        m.flat[2] = 3.0
    return (m * np.arange(6.0).reshape(2, 3)).sum()


@program
def pieces_and_diagonal_of_a_traced_array(x):
    m = np.zeros((4, 4))
    m[0] = x
    first, _ = np.split(m, 2)
    left, _ = np.hsplit(m, 2)
    diagonal = m.diagonal()
    row = np.broadcast_to(m[0], (2, 4))
    first[1] = 2 * x
    left[:, 0] += x
    return (m * np.arange(16.0).reshape(4, 4)).sum() + diagonal.sum() + row.sum()


@program
def run_through_while_it_changes(x):
    m, s = np.ones(4) * x, 0.0
    for v in m:
        m += 1
        s = s + v
    for i, v in enumerate(m):
        m += i
        s = s + v
    return s


@program
def copies_of_functions_that_change_nothing(x):
    a = np.zeros(4)
    a[0] = x
    b, c = np.roll(a, 0), np.pad(a, 0)
    b[0], c[1] = 9.0, 8.0
    return a.sum() * 2 + b.sum() + c.sum()


@program
def filled_in_place(x):
    a = np.array([x, np.nan, 1.0])
    np.nan_to_num(a, copy=False, nan=2.0)
    return a.sum()


@program
def the_same_memory_by_other_functions(x):
    a = np.zeros(3)
    b = np.asarray(a)
    c = np.squeeze(a)
    d = np.broadcast_to(a, (2, 3))
    e = np.array(a, copy=None)
    a[0] = x
    b[1] = 2 * x
    return b.sum() + 2 * c.sum() + d.sum() + e.sum()


@program
def bound_in_a_nested_branch(x):
    a, b = np.zeros(4), np.ones(4)
    if x > 1 and x > 0.5:
        a[1] = x
    if x > 1:
        a[2] = x
        if x > 0.5:
            a[0] = x
            b = a
    return b.sum() + 2 * a.sum()


# -- loops in which nothing is traced ---------------------------------------------------------------------------------


def doubled(a, i):
    b = a * 2
    if i > 1:
        return b[1:]
    return a[1:]


def itself_and_reversed(a):
    return a, (a + 1)[::-1]


@program
def arrays_of_a_loop_of_numbers(x):
    a = np.zeros(4)
    for i in range(4):
        a[i] = i * 0.5
        b = a + 1
        c = b[1:]
        d = c
        e = a[2:]
        f = np.split(a, 2)
    b[1], d[1], e[0], f[0][0] = x, x * x, x**3, 5 * x
    return (a * np.arange(4)).sum() + (b**2).sum() + c.sum() + f[1].sum() + f[0].sum()


@program
def arrays_of_functions_in_a_loop_of_numbers(x):
    a = np.ones(4)
    for i in range(3):
        b, c, d = doubled(a, i), doubled(a, 0), itself_and_reversed(a)
    b[0], c[0], d[0][2], d[1][0] = x, x * x, x**3, x
    return (a**2).sum() + (b**2).sum() + c.sum() + d[1].sum() + d[0].sum()


@program
def decomposition_in_a_loop_of_numbers(x):
    a = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            a[i, j] = i + j * 0.5
            if i == j:
                continue
            if a[i, j] > 2:
                break
        row = a[i]
        values, vectors = np.linalg.eigh(a + a.T)
    row[0], values[0], vectors[0, 0] = x, x * x, x
    return (a**2).sum() + (values**2).sum() + vectors[0, 0]


@program
def another_name_in_a_loop_of_numbers(x):
    a = np.arange(4.0)
    b = a
    for i in range(4):
        if i == 2:
            b = a[1:]
        c = b
    c[0] = x
    return (a * np.arange(4)).sum() + b.sum()


@program
def loop_of_numbers_that_fails(x):
    a = np.arange(4.0)
    try:
        for i in range(9):
            a[i] = i + 1
    except IndexError:
        a[0] = x
    return (a**2).sum()


@program
def loops_of_numbers_with_else(x):
    a = np.zeros(5)
    for i in range(5):
        if i == 3:
            break
        a[i] = i
    else:
        a[4] = 100.0
    for i in range(2):
        a[i] += 1
    else:
        a[4] += 7.0
    a[2] *= x
    return a.sum() + i


@program
def function_that_reads_a_traced_value_in_a_loop(x):
    def times(i):
        return i * x

    a, b = np.ones(4), np.zeros(4)
    for i in range(4):
        a[i] = times(i)
    i = 0
    while i < 4:
        b[i] = i
        i += 1
    b[1] *= x
    return a.sum() + b.sum()


# -- generators and context managers ----------------------------------------------------------------------------------


def filled_rows(x, n):
    a = np.zeros(3)
    for i in range(n):
        if x > 1:
            a[i % 3] = x * i
        a[0] += 1
        yield a.sum()
    yield from (a[k] for k in range(2))


@contextlib.contextmanager
def changed(a, x):
    old = a.copy()
    if x > 1:
        a[0] = x
    else:
        a[1] = x
    try:
        yield a
    finally:
        a[2] = old[2] + x * x


@program
def generator_that_fills_an_array(x):
    return sum(v * i for i, v in enumerate(filled_rows(x, 4)))


@program
def generator_that_gives_arrays(x):
    def rows():
        a = np.ones(2)
        for i in range(5):
            if i == 1:
                continue
            if i == 4:
                break
            b = np.zeros(2)
            for j in range(3):
                if j == 2:
                    break
                b[j] = x * i
            yield b
            a[1] = x
        yield a
        yield np.zeros(2)

    found = list(rows())
    found[-1][0] = x * x
    return sum((v**2).sum() for v in found)


@program
def generator_that_is_sent_values(x):
    def sums():
        a = np.zeros(2)
        while True:
            v = yield a
            if v is None:
                return
            a[0] += v

    g = sums()
    next(g)
    g.send(x)
    return g.send(x * x).sum()


@program
def generator_in_a_branch_and_a_long_loop(x):
    a, s = np.zeros(3), 0.0

    def steps(k):
        for i in range(3):
            a[i] += x
            yield a[i] * k

    if x > 1:
        for v in steps(1.0):
            s = s + v
    for k in range(40):
        for v in steps(k):
            s = s + v * 1e-3
    return s + (a * np.arange(3.0)).sum()


@program
def context_manager_of_a_generator(x):
    a = np.zeros(3)
    with changed(a, x) as b:
        b[1] += x
    return (a * np.arange(1.0, 4.0)).sum()


@program
def iterator_in_a_long_loop(x):
    numbers, counted, s = iter([1.0, 2.0, 3.0] * 20), itertools.count(), 0.0
    a = np.zeros(40)
    for _ in range(40):
        s = s + next(numbers) * x
        a[next(counted)] = s
    return (a * np.arange(40.0)).sum()


@program
def iterator_after_a_break(x):
    pairs, s = enumerate([x, 2.0, 3.0]), 0.0
    for i, v in pairs:
        s = s + i * v
        if i == 1:
            break
    for _, v in pairs:
        s = s + v * x
    return s


# -- other places that are assigned -----------------------------------------------------------------------------------


@program
def elements_as_targets_of_loops(x):
    a, s = np.zeros(3), 0.0
    for i, a[i] in enumerate([x, x * x, 2.0]):
        s = s + a.sum() * i
    for a[1] in range(40):
        s = s + a[1] * x
    for a[0], a[2] in np.ones((40, 2)) * x:
        s = s + a[0] * a[2]
    return s + (a * np.arange(3.0)).sum()


@program
def elements_as_targets_of_with(x):
    @contextlib.contextmanager
    def given(v):
        yield v

    a = np.zeros(2)
    with given(x) as a[0], given(a[0] * 2) as a[1], given(3.0) as b:
        a[0] += b
    with given((x, x * x)) as (a[0], c):
        a[1] += c
    return (a**2).sum()


@program
def elements_that_change_places(x):
    a, b, d = np.arange(5.0), np.ones(2), {}
    a[0] = x
    a[0], b[1] = b[1], a[0]
    b[0], *d["rest"], a[4] = x, 1.0, 2.0, x * x
    for k in range(40):
        a[k % 5], a[(k + 1) % 5] = a[(k + 1) % 5], a[k % 5]
    return (a * np.arange(5.0)).sum() + (b**2).sum() + sum(d["rest"])


@program
def functions_that_assign(x):
    a = np.zeros(3)
    put = lambda i, v: a.__setitem__(i, v)
    put(0, x)
    operator.setitem(a, slice(1, None), x * x)
    a = operator.iadd(a, x)
    a.__imul__(2.0)
    if x > 1:
        operator.iadd(a, 1.0)
    if x > 1:
        a.__setitem__(0, 9.0)
    if x > 1:
        np.ndarray.__setitem__(a, 2, 4.0)
    for i in range(40):
        operator.setitem(a, i % 3, operator.getitem(a, i % 3) * 0.9)
        a.__iadd__(x)
    return (a * np.arange(1.0, 4.0)).sum()


@program
def parts_of_complex_numbers_assigned(x):
    z = np.zeros(3, complex)
    z.real = x
    z.imag[1:] = x * x
    z.real[0] += x
    if x > 1:
        z.imag = 3.0
    setattr(z, "real", z.real * x)  # noqa: B010
    for i in range(40):
        z.imag[i % 3] += 0.1 * x
    return (abs(z) ** 2).sum()


@program
def elements_by_flat(x):
    m = np.zeros((2, 3))
    m.flat = [x, 1.0, x * x, 2.0, 3.0, 4.0]
    m.flat[...] = m.flat[...] * 2
    if x > 1:
        m.flat[1:3] = 2.0
    if x > 1:
        m.flat = 0.5
    return (m * np.arange(6.0).reshape(2, 3)).sum() + m[0, 0] * x


# -- where arrays are made --------------------------------------------------------------------------------------------


class Missing(dict):
    def __missing__(self, key):
        value = self[key] = np.ones(2) * 2
        return value


class Cached:
    @cached_property
    def a(self):
        return np.zeros(3)


@program
def arrays_of_a_default_factory(x):
    d = defaultdict(lambda: np.zeros(3))
    d["a"][0] = x
    d["b"] += x
    if x > 1:
        d["a"][1] = 2.0
    for i in range(40):
        d["a"][i % 3] += x
    e = defaultdict(lambda: defaultdict(lambda: np.zeros(1)))
    e[0][1][0] = x
    m = Missing()
    m["a"][1] *= x
    return sum(v.sum() * i for i, v in enumerate(d.values(), 1)) + e[0][1][0] + m["a"].sum()


@program
def array_of_a_cached_property(x):
    cached = Cached()
    cached.a[0] = x
    if x > 1:
        cached.a[1] = x
    return (cached.a**2).sum()


@program
def default_of_an_inner_function(x):
    def put(i, a=np.zeros(3), *, b=[np.zeros(2)]):  # noqa: B006, B008
        a[i % 3] += x
        b[0][1] = x
        return a.sum() * b[0].sum()

    s = put(0)
    for i in range(40):
        s = s + put(i)
    return s


@program
def attributes_of_a_class(x):
    class Shared:
        a, table = np.zeros(3), [np.zeros(2)]
        d: dict = {"k": np.zeros(1)}

        def put(self, i, v):
            self.a[i] = v

    Shared().put(1, x * x)
    if x > 1:
        Shared.a[0] = x
    Shared.table[0][1] = x
    Shared.d["k"][0] = x
    return (Shared.a * np.arange(1.0, 4.0)).sum() * x + Shared.table[0].sum() + Shared.d["k"][0]


@program
def arrays_in_repeated_and_nested_displays(x):
    twice = [np.zeros(1)] * 2
    twice[1][0] = x
    nested = ([np.zeros(2)], (np.ones(2), {"a": np.zeros(1)}))
    nested[0][0][1] = x
    nested[1][0][0] = x * x
    nested[1][1]["a"][0] = x
    queue = deque(np.zeros(2) for _ in range(3))
    queue[1][0] = x
    ordered = OrderedDict(a=np.zeros(2))
    ordered["a"][0] = x
    first, (second, third) = nested
    return twice[0][0] + first[0].sum() + second.sum() + third["a"][0] + queue[1].sum() + ordered["a"][0]


@program
def walks_over_what_changes(x):
    a, s = np.array([[x, 1.0, 2.0], [3.0, x * x, 5.0]], order="F"), 0.0
    for (i, j), e in np.ndenumerate(a):
        s = s * 1.1 + e * (i + j)
        a[1, 2] += e
    for e in a.flat:
        s = s * 1.1 + e
        a[1, 1] += e
    for e in np.nditer(a):
        s = s * 1.1 + e
    for row, other in zip(a, a[::-1], strict=True):
        row[0] = x
        s += row[1] * other[0]
    return s


@program
def walks_over_numbers_that_become_traced(x):
    a = np.arange(6.0).reshape(2, 3)
    s, flat = 0.0, a.flat
    for place, e in np.ndenumerate(a):
        s = s * 1.1 + e
        a[1, 2] += x * sum(place)
    for e in np.nditer(np.ones(2) * 2.0):
        s += e
    return s + flat[5] + next(flat)


@program
def an_array_of_no_axes(x):
    b = np.array(x)
    c = b
    b += 1.0
    d = b[...]
    d[...] = b * 2
    e = np.array([[x]]).squeeze()
    f = e
    e *= 3.0
    g = b + 0.0
    h = g
    g += 1.0
    if x > 1:
        b += x
    return c + 10 * f + h


@program
def views_by_einsum(x):
    a = np.arange(9.0).reshape(3, 3)
    np.einsum("ii->i", a)[1] = x
    b = np.einsum("ij->ji", a)
    b[0] += x
    c = np.array([[x, 1.0], [2.0, x]])
    np.einsum("ii->i", c)[:] *= 2.0
    for i in range(3):
        np.einsum("ij->ji", a)[i][1] += x
    return (a * np.arange(9.0).reshape(3, 3)).sum() + c.sum() * 2


@program
def reversed_in_place(x):
    a = np.array([[x, 1.0, 2.0], [3.0, x * x, 5.0]])
    r = a[1]
    r[...] = r[::-1]
    r[1:] = r[:-1]
    a[:, 1] = a[::-1, 0]
    return (a * np.arange(6.0).reshape(2, 3)).sum() + r[0]


@program
def layouts_through_branches_and_loops(x):
    a = np.array([[x, 1.0], [3.0, x * x], [2.0, 5.0]]).T * 2
    a = a * x if x > 1 else a + x
    for _ in range(3):
        a = a * 0.5
        flat = a.reshape(-1)
        flat[0] = 7 * x
    b = np.asfortranarray(a)
    b.ravel("F")[1] = x
    return (a * np.arange(6.0).reshape(2, 3)).sum() + flat.sum()


# -- views that code which is not converted gives ---------------------------------------------------------------------


def _diagonal(m):
    return np.einsum("ii->i", m)


class Diagonal:
    def __init__(self):
        self.m = np.zeros((2, 2))

    @property
    def diagonal(self):
        return np.einsum("ii->i", self.m)


@program
def views_by_a_plain_function(x):
    m, o = np.zeros((2, 2)), Diagonal()
    _diagonal(m)[:] = x
    o.diagonal[1] = x * x
    for i in range(40):
        o.diagonal[i % 2] += 0.1 * x
    o.diagonal.sort()
    np.copyto(_diagonal(o.m)[:1], m[1, 1])
    return (m * np.arange(4.0).reshape(2, 2)).sum() + o.m.sum()


@program
def windows_of_an_array(x):
    a = np.arange(6.0)
    windows = np.lib.stride_tricks.sliding_window_view(a, 3)
    pairs = np.lib.stride_tricks.as_strided(a, (2, 2), (24, 8))
    a[2] = x
    pairs[1, 1] = x * x
    return (windows * np.arange(12.0).reshape(4, 3)).sum() + pairs.sum()


@program
def turned(x):
    m = np.zeros((3, 4))
    np.rot90(m)[0, 1] = x
    np.rot90(m, -1)[1] += x * x
    return (m * np.arange(12.0).reshape(3, 4)).sum()


@program
def transposed_in_a_while_loop(x):
    m = np.arange(9.0).reshape(3, 3) / 9
    row = m[1]
    k = 0.0
    while k < 1.5 + 0.1 * np.tanh(x):
        m = m.T
        k += 0.4
    return m[0, 1] * x + row[0]


def _one_of(p, q, x):
    c = p if x > 1 else q
    p[0], q[1] = 5.0 * x, 6.0 * x
    return c


@program
def chosen_arrays_that_have_no_names_of_their_own(x):
    h, b, c = np.ones(3), np.zeros(3), np.ones(3) * 2
    if x > 1:
        b = h
    if x > 0.9:
        c = h
    h = None
    b[0] = 5.0 * x
    u, v, w = np.array([0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3]), np.ones(3)
    for i in range(3):
        v[0] = x * (i + 1)
        if x > 1:
            w, u = u, w
            v = w
    one = _one_of(np.ones(3), np.zeros(3), x)
    return sum([p @ np.arange(1.0, 4.0) * k for k, p in enumerate([b, c, u, v, w, one], 1)])


@program
def chosen_beside_a_new_array_in_a_loop_that_ends_early(x):
    u, v, b = np.array([0.3, 0.2, 0.1]), np.array([x, 0.5, 0.1]), np.ones(3)
    for _ in range(3):
        b = np.tanh(v)
        if x > 1:
            b = u
        if v[0] > 3:
            break
    return b @ np.arange(3.0)


@program
def an_empty_view(x):
    a = np.zeros(3)
    none = a[3:]
    a[0] = x
    none[:] = 1.0
    return a.sum() + none.sum()


@program
def views_made_anew_in_each_iteration(x):
    m, b, k = np.arange(9.0).reshape(3, 3), np.ones(3), 0.0
    z, c, n = np.zeros(3, complex) + x, b, m
    part = z.real
    while k < 1.3 + 0.1 * np.tanh(x):
        k += 0.4
        b[0] += x
        b = m[1] if k < 1 else m[2, ::-1]
        part[1] += x
        part = z.imag
        made = c[1:]
        made *= x
    b[1:], part[0], made[0] = x * x, 3 * x, c[0]
    m[1] *= x
    return (m * np.arange(9.0).reshape(3, 3)).sum() + b[0] + n[1, 2] + (abs(z) ** 2).sum() + c @ np.arange(3.0)


@program
def a_view_of_what_the_variable_had(x):
    b, m, k = np.array([1.0, 2.0, 3.0]), np.arange(9.0).reshape(3, 3), 0.0
    a, n = b, m
    while k < 1.1 + 0.1 * np.tanh(x):
        k += 0.4
        b, m = b[::-1], m.T
        b[0] += x
        m[0, 1] += x
    a[1], n[2, 0] = 2 * x, x * x
    return b @ np.arange(3.0) + 10 * a[2] + (m * np.arange(9.0).reshape(3, 3)).sum() + n[0, 1]


@program
def row_chosen_by_a_branch(x):
    m, row = np.arange(4.0).reshape(2, 2) * x, np.ones(2)
    if x > 0.9:
        row = m[0]
        if x > 1:
            row = m[:, 1][::-1]
    row[0] += x
    m[0, 0] = 7
    return m.sum() * 3 + row.sum()


# -- made by code that nothing traced can be met in ------------------------------------------------------------------


class Grid:
    """A state that its methods advance by numbers."""

    count = 0

    def __init__(self, n):
        self.u = np.linspace(0.0, 1.0, n)
        self.past = [self.u]
        self.by_name = {"u": self.u, "rows": (self.u[:1], self.u[1:])}
        self.view = self.u[1:]

    @property
    def last(self):
        return self.past[-1]

    def step(self, k):
        for i in range(1, len(self.u)):
            self.u[i] += k * self.u[i - 1]
        self.past.append(self.u.copy())
        Grid.count += 1
        return self.u


class Slotted:
    __slots__ = ("u", "v")

    def __init__(self, n):
        self.u = np.zeros(n)
        self.v = self.u


@program
def arrays_made_by_a_loop_of_numbers(x):
    rows, by_name, last = [], {}, None
    for i in range(4):
        a = np.arange(3.0) * i
        rows.append(a)
        by_name[i] = a[1:]
        last = a
    rows[1][1] = x
    by_name[2][0] *= x
    last[2] = x * x
    return rows[1].sum() + by_name[1][0] + rows[2].sum() + rows[3].sum() + sum([v.sum() for v in by_name.values()])


@program
def a_state_that_methods_advance(x):
    g = Grid(4)
    for i in range(5):
        g.step(0.1 * i)
    g.view[0] = x
    first = g.u[1] + g.by_name["rows"][1][0]
    for _ in range(3):
        g.step(0.2)
    g.last[2] += x
    return first + g.u.sum() + g.past[0][1] + g.last.sum() * x


@program
def a_state_of_slots(x):
    s = Slotted(3)
    for i in range(3):
        s.u[i] = i
        s.v = s.u[:2]
    s.v[0] = x
    return s.u.sum() + s.v[0] * x


def _table(n):
    rows = []
    for i in range(n):
        rows.append(np.full(2, float(i)))
    return rows, {"first": rows[0], "pair": (rows[1], rows[1][:1])}, rows[-1][1:]


@program
def arrays_given_by_a_function_of_numbers(x):
    rows, names, view = _table(4)
    names["first"][0] = x
    names["pair"][1][0] += x
    view[0] *= x
    return sum([r.sum() for r in rows]) + names["pair"][0][0]


def _scaled(a, k):
    for i in range(len(a)):
        a[i] *= k
    return a


@program
def an_array_given_to_a_function_of_numbers_and_given_back(x):
    a = np.arange(1.0, 4.0)
    b = _scaled(a, 2.0)
    b[0] = x
    c = _scaled(a[1:], 0.5)
    c[1] = x * x
    return a.sum() + b.sum() + c.sum()


def _found(rows, least):
    for r in rows:
        if r[0] > least:
            return r
    return rows[0]


@program
def a_loop_of_numbers_that_returns_an_array(x):
    rows = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    r = _found(rows, 2.0)
    r[1] = x

    def inner():
        for q in rows[:1]:
            if q[1] > 1.0:
                return q[1:]
        return rows[1]

    s = inner()
    s[0] = x * 3
    return rows[0].sum() + rows[1].sum() * x


@program
def an_array_that_many_places_hold_after_a_loop_of_numbers(x):
    g, h, d = Grid(3), [], {}
    a = np.zeros(3)
    for i in range(3):
        a[i] = i
        h.append(a)
        g.past.append(a)
        g.u = a
        d[i] = (a, i)
    a[1] = x
    return h[0].sum() + g.past[-1][1] * 2 + g.u[1] + d[2][0][1] * x


@program
def numbers_sorted_counted_and_caught(x):
    counts, rows = {}, [(k * 7 % 5, k) for k in range(8)]
    rows.sort(key=lambda r: r[0])
    for k, i in rows:
        try:
            counts[k] = counts.get(k, 0.0) + 1.0 / (i - 3)
        except ZeroDivisionError:
            counts[k] = counts.get(k, 0.0) - 1.0
    arrays = [np.full(2, counts[k]) for k in sorted(counts, key=lambda k: -k)]
    arrays[0][0] = x
    return sum([a.sum() * x for a in arrays])


@program
def what_a_loop_of_numbers_makes_of_a_type(x):
    a, names = np.zeros(2), []
    pair = (a, 1.0)
    for v in (*pair, 2, "t"):
        names.append(type(v) is np.ndarray)
    pair[0][names.index(True)] = x
    return a.sum() + len(names)


@program
def recursion_on_numbers(x):
    def tree(depth):
        a = np.zeros(1)
        return [a, tree(depth - 1), tree(depth - 1)] if depth else [a]

    t = tree(2)
    t[1][2][0][0] = x
    t[0][0] = x * x
    return t[1][2][0].sum() + t[0].sum() * x


@program
def inner_functions_in_a_loop_of_numbers(x):
    kept, count, a = [], 0, np.zeros(3)

    def g(t, k=2.0):
        nonlocal count
        count += 1
        a[count % 3] = a[count % 3] + t * k
        return a

    h = lambda t: t * t + count if t > 1 else t
    s = 0.0
    for i in range(4):
        s += g(i * 0.5)[1] + h(i)
        kept.append(g)
        kept.append((h, g(0.1)))
    kept[0](x)
    kept[1][1][0] = x
    return s + a.sum() * x + float(kept[2] is g) + kept[3][0](x)


def _halves(n):
    a = np.zeros(2)
    for i in range(n):
        a[i % 2] += 0.5
        yield a


@program
def generators_in_a_loop_of_numbers(x):
    every = []
    for a in _halves(4):
        every.append(a)
    rest = _halves(3)
    first = next(rest)
    for a in rest:
        last = a
    every[0][0] = x
    last[1] = x * first[0]
    return every[-1].sum() + first.sum() * x


class Stack(list):
    top = None


class Table(dict):
    __slots__ = ("__hidden", "seen")

    def hide(self, a):
        self.__hidden = self.seen = a

    def hidden(self):
        return self.__hidden


@program
def lists_and_dicts_of_ones_own_in_a_loop_of_numbers(x):
    s, t = Stack(), Table()
    for i in range(3):
        s.append(np.full(2, 1.0 * i))
        s.top = s[0]
        t[i] = s[-1][1:]
        t.hide(s[1:])
    s[1][0] = x
    t[2][0] = x * x
    s.top[1] = x
    return s[1].sum() + s[2].sum() * x + s[0].sum() + t.hidden()[0][0] + t.seen[1][1]


# -- objects that branches and loops make -----------------------------------------------------------------------------


class Mesh:
    def __init__(self, n):
        self.n, self.weights = n, np.ones(n)


class Wave:
    def __init__(self, u, grid):
        self.u, self.grid, self.steps, self.name = u, grid, 0, "wave"

    def stepped(self, k):
        new = Wave(self.u * self.grid.weights + k * np.ones(self.grid.n), self.grid)
        new.steps = self.steps + 1
        return new

    def push(self, v):
        self.u[0] += v
        return self


@program
def objects_that_branches_make(x):
    grid = Mesh(3)
    wave = Wave(np.zeros(3), grid)
    if x > 1:
        wave = Wave(np.ones(3) * x, grid).push(2.0)
        wave.kept = None
    else:
        wave = wave.stepped(x)
        wave.kept = None
    grid.weights[1] = 3.0 * x
    other = wave.stepped(x) if x > 0.9 else Wave(np.zeros(wave.grid.n), grid)
    wave.push(x).u = wave.u * 2.0
    right = other.u[:0:-1]
    right[0] = x
    total = (wave.u * np.arange(3)).sum() + (other.u * other.grid.weights).sum()
    return total + wave.u[0] * other.steps


@program
def objects_that_loops_make(x):
    wave, t = Wave(np.ones(3), Mesh(3)), 0.0
    while t < 2.0 * x:
        wave = wave.stepped(0.1 * t).push(x)
        if wave.u[1] > 1.5:
            wave = Wave(wave.u * 0.5, wave.grid)
        t += 0.25
    wave.u[2] = x
    return (wave.u * np.arange(1, 4)).sum() * (1 + wave.steps) + wave.u[0]


@dataclass
class Total:
    u: Any

    def __post_init__(self):
        self.total = self.u.sum()
        self.inner = self.u[1:]

    def grow(self, v):
        self.total = self.total + v
        return self


@program
def dataclasses_with_more_than_fields(x):
    made = Total(np.ones(3) * x).grow(10.0) if x > 1 else Total(np.ones(3))
    t, kept = 0.0, []
    while t < x:
        made = Total(made.u * x + 1.0).grow(0.5 * made.total)
        t += 0.3
    for i in range(40):
        each = Total(made.u * 0.5).grow(i * x)
        kept.append(each)
    return made.total + made.inner.sum() + kept[3].total + kept[-1].inner[0]


class Node:
    __slots__ = ("rest", "value")

    def __init__(self, value, rest=None):
        self.value, self.rest = value, rest


@program
def objects_that_hold_objects(x):
    head = None
    for i in range(3):
        head = Node(x * i, head)
    head = Node(5.0 * x, head) if x > 1 else Node(2.0, head)
    head.rest.value = head.rest.value * x
    total, n, k = 0.0, head, 1
    while n is not None:
        total, n, k = total + k * n.value, n.rest, k + 1
    return total


@program
def what_a_branch_has_chosen_in_a_loop_that_may_end(x):
    v, w, b = np.array([x, x * x, 0.5]), np.ones(3), np.ones(3)
    u = v
    if x < 1:
        v, b = w, b * 0.7
    for _ in range(3):
        v[2] -= 0.5 * x
        if b[0] > 1.5:
            break
    return v.sum() + 10 * u.sum() + 100 * w.sum()


# -- what loops leave in variables ------------------------------------------------------------------------------------


@program
def bound_anew_by_a_loop_that_may_not_run(x):
    a, m, c, k = np.zeros(3), np.zeros((2, 3)), np.ones(3) * x, 0.0
    b, row, d = a, m[1], {"k": c}
    while k < x - 1.0:
        k += 0.4
        a = c * 1.1
        row = c * k
        d["k"] = a
    a[0], row[1] = 5.0 * x, 3.0
    b[1] += x
    d["k"][2] = 7.0
    return a @ np.arange(3.0) + 10 * b.sum() + m.sum() + row.sum() + 100 * d["k"].sum() + c.sum()


@program
def taken_turns_by_arrays_of_a_loop(x):
    a, c, k = np.zeros(3), np.ones(3) * x, 0.0
    b, u, t = a, c, (a, c * 2.0)
    old = u
    while k < x:
        k += 0.5
        a, b, c = b, c, a + 1.0
        old, u = u, u * 0.9 + 0.1
        t = (t[1], t[0] * 1.0 + x)
    a[0], b[1], c[2], old[0], u[1], t[0][0] = x, 2 * x, 3 * x, 7.0, 8.0, 9.0
    total = a @ np.arange(3.0) + 10 * b.sum() + 100 * c.sum() + t[0].sum() + 2 * t[1].sum()
    return total + u.sum() + old @ np.arange(1.0, 4.0)


@program
def copies_in_a_loop(x):
    v, a, b, k = np.array([x, 2.0, 3.0]), np.zeros(3), np.zeros(3), 0.0
    first = a
    while k < 1.0 + x:
        k += 0.5
        b = a
        a = v.copy() if k < 1 else np.array(v)
        a[0] += x * k
    b[1] = k * x
    first[2] = x
    return a.sum() + 10 * b.sum() + 100 * v.sum() + first.sum()


@program
def left_by_a_loop_that_breaks_off(x):
    a, w = np.zeros(3), [np.ones(3) * x]
    b = a
    for _ in range(5):
        if a.sum() > 2 * x:
            break
        b, w[0] = a, b
        a = a + 1.0 * x
    b[0] += x
    a[1] -= x
    w[0][2] = 5.0 * x
    return a @ np.arange(1.0, 4.0) + 10 * b.sum() + 100 * w[0] @ np.arange(3.0)


@program
def chosen_and_left_by_a_loop(x):
    a, b, k = np.zeros(3), np.zeros(3), 0.0
    while k < x:
        k += 0.4
        b = a if k > 0.7 else b + 1
        a = a + b
        b = a if k > 1.1 else b
    b[0] += x
    a[2] = x
    return a @ np.arange(1.0, 4.0) + 10 * b @ np.arange(1.0, 4.0)


@program
def a_view_of_what_a_branch_makes(x):
    a, b = np.zeros(3), np.zeros(2)
    if x > 0.1:
        a = np.ones(3)
        b = a[1:]
    a[1] = 5 * x
    b[1] *= 3.0
    return b @ np.array([1.0, 2.0]) + a @ np.array([1.0, 2.0, 3.0])


@program
def a_view_of_what_a_branch_chooses(x):
    m, a, k, row = np.arange(9.0).reshape(3, 3), np.zeros(3), np.zeros(3), np.zeros(1)
    if x > 0.1:
        if x < 2:
            a = m[0]
        elif x > 3:
            a = np.ones(3) * x
        k = a[::-1]
    if x < 1.7:
        row = k[:1]
    m[0][1] = -0.5 * x
    a[2] = 7 * x
    k[2] += x
    row[0] += x
    return k @ np.arange(1.0, 4.0) + 10 * a @ np.arange(1.0, 4.0) + 100 * m.sum() + row.sum()

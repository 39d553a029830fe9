"""Lists, dicts and objects that branches and loops give to variables: each is one object, or it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphad


@dataclass
class State:
    u: Any


def two_names_in_both_branches(x: Any) -> Any:
    if x > 0:
        d = {"a": x}
        e = d
    else:
        d = {"a": 2 * x}
        e = d
    d["a"] = 5.0
    return e["a"] * x


def a_list_bound_anew(x: Any) -> Any:
    best = [0.0, 0.0]
    if x > 0:
        best = [x, 1.0]
    best[0] = best[0] + 1.0
    return best[0] * x


def bound_anew_in_a_loop(x: Any) -> Any:
    best = {"v": 0.0}
    for i in range(40):
        if x * i > best["v"]:
            best = {"v": x * i}
        best["v"] = best["v"] * 1.01
    return best["v"]


def a_state_that_a_helper_changes(x: Any) -> Any:
    def step(s: Any) -> Any:
        s["u"] = s["u"] * 0.9
        return s

    s = {"u": x}
    t = s
    for _ in range(40):
        s = step(s)
    s["u"] = s["u"] + 1
    return t["u"]


def double_buffering(x: Any) -> Any:
    old, new, k = [x], [0.0], x
    while k < 10:
        new[0] = old[0] * 0.5
        old, new = new, old
        k = k + 1
    return old[0] + 2 * new[0]


def new_each_time(x: Any) -> Any:
    s, k = {"u": x, "l": [x, 1.0]}, x
    while k < 10:
        s = {"u": s["u"] * 0.9, "l": s["l"]}
        s["l"][1] = s["l"][1] + k
        k = k + 1
    s["l"][0] = s["u"] * 2
    return s["l"][0] + s["l"][1]


def the_last_one_and_a_new_one(x: Any) -> Any:
    d, e, k, s = {"a": x}, {"a": 1.0}, x, 0.0
    while k < 10:
        d["a"] = d["a"] * 1.5
        s = s + e["a"]
        e = d
        d = {"a": k}
        k = k + 1
    return s + e["a"]


def an_array_in_one_of_two(x: Any) -> Any:
    d, o = {"a": x, "v": np.zeros(2)}, {"a": 1.0, "v": np.ones(2)}
    if x > 0:
        d = o
    d["v"][0] = 5.0 * x
    return o["v"].sum() * x + d["v"][0]


RIGHT = [
    two_names_in_both_branches, a_list_bound_anew, bound_anew_in_a_loop, a_state_that_a_helper_changes,
    double_buffering, new_each_time, the_last_one_and_a_new_one, an_array_in_one_of_two,
]  # fmt: skip


@pytest.mark.parametrize("f", RIGHT)
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_one_object_stays_one(f: Callable[[Any], Any], executor: str) -> None:
    for x in (2.3, -1.3):
        value, h = f(x), 1e-6
        assert graphad.jit(f, executor=executor)(x) == pytest.approx(value, rel=1e-12)
        slope = graphad.jit(graphad.grad(f), executor=executor)(x)
        assert slope == pytest.approx((f(x + h) - f(x - h)) / (2 * h), rel=1e-6, abs=1e-8)
        assert graphad.vmap(f)(np.array([x, x]))[0] == pytest.approx(value, rel=1e-12)


def one_of_two_dicts(x: Any) -> Any:
    d, o = {"a": x}, {"a": 1.0}
    if x > 0:
        d = o
    d["a"] = 7.0
    return o["a"] * x


def the_other_one_changes(x: Any) -> Any:
    d, o = {"a": x}, {"a": 1.0}
    if x > 0:
        d = o
    o["a"] = 9.0
    return d["a"]


def sorted_in_place(x: Any) -> Any:
    d, o = [x, 2.0], [1.0, 3.0]
    if x > 0:
        d = o
    d.sort()
    return d[0] + o[1]


def chosen_by_an_expression(x: Any) -> Any:
    q, r = [x, 2.0], [3.0, 4.0]
    p = q if x > 1 else r
    p[0] = p[0] * 3
    return q[0] + p[1] + r[0]


def two_names_in_one_branch(x: Any) -> Any:
    if x > 0:
        d = {"a": x}
        e = d
    else:
        d, e = {"a": 2 * x}, {"a": 1.0}
    d["a"] = 5.0
    return e["a"] * x


def an_object_bound_anew(x: Any) -> Any:
    s = State(x)
    t = s
    if x > 0:
        s = State(2 * x)
    s.u = 5.0
    return t.u + s.u


def two_names_in_a_loop(x: Any) -> Any:
    d, e = {"a": x}, {"a": 1.0}
    for _ in range(40):
        d = {"a": d["a"] * 0.9}
        e = d
    d["a"] = 1.0
    return e["a"]


def handed_on_by_a_loop(x: Any) -> Any:
    a, b, k = [x], [1.0], x
    p = a
    while k < 10:
        b = a
        a = [k]
        k = k + 1
    b[0] = 5.0
    return p[0] + a[0]


def changed_while_another_has_it(x: Any) -> Any:
    d, e, k, s = {"a": x}, {"a": 1.0}, x, 0.0
    while k < 10:
        d["a"] = d["a"] * 1.5
        s = s + e["a"]
        e = d
        k = k + 1
    return s + e["a"]


def one_from_around_a_loop(x: Any) -> Any:
    o, d, k, s = {"a": x}, {"a": 1.0}, x, 0.0
    while k < 10:
        d["a"] = d["a"] * 1.5
        s = s + o["a"]
        d = o
        k = k + 1
    return s + d["a"]


def asked_for(x: Any) -> Any:
    d, o = {"a": x}, {"a": 1.0}
    if x > 0:
        d = o
    return x * 2 if d is o else x * 3


REFUSED = [
    one_of_two_dicts, the_other_one_changes, sorted_in_place, chosen_by_an_expression, two_names_in_one_branch,
    an_object_bound_anew, two_names_in_a_loop, handed_on_by_a_loop, changed_while_another_has_it,
    one_from_around_a_loop, asked_for,
]  # fmt: skip


@pytest.mark.parametrize("f", REFUSED)
def test_what_may_be_one_is_not_changed(f: Callable[[Any], Any]) -> None:
    with pytest.raises(graphad.ControlFlowError, match=r"known at run time only"):
        graphad.jit(f)(2.0)
    assert graphad.value_and_grad(f)(2.0)[0] == f(2.0)


class Body:
    def __init__(self, u: Any) -> None:
        self.u = u


def _compared(x: Any) -> Any:
    a, b = Body(1.0), Body(x)
    c = a if x > 0 else b
    return x * (2.0 if c == a else 3.0)


def _key_of_a_dict(x: Any) -> Any:
    a = Body(1.0)
    names = {a: 2.0}
    if x > 0:
        a = Body(x)
    return names.get(a, 3.0) * x


def _known_to_a_method(x: Any) -> Any:
    a = Body(1.0)
    known = a.__dict__.copy, a
    if x > 0:
        a = Body(x)
    a.u = a.u * 2.0
    return known[1].u * x


def _left_by_a_loop(x: Any) -> Any:
    best = kept = Body(0.0)
    while best.u < x:
        best = Body(best.u + 0.5)
    return best.u + (0.0 if kept in [best] else 1.0)


@pytest.mark.parametrize("function", [_compared, _key_of_a_dict, _known_to_a_method, _left_by_a_loop])
def test_objects_that_may_be_one_are_not_told_apart(function: Any) -> None:
    with pytest.raises(graphad.ControlFlowError, match="an object of class Body is one that"):
        graphad.jit(function)(2.0)
    assert graphad.value_and_grad(function)(2.0)[0] == function(2.0)


def test_an_object_that_holds_itself_is_refused() -> None:
    def f(x: Any) -> Any:
        a = Body(x)
        if x > 0:
            a = Body(2 * x)
            a.me = a  # type: ignore[attr-defined]
        else:
            a = Body(3 * x)
            a.me = a  # type: ignore[attr-defined]
        return a.u

    with pytest.raises(graphad.ControlFlowError, match="holds itself"):
        graphad.jit(f)(2.0)


def test_an_object_of_a_branch_does_not_leave_with_what_is_traced() -> None:
    place = Body(None)

    def f(x: Any) -> Any:
        place.u = Body(x) if x > 0 else Body(2.0 * x)
        return place.u.u

    with pytest.raises(graphad.TracerError, match="the attribute u of Body holds a traced"):
        graphad.jit(f)(2.0)
    assert graphad.grad(f)(2.0) == 1.0
    assert place.u.u == 2.0


def _changed_or_new(x: Any) -> Any:
    a = Body(x)
    if x > 0:
        a = Body(2.0 * x)
    else:
        a.u = 5.0 * x
    return a.u


def _changed_or_new_dict(x: Any) -> Any:
    a = {"u": x}
    if x > 0:
        a["u"] = 5.0 * x
    else:
        a = {"u": 2.0 * x}
    return a["u"]


@pytest.mark.parametrize("function", [_changed_or_new, _changed_or_new_dict])
def test_what_a_branch_changes_is_not_made_anew_as_it_was(function: Any) -> None:
    with pytest.raises(graphad.ControlFlowError, match=r"is changed .* in a branch or a loop that also gives it"):
        graphad.jit(function)(-2.0)
    assert graphad.value_and_grad(function)(-2.0)[0] == function(-2.0)

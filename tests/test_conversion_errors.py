"""What cannot be converted is refused: the variable, both types, the user's own line, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import ControlFlowError, GraphadError, TracerError

HERE = Path(__file__).name
BUFFER = np.zeros(3)
OUTER: list[Any] = []
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int, str]] = {}


def refused(*args: Any, line: int, message: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Take up a function that raises at a line, counted from its `def`, with a message."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        CASES[f.__name__] = f, args, f.__code__.co_firstlineno + 1 + line, message
        return f

    return register


@refused(1.0, line=1, message=r"`y` is f64\[3\] after the if branch and f64\[4\] after the else branch of the if")
def shapes_differ(x):
    if x > 0:
        y = np.ones(3) * x
    else:
        y = np.ones(4) * x
    return y


@refused(1.0, line=2, message=r"`y` is i64\[\] after the if branch and f64\[\] after the else branch.*same dtype")
def dtypes_differ(x):
    y = x
    if x > 0:
        y = np.sum(np.arange(3)) + (x > 3)
    return y


@refused(1.0, line=1, message=r"the value is 'a' \(str\) where it is true and 'b' \(str\) where it is false")
def strings_differ(x):
    s = "a" if x > 0 else "b"
    return x * len(s)


@refused(1.0, line=1, message=r"`s\[0\]` is f64\[2\] after the if branch and f64\[\] after the else branch")
def leaves_differ(x):
    if x > 0:
        s = (np.ones(2) * x, 1.0)
    else:
        s = (x, 2.0)
    return s


@refused(1.0, line=2, message=r"`s` is dict\('a': f64\[\]\) after the if branch and dict\(\) after the else.*structure")
def structures_differ(x):
    s = {}
    if x > 0:
        s = {"a": x}
    return len(s)


@refused(1.0, line=3, message=r"`y` may have no value here .*assigned in one branch of the if \(.*a value before")
def assigned_in_one_branch(x):
    if x > 0:
        y = x
    return y


@refused(3.0, line=4, message=r"`t` may have no value here")
def assigned_in_one_branch_within_a_loop(x):
    while x > 0:
        if x > 2:
            t = x
        x = x - t
    return x


@refused(2.0, line=2, message=r"`best` is None before the while loop and f64\[\] after an iteration.*before the loop")
def none_before_a_loop(x):
    best = None
    while x > 0:
        best = x
        x = x - 1
    return best


@refused(1.0, 3, line=2, message=r"`v` is f64\[\] before the for loop and f64\[2\] after an iteration.*same shape")
def shape_grows_in_a_loop(x, n):
    v = x
    for _ in range(n):
        v = np.stack([v, v])
    return v


@refused(1.0, line=1, message=r"the result is f64\[\] where a return statement is reached, and None where the func")
def no_return(x):
    if x > 0:
        return x


@refused(1.0, line=1, message=r"the list `OUTER` has another length after the if branch.*append it afterwards")
def appends_in_a_branch(x):
    if x > 0:
        OUTER.append(x)
    return x


@refused(1.0, line=5, message=r"the list `ys` is used .* after the while loop.*known at run time only; use an array")
def appends_in_a_while(x):
    ys = []
    while x > 0:
        ys.append(x)
        x = x - 1
    return sum(ys)


@refused(1.0, line=2, message=r"the exception that a handler asks for is of type ValueError.*one value in both")
def asks_for_one_of_two_exceptions(x):
    try:
        if x > 2:
            raise ValueError("large")
        if x > 0:
            raise ValueError("positive")
        y = x
    except ValueError as error:
        y = x * len(str(error))
    return y


@refused(1.0, line=4, message=r"ValueError is raised in a branch of the if.*a try statement around it")
def raises_within_with(x):
    try:
        with np.errstate():
            if x > 0:
                raise ValueError
    except ValueError:
        x = x * 2
    return x


@refused(1.0, line=3, message=r"AssertionError is raised by an assert statement.*a try statement around it")
def asserts_within_try(x):
    try:
        with np.errstate():
            assert x > 0
    except (KeyError, AssertionError):
        return -x
    return x


@refused(1.0, line=2, message=r"ValueError is raised with of type object .*; .* give a text")
def raises_with_an_object(x):
    if x < 0:
        raise ValueError(object())
    return x


class Thing:
    def __init__(self, y):
        self.y = y


@refused(1.0, line=2, message=r"`d\['y'\]` is f64\[\] after the if branch and not assigned after the else")
def entry_of_one_branch(x):
    d = {}
    if x > 0:
        d["y"] = x
    return d.get("y", 5.0)


@refused(1.0, line=2, message=r"`thing\.y` is not assigned where it is true and .* where it is false")
def attribute_deleted_in_one_branch(x):
    thing = Thing(1.0)
    z = thing.__dict__.pop("y") if x > 0 else x
    return getattr(thing, "y", 5.0) * z


@refused(1.0, line=2, message=r"the dict `d` has its entries in another order after the else branch")
def entries_in_two_orders(x):
    d = {}
    if x > 0:
        d["a"], d["b"] = x, 1.0
    else:
        d["b"], d["a"] = 1.0, x
    return next(iter(d.values()))


@refused(1.0, line=2, message=r"`thing\.z` is not assigned before the while loop and f64\[\] after an iteration")
def attribute_made_in_a_loop(x):
    thing, total = Thing(1.0), 0.0
    while total < x:
        total = total + (2.0 if hasattr(thing, "z") else 1.0)
        thing.z = x
    return total


@refused(1.0, line=1, message=r"the test of the if is a traced bool\[3\].*numpy\.any, numpy\.all or numpy\.where")
def array_as_a_test(x):
    if np.ones(3) * x > 0:
        return x
    return -x


@refused(1.0, line=1, message=r"not made in the traced function.*pass the array as an argument and return the new one")
def writes_an_outer_array(x):
    BUFFER[0] = x
    return x


@refused(3, line=1, message=r"range of a traced length is used outside of a for statement.*static")
def list_of_a_traced_length(n):
    return [0.0 for _ in range(n)]


@refused(1.0, 4, line=4, message=r"an index into a list.* needs the value of a traced i64\[\]")
def list_indexed_in_a_loop(x, n):
    values = [1.0, "two", 3.0]
    total = x
    for i in range(n):
        total = total + values[i]
    return total


@refused(np.ones(3), line=1, message=r"bool\(\) needs the value.*A comprehension is not converted.*numpy\.where")
def condition_of_a_comprehension(xs):
    return max([x for x in xs if x > 0])


@refused(1.0, line=2, message=r"bool\(\) needs the value.*values is a generator, which stays as it is")
def generator(x):
    def values():
        if x > 0:
            yield x

    return sum(values())


@pytest.mark.parametrize("transformation", ["jit", "trace", "vmap"])
@pytest.mark.parametrize("name", CASES)
def test_refusals(name: str, transformation: str) -> None:
    f, args, line, message = CASES[name]
    run = {
        "jit": lambda *xs: graphad.jit(f, executor="numpy")(*xs),
        "trace": lambda *xs: graphad.trace(f)(*xs),
        "vmap": lambda *xs: graphad.vmap(f)(*[np.stack([x, x]) for x in xs]),
    }[transformation]
    with pytest.raises(GraphadError, match=message) as caught:
        run(*args)
    assert isinstance(caught.value, TypeError)
    assert f"{HERE}:{line}" in str(caught.value)
    assert OUTER == []
    assert not BUFFER.any()


def test_the_source_line_is_shown() -> None:
    with pytest.raises(
        ControlFlowError, match=r"\(test_conversion_errors\.py:\d+: if x > 0:\); give it the same shape"
    ):
        graphad.trace(shapes_differ)(1.0)


def test_without_conversion() -> None:
    f = lambda x: x if x > 0 else -x
    for run in (
        graphad.jit(f, control_flow=False),
        graphad.trace(f, control_flow=False),
        graphad.jit(graphad.grad(f), control_flow=False),
        lambda x: graphad.vmap(f, control_flow=False)(np.array([x])),
    ):
        with pytest.raises(TracerError, match=r"bool\(\) needs the value.*graphad\.cond.*control_flow=True"):
            run(1.0)


def test_a_function_without_source_says_so() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    return x if x > 0 else -x\n", space)
    # Python 3.13 calls the program of `python -c` "<string>", too.
    with pytest.raises(TracerError, match=r"f is not converted: its source .*(cannot be read|made by a program)"):
        graphad.trace(space["f"])(1.0)


def test_an_element_of_an_array_does_not_lose_its_derivative() -> None:
    def f(x: Any) -> Any:
        a = np.zeros(2)
        a[0] = x * x
        return a.sum()

    assert graphad.grad(f)(3.0) == graphad.jit(graphad.grad(f), executor="numpy")(3.0) == 6.0
    space: dict[str, Any] = {"np": np}
    exec("def f(x):\n    a = np.zeros(2)\n    a[0] = x * x\n    return a.sum()\n", space)
    with pytest.raises(GraphadError, match=r"assigned a traced f64\[\].*lose its derivative.*\.at\[i\].*source"):
        graphad.grad(space["f"])(3.0)


def test_what_a_failed_loop_changed_is_put_back() -> None:
    state = {"n": 0.0}

    def f(x: Any) -> Any:
        while x > 0:
            state["n"] = np.ones(2) * x
            x = x - 1
        return x

    with pytest.raises(ControlFlowError, match=r"`state\['n'\]` is 0\.0 \(float\) before the while loop and f64\[2\]"):
        graphad.trace(f)(1.0)
    assert state == {"n": 0.0}

"""Ops with derivatives of the user's own making, and calls back into Python."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.arrays import array_of
from graphad.build import Builder
from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.graph import Graph
from graphad.op import Op, Sample, Types, is_linear, zeros_like
from graphad.ops.arithmetic import divide, subtract
from graphad.ops.effects import WhenLive, handed
from graphad.ops.machinery import multiply
from graphad.ops.regions.call import Applied
from graphad.ops.shape import broadcast_to
from graphad.ops.transcendental import cos, sin, sqrt
from graphad.trace import Tracer, apply, inline, trace_flat
from graphad.types import Array, TensorType

Flat = Callable[[Sequence[Any]], list[Any]]
"""A rule on flat lists: leaves of its arguments in, leaves of its results out."""


def _builder(operands: Sequence[Any]) -> Builder:
    return next(x.builder for x in operands if isinstance(x, Tracer))


def _check_captures(op: Op, tangents: Sequence[Any]) -> None:
    if any(t is not None for t in tangents):
        raise MissingRuleError(
            f"{op.name}: the function reads a differentiated value that is not among its arguments; "
            "pass it as an argument"
        )


def _one_or_all(results: Sequence[Any]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


def _batched_rule(rule: Flat, recur: Any, flags: Sequence[bool]) -> Flat:
    """A rule over a new leading axis of the flagged arguments and of all results."""

    def batched(leaves: Sequence[Any]) -> list[Any]:
        types = [
            x.type.with_shape(x.type.shape[1:]) if flag else x.type for x, flag in zip(leaves, flags, strict=True)
        ]
        traced = trace_flat(rule, types)
        graph, _ = recur(traced.graph, [*flags, *[False] * len(traced.captures)])
        return inline(graph, [*leaves, *traced.captures], _builder(leaves))

    return batched


class CustomJvp(Applied):
    """A function with its own forward rule.

    Operands: `args` arguments, then the values that `function` captured. `rule` maps (arguments, their tangents) to
    tangents of the results; it is called when a derivative is taken, so it may call the function itself.
    """

    exempt = dict.fromkeys(("pickle", "text"), "it holds a Python function")
    rule: Flat
    args: int

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        n = self.args
        _check_captures(self, tangents[n:])
        given = [_tangent(x, t) for x, t in zip(primals[:n], tangents[:n], strict=True)]
        return _one_or_all(self.rule([*primals[:n], *given]))

    def batch(self, batched: Sequence[bool], size: int, *xs: Any, recur: Any = None) -> Any:
        flags = list(batched[: self.args])
        rule = _batched_rule(self.rule, recur, [*flags, *flags])
        return CustomJvp(recur(self.function, batched)[0], rule, self.args)(*xs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([1.0, -2.0, 3.0])
        function = trace_flat(lambda args: [sin(args[0])], [TensorType(x.dtype, x.shape)]).graph
        yield Sample(cls(function, lambda args: [multiply(cos(args[0]), args[1])], 1), (x,))


class CustomVjp(Applied):
    """A function with its own reverse rule.

    Operands: `args` arguments, then what `function` captured. `forward` maps the arguments to (residuals, a function
    from residuals and cotangents to cotangents of the arguments).
    """

    exempt = {
        **dict.fromkeys(("pickle", "text"), "it holds a Python function"),
        **dict.fromkeys(("jvp", "transpose", "second"), "it has a reverse-mode derivative only"),
    }
    forward: Callable[[Sequence[Any]], tuple[list[Any], Flat]]
    args: int

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        n = self.args
        _check_captures(self, tangents[n:])
        residuals, backward = self.forward(primals[:n])
        positions = tuple(i for i in range(n) if primals[i].type.differentiable)
        given = [_tangent(primals[i], tangents[i]) for i in positions]
        op = CustomVjpTangent(backward, self.function.output_types, positions)
        return op(*residuals, *given)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any, recur: Any = None) -> Array:
        # Arguments are all given the batch axis, so that a shared argument's cotangents are summed by broadcasting.
        n = self.args
        operands = [
            x if b or i >= n else broadcast_to(x, (size, *x.shape))
            for i, (x, b) in enumerate(zip(xs, batched, strict=True))
        ]

        def forward(leaves: Sequence[Any]) -> tuple[list[Any], Flat]:
            inner: list[Flat] = []

            def single(args: Sequence[Any]) -> list[Any]:
                residuals, backward = self.forward(args)
                inner.append(backward)
                return residuals

            residuals = _batched_rule(single, recur, [True] * n)(leaves)
            flags = [True] * (len(residuals) + len(self.function.outputs))
            return residuals, _batched_rule(inner[0], recur, flags)

        function, _ = recur(self.function, [True] * n + list(batched[n:]))
        return CustomVjp(function, forward, n)(*operands)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([1.0, -2.0, 3.0])
        function = trace_flat(lambda args: [sin(args[0])], [TensorType(x.dtype, x.shape)]).graph
        yield Sample(cls(function, _sample_forward, 1), (x,))


def _sample_forward(args: Sequence[Any]) -> tuple[list[Any], Flat]:
    return [cos(args[0])], lambda leaves: [leaves[0] * leaves[1]]


class CustomVjpTangent(Op):
    """The derivative of a `CustomVjp`: linear in its last operands, known only through its transpose."""

    exempt = {"samples": "it stands only between a CustomVjp's linearisation and its transposition"}
    backward: Flat
    results: tuple[TensorType, ...]
    positions: tuple[int, ...]

    def infer(self, *xs: TensorType) -> Types:
        return self.results[0] if len(self.results) == 1 else self.results

    def eval(self, xp: Any, *xs: Any) -> Any:
        raise MissingRuleError(
            "custom_vjp defines reverse-mode derivatives only, and this asks for a forward-mode one (jvp, jacfwd, "
            "hessian, linearize); use jacrev, or define the rule with graphad.custom_jvp, which serves both modes"
        )

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return self.eval(np)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        start = len(xs) - len(self.positions)
        cts = ct if isinstance(ct, tuple) else (ct,)
        results = self.backward([*xs[:start], *cts])
        return (*[None] * start, *[results[i] for i in self.positions])

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self.eval(np)


class CustomRoot(CustomJvp):
    """A function whose results solve equations: the rule is given the results too.

    `rule` maps (operands, results, tangents of the operands) to tangents of the results, by the implicit function
    theorem; all operands are among `args`.
    """

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        given = [_tangent(x, t) for x, t in zip(primals, tangents, strict=True)]
        return _one_or_all(self.rule([*primals, *(out if isinstance(out, tuple) else (out,)), *given]))

    def batch(self, batched: Sequence[bool], size: int, *xs: Any, recur: Any = None) -> Any:
        results = [True] * len(self.function.outputs)
        rule = _batched_rule(self.rule, recur, [*batched, *results, *batched])
        return CustomRoot(recur(self.function, batched, results)[0], rule, self.args)(*xs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([1.0, 2.0, 3.0])
        function = trace_flat(lambda args: [sqrt(args[0])], [TensorType(x.dtype, x.shape)]).graph
        yield Sample(cls(function, lambda leaves: [divide(leaves[2], leaves[1] + leaves[1])], 1), (x,))


class LinearSolve(Applied):
    """The solution of `A x = b` for a linear function `A` that is known by its products only.

    Operands: what the functions read, then the `count` arrays of `b`. `function` gives `x`; `again` does so where a
    derivative asks, and may then refuse a solution that it does not reach; `backward` solves with the transpose of `A`
    (`None`: not known). `moved` maps (what is read, `x`, tangents of what is read) to the tangent of
    `A x` for that `x`, and `moved_back` does so for the transpose. Linear in `b`.
    """

    exempt = dict.fromkeys(("pickle", "text"), "it holds a Python function")
    function: Graph
    again: Graph
    backward: Graph | None
    moved: Flat
    moved_back: Flat | None
    count: int

    def _cut(self, xs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        n = len(xs) - self.count
        return xs[:n], xs[n:]

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (read, b), (moves, changes) = self._cut(primals), self._cut(tangents)
        given = [_tangent(x, t) for x, t in zip(b, changes, strict=True)]
        if any(t is not None for t in moves):
            results = out if isinstance(out, tuple) else (out,)
            shift = self.moved([*read, *results, *[_tangent(x, t) for x, t in zip(read, moves, strict=True)]])
            given = [subtract(x, y) for x, y in zip(given, shift, strict=True)]
        return self.replace(function=self.again)(*read, *given)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        read, _ = self._cut(xs)
        if self.backward is None or any(map(is_linear, read)):
            raise MissingRuleError(
                f"{self.name}: the system has no transpose_solve, which reverse mode needs; give one, or symmetric=True"
            )
        assert self.moved_back is not None
        back = LinearSolve(self.backward, self.backward, self.again, self.moved_back, self.moved, self.count)
        found = back(*read, *(ct if isinstance(ct, tuple) else (ct,)))
        return _one_or_all([*[None] * len(read), *(found if isinstance(found, tuple) else (found,))])

    def batch(self, batched: Sequence[bool], size: int, *xs: Any, recur: Any = None) -> Any:
        read, b = self._cut(xs)
        flags, rows = self._cut(batched)
        b = [x if flag else broadcast_to(x, (size, *x.shape)) for x, flag in zip(b, rows, strict=True)]
        every = [True] * self.count
        solve: Callable[[Graph], Graph] = lambda graph: recur(graph, [*flags, *every], every)[0]
        rule: Callable[[Flat], Flat] = lambda given: _batched_rule(given, recur, [*flags, *every, *flags])
        back, moved_back = self.backward and solve(self.backward), self.moved_back and rule(self.moved_back)
        op = LinearSolve(solve(self.function), solve(self.again), back, rule(self.moved), moved_back, self.count)
        return op(*read, *b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        d, b = np.array([1.0, -2.0, 4.0]), np.array([3.0, 1.0, 0.5])
        solve = trace_flat(lambda xs: [divide(xs[1], xs[0])], [TensorType(b.dtype, b.shape)] * 2).graph
        moved: Flat = lambda leaves: [multiply(leaves[2], leaves[1])]
        yield Sample(cls(solve, solve, solve, moved, moved, 1), (d, b))


class NoTangent(Op):
    """The tangent of what has no derivative, such as an estimate of an error: refused where something uses it."""

    linear = True
    exempt = {"samples": "it stands only where a derivative is refused if it is used"}
    message: str
    result: TensorType

    def infer(self, *xs: TensorType) -> Types:
        return self.result

    def eval(self, xp: Any, *xs: Any) -> Any:
        raise MissingRuleError(self.message)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return self.eval(np)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self.replace(result=self.result.with_shape((size, *self.result.shape)))(*xs)


class PureCallback(Op):
    """A Python function called at run time with arrays; it must have no side effects."""

    host_only = "it calls the user's function with NumPy's arrays"
    exempt = dict.fromkeys(("jvp", "transpose", "second", "pickle", "text"), "it holds a Python function")
    function: Callable[..., Any]
    results: tuple[TensorType, ...]
    vectorized: bool = False
    raises = (Exception,)
    repeatable = False

    def guarded(self, live: Any, *xs: Any) -> Any:
        function = WhenLive(self.function, self.results)
        return self.replace(function=function, vectorized=False)(live, *xs)

    def infer(self, *xs: TensorType) -> Types:
        return self.results[0] if len(self.results) == 1 else self.results

    def eval(self, xp: Any, *xs: Any) -> Any:
        found = self.function(*[handed(x) for x in xs])
        arrays = [array_of(x) for x in (found if len(self.results) != 1 else (found,))]
        for array, kind in zip(arrays, self.results, strict=True):
            if array.shape != kind.shape or not np.can_cast(array.dtype, kind.dtype, "same_kind"):
                given = f"{array.dtype}{list(array.shape)}"
                name = getattr(self.function, "__name__", "the function")
                raise TypeMismatchError(f"{self.name}: {name} returned {given}, and was declared to return {kind}")
        arrays = [a.astype(t.dtype) for a, t in zip(arrays, self.results, strict=True)]
        return arrays[0] if len(arrays) == 1 else tuple(arrays)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        results = tuple(t.with_shape((size, *t.shape)) for t in self.results)
        if self.vectorized:
            operands = [x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(xs, batched, strict=True)]
            return _one_or_all(apply(self.replace(results=results), operands))
        single, flags, function = len(self.results) == 1, tuple(batched), self.function

        @functools.wraps(function)
        def each(*arrays: Any) -> Any:
            rows = [function(*[a[i] if b else a for a, b in zip(arrays, flags, strict=True)]) for i in range(size)]
            if not size:
                empty = [np.zeros(t.shape, t.dtype) for t in results]
                return empty[0] if single else empty
            return np.stack(rows) if single else [np.stack(column) for column in zip(*rows, strict=True)]

        return _one_or_all(apply(self.replace(function=each, results=results), xs))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.0, -2.0, 3.0]])
        yield Sample(cls(np.sinh, (TensorType(x.dtype, x.shape),), True), (x,))
        yield Sample(cls(np.sinh, (TensorType(x.dtype, x.shape),)), (x,))


def _tangent(x: Any, t: Any) -> Any:
    """An instantiated tangent; a value without derivatives has zeros of float64."""
    if t is not None:
        return t
    return zeros_like(x) if x.type.differentiable else np.zeros(x.shape)

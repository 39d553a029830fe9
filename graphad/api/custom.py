"""Functions with derivatives of the user's own making, and calls back into Python."""

from __future__ import annotations

import copyreg
import inspect
from collections.abc import Callable, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import (
    Invocation,
    ShapeDtype,
    argument_type,
    as_array,
    check_callable,
    chosen_positions,
    converted,
    given_positions,
)
from graphad.api.methods import Decorated
from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import recorded
from graphad.ops.custom import CustomJvp, CustomVjp, PureCallback
from graphad.ops.stop_gradient import stop_gradient as _stop_gradient
from graphad.trace import Tracer, trace_flat
from graphad.tracebacks import boundary
from graphad.types import TensorType


@boundary
def stop_gradient(x: Any) -> Any:
    """`x` itself, leaf by leaf of a tree, as a constant to every derivative."""
    return tree.map(lambda leaf: _stop_gradient(leaf) if isinstance(leaf, Tracer) else leaf, x)


class _Custom(Decorated):
    """What `custom_jvp` and `custom_vjp` share: the function, and arguments that are not differentiated. Of a method
    the object is the first argument, to function and rules alike: with `nondiff_argnums=(0,)`."""

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        check_callable(type(self).__name__, fun)
        super().__init__(fun)
        self.nondiff_argnums = chosen_positions("nondiff_argnums", nondiff_argnums)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)  # type: ignore[arg-type]

    def remake(self) -> Any:
        return copyreg.__newobj__, (type(self),), self.__dict__  # type: ignore[attr-defined]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def _split(self, args: tuple[Any, ...]) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]:
        held = {i: args[i] for i in given_positions("nondiff_argnums", self.fun, args, self.nondiff_argnums)}

        def fun(*rest: Any) -> Any:
            given = iter(rest)
            return converted(self.fun)(*[held[i] if i in held else next(given) for i in range(len(args))])

        dynamic = tuple(x for i, x in enumerate(args) if i not in held)
        return (fun if held else self.fun), tuple(held.values()), dynamic

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments by position, in which the rules take them."""
        if not kwargs:
            return args
        bound = inspect.signature(self.fun).bind(*args, **kwargs)
        if bound.kwargs:
            raise TypeMismatchError(
                f"{type(self).__name__}: {self._name()} takes {', '.join(bound.kwargs)} by name only{place()}, and its "
                "rules take arguments by position; let the function take them so too"
            )
        return bound.args

    def _name(self) -> str:
        return getattr(self.fun, "__name__", "the function")


class custom_jvp(_Custom):
    """A function whose forward derivative the user gives with `defjvp`; reverse mode follows by transposition.

        @graphad.custom_jvp
        def log1pexp(x):
            return np.log1p(np.exp(x))

        @log1pexp.defjvp
        def log1pexp_jvp(primals, tangents):
            (x,), (t,) = primals, tangents
            return log1pexp(x), t * (1 - 1 / (1 + np.exp(x)))

    `nondiff_argnums` names arguments that are passed through as they are, first, to the rule.
    """

    rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule `(primals, tangents) -> (result, tangent of result)`, linear in the tangents."""
        check_callable("defjvp", rule)
        self.rule = rule
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Set a rule `(tangent, result, *primals) -> tangent of result` for each argument; `None` for zero."""
        for one in rules:
            if one is not None:
                check_callable("defjvps", one)

        def rule(primals: Any, tangents: Any) -> Any:
            result = self(*primals)
            terms = [r(t, result, *primals) for r, t in zip(rules, tangents, strict=True) if r is not None]
            total = terms[0] if terms else tree.map(np.zeros_like, result)
            for term in terms[1:]:
                total = tree.map(lambda a, b: a + b, total, term)
            return result, total

        self.rule = rule

    @boundary
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = self._positional(args, kwargs)
        fun, held, dynamic = self._split(args)
        call = Invocation(fun, dynamic, {})
        if not any(isinstance(x, Tracer) for x in call.leaves):
            return fun(*dynamic)
        if self.rule is None:
            name = self._name()
            raise MissingRuleError(f"custom_jvp: {name} has no rule yet; give it one with {name}.defjvp")
        rule = self.rule
        types = call.types("name it in nondiff_argnums")
        inputs = [as_array(x) for x in call.leaves]

        def with_tangents(leaves: Sequence[Any]) -> list[Any]:
            n = len(types)
            answer = converted(rule)(*held, _arguments(call, leaves[:n]), _arguments(call, leaves[n:]))
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise TypeMismatchError(f"custom_jvp: the rule of {self._name()} must return (result, tangent)")
            found = tree.matched(call.out_tree, answer[1])
            if found is None:
                raise TypeMismatchError(
                    f"custom_jvp: the tangent of {self._name()} has the structure {tree.structure(answer[1])}, its "
                    f"result {call.out_tree}"
                )
            return _fit("custom_jvp: the tangent", self._name(), found, out_types)

        function = trace_flat(call.apply, types, known=inputs, active=(), name=self._name())
        out_types = function.graph.output_types
        result = CustomJvp(function.graph, with_tangents, len(types))(*call.leaves, *function.captures)
        call.give_up()
        return tree.unflatten(call.out_tree, result if isinstance(result, tuple) else [result])


class custom_vjp(_Custom):
    """A function whose reverse derivative the user gives with `defvjp(forward, backward)`.

    `forward(*args) -> (result, residuals)`; `backward(residuals, ct) -> tuple of cotangents`, one for each argument
    (`None` for zero). Forward mode raises `MissingRuleError`. `nondiff_argnums` as for `custom_jvp`.
    """

    rules: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Set the two halves of the rule."""
        check_callable("defvjp", forward)
        check_callable("defvjp", backward)
        self.rules = forward, backward

    @boundary
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = self._positional(args, kwargs)
        fun, held, dynamic = self._split(args)
        call = Invocation(fun, dynamic, {})
        if not any(isinstance(x, Tracer) for x in call.leaves):
            return fun(*dynamic)
        name = self._name()
        if self.rules is None:
            raise MissingRuleError(f"custom_vjp: {name} has no rule yet; give it one with {name}.defvjp")
        forward, backward = self.rules
        types = call.types("name it in nondiff_argnums")
        inputs = [as_array(x) for x in call.leaves]

        def run_forward(leaves: Sequence[Any]) -> tuple[list[Any], Any]:
            full = iter(_arguments(call, leaves))
            answer = converted(forward)(
                *[args[i] if i in self.nondiff_argnums else next(full) for i in range(len(args))]
            )
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise TypeMismatchError(f"custom_vjp: the forward rule of {name} must return (result, residuals)")
            residuals, residual_tree = tree.flatten(answer[1])

            def run_backward(leaves: Sequence[Any]) -> list[Any]:
                n = residual_tree.num_leaves
                ct = tree.unflatten(call.out_tree, leaves[n:])
                answer = converted(backward)(*held, tree.unflatten(residual_tree, leaves[:n]), ct)
                if not isinstance(answer, tuple) or len(answer) != len(dynamic):
                    raise TypeMismatchError(
                        f"custom_vjp: the backward rule of {name} must return a tuple of {len(dynamic)} cotangents"
                    )
                found = [c for a, treedef in zip(answer, call.trees, strict=True) for c in cotangents(a, treedef)]
                filled = [np.zeros(t.shape, t.dtype) if c is None else c for c, t in zip(found, types, strict=True)]
                return _fit("custom_vjp: a cotangent", name, filled, types)

            return residuals, run_backward

        def cotangents(answer: Any, treedef: tree.TreeDef) -> list[Any]:
            found = [None] * treedef.num_leaves if answer is None else tree.matched(treedef, answer)
            if found is None:
                raise TypeMismatchError(
                    f"custom_vjp: a cotangent of {name} has the structure {tree.structure(answer)}, its argument "
                    f"{treedef}"
                )
            return found

        function = trace_flat(call.apply, types, known=inputs, active=(), name=name)
        result = CustomVjp(function.graph, run_forward, len(types))(*call.leaves, *function.captures)
        call.give_up()
        return tree.unflatten(call.out_tree, result if isinstance(result, tuple) else [result])


@boundary
def pure_callback(callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any, vectorized: bool = False) -> Any:
    """Call a Python function that cannot be traced, at run time, with NumPy arrays.

    `result_shape_dtypes` is a tree of `ShapeDtype` (or arrays) that says what it returns. It must be a pure function
    of its arguments. With `vectorized`, it takes leading batch axes itself under `vmap`; otherwise it is called for
    each example. It has no derivative; give one with `custom_jvp`. A result of another shape or dtype raises
    `TypeMismatchError`.
    """
    check_callable("pure_callback", callback)
    leaves, treedef = tree.flatten(args)
    specs, out_tree = tree.flatten(result_shape_dtypes)
    if not specs:
        raise TypeMismatchError(f"pure_callback: no result is declared{place()}")
    types = tuple(argument_type(s if isinstance(s, ShapeDtype) else as_array(s)) for s in specs)

    def flat(*arrays: Any) -> Any:
        answer = callback(*tree.unflatten(treedef, arrays))
        if out_tree is tree.LEAF:
            return answer
        found = tree.matched(out_tree, answer)
        if found is None:
            raise TypeMismatchError(
                f"pure_callback: the function gave {tree.structure(answer)}, and {out_tree} was declared"
            )
        return found[0] if len(types) == 1 else tuple(found)

    update_wrapper(flat, callback)
    result = PureCallback(flat, types, vectorized)(*leaves)
    return tree.unflatten(out_tree, result if isinstance(result, tuple) else [result])


def _arguments(call: Invocation, leaves: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(tree.unflatten(t, leaves[s : s + t.num_leaves]) for t, s in zip(call.trees, call.starts, strict=False))


def _fit(what: str, name: str, found: Sequence[Any], types: Sequence[TensorType]) -> list[Any]:
    """Check that derivatives have their values' shapes, and cast them to their dtypes."""
    from graphad.ops.elementwise import cast

    fitted = []
    for x, kind in zip(found, types, strict=True):
        given = argument_type(x)
        x = recorded(as_array(x))
        if given.shape != kind.shape:
            raise TypeMismatchError(f"{what} of {name} is {given} for a value of {kind}")
        fitted.append(x if given.dtype == kind.dtype or not kind.differentiable else cast(x, kind.dtype))
    return fitted

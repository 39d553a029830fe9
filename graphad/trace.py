"""`Tracer`: stands for an array while the user's NumPy code runs, and records what is done to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphad import arrays, tree
from graphad.arrays import PYTHON_SCALARS, Unsized, array_of
from graphad.build import Builder, building, current_builder
from graphad.errors import ControlFlowError, GraphadError, MissingRuleError, TracerError, TypeMismatchError
from graphad.families import SPECIAL_FUNCTIONS, SPECIAL_UFUNCS
from graphad.graph import Constant, Graph, Value
from graphad.location import locate, place, placed, raised_at, user_location
from graphad.op import OPS, Op, Traced
from graphad.refusals import handles, lost, no_array, not_known, note_earlier, refused, texts, unsupported
from graphad.registry import Registry
from graphad.types import DType, Shape, TensorType, type_of

UFUNCS = Registry(dict.fromkeys(SPECIAL_UFUNCS.split(), SPECIAL_FUNCTIONS))
"""What to do for a ufunc called on a tracer; those of SciPy stand under their names."""
_of_ufunc = super(Registry, UFUNCS).get
UFUNC_METHODS: dict[str, Callable[..., Any]] = {}
"""What to do for `ufunc.reduce` and its siblings: `handler(ufunc, x, **kwargs)`."""
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""What to do for a NumPy function that dispatches through `__array_function__`."""


class Tracer(Traced):
    """A traced array: operators, methods and NumPy functions on it record nodes in its builder.

    `weak` marks a Python scalar, which gives way to the other operand's dtype as NumPy's rules (NEP 50) say, `boxed` an
    array of no axes, which changes in place as no number does. For `layout` see `graphad.numpy.layouts`. There are no
    `__slots__`, so that an array of NumPy's can become a tracer (`graphad.numpy.buffers`)."""

    __array_priority__ = 1000.0
    builder: Builder
    value: Value
    weak: bool
    boxed: bool = False
    layout: Any = None

    def __init_subclass__(cls) -> None:
        tree.LEAVES.add(cls)

    def __init__(self, builder: Builder, value: Value, weak: bool = False) -> None:
        self.builder = builder
        self.value = value
        self.weak = weak

    if TYPE_CHECKING:
        # Operators and array methods are bound by graphad.numpy.
        def __add__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...
        def __getattr__(self, name: str) -> Any: ...

    # -- recording --------------------------------------------------------------------------------------------

    def apply(self, op: Op, operands: Sequence[Any]) -> Any:
        builder = self.builder
        laid = False
        for x in operands:
            if isinstance(x, Tracer):
                laid = laid or x.layout is not None
                home = x.builder
                if home is not builder and home.serial > builder.serial:
                    builder = home
            elif isinstance(x, (list, tuple)):
                return op(*[FUNCTIONS[np.array](x) if isinstance(x, (list, tuple)) else x for x in operands])
            elif isinstance(x, np.ndarray) and x.ndim > 1 and not x.flags.c_contiguous:
                laid = True
        # What is done to values of enclosing traces belongs to the innermost: a branch computes only if it is taken.
        current = current_builder()
        if current is not None and current is not builder and current.serial > builder.serial:
            builder = current
        values = builder.emit(op, promoted(builder, op, operands))
        found = (Tracer(builder, values[0]),) if len(values) == 1 else tuple([Tracer(builder, v) for v in values])
        if laid:
            UFUNC_METHODS["lay"](op, operands, found)
        return found[0] if len(found) == 1 else found

    def zeros(self) -> Tracer:
        return full(self.builder, self.type, 0)

    # -- what an array tells ----------------------------------------------------------------------------------

    @property
    def type(self) -> TensorType:
        return self.value.type

    @property
    def shape(self) -> Shape:
        return self.value.type.shape

    @property
    def dtype(self) -> DType:
        return self.value.type.dtype

    @property
    def ndim(self) -> int:
        return self.value.type.ndim

    @property
    def size(self) -> int:
        return self.value.type.size

    @property
    def nbytes(self) -> int:
        return self.value.type.nbytes

    @property
    def itemsize(self) -> int:
        return self.value.type.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))  # each as it is when its turn comes

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError  # set by graphad.numpy.indexing

    def __hash__(self) -> int:
        if (self.shape or self.boxed) and handles(TypeError):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        raise TracerError(f"unhashable: a traced {self.type} as key or in a set{place()}; use a list or a name")

    # -- the known value --------------------------------------------------------------------------------------

    def known(self, use: str) -> Any:
        """The array behind the tracer, where the running transformation knows its inputs.

        Raises `TracerError` saying what to write instead of `use` otherwise.
        """
        try:
            return self.builder.evaluate(self.value)
        except TracerError as error:
            raise refused(TracerError(not_known(self, use))) from error

    def plain(self, use: str) -> Any:
        """The array behind the tracer, for a use that ends its derivative. Raises `TracerError` where there is one to
        lose, and where the value is not known."""
        message = lost(self, use, sys._getframe(2)) if self.builder.active(self.value) else None
        if message is None:
            return self.known(use)
        if message.startswith(use):
            self.known(use)  # raises where the value is not known either, saying so
        raise refused(TracerError(message))

    def __bool__(self) -> bool:
        return bool(self.known("bool()"))

    def __int__(self) -> int:
        return int(self.known("int()"))

    def __float__(self) -> float:
        return float(self.plain("float()"))

    def __complex__(self) -> complex:
        return complex(self.plain("complex()"))

    def __index__(self) -> int:
        if self.dtype.kind not in ("iub" if self.weak else "iu"):
            raise TypeError("only integer arrays of one element can be converted to an index")
        return int(self.known("an index into a list, or range(),"))

    def item(self, *args: Any) -> Any:
        """An element as a number: Python's where its value is known and has no derivative, else a traced one."""
        return _number_of(self._element(args))

    def _element(self, args: tuple[Any, ...]) -> Tracer:
        places = np.arange(self.size).reshape(self.shape)  # NumPy's own rules and errors for the arguments
        return self.reshape((-1,))[int(places.item(*args))]  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """Nested lists of numbers, each as `item` gives it."""
        if not self.shape:
            return _number_of(self)
        return [row.tolist() for row in self]

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TracerError(
            f"a traced {self.type} cannot be pickled{place()}: it stands for a value only "
            "while its function is traced; return it as a result and pickle that"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        caller = sys._getframe(1)
        if caller.f_code.co_name == "_matmul_dispatch" and caller.f_globals["__name__"].startswith("scipy.sparse"):
            # SciPy's sparse matrices leave the product to what is no array but an object.
            return np.fromiter([self], object, 1).reshape(())
        # What has no derivative to lose and is known may become a plain array.
        if not self.builder.active(self.value):
            try:
                return np.array(self.builder.evaluate(self.value), dtype)
            except TracerError:
                pass
        raise refused(TracerError(no_array(self)))

    def __repr__(self) -> str:
        return f"Tracer<{self.type}>"

    def __str__(self) -> str:
        try:
            return str(self.builder.evaluate(self.value))
        except TracerError:
            return repr(self)

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        return format(self.known("format()").item(), spec)

    # -- NumPy's dispatch protocols ---------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        for x in inputs:
            if isinstance(x, Unsized):
                return NotImplemented
        if method != "__call__":
            return UFUNC_METHODS[method](ufunc, *inputs, **kwargs)
        handler = _of_ufunc(ufunc) or UFUNCS.get(ufunc.__name__)
        if handler is None:
            raise MissingRuleError(unsupported(f"ufunc {ufunc.__name__}", inputs))
        if kwargs:
            return UFUNC_METHODS["with_keywords"](handler, ufunc, inputs, kwargs)
        return handler(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any([issubclass(cls, Unsized) for cls in types]):
            return NotImplemented
        handler = FUNCTIONS.get(func)
        if handler is None:
            traced = [x for x in args if isinstance(x, Tracer)]
            raise MissingRuleError(unsupported(f"{func.__module__}.{func.__name__}", traced))
        return handler(*args, **kwargs)


tree.LEAVES.add(Tracer)


def _number_of(x: Tracer) -> Any:
    """A traced scalar as a Python number, or as what stands for one where it is not known or has a derivative."""
    if not x.builder.active(x.value):
        try:
            return x.builder.evaluate(x.value).item()
        except TracerError:
            pass
    return Tracer(x.builder, x.value, True)


# -- operands -----------------------------------------------------------------------------------------------------


def kind_of(x: Any) -> Any:
    """An operand's dtype, or its Python type where it is a weak scalar."""
    if isinstance(x, Tracer):
        dtype = x.value.type.dtype
        return _WEAK[dtype.kind] if x.weak else dtype
    return arrays.kind_of(x)


_WEAK: dict[str, Any] = {"i": int, "f": float, "c": complex, "b": np.dtype(bool)}


def lift(builder: Builder, x: Any) -> Value:
    """The value that stands for an operand in a builder: its own, a captured one, or a constant."""
    if isinstance(x, Tracer):
        if x.builder is builder and not builder.closed:
            return x.value
        if x.builder.lost:
            raise ControlFlowError(x.builder.lost.replace("@", place()))
        if x.builder.closed:
            raise TracerError(
                f"a traced {x.type} outlived its trace{place()}: it was stored in a "
                "variable, list or attribute outside the traced function; return it as a result instead"
            )
        return builder.capture(x.builder, x.value)
    if isinstance(x, Value):
        return x
    try:
        return Constant(x)
    except TypeMismatchError as error:
        raise TypeMismatchError(placed(str(error), "return or read arrays, numbers and containers of them")) from None


def promoted(builder: Builder, op: Op, operands: Sequence[Any]) -> tuple[Value, ...]:
    """The operands as values of the builder, cast as the op's promotion rule says."""
    values: list[Any] = []
    found: list[Any] = []
    for x in operands:
        value = None
        if isinstance(x, Tracer):
            value = x.value
            found.append(_WEAK[value.type.dtype.kind] if x.weak else value.type.dtype)
            value = value if x.builder is builder and not builder.closed else lift(builder, x)
        else:
            found.append(type(x) if type(x) in PYTHON_SCALARS else kind_of(x))
        values.append(value)
    kinds = tuple(found)
    dtypes = op.promote(kinds) or (None,) * len(kinds)
    if dtypes == kinds and None not in values:
        return tuple(values)
    for i, (x, dtype, value) in enumerate(zip(operands, dtypes, values, strict=True)):
        if value is not None:
            if dtype is not None and value.type.dtype != dtype:
                values[i] = builder.emit(OPS["cast"](dtype), (value,))[0]
        elif dtype is None:
            values[i] = lift(builder, x)
        else:
            number = type(x) in PYTHON_SCALARS
            values[i] = _number(x, dtype) if number else lift(builder, np.asarray(array_of(x), dtype))
    return tuple(values)


def _number(x: complex, dtype: DType) -> Constant:
    # Zeros are told apart by their sign, which equal keys would not do.
    key = (dtype, type(x), x or repr(x))
    found = _numbers.get(key)
    if found is None:
        if len(_numbers) > _NUMBERS_LIMIT:
            _numbers.clear()
        found = _numbers[key] = Constant(np.asarray(x, dtype))
    return found


_numbers: dict[Any, Constant] = {}
_NUMBERS_LIMIT = 2_000


def full(builder: Builder, type: TensorType, fill: Any) -> Tracer:
    """An array of one repeated number, recorded as a broadcast scalar."""
    scalar = Constant(np.asarray(fill, type.dtype))
    if not type.shape:
        return Tracer(builder, scalar)
    return Tracer(builder, builder.emit(OPS["broadcast_to"](type.shape), (scalar,))[0])


# -- tracing a function -------------------------------------------------------------------------------------------


class Trace(NamedTuple):
    """A traced function: its graph, the outer tracers that it read, and its results as the function gave them."""

    graph: Graph
    captures: list[Tracer]
    results: list[Any]


def trace_flat(
    function: Callable[..., Any],
    types: Sequence[TensorType],
    *,
    names: Sequence[str | None] | None = None,
    weak: Sequence[bool] | None = None,
    known: Sequence[Any] | None = None,
    active: Container[int] | None = None,
    name: str = "f",
    control_flow: bool = True,
    checks: bool = True,
) -> Trace:
    """Run `function(tracers) -> list of results` on tracers of the given types and collect the graph.

    `known` gives the inputs' arrays, or outer tracers, so that Python can branch on values (`None`: not known).
    `active` are the positions of the inputs that are differentiated (`None`: any may be). Without `control_flow` no
    function that runs in the trace is converted, and without `checks` no assert statement is honoured.
    """
    builder = Builder(name)
    builder.staged = builder.staged or known is None
    builder.control_flow, builder.checks = builder.control_flow and control_flow, builder.checks and checks
    tracers = []
    for i, type in enumerate(types):
        value = builder.input(type, names[i] if names else None)
        tracers.append(Tracer(builder, value, weak[i] if weak else False))
        if known is not None:
            x = known[i]
            if isinstance(x, Tracer):
                builder.bound[value] = (x.builder, x.value)
            elif x is not None:
                builder.known[value] = x
        if active is not None and (i in active or value not in builder.bound):
            builder.activity[value] = i in active
    with building(builder):
        try:
            results = list(function(tracers))
        except Exception as error:
            note_earlier(builder, error, [lift(builder, x) for text in texts(error) for x in text.values])
            if isinstance(error, GraphadError):
                locate(error, raised_at(error) or user_location())
            raise
        outputs = [lift(builder, x) for x in results]
    if builder.facts:
        UFUNC_METHODS["look_at_integers"](builder, tracers)
    captures = [Tracer(outer, value) for outer, value in builder.captures.values()]
    return Trace(builder.finish(outputs), captures, results)


def inline(graph: Graph, args: Sequence[Any], builder: Builder) -> list[Tracer]:
    """Record the graph's nodes in a builder, its inputs bound to `args`; places and names are kept."""
    env = dict(zip(graph.inputs, [lift(builder, x) for x in args], strict=True))
    outer = builder.where
    role = outer.role if outer is not None else ""
    for node in graph.nodes:
        builder.where = node.where.with_role(role) if role and node.where is not None else node.where
        outputs = builder.emit(node.op, tuple([env.get(v, v) for v in node.inputs]))
        for old, new in zip(node.outputs, outputs, strict=True):
            env[old], new.name = new, old.name
    builder.where = outer
    return [Tracer(builder, env.get(v, v)) for v in graph.outputs]


def innermost(operands: Sequence[Any]) -> Builder | None:
    """The builder that records what is done to the operands: the innermost trace, `None` where none is traced."""
    found: Builder | None = None
    for x in operands:
        if isinstance(x, Tracer) and (found is None or x.builder.serial > found.serial):
            found = x.builder
    current = current_builder() if found is not None else None
    return current if current is not None and found is not None and current.serial > found.serial else found


def apply(op: Op, operands: Sequence[Any]) -> list[Any]:
    """The op's results as a list: recorded in the innermost trace, operands traced or not; computed outside of any."""
    builder = innermost(operands) or current_builder()
    if builder is not None:
        return [Tracer(builder, v) for v in builder.emit(op, tuple([lift(builder, x) for x in operands]))]
    with np.errstate(all="ignore"):
        result = op(*operands)
    return list(result) if isinstance(result, tuple) else [result[()] if isinstance(result, np.ndarray) else result]


__all__ = [
    "FUNCTIONS", "UFUNCS", "UFUNC_METHODS", "Trace", "Tracer", "apply", "current_builder", "full", "inline",
    "innermost", "kind_of", "lift", "promoted", "trace_flat", "type_of",
]  # fmt: skip

"""`Op`: everything that one operation can do, in one class.

A subclass states its attributes as annotated fields and its rules as methods; it then is an immutable value that
compares by content. Calling an op applies it: to arrays at once, to traced values by recording a node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, dataclass_transform

import numpy as np

from graphad.arrays import array_of, kind_of
from graphad.attributes import cached, constructor, declared, defaults
from graphad.costs import LIGHT, SPECIAL
from graphad.errors import MissingRuleError
from graphad.families import SPECIAL_FUNCTIONS, SPECIAL_OPS
from graphad.moves import Piece, viewed
from graphad.registry import Registry
from graphad.rules import watched
from graphad.types import TensorType

if TYPE_CHECKING:
    from graphad.graph import Graph

Types = TensorType | tuple[TensorType, ...]

_DERIVED = frozenset({"_key", "_hash", "raises", "effect", "repeatable", "drawn"})
"""What an op keeps beside its attributes, and can find again."""

_DATA = frozenset({
    "Axes", "DType", "None", "Shape", "TensorType", "bool", "complex", "float", "int", "str", "tuple"
})  # fmt: skip
"""The names in annotations of attributes that are plain data."""

OPS = Registry(dict.fromkeys(SPECIAL_OPS.split(), SPECIAL_FUNCTIONS))
"""Every op by the name that it has in the text form: a class with attributes, or the one instance without."""


class Traced:
    """Base of the handles that record ops instead of computing them (`graphad.trace.Tracer`)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def type(self) -> TensorType: ...

    def apply(self, op: Op, operands: Sequence[Any]) -> Any:
        """Record `op(*operands)`, of which this is one operand."""
        raise NotImplementedError

    def zeros(self) -> Any:
        """Zeros of this value's type."""
        raise NotImplementedError


class Sample(NamedTuple):
    """One example of an op's use, from which its tests are generated: the op and its operands as arrays."""

    op: Op
    operands: tuple[Any, ...]

    @property
    def types(self) -> tuple[TensorType, ...]:
        return tuple(TensorType(x.dtype, x.shape) for x in map(np.asarray, self.operands))


@dataclass_transform(frozen_default=True)
class Op:
    """One operation with its attributes. Subclasses define rules; all operands and results are typed arrays.

    In every rule `xs` are the operands. A rule computes with whatever it is given: traced values in a pass,
    arrays at run time.
    """

    name: ClassVar[str]
    linear: ClassVar[bool] = False
    """Whether the op is linear in all floating operands taken together (so it is its own derivative)."""
    raises: ClassVar[tuple[type[Exception], ...]] = ()
    """What the op can raise at run time. Such an op is computed only where and when the program reaches it: passes
    neither move it out of a branch or a loop that may not run, nor before another that raises or has an effect."""
    effect: ClassVar[bool] = False
    """Whether more happens than that equal operands give equal results. Such an op is never merged with its equal,
    removed, moved or computed ahead."""
    leaves_out: ClassVar[Sequence[int]] = ()
    """The linear operands of which some elements may not reach the result: the transpose gives them exact zeros."""
    counted: ClassVar[bool] = True
    """Whether it is known before a run how often what the op repeats is repeated."""
    repeatable: ClassVar[bool] = True
    """Whether nobody can tell how often the op is computed: it calls no function of the user's."""
    drawn: ClassVar[bool] = False
    """Whether the results are other ones at every run, as random numbers are. They are never computed anew for a
    derivative, nor known while tracing, and under `vmap` each example has its own."""
    stream: Any = None
    """The state that `drawn` results come from, if it can be told from others."""
    sets: ClassVar[bool] = False
    """Whether a `drawn` op sets the state of its stream, so that later results follow from it."""
    view: ClassVar[bool] = False
    """Whether the result is the memory of the first operand, the only one, seen in another way: it costs nothing, and
    loops read through it."""
    moves: ClassVar[bool] = False
    """Whether each element of the result is one of the first operand's: which one follows from the op and the other
    operands, never from what the elements are. A view moves."""
    updates: ClassVar[bool] = False
    """Whether the result is the first operand with some elements changed: where nothing else needs what they were, they
    are changed in place."""
    reads_first: ClassVar[bool] = False
    """Whether the op has read its operands when the next begins, so that their memory may change then; others may be
    computed later, with what needs them."""
    host_only: ClassVar[str] = ""
    """Why `eval` computes with NumPy's own arrays, whatever array namespace it is given; empty for an op that does not.
    Executors for other namespaces bring a rule for such an op, or leave it to NumPy."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Laws of `graphad.testing` that the op does not obey on purpose, each with the reason."""
    of_data: ClassVar[bool] = True
    """Whether all attributes are plain data, by their annotations: no graphs, and none of the user's objects."""
    placed: ClassVar[bool] = False
    """Whether `pieces` may tell where the elements of the result come from."""
    abstract: ClassVar[bool] = True
    """Whether the class is a base of ops and none itself."""
    _types: ClassVar[dict[str, str]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}
    _fields: ClassVar[tuple[str, ...]] = ()
    _region_fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, name: str | None = None, abstract: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.__module__.startswith("graphad."):
            for rule in ("infer", "eval", "jvp", "transpose", "batch"):
                if rule in cls.__dict__:
                    setattr(cls, rule, watched(rule, cls.__dict__[rule]))
        own = declared(cls)
        if own:
            for base in cls.__mro__[:0:-1]:
                cls._types = {**cls._types, **base.__dict__.get("_types", {})}
                cls._defaults = {**cls._defaults, **base.__dict__.get("_defaults", {})}
            cls._defaults = {**cls._defaults, **defaults(cls, own)}
            cls._types = {**cls._types, **own}
            cls._fields = tuple(cls._types)
            cls._region_fields = tuple([k for k, t in cls._types.items() if "Graph" in t])
            cls.of_data = all([_DATA.issuperset(re.findall(r"\w+", t)) for t in cls._types.values()])
            if "__init__" not in cls.__dict__:
                cls.__init__ = Op.__init__  # type: ignore[method-assign]
        cls.abstract = abstract
        cls.moves = cls.moves or cls.view
        cls.placed = cls.view or cls.pieces is not Op.pieces
        if not abstract:
            cls.name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
            OPS[cls.name] = cls

    # -- attributes -------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:

        def __init__(self, *args: Any, **attributes: Any) -> None:
            """Takes the attributes in their order, or by name. A class gets a function of its own when it is first
            called, since most never are."""
            cls = type(self)
            cls.__init__ = constructor(cls)
            cls.__init__(self, *args, **attributes)

        def __setattr__(self, name: str, value: Any) -> None:
            from dataclasses import FrozenInstanceError

            raise FrozenInstanceError(f"cannot assign to {name!r}: an op does not change; make another with replace")

        def __delattr__(self, name: str) -> None:
            self.__setattr__(name, None)

    def replace(self, **changes: Any) -> Self:
        """The op with other values of some attributes."""
        return type(self)(**{**self.attributes, **changes})

    __replace__ = replace

    # -- identity ---------------------------------------------------------------------------------------------

    @property
    def attributes(self) -> dict[str, Any]:
        """The op's fields by name, in order of definition."""
        return {name: getattr(self, name) for name in self._fields}

    @property
    def regions(self) -> dict[str, Graph]:
        """The op's sub-graphs by name; those of a tuple attribute `branches` are `branches.0`, `branches.1`, ..."""
        found: dict[str, Graph] = {}
        for field in self._region_fields:
            value = getattr(self, field)
            if isinstance(value, tuple):
                found.update((f"{field}.{i}", graph) for i, graph in enumerate(value))
            elif value is not None:
                found[field] = value
        return found

    def map_regions(self, function: Callable[[Graph], Graph]) -> Op:
        """The same op with `function` applied to each of its sub-graphs."""
        changed: dict[str, Any] = {}
        for field in self._region_fields:
            value = getattr(self, field)
            if value is not None:
                changed[field] = tuple(map(function, value)) if isinstance(value, tuple) else function(value)
        return self.replace(**changed)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this op from others: its class and its attributes, sub-graphs by their structural hash."""
        own = self.__dict__
        found = own.get("_key")
        if found is None:
            regions = self._region_fields
            found = own["_key"] = (type(self), *[_digests(own[f]) if f in regions else own[f] for f in self._fields])
        return found  # type: ignore[no-any-return]

    def __hash__(self) -> int:
        found = self.__dict__.get("_hash")
        if found is None:
            found = self.__dict__["_hash"] = hash(self.key)
        return found  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Op) and self.key == other.key)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in _DERIVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.attributes.items() if k not in self._region_fields)
        return f"{self.name}[{inside}]" if inside else self.name

    # -- application ------------------------------------------------------------------------------------------

    def __call__(self, *operands: Any) -> Any:
        """Apply the op: compute on arrays, record on traced values."""
        for x in operands:
            if isinstance(x, Traced):
                return x.apply(self, operands)
        dtypes = self.promote(tuple([kind_of(x) for x in operands])) or (None,) * len(operands)
        arrays = [np.asarray(array_of(x), dtype) for x, dtype in zip(operands, dtypes, strict=True)]
        self.infer(*[TensorType(x.dtype, x.shape) for x in arrays])
        return self.eval(np, *arrays)

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Dtype that each operand is cast to first; `None` leaves all as they are.

        A kind is a dtype, or one of the types `int`, `float`, `complex` for a Python scalar, which is weak.
        """
        return None

    # -- rules ------------------------------------------------------------------------------------------------

    def infer(self, *xs: TensorType) -> Types:
        """Result type (a tuple for several results). Raises `ShapeError` or `TypeMismatchError`."""
        raise NotImplementedError

    def eval(self, xp: Any, *xs: Any) -> Any:
        """The op's meaning, computed with the array namespace `xp`: a module with the names of NumPy's (NumPy itself,
        `jax.numpy`, CuPy) whose arrays `xs` are, of the types that `infer` was given; the results have those that it
        gives. Elsewhere than in NumPy the arrays may be traced: nothing may ask for an element as Python's number."""
        raise NotImplementedError

    def hosted(self, *xs: TensorType) -> str:
        """Why `eval` needs NumPy for operands of these types: `host_only`, and what the types add."""
        return self.host_only

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        """Tangent of the result (a tuple for several). A tangent `None` is zero.

        The default is right for linear ops; others raise `MissingRuleError` until they define it.
        """
        if not self.linear:
            raise MissingRuleError(
                f"{self.name} has no derivative rule; give its Op a jvp method, or wrap your function in "
                "graphad.custom_jvp"
            )
        if len(primals) == 1:
            return self(tangents[0])
        return self(*[zeros_like(x) if t is None else t for x, t in zip(primals, tangents, strict=True)])

    def flat(self, i: int) -> bool:
        """Whether the derivative by operand `i` is zero everywhere, so that its influence on derivatives ends here."""
        return False

    def transpose(self, ct: Any, *xs: Any) -> Any:
        """Cotangent of each linear operand, given the result's cotangent `ct` (a tuple for several results).

        A linear operand comes as its `TensorType`, the others as values; the answer has one entry for each
        operand (just the value for a single operand), `None` where the operand is not linear.
        """
        raise MissingRuleError(f"{self.name} is not linear in an operand, or has no transpose rule")

    def transpose_masked(self, ct: Any, *xs: Any) -> Any:
        """`transpose` for a cotangent whose zeros may stand where a choice, as of `where`, left the result out.

        What was left out passes nothing back, even where another operand is infinite or NaN there. The default is
        right for an op whose transpose multiplies by no operand.
        """
        return self.transpose(ct, *xs)

    def squared(self, out: Any, *xs: Any) -> Any:
        """The square of the result, computed smoothly from the operands; `None` for an op without a kink there.

        Derivatives of even powers of a norm or a root come from it, so that they know nothing of the kink at 0.
        """
        return None

    def kinks(self, *xs: Any) -> Any:
        """Where the op has no derivative but a choice, for arrays as operands; for an op of derivatives, where it tells
        that choice. `None` for one without kinks."""
        return None

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        """Results with a new leading axis of extent `size`; `batched[i]` says that `xs[i]` carries that axis."""
        raise MissingRuleError(f"{self.name} has no batching rule; give its Op a batch method to use it in vmap")

    def decompose(self, *xs: Any) -> Any:
        """The result computed by simpler ops (a tuple for several); optional.

        The pass `decompose` uses it for an executor that does not run the op itself.
        """
        raise MissingRuleError(f"{self.name} has no decomposition into simpler ops")

    def attempt(self, operands: Sequence[Any], value: Callable[[Any], Any]) -> Any:
        """Raise what the op raises, where the operands can be known: `value(operand)` computes one. Gives the results,
        or None if they need not be computed to tell."""
        return self.eval(np, *map(value, operands))

    def guarded(self, live: Any, *xs: Any) -> Any:
        """The results, where nothing is raised and nothing happens unless the scalar `live` holds; without it they are
        any. Only an op that raises or has an effect is asked: under `vmap` it can stand in a branch that not all
        examples take.
        """
        raise MissingRuleError(
            f"{self.name} can raise or has an effect, and stands where only some examples of a batch may be; give its "
            "Op a guarded method to use it in vmap under a condition that depends on the example"
        )

    def pieces(self, *xs: TensorType) -> Sequence[Piece] | None:
        """Which elements of which operands the result is put together from, 0 where none lies; the first piece counts.

        A kernel reads through an op that can tell. `None` for one that computes, or moves in another way. What a view
        takes is found from `eval`.
        """
        return viewed(self, xs[0]) if self.view and not xs[0].dynamic else None

    # -- cost -------------------------------------------------------------------------------------------------

    def flops(self, *xs: TensorType) -> int:
        """Estimated floating-point operations of one application."""
        return 0 if self.moves else sum([t.size for t in _results(self, xs)])

    def traffic(self, *xs: TensorType) -> int:
        """Estimated bytes that one application reads and writes, if all goes through memory."""
        return sum([t.nbytes for t in (*xs, *_results(self, xs))])

    def weight(self, *xs: TensorType) -> int:
        """About how many instructions an element of the result takes where it is computed within a loop: `LIGHT`,
        `HEAVY` or `SPECIAL` of `graphad.costs`."""
        return LIGHT if self.view else SPECIAL

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Examples that the generated tests run; every concrete op gives some."""
        return ()


def _results(op: Op, xs: Sequence[TensorType]) -> tuple[TensorType, ...]:
    """The types of an op's results, also of a single one."""
    found = op.infer(*xs)
    return found if isinstance(found, tuple) else (found,)


def _digests(regions: Any) -> Any:
    """The structural hash of a sub-graph, or of each of several."""
    if isinstance(regions, tuple):
        return tuple([g.digest for g in regions])
    return None if regions is None else regions.digest


def op_class(kind: str | type[Op] | Op) -> type[Op]:
    """The class of ops that a name of the text form, an op or the class itself stands for. Raises `MissingRuleError`
    for a name that no op has."""
    if isinstance(kind, str):
        if kind not in OPS:
            raise MissingRuleError(f"no op is named {kind!r}; define the op first, or give its class")
        return OPS[kind] if isinstance(OPS[kind], type) else type(OPS[kind])
    return kind if isinstance(kind, type) else type(kind)


class Regional(Op, abstract=True):
    """Base of the ops that run sub-graphs: they raise, and have the effects, of the ops in these."""

    @cached
    def raises(self) -> tuple[type[Exception], ...]:  # type: ignore[override]
        found = [kind for graph in self.regions.values() for node in graph.nodes for kind in node.op.raises]
        return tuple(dict.fromkeys(found))

    @cached
    def effect(self) -> bool:  # type: ignore[override]
        return any([node.op.effect for graph in self.regions.values() for node in graph.nodes])

    @cached
    def repeatable(self) -> bool:  # type: ignore[override]
        return all([node.op.repeatable for graph in self.regions.values() for node in graph.nodes])

    @cached
    def drawn(self) -> bool:  # type: ignore[override]
        return any([node.op.drawn for graph in self.regions.values() for node in graph.nodes])

    def traffic(self, *xs: TensorType) -> int:
        nodes = [node for graph in self.regions.values() for node in graph.nodes]
        return sum([node.op.traffic(*[v.type for v in node.inputs]) for node in nodes])


def is_linear(x: Any) -> bool:
    """Whether an operand of a transpose rule is a linear one (it then comes as its type)."""
    return isinstance(x, TensorType)


def zeros_like(x: Any) -> Any:
    """Zeros of an operand's type: recorded where the operand is traced, else an array."""
    return x.zeros() if isinstance(x, Traced) else np.zeros_like(x)

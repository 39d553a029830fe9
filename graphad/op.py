"""`Op`: everything that one operation can do, in one class.

A subclass states its attributes as annotated fields and its rules as methods; it then is an immutable value that
compares by content. Calling an op applies it: to arrays at once, to traced values by recording a node.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import numpy as np

from graphad.errors import MissingRuleError
from graphad.types import TensorType

if TYPE_CHECKING:
    from graphad.graph import Graph

Types = TensorType | tuple[TensorType, ...]

OPS: dict[str, Any] = {}
"""Every op by the name that it has in the text form: a class with attributes, or the one instance without."""


class Traced:
    """Base of the handles that record ops instead of computing them (`graphad.trace.Tracer`)."""

    __slots__ = ()

    def apply(self, op: Op, operands: Sequence[Any]) -> Any:
        """Record `op(*operands)`, of which this is one operand."""
        raise NotImplementedError

    def zeros(self) -> Any:
        """Zeros of this value's type."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Sample:
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
    pure: ClassVar[bool] = True
    """Whether equal operands give equal results and nothing else happens (so cse and dce may act)."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Laws of `graphad.testing` that the op does not obey on purpose, each with the reason."""
    _fields: ClassVar[tuple[str, ...]] = ()
    _region_fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, name: str | None = None, abstract: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A class without fields of its own inherits all that `dataclass` would generate, which takes time at import.
        if "__annotations__" in cls.__dict__ or not hasattr(cls, "__dataclass_fields__"):
            dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        fields: Sequence[dataclasses.Field[Any]] = dataclasses.fields(cls)  # type: ignore[arg-type]
        cls._fields = tuple(f.name for f in fields if f.init)
        cls._region_fields = tuple(f.name for f in fields if "Graph" in str(f.type))
        if not abstract:
            cls.name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
            OPS[cls.name] = cls

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
        return dataclasses.replace(self, **changed)  # type: ignore[type-var]

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this op from others: its class and its attributes, sub-graphs by their structural hash."""
        try:
            return self.__dict__["_key"]  # type: ignore[no-any-return]
        except KeyError:
            parts: list[Any] = [type(self)]
            for field in self._fields:
                value = getattr(self, field)
                if field in self._region_fields and value is not None:
                    value = tuple(g.digest for g in value) if isinstance(value, tuple) else value.digest
                parts.append(value)
            key = tuple(parts)
            self.__dict__["_key"] = key
            self.__dict__["_hash"] = hash(key)
            return key

    def __hash__(self) -> int:
        try:
            return self.__dict__["_hash"]  # type: ignore[no-any-return]
        except KeyError:
            return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Op) and self.key == other.key)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_key", "_hash")}

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
        from graphad.trace import kind_of

        dtypes = self.promote(tuple([kind_of(x) for x in operands])) or (None,) * len(operands)
        arrays = [np.asarray(x, dtype) for x, dtype in zip(operands, dtypes, strict=True)]
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
        """The op's meaning, computed with the array namespace `xp`."""
        raise NotImplementedError

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

    def transpose(self, ct: Any, *xs: Any) -> Any:
        """Cotangent of each linear operand, given the result's cotangent `ct` (a tuple for several results).

        A linear operand comes as its `TensorType`, the others as values; the answer has one entry for each
        operand (just the value for a single operand), `None` where the operand is not linear.
        """
        raise MissingRuleError(f"{self.name} is not linear in an operand, or has no transpose rule")

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        """Results with a new leading axis of extent `size`; `batched[i]` says that `xs[i]` carries that axis."""
        raise MissingRuleError(f"{self.name} has no batching rule; give its Op a batch method to use it in vmap")

    def decompose(self, *xs: Any) -> Any:
        """The result computed by simpler ops (a tuple for several); optional.

        The pass `decompose` uses it for an executor that does not run the op itself.
        """
        raise MissingRuleError(f"{self.name} has no decomposition into simpler ops")

    def flops(self, *xs: TensorType) -> int:
        """Estimated floating-point operations of one application."""
        out = self.infer(*xs)
        return sum(t.size for t in (out if isinstance(out, tuple) else (out,)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Examples that the generated tests run; every concrete op gives some."""
        return ()


def is_linear(x: Any) -> bool:
    """Whether an operand of a transpose rule is a linear one (it then comes as its type)."""
    return isinstance(x, TensorType)


def zeros_like(x: Any) -> Any:
    """Zeros of an operand's type: recorded where the operand is traced, else an array."""
    return x.zeros() if isinstance(x, Traced) else np.zeros_like(x)

"""Loads and stores of one element or of a vector of elements of a view, within the loops of a nest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphad.executors.llvm.scalars import Register, Scalars
from graphad.executors.llvm.text import Code, element_type, mangle, memory_type, vector
from graphad.types import DType

WINDOW = 4
"""The largest stride at which elements are picked out of whole registers rather than gathered one by one."""


@dataclass(frozen=True, slots=True)
class LaneAddress:
    """Elements in memory: of one lane at `pointer`, or of all lanes, `stride` elements apart (or at `pointers`).

    `mask` says which lanes are there; None if all are, and `count` how many where that is known.
    """

    dtype: DType
    pointer: str
    stride: int
    lanes: int
    mask: str | None = None
    pointers: str | None = None


class Memory:
    """Reads and writes places, in the instructions of one function."""

    def __init__(self, code: Code, scalars: Scalars) -> None:
        self.code = code
        self.scalars = scalars

    def load(self, place: LaneAddress) -> Register:
        """The elements of a place, in the types of registers; lanes that are masked out hold zeros."""
        dtype = place.dtype
        element = memory_type(dtype)
        if dtype.kind != "c":
            return self._register(self._part(place, element, 1, 0), dtype, place.lanes)
        if place.lanes > 1 and place.pointers is None and place.stride == 1 and place.mask is None:
            wide = vector(element, 2 * place.lanes)
            both = self.code(f"load {wide}, ptr {place.pointer}, align {dtype.itemsize // 2}")
            return self._every_second(both, wide, place.lanes, 0), self._every_second(both, wide, place.lanes, 1)
        return self._part(place, element, 2, 0), self._part(place, element, 2, 1)

    def store(self, place: LaneAddress, value: Any) -> None:
        """Write a register to a place."""
        dtype = place.dtype
        element = memory_type(dtype)
        if dtype.kind == "c" and place.lanes > 1 and place.pointers is None and place.stride == 1 and not place.mask:
            n, kind = place.lanes, vector(element, place.lanes)
            order = ", ".join(f"i32 {i // 2 + (i % 2) * n}" for i in range(2 * n))
            both = self.code(f"shufflevector {kind} {value[0]}, {kind} {value[1]}, <{2 * n} x i32> <{order}>")
            align = dtype.itemsize // 2
            self.code.do(f"store {vector(element, 2 * n)} {both}, ptr {place.pointer}, align {align}")
            return
        if dtype.kind == "c":
            self._write(place, element, 2, 0, value[0])
            self._write(place, element, 2, 1, value[1])
            return
        if dtype.kind == "b":
            value = self.code(f"zext {vector('i1', place.lanes)} {value} to {vector('i8', place.lanes)}")
        self._write(place, element, 1, 0, value)

    def _register(self, value: str, dtype: DType, lanes: int) -> str:
        if dtype.kind != "b":
            return value
        kind = vector("i8", lanes)
        return self.code(f"icmp ne {kind} {value}, {'zeroinitializer' if lanes > 1 else '0'}")

    def _every_second(self, both: str, wide: str, lanes: int, first: int) -> str:
        order = ", ".join(f"i32 {2 * i + first}" for i in range(lanes))
        return self.code(f"shufflevector {wide} {both}, {wide} poison, <{lanes} x i32> <{order}>")

    def _address(self, place: LaneAddress, element: str, parts: int, part: int) -> str:
        if part == 0:
            return place.pointer
        return self.code(f"getelementptr {element}, ptr {place.pointer}, i64 {part}")

    def _addresses(self, place: LaneAddress, element: str, parts: int, part: int) -> str:
        lanes, many = place.lanes, f"<{place.lanes} x i64>"
        if place.pointers is not None:
            if part == 0:
                return place.pointers
            return self.code(f"getelementptr {element}, <{lanes} x ptr> {place.pointers}, i64 {part}")
        steps = ", ".join(f"i64 {i * place.stride * parts + part}" for i in range(lanes))
        return self.code(f"getelementptr {element}, ptr {place.pointer}, {many} <{steps}>")

    def _mask(self, place: LaneAddress) -> str:
        return place.mask or "splat (i1 true)"

    def _part(self, place: LaneAddress, element: str, parts: int, part: int) -> str:
        code, lanes, align = self.code, place.lanes, place.dtype.itemsize // parts
        if lanes == 1:
            return code(f"load {element}, ptr {self._address(place, element, parts, part)}, align {align}")
        kind, mask = vector(element, lanes), vector("i1", lanes)
        if parts == 1 and place.pointers is None:
            if place.stride == 1 and place.mask is None:
                return code(f"load {kind}, ptr {place.pointer}, align {align}")
            if place.stride == 1:
                return code.call(
                    kind, f"llvm.masked.load.{mangle(element, lanes)}.p0", ("ptr", place.pointer), ("i32", str(align)),
                    (mask, self._mask(place)), (kind, "zeroinitializer"),
                )  # fmt: skip
            if place.stride == -1 and place.mask is None:
                last = code(f"getelementptr {element}, ptr {place.pointer}, i64 {1 - lanes}")
                return self._reversed(code(f"load {kind}, ptr {last}, align {align}"), kind, lanes)
            if 2 <= place.stride <= WINDOW and place.mask is None:
                return self._picked(place, element)
        return code.call(
            kind, f"llvm.masked.gather.{mangle(element, lanes)}.{mangle('ptr', lanes)}",
            (vector("ptr", lanes), self._addresses(place, element, parts, part)), ("i32", str(align)),
            (mask, self._mask(place)), (kind, "zeroinitializer"),
        )  # fmt: skip

    def _picked(self, place: LaneAddress, element: str) -> str:
        """Elements a few apart, out of registers that together hold all between the first and the last. One load of
        all of it would be cut by LLVM into registers of all sizes, in time quadratic in the number of such loads."""
        code, lanes, kind = self.code, place.lanes, vector(element, place.lanes)
        last = (lanes - 1) * place.stride + 1 - lanes
        found, reached, before = "", 0, [0] * lanes
        for start in [*range(0, last, lanes), last]:
            pointer = code(f"getelementptr {element}, ptr {place.pointer}, i64 {start}") if start else place.pointer
            window = code(f"load {kind}, ptr {pointer}, align {place.dtype.itemsize}")
            at = [i * place.stride - start for i in range(lanes)]
            order = [before[i] if i < reached else min(lanes + x, 2 * lanes - 1) for i, x in enumerate(at)]
            if start:
                chosen = ", ".join(f"i32 {i}" for i in order)
                found = code(f"shufflevector {kind} {found}, {kind} {window}, <{lanes} x i32> <{chosen}>")
            else:
                found = window
            before = list(range(lanes)) if start else at
            reached = sum([x < lanes for x in at])
        return found

    def _reversed(self, value: str, kind: str, lanes: int) -> str:
        order = ", ".join(f"i32 {i}" for i in reversed(range(lanes)))
        return self.code(f"shufflevector {kind} {value}, {kind} poison, <{lanes} x i32> <{order}>")

    def _write(self, place: LaneAddress, element: str, parts: int, part: int, value: str) -> None:
        code, lanes, align = self.code, place.lanes, place.dtype.itemsize // parts
        kind, mask = vector(element, lanes), vector("i1", lanes)
        if lanes == 1:
            code.do(f"store {element} {value}, ptr {self._address(place, element, parts, part)}, align {align}")
            return
        if parts == 1 and place.pointers is None:
            if place.stride == 1 and place.mask is None:
                code.do(f"store {kind} {value}, ptr {place.pointer}, align {align}")
                return
            if place.stride == 1:
                code.call(
                    "void", f"llvm.masked.store.{mangle(element, lanes)}.p0", (kind, value), ("ptr", place.pointer),
                    ("i32", str(align)), (mask, self._mask(place)),
                )  # fmt: skip
                return
        code.call(
            "void", f"llvm.masked.scatter.{mangle(element, lanes)}.{mangle('ptr', lanes)}", (kind, value),
            (vector("ptr", lanes), self._addresses(place, element, parts, part)), ("i32", str(align)),
            (mask, self._mask(place)),
        )  # fmt: skip

    def lane(self, place: LaneAddress, lane: int) -> LaneAddress:
        """One of the lanes of a place."""
        pointer = place.pointer
        if place.pointers is not None:
            pointer = self.code.extract("ptr", place.pointers, place.lanes, lane)
        elif lane:
            parts = 2 if place.dtype.kind == "c" else 1
            element = memory_type(place.dtype)
            pointer = self.code(f"getelementptr {element}, ptr {pointer}, i64 {lane * place.stride * parts}")
        return LaneAddress(place.dtype, pointer, 0, 1)


def lanes_of(code: Code, value: Any, dtype: DType, lanes: int, lane: int) -> Register:
    """One lane of a register."""
    element = element_type(dtype)
    if dtype.kind == "c":
        return code.extract(element, value[0], lanes, lane), code.extract(element, value[1], lanes, lane)
    return code.extract(element, value, lanes, lane)


def broadcast(code: Code, value: Any, dtype: DType, lanes: int) -> Register:
    """A register of one lane in every lane."""
    element = element_type(dtype)
    if dtype.kind == "c":
        return code.broadcast(element, value[0], lanes), code.broadcast(element, value[1], lanes)
    return code.broadcast(element, value, lanes)



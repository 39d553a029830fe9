"""Where the time of a compiled function goes, and how near each part of it comes to what the machine can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SIDE = 384
"""Rows of the matrices whose product shows the rate of arithmetic."""


@dataclass(frozen=True)
class Kernel:
    """A part of a compiled function: what it computes (with the user's line), the seconds that it takes, and how many
    operations and bytes it takes them for, within so many bytes of memory; None where they are not known."""

    note: str
    seconds: float
    flops: float | None
    moved: float | None
    room: float


@dataclass(frozen=True)
class Roof:
    """What the machine can do: bytes in a second by the size of the memory that they lie in, with its name, and
    operations in a second."""

    memory: Sequence[tuple[float, str, float]]
    flops: float

    def bound(self, kernel: Kernel) -> tuple[float, str]:
        """The seconds that a kernel takes at least, and what bounds it: arithmetic, or the memory that it moves."""
        _, name, rate = next((level for level in self.memory if kernel.room <= level[0]), self.memory[-1])
        bounds = [((kernel.flops or 0.0) / self.flops, "arithmetic"), ((kernel.moved or 0.0) / rate, name)]
        return max(bounds)


@dataclass(frozen=True)
class Profile:
    """The kernels of a function in the order in which they run, and the machine's roof (Williams, Waterman and
    Patterson, "Roofline", 2009). Printed, it is a table of the kernels by their time."""

    kernels: Sequence[Kernel]
    roof: Roof

    @property
    def seconds(self) -> float:
        """Those of one call."""
        return sum([kernel.seconds for kernel in self.kernels])

    def __str__(self) -> str:
        total = self.seconds or 1.0
        rows: list[tuple[str, ...]] = [("time", "share", "GB/s", "GFLOP/s", "of roof", "bound by", "")]
        for kernel in sorted(self.kernels, key=lambda kernel: -kernel.seconds):
            least, name = self.roof.bound(kernel)
            known = kernel.flops is not None and kernel.moved is not None
            counted = (kernel.moved, kernel.flops)
            rates = [f"{x / kernel.seconds / 1e9:.3g}" if x and kernel.seconds else "-" for x in counted]
            share = f"{least / kernel.seconds:.0%}" if known and kernel.seconds else "-"
            part = f"{kernel.seconds / total:.0%}"
            rows.append((time(kernel.seconds), part, *rates, share, name if known else "-", kernel.note))
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        lines = ["  ".join([*[x.rjust(w) for x, w in zip(row, widths, strict=False)], row[6]]).rstrip() for row in rows]
        levels = ", ".join(f"{name} {rate / 1e9:.3g} GB/s" for _, name, rate in self.roof.memory)
        return "\n".join([*lines, f"roof: {levels}, arithmetic {self.roof.flops / 1e9:.3g} GFLOP/s"])


def roof(seconds: Callable[..., float], caches: Mapping[int, int]) -> Roof:
    """The rates that simple programs reach: a sum of two arrays in each cache and in memory, as STREAM's (McCalpin,
    1995), and a product of matrices. `seconds(function, *arrays)` tells how long a call takes."""
    largest = max(4 * caches[3], 1 << 27)
    levels = []
    for name, most in (("L1", caches[1]), ("L2", caches[2]), ("L3", caches[3]), ("memory", np.inf)):
        x = np.ones(int(min(most / 2, largest)) // 24)
        levels.append((float(most), name, 3 * x.nbytes / seconds(np.add, x, x.copy())))
    a = np.ones((SIDE, SIDE))
    return Roof(levels, 2.0 * SIDE**3 / seconds(np.matmul, a, a.copy()))


def time(seconds: float) -> str:
    """Seconds in a unit that suits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


__all__ = ["Kernel", "Profile", "Roof", "roof"]

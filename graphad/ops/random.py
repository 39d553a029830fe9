"""Random bits by a counter: Philox 4x32 with ten rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
easy as 1, 2, 3", 2011), which is integer arithmetic and gives the same bits in every executor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import Op, Sample, Types
from graphad.ops.elementwise import Cast
from graphad.ops.shape import batch_all, concatenate, expand_dims, iota
from graphad.ops.slicing import Slice
from graphad.types import Array, TensorType

U64 = np.dtype(np.uint64)
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10


class RandomBits(Op):
    """`size` random words of 64 bits for each key and position to start from; operands `key` `u64[..., 2]`, `start`.

    The first word of a key is Philox's key, the second the upper half of its counter, whose lower half counts the
    blocks from `start` on. Each block gives two words; the first words of all blocks come before the second ones.
    `domain` keeps uses of one key apart: drawing (0), splitting (1), folding in (2).
    """

    size: int
    domain: int = 0

    def infer(self, *xs: TensorType) -> Types:
        key, start = xs
        if key.dtype != U64 or start.dtype != U64:
            raise TypeMismatchError(f"random_bits: key {key} and start {start} are not u64; use graphad.random.key")
        if not key.shape or key.shape[-1] != 2 or start.shape != key.shape[:-1]:
            raise ShapeError(f"random_bits: key {key} must have two words, and start {start} one number for each key")
        return TensorType(U64, (*start.shape, self.size))

    def eval(self, xp: Any, *xs: Any) -> Array:
        key, start = xs
        blocks = xp.arange((self.size + 1) // 2, dtype=U64)
        with np.errstate(over="ignore"):
            first, second = _philox(key[..., :1], key[..., 1:], start[..., None] + blocks, self.domain)
        return xp.concatenate([first, second], axis=-1)[..., : self.size]

    def decompose(self, *xs: Any) -> Any:
        key, start = xs
        lead = start.shape
        word = [Slice((*[0] * len(lead), i), (*lead, i + 1), (1,) * (len(lead) + 1))(key) for i in (0, 1)]
        count = (self.size + 1) // 2
        blocks = Cast(U64)(iota(count))
        both = concatenate(_philox(word[0], word[1], expand_dims(start, -1) + blocks, self.domain), -1)
        whole = (1,) * (len(lead) + 1)
        return both if 2 * count == self.size else Slice((0,) * len(whole), (*lead, self.size), whole)(both)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        return 60 * self.size * xs[1].size

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        key = np.array([[1, 2], [2**63 + 5, 2**64 - 1]], U64)
        yield Sample(cls(5), (key, np.array([0, 2**32 - 1], U64)))
        yield Sample(cls(4, 1), (key[0], np.array(7, U64)))
        yield Sample(cls(0), (key[0], np.array(0, U64)))


def _philox(key: Array, stream: Array, position: Array, domain: int) -> tuple[Any, Any]:
    """The two words of a block for each position, of arrays or of traced values; words of 32 bits stand in 64."""
    low, half = U64.type(0xFFFFFFFF), U64.type(32)
    k = [key & low, key >> half]
    c = [position & low, position >> half, stream & low, (stream >> half) ^ U64.type(domain)]
    for step in range(_ROUNDS):
        first, second = U64.type(_MULTIPLIERS[0]) * c[0], U64.type(_MULTIPLIERS[1]) * c[2]
        keys = [(k[i] + U64.type((step * _WEYL[i]) & 0xFFFFFFFF)) & low for i in (0, 1)]
        c = [(second >> half) ^ c[1] ^ keys[0], second & low, (first >> half) ^ c[3] ^ keys[1], first & low]
    return c[0] | (c[1] << half), c[2] | (c[3] << half)


__all__ = ["RandomBits"]

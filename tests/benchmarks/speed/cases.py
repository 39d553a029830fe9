"""A case of a comparison: what is computed, of which arguments, and by which programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

Make = Callable[[Any], Callable[..., Any]]
Derive = Callable[[Any, Any, Callable[..., Any], Any], Callable[..., Any]]


# What of a function is measured, by a library that has JAX's names and an array namespace.


def value(library: Any, np: Any, f: Any, argnums: Any) -> Any:
    return f


def gradient(library: Any, np: Any, f: Any, argnums: Any) -> Any:
    return library.grad(f, argnums=argnums)


def hessian(library: Any, np: Any, f: Any, argnums: Any) -> Any:
    return library.hessian(f, argnums=argnums)


def blocks(library: Any, np: Any, f: Any, argnums: Any) -> Any:
    """The Jacobians of one function at many arguments."""
    return library.vmap(library.jacrev(f, argnums=argnums))


def diagonal(library: Any, np: Any, f: Any, argnums: Any) -> Any:
    """The sum over each row of the Hessian, which is the diagonal where the rest is zero."""
    g = library.grad(f)
    return lambda c, x: library.jvp(lambda c: g(c, x), (c,), (np.ones_like(c),))[1]


def tridiagonal(library: Any, np: Any, f: Any, argnums: Any) -> Any:
    """A tridiagonal Hessian by three products with it: columns three apart share no row."""

    def matrix(x: Any) -> Any:
        n = x.shape[0]
        g = library.grad(f)
        place = np.arange(n)
        colour = place % 3
        products = [library.jvp(g, (x,), ((colour == c) * 1.0,))[1] for c in range(3)]
        rows = np.stack(products, axis=1)[:, colour]
        return np.where(np.abs(place[:, None] - place) <= 1, rows, 0.0)

    return matrix


@dataclass(frozen=True)
class Way:
    """One way to write a problem; `only` names the library that can express it, where not all can."""

    make: Make
    derive: Derive | None = None
    only: str = ""


@dataclass(frozen=True)
class Problem:
    """One case: `make(np)` gives the function, `data(rng)` its arguments, `derive` what of it is measured."""

    family: str
    name: str
    make: Make
    data: Callable[[np.random.Generator], tuple[Any, ...]]
    derive: Derive = gradient
    argnums: Any = 0
    ways: dict[str, Way] = field(default_factory=dict)
    """Other ways to write it, by name. A library is as fast as its best."""
    peers: dict[str, str] = field(default_factory=dict)
    """Other programs for the same result: the function of this name in `peers_numba`, `peers_torch`, ...; with what
    stands behind a dot, in a version of its own."""
    tiny: bool = False
    every: bool = False
    """Whether it takes minutes, and is measured on request only."""

    @cached_property
    def arguments(self) -> tuple[Any, ...]:
        return self.data(np.random.default_rng(0))

    @property
    def programs(self) -> list[str]:
        """Names of all programs, `graphad` first: a library, and after it the way where it is not the plain one."""
        by_library = [
            f"{library} {way}".strip()
            for library in ("graphad", "jax")
            for way, w in {"": Way(self.make), **self.ways}.items()
            if w.only in ("", library)
        ]
        return [*by_library, *self.peers]

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


def by(name: str, peers: str) -> dict[str, str]:
    """The same name for several peers."""
    return dict.fromkeys(peers.split(), name)

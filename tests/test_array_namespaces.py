"""`Op.eval` in another array namespace: what runs under `jax.jit`, and what says that it needs NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from graphad.op import OPS, Op, op_class
from graphad.testing import samples_of
from graphad.testing.numeric import assert_close

jax = pytest.importorskip("jax")
OWN = sorted(name for name in OPS if op_class(name).__module__.startswith("graphad."))


@pytest.fixture(scope="module", autouse=True)
def _double() -> Any:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def check(op: type[Op] | Op) -> None:
    """The first sample in which there is anything, traced by JAX and by NumPy."""
    sample = next((s for s in samples_of(op) if all(np.size(x) for x in s.operands)), None)
    if sample is None:
        pytest.skip("there is no sample")
    xs = [np.asarray(x) for x in sample.operands]
    with np.errstate(all="ignore"):
        wanted = sample.op.eval(np, *xs)
    found = jax.jit(partial(sample.op.eval, jax.numpy))(*xs)
    for a, b in zip(*[x if isinstance(x, tuple) else (x,) for x in (found, wanted)], strict=True):
        b = np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert_close(np.asarray(a), b, 1e-3 if b.dtype.char in "efF" else 1e-7, sample.op.name)


def hosted(op: type[Op] | Op) -> str:
    """Why an op needs NumPy, by the first of its samples."""
    sample = next(iter(samples_of(op)), None)
    return (op if sample is None else sample.op).host_only


@pytest.mark.parametrize("op", ["sin", "sum", "gather", "eigh", "sinc", "erf", "dot_general"])
def test_ops_of_the_core(op: str) -> None:
    check(OPS[op])


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_what_is_not_marked_runs_under_jit(name: str) -> None:
    op = OPS[name]
    if hosted(op):
        if not op.drawn:  # without operands it is run while JAX traces
            with pytest.raises(Exception):  # noqa: B017 - whatever JAX raises: the mark must be needed
                check(op)
    else:
        check(op)


def test_how_many_run() -> None:
    assert sum(not hosted(OPS[name]) for name in OWN) >= 240

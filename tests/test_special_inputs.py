"""The cases of NumPy's functions again with other inputs: NaN, infinities, both zeros, other dtypes. The result has
NumPy's numbers, shape and dtype, or is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy_cases import CASES
from numpy_cases_families import FAMILIES

import graphad
from graphad.errors import GraphadError

EXEMPT = {
    "polymul": "leading zeros are kept", "polydiv": "leading zeros are kept", "argpartition": "any order is right",
    "searchsorted": "the NaN is not at the end", "interp": "the NaN is not at the end",
    "unique": "size= fills up with an element of its own", "unique_all": "size= fills up with an element of its own",
    "correlate": "complex infinities depend on the order of products", "pad": "odd reflections of infinities and bools",
    "histogram": "weights that are bools", "histogram2d": "edges in single precision",
    "histogramdd": "edges in single precision", "kaiser": "a complex beta", "var": "a mean in another precision",
    "cov": "no observations", "<lambda>": "not of NumPy",
}  # fmt: skip
"""Functions of which some results differ, with the reason."""
SMALLER = {"i1": np.int8, "u1": np.uint8, "u8": np.uint64, "?": np.bool_}
SPECIAL = {"nan": [np.nan, np.inf, -np.inf, -0.0], "inf": [-0.0, np.inf]}
VARIANTS = ["nan", "inf", "i1", "u1", "u8", "?", "f4", "c16"]
EVERY = 3


def varied(x, variant):
    x = np.array(x)
    if variant in ("nan", "inf"):
        if x.dtype.kind in "fc":
            flat = x.reshape(-1)
            for i, number in enumerate(SPECIAL[variant][: (flat.size + 1) // 2]):
                flat[2 * i] = number
        return x
    numbers = np.nan_to_num(np.real(x).astype(float))
    if variant in SMALLER:
        whole = np.rint(3 * numbers)
        return (whole if variant == "i1" else np.abs(whole)).astype(SMALLER[variant])
    if variant == "c16":
        return numbers * (1 + 0.5j)
    return x.astype("c8" if x.dtype.kind == "c" else "f4")


def leaves(found):
    return [y for x in found for y in leaves(x)] if isinstance(found, (tuple, list)) else [np.asarray(found)]


def check(case, arrays, executor):
    try:
        expected = leaves(case.call(*[x.copy() for x in arrays]))
    except Exception:
        return  # what NumPy refuses may have a meaning here
    try:
        found = leaves(graphad.jit(case.call, executor=executor)(*arrays))
    except GraphadError:
        return
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if a.dtype.kind in "fc":
            close = {"e": 2e-2, "f": 1e-4, "F": 1e-4}.get(a.dtype.char, 1e-9)
            np.testing.assert_allclose(a, b, rtol=close, atol=close)
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_other_inputs(executor, variant):
    """A third of the cases for each kind of input and executor, another one for each."""
    start = (VARIANTS.index(variant) + (executor == "llvm")) % EVERY
    step = EVERY if executor == "numpy" else 4 * EVERY
    wrong = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in [*CASES, *FAMILIES][start::step]:
            name = getattr(case.function, "__name__", str(case.function))
            if not case.traced or name in EXEMPT or ("quantile" in name and variant == "?"):
                continue
            try:
                check(case, [varied(x, variant) for x in case.arrays], executor)
            except Exception as error:
                wrong.append(f"{case!r}: {error}")
    assert not wrong, "\n".join(wrong)

"""NumPy's settings for floating-point errors, as converted code makes them: they hold for what is traced as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphad.api.conversion.functions import REPLACED
from graphad.build import current_builder, floating_point_errors
from graphad.errors import ControlFlowError
from graphad.location import place


@contextmanager
def _errstate(**settings: Any) -> Iterator[None]:
    """`numpy.errstate`, within whose block the values of eager modes are computed at once where it says "raise"."""
    with np.errstate(**settings):
        _heed()
        yield
    _heed()


def _seterr(*args: Any, **settings: Any) -> Any:
    """`numpy.seterr`."""
    before = np.seterr(*args, **settings)
    try:
        _heed()
    except ControlFlowError:
        np.seterr(**before)
        raise
    return before


def _heed() -> None:
    """Let the running trace heed the settings. Raises `ControlFlowError` where it cannot, as it knows no values."""
    builder = current_builder()
    errors = floating_point_errors()
    if builder is None or (not errors and not builder.errors):
        return
    if builder.staged:
        raise ControlFlowError(
            f"floating-point errors are to be raised{place()}, which a compiled program does not; test its values with "
            "numpy.isfinite, or assert what must hold"
        )
    builder.errors = errors


def install() -> None:
    """Fill the table of what converted code calls in place of these functions."""
    REPLACED[np.errstate] = _errstate
    REPLACED[np.seterr] = _seterr


install()

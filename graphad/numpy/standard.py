"""What the Python array API standard asks of arrays and of a namespace beyond NumPy's functions."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from graphad.build import current_builder
from graphad.location import place
from graphad.numpy.arguments import check_device
from graphad.numpy.dispatch import tracer_method
from graphad.trace import Tracer
from graphad.types import Array


class NamespaceInfo(np.__array_namespace_info__):  # type: ignore[misc]
    """NumPy's answers to what the namespace can do; where values are not known, shapes cannot depend on them."""

    def capabilities(self) -> Any:
        builder = current_builder()
        return {**super().capabilities(), "data-dependent shapes": builder is None or not builder.staged}


@tracer_method("__array_namespace__")
def _namespace(x: Array, *, api_version: str | None = None) -> Any:
    """`graphad.numpy`. Raises `ValueError` for a version of the standard that NumPy does not have."""
    if api_version is not None:
        np.zeros(()).__array_namespace__(api_version=api_version)  # type: ignore[arg-type]
    return sys.modules["graphad.numpy"]


@tracer_method("to_device")
def _to_device(x: Any, device: Any, /, *, stream: Any = None) -> Any:
    """The array itself. Raises `ValueError` for a device other than the CPU, and for a stream."""
    check_device("to_device", device)
    if stream is not None:
        raise ValueError(f"to_device: stream={stream!r}{place()}; leave it out")
    return x


@tracer_method("__dlpack__")
def _dlpack(x: Any, **options: Any) -> Any:
    return x.__array__().__dlpack__(**options)


@tracer_method("__dlpack_device__")
def _dlpack_device(x: Any) -> tuple[int, int]:
    return np.zeros(0).__dlpack_device__()


setattr(Tracer, "device", property(lambda x: "cpu"))  # noqa: B010

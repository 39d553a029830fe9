"""`graphad.numpy`: NumPy's namespace, with functions that record on traced values.

    import graphad.numpy as np

A plain `import numpy as np` traces as well, through NumPy's dispatch protocols; this namespace adds what those leave
out: creation functions that make traced arrays (`zeros`, `arange`), `asarray` of lists that contain traced values.
Without traced values every function is NumPy's own. Names that need no tracing (dtypes, constants) are NumPy's.
"""

from typing import Any

import numpy as _np

# Imported for what they register.
from graphad.numpy import (  # noqa: F401
    assignment,
    bits,
    creation,
    decompositions,
    fft,
    histograms,
    index_arrays,
    indexing,
    joining,
    linalg,
    manipulation,
    mapping,
    memory,
    methods,
    misc,
    nan_reductions,
    operators,
    padding,
    polynomials,
    products,
    quantiles,
    reductions,
    reshaping,
    scans,
    selecting,
    sets,
    sorting,
    standard,
    statistics,
    ufuncs,
    updates,
    walks,
    writers,
)
from graphad.numpy.dispatch import NAMESPACE
from graphad.registry import LATER

_OBJECTS = {
    **index_arrays.OBJECTS, "vectorize": mapping.Vectorize, "__array_namespace_info__": standard.NamespaceInfo,
}  # fmt: skip


def __getattr__(name: str) -> Any:
    found = _OBJECTS.get(name)
    if name == "special":
        # The array API standard's extension to come, where SciPy looks for its special functions.
        found = LATER["scipy.special"]
    if found is None:
        found = getattr(_np, name)
    if callable(found):
        found = NAMESPACE.get(found, found)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return dir(_np)


__all__ = ["fft", "linalg"]

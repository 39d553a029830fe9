"""What works of each function of NumPy: one row for each, found by trying, and the page that lists them.

`python tests/numpy_coverage.py` writes the page anew.
"""

import sys
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy_cases import CASES, SPD, B, Case, I, M, N, Q, S, V, W, Z
from numpy_cases_families import FAMILIES

import graphad
import graphad.numpy as gnp
from graphad import executors, passes
from graphad.numpy.dispatch import NAMESPACE
from graphad.testing.checks import check_graph_batch, check_graph_transpose
from graphad.testing.conformance import compiled
from graphad.testing.samples import differentiable_inputs
from graphad.trace import FUNCTIONS, UFUNCS, Tracer

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "numpy.md"
MODULES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft}
COLUMNS = ("eager", "traced", "jvp", "vjp", "vmap", "llvm", "numba")

REASONS = {
    "files": "fromfile fromregex fromstring frombuffer genfromtxt load loadtxt save savetxt savez savez_compressed",
    "text": "array2string array_repr array_str base_repr binary_repr datetime_as_string format_float_positional "
    "format_float_scientific get_printoptions printoptions set_printoptions info typename",
    "dates": "busday_count busday_offset datetime_data is_busday isnat",
    "error state": "getbufsize geterr geterrcall setbufsize seterr seterrcall",
    "about NumPy": "get_include show_config show_runtime test",
    "dtypes only": "isdtype issubdtype mintypecode promote_types",
    "memory layout": "isfortran from_dlpack",
    "Python objects": "frompyfunc nested_iters",
    "matrix class": "asmatrix bmat",
    "data-dependent shape": "trim_zeros",
    "known sizes only": "bartlett blackman broadcast_shapes diag_indices hamming hanning mask_indices tril_indices "
    "triu_indices fftfreq rfftfreq",
    "always of Python's kind": "isscalar iterable",
}
"""Why a name has no traced row of its own."""

SAMPLES = {
    "abs": [V], "bitwise_invert": [I], "invert": [I], "bitwise_not": [I], "arccosh": [W + 1], "acosh": [W + 1],
    "ldexp": [V, I[0, 0].item()], "divmod": [V, W], "frexp": [V], "modf": [V], "spacing": [V], "float_power": [W, V],
    "pow": [W, V], "power": [W, V], "array": [[S, S]], "arange": [3], "eye": [3], "identity": [3], "tri": [3],
    "zeros": [3], "ones": [3], "empty": [3], "full": [3, S], "full_like": [V, S], "fromfunction": [np.add, (2, 2)],
    "can_cast": [V, np.dtype("c16")], "common_type": [V], "result_type": [V, V], "min_scalar_type": [V], "shape": [M],
    "ndim": [M], "size": [M], "iscomplex": [Z], "isrealobj": [Z], "asfortranarray": [M], "indices": [(2, 2)],
    "unstack": [M], "array_equiv": [M, M[:1]], "may_share_memory": [M, N],
    "shares_memory": [M, N], "allclose": [M, N], "empty_like": [M], "polyfit": [V, W, 2],
    "roots": [W], "ascontiguousarray": [V], "asanyarray": [V], "asarray": [V], "fromiter": [V, float],
    "einsum_path": ["ij,jk->ik", M, B],
    "bitwise_count": [I], "logical_not": [V], "isneginf": [V], "gcd": [I, I], "lcm": [I, I],
    "linalg.cholesky": [SPD], "linalg.eigh": [SPD], "linalg.eigvalsh": [SPD], "linalg.eig": [Q], "linalg.eigvals": [Q],
    "linalg.svd": [M], "linalg.svdvals": [M], "linalg.qr": [M], "linalg.pinv": [M], "linalg.matrix_rank": [M],
    "linalg.lstsq": [M.T, V[:4]], "linalg.tensorinv": [np.reshape(Q[:2, :2], (2, 1, 2)), 1],
    "linalg.tensorsolve": [Q, V[:3]], "linalg.cond": [Q],
}  # fmt: skip
"""Arguments for functions of which the tables of cases have none, or none that is typical."""


def written(function, *args, **kwargs):
    """A call that writes into a copy of its argument, which it gives."""

    def call(x):
        x = np.copy(x)
        function(x, *args, **kwargs)
        return x

    return call


CALLS = {
    "copyto": written(np.copyto, 2.0, where=M > 0),
    "fill_diagonal": written(np.fill_diagonal, 2.0),
    "piecewise": lambda x: np.piecewise(x, [x < 0], [np.sin, 1.0]),
    "place": written(np.place, M > 0, [1.0, 2.0]),
    "put": written(np.put, [0, 5], [1.0, 2.0]),
    "put_along_axis": written(np.put_along_axis, I[:, :1] % 4, 2.0, 1),
    "putmask": written(np.putmask, M > 0, N),
}
"""Calls of a matrix by functions that write in place or take functions."""
SIZES = {"size", "length", "total_repeat_length"}


def names(module):
    """The functions of a module: its public callables that are not classes."""
    found = []
    for name in sorted(dir(module)):
        value = getattr(module, name)
        if not name.startswith("_") and callable(value) and not isinstance(value, (type, ModuleType)):
            found.append(name)
    return found


def others(module):
    """The public names that are not functions, by what they are."""
    kinds = {"classes and dtypes": [], "modules": [], "constants and objects": []}
    for name in sorted(dir(module)):
        value = getattr(module, name)
        if name.startswith("_") or name in names(module):
            continue
        kind = "modules" if isinstance(value, ModuleType) else "classes and dtypes" if isinstance(value, type) else ""
        kinds[kind or "constants and objects"].append(name)
    return kinds


@cache
def _cases():
    """The first case of each function, by the function's identity."""
    found = {}
    own = {id(traced): function for function, traced in NAMESPACE.items()}
    for case in [*CASES, *FAMILIES]:
        found.setdefault(id(own.get(id(case.function), case.function)), case)
    return found


def _case(where, name, function):
    key = f"{where[6:]}.{name}" if where != "numpy" else name
    target = NAMESPACE.get(function, function)
    if key in CALLS:
        return Case(CALLS[key], M)
    if key in SAMPLES:
        return Case(target, *SAMPLES[key])
    if id(function) in _cases():
        return _cases()[id(function)]
    if isinstance(function, np.ufunc):
        for args in ([W / 2.5, W[::-1] / 2.5], [I, np.abs(I)], [I > 0, I < 0]):
            try:
                with np.errstate(all="raise"):
                    function(*args[: function.nin])
            except (TypeError, FloatingPointError):
                continue
            return Case(function, *args[: function.nin])
    if where == "numpy.fft":
        return Case(function, M if "hfft" not in name or name == "ihfft" else Z)
    return None


def flat(results):
    return [x for r in results for x in flat(r)] if isinstance(results, (tuple, list)) else [results]


def row(where, name):
    """The marks of a function in the page's columns, and a word on what does not work."""
    function = getattr(MODULES[where], name)
    for reason, words in REASONS.items():
        if name in words.split():
            return ("yes", *[""] * 6, reason)
    case = _case(where, name, function)
    known = function in FUNCTIONS or function in UFUNCS or getattr(function, "__name__", "") in UFUNCS
    assert case is not None, f"{where}.{name} has neither a case nor a reason why it is not traced"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        marks, note = _tried(case, function, known or function in NAMESPACE)
    dispatched = known and not _only_here(function)
    if marks[1] == "yes" and not dispatched:
        note = "in `graphad.numpy` only"
    for size in SIZES & set(case.kwargs):
        note = f"by `{size}=` in `graphad.numpy`, or of known values"
    return (*marks, note)


def _only_here(function):
    """Whether NumPy does not dispatch a function on its array arguments."""
    return not isinstance(function, np.ufunc) and not hasattr(function, "_implementation")


def _tried(case, function, known):
    expected = flat(case.expected(*case.arrays))
    if not known:
        return ("yes", *["no"] * 6), ""
    arrays = [np.asarray(x) for x in case.arrays]
    told = []

    def call(*xs):
        results = flat(case.call(*xs))
        told.extend(r for r in results if not isinstance(r, (Tracer, np.ndarray, np.generic, int, float)))
        return [gnp.asarray(r) for r in results] if not told else []

    try:
        graph = graphad.trace(call)(*case.arrays)
    except graphad.errors.MissingRuleError:
        return ("yes", *["no"] * 6), ""
    if told:
        assert set(map(str, told)) <= set(map(str, expected))
        return ("yes", "yes", *["-"] * 5), ""
    for a, b in zip(graph.eval(*arrays), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    floats = differentiable_inputs(graph)
    differentiable = floats and any(t.differentiable for t in graph.output_types)
    derivatives = ["-", "-"]
    if differentiable:
        passes.jvp(graph, floats)
        check_graph_transpose(graph, arrays)
        derivatives = ["yes", "yes"]
    if arrays:
        check_graph_batch(graph, arrays, [[True] * len(arrays)])
    return ("yes", "yes", *derivatives, "yes" if arrays else "-", _runs("llvm", graph, arrays),
            _runs("numba", graph, arrays)), ""  # fmt: skip


def _runs(executor, graph, arrays):
    for a, b in zip(compiled(executors.get(executor), graph)(*arrays), graph.eval(*arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    return "yes"


def line(where, name):
    """The function's row of the page."""
    *marks, note = row(where, name)
    return f"| `{name}` | {' | '.join(marks)} | {note} |"


VERSION = ".".join(np.__version__.split(".")[:2])
HEADER = f"""# NumPy's functions

What works of each function of NumPy {VERSION}. This page is written by
`tests/numpy_coverage.py`, which tries one typical call of each; a test holds it to the truth.

- *eager*: `graphad.numpy` has it; without traced operands it is NumPy's own.
- *traced*: called on traced values it gives NumPy's result, as `numpy.f` unless the last column says otherwise, and as
  `graphad.numpy.f` always.
- *jvp*, *vjp*: forward and reverse mode; `-` where neither operands nor results are floating-point numbers.
- *vmap*: batched. *llvm*, *numba*: compiled by these executors.

An empty field: the function computes nothing on arrays, and the last column says what it is for. Functions with a
*data-dependent shape* work where the values are known while tracing, as in `grad(f)(x)` without `jit`; several take the
shape as `size=` in `graphad.numpy`.
"""


def page():
    """The whole text."""
    parts = [HEADER]
    for where, module in MODULES.items():
        parts.append(f"## {where}\n")
        parts.append(f"| function | {' | '.join(COLUMNS)} | |\n|---|{'---|' * (len(COLUMNS) + 1)}")
        parts.append("\n".join(line(where, name) for name in names(module)) + "\n")
        for kind, found in others(module).items():
            if found:
                parts.append(f"Not functions, {kind}: {', '.join(f'`{n}`' for n in found)}.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE} is written\n")

"""Programs that hand an active number to every public callable of NumPy, SciPy and Python's modules of numbers.

Each callable that runs on a plain float, on arrays or on lists becomes a program of one number: its arguments are made
from the number, and what it gives is summed up. `outcome` says what differentiation makes of the program.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import math
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import graphad
from graphad import GraphadError

POINT, STEP = 0.7313, 1e-5

PYTHON = (
    "math", "cmath", "statistics", "builtins", "operator", "itertools", "functools", "copy", "pickle", "struct",
    "ctypes", "random", "decimal", "fractions", "array", "json",
)  # fmt: skip
LIBRARIES = (
    "numpy", "numpy.linalg", "numpy.fft", "numpy.random", "numpy.polynomial.polynomial", "scipy.special",
    "scipy.linalg", "scipy.fft", "scipy.signal", "scipy.ndimage", "scipy.stats", "scipy.interpolate",
    "scipy.integrate", "scipy.optimize", "scipy.spatial.distance", "scipy.sparse", "scipy.constants",
)  # fmt: skip

OUTSIDE = {
    # These end or stop the process, read or write files and the terminal, or have no value.
    "builtins": "__build_class__ __import__ breakpoint classmethod compile copyright credits delattr dir eval exec "
    "exit globals help input license locals open print property quit staticmethod super vars",
    "numpy": "array2string array_repr array_str base_repr binary_repr bytes empty empty_like errstate "
    "format_float_positional format_float_scientific fromfile fromregex genfromtxt get_include info load loadtxt "
    "memmap printoptions save savetxt savez savez_compressed set_printoptions setbufsize seterr seterrcall "
    "show_config show_runtime str_ test void float16 half",
    "numpy.random": "bytes get_bit_generator get_state set_bit_generator set_state test",
    "ctypes": "CDLL PyDLL cast memmove memset resize string_at wstring_at",
    "copy": "Error",
    "json": "dump dumps load",
    "pickle": "Pickler Unpickler dump load",
    "random": "SystemRandom",
    "scipy.special": "chndtrinc nbdtrik test",  # the first two by a search that small steps do not move
    "scipy.linalg": "test",
    "scipy.signal": "choose_conv_method test",  # it takes times
    "scipy.stats": "multiscale_graphcorr test",  # by a thousand permutations, which small steps change
    # These crash on arguments that are not theirs.
    "scipy.ndimage": "distance_transform_cdt",
    "scipy.interpolate": "insert spalde splantider splder splev splint sproot",
}
"""Callables that no program is made of, by module."""


class Program(NamedTuple):
    """A callable with the arguments that it takes, as functions of the number."""

    name: str
    run: Callable[[Any], Any]


SQUARE = np.array([[2.0, 0.3, 0.1], [0.2, 1.7, 0.4], [0.5, 0.1, 1.9]])
ROW = np.array([0.3, 1.1, 0.7, 2.2, 1.6])
ARGUMENTS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "number": lambda t: (t,),
    "array": lambda t: (t * ROW,),
    "matrix": lambda t: (t * SQUARE,),
    "list": lambda t: ([t, 2 * t, 0.4],),
    "number, number": lambda t: (t, 1.3),
    "number, 2": lambda t: (t, 2),
    "2, number": lambda t: (2, t),
    "array, array": lambda t: (t * ROW, ROW[::-1] + 0.5),
    "array, 2": lambda t: (t * ROW, 2),
    "matrix, array": lambda t: (t * SQUARE, np.array([1.0, 2.0, 0.5])),
    "matrix, matrix": lambda t: (t * SQUARE, SQUARE.T.copy()),
    "list, list": lambda t: ([t, 2 * t, 0.4], [1.0, t, 3.0]),
    "numbers": lambda t: (t, 1.3, 0.8),
    "number of four": lambda t: (t, 0.4, 1.3, 0.8),
    "arrays": lambda t: (t * ROW, ROW + 0.3, ROW[::-1] + 0.5),
    "array, number": lambda t: (t * ROW, 0.4),
    "function, array": lambda t: (_square, t * ROW),
    "function, list": lambda t: (_square, [t, 2 * t]),
    "function of two, list": lambda t: (_product, [t, 2 * t, 3.0]),
    "function, numbers": lambda t: (lambda s: s * t, 0.1, 0.9),
    "function with a root": lambda t: (lambda s: s * s - t, 0.0, 3.0),
    "function, start": lambda t: (lambda s: (s - t) ** 2, 0.5),
    "function, vector": lambda t: (lambda s: np.sum((s - t) ** 2), np.array([0.5, 0.2])),
    "format, number": lambda t: ("d", t),
    "format, list": lambda t: ("d", [t, 2 * t]),
    "knots, array, points": lambda t: (np.array([0.5, 1.5]), np.arange(5.0), t * ROW),
    "knots, array": lambda t: (np.arange(5.0), t * ROW),
}
"""Ways to call, tried in this order until one runs."""


def _square(x: Any) -> Any:
    return x * x


def _product(x: Any, y: Any) -> Any:
    return x * y


def total(x: Any, depth: int = 0) -> Any:
    """A weighted sum of all floating numbers in what a callable gives; None where there are none."""
    if isinstance(x, (str, bytes, bool, np.bool_, type(None), type, types.ModuleType)) or depth > 3:
        return None
    if isinstance(x, np.ndarray) and not x.ndim:
        x = x[()]
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "fc" or not x.size:
            return None
        weights = np.cos(np.arange(1.0, x.size + 1.0)).reshape(x.shape)
        return np.sum(weights * np.real(x)) + (np.sum(weights * np.imag(x)) if x.dtype.kind == "c" else 0.0)
    if isinstance(x, (float, np.floating)):
        return x * 1.0
    if isinstance(x, (complex, np.complexfloating)):
        return x.real + 0.7 * x.imag
    if isinstance(x, (int, np.integer)):
        return None
    if isinstance(x, dict):
        x = list(x.values())
    if not isinstance(x, (tuple, list)):
        if not hasattr(x, "__iter__"):
            return None
        x = list(itertools.islice(iter(x), 8))
    found = [part for part in [total(item, depth + 1) for item in x] if part is not None]
    result = None
    for i, part in enumerate(found):
        result = part * (1.0 + i) if result is None else result + part * (1.0 + i)
    return result


def callables() -> Iterator[tuple[str, Any]]:
    """Every public callable by name."""
    for module in (*PYTHON, *LIBRARIES):
        space = importlib.import_module(module)
        outside = OUTSIDE.get(module, "").split()
        names = getattr(space, "__all__", None) or [n for n in vars(space) if not n.startswith("_")]
        for name in sorted(set(names)):
            x = getattr(space, name, None)
            if not callable(x) or name in outside or (isinstance(x, type) and issubclass(x, (BaseException, type))):
                continue
            yield f"{module}.{name}", x
    for name in sorted(dir(np.ndarray)):
        if not name.startswith("__") and callable(getattr(np.ndarray, name)) and name not in ("tofile", "dump"):
            yield f"numpy.ndarray.{name}", getattr(np.ndarray, name)


def seeded(function: Callable[[Any], Any], t: Any) -> Any:
    """The program run with the random numbers that it always has."""
    import random

    random.seed(1)
    np.random.seed(1)
    return function(t)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed, and nobody is warned."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


class Flagged(Exception):
    """A number was asked for its truth."""


class Number(float):
    """A number that cannot be a flag."""

    def __bool__(self) -> bool:
        raise Flagged


def flag(f: Any, arguments: Any) -> bool:
    """Whether a callable takes the number for a flag of yes and no, by which it has no derivative."""
    try:
        with quiet():
            seeded(lambda t: f(*arguments(t)), Number(POINT))
    except Flagged:
        return True
    except Exception:
        return False
    return False


def programs() -> Iterator[Program]:
    """A program for each callable that takes some of the arguments and gives numbers."""
    for name, f in callables():
        for how, arguments in ARGUMENTS.items():

            def run(t: Any, f: Any = f, arguments: Any = arguments) -> Any:
                return total(f(*arguments(t)))

            try:
                with quiet():
                    value = seeded(run, POINT)
            except BaseException as error:
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                continue
            if value is not None and math.isfinite(value) and not flag(f, arguments):
                yield Program(f"{name}({how})", run)
                break


def difference(run: Callable[[Any], Any]) -> float | None:
    """The derivative by central differences; None where two steps give two answers, as single precision does."""
    slopes = []
    for step in (STEP, 3.7 * STEP):
        with quiet():
            slopes.append((float(seeded(run, POINT + step)) - float(seeded(run, POINT - step))) / (2 * step))
    agree = math.isfinite(slopes[0]) and abs(slopes[0] - slopes[1]) <= 2e-4 * max(1.0, abs(slopes[0]))
    return slopes[0] if agree else None


def outcome(program: Program) -> dict[str, str]:
    """For each way to differentiate or run: "right", "refused: ..." or what else came out."""
    run = program.run
    with quiet():
        value = float(seeded(run, POINT))
    right = difference(run)
    if right is None:
        return {}
    ways = {
        "grad": (lambda: graphad.grad(run)(POINT), right),
        "jit": (lambda: graphad.jit(run, executor="numpy")(POINT), value),
        "jit of grad": (lambda: graphad.jit(graphad.grad(run), executor="numpy")(POINT), right),
    }
    found = {}
    for way, (compute, wanted) in ways.items():
        try:
            with quiet():
                result = float(seeded(lambda _, compute=compute: compute(), None))
        except GraphadError as error:
            found[way] = f"refused: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
        except Exception as error:
            found[way] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        else:
            close = abs(result - wanted) <= 2e-4 * max(1.0, abs(wanted))
            found[way] = "right" if close else f"{result} where {wanted} is right"
    return found

"""Wrong programs: what each raises, what the message says, and the repair. `docs/errors.md` is written from them.

`python tests/test_wrong_programs.py` writes the page anew.
"""

import array
import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

import graphad
from graphad import errors

A = np.arange(6.0).reshape(2, 3)
X = np.array([1.0, 2.0, 3.0])
Q = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])


@dataclass
class Entry:
    """A wrong program, the class and phrases of its error, and the repaired program with its result."""

    section: str
    title: str
    error: type[BaseException]
    phrases: tuple[str, ...]
    wrong: Callable[[], Any]
    repaired: Callable[[], Any] | None = None
    result: Any = None
    place: bool = field(default=True)


ENTRIES: list[Entry] = []


def wrong(section: str, title: str, error: type[BaseException], *phrases: str, place: bool = True) -> Any:
    """The decorated program raises `error` with these phrases and, if `place`, its own file, line and text."""

    def add(program: Callable[[], Any]) -> Callable[[], Any]:
        ENTRIES.append(Entry(section, title, error, phrases, program, place=place))
        return program

    return add


def repaired(result: Any) -> Any:
    """The decorated program is the repair of the one before it and gives `result`."""

    def add(program: Callable[[], Any]) -> Callable[[], Any]:
        ENTRIES[-1].repaired, ENTRIES[-1].result = program, result
        return program

    return add


# -- shapes -------------------------------------------------------------------------------------------------------

SHAPES = "Shapes and axes"


@wrong(SHAPES, "Operands that do not broadcast", errors.ShapeError, "add", "f64[3]", "f64[2]")
def add_unequal():
    def f(x):
        return x + x[:2]

    return graphad.grad(lambda x: f(x).sum())(X)


@repaired([2.0, 2.0, 1.0])
def _():
    def f(x):
        return x[:2] + x[:2]

    return graphad.grad(lambda x: f(x).sum() + x[2])(X)


@wrong(SHAPES, "Matrices that do not fit", errors.ShapeError, "matmul", "[2, 3]")
def matmul_unequal():
    @graphad.jit
    def f(a):
        return a @ a

    return f(A)


@repaired([[5.0, 14.0], [14.0, 50.0]])
def _():
    @graphad.jit
    def f(a):
        return a @ a.T

    return f(A)


@wrong(SHAPES, "Labels of einsum with two extents", errors.ShapeError, "einsum", "2", "3")
def einsum_labels():
    return graphad.jit(lambda a: np.einsum("ij,ij->", a, a.T))(A)


@repaired(55.0)
def _():
    return graphad.jit(lambda a: np.einsum("ij,ij->", a, a))(A)


@wrong(SHAPES, "Arrays that do not concatenate", errors.ShapeError, "concatenate", "f64[2,3]")
def concatenate_unequal():
    return graphad.jit(lambda a: np.concatenate([a, a.T]))(A)


@repaired((4, 3))
def _():
    return graphad.jit(lambda a: np.concatenate([a, a]))(A).shape


@wrong(SHAPES, "Arrays of different shapes stacked", errors.ShapeError, "stack", "[3]", "[2]")
def stack_unequal():
    return graphad.jit(lambda x: np.stack([x, x[:2]]))(X)


@repaired((2, 2))
def _():
    return graphad.jit(lambda x: np.stack([x[:2], x[1:]]))(X).shape


@wrong(SHAPES, "A reshape to another size", errors.ShapeError, "reshape", "f64[2,3]", "6 elements", "[4, 2]")
def reshape_size():
    return graphad.jit(lambda a: a.reshape(4, 2))(A)


@repaired((3, 2))
def _():
    return graphad.jit(lambda a: a.reshape(-1, 2))(A).shape


@wrong(SHAPES, "A reshape that -1 cannot complete", errors.ShapeError, "reshape", "-1")
def reshape_unknown():
    return graphad.jit(lambda a: a.reshape(4, -1))(A)


@repaired((2, 3))
def _():
    return graphad.jit(lambda a: a.reshape(2, -1))(A).shape


@wrong(SHAPES, "An axis that does not exist", errors.ShapeError, "sum", "axis 2", "f64[2,3]")
def axis_outside():
    return graphad.jit(lambda a: np.sum(a, axis=2))(A)


@repaired([3.0, 12.0])
def _():
    return graphad.jit(lambda a: np.sum(a, axis=-1))(A)


@wrong(SHAPES, "An axis given twice", errors.ShapeError, "sum", "axis")
def axis_twice():
    return graphad.jit(lambda a: np.sum(a, axis=(0, 0)))(A)


@repaired(15.0)
def _():
    return graphad.jit(lambda a: np.sum(a, axis=(0, 1)))(A)


@wrong(SHAPES, "A permutation of the wrong axes", errors.ShapeError, "transpose", "permutation")
def transpose_axes():
    return graphad.jit(lambda a: a.transpose(0, 0))(A)


@repaired((3, 2))
def _():
    return graphad.jit(lambda a: a.transpose(1, 0))(A).shape


@wrong(SHAPES, "A broadcast that is none", errors.ShapeError, "broadcast_to", "f64[3]", "[2, 4]")
def broadcast_none():
    return graphad.jit(lambda x: np.broadcast_to(x, (2, 4)))(X)


@repaired((2, 3))
def _():
    return graphad.jit(lambda x: np.broadcast_to(x, (2, 3)))(X).shape


@wrong(SHAPES, "A squeeze of an axis that is longer than 1", errors.ShapeError, "squeeze", "axis 0", "[2, 3]")
def squeeze_long():
    return graphad.jit(lambda a: np.squeeze(a, 0))(A)


@repaired((3,))
def _():
    return graphad.jit(lambda a: np.squeeze(a[:1], 0))(A).shape


@wrong(SHAPES, "A system of equations that does not fit", errors.ShapeError, "solve", "[3, 3]", "[2]")
def solve_unequal():
    return graphad.jit(lambda q, x: np.linalg.solve(q, x[:2]))(Q, X)


@repaired([0.0, 1.0, 1.0])
def _():
    return graphad.jit(lambda q, x: np.linalg.solve(q, x))(Q, np.array([1.0, 4.0, 3.0]))


@wrong(SHAPES, "A decomposition of a matrix that is not square", errors.ShapeError, "cholesky", "square", "[2, 3]")
def cholesky_flat():
    return graphad.jit(lambda a: np.linalg.cholesky(a))(A)


@repaired([[2.449489742783178, 0.0], [5.715476066494082, 4.281744192888377]])
def _():
    return graphad.jit(lambda a: np.linalg.cholesky(a @ a.T + np.eye(2)))(A)


# -- dtypes -------------------------------------------------------------------------------------------------------

DTYPES = "Dtypes"


@wrong(DTYPES, "Bits of floating-point numbers", errors.TypeMismatchError, "bitwise_and", "f64")
def bits_of_floats():
    return graphad.jit(lambda x: x & 1)(X)


@repaired([1, 0, 1])
def _():
    return graphad.jit(lambda x: x.astype(int) & 1)(X)


@wrong(DTYPES, "A shift of floating-point numbers", errors.TypeMismatchError, "left_shift", "f64")
def shift_of_floats():
    return graphad.jit(lambda x: x << 2)(X)


@repaired([4.0, 8.0, 12.0])
def _():
    return graphad.jit(lambda x: x * 2**2)(X)


@wrong(DTYPES, "Rounded division of complex numbers", errors.TypeMismatchError, "floor_divide", "c128", "astype")
def floor_of_complex():
    return graphad.jit(lambda x: (x + 1j) // 2)(X)


@repaired([0.0, 1.0, 1.0])
def _():
    return graphad.jit(lambda x: (x + 1j).real // 2)(X)


@wrong(DTYPES, "The order of complex numbers", errors.TypeMismatchError, "floor", "c128")
def floor_complex():
    return graphad.jit(lambda x: np.floor(x * 1j))(X)


@repaired([1.0, 2.0, 3.0])
def _():
    return graphad.jit(lambda x: np.floor((x * 1j).imag))(X)


@wrong(DTYPES, "A complex number stored among real ones", errors.TypeMismatchError, "c128", "f64")
def complex_into_real():
    @graphad.jit
    def f(x):
        x[0] = 1j * x[1]
        return x

    return f(X)


@repaired([2j, 2.0, 3.0])
def _():
    @graphad.jit
    def f(x):
        x = x.astype(complex)
        x[0] = 1j * x[1]
        return x

    return f(X)


@wrong(DTYPES, "Half precision in linear algebra", errors.TypeMismatchError, "inv", "f16", "cast")
def half_precision():
    return graphad.jit(lambda q: np.linalg.inv(q.astype(np.float16)))(Q)


@repaired(np.float32)
def _():
    return graphad.jit(lambda q: np.linalg.inv(q.astype(np.float32)))(Q).dtype.type


@wrong(DTYPES, "Text as an argument", errors.TypeMismatchError, "str", "static", place=False)
def text_argument():
    @graphad.jit
    def f(x, mode):
        return x.sum() if mode == "sum" else x.max()

    return f(X, "sum")


@repaired(6.0)
def _():
    @functools.partial(graphad.jit, static_argnames="mode")
    def f(x, mode):
        return x.sum() if mode == "sum" else x.max()

    return f(X, mode="sum")


@wrong(DTYPES, "An array of objects", errors.TypeMismatchError, "object", place=False)
def object_array():
    return graphad.grad(lambda x: np.sum(x))(np.array([1.0, None]))


@repaired([1.0, 1.0])
def _():
    return graphad.grad(lambda x: np.sum(x))(np.array([1.0, np.nan]))


# -- derivatives --------------------------------------------------------------------------------------------------

DERIVATIVES = "Derivatives"


@wrong(DERIVATIVES, "The gradient in an integer", errors.TypeMismatchError, "grad", "i64", "float", place=False)
def integer_gradient():
    return graphad.grad(lambda n: n**2)(3)


@repaired(6.0)
def _():
    return graphad.grad(lambda n: n**2)(3.0)


@wrong(DERIVATIVES, "The gradient of a vector", errors.TypeMismatchError, "grad", "f64[3]", "jacrev", place=False)
def gradient_of_vector():
    return graphad.grad(lambda x: np.sin(x))(X)


@repaired(np.diag(np.cos(X)))
def _():
    return graphad.jacrev(lambda x: np.sin(x))(X)


@wrong(DERIVATIVES, "The gradient of several results", errors.GraphadError, "grad", "has_aux", place=False)
def gradient_of_pair():
    return graphad.grad(lambda x: (np.sum(x), x))(X)


@repaired([1.0, 1.0, 1.0])
def _():
    return graphad.grad(lambda x: (np.sum(x), x), has_aux=True)(X)[0]


@wrong(DERIVATIVES, "The gradient of an integer result", errors.TypeMismatchError, "grad", "i64", place=False)
def gradient_of_integer():
    return graphad.grad(lambda x: np.sum(x > 1))(X)


@repaired([0.0, 1.0, 1.0])
def _():
    return graphad.grad(lambda x: np.sum(np.where(x > 1, x, 0.0)))(X)


@wrong(
    DERIVATIVES,
    "The gradient of a complex result",
    errors.TypeMismatchError,
    "grad",
    "c128",
    "holomorphic",
    place=False,
)
def gradient_of_complex():
    return graphad.grad(lambda x: np.exp(1j * x))(0.0)


@repaired(0.0)
def _():
    return graphad.grad(lambda x: np.abs(np.exp(1j * x)))(0.0)


@wrong(DERIVATIVES, "An argument number that does not exist", (errors.GraphadError), "argnums", "2", place=False)
def argnums_outside():
    return graphad.grad(lambda x, y: x * y, argnums=2)(1.0, 2.0)


@repaired(1.0)
def _():
    return graphad.grad(lambda x, y: x * y, argnums=1)(1.0, 2.0)


@wrong(DERIVATIVES, "A tangent of another shape", errors.ShapeError, "jvp", "f64[2]", "f64[3]", place=False)
def tangent_shape():
    return graphad.jvp(np.sin, (X,), (np.ones(2),))


@repaired(np.cos(X))
def _():
    return graphad.jvp(np.sin, (X,), (np.ones(3),))[1]


@wrong(DERIVATIVES, "A cotangent of another shape", errors.ShapeError, "vjp", "f64[3]", place=False)
def cotangent_shape():
    _, pullback = graphad.vjp(np.sin, X)
    return pullback(1.0)


@repaired(np.cos(X))
def _():
    _, pullback = graphad.vjp(np.sin, X)
    return pullback(np.ones(3))[0]


@wrong(
    DERIVATIVES, "The product of a Hessian of a vector", errors.TypeMismatchError, "f64[3]", "not a scalar", place=False
)
def hessian_of_vector():
    return graphad.hvp(lambda x: x**3, (X,), (X,))


@repaired(np.diag(6 * X))
def _():
    return np.diag(graphad.hvp(lambda x: np.sum(x**3), (X,), (np.ones(3),)))


class Triple(graphad.Op):
    """Three times its operand, without a derivative."""

    def infer(self, *xs):
        return xs[0]

    def eval(self, xp, *xs):
        return 3 * xs[0]


class LinearTriple(Triple):
    """Three times its operand: linear, with its transpose."""

    linear = True

    def transpose(self, ct, *xs):
        return self(ct)

    def batch(self, batched, size, *xs):
        return self(*xs)


@wrong(DERIVATIVES, "An op without a derivative", errors.MissingRuleError, "triple", "jvp method", "graphad.custom_jvp")
def no_derivative():
    return graphad.grad(lambda x: Triple()(x))(2.0)


@repaired(3.0)
def _():
    return graphad.grad(lambda x: LinearTriple()(x))(2.0)


@wrong(DERIVATIVES, "An op without a rule for vmap", errors.MissingRuleError, "triple", "batch method")
def no_batching():
    return graphad.vmap(lambda x: Triple()(x))(X)


@repaired([3.0, 6.0, 9.0])
def _():
    return graphad.vmap(lambda x: LinearTriple()(x))(X)


@wrong(DERIVATIVES, "A callback without a derivative", errors.MissingRuleError, "pure_callback", "graphad.custom_jvp")
def callback_derivative():
    def gamma(x):
        return graphad.pure_callback(lambda x: np.asarray(math.gamma(x)), x, x)

    return graphad.grad(gamma)(3.0)


@repaired(2 * (1.5 - np.euler_gamma))
def _():
    from scipy.special import digamma

    @graphad.custom_jvp
    def gamma(x):
        return graphad.pure_callback(lambda x: np.asarray(math.gamma(x)), x, x)

    @gamma.defjvp
    def gamma_jvp(primals, tangents):
        (x,), (t,) = primals, tangents
        y = gamma(x)
        return y, y * digamma(x) * t

    return graphad.grad(gamma)(3.0)


@wrong(DERIVATIVES, "A custom rule that gives another shape", errors.GraphadError, "custom_jvp", "f64[3]")
def custom_shape():
    @graphad.custom_jvp
    def f(x):
        return np.sin(x)

    @f.defjvp
    def rule(primals, tangents):
        return np.sin(primals[0]), np.sum(tangents[0])

    return graphad.jvp(f, (X,), (X,))


@repaired(np.cos(X) * X)
def _():
    @graphad.custom_jvp
    def f(x):
        return np.sin(x)

    @f.defjvp
    def rule(primals, tangents):
        return np.sin(primals[0]), np.cos(primals[0]) * tangents[0]

    return graphad.jvp(f, (X,), (X,))[1]


@wrong(DERIVATIVES, "A custom function whose rule was not given", errors.MissingRuleError, "defjvp", "f")
def custom_without_rule():
    @graphad.custom_jvp
    def f(x):
        return np.sin(x)

    return graphad.grad(f)(0.0)


@repaired(1.0)
def _():
    @graphad.custom_jvp
    def f(x):
        return np.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), np.cos(primals[0]) * tangents[0]))
    return graphad.grad(f)(0.0)


@wrong(DERIVATIVES, "A backward rule with too few cotangents", errors.GraphadError, "custom_vjp", "2")
def custom_cotangents():
    @graphad.custom_vjp
    def f(x, y):
        return x * y

    f.defvjp(lambda x, y: (x * y, (x, y)), lambda saved, ct: (ct * saved[1],))
    return graphad.grad(f)(2.0, 3.0)


@repaired(3.0)
def _():
    @graphad.custom_vjp
    def f(x, y):
        return x * y

    f.defvjp(lambda x, y: (x * y, (x, y)), lambda saved, ct: (ct * saved[1], ct * saved[0]))
    return graphad.grad(f)(2.0, 3.0)


@wrong(DERIVATIVES, "A tangent of an integer", errors.TypeMismatchError, "argument n is i64[]", "pass a float", "close")
def tangent_of_integer():
    return graphad.jvp(lambda x, n: x**n, (2.0, 3), (1.0, 0))


@repaired((8.0, 12.0))
def _():
    return graphad.jvp(lambda x: x**3, (2.0,), (1.0,))


@wrong(DERIVATIVES, "Positions of arguments that are names", errors.TypeMismatchError, "argnums='x'", "integer")
def argnums_of_names():
    return graphad.grad(lambda x, y: x * y, argnums="x")(1.0, 2.0)


@repaired(2.0)
def _():
    return graphad.grad(lambda x, y: x * y, argnums=0)(1.0, 2.0)


# -- traced values in Python --------------------------------------------------------------------------------------

TRACED = "Traced values in Python"
LEAK = SimpleNamespace(value=None)


@wrong(TRACED, "A traced value kept beyond its trace", errors.TracerError, "f64[3]", "trace")
def leaked():
    @graphad.jit
    def f(x):
        LEAK.value = x * 2
        return x

    f(X)
    return LEAK.value + 1


@repaired([3.0, 5.0, 7.0])
def _():
    @graphad.jit
    def f(x):
        return x, x * 2

    _, doubled = f(X)
    return doubled + 1


@wrong(TRACED, "A shape from a list, at a traced place", errors.TracerError, "traced i64[]", "static_argnums")
def traced_size():
    return graphad.jit(lambda n: np.ones([1, 2, 3][n]))(1)


@repaired([1.0, 1.0])
def _():
    return graphad.jit(lambda n: np.ones([1, 2, 3][n]), static_argnums=0)(1)


@wrong(TRACED, "A shape that is traced", errors.TracerError, "static_argnums")
def traced_shape():
    return graphad.jit(lambda n: np.zeros(n) + n)(3)


@repaired([3.0, 3.0, 3.0])
def _():
    return graphad.jit(lambda n: np.zeros(n) + n, static_argnums=0)(3)


@wrong(
    TRACED,
    "NumPy's array of a traced value, in code that cannot be read",
    errors.TracerError,
    "f64[]",
    "numpy.stack",
    place=False,
)
def array_of_tracers():
    space = {"np": np}
    exec("def f(x):\n    return np.array([x, 1.0]).sum()\n", space)
    return graphad.jit(lambda x: 2 * space["f"](x))(1.0)


@repaired(4.0)
def _():
    return graphad.jit(lambda x: 2 * np.stack([x, 1.0]).sum())(1.0)


@wrong(
    TRACED,
    "A Python number of a traced one, in code that cannot be read",
    errors.TracerError,
    "float()",
    "f64[]",
    place=False,
)
def float_of_tracer():
    space = {}
    exec("def f(x):\n    return float(x) + 1\n", space)
    return graphad.jit(lambda x: space["f"](x))(1.0)


@repaired(2.0)
def _():
    return graphad.jit(lambda x: float(x) + 1)(1.0)


@wrong(
    TRACED,
    "The module math, in code that cannot be read",
    errors.TracerError,
    "math.sin",
    "f64[]",
    "NumPy's",
    place=False,
)
def math_of_tracer():
    space = {"math": math}
    exec("def f(x):\n    return math.sin(x)\n", space)
    return graphad.grad(lambda x: space["f"](x))(0.0)


@repaired(1.0)
def _():
    return graphad.grad(lambda x: math.sin(x))(0.0)


@wrong(TRACED, "float of an array", errors.TypeMismatchError, "float()", "f64[3]")
def float_of_array():
    return graphad.jit(lambda x: float(x))(X)


@repaired(6.0)
def _():
    return graphad.jit(lambda x: float(np.sum(x)))(X)


@wrong(TRACED, "A number for a library", errors.TracerError, "f64[]", "lose its derivative", "stop_gradient")
def number_for_a_library():
    return graphad.grad(lambda x: x * array.array("d", [x])[0])(3.0)


@repaired(6.0)
def _():
    return graphad.grad(lambda x: x * np.stack([x])[0])(3.0)


@wrong(TRACED, "A text of a value that is not known", errors.TracerError, "f64[]", "at run time", "debug.callback")
def text_of_unknown_value():
    return graphad.jit(lambda x: x * len(f"{x:.3f}"))(3.0)


@repaired(15.0)
def _():
    def f(x):
        print(f"{x:.3f}")
        return x * 5

    return graphad.jit(f)(3.0)


@wrong(TRACED, "A traced value as a key", errors.TracerError, "unhashable", "a traced i64[]")
def tracer_as_key():
    return graphad.jit(lambda i: {0: 1.0, 1: 2.0}[i])(1)


@repaired(2.0)
def _():
    return graphad.jit(lambda i: np.array([1.0, 2.0])[i])(1)


@wrong(TRACED, "A draw in a loop of the graph from an own generator", errors.ControlFlowError, "normal", "make it")
def random_in_loop():
    @graphad.jit
    def f(n):
        rng = np.random.default_rng(0)
        x = 0.0
        for _ in range(n):
            x = x + rng.normal()
        return x

    return f(3)


@repaired(True)
def _():
    rng = np.random.default_rng(0)

    @graphad.jit
    def f(n):
        x = 0.0
        for _ in range(n):
            x = x + rng.normal()
        return x

    return np.isclose(f(3), np.sum(np.random.default_rng(0).normal(size=3)))


@wrong(TRACED, "An array that changes its length in a branch", errors.TracerError, "resize", "concatenate")
def resized():
    @graphad.jit
    def f(x):
        a = np.zeros(2)
        if x > 1:
            a.resize(3)
        a[1] = x
        return a.sum()

    return f(2.0)


@repaired(2.0)
def _():
    @graphad.jit
    def f(x):
        a = np.concatenate([np.zeros(2), np.zeros(1)])
        a[1] = x
        return a.sum()

    return f(2.0)


@wrong(TRACED, "The dtype of an array of traced values is assigned", errors.TracerError, ".dtype =", "astype")
def dtype_assigned():
    @graphad.jit
    def f(x):
        a = np.zeros(4)
        a[0] = x
        a.dtype = np.int64
        return a[0]

    return f(2.0)


@repaired(2)
def _():
    @graphad.jit
    def f(x):
        a = np.zeros(4)
        a[0] = x
        a = a.astype(np.int64)
        return a[0]

    return f(2.0)


# -- functions that are not traced --------------------------------------------------------------------------------

UNSUPPORTED = "Functions that are not traced"


@wrong(UNSUPPORTED, "The result of what runs later", errors.TracerError, "pformat", "at run time", "outside of jit")
def result_of_a_sink():
    import pprint

    return graphad.jit(lambda x: len(pprint.pformat(x)) * x)(X)


@repaired([1.0, 2.0, 3.0])
def _():
    import logging

    @graphad.jit
    def f(x):
        logging.getLogger("fit").info("x = %s", x)
        return x

    return f(X)


@wrong(
    UNSUPPORTED, "A file that is written at run time and read while tracing", errors.TracerError, "StringIO.seek",
    "writes at run time", "graphad.pure_callback",
)  # fmt: skip
def file_read_back():
    import io

    def f(x):
        file = io.StringIO()
        np.savetxt(file, x)
        file.seek(0)
        return np.loadtxt(file) * x

    return graphad.jit(f)(X)


@repaired([1.0, 4.0, 9.0])
def _():
    import io

    def through_a_file(x):
        file = io.StringIO()
        np.savetxt(file, x)
        file.seek(0)
        return np.loadtxt(file)

    return graphad.jit(lambda x: graphad.pure_callback(through_a_file, x, x) * x)(X)


@wrong(
    UNSUPPORTED,
    "A function of SciPy that graphad does not have",
    errors.TracerError,
    "f64[3,3]",
    "graphad.pure_callback",
)
def scipy_unknown():
    import scipy.linalg

    return graphad.jit(lambda q: scipy.linalg.qz(q, q)[0])(Q)


@repaired((3, 3))
def _():
    import scipy.linalg

    return graphad.jit(lambda q: graphad.pure_callback(lambda a: scipy.linalg.qz(a, a)[0], q, q))(Q).shape


@wrong(
    UNSUPPORTED, "A library that takes no traced value", errors.TracerError, "Decimal", "no traced value", "callback"
)
def foreign_function():
    from decimal import Decimal

    return graphad.grad(lambda x: Decimal(x) * 2)(3.0)


@repaired(2.0)
def _():
    return graphad.grad(lambda x: x * 2)(3.0)


@wrong(UNSUPPORTED, "Methods of one's own ufunc", errors.MissingRuleError, "ufunc", "f64[3]", "graphad.custom_jvp")
def own_ufunc():
    power = np.frompyfunc(lambda x, y: x**y, 2, 1)
    return graphad.grad(lambda x: np.sum(power.outer(x, [1, 2])))(X)


@repaired(1 + 2 * X)
def _():
    power = np.frompyfunc(lambda x, y: x**y, 2, 1)
    return graphad.grad(lambda x: np.sum(power(x[:, None], np.array([1.0, 2.0]))))(X)


# -- indices ------------------------------------------------------------------------------------------------------

INDICES = "Indices and masks"


@wrong(INDICES, "An index outside of the array", errors.IndexOutOfBoundsError, "index 3", "axis 0", "f64[3]")
def index_outside():
    return graphad.jit(lambda x: x[3])(X)


@repaired(3.0)
def _():
    return graphad.jit(lambda x: x[-1])(X)


@wrong(
    INDICES, "A traced index outside of the array", errors.IndexOutOfBoundsError, "out of bounds", "axis 0", "extent 3"
)
def index_outside_at_run_time():
    return graphad.jit(lambda x, i: x[i] * 2)(X, 5)


@repaired(6.0)
def _():
    return graphad.jit(lambda x, i: x[np.minimum(i, 2)] * 2)(X, 5)


@wrong(INDICES, "Too many indices", errors.IndexOutOfBoundsError, "too many indices", "f64[3]", "2")
def too_many_indices():
    return graphad.jit(lambda x: x[0, 0])(X)


@repaired(1.0)
def _():
    return graphad.jit(lambda x: x[0])(X)


@wrong(INDICES, "An index that is no integer", errors.TypeMismatchError, "index must be integers", "1.5")
def float_index():
    return graphad.jit(lambda x: x[1.5])(X)


@repaired(2.0)
def _():
    return graphad.jit(lambda x: x[int(1.5)])(X)


@wrong(INDICES, "Index arrays that do not broadcast", errors.ShapeError, "index arrays", "[2]", "[3]")
def index_arrays():
    return graphad.jit(lambda q: q[[0, 1], [0, 1, 2]])(Q)


@repaired((2, 3))
def _():
    return graphad.jit(lambda q: q[np.ix_([0, 1], [0, 1, 2])])(Q).shape


@wrong(INDICES, "A mask of another shape", errors.IndexOutOfBoundsError, "boolean index", "[2]", "f64[3]")
def mask_shape():
    return graphad.jit(lambda x: x[np.array([True, False])])(X)


@repaired([1.0])
def _():
    return graphad.jit(lambda x: x[np.array([True, False, False])])(X)


@wrong(INDICES, "A result whose shape depends on values", errors.TracerError, "unique", "bool[3]", "size")
def unknown_size():
    return graphad.jit(lambda x: np.unique(x))(X)


@repaired([1.0, 2.0, 3.0])
def _():
    return graphad.jit(lambda x: graphad.numpy.unique(x, size=3))(X)


@wrong(INDICES, "The places where a traced mask holds", errors.TracerError, "nonzero", "bool[3]", "size")
def unknown_places():
    return graphad.jit(lambda x: np.nonzero(x > 1)[0])(X)


@repaired([1, 2])
def _():
    return graphad.jit(lambda x: graphad.numpy.nonzero(x > 1, size=2)[0])(X)


@wrong(INDICES, "Masked elements returned", errors.TracerError, "bool[3]", "numpy.where")
def masked_result():
    return graphad.jit(lambda x: x[x > 1])(X)


@repaired([0.0, 2.0, 3.0])
def _():
    return graphad.jit(lambda x: np.where(x > 1, x, 0.0))(X)


@wrong(INDICES, "A traced value put into an array of NumPy", errors.TracerError, "copyto", "graphad.numpy")
def into_numpy_array():
    out = np.zeros(3)

    @graphad.jit
    def f(x):
        np.copyto(out, x)
        return out

    return f(X)


@repaired([1.0, 2.0, 3.0])
def _():
    @graphad.jit
    def f(x):
        out = np.zeros_like(x)
        np.copyto(out, x)
        return out

    return f(X)



@wrong(INDICES, "A slice of traced extent", errors.TracerError, "numpy.sort", "traced extent", "numpy.where")
def sort_of_a_part():
    return graphad.jit(lambda x, i: np.sort(x[:i])[0])(X, 2)


@repaired(1.0)
def _():
    return graphad.jit(lambda x, i: np.sort(np.where(np.arange(3) < i, x, np.inf))[0])(X, 2)


@wrong(INDICES, "A slice of traced extent and a whole array", errors.ShapeError, "axis of extent 3", "slice it in the")
def part_with_a_whole_array():
    return graphad.jit(lambda x, y, i: x[:i] @ y)(X, X, 2)


@repaired(5.0)
def _():
    return graphad.jit(lambda x, y, i: x[:i] @ y[:i])(X, X, 2)


@wrong(INDICES, "A block that leaves its array", errors.ShapeError, "of 2 elements", "leaves the axis", "pad the array")
def block_outside():
    return graphad.jit(lambda x, i: np.sum(x[i : i + 2]))(X, 2)


@repaired(3.0)
def _():
    return graphad.jit(lambda x, i: np.sum(np.pad(x, (0, 1))[i : i + 2]))(X, 2)


# -- control flow -------------------------------------------------------------------------------------------------

CONTROL = "Control flow"


@wrong(CONTROL, "An iterator in a branch", errors.ControlFlowError, "the iterator `numbers`", "take from it before")
def iterator_in_a_branch():
    @graphad.jit
    def f(x):
        numbers = iter([1.0, 2.0])
        if x > 0:
            x = x + next(numbers)
        return x + next(numbers)

    return f(2.0)


@repaired(5.0)
def _():
    @graphad.jit
    def f(x):
        numbers, i = [1.0, 2.0], 0
        if x > 0:
            x = x + numbers[0]
            i = i + 1
        return x + np.array(numbers)[i]

    return f(2.0)


@wrong(CONTROL, "An iterator of an object in a loop", errors.ControlFlowError, "the iterator `box.numbers`", "indices")
def iterator_in_a_loop():
    class Box:
        def __init__(self):
            self.numbers = itertools.count()

    @graphad.jit
    def f(x):
        box = Box()
        for _ in range(40):
            x = x + next(box.numbers)
        return x

    return f(2.0)


@repaired(782.0)
def _():
    @graphad.jit
    def f(x):
        for i in range(40):
            x = x + i
        return x

    return f(2.0)


@wrong(CONTROL, "An if on an array", errors.ControlFlowError, "if", "bool[3]", "numpy.where")
def if_on_array():
    @graphad.jit
    def f(x):
        if x > 2:
            return x
        return -x

    return f(X)


@repaired([-1.0, -2.0, 3.0])
def _():
    @graphad.jit
    def f(x):
        return np.where(x > 2, x, -x)

    return f(X)


@wrong(CONTROL, "Branches of different types", errors.ControlFlowError, "f64[3]", "0.0 (float)", "same shape")
def branch_types():
    @graphad.jit
    def f(x):
        if x[0] > 0:
            y = x
        else:
            y = 0.0
        return y

    return f(X)


@repaired([1.0, 2.0, 3.0])
def _():
    @graphad.jit
    def f(x):
        if x[0] > 0:
            y = x
        else:
            y = np.zeros_like(x)
        return y

    return f(X)


@wrong(CONTROL, "A recursion that a traced value ends", errors.ControlFlowError, "calls itself", "write a loop")
def endless_recursion():
    def factorial(n):
        return 1.0 if n <= 1 else n * factorial(n - 1)

    return graphad.jit(factorial)(5.0)


@repaired(120.0)
def _():
    def factorial(n):
        found = 1.0
        while n > 1:
            found, n = found * n, n - 1
        return found

    return graphad.jit(factorial)(5.0)


@wrong(TRACED, "A shape set in place that a view sees", errors.TracerError, "f64[4]", "x.reshape(shape)")
def shape_in_place():
    @graphad.jit
    def f(x):
        y = np.ones(4) * x
        z = y[:2]
        y.shape = (2, 2)
        return y[0, 1] + z[0]

    return f(3.0)


@repaired(6.0)
def _():
    @graphad.jit
    def f(x):
        y = np.ones(4) * x
        z = y[:2]
        y = y.reshape(2, 2)
        return y[0, 1] + z[0]

    return f(3.0)


@wrong(CONTROL, "A loop whose variable changes its shape", errors.ControlFlowError, "y", "f64[3]", "f64[6]")
def loop_shape():
    @graphad.jit
    def f(x):
        y = x
        while np.sum(y) < 100:
            y = np.concatenate([y, y])
        return y

    return f(X)


@repaired(192.0)
def _():
    @graphad.jit
    def f(x):
        y = x
        while np.sum(y) < 100:
            y = y + y
        return np.sum(y)

    return f(X)


@wrong(CONTROL, "A list that grows in a loop of the graph", errors.ControlFlowError, "list", "length", "array")
def list_in_loop():
    @graphad.jit
    def f(x, n):
        found = []
        for i in range(n):
            found.append(x * i)
        return found

    return f(1.0, 3)


@repaired([0.0, 1.0, 2.0])
def _():
    @graphad.jit
    def f(x, n):
        found = np.zeros(3)
        for i in range(n):
            found[i] = x * i
        return found

    return f(1.0, 3)


@wrong(CONTROL, "cond with branches of two structures", errors.GraphadError, "cond", "true branch", "(*, *)")
def cond_structures():
    return graphad.jit(lambda x: graphad.cond(x > 0, lambda x: (x, x), lambda x: x, x))(1.0)


@repaired((1.0, 1.0))
def _():
    return graphad.jit(lambda x: graphad.cond(x > 0, lambda x: (x, x), lambda x: (x, 0.0), x))(1.0)


@wrong(CONTROL, "A predicate that is an array", errors.GraphadError, "cond", "bool[3]")
def cond_array():
    return graphad.jit(lambda x: graphad.cond(x > 0, np.sin, np.cos, x))(X)


@repaired(np.sin(X))
def _():
    return graphad.jit(lambda x: graphad.cond(np.all(x > 0), np.sin, np.cos, x))(X)


@wrong(CONTROL, "scan with a carry that changes its type", errors.GraphadError, "scan", "carry", "f64")
def scan_carry():
    return graphad.jit(lambda x: graphad.scan(lambda c, a: (c + a, c), 0, x))(X)


@repaired(6.0)
def _():
    return graphad.jit(lambda x: graphad.scan(lambda c, a: (c + a, c), 0.0, x))(X)[0]


@wrong(CONTROL, "scan over arrays of different lengths", errors.ShapeError, "scan", "3", "2")
def scan_lengths():
    return graphad.jit(lambda x: graphad.scan(lambda c, xs: (c + xs[0] * xs[1], None), 0.0, (x, x[:2])))(X)


@repaired(14.0)
def _():
    return graphad.jit(lambda x: graphad.scan(lambda c, xs: (c + xs[0] * xs[1], None), 0.0, (x, x)))(X)[0]


@wrong(CONTROL, "while_loop with a test that is an array", errors.GraphadError, "while_loop", "bool[3]")
def while_test():
    return graphad.jit(lambda x: graphad.while_loop(lambda c: c > 0, lambda c: c - 1, x))(X)


@repaired([-2.0, -1.0, 0.0])
def _():
    return graphad.jit(lambda x: graphad.while_loop(lambda c: np.any(c > 0), lambda c: c - 1, x))(X)


@wrong(CONTROL, "Branches that give dicts of another order", errors.ControlFlowError, "same order")
def dicts_of_another_order():
    def f(x):
        if x > 0:
            d = {"a": x, "b": 2 * x}
        else:
            d = {"b": x, "a": 3 * x}
        return list(d.values())

    return graphad.jit(f)(1.0)


@repaired([1.0, 2.0])
def _():
    def f(x):
        if x > 0:
            d = {"a": x, "b": 2 * x}
        else:
            d = {"a": 3 * x, "b": x}
        return list(d.values())

    return graphad.jit(f)(1.0)


@wrong(CONTROL, "A loop without a function", errors.TypeMismatchError, "scan", "3.0 (float) is not a function")
def scan_of_number():
    return graphad.scan(3.0, 0.0, X)


@repaired(6.0)
def _():
    return graphad.scan(lambda carry, x: (carry + x, None), 0.0, X)[0]


@wrong(CONTROL, "An array that a body changes", errors.ControlFlowError, "body has changed in place", "x.copy()")
def a_body_changes_its_argument():
    def body(c, t):
        c[0] += t
        return c, None

    def f(x):
        start = x * np.ones(3)
        end, _ = graphad.scan(body, start, np.arange(3.0))
        return end.sum() + start.sum()

    return graphad.grad(f)(1.0)


@repaired(6.0)
def a_body_changes_a_copy():
    def body(c, t):
        c[0] += t
        return c, None

    def f(x):
        start = x * np.ones(3)
        end, _ = graphad.scan(body, start.copy(), np.arange(3.0))
        return end.sum() + start.sum()

    return graphad.grad(f)(1.0)


@wrong(CONTROL, "A view or a copy", errors.ControlFlowError, "how NumPy lays out its operands", "x.copy()")
def an_unknown_layout():
    def f(x):
        product = np.einsum("ij,jk->ki", x * Q, Q)
        flat = product.reshape(-1)
        flat[0] = 1.0
        return product.sum()

    return graphad.grad(f)(1.0)


@repaired(42.0)
def a_known_layout():
    def f(x):
        product = np.einsum("ij,jk->ki", x * Q, Q).copy()
        flat = product.reshape(-1)
        flat[0] = 1.0
        return product.sum()

    return graphad.grad(f)(1.0)


@wrong(CONTROL, "Memory that a library keeps", errors.TracerError, "memory is kept by memoryview", "x.copy()")
def kept_memory():
    def f(x):
        a = np.zeros(3)
        kept = memoryview(a)
        a[0] = x
        return a.sum() + len(kept)

    return graphad.grad(f)(1.0)


@repaired(1.0)
def kept_copy():
    def f(x):
        a = np.zeros(3)
        kept = memoryview(a.copy())
        a[0] = x
        return a.sum() + len(kept)

    return graphad.grad(f)(1.0)


@wrong(CONTROL, "Broadcast elements", errors.TracerError, "whose elements stand in several places", "x.copy()")
def broadcast_elements():
    def f(x):
        row, _ = np.broadcast_arrays(x * np.ones(3), np.zeros((2, 3)))
        row[0, 0] = 2.0
        return row.sum()

    return graphad.grad(f)(1.0)


@repaired(5.0)
def copied_elements():
    def f(x):
        row, _ = np.broadcast_arrays(x * np.ones(3), np.zeros((2, 3)))
        row = row.copy()
        row[0, 0] = 2.0
        return row.sum()

    return graphad.grad(f)(1.0)


# -- batches ------------------------------------------------------------------------------------------------------

BATCHES = "vmap"


@wrong(BATCHES, "Batches of different sizes", errors.ShapeError, "vmap", "3", "2", place=False)
def vmap_sizes():
    return graphad.vmap(lambda x, y: x * y)(X, X[:2])


@repaired([1.0, 4.0, 9.0])
def _():
    return graphad.vmap(lambda x, y: x * y)(X, X)


@wrong(BATCHES, "A batched argument without axes", errors.ShapeError, "vmap", "f64[]", place=False)
def vmap_scalar():
    return graphad.vmap(lambda x, y: x * y)(X, 2.0)


@repaired([2.0, 4.0, 6.0])
def _():
    return graphad.vmap(lambda x, y: x * y, in_axes=(0, None))(X, 2.0)


@wrong(BATCHES, "in_axes of another length than the arguments", errors.GraphadError, "vmap", "in_axes", place=False)
def vmap_in_axes():
    return graphad.vmap(lambda x, y: x * y, in_axes=(0,))(X, X)


@repaired([1.0, 4.0, 9.0])
def _():
    return graphad.vmap(lambda x, y: x * y, in_axes=(0, 0))(X, X)


@wrong(BATCHES, "No batched argument", errors.GraphadError, "vmap", "in_axes", place=False)
def vmap_nothing():
    return graphad.vmap(lambda x: x * 2, in_axes=None)(X)


@repaired([2.0, 4.0, 6.0])
def _():
    return graphad.vmap(lambda x: x * 2, in_axes=0)(X)


# -- trees --------------------------------------------------------------------------------------------------------

TREES = "Arguments and results"


class Model:
    """A class that graphad does not know as a tree."""

    def __init__(self, w):
        self.w = w


@wrong(TREES, "An object that is no tree", errors.TypeMismatchError, "Model", "register", place=False)
def unknown_object():
    return graphad.grad(lambda m: m.w**2)(Model(3.0))


@repaired(6.0)
def _():
    return graphad.grad(lambda m: m["w"] ** 2)({"w": 3.0})["w"]


@wrong(TREES, "A result that is no array", errors.TypeMismatchError, "'done' (str)")
def text_result():
    return graphad.jit(lambda x: (x, "done"))(1.0)


@repaired(1.0)
def _():
    return graphad.jit(lambda x: x)(1.0)


@wrong(TREES, "A static argument that cannot be hashed", errors.TypeMismatchError, "static", "hash", place=False)
def unhashable_static():
    return graphad.jit(lambda x, powers: sum(x**p for p in powers), static_argnums=1)(2.0, [1, 2])


@repaired(6.0)
def _():
    return graphad.jit(lambda x, powers: sum(x**p for p in powers), static_argnums=1)(2.0, (1, 2))


@wrong(
    TREES, "A compiled function called with another type", errors.ShapeError, "f64[3]", "[2]", "compile it", place=False
)
def compiled_type():
    compiled = graphad.jit(lambda x: x * 2).compile(X)
    return compiled(X[:2])


@repaired([2.0, 4.0])
def _():
    return graphad.jit(lambda x: x * 2)(X[:2])


@wrong(TREES, "A graph called with too few arguments", errors.GraphadError, "2", "1", place=False)
def graph_arguments():
    graph = graphad.trace(lambda x, y: x * y)(1.0, 2.0)
    return graphad.executors.get("numpy").compile(graph)(1.0)


@repaired(2.0)
def _():
    graph = graphad.trace(lambda x, y: x * y)(1.0, 2.0)
    return graphad.executors.get("numpy").compile(graph)(np.asarray(1.0), np.asarray(2.0))[0]


@wrong(TREES, "A masked array", errors.TypeMismatchError, "MaskedArray", "mask would be dropped", "x.filled")
def masked_argument():
    x = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    return graphad.jit(np.sum)(x)


@repaired(4.0)
def _():
    x = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    return graphad.jit(np.sum)(x.filled(0.0))


@wrong(TREES, "A matrix whose product is not elementwise", errors.TypeMismatchError, "matrix product", "numpy.asarray")
def matrix_constant():
    m = np.matrix([[0.0, 1.0], [1.0, 0.0]])
    return graphad.grad(lambda x: np.sum(m * x))(np.eye(2))


@repaired(np.ones((2, 2)))
def _():
    m = np.asarray(np.matrix([[0.0, 1.0], [1.0, 0.0]]))
    return graphad.grad(lambda x: np.sum(m @ x))(np.eye(2))


@wrong(TREES, "Text in place of a function", errors.TypeMismatchError, "jit", "'sin' (str) is not a function")
def text_as_function():
    return graphad.jit("sin")


@repaired([1.0])
def _():
    return graphad.jit(np.cos)(np.zeros(1))


# -- run time -----------------------------------------------------------------------------------------------------

RUN = "While a program runs"


@wrong(RUN, "A singular matrix", np.linalg.LinAlgError, "Singular", place=False)
def singular():
    return graphad.jit(lambda q: np.linalg.inv(q))(np.zeros((2, 2)))


@repaired([[0.0, 0.0], [0.0, 0.0]])
def _():
    return graphad.jit(lambda q: np.linalg.pinv(q))(np.zeros((2, 2)))


@wrong(RUN, "A matrix that is not positive definite", np.linalg.LinAlgError, "positive definite", place=False)
def indefinite():
    return graphad.jit(lambda q: np.linalg.cholesky(q))(-Q)


@repaired(2.0)
def _():
    return graphad.jit(lambda q: np.linalg.cholesky(q))(Q)[0, 0]


@wrong(RUN, "A NaN that jit looks for", errors.NonFiniteError, "log", "-1.0")
def nan_found():
    @functools.partial(graphad.jit, debug="nan")
    def f(x):
        return np.log(x - 2.0) + x

    return f(1.0)


@repaired(1.0)
def _():
    @functools.partial(graphad.jit, debug="nan")
    def f(x):
        return np.log(np.maximum(x - 2.0, 1.0)) + x

    return f(1.0)


@wrong(RUN, "A root that is not real", np.linalg.LinAlgError, "sqrtm", "astype(complex)", place=False)
def complex_root():
    return graphad.jit(lambda q: graphad.scipy.linalg.sqrtm(q))(-np.eye(2))


@repaired([[1j, 0.0], [0.0, 1j]])
def _():
    return graphad.jit(lambda q: graphad.scipy.linalg.sqrtm(q.astype(complex)))(-np.eye(2))


# -- passes and executors -----------------------------------------------------------------------------------------

STAGES = "Passes, executors, files"


@wrong(STAGES, "A pass that does not exist", errors.PipelineError, "cze", "cse", place=False)
def unknown_pass():
    return graphad.Pipeline("cze, dce")


@repaired("cse, dce")
def _():
    return str(graphad.Pipeline("cse, dce"))


@wrong(
    STAGES, "An option that a pass does not have", errors.PipelineError, "unroll_loops", "limits", "limit", place=False
)
def unknown_option():
    return graphad.Pipeline("unroll_loops(limits=3)")


@repaired("unroll_loops(limit=3)")
def _():
    return str(graphad.Pipeline("unroll_loops(limit=3)"))


@wrong(STAGES, "An executor that does not exist", errors.ExecutorError, "cuda", "numpy", place=False)
def unknown_executor():
    return graphad.jit(lambda x: x, executor="cuda")(1.0)


@repaired(1.0)
def _():
    return graphad.jit(lambda x: x, executor="numpy")(1.0)


@wrong(STAGES, "Text that is no graph", errors.ParseError, "sine", place=False)
def unknown_op():
    return graphad.parse("graph @f(%x: f64[]) -> (f64[]) {\n  %0: f64[] = sine %x\n  return %0\n}\n")


@repaired("f")
def _():
    return graphad.parse("graph @f(%x: f64[]) -> (f64[]) {\n  %0: f64[] = sin %x\n  return %0\n}\n").name


@wrong(STAGES, "A text with a wrong type", errors.GraphadError, "f64[3]", "f64[]", place=False)
def wrong_type():
    return graphad.parse("graph @f(%x: f64[]) -> (f64[]) {\n  %0: f64[3] = sin %x\n  return %0\n}\n").verify()


@repaired("f")
def _():
    return graphad.parse("graph @f(%x: f64[3]) -> (f64[3]) {\n  %0: f64[3] = sin %x\n  return %0\n}\n").verify().name


@wrong(STAGES, "A file that is damaged", errors.ParseError, "damaged.graph", place=False)
def damaged_file():
    import tempfile
    from pathlib import Path

    from graphad.serial import save

    path = Path(tempfile.mkdtemp()) / "damaged.graph"
    save(graphad.trace(np.sin)(1.0), path)
    path.write_bytes(path.read_bytes()[:60])
    return graphad.load(path)


@repaired("sin")
def _():
    import tempfile
    from pathlib import Path

    from graphad.serial import save

    path = Path(tempfile.mkdtemp()) / "whole.graph"
    save(graphad.trace(np.sin)(1.0), path)
    return graphad.load(path).name


@wrong(STAGES, "A pass that gives no graph", errors.PipelineError, "the pass tidy gave None", "return it", place=False)
def pass_without_result():
    def tidy(graph):
        graphad.passes.dce(graph)

    return graphad.Pipeline([tidy])(graphad.trace(np.sin)(1.0))


@repaired("sin")
def _():
    def tidy(graph):
        return graphad.passes.dce(graph)

    return graphad.Pipeline([tidy])(graphad.trace(np.sin)(1.0)).name


@wrong(STAGES, "A pass that fails", errors.PipelineError, "the pass first failed on @sin", "IndexError", place=False)
def pass_that_fails():
    def first(graph):
        return graph.inputs[1]

    return graphad.compile(graphad.trace(np.sin)(1.0), graphad.Pipeline([first]))


@repaired("dce")
def _():
    return str(graphad.Pipeline([graphad.passes.dce]))


@wrong(STAGES, "An input that a graph does not have", errors.PipelineError, "wrt=5", "1 inputs of @sin")
def missing_input():
    return graphad.passes.grad(graphad.trace(np.sin)(1.0), wrt=5)


@repaired("sin")
def _():
    return graphad.passes.grad(graphad.trace(np.sin)(1.0), wrt=0).name


@wrong(STAGES, "A function in place of a graph", errors.TypeMismatchError, "compile", "is not a graph", "graphad.trace")
def function_as_graph():
    return graphad.compile(np.sin)(1.0)


@repaired([0.0])
def _():
    return graphad.compile(graphad.trace(np.sin)(0.0))(0.0)


@wrong(STAGES, "An executor that gives other results", errors.ExecutorError, "executor half", "1 results", place=False)
def executor_with_one_result():
    class Half:
        name, pipeline = "half", ""

        def supports(self, op):
            return True

        def compile(self, graph):
            return lambda *args: graph.eval(*args)[:1]

    return graphad.jit(lambda x: (x, 2 * x), executor=Half())(1.0)


@repaired((1.0, 2.0))
def _():
    class Whole:
        name, pipeline = "whole", ""

        def supports(self, op):
            return True

        def compile(self, graph):
            return lambda *args: graph.eval(*args)

    return graphad.jit(lambda x: (x, 2 * x), executor=Whole())(1.0)


@wrong(STAGES, "An op whose result is no view", errors.TypeMismatchError, "gave a copy of f64[3]", place=False)
def view_that_is_a_copy():
    class Ordered(graphad.Op, abstract=True):
        name = "ordered"
        view = True

        def infer(self, *xs):
            return xs[0]

        def eval(self, xp, *xs):
            return xp.sort(xs[0])

    return graphad.jit(lambda x: 2 * Ordered()(x + 1), executor="llvm")(X)


@repaired([4.0, 6.0, 8.0])
def _():
    class Ordered(graphad.Op, abstract=True):
        name = "ordered"

        def infer(self, *xs):
            return xs[0]

        def eval(self, xp, *xs):
            return xp.sort(xs[0])

    return graphad.jit(lambda x: 2 * Ordered()(x + 1), executor="llvm")(X)


@wrong(STAGES, "A rule for an op that there is not", errors.MissingRuleError, "no op is named 'sine'", place=False)
def rule_for_no_op():
    from graphad.passes.cleanup.simplify import rewrite

    return rewrite("sine")(lambda node, x: None)


@repaired([0.5, 1.0, 1.5])
def _():
    from graphad.passes.cleanup.simplify import RULES, rewrite

    rule = rewrite("sinc")(lambda node, x: None)
    RULES["sinc"].remove(rule)
    return graphad.jit(lambda x: x / 2)(X)


@wrong(STAGES, "An op that gives another type than it says", errors.ShapeError, "halving", "eval gave", place=False)
def rule_of_another_shape():
    class Halving(graphad.Op, abstract=True):
        name = "halving"

        def infer(self, *xs):
            return xs[0]

        def eval(self, xp, *xs):
            return xs[0][::2]

    return graphad.jit(Halving())(X)


@repaired([0.5, 1.0, 1.5])
def _():
    class Halving(graphad.Op, abstract=True):
        name = "halving"

        def infer(self, *xs):
            return xs[0]

        def eval(self, xp, *xs):
            return xs[0] / 2

    return graphad.jit(Halving())(X)

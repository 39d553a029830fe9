"""The way from Python into a compiled program: a function of CPython's and NumPy's C interfaces, as LLVM IR.

It checks every argument's type, dtype, shape and layout, makes the results, and calls `run`. Arguments that are not
exactly what the program was compiled for go to a fallback in Python. The layouts of `PyArrayObject` and `PyFloatObject`
and the numbers of NumPy's functions are those of their stable binary interfaces (NumPy C-API, `PyArrayObject`;
Python/C API, "Common Object Structures").
"""

from __future__ import annotations

from dataclasses import dataclass

from graphad.executors.llvm.text import Code, Module
from graphad.executors.loops.program import Program
from graphad.types import TensorType

FIELDS = (
    "constants", "arena", "fallback", "failed", "single", "float64", "new", "scalar",
)  # fmt: skip
"""What stands first in the context: addresses of the constants, of a free arena (or none), of the Python functions for
other arguments and for errors, whether to answer one bare result, NumPy's scalar type, and two of NumPy's functions.
The types of the inputs, their weakness, the types of the results, their makers and the host calls follow."""
ALIGNMENT = 64
STACK_BYTES = 8192
"""Arenas up to this size stand on the stack."""
_DATA, _NDIM, _DIMENSIONS, _DESCR, _FLAGS, _TYPE, _PAYLOAD = 16, 24, 32, 56, 64, 8, 16
_CONTIGUOUS_ALIGNED = 0x1 | 0x100


@dataclass(frozen=True)
class Layout:
    """Where things stand in the context of a program, in words of 8 bytes."""

    inputs: int
    outputs: int

    def field(self, name: str) -> int:
        return FIELDS.index(name)

    def descr(self, i: int) -> int:
        """The dtype of input `i`."""
        return len(FIELDS) + i

    def weak(self, i: int) -> int:
        """The type of Python number that stands for input `i`, or none."""
        return self.descr(self.inputs) + i

    def result(self, i: int) -> int:
        """The dtype of output `i`."""
        return self.weak(self.inputs) + i

    def maker(self, i: int) -> int:
        """The Python function that makes output `i`, or none."""
        return self.result(self.outputs) + i

    def host(self, i: int) -> int:
        """The address of host call `i`."""
        return self.maker(self.outputs) + i


def entry(program: Program, hosts: int, release: bool) -> str:
    """IR of `call`, for vectorcall-like use: `PyObject *call(PyObject *self, PyObject *const *args, Py_ssize_t n)`.

    `self` is a Python integer, the address of the context. `release` says whether the run lets go of Python's lock.
    """
    return _Entry(program, hosts, release).text()


class _Entry:
    def __init__(self, program: Program, hosts: int, release: bool) -> None:
        self.program = program
        self.hosts = hosts
        self.release = release
        self.layout = Layout(len(program.inputs), len(program.outputs))
        self.module = Module()
        self.code = Code(self.module)

    def text(self) -> str:
        code, program = self.code, self.program
        self.context = code.call("ptr", "PyLong_AsVoidPtr", ("ptr", "%self"))
        self._require(code(f"icmp eq i64 %n, {len(program.inputs)}"))
        data = [self._argument(i, t) for i, t in enumerate(program.input_types)]
        scalars = [t.size == 1 and not t.shape for t in program.output_types]
        places = [code(f"alloca [{t.nbytes} x i8], align 16") if s else "" for t, s in zip(program.output_types, scalars, strict=True)]
        size = 2 + len(program.inputs) + len(program.outputs) + self.hosts
        table = code(f"alloca [{size} x ptr], align 8")
        on_stack = program.arena_bytes <= STACK_BYTES
        stack = code(f"alloca [{program.arena_bytes} x i8], align {ALIGNMENT}") if on_stack else ""
        made = [
            "" if scalar else self._make(i, t)
            for i, (t, scalar) in enumerate(zip(program.output_types, scalars, strict=True))
        ]
        arena, block = (stack, "") if on_stack else self._arena()
        outputs = [p if s else self._data(m) for p, s, m in zip(places, scalars, made, strict=True)]
        hosts = [self._field(self.layout.host(i)) for i in range(self.hosts)]
        for i, x in enumerate([arena, self._field(0), *data, *outputs, *hosts]):
            code.do(f"store ptr {x}, ptr {code(f'getelementptr ptr, ptr {table}, i64 {i}')}, align 8")
        if self.release:
            state = code.call("ptr", "PyEval_SaveThread")
        status = code(f"call i64 @run(ptr {table})")
        if self.release:
            code.call("void", "PyEval_RestoreThread", ("ptr", state))
        if block:
            self._give_back(block)
        self._finish(status, made, places, scalars)
        self._otherwise()
        head = "define ptr @call(ptr %self, ptr %args, i64 %n) nounwind noinline optnone {\nentry:\n"
        constants = "\n".join(
            f"@shape{i} = private constant [{max(t.ndim, 1)} x i64] [{', '.join(f'i64 {n}' for n in t.shape or (1,))}]"
            for i, t in enumerate(program.output_types)
        )
        declared = "\n".join(d for d in self.module.declarations)
        return f"{declared}\n{constants}\n{head}{code.string()}\n}}\n"

    # -- arguments ---------------------------------------------------------------------------------------------

    def _field(self, i: int) -> str:
        return self.code(f"load ptr, ptr {self.code(f'getelementptr ptr, ptr {self.context}, i64 {i}')}, align 8")

    def _load(self, kind: str, base: str, offset: int) -> str:
        return self.code(f"load {kind}, ptr {self.code(f'getelementptr i8, ptr {base}, i64 {offset}')}")

    def _data(self, array: str) -> str:
        return self._load("ptr", array, _DATA)

    def _require(self, condition: str, otherwise: str = "other") -> None:
        label = self.code.name()
        self.code.do(f"br i1 {condition}, label %{label}, label %{otherwise}")
        self.code.begin(label)

    def _argument(self, i: int, kind: TensorType) -> str:
        """The address of an argument's elements, after all checks."""
        code = self.code
        x = code(f"load ptr, ptr {code(f'getelementptr ptr, ptr %args, i64 {i}')}, align 8")
        actual = self._load("ptr", x, _TYPE)
        array_type = self.array_type()
        if kind.shape:
            self._require(code(f"icmp eq ptr {actual}, {array_type}"))
            return self._array(i, x, kind)
        # A number, whose payload stands where an array's address does.
        number, array, joined = code.name(), code.name(), code.name()
        allowed = self._field(self.layout.weak(i))
        code.do(f"br i1 {code(f'icmp eq ptr {actual}, {allowed}')}, label %{number}, label %{array}")
        code.begin(number)
        payload = code(f"getelementptr i8, ptr {x}, i64 {_PAYLOAD}")
        code.do(f"br label %{joined}")
        code.begin(array)
        self._require(code(f"icmp eq ptr {actual}, {array_type}"))
        data = self._array(i, x, kind)
        last = code.block
        code.do(f"br label %{joined}")
        code.begin(joined)
        return code(f"phi ptr [ {payload}, %{number} ], [ {data}, %{last} ]")

    def array_type(self) -> str:
        self.module.declarations["@graphad.array_type = external global i8"] = None
        return "@graphad.array_type"

    def _array(self, i: int, x: str, kind: TensorType) -> str:
        code = self.code
        self._require(code(f"icmp eq i32 {self._load('i32', x, _NDIM)}, {kind.ndim}"))
        self._require(code(f"icmp eq ptr {self._load('ptr', x, _DESCR)}, {self._field(self.layout.descr(i))}"))
        if kind.shape:
            dimensions = self._load("ptr", x, _DIMENSIONS)
            for axis, n in enumerate(kind.shape):
                self._require(code(f"icmp eq i64 {self._load('i64', dimensions, 8 * axis)}, {n}"))
        flags = code(f"and i32 {self._load('i32', x, _FLAGS)}, {_CONTIGUOUS_ALIGNED}")
        self._require(code(f"icmp eq i32 {flags}, {_CONTIGUOUS_ALIGNED}"))
        return self._data(x)

    # -- results -----------------------------------------------------------------------------------------------

    def _make(self, i: int, kind: TensorType) -> str:
        """A new array for a result: from its maker where it has one."""
        code = self.code
        maker = self._field(self.layout.maker(i))
        pooled, fresh, joined = code.name(), code.name(), code.name()
        code.do(f"br i1 {code(f'icmp ne ptr {maker}, null')}, label %{pooled}, label %{fresh}")
        code.begin(pooled)
        a = code.call("ptr", "PyObject_CallNoArgs", ("ptr", maker))
        code.do(f"br label %{joined}")
        code.begin(fresh)
        descr = self._field(self.layout.result(i))
        code.call("void", "Py_IncRef", ("ptr", descr))
        new = self._field(self.layout.field("new"))
        b = code(
            f"call ptr {new}(ptr {self.array_type()}, ptr {descr}, i32 {kind.ndim}, ptr @shape{i}, ptr null, ptr null, "
            "i32 0, ptr null)"
        )
        code.do(f"br label %{joined}")
        code.begin(joined)
        result = code(f"phi ptr [ {a}, %{pooled} ], [ {b}, %{fresh} ]")
        self._require(code(f"icmp ne ptr {result}, null"), "nothing")
        return result

    def _arena(self) -> tuple[str, str]:
        """An aligned arena and the block that holds it: the context's own, or a new one while that is in use."""
        code = self.code
        slot = code(f"getelementptr ptr, ptr {self.context}, i64 {self.layout.field('arena')}")
        own = code(f"atomicrmw xchg ptr {slot}, ptr null seq_cst, align 8")
        before, make, joined = code.block, code.name(), code.name()
        code.do(f"br i1 {code(f'icmp eq ptr {own}, null')}, label %{make}, label %{joined}")
        code.begin(make)
        new = code.call("ptr", "PyMem_RawMalloc", ("i64", str(self.program.arena_bytes + ALIGNMENT)))
        self._require(code(f"icmp ne ptr {new}, null"), "memory")
        made = code.block
        code.do(f"br label %{joined}")
        code.begin(joined)
        block = code(f"phi ptr [ {own}, %{before} ], [ {new}, %{made} ]")
        number = code(f"ptrtoint ptr {block} to i64")
        up = code(f"and i64 {code(f'add i64 {number}, {ALIGNMENT - 1}')}, {-ALIGNMENT}")
        return code(f"inttoptr i64 {up} to ptr"), block

    def _give_back(self, block: str) -> None:
        code = self.code
        slot = code(f"getelementptr ptr, ptr {self.context}, i64 {self.layout.field('arena')}")
        swap = code(f"cmpxchg ptr {slot}, ptr null, ptr {block} seq_cst seq_cst, align 8")
        free, after = code.name(), code.name()
        code.do(f"br i1 {code(f'extractvalue {{ ptr, i1 }} {swap}, 1')}, label %{after}, label %{free}")
        code.begin(free)
        code.call("void", "PyMem_RawFree", ("ptr", block))
        code.do(f"br label %{after}")
        code.begin(after)

    def _finish(self, status: str, made: list[str], places: list[str], scalars: list[bool]) -> None:
        code = self.code
        good, bad = code.name(), code.name()
        code.do(f"br i1 {code(f'icmp eq i64 {status}, 0')}, label %{good}, label %{bad}")
        code.begin(bad)
        for x in made:
            if x:
                code.call("void", "Py_DecRef", ("ptr", x))
        number = code.call("ptr", "PyLong_FromLongLong", ("i64", status))
        failed = self._field(self.layout.field("failed"))
        code.do(f"ret ptr {code.call('ptr', 'PyObject_CallOneArg', ('ptr', failed), ('ptr', number))}")
        code.begin(good)
        results = []
        for i, x in enumerate(made):
            if scalars[i]:
                scalar, descr = self._field(self.layout.field("scalar")), self._field(self.layout.result(i))
                x = code(f"call ptr {scalar}(ptr {places[i]}, ptr {descr}, ptr null)")
            results.append(x)
        if len(results) == 1:
            bare, packed = code.name(), code.name()
            single = self._field(self.layout.field("single"))
            code.do(f"br i1 {code(f'icmp ne ptr {single}, null')}, label %{bare}, label %{packed}")
            code.begin(bare)
            code.do(f"ret ptr {results[0]}")
            code.begin(packed)
        answer = code.call("ptr", "PyTuple_New", ("i64", str(len(results))))
        for i, x in enumerate(results):
            code.call("i32", "PyTuple_SetItem", ("ptr", answer), ("i64", str(i)), ("ptr", x))
        code.do(f"ret ptr {answer}")

    def _otherwise(self) -> None:
        code = self.code
        code.begin("other")
        fallback = self._field(self.layout.field("fallback"))
        answer = code.call(
            "ptr", "PyObject_Vectorcall", ("ptr", fallback), ("ptr", "%args"), ("i64", "%n"), ("ptr", "null")
        )
        code.do(f"ret ptr {answer}")
        code.begin("memory")
        code.call("ptr", "PyErr_NoMemory")
        code.do("ret ptr null")
        code.begin("nothing")
        code.do("ret ptr null")

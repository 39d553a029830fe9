"""Graphs in files: versioned JSON, with the larger constants in an `.npz` file beside it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from graphad.build import check_graph
from graphad.errors import ParseError, TypeMismatchError
from graphad.graph import Constant, Graph, Node, Value
from graphad.literals import OpaqueAttributeError, infer, make_op, plain
from graphad.location import ROLES, SOURCES, Location, describe_location
from graphad.types import Array, TensorType, dtype_spelling, parse_dtype, parse_type

FORMAT = "graphad.graph"
VERSION = 1
INLINE_SIZE = 32
"""Constants of at most so many elements stand in the JSON file itself."""
_MAX_DEPTH = 60


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph to `path`, and its larger constants to `path` + `.npz`.

    Each file is replaced as a whole or not at all. Raises `TypeMismatchError` for an op that carries a Python object,
    and for what is no graph.
    """
    check_graph("save", graph)
    writer = _Writer()
    document = {"format": FORMAT, "version": VERSION, "graph": writer.graph(graph), "constants": writer.constants}
    path = os.fspath(path)
    if writer.arrays:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **writer.arrays)
        write_file(f"{path}.npz", buffer.getvalue())
    write_file(path, json.dumps(document, allow_nan=False, indent=1).encode())


def load(path: str | os.PathLike[str], sources: Iterable[str | os.PathLike[str]] = ()) -> Graph:
    """Read a graph that `save` wrote. Nothing in the file is executed, and all types are inferred anew.

    Drawings and messages show the user's lines of those files that this process has traced functions from, or that are
    named as `sources`; the graph's file cannot make them read any other. Raises `ParseError` naming the file and the
    key for a file that is malformed, truncated or of another version, `OSError` if it cannot be read.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        data = file.read()
    graph = _Reader(path).document(data)
    for name in [str(os.fspath(source)) for source in sources]:
        SOURCES.update((name, os.path.abspath(name)))
    return graph


def write_file(
    path: str | os.PathLike[str], content: bytes, mode: int | None = None, durable: bool = True
) -> None:
    """Write a file in one step, so that no reader ever sees a part of it and a failure leaves the old one.

    `mode` is its permission bits (default: what the process gives to new files). Unless `durable`, a crash of the whole
    machine may leave a damaged file."""
    folder, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if mode is None:
            umask = os.umask(0)
            os.umask(umask)
            mode = 0o666 & ~umask
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _checksum(array: Array) -> str:
    return hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()


class _Writer:
    def __init__(self) -> None:
        self.constants: list[dict[str, Any]] = []
        self.arrays: dict[str, Array] = {}
        self.numbers: dict[Constant, int] = {}

    def graph(self, graph: Graph) -> dict[str, Any]:
        number: dict[Value, int] = {}
        values: list[list[Any]] = []

        def define(v: Value) -> int:
            number[v] = len(values)
            values.append([str(v.type), v.name])
            return number[v]

        def read(v: Value) -> Any:
            return {"constant": self.constant(v)} if isinstance(v, Constant) else number[v]

        inputs = [define(v) for v in graph.inputs]
        nodes = []
        for node in graph.nodes:
            entry: dict[str, Any] = {"op": node.op.name}
            if node.op._fields:
                entry["attributes"] = {k: self.attribute(node, k, v) for k, v in node.op.attributes.items()}
            entry["inputs"] = [read(v) for v in node.inputs]
            entry["outputs"] = [define(v) for v in node.outputs]
            if node.where is not None:
                w = node.where
                entry["where"] = [w.file, w.line, w.function, w.target, w.role]
            nodes.append(entry)
        outputs = [read(v) for v in graph.outputs]
        return {"name": graph.name, "values": values, "inputs": inputs, "nodes": nodes, "outputs": outputs}

    def attribute(self, node: Node, key: str, value: Any) -> Any:
        if isinstance(value, Graph):
            return {"graph": self.graph(value)}
        if isinstance(value, tuple):
            return [self.attribute(node, key, v) for v in value]
        try:
            value = plain(value)
        except OpaqueAttributeError as error:
            place = describe_location(node.where)
            raise TypeMismatchError(
                f"save: {node.op.name} carries a Python object ({key}: {error}), which a file cannot hold{place}"
            ) from None
        if isinstance(value, np.dtype):
            return {"dtype": dtype_spelling(value)}
        if isinstance(value, TensorType):
            return {"type": str(value)}
        if isinstance(value, complex):
            return {"complex": [repr(value.real), repr(value.imag)]}
        return {"float": repr(value)} if isinstance(value, float) else value

    def constant(self, c: Constant) -> int:
        if c not in self.numbers:
            self.numbers[c] = len(self.constants)
            entry: dict[str, Any] = {"type": str(c.type)}
            if c.type.size > INLINE_SIZE:
                entry["npz"] = f"c{len(self.arrays)}"
                entry["blake2b"] = _checksum(c.array)
                self.arrays[entry["npz"]] = c.array
            elif c.type.dtype.kind in "biu" or (c.type.dtype.kind == "f" and np.isfinite(c.array).all()):
                entry["values"] = c.array.reshape(-1).tolist()
            else:
                entry["hex"] = c.array.astype(c.array.dtype.newbyteorder("<")).tobytes().hex()
            self.constants.append(entry)
        return self.numbers[c]


class _Reader:
    def __init__(self, path: str) -> None:
        self.path = path
        self.constants: list[Constant] = []
        self.depth = 0

    def fail(self, key: str, message: str) -> NoReturn:
        raise ParseError(f"{self.path}: {key}: {message}" if key else f"{self.path}: {message}")

    def get(self, item: Any, name: str, kind: Any, key: str) -> Any:
        if not isinstance(item, dict):
            self.fail(key, f"must be an object, not {type(item).__name__}")
        where = f"{key}.{name}" if key else name
        if name not in item:
            self.fail(where, "is missing")
        return self.check(item[name], kind, where)

    def check(self, value: Any, kind: Any, key: str) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            expected = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
            self.fail(key, f"must be {expected}, not {type(value).__name__}")
        return value

    def parsed(self, function: Any, text: Any, key: str) -> Any:
        try:
            return function(self.check(text, str, key))
        except ParseError as error:
            raise error if str(error).startswith(self.path) else ParseError(f"{self.path}: {key}: {error}") from None
        except ValueError as error:
            self.fail(key, str(error))

    def document(self, data: bytes) -> Graph:
        def no_constant(name: str) -> NoReturn:
            raise ValueError(f"{name} is not JSON")

        try:
            document = json.loads(data.decode(), parse_constant=no_constant)
        except (ValueError, RecursionError) as error:
            self.fail("", f"is not a graph file: {error}")
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            self.fail("format", f"is not {FORMAT!r}, so this is not a graph file")
        version = document.get("version")
        if type(version) is not int or version != VERSION:
            self.fail("version", f"is {version!r}; this graphad reads version {VERSION}")
        self.read_constants(self.get(document, "constants", list, ""))
        return self.graph(self.get(document, "graph", dict, ""), "graph")

    # -- constants --------------------------------------------------------------------------------------------

    def read_constants(self, entries: list[Any]) -> None:
        archive: zipfile.ZipFile | None = None
        try:
            for i, entry in enumerate(entries):
                key = f"constants[{i}]"
                kind = self.parsed(parse_type, self.get(entry, "type", str, key), f"{key}.type")
                if "npz" in entry and archive is None:
                    archive = self.open_archive()
                self.constants.append(Constant(self.array(entry, kind, key, archive)))
        finally:
            if archive is not None:
                archive.close()

    def open_archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(f"{self.path}.npz")
        except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            # `ValueError` for a name of a member that is no text, `NotImplementedError` for a version of the format.
            raise ParseError(f"{self.path}.npz: cannot be read, but the graph needs its constants: {error}") from None

    def array(self, entry: dict[str, Any], kind: TensorType, key: str, archive: zipfile.ZipFile | None) -> Array:
        if "npz" in entry:
            assert archive is not None
            return self.member(archive, entry, kind, key)
        if "hex" in entry:
            text = self.get(entry, "hex", str, key)
            if len(text) != 2 * kind.nbytes:
                self.fail(f"{key}.hex", f"{kind} takes {kind.nbytes} bytes")
            try:
                return np.frombuffer(bytes.fromhex(text), kind.dtype.newbyteorder("<")).reshape(kind.shape)
            except ValueError as error:
                self.fail(f"{key}.hex", str(error))
        values = self.get(entry, "values", list, key)
        if len(values) != kind.size:
            self.fail(f"{key}.values", f"{kind} has {kind.size} elements, not {len(values)}")
        allowed = {"b": (bool,), "f": (int, float)}.get(kind.dtype.kind, (int,))
        if any(type(x) not in allowed for x in values):
            self.fail(f"{key}.values", f"the elements of {kind} must be {allowed[-1].__name__}")
        try:
            return np.array(values, kind.dtype).reshape(kind.shape)
        except (ValueError, OverflowError) as error:
            self.fail(f"{key}.values", str(error))

    def member(self, archive: zipfile.ZipFile, entry: dict[str, Any], kind: TensorType, key: str) -> Array:
        name = self.get(entry, "npz", str, key)
        try:
            info = archive.getinfo(f"{name}.npy")
            # Only what is stored plainly is read, so that a small file cannot unfold into a large array.
            if info.compress_type != zipfile.ZIP_STORED or not kind.nbytes <= info.file_size <= kind.nbytes + 4096:
                self.fail(f"{key}.npz", f"{name} in {self.path}.npz does not hold {kind}")
            with archive.open(info) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
        except ParseError:
            raise
        except Exception as error:
            # The archive is foreign data; zipfile and NumPy refuse it with many kinds of exceptions.
            self.fail(f"{key}.npz", f"{name} in {self.path}.npz cannot be read: {error}")
        if array.dtype != kind.dtype or array.shape != kind.shape:
            self.fail(f"{key}.npz", f"{name} in {self.path}.npz is not {kind}")
        if _checksum(np.ascontiguousarray(array)) != entry.get("blake2b"):
            self.fail(f"{key}.blake2b", f"{name} in {self.path}.npz is not the array that was saved with this graph")
        return np.asarray(array)

    # -- graphs -----------------------------------------------------------------------------------------------

    def graph(self, item: Any, key: str) -> Graph:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail(key, f"regions are nested deeper than {_MAX_DEPTH}")
        declared = self.get(item, "values", list, key)
        types: dict[str, TensorType] = {}
        values: list[Value] = []
        for i, entry in enumerate(declared):
            place = f"{key}.values[{i}]"
            self.check(entry, list, place)
            if len(entry) != 2 or not isinstance(entry[0], str) or not isinstance(entry[1], (str, type(None))):
                self.fail(place, "must be a type and a name or null")
            if entry[0] not in types:
                types[entry[0]] = self.parsed(parse_type, entry[0], place)
            values.append(Value(types[entry[0]], entry[1]))
        known: set[int] = set()

        def define(number: Any, place: str) -> Value:
            self.check(number, int, place)
            if not 0 <= number < len(values) or number in known:
                self.fail(place, f"value {number} does not exist, or is defined twice")
            known.add(number)
            found: Value = values[number]
            return found

        def read(ref: Any, place: str) -> Value:
            if isinstance(ref, dict):
                number = self.get(ref, "constant", int, place)
                if not 0 <= number < len(self.constants):
                    self.fail(place, f"constant {number} does not exist")
                constant: Value = self.constants[number]
                return constant
            if self.check(ref, int, place) not in known:
                self.fail(place, f"value {ref} is not defined before this")
            found: Value = values[ref]
            return found

        inputs = [define(n, f"{key}.inputs") for n in self.get(item, "inputs", list, key)]
        nodes = []
        for i, entry in enumerate(self.get(item, "nodes", list, key)):
            place = f"{key}.nodes[{i}]"
            name = self.get(entry, "op", str, place)
            attributes = {
                k: self.attribute(v, f"{place}.attributes.{k}", 0)
                for k, v in self.check(entry.get("attributes", {}), dict, f"{place}.attributes").items()
            }
            operands = tuple([read(r, f"{place}.inputs") for r in self.get(entry, "inputs", list, place)])
            try:
                op = make_op(name, attributes)
                inferred = infer(op, [v.type for v in operands])
            except ParseError as error:
                self.fail(place, str(error))
            results = tuple([define(n, f"{place}.outputs") for n in self.get(entry, "outputs", list, place)])
            if inferred != tuple([v.type for v in results]):
                self.fail(place, f"{name} gives {list(inferred)}, not {[v.type for v in results]}")
            nodes.append(Node(op, operands, results, self.where(entry.get("where"), f"{place}.where")))
        outputs = [read(r, f"{key}.outputs") for r in self.get(item, "outputs", list, key)]
        self.depth -= 1
        return Graph(inputs, nodes, outputs, self.get(item, "name", str, key))

    def where(self, item: Any, key: str) -> Location | None:
        if item is None:
            return None
        kinds: tuple[Any, ...] = (str, int, str, (str, type(None)), str)
        shaped = isinstance(item, list) and len(item) == len(kinds)
        if not shaped or not all(isinstance(x, kind) for x, kind in zip(item, kinds, strict=True)):
            self.fail(key, "must be file, line, function, assigned name and role")
        if isinstance(item[1], bool) or item[4] not in ROLES:
            self.fail(key, f"line {item[1]!r} or role {item[4]!r} is none; roles are {', '.join(map(repr, ROLES))}")
        return Location(*item)

    def attribute(self, item: Any, key: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            self.fail(key, f"is nested deeper than {_MAX_DEPTH}")
        if isinstance(item, list):
            return tuple([self.attribute(x, key, depth + 1) for x in item])
        if not isinstance(item, dict):
            if isinstance(item, float):
                self.fail(key, "a float is written as an object with the key 'float'")
            return item
        if len(item) != 1:
            self.fail(key, "must have one key that tells its kind")
        ((kind, value),) = item.items()
        if kind == "graph":
            return self.graph(value, key)
        readers = {"dtype": parse_dtype, "type": parse_type, "float": float}
        if kind in readers:
            return self.parsed(readers[kind], value, key)
        if kind == "complex" and isinstance(value, list) and len(value) == 2:
            return complex(*[self.parsed(float, part, key) for part in value])
        self.fail(key, f"{kind!r} is not a kind of attribute")

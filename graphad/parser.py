"""Reads the text form of graphs. Types are inferred anew, so what parses is a correct graph."""

from __future__ import annotations

import ast
import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np

from graphad.errors import ParseError
from graphad.graph import Constant, Graph, Node, Value
from graphad.literals import infer, make_op
from graphad.location import ROLES, Location
from graphad.op import Op
from graphad.types import BOOL, COMPLEX128, FLOAT64, INT64, DType, TensorType, parse_dtype, parse_type

_FLOAT = r"(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|(?:inf|nan)(?=j|\b))"
_TOKEN = re.compile(
    rf"""[ \t\r\n]*(?:
      (?P<value>%(?:\d+|[^\W\d]\w*(?:\.\w+)*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    | (?P<type>(?:bool|[iufc]\d+)\[[\d,?]*\])
    | (?P<complex>\(-?{_FLOAT}[+-]{_FLOAT}j\))
    | (?P<float>-?{_FLOAT})
    | (?P<int>-?\d+)
    | (?P<name>[^\W\d]\w*(?:\.\w+)*)
    | (?P<global>@(?:[^\W\d]\w*(?:\.\w+)*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<comment>//[^\n]*)
    | (?P<opaque><[^<>\n]*>)
    | (?P<mark>->|[][(){{}}=,:])
    | (?P<end>\Z)
    | (?P<bad>.)
    )""",
    re.VERBOSE,
)
_COMPLEX = re.compile(rf"\((-?{_FLOAT})([+-]{_FLOAT})j\)")
_ROLE = "|".join(filter(None, ROLES))
_PLACE = re.compile(rf"//\s*(?:(?P<file>\S.*):(?P<line>\d{{1,9}})(?:\s+(?P<role>{_ROLE}))?|(?P<only>{_ROLE}))\s*")
_SCALARS: dict[str, DType] = {"int": INT64, "float": FLOAT64, "complex": COMPLEX128, "name": BOOL}
_WORDS = {"True": True, "False": False, "None": None}
_MAX_DEPTH = 60
T = TypeVar("T")


def parse_graph(text: str) -> Graph:
    """Read a graph from its text form.

    Nothing in the text is executed. Raises `ParseError` with line and column for whatever is wrong: syntax, an
    unknown op or attribute, an undefined value, a type other than the one inferred.
    """
    if not isinstance(text, str):
        raise ParseError(f"a graph's text must be a str, not {type(text).__name__}")
    return _Parser(text).run()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.starts: list[int] = []
        self.comments: dict[int, str] = {}
        self.at = 0
        self.depth = 0
        self.constants: dict[str, Constant] = {}
        self.ops: dict[str, Op] = {}
        self.types: dict[str, TensorType] = {}
        self.inferred: dict[Any, tuple[TensorType, ...]] = {}
        self.places: dict[str, Location | None] = {}
        self.tokenise()

    # -- tokens -----------------------------------------------------------------------------------------------

    def tokenise(self) -> None:
        text, kinds, texts, starts = self.text, self.kinds, self.texts, self.starts
        end = 0
        for match in _TOKEN.finditer(text):
            kind = str(match.lastgroup)
            start = match.start(kind)
            if kind == "comment":
                if kinds and text.find("\n", end, start) < 0:
                    self.comments[len(kinds) - 1] = match[kind]
                continue
            kinds.append(kind)
            texts.append(match[kind])
            starts.append(start)
            end = match.end()
            if kind == "bad":
                self.fail(f"{match[kind]!r} is not expected", len(kinds) - 1)
            if kind == "end":
                break

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        start = self.starts[min(self.at if at is None else at, len(self.starts) - 1)]
        line = self.text.count("\n", 0, start) + 1
        column = start - self.text.rfind("\n", 0, start)
        raise ParseError(f"line {line}, column {column}: {message}")

    def take(self, text: str) -> None:
        if self.texts[self.at] != text or self.kinds[self.at] == "string":
            self.fail(f"expected {text!r}, found {self.texts[self.at] or 'the end of the text'!r}")
        self.at += 1

    def accept(self, text: str) -> bool:
        found = self.texts[self.at] == text and self.kinds[self.at] in ("mark", "name")
        self.at += found
        return found

    def token(self, kind: str, what: str) -> str:
        if self.kinds[self.at] != kind:
            self.fail(f"expected {what}, found {self.texts[self.at] or 'the end of the text'!r}")
        self.at += 1
        return self.texts[self.at - 1]

    # -- the parts of a graph ---------------------------------------------------------------------------------

    def run(self) -> Graph:
        trailer = self.find_constants()
        graph = self.graph()
        if self.at != trailer:
            self.fail(f"expected the end of the text, found {self.texts[self.at]!r}")
        return graph

    def find_constants(self) -> int:
        depth = 0
        for i, (kind, text) in enumerate(zip(self.kinds, self.texts, strict=True)):
            if kind == "mark":
                depth += (text == "{") - (text == "}")
            elif text == "constants" and kind == "name" and not depth:
                self.at = i + 1
                self.read_constants()
                self.at = 0
                return i
        return len(self.kinds) - 1

    def read_constants(self) -> None:
        self.take("{")
        while not self.accept("}"):
            name = self.token("global", "a constant such as @c0")
            self.take(":")
            kind = self.type()
            self.take("=")
            at = self.at
            encoded = self.token("string", "the constant's bytes in base64")[1:-1]
            if len(encoded) != (kind.nbytes + 2) // 3 * 4:
                self.fail(f"{name} is not {kind}: that takes {kind.nbytes} bytes", at)
            try:
                data = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                self.fail(f"{name} is not valid base64", at)
            if len(data) != kind.nbytes:
                self.fail(f"{name} is not {kind}: that takes {kind.nbytes} bytes, not {len(data)}", at)
            if name in self.constants:
                self.fail(f"{name} is defined twice", at)
            if kind.dtype == BOOL and data.strip(b"\0\1"):
                self.fail(f"{name} has a byte that is neither 0 nor 1", at)
            flat = np.frombuffer(data, kind.dtype.newbyteorder("<"))
            try:
                array = flat.reshape(kind.shape)
            except ValueError as error:
                self.fail(f"{name}: {error}", at)
            self.constants[name] = Constant(array)
        if self.kinds[self.at] != "end":
            self.fail(f"expected the end of the text, found {self.texts[self.at]!r}")

    def graph(self) -> Graph:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail(f"regions are nested deeper than {_MAX_DEPTH}")
        self.take("graph")
        name = _unquote(self.token("global", "the graph's name, such as @f")[1:])
        env: dict[str, Value] = {}
        self.take("(")
        inputs: list[Value] = []
        while not self.accept(")"):
            if inputs:
                self.take(",")
            inputs.append(self.define(env)[0])
        self.take("->")
        self.take("(")
        declared: list[TensorType] = []
        while not self.accept(")"):
            if declared:
                self.take(",")
            declared.append(self.type())
        self.take("{")
        nodes: list[Node] = []
        while not self.accept("return"):
            nodes.append(self.node(env))
        at = self.at - 1
        outputs: list[Value] = []
        while not self.accept("}"):
            if outputs:
                self.take(",")
            outputs.append(self.operand(env))
        found = [v.type for v in outputs]
        if found != declared:
            self.fail(f"@{name} returns {found}, but its first line says {declared}", at)
        self.depth -= 1
        return Graph(inputs, nodes, outputs, name)

    def define(self, env: dict[str, Value]) -> tuple[Value, int]:
        at = self.at
        text = self.token("value", "a value such as %x")
        self.take(":")
        value = Value(self.type(), None if text[1].isdecimal() else _unquote(text[1:]))
        if text in env:
            self.fail(f"{text} is defined twice", at)
        env[text] = value
        return value, at

    def type(self) -> TensorType:
        text = self.texts[self.at]
        found = self.types.get(text)
        if found is None:
            self.token("type", "a type such as f64[3]")
            try:
                found = self.types[text] = parse_type(text)
            except ValueError as error:
                self.fail(str(error), self.at - 1)
            return found
        self.at += 1
        return found

    def node(self, env: dict[str, Value]) -> Node:
        defined: dict[str, Value] = {}
        outputs: list[Value] = []
        start = self.at
        if self.kinds[start] == "value":
            while True:
                at = self.at
                value = self.define(defined)[0]
                if self.texts[at] in env:
                    self.fail(f"{self.texts[at]} is defined twice", at)
                outputs.append(value)
                if not self.accept(","):
                    break
            self.take("=")
        at = self.at
        name = self.token("name", "an op's name")
        attributes: dict[str, Any] = {}
        begin = self.starts[at]
        if self.texts[self.at] == "[" and self.starts[self.at] == begin + len(name):
            attributes = self.attributes(name)
        stop = self.at
        inputs = []
        kinds, texts = self.kinds, self.texts
        while True:
            kind, text = kinds[self.at], texts[self.at]
            if kind == "value":
                if kinds[self.at + 1] == "mark" and texts[self.at + 1] in (":", ","):
                    break
                value = env.get(text)  # type: ignore[assignment]
                if value is None:
                    self.fail(f"{text} is not defined before this")
                self.at += 1
                inputs.append(value)
            elif kind in ("float", "int", "complex", "global") or text in ("[", "True", "False"):
                inputs.append(self.operand(env))
            else:
                break
        last = self.at - 1
        if self.accept("{"):
            last = self.at - 1
            while not self.accept("}"):
                field = self.token("name", "a region's name")
                if field in attributes:
                    self.fail(f"{name}: {field} is given twice", self.at - 1)
                self.take("=")
                attributes[field] = self.region()
            op = self.checked(at, make_op, name, attributes)
        else:
            key = self.text[begin : self.starts[stop - 1] + len(self.texts[stop - 1])]
            found = self.ops.get(key)
            if found is None:
                found = self.ops[key] = self.checked(at, make_op, name, attributes)
            op = found
        types = tuple([v.type for v in inputs])
        inferred = self.inferred.get((op, types))
        if inferred is None:
            inferred = self.inferred[op, types] = self.checked(at, infer, op, types)
        if inferred != tuple([v.type for v in outputs]):
            self.fail(f"{name} gives {list(inferred)}, not {[v.type for v in outputs]}", start)
        env.update(defined)
        comment = self.comments.get(last)
        return Node(op, tuple(inputs), tuple(outputs), self.place(comment) if comment else None)

    def checked(self, at: int, function: Callable[..., T], *args: Any) -> T:
        try:
            return function(*args)
        except ParseError as error:
            self.fail(str(error), at)

    def region(self) -> Any:
        if self.accept("("):
            graphs = []
            while not self.accept(")"):
                graphs.append(self.graph())
            return tuple(graphs)
        return self.graph()

    def place(self, comment: str) -> Location | None:
        if comment not in self.places:
            match = _PLACE.fullmatch(comment)
            role = (match["role"] or match["only"] or "") if match else ""
            self.places[comment] = Location(match["file"] or "", int(match["line"] or 0), role=role) if match else None
        return self.places[comment]

    # -- attributes and operands ------------------------------------------------------------------------------

    def attributes(self, op: str) -> dict[str, Any]:
        self.take("[")
        found: dict[str, Any] = {}
        while not self.accept("]"):
            if found:
                self.take(",")
            name = self.token("name", "an attribute's name")
            if name in found:
                self.fail(f"{op}: {name} is given twice", self.at - 1)
            self.take("=")
            if self.kinds[self.at] == "opaque":
                self.fail(
                    f"{op}: {name} is a Python object ({self.texts[self.at][1:-1]}), which text cannot carry; "
                    "trace the function again instead"
                )
            found[name] = self.literal(0)
        return found

    def literal(self, depth: int) -> Any:
        kind, text = self.kinds[self.at], self.texts[self.at]
        if depth > _MAX_DEPTH:
            self.fail(f"tuples are nested deeper than {_MAX_DEPTH}")
        if text == "(" and kind == "mark":
            self.at += 1
            items = []
            while not self.accept(")"):
                items.append(self.literal(depth + 1))
                if not self.accept(","):
                    self.take(")")
                    break
            return tuple(items)
        if kind == "type":
            return self.type()
        self.at += 1
        if kind in ("int", "float", "complex"):
            return self.number(kind, text)
        if kind == "string":
            return self.string(text)
        if kind == "name":
            if text in _WORDS:
                return _WORDS[text]
            try:
                return parse_dtype(text)
            except ParseError:
                pass
        self.fail(f"expected a literal, found {text or 'the end of the text'!r}", self.at - 1)

    def string(self, text: str) -> str:
        try:
            return str(ast.literal_eval(text))
        except (SyntaxError, ValueError) as error:
            self.fail(f"not a string: {error}", self.at - 1)

    def number(self, kind: str, text: str) -> Any:
        try:
            if kind == "complex":
                match = _COMPLEX.fullmatch(text)
                assert match is not None
                return complex(float(match[1]), float(match[2]))
            return int(text) if kind == "int" else float(text)
        except ValueError as error:
            self.fail(str(error), self.at - 1)

    def operand(self, env: dict[str, Value]) -> Value:
        at = self.at
        kind, text = self.kinds[at], self.texts[at]
        self.at += 1
        if kind == "value":
            if text not in env:
                self.fail(f"{text} is not defined before this", at)
            return env[text]
        if kind == "global":
            if text not in self.constants:
                self.fail(f"{text} is not in the constants section", at)
            return self.constants[text]
        if kind in ("int", "float", "complex") or text in ("True", "False"):
            x = _WORDS[text] if kind == "name" else self.number(kind, text)
            dtype = _SCALARS[kind]
            if self.accept(":"):
                dtype = self.checked(self.at, parse_dtype, self.token("name", "a dtype such as f32"))
            return self.constant(x, TensorType(dtype), at)
        if text == "[" and kind == "mark":
            self.at = at
            nested = self.elements(0)
            self.take(":")
            return self.constant(nested, self.type(), at)
        self.fail(f"expected a value or a constant, found {text or 'the end of the text'!r}", at)

    def elements(self, depth: int) -> list[Any]:
        if depth > _MAX_DEPTH:
            self.fail(f"lists are nested deeper than {_MAX_DEPTH}")
        self.take("[")
        items: list[Any] = []
        while not self.accept("]"):
            if items:
                self.take(",")
            kind, text = self.kinds[self.at], self.texts[self.at]
            if text == "[":
                items.append(self.elements(depth + 1))
                continue
            self.at += 1
            if text in ("True", "False"):
                items.append(_WORDS[text])
            elif kind in ("int", "float", "complex"):
                items.append(self.number(kind, text))
            else:
                self.fail(f"expected a number, found {text or 'the end of the text'!r}", self.at - 1)
        return items

    def constant(self, content: Any, kind: TensorType, at: int) -> Constant:
        flat: list[Any] = []
        if not (content == [] and kind.size == 0) and not _flatten(content, kind.shape, flat):
            self.fail(f"this constant does not have the shape of {kind}", at)
        allowed = {"b": bool, "f": float, "c": complex}.get(kind.dtype.kind, int)
        if any(type(x) is not allowed for x in flat):
            self.fail(f"the elements of {kind} are written as {allowed.__name__}", at)
        try:
            with np.errstate(over="ignore"):
                return Constant(np.array(flat, kind.dtype).reshape(kind.shape))
        except (ValueError, OverflowError) as error:
            self.fail(f"{kind}: {error}", at)


def _flatten(content: Any, shape: tuple[int, ...], flat: list[Any]) -> bool:
    if not shape:
        flat.append(content)
        return not isinstance(content, list)
    if not isinstance(content, list) or len(content) != shape[0]:
        return False
    return all([_flatten(x, shape[1:], flat) for x in content])


def _unquote(name: str) -> str:
    return str(ast.literal_eval(name)) if name[:1] in "\"'" else name

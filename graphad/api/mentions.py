"""The names in the code of functions, by which it is found what they can have read besides their arguments."""

from __future__ import annotations

import dis
from types import CodeType
from typing import NamedTuple

from graphad.api.conversion.scope import nested_codes
from graphad.codes import OfCode

EVERY = frozenset({"__dict__", "vars", "asdict", "astuple", "replace", "fields"})
"""Names that give all attributes of an object at once."""
_BY_TEXT = frozenset({"getattr", "hasattr", "attrgetter", "methodcaller"})
"""Functions that read attributes which texts name."""
_TEXTS = frozenset({name for name in dir(str) if not name.startswith("_")} - {"count", "index"})
_FORMATS = frozenset({"FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC"})
_MODULES = frozenset({"modules", "import_module"})


class MentionedNames(NamedTuple):
    """What a function's code names: globals, attributes, modules that it imports, and texts. `missing` are those of
    the globals and attributes for which there is something else to do where they are not there; `by_text` tells whether
    attributes are read by texts that are found elsewhere, `environment` whether the variables of the process are."""

    globals: frozenset[str]
    attributes: frozenset[str]
    modules: frozenset[str]
    texts: frozenset[str]
    missing: frozenset[str]
    by_text: bool
    environment: bool


_names: OfCode[MentionedNames] = OfCode()


def names_of(code: CodeType) -> MentionedNames:
    """What a code object, and those that stand in it, name."""
    found = _names.get(id(code))
    return _names.learn(code, _names_of(code)) if found is None else found


def _names_of(code: CodeType) -> MentionedNames:
    spaces: set[str] = set()
    attributes: set[str] = set()
    modules: set[str] = set()
    operations: set[str] = set()
    codes = nested_codes(code)
    for c in codes:
        for i in dis.get_instructions(c):
            operations.add(i.opname)
            if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                spaces.add(i.argval)
            elif i.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
                attributes.add(i.argval)
            elif i.opname == "IMPORT_NAME":
                modules.add(i.argval)
            elif i.opname == "BINARY_OP" and i.argrepr in ("+", "%"):
                operations.add("joined")
    texts = frozenset([text for c in codes for text in _texts(c.co_consts)])
    parts = {part for text in texts for part in text.split(".")}
    asked = spaces | attributes
    missing: set[str] = set()
    by_text = not asked.isdisjoint(_BY_TEXT)
    if by_text or "MATCH_CLASS" in operations:
        built = not operations.isdisjoint(_FORMATS) or not attributes.isdisjoint(_TEXTS) or "joined" in operations
        if by_text and built and not all([_named(c) for c in codes]):
            attributes.add("__dict__")  # a name that is put together may be any
        attributes |= parts
        missing |= parts
    attributes.discard("replace")  # a method of text, too
    attributes |= spaces & EVERY
    if not asked.isdisjoint({"AttributeError", "NameError"}):
        missing |= spaces | attributes
    if "globals" in spaces:
        spaces |= texts
        missing |= texts
    if not asked.isdisjoint(_MODULES):
        modules |= texts | {"__name__"}
    environment = not asked.isdisjoint({"environ", "getenv"})
    found = [frozenset(x) for x in (spaces, attributes, modules)]
    return MentionedNames(found[0], found[1], found[2], texts, frozenset(missing), by_text, environment)


def _named(code: CodeType) -> bool:
    """Whether each name that an attribute is read by stands in a code object itself."""
    instructions = list(dis.get_instructions(code))
    for k, i in enumerate(instructions):
        if i.opname.startswith("LOAD_") and i.argval in _BY_TEXT:
            call = next((j for j in instructions[k:] if j.opname.startswith("CALL")), i)
            within = [j for j in instructions[k:] if j.offset < call.offset]
            named = any(j.opname == "LOAD_CONST" and isinstance(j.argval, str) for j in within)
            if not named or any(j.opname in ("BINARY_OP", *_FORMATS) for j in within):
                return False
    return True


def _texts(constants: tuple[object, ...]) -> list[str]:
    """The strings among constants, and in tuples of them."""
    found = [x for x in constants if isinstance(x, str)]
    return found + [text for x in constants if isinstance(x, tuple) for text in _texts(x)]

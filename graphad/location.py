"""The user's places in programs: file, line and assigned name, whose code is the user's, and how a message says it."""

from __future__ import annotations

import os
import sys
from functools import cache
from types import CodeType, FrameType
from typing import Any

from graphad.codes import OfCode
from graphad.errors import GraphadError
from graphad.once import once

SOURCES: set[str] = set()
"""The files whose lines are shown: those that this process traced from, and those that a caller named."""
ROLES = ("", "tangent", "cotangent")
"""What a node may be made for: the user's own computation, or a derivative of it."""


class Location:
    """The user's place in a program that a node comes from: file, line, function and assigned name.

    `role` tells what a pass made the node for: "" (the user's own computation), "tangent" or "cotangent".
    Built from a code object and an instruction offset, and resolved when first read, since most never are.
    """

    __slots__ = ("_code", "_fields", "_lasti", "role")

    def __init__(
        self,
        file: str = "",
        line: int = 0,
        function: str = "",
        target: str | None = None,
        role: str = "",
    ) -> None:
        self._fields: tuple[str, int, str, str | None] | None = (file, line, function, target)
        self._code: CodeType | None = None
        self._lasti = 0
        self.role = role

    @classmethod
    def of(cls, code: CodeType, lasti: int) -> Location:
        """The place of an instruction in a code object."""
        self = object.__new__(cls)
        self._fields, self._code, self._lasti, self.role = None, code, lasti, ""
        return self

    def with_role(self, role: str) -> Location:
        """The same place, in another role."""
        if role == self.role:
            return self
        other = object.__new__(Location)
        other._fields, other._code, other._lasti, other.role = self._fields, self._code, self._lasti, role
        return other

    def _resolve(self) -> tuple[str, int, str, str | None]:
        if self._fields is None:
            code = self._code
            assert code is not None
            places, at = _places(code), self._lasti
            # A frame that called a Python function stands at one of the cache entries after its call instruction.
            while at not in places and at > 0:
                at -= 2
            line, target = places.get(at, (0, None))
            self._fields = code.co_filename, line, code.co_name, target
        return self._fields

    def settle(self) -> None:
        """Let go of the program that this is a place in."""
        self._resolve()
        self._code = None

    def same_place(self, other: Location) -> bool:
        """Whether both stand for one instruction of one program."""
        if self._code is not None and other._code is not None:
            return self._code is other._code and self._lasti == other._lasti
        return self is other

    @property
    def file(self) -> str:
        """Full path of the source file."""
        return self._resolve()[0]

    @property
    def line(self) -> int:
        return self._resolve()[1]

    @property
    def function(self) -> str:
        return self._resolve()[2]

    @property
    def target(self) -> str | None:
        """The variable that the user assigned the result to, if the instruction's result went straight to one."""
        return self._resolve()[3]

    @property
    def text(self) -> str:
        """The source line itself, stripped; empty where the source cannot be read, and for a file that this process
        knows from others only, such as one that a loaded graph names."""
        if self._code is None and self.file not in SOURCES:
            return ""
        import linecache

        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        file, line = self._resolve()[:2]
        return f"{os.path.basename(file)}:{line}" if file else ""

    def __repr__(self) -> str:
        return f"Location({str(self)!r}{', ' + self.role if self.role else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Location, (*self._resolve(), self.role)


_PLACES: OfCode[dict[int, tuple[int, str | None]]] = OfCode()
_STORES = ("STORE_FAST", "STORE_NAME", "STORE_DEREF", "STORE_GLOBAL")


def _places(code: CodeType) -> dict[int, tuple[int, str | None]]:
    """Line and assigned name of each instruction, read once for each code object."""
    found = _PLACES.get(id(code))
    if found is None:
        import dis

        lines = {offset: n for start, end, n in code.co_lines() if n for offset in range(start, end, 2)}
        table: dict[int, tuple[int, str | None]] = {}
        before: list[int] = []
        place = None
        for instruction in dis.get_instructions(code):
            offset = instruction.offset
            if instruction.opname.startswith(_STORES):
                # What stands at the same place is one expression: what conversion does with a value comes after it.
                # From Python 3.13 on one instruction may store a name and read or store another.
                name = instruction.argval[0] if isinstance(instruction.argval, tuple) else instruction.argval
                table.update({at: (table[at][0], str(name)) for at in before})
            table[offset] = lines.get(offset, 0), None
            before = [*before, offset] if instruction.positions == place else [offset]
            place = instruction.positions
        found = _PLACES.learn(code, table)
    return found


# -- whose code it is ---------------------------------------------------------------------------------------------


def _package_folder(module: str) -> str:
    return os.path.dirname(os.path.abspath(str(sys.modules[module].__file__))) + os.sep


def _beside(folder: str, *names: str) -> tuple[str, ...]:
    return tuple([os.path.join(os.path.dirname(folder[:-1]), name) + os.sep for name in names])


_OWN = (_package_folder("graphad"), *_beside(_package_folder("graphad"), "passes", "executors"))
_INTERNAL = (*_OWN, _package_folder("numpy"), *_beside(_package_folder("numpy"), "scipy", "opt_einsum"))
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_USER_LIKE = os.path.join(_OWN[0], "interop") + os.sep
_CLASSIFIED: OfCode[bool] = OfCode()
"""Whether code is internal."""
LIKE_USERS = ("colorsys", "statistics")
"""Python's own modules that compute with numbers in Python: their functions and classes are converted as the user's."""


def is_own(code: CodeType) -> bool:
    """Whether code is graphad's."""
    return code.co_filename.startswith((*_OWN, "<graphad"))


def is_internal(code: CodeType) -> bool:
    """Whether code is graphad's, NumPy's, SciPy's or of Python's library."""
    found = _CLASSIFIED.get(id(code))
    return _classified(code) if found is None else found


def _classified(code: CodeType) -> bool:
    file = code.co_filename
    library = file.startswith(_LIBRARY) and "site-packages" not in file
    own = file.startswith(_INTERNAL) and not file.startswith(_USER_LIKE)
    found = _CLASSIFIED.learn(code, library or own or file.startswith(("<__array", "<frozen")))
    if not found:
        SOURCES.add(file)
    return found


@cache
def is_user_file(file: str) -> bool:
    """Whether a code object's file belongs neither to Python, nor to an installed library, nor to graphad; so are taken
    the modules of Python's that are converted too."""
    path = os.path.abspath(file)
    libraries, converted = _installed()
    library = path.startswith((*libraries, *_OWN)) or f"{os.sep}site-packages{os.sep}" in path
    return path in converted or (not library and not file.startswith(("<frozen", "<__array")))


@once
def _installed() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders of Python's and of installed modules, and the files of those that are converted as the user's."""
    import sysconfig

    paths = sysconfig.get_paths()
    converted = [os.path.join(os.path.abspath(paths["stdlib"]), f"{name}.py") for name in LIKE_USERS]
    folders = [os.path.abspath(paths[kind]) + os.sep for kind in ("purelib", "platlib", "stdlib", "platstdlib")]
    return tuple(folders), tuple(converted)


_by_module: dict[str, bool] = {}


def is_user_class(cls: type) -> bool:
    """Whether a class is defined in the user's own code."""
    name = cls.__module__
    if not isinstance(name, str):
        return False  # the class of Cython's functions tells the module of a function
    if name == "builtins":
        return bool(cls.__flags__ & _MADE)
    found = _by_module.get(name)
    if found is None:
        module = sys.modules.get(name)
        found = _by_module[name] = is_user_module(name, module or sys.modules.get(name.partition(".")[0]))
    return found


_MADE = 1 << 9
"""The flag of classes that a program made, as one without a module of its own."""


def is_user_module(name: str, module: Any) -> bool:
    """Whether a module is the user's own; one without a file was made by a program, or is the program itself, which
    something else may have started (`python -m cProfile`, `python -m pytest`)."""
    if name == "__main__":
        return True
    file = getattr(module, "__file__", None)
    package = name.partition(".")[0]
    if file is None and package != name:
        file = getattr(sys.modules.get(package), "__file__", None)
    return package not in sys.stdlib_module_names if file is None else is_user_file(file)


# -- where the program is -----------------------------------------------------------------------------------------


def user_location() -> Location | None:
    """The innermost stack frame that belongs neither to graphad nor to NumPy, SciPy or Python's own library."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if not _CLASSIFIED.get(id(code)) and not is_internal(code):
            return Location.of(code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def user_frame(frame: FrameType | None = None) -> FrameType | None:
    """The frame of the user's function that runs, or ran in a frame or around it."""
    frame = frame or sys._getframe(1)
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def raised_at(error: BaseException) -> Location | None:
    """The innermost of the user's places that an exception came through."""
    found, step = None, error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if not is_internal(code):
            found = Location.of(code, step.tb_lasti)
        step = step.tb_next
    return found


# -- in messages --------------------------------------------------------------------------------------------------

_TEXT = 80
"""Characters of a line of source that a message shows."""


def describe_location(where: Location | None) -> str:
    """` (model.py:12: y = x @ w)`, or nothing."""
    if where is None or not str(where):
        return ""
    text = where.text
    return f" ({where}: {text if len(text) <= _TEXT else text[:_TEXT] + '...'})" if text else f" ({where})"


def place(where: Location | None = None) -> str:
    """The user's line, for messages, unless another place is given."""
    return describe_location(where or user_location())


def placed(message: str, remedy: str) -> str:
    """A message with the user's place, and one more remedy beside what the message advises after its semicolon."""
    what, _, advice = message.partition("; ")
    return f"{what}{place()}; {f'{advice}, or {remedy}' if advice else remedy}"


def noted(error: Exception, where: Location | None) -> None:
    """Tell the user's place with an error of a running op: in the message of graphad's own, else in a note."""
    if isinstance(error, GraphadError):
        locate(error, where)
    elif not getattr(error, "located", False):
        error.located = True  # type: ignore[attr-defined]
        if described := describe_location(where):
            error.add_note(f"raised at {described[2:-1]}")


def locate(error: GraphadError, where: Location | None) -> None:
    """Add the user's place to an error's message, unless it is there or was added before."""
    if not getattr(error, "located", False):
        error.located = True  # type: ignore[attr-defined]
        described = describe_location(where)
        if error.args and described not in error.args[0]:
            error.args = (f"{error.args[0]}{described}", *error.args[1:])


__all__ = [
    "LIKE_USERS", "ROLES", "SOURCES", "Location", "describe_location", "is_internal", "is_own", "is_user_class",
    "is_user_file", "is_user_module", "locate", "noted", "place", "placed", "raised_at",
    "user_frame", "user_location",
]  # fmt: skip

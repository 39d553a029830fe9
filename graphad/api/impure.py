"""Functions that give something else at every call, or read what no guard looks at: clocks, files, queues, input."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from graphad.api.sinks import Functions
from graphad.build import current_builder
from graphad.location import place

impure: Functions = Functions({
    "builtins.input", "csv.reader", "datetime.date.today", "datetime.datetime.now", "datetime.datetime.today",
    "datetime.datetime.utcnow", "fileinput", "getpass", "io.BufferedReader", "io.FileIO", "io.TextIOWrapper", "io.open",
    "linecache.getline", "linecache.getlines", "mmap", "multiprocessing", "numpy.fromfile", "numpy.genfromtxt",
    "numpy.lib._npyio_impl.load", "numpy.lib.npyio.load", "numpy.load", "numpy.loadtxt", "numpy.memmap", "os.access",
    "os.getcwd", "os.getloadavg", "os.getpid", "os.listdir", "os.lstat", "os.path.exists", "os.path.getmtime",
    "os.path.getsize", "os.path.isdir", "os.path.isfile", "os.popen", "os.read", "os.scandir", "os.stat", "os.system",
    "os.times", "os.urandom", "os.walk", "pandas.io", "pathlib.Path.exists", "pathlib.Path.glob", "pathlib.Path.is_dir",
    "pathlib.Path.is_file", "pathlib.Path.iterdir", "pathlib.Path.open", "pathlib.Path.read_bytes",
    "pathlib.Path.read_text", "pathlib.Path.stat", "pathlib.PathBase.exists", "pathlib.PathBase.is_dir",
    "pathlib.PathBase.is_file", "pathlib.PathBase.read_bytes", "platform", "queue", "random.SystemRandom", "resource",
    "scipy.io", "secrets", "select", "shelve", "socket", "sqlite3", "subprocess", "time.clock_gettime", "time.ctime",
    "time.gmtime", "time.localtime", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "time.process_time", "time.process_time_ns", "time.sleep", "time.strftime", "time.thread_time",
    "time.thread_time_ns", "time.time", "time.time_ns", "tracemalloc", "urllib.request", "uuid.uuid1", "uuid.uuid4",
})  # fmt: skip
"""What a jitted function calls once, while it is traced, and not at each call: functions, and names of modules, classes
and functions. A `TraceWarning` tells so, with the line and the remedy. Add your own:

    graphad.impure.add("mypackage.sensors")     # every function of a module and of those in it
    graphad.impure.add(read_voltage)            # one function
"""

_PUBLIC = {
    "_io": "io", "posix": "os", "nt": "os", "genericpath": "os.path", "posixpath": "os.path", "ntpath": "os.path",
    "pathlib._abc": "pathlib", "pathlib._local": "pathlib", "_queue": "queue", "_socket": "socket", "_sqlite3":
    "sqlite3",
}  # fmt: skip
"""Modules that functions are said to be of, and the public ones that have them."""


def _names(function: Any) -> tuple[str, str]:
    """The public name of a function's or a method's module, and the name in it."""
    if type(function) is FunctionType:
        return _PUBLIC.get(function.__module__, function.__module__ or ""), function.__qualname__
    owner, module = getattr(function, "__self__", None), getattr(function, "__module__", None)
    if owner is not None:
        cls = owner if isinstance(owner, type) else type(owner)
        if cls.__module__ == "random":  # the generator says how a method draws
            return "random", f"{cls.__name__}.{function.__name__}"
        module = module if isinstance(module, str) else cls.__module__  # a method of a built-in type
    elif not isinstance(module, str):
        module = "builtins"
    return _PUBLIC.get(module, module), getattr(function, "__qualname__", "")


def is_impure(function: Callable[..., Any]) -> bool:
    """Whether a function stands in `impure`, itself or by the name of its class or module."""
    try:
        return impure.named(*_names(function)) or function in impure
    except TypeError:
        return False


is_library_impure = cache(is_impure)
"""`is_impure` of a function that lives as long as Python runs."""
impure.forget = is_library_impure.cache_clear


def note(function: Callable[..., Any], impure: Callable[[Any], bool] = is_impure) -> None:
    """Note that the running trace calls a function whose result is that of the trace in all runs."""
    builder = current_builder()
    if builder is not None and builder.staged and impure(function):
        builder.asked[f"{'.'.join(_names(function))}{place()}"] = None


__all__ = ["impure", "is_impure", "is_library_impure", "note"]

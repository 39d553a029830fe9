"""The order of the layers: every module imports, at module level, only what stands to its left."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LAYERS = [
    {"errors", "attributes", "registry", "families", "arrays", "types", "codes", "costs", "intervals", "renamed"},
    {"location"},
    {"rules", "moves", "op"},
    {"graph"},
    {"build", "tracebacks"},
    {"refusals"},
    {"trace", "rewriter", "text", "parser", "literals", "tree", "serial"},
    {"ops"},
    {"numpy"},
    {"passes"},
    {"executors"},
    {"api", "debug"},
    {"scipy", "random"},
    {"viz", "testing", "interop", "cli"},
]
RANK = {name: i for i, layer in enumerate(LAYERS) for name in layer}
ROOTS = {"graphad/__init__.py", "graphad/__main__.py"}


def _sources() -> dict[str, Path]:
    """Every module of the three packages by dotted name."""
    found = {}
    for folder, package in (("graphad", "graphad"), ("passes", "graphad.passes"), ("executors", "graphad.executors")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if str(path.relative_to(ROOT)) in ROOTS:
                continue
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *[p for p in parts if p != "__init__"]])] = path
    return found


MODULES = _sources()
TEXTS = {name: path.read_text() for name, path in MODULES.items()}


def _layer(module: str) -> str:
    return module.split(".")[1]


def _imports(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Line and full name of each graphad module imported at module level; not under TYPE_CHECKING."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from ((statement.lineno, alias.name) for alias in statement.names if alias.name.startswith("graphad"))
        elif isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == "graphad":
            for alias in statement.names:
                name = f"{statement.module}.{alias.name}"
                yield statement.lineno, name if statement.module == "graphad" else str(statement.module)
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" not in ast.unparse(statement.test):
            yield from _imports([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from _imports([*statement.body, *statement.orelse, *[s for h in statement.handlers for s in h.body]])
        elif isinstance(statement, ast.ClassDef):
            yield from _imports(statement.body)


IMPORTS = {name: tuple(_imports(ast.parse(text).body)) for name, text in TEXTS.items()}


def test_imports_go_left() -> None:
    for module, imports in IMPORTS.items():
        layer = _layer(module)
        assert layer in RANK, f"{module} is in no layer; add it to the order in this test and in the architecture page"
        for line, imported in imports:
            target = _layer(imported)
            place = f"{MODULES[module].relative_to(ROOT)}:{line}"
            assert target in RANK, f"{place} imports {imported} through the top-level package; import the module itself"
            if target != layer:
                assert RANK[target] <= RANK[layer], f"{place}: {layer} imports {target}, which stands to its right"


def test_no_cycle_within_a_layer() -> None:
    def reach(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done and _is_module(name):
            for _, imported in IMPORTS[name]:
                if imported in MODULES:
                    reach(imported, (*path, name))
            done.add(name)

    done: set[str] = set()
    for module in MODULES:
        reach(module, ())


def _is_module(name: str) -> bool:
    return MODULES[name].name != "__init__.py"


def test_each_pass_is_one_file() -> None:
    import graphad

    homes: dict[str, list[str]] = {}
    for name, function in graphad.passes.PASSES.items():
        if function.__module__.startswith("graphad.passes."):
            homes.setdefault(function.__module__.rpartition(".")[2], []).append(name)
    for file, names in homes.items():
        assert file in names, f"passes/{file}.py defines the passes {names}, none of which has its name"
        assert len(names) <= 2, f"passes/{file}.py defines {names}; a file holds one pass, and at most a variant of it"


def test_import_loads_numpy_and_little_else() -> None:
    heavy = ["numba", "llvmlite", "networkx", "graphviz", "pygraphviz", "scipy", "rich", "opt_einsum", "jax", "dask"]
    code = f"import sys, graphad; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]", f"import graphad loads {done.stdout.strip()}"


def test_files_stay_readable() -> None:
    lines = {str(MODULES[name].relative_to(ROOT)): text.count("\n") for name, text in TEXTS.items()}
    assert {file: n for file, n in lines.items() if n > 450} == {}, "split these files by idea"


def test_old_names_of_modules_import_with_a_warning() -> None:
    from importlib import import_module

    from graphad.renamed import MODULES

    for old, new in MODULES.items():
        sys.modules.pop(old, None)
        with pytest.warns(DeprecationWarning, match=new):
            assert import_module(old) is import_module(new)
        assert old not in MODULES.values()
        assert import_module(new).__name__ == new
        assert import_module(new).__spec__.name == new

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
    {"errors", "arrays", "types", "codes", "costs", "intervals"},
    {"rules", "moves", "op", "places"},
    {"graph"},
    {"build", "tracebacks"},
    {"refusals"},
    {"trace", "text", "parser", "literals", "tree", "serial"},
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


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_left(module: str) -> None:
    layer = _layer(module)
    assert layer in RANK, f"{module} belongs to no layer; add it to the order in this test and in the architecture page"
    for line, imported in _imports(ast.parse(MODULES[module].read_text()).body):
        target = _layer(imported)
        place = f"{MODULES[module].relative_to(ROOT)}:{line}"
        assert target in RANK, f"{place} imports {imported} through the top-level package; import the module itself"
        if target != layer:
            assert RANK[target] <= RANK[layer], f"{place}: {layer} imports {target}, which stands to its right"


@pytest.mark.parametrize("module", MODULES)
def test_no_cycle_within_a_layer(module: str) -> None:
    def reach(name: str, seen: tuple[str, ...]) -> None:
        for _, imported in _imports(ast.parse(MODULES[name].read_text()).body):
            if imported in MODULES and _is_module(imported):
                assert imported not in seen, " -> ".join([*seen, imported])
                if imported not in done:
                    done.add(imported)
                    reach(imported, (*seen, imported))

    done: set[str] = set()
    if _is_module(module):
        reach(module, (module,))


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


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_readable(module: str) -> None:
    lines = MODULES[module].read_text().count("\n")
    assert lines <= 450, f"{MODULES[module].relative_to(ROOT)} has {lines} lines; split it by idea"

"""The order of the layers: every module imports, within functions too, only what stands to its left."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import networkx as nx
import pytest

from graphad.registry import HANDED_IN

ROOT = Path(__file__).resolve().parent.parent

LAYERS = [
    {"once"},
    {"registry", "errors", "attributes", "families", "arrays", "types", "codes", "costs", "intervals", "renamed"},
    {"location"},
    {"rules", "moves", "op", "namespaces"},
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
    {"optimize"},
    {"viz", "testing", "interop", "cli"},
]
RANK = {name: i for i, layer in enumerate(LAYERS) for name in layer}
ROOTS = {"graphad/__init__.py", "graphad/__main__.py"}
OF_USERS = {"graphad.cli", "graphad.interop.fit"}
"""What is written as a user's program is, with the whole package."""
CENTRES = {"graphad.executors.loops.lower", "graphad.viz.show"}
"""Files with a circle around them: the lowering with the rules that it calls and that call it, and what shows drawings
with the drawings that show themselves."""


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


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of each graphad module imported, within functions too; not under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("graphad"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "graphad":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield node.lineno, name if name in MODULES or node.module == "graphad" else str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
            if name.startswith("graphad."):
                yield node.lineno, name
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imports(ast.Module(node.orelse, []))
        else:
            yield from _imports(node)


@cache
def _every_import() -> dict[str, tuple[tuple[int, str], ...]]:
    return {name: tuple(_imports(ast.parse(text))) for name, text in TEXTS.items()}


def test_imports_go_left() -> None:
    for module, imports in _every_import().items():
        layer = _layer(module)
        assert layer in RANK, f"{module} is in no layer; add it to the order in this test and in the architecture page"
        for line, imported in imports:
            place = f"{MODULES[module].relative_to(ROOT)}:{line}"
            if module in OF_USERS and (imported == "graphad" or imported.split(".")[1] not in RANK):
                continue
            assert imported != "graphad", f"{place} imports the top-level package; import the module itself"
            target = _layer(imported)
            assert target in RANK, f"{place} imports {imported} through the top-level package; import the module itself"
            if target != layer:
                assert RANK[target] <= RANK[layer], f"{place}: {layer} imports {target}, which stands to its right"


def test_no_circle_of_files() -> None:
    graph = nx.DiGraph((m, t) for m, imports in _every_import().items() for _, t in imports if t != m and t in MODULES)
    circles = [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]
    assert [c for c in circles if not CENTRES & set(c)] == [], "hand in what the lower one needs (graphad.registry)"


def test_what_is_handed_in_points_right() -> None:
    for name, (module, attribute) in HANDED_IN.items():
        users = [m for m, text in TEXTS.items() if f'LATER["{name}"]' in text]
        assert users or name.startswith("conversion."), f"nothing asks for {name}"
        assert all(RANK[_layer(m)] <= RANK[_layer(module)] for m in users), f"import {module}: it stands to the left"
        assert attribute == "" or hasattr(import_module(module), attribute)


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


def test_the_map_has_every_file_of_passes_and_executors() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    files = {str(path.relative_to(ROOT)) for path in MODULES.values() if path.name != "__init__.py"}
    missing = [file for file in files if not file.startswith("graphad/") and f"{Path(file).name}`" not in text]
    assert missing == [], "say in a line of docs/architecture.md what they do"


def test_files_stay_readable() -> None:
    lines = {str(MODULES[name].relative_to(ROOT)): text.count("\n") for name, text in TEXTS.items()}
    assert {file: n for file, n in lines.items() if n > 450} == {}, "split these files by idea"


def test_old_names_of_modules_import_with_a_warning() -> None:
    from graphad.renamed import MODULES

    for old, new in MODULES.items():
        sys.modules.pop(old, None)
        with pytest.warns(DeprecationWarning, match=new):
            assert import_module(old) is import_module(new)
        assert old not in MODULES.values()
        assert import_module(new).__name__ == new
        assert import_module(new).__spec__.name == new


def test_the_wheel_has_every_package() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {name for name, path in MODULES.items() if path.name == "__init__.py"} | {"graphad"}
    assert sorted(listed) == sorted(found)

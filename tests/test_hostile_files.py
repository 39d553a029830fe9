"""Damaged and hostile files: whatever a graph's file, an archive, a text or a workspace holds is read, or refused."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import GraphadError, ParseError
from graphad.graph import Graph
from graphad.interop.histfactory import load as load_model
from graphad.interop.histfactory.fields import WorkspaceError

WORKSPACE = Path(__file__).resolve().parent.parent / "docs" / "examples" / "2-bin_1-channel.json"
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3.5, -0.0, 1e308, 2**31, 2**63, -(2**63), 10**30, "", "x", "f64[3]", "f64[?,3]",
    "f64[99999999999]", "sin", "scan", "cond", "\0", "\ud800", "../x", "/dev/zero", [], [0], [[]], [None], {},
    ["f64[]", None],
    {"graph": {}}, {"float": "nan"}, {"float": "1e999"}, {"dtype": "f64"}, {"complex": ["1", "x"]}, {"type": "i64[2]"},
    {"constant": 0}, {"constant": -1}, "a" * 10_000, [0] * 1000,
]  # fmt: skip


def programs() -> list[Graph]:
    def loops(x: Any, n: Any) -> Any:
        for i in range(n):
            x = np.where(x > 0, x * 0.9, x + i) + np.arange(40.0)[:3]
        return graphad.cond(x[0] > 1, lambda v: np.sort(v), lambda v: v[::-1], x), x.astype(complex) * (1 - 2j)

    x = np.linspace(-1, 1, 3)
    big = np.arange(200.0)
    return [
        graphad.trace(loops)(x, 4),
        graphad.trace(graphad.grad(lambda x: np.sum(np.linalg.solve(np.eye(3) + np.outer(x, x), x) ** 2)))(x),
        graphad.trace(lambda x: np.concatenate([np.fft.fft(x * big)[2:7].real, big[3:9]]) @ np.ones((11, 2)))(big),
    ]


def places(item: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a document."""
    if at:
        yield at
    if isinstance(item, (dict, list)):
        for key in list(item) if isinstance(item, dict) else range(len(item)):
            yield from places(item[key], (*at, key))


def mutated(document: Any, rng: random.Random) -> Any:
    """The document with a few values exchanged, left out, doubled or replaced by odd ones."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        every = list(places(document))
        *parents, last = rng.choice(every)
        owner = document
        for key in parents:
            owner = owner[key]
        kind = rng.randrange(5)
        if kind == 0:
            owner[last] = copy.deepcopy(rng.choice(ODD))
        elif kind == 1:
            del owner[last]
        elif kind == 2 and isinstance(owner, list):
            owner.insert(last, copy.deepcopy(owner[last]))
        elif kind == 3 and type(owner[last]) is int:
            owner[last] += rng.choice((-2, -1, 1, 2, 10**9))
        else:
            *others, end = rng.choice(every)
            found = document
            try:
                for key in others:
                    found = found[key]
                owner[last] = copy.deepcopy(found[end])
            except (KeyError, IndexError, TypeError):
                owner[last] = None
    return document


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes with some of them changed, cut out or doubled."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        at = rng.randrange(len(changed)) if changed else 0
        kind = rng.randrange(4)
        if kind == 0 and changed:
            changed[at] = rng.randrange(256)
        elif kind == 1:
            del changed[at : at + rng.choice((1, 4, 100))]
        elif kind == 2:
            changed[at:at] = changed[at : at + rng.choice((1, 4, 40))]
        else:
            changed[at:at] = rng.choice((b"\0", b"{", b"[", b'"', b"-", b"1e999", b"NaN", b"\xff", b"%", b"(", b"}"))
    return bytes(changed)


def used(graph: Graph) -> None:
    """What is done with a graph that was read: it prints, parses, and is drawn."""
    assert graphad.parse(str(graph)).digest == graph.digest
    graph.verify()
    assert graphad.draw(graph).dot


def read(load: Callable[[], Graph]) -> bool:
    try:
        graph = load()
    except ParseError:
        return False
    used(graph)
    return True


def saved(tmp_path: Path, graph: Graph) -> Path:
    path = tmp_path / "g.json"
    graph.save(path)
    return path


def mutated_graphs(tmp_path: Path, count: int, seed: int) -> None:
    rng = random.Random(seed)
    graphs = programs()
    documents = []
    for i, graph in enumerate(graphs):
        path = tmp_path / f"g{i}.json"
        graph.save(path)
        archive = Path(f"{path}.npz")
        documents.append((path, path.read_bytes(), archive, archive.read_bytes() if archive.exists() else b""))
    good = 0
    for _ in range(count):
        path, data, archive, arrays = rng.choice(documents)
        kind = rng.randrange(8)
        if kind == 0:
            path.write_bytes(damaged(data, rng))
        elif kind == 1 and arrays:
            archive.write_bytes(damaged(arrays, rng))
        else:
            path.write_text(json.dumps(mutated(json.loads(data), rng)))
        good += read(lambda path=path: graphad.load(path))
        path.write_bytes(data)
        if arrays:
            archive.write_bytes(arrays)
    assert 0 < good < count


def mutated_texts(count: int, seed: int) -> None:
    rng = random.Random(seed)
    texts = [str(g).encode() for g in programs()]
    for _ in range(count):
        read(lambda: graphad.parse(damaged(rng.choice(texts), rng).decode(errors="replace")))


def mutated_workspaces(count: int, seed: int) -> None:
    rng = random.Random(seed)
    document = json.loads(WORKSPACE.read_text())
    for _ in range(count):
        with suppress(WorkspaceError):
            load_model(mutated(document, rng))


def test_mutated_graphs(tmp_path: Path) -> None:
    mutated_graphs(tmp_path, 400, 1)


def test_mutated_texts() -> None:
    mutated_texts(300, 2)


def test_mutated_workspaces() -> None:
    mutated_workspaces(150, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_many_mutated_files(tmp_path: Path, seed: int) -> None:
    mutated_graphs(tmp_path, 2000, 100 + seed)
    mutated_texts(1000, 200 + seed)
    mutated_workspaces(2000, 300 + seed)


# -- source lines -------------------------------------------------------------------------------------------------


def placed(tmp_path: Path, where: list[Any]) -> Path:
    path = saved(tmp_path, graphad.trace(lambda x: np.sin(x) * 2)(1.0))
    document = json.loads(path.read_text())
    for node in document["graph"]["nodes"]:
        node["where"] = where
    path.write_text(json.dumps(document))
    return path


def test_lines_of_other_files_are_not_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("password hunter2\n")
    path = placed(tmp_path, [str(secret), 1, "f", None, ""])
    graph = graphad.load(path)
    assert "hunter2" not in graphad.draw(graph).dot
    with pytest.raises(GraphadError) as caught:
        graphad.compile(graph, executor="numpy")(np.ones((2, 2, 2)), 1)
    assert "hunter2" not in str(caught.value)
    # A place in a text is a place in a file, too.
    assert "hunter2" not in graphad.draw(graphad.parse(str(graph).replace("secret.txt", str(secret)))).dot


def test_lines_of_files_that_the_caller_names_are_shown(tmp_path: Path) -> None:
    model = tmp_path / "model.py"
    model.write_text("y = np.sin(x)\n")
    path = placed(tmp_path, [str(model), 1, "f", None, ""])
    assert "y = np.sin(x)" in graphad.draw(graphad.load(path, sources=[model])).dot


def test_lines_that_this_process_traced_are_shown(tmp_path: Path) -> None:
    path = saved(tmp_path, graphad.trace(lambda x: np.sin(x) * 2)(1.0))
    assert "np.sin(x) * 2" in graphad.draw(graphad.load(path)).dot


def test_a_device_is_not_read(tmp_path: Path) -> None:
    path = placed(tmp_path, ["/dev/zero", 1, "f", None, ""])
    code = f"import graphad; graphad.draw(graphad.load({str(path)!r})).dot"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True).returncode == 0


@pytest.mark.parametrize("where", [["m.py", 1, "f", None, "spam"], ["m.py", True, "f", None, ""]])
def test_unknown_roles_and_lines_are_refused(tmp_path: Path, where: list[Any]) -> None:
    with pytest.raises(ParseError, match="role"):
        graphad.load(placed(tmp_path, where))

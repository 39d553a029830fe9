"""Saved graphs: exact round trips, and refusal of files that are not graphs."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

import graphad
from graphad.errors import ParseError
from graphad.graph import Graph


@pytest.fixture
def graph() -> Graph:
    inner = graphad.jit(lambda x: np.sin(x) * np.arange(100.0))
    return graphad.trace(lambda x: inner(x) + np.array([np.nan]) + np.float32(2))(np.ones(100))


def test_round_trip(graph, tmp_path) -> None:
    path = tmp_path / "g.json"
    graph.save(path)
    again = graphad.load(path)
    assert again.digest == graph.digest
    assert str(again) == str(graph)
    assert [n.where.file for n in again.nodes] == [n.where.file for n in graph.nodes]
    np.testing.assert_array_equal(again.eval(np.ones(100))[0], graph.eval(np.ones(100))[0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.json", "g.json.npz"]


def _set(document, path, value) -> None:
    *parents, last = path
    for key in parents:
        document = document[key]
    document[last] = value


HOSTILE = [
    (["version"], 2, "version"), (["version"], True, "version"), (["format"], "x", "format"),
    (["graph"], [], "graph"), (["constants"], {}, "constants"), (["graph", "nodes", 0, "op"], "exec", "nodes[0]"),
    (["graph", "nodes", 0, "inputs"], [99], "nodes[0].inputs"), (["graph", "nodes", 0, "inputs"], [-1], "inputs"),
    (["graph", "nodes", 0, "outputs"], [0], "nodes[0].outputs"), (["graph", "values", 0], "f64[3]", "values[0]"),
    (["graph", "values", 0], ["f64[100", None], "values[0]"), (["graph", "values", 1], ["f32[100]", None], "gives"),
    (["graph", "nodes", 0, "attributes"], {}, "nodes[0]"), (["graph", "nodes", 0, "where"], [1], "where"),
    (["graph", "nodes", 0, "attributes", "function"], {"pickle": "gASV"}, "attributes.function"),
    (["constants", 0, "type"], "f64[99999999999999]", "constants[0]"), (["constants", 0, "npz"], "../../x", "npz"),
    (["graph", "name"], 3, "graph.name"), (["graph", "outputs"], [{"constant": 77}], "outputs"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), HOSTILE)
def test_hostile_documents(graph, tmp_path, path, value, message) -> None:
    file = tmp_path / "g.json"
    graph.save(file)
    document = json.loads(file.read_text())
    _set(document, path, value)
    file.write_text(json.dumps(document))
    with pytest.raises(ParseError) as caught:
        graphad.load(file)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)


NOT_GRAPHS = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": NaN}', b"1" * 9999]


@pytest.mark.parametrize("content", NOT_GRAPHS)
def test_not_a_graph(tmp_path, content) -> None:
    file = tmp_path / "g.json"
    file.write_bytes(content)
    with pytest.raises(ParseError, match=r"g\.json"):
        graphad.load(file)


def test_truncated_and_foreign_archives(graph, tmp_path) -> None:
    file, archive = tmp_path / "g.json", tmp_path / "g.json.npz"
    graph.save(file)
    data = archive.read_bytes()
    for wrong in (data[:50], data[: len(data) // 2], b"", data.replace(b"\0\0\xf0\x3f", b"\0\0\xf0\x40")):
        archive.write_bytes(wrong)
        with pytest.raises(ParseError):
            graphad.load(file)
    np.savez(archive, c0=np.array([object()]))
    with pytest.raises(ParseError):
        graphad.load(file)
    np.savez_compressed(archive, c0=np.arange(100.0))
    with pytest.raises(ParseError):
        graphad.load(file)
    found = np.load(io.BytesIO(data))
    np.savez(archive, **{name: found[name] + 1 for name in found.files})
    with pytest.raises(ParseError, match="is not the array"):
        graphad.load(file)
    archive.unlink()
    with pytest.raises(ParseError, match="npz"):
        graphad.load(file)


@pytest.mark.parametrize("changes", [{6: 121}, {9: 8, 46: 0xFF}], ids=["version", "name"])
def test_archives_that_zipfile_does_not_read(graph, tmp_path, changes) -> None:
    file, archive = tmp_path / "g.json", tmp_path / "g.json.npz"
    graph.save(file)
    data = bytearray(archive.read_bytes())
    start = data.index(b"PK\x01\x02")
    for at, byte in changes.items():
        data[start + at] = byte
    archive.write_bytes(data)
    with pytest.raises(ParseError, match="cannot be read"):
        graphad.load(file)

"""Broken workspaces: each change to a good one, and the error that names the key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from histfactory_cases import EXAMPLES, channel, read, sample, workspace
from hypothesis import given, settings
from hypothesis import strategies as st

import graphad
from graphad.interop.histfactory import WorkspaceError, load


def edit(*keys: Any, to: Any = None, remove: bool = False) -> Any:
    """A function that changes (or removes) what the keys lead to in a copy of the three-channel workspace."""

    def change(spec: dict[str, Any]) -> dict[str, Any]:
        spec = copy.deepcopy(spec)
        owner: Any = spec
        for key in keys[:-1]:
            owner = owner[key]
        if remove:
            del owner[keys[-1]]
        else:
            owner[keys[-1]] = to
        return spec

    return change


FIRST = ("channels", 0, "samples", 0)
CONFIG = ("measurements", 0, "config")
BROKEN = {
    "no channels": (edit("channels", remove=True), "channels: missing"),
    "channels is an object": (edit("channels", to={}), "channels: must be an array, not an object"),
    "channels is empty": (edit("channels", to=[]), "channels: needs at least 1 entry"),
    "a channel is text": (edit("channels", 1, to="a"), r"channels\[1\]: must be an object, not a string"),
    "no sample name": (edit(*FIRST, "name", remove=True), r"channels\[0\].samples\[0\].name: missing"),
    "sample name is a number": (edit(*FIRST, "name", to=3), r"samples\[0\].name: must be a string, not 3"),
    "no samples": (edit("channels", 0, "samples", to=[]), r"channels\[0\].samples: needs at least 1 entry"),
    "a misspelled key": (
        edit(*FIRST, "modifer", to=[]),
        r"samples\[0\].modifer: unknown key; known are name, data",
    ),
    "events are text": (
        edit(*FIRST, "data", 1, to="9"),
        r"samples\[0\].data\[1\]: must be a number, not a string",
    ),
    "events are true": (edit(*FIRST, "data", 1, to=True), r"data\[1\]: must be a number, not true or false"),
    "events are nan": (
        edit(*FIRST, "data", 1, to=float("nan")),
        r"data\[1\]: must be a finite number, not nan",
    ),
    "events are huge": (edit(*FIRST, "data", 1, to=10**400), r"data\[1\]: must be a finite number, not 1000"),
    "too few bins": (
        edit(*FIRST, "data", to=[1.0]),
        r"has 1 numbers; the observation of channel 'signal_region' has 4",
    ),
    "the same sample twice": (
        edit(*FIRST, "name", to="top"),
        r"samples\[1\].name: a second sample called 'top'",
    ),
    "the same channel twice": (
        edit("channels", 1, "name", to="signal_region"),
        r"channels\[1\].*(name: a second channel|data: has)",
    ),
    "unknown modifier type": (
        edit(*FIRST, "modifiers", 0, "type", to="shapesyst"),
        r"samples\[0\].modifiers\[0\].type: unknown modifier type 'shapesyst'; known are histosys",
    ),
    "normfactor with data": (edit(*FIRST, "modifiers", 0, "data", to=1.0), r"data: must be null, not 1.0"),
    "lumi of another name": (
        edit(*FIRST, "modifiers", 1, "name", to="l"),
        r"name: a lumi modifier is called 'lumi'",
    ),
    "the same modifier twice": (
        edit(*FIRST, "modifiers", 1, to={"name": "mu", "type": "normfactor", "data": None}),
        r"modifiers\[1\].name: a second normfactor called 'mu' on this sample",
    ),
    "normsys without hi": (
        edit(*FIRST, "modifiers", 3, "data", "hi", remove=True),
        r"modifiers\[3\].data.hi: missing",
    ),
    "normsys with hi 0": (
        edit(*FIRST, "modifiers", 3, "data", "hi", to=0),
        r"modifiers\[3\].data.hi: 0; .* above 0",
    ),
    "histosys data is an array": (
        edit(*FIRST, "modifiers", 2, "data", to=[1.0]),
        r"modifiers\[2\].data: must be an object, not an array",
    ),
    "histosys of another length": (
        edit(*FIRST, "modifiers", 2, "data", "lo_data", to=[1.0, 2.0]),
        r"modifiers\[2\].data.lo_data: has 2 numbers",
    ),
    "negative uncertainty": (
        edit("channels", 0, "samples", 3, "modifiers", 0, "data", 2, to=-0.5),
        r"modifiers\[0\].data\[2\]: an uncertainty cannot be negative",
    ),
    "a shared shapesys": (
        edit(
            "channels",
            0,
            "samples",
            2,
            "modifiers",
            1,
            to={"name": "fakes_shape", "type": "shapesys", "data": [1] * 4},
        ),
        r"samples\[2\].modifiers\[1\].name: shapesys 'fakes_shape' cannot be shared",
    ),
    "one name for two types": (
        edit(*FIRST, "modifiers", 0, "name", to="b_tagging"),
        r"name: 'b_tagging' is a normsys here and a normfactor at channels\[0\].samples\[0\].modifiers\[0\]",
    ),
    "a shapefactor of two lengths": (
        edit(
            "channels",
            1,
            "samples",
            2,
            "modifiers",
            1,
            to={"name": "wjets_shape", "type": "shapefactor", "data": None},
        ),
        r"shapefactor 'wjets_shape' has 4 bins here and 3 at channels\[1\].samples\[2\].modifiers\[1\]",
    ),
    "no observation": (
        edit("observations", 1, remove=True),
        "observations: no observation for channel 'control_top'",
    ),
    "two observations": (
        edit("observations", 1, "name", to="signal_region"),
        r"observations\[1\].name: a second observation for channel 'signal_region'",
    ),
    "negative observation": (
        edit("observations", 0, "data", 3, to=-1),
        r"observations\[0\].data\[3\]: .* negative",
    ),
    "no version": (edit("version", remove=True), "version: missing"),
    "another version": (
        edit("version", to="2.0.0"),
        "version: '2.0.0' is not supported; this reads version '1.0.0'",
    ),
    "no measurements": (edit("measurements", to=[]), "measurements: needs at least 1 entry"),
    "two measurements of one name": (
        edit("measurements", 1, "name", to="discovery"),
        r"measurements\[1\].name: a second measurement called 'discovery'",
    ),
    "no config": (edit("measurements", 0, "config", remove=True), r"measurements\[0\].config: missing"),
    "no poi": (edit(*CONFIG, "poi", remove=True), r"measurements\[0\].config.poi: missing"),
    "unknown poi": (edit(*CONFIG, "poi", to="nu"), r"config.poi: 'nu' is not a parameter of this workspace"),
    "poi with bins": (
        edit(*CONFIG, "poi", to="wjets_shape"),
        r"config.poi: 'wjets_shape' has several values",
    ),
    "no lumi entry": (edit(*CONFIG, "parameters", 0, remove=True), r"config.parameters: no entry for 'lumi'"),
    "lumi without sigmas": (
        edit(*CONFIG, "parameters", 0, "sigmas", remove=True),
        r"parameters\[0\].sigmas: missing",
    ),
    "sigma 0": (edit(*CONFIG, "parameters", 0, "sigmas", to=[0]), r"parameters\[0\].sigmas: .* above 0"),
    "two entries for a parameter": (
        edit(*CONFIG, "parameters", 2, "name", to="mu"),
        r"parameters\[2\].name: a second entry for parameter 'mu'",
    ),
    "bounds upside down": (
        edit(*CONFIG, "parameters", 1, "bounds", to=[[5.0, 0.0]]),
        r"parameters\[1\].bounds\[0\]: the lower bound 5 is above the upper 0",
    ),
    "bounds of three": (
        edit(*CONFIG, "parameters", 1, "bounds", to=[[0, 1, 2]]),
        r"bounds\[0\]: has 3 numbers",
    ),
    "inits of another length": (
        edit(*CONFIG, "parameters", 1, "inits", to=[1.0, 1.0]),
        r"parameters\[1\].inits: has 2 entries; 'mu' needs 1",
    ),
    "sigmas for a normfactor": (
        edit(*CONFIG, "parameters", 1, "sigmas", to=[1.0]),
        r"normfactor does not use sigmas",
    ),
    "fixed is a number": (
        edit(*CONFIG, "parameters", 1, "fixed", to=1),
        r"fixed: must be true or false, not 1",
    ),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_workspace_names_its_key(change: Any, message: str) -> None:
    with pytest.raises(WorkspaceError, match=message) as caught:
        load(change(read("three-channel.json")))
    assert isinstance(caught.value, graphad.errors.GraphadError)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where everything inside a JSON value is."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [prefix] if prefix else []
    for key, each in inside:
        found += paths(each, (*prefix, key))
    return found


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10)
    | st.floats()
    | st.sampled_from(["", "mu", "lumi", "top", "histosys"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "data"]), inner, max_size=2),
    max_leaves=6,
)


@given(st.sampled_from(paths(read("three-channel.json"))), JSON_VALUES | st.just("remove"))
@settings(max_examples=300, deadline=None)
def test_any_damage_gives_a_model_or_a_workspace_error(path: tuple[Any, ...], value: Any) -> None:
    change = edit(*path, remove=True) if value == "remove" else edit(*path, to=value)
    try:
        model = load(change(read("three-channel.json")))
    except WorkspaceError:
        return
    assert model.expected(model.init).shape == model.observed.shape


def test_no_modifier_at_all() -> None:
    with pytest.raises(WorkspaceError, match="channels: no sample has a modifier"):
        load(workspace(channel("c", sample("s", [1.0]))))


def test_unknown_measurement() -> None:
    with pytest.raises(WorkspaceError, match=r"no measurement is called 'x'; there are 'discovery', 'background_only'"):
        load(EXAMPLES / "three-channel.json", measurement="x")


FOREIGN = {
    "cut off": (b'{"channels": [', r"file.json:1:15: not valid JSON"),
    "empty": (b"", r"file.json:1:1: not valid JSON"),
    "an array": (b"[1, 2]", r"the document: must be an object, not an array"),
    "another format": (b'{"distributions": []}', r"channels: missing"),
    "not text": (b"\xff\xfe\x00", r"file.json: is not UTF-8 text"),
    "nested without end": (b"[" * 100_000, r"file.json: not valid JSON"),
    "a number of 5000 digits": (b"1" * 5000, r"file.json: not valid JSON"),
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(WorkspaceError, match=message):
        load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"none.json: cannot be read: No such file"):
        load(tmp_path / "none.json")

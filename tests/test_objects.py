"""The cache of object code: what is stored comes back, and nothing else ever does."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphad.cli import main
from graphad.executors import objects

PAYLOAD = bytes(range(256)) * 200


pytestmark = pytest.mark.usefixtures("folder")


def only(folder: Path) -> Path:
    (path,) = folder.glob("*.o")
    return path


def test_round_trip() -> None:
    name = objects.key("a", b"b")
    assert objects.load(name) is None
    objects.store(name, PAYLOAD)
    assert objects.load(name) == PAYLOAD
    assert objects.info().entries == 1
    assert objects.info().bytes >= len(PAYLOAD)


def test_key_tells_parts_apart() -> None:
    assert len({objects.key("ab", "c"), objects.key("a", "bc"), objects.key("abc"), objects.key("ab", "c", "")}) == 4
    assert objects.key("é") == objects.key("é".encode())


@pytest.mark.parametrize("position", [0, 7, 8, 15, 16, 47, 48, 1000, -1])
def test_damage_is_never_loaded(folder: Path, position: int) -> None:
    name = objects.key("damage")
    objects.store(name, PAYLOAD)
    data = bytearray(only(folder).read_bytes())
    data[position] ^= 1
    only(folder).write_bytes(data)
    assert objects.load(name) is None
    assert not list(folder.glob("*.o"))


@pytest.mark.parametrize("size", [0, 5, 48, 100])
def test_truncation_is_never_loaded(folder: Path, size: int) -> None:
    name = objects.key("short")
    objects.store(name, PAYLOAD)
    only(folder).write_bytes(only(folder).read_bytes()[:size])
    assert objects.load(name) is None


def test_another_keys_entry_is_never_loaded(folder: Path) -> None:
    one, two = objects.key("one"), objects.key("two")
    objects.store(one, PAYLOAD)
    only(folder).rename(folder / f"{two}.o")
    assert objects.load(two) is None


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions(folder: Path) -> None:
    name = objects.key("mode")
    objects.store(name, PAYLOAD)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert only(folder).stat().st_mode & 0o777 == 0o600
    only(folder).chmod(0o666)
    assert objects.load(name) is None
    only(folder).chmod(0o600)
    folder.chmod(0o777)
    assert objects.load(name) is None
    objects.store(objects.key("other"), PAYLOAD)
    assert len(list(folder.glob("*.o"))) == 1
    folder.chmod(0o700)
    assert objects.load(name) == PAYLOAD


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    name = objects.key("link")
    objects.store(name, PAYLOAD)
    moved = tmp_path / "elsewhere"
    only(folder).rename(moved)
    (folder / f"{name}.o").symlink_to(moved)
    assert objects.load(name) is None


def test_size_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAD_CACHE_LIMIT", "1MB")
    names = [objects.key(str(i)) for i in range(60)]
    for i, name in enumerate(names):
        objects.store(name, PAYLOAD)
        path = folder / f"{name}.o"
        if path.exists():
            os.utime(path, (time.time() - 1000 + i,) * 2)
    assert objects.info().bytes <= 2 << 20
    objects._written.clear()
    objects.store(objects.key("last"), PAYLOAD)
    assert objects.info().bytes <= 1 << 20
    assert objects.load(names[0]) is None
    assert objects.load(names[-1]) == PAYLOAD


def test_stale_temporary_files_go(folder: Path) -> None:
    objects.store(objects.key("a"), PAYLOAD)
    left = folder / ".broken.o.x"
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    objects._written.clear()
    objects.store(objects.key("b"), PAYLOAD)
    assert not left.exists()


def test_turned_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAD_CACHE", "off")
    objects.store(objects.key("a"), PAYLOAD)
    assert not folder.exists()
    assert not objects.info().enabled


def test_no_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("GRAPHAD_CACHE_DIR", str(blocker / "inside"))
    objects.store(objects.key("a"), PAYLOAD)
    assert objects.load(objects.key("a")) is None


def _busy(worker: int, folder: str) -> None:
    os.environ.update(GRAPHAD_CACHE="1", GRAPHAD_CACHE_DIR=folder)
    for i in range(150):
        name = objects.key(str(i % 10))
        found = objects.load(name)
        assert found is None or found == PAYLOAD + str(i % 10).encode()
        objects.store(name, PAYLOAD + str(i % 10).encode())
        if worker == 0 and i % 20 == 0:
            objects.clear()


def test_many_processes(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_busy, args=(i, str(folder))) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4


PROGRAM = """
import numpy as np, graphad
from graphad.executors.llvm import engine
if {warm}:
    def compile_again(text): raise AssertionError("compiled again")
    engine.optimise = compile_again
f = graphad.jit(graphad.grad(lambda x: np.sum(np.exp(x) * np.sin(x))), executor="llvm")
print(repr(f(np.arange(5.0)).tolist()))
"""


def test_a_new_process_does_not_compile_again(folder: Path) -> None:
    def run(warm: bool) -> str:
        command = [sys.executable, "-c", PROGRAM.format(warm=warm)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    cold = run(False)
    assert list(folder.glob("*.o"))
    assert run(True) == cold
    for path in folder.glob("*.o"):
        path.write_bytes(path.read_bytes()[:-3])
    assert run(False) == cold


def test_command(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    objects.store(objects.key("a"), PAYLOAD)
    assert main(["cache"]) == 0
    assert "entries  1" in capsys.readouterr().out
    assert main(["cache", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    assert main(["cache", "clear"]) == 0
    assert "1 entries removed" in capsys.readouterr().out
    assert objects.info().entries == 0

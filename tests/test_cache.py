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
from graphad.executors import cache

PAYLOAD = bytes(range(256)) * 200


pytestmark = pytest.mark.usefixtures("folder")


def only(folder: Path) -> Path:
    (path,) = folder.glob("*.o")
    return path


def test_round_trip() -> None:
    name = cache.key("a", b"b")
    assert cache.load(name) is None
    cache.store(name, PAYLOAD)
    assert cache.load(name) == PAYLOAD
    assert cache.info().entries == 1
    assert cache.info().bytes >= len(PAYLOAD)


def test_key_tells_parts_apart() -> None:
    assert len({cache.key("ab", "c"), cache.key("a", "bc"), cache.key("abc"), cache.key("ab", "c", "")}) == 4
    assert cache.key("é") == cache.key("é".encode())


@pytest.mark.parametrize("position", [0, 7, 8, 15, 16, 47, 48, 1000, -1])
def test_damage_is_never_loaded(folder: Path, position: int) -> None:
    name = cache.key("damage")
    cache.store(name, PAYLOAD)
    data = bytearray(only(folder).read_bytes())
    data[position] ^= 1
    only(folder).write_bytes(data)
    assert cache.load(name) is None
    assert not list(folder.glob("*.o"))


@pytest.mark.parametrize("size", [0, 5, 48, 100])
def test_truncation_is_never_loaded(folder: Path, size: int) -> None:
    name = cache.key("short")
    cache.store(name, PAYLOAD)
    only(folder).write_bytes(only(folder).read_bytes()[:size])
    assert cache.load(name) is None


def test_another_keys_entry_is_never_loaded(folder: Path) -> None:
    one, two = cache.key("one"), cache.key("two")
    cache.store(one, PAYLOAD)
    only(folder).rename(folder / f"{two}.o")
    assert cache.load(two) is None


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions(folder: Path) -> None:
    name = cache.key("mode")
    cache.store(name, PAYLOAD)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert only(folder).stat().st_mode & 0o777 == 0o600
    only(folder).chmod(0o666)
    assert cache.load(name) is None
    only(folder).chmod(0o600)
    folder.chmod(0o777)
    assert cache.load(name) is None
    cache.store(cache.key("other"), PAYLOAD)
    assert len(list(folder.glob("*.o"))) == 1
    folder.chmod(0o700)
    assert cache.load(name) == PAYLOAD


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    name = cache.key("link")
    cache.store(name, PAYLOAD)
    moved = tmp_path / "elsewhere"
    only(folder).rename(moved)
    (folder / f"{name}.o").symlink_to(moved)
    assert cache.load(name) is None


def test_size_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAD_CACHE_LIMIT", "1MB")
    names = [cache.key(str(i)) for i in range(60)]
    for i, name in enumerate(names):
        cache.store(name, PAYLOAD)
        path = folder / f"{name}.o"
        if path.exists():
            os.utime(path, (time.time() - 1000 + i,) * 2)
    assert cache.info().bytes <= 2 << 20
    cache._written.clear()
    cache.store(cache.key("last"), PAYLOAD)
    assert cache.info().bytes <= 1 << 20
    assert cache.load(names[0]) is None
    assert cache.load(names[-1]) == PAYLOAD


def test_stale_temporary_files_go(folder: Path) -> None:
    cache.store(cache.key("a"), PAYLOAD)
    left = folder / ".broken.o.x"
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    cache._written.clear()
    cache.store(cache.key("b"), PAYLOAD)
    assert not left.exists()


def test_turned_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAD_CACHE", "off")
    cache.store(cache.key("a"), PAYLOAD)
    assert not folder.exists()
    assert not cache.info().enabled


def test_no_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("GRAPHAD_CACHE_DIR", str(blocker / "inside"))
    cache.store(cache.key("a"), PAYLOAD)
    assert cache.load(cache.key("a")) is None


def _busy(worker: int, folder: str) -> None:
    os.environ.update(GRAPHAD_CACHE="1", GRAPHAD_CACHE_DIR=folder)
    for i in range(150):
        name = cache.key(str(i % 10))
        found = cache.load(name)
        assert found is None or found == PAYLOAD + str(i % 10).encode()
        cache.store(name, PAYLOAD + str(i % 10).encode())
        if worker == 0 and i % 20 == 0:
            cache.clear()


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
    cache.store(cache.key("a"), PAYLOAD)
    assert main(["cache"]) == 0
    assert "entries  1" in capsys.readouterr().out
    assert main(["cache", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    assert main(["cache", "clear"]) == 0
    assert "1 entries removed" in capsys.readouterr().out
    assert cache.info().entries == 0

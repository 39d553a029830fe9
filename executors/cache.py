"""A cache of object code on disk, so that a new process need not compile again what an earlier one has compiled.

Settings, by environment variables that are read at each use: `GRAPHAD_CACHE=0` turns it off, `GRAPHAD_CACHE_DIR` is its
folder, `GRAPHAD_CACHE_LIMIT` its largest size (`256MB`). Each entry is a file of its own with a checksum, replaced as a
whole or not at all, so that processes may share the folder; what is damaged, or not the user's own, is never loaded.

Code is stored under the text that it was compiled from. Beside it stands which code a traced graph led to: a later
process that traces the same graph runs no pass and no compiler. The key of that is made of the traced graph, the
passes' text, what the executor says of itself, and the versions of all that takes part; nothing is stored where one of
them cannot be told.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from graphad.attributes import Record
from graphad.executors.base import forms
from graphad.executors.fingerprint import fingerprint
from graphad.graph import Graph
from graphad.once import LOCK, once
from graphad.passes.base import PASSES, PassCall, Pipeline

_MAGIC = b"graphad1"
_HEAD = struct.Struct("<8sQ32s")
_DEFAULT_LIMIT = 256 << 20
_KEEP = 0.8
_TOUCHED = 60.0
_STALE = 3600.0
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_written: dict[Path, tuple[int, int]] = {}
"""For each folder the limit under which its files were counted, and the bytes that may be written until they are
counted again."""


class CacheInfo(Record):
    """What the cache holds: `entries` of `bytes` in all, of at most `limit_bytes`."""

    path: Path
    enabled: bool
    entries: int
    bytes: int
    limit_bytes: int


def key(*parts: str | bytes) -> str:
    """A name for what is made from these parts, and from no others."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def graph_key(executor: Any, pipeline: Pipeline, graph: Graph) -> str | None:
    """The key of a graph that an executor compiles after a pipeline. None where it is not kept: the cache is turned
    off, `GRAPHAD_DEBUG` is set (passes are to be checked), the executor keeps none or was given forms of ops, or a pass
    or an op is not graphad's own or holds an object of the user's."""
    if not enabled() or os.environ.get("GRAPHAD_DEBUG") or forms(executor):
        return None
    signature = getattr(executor, "signature", None)
    if not isinstance(signature, str) or not all(map(_own, (*pipeline, *Pipeline(executor.pipeline)))):
        return None
    found = fingerprint(graph)
    return None if found is None else key(f"{pipeline}; {executor.pipeline}", signature, versions(), found)


def _own(step: Any) -> bool:
    return isinstance(step, PassCall) and PASSES[step.name].__module__.startswith("graphad.")


@once
def versions() -> str:
    """Python's and NumPy's versions, and the sizes and times of graphad's files and of SciPy's first: where graphad is
    changed, what it compiled before is not used."""
    scipy = find_spec("scipy")
    files = [scipy.origin] if scipy is not None and scipy.origin else []
    found = [f"{sys.version} {np.__version__}", *map(_told, files)]
    for package in ("graphad", "graphad.passes", "graphad.executors"):
        for folder in sys.modules[package].__path__:
            found += sorted(_sources(folder))
    return "\n".join(found)


def _sources(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield _told(entry)
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)


def _told(file: str | os.DirEntry[str]) -> str:
    status = os.stat(file)
    return f"{os.fspath(file)} {status.st_size} {status.st_mtime_ns}"


def enabled() -> bool:
    """Whether the cache is in use."""
    return os.environ.get("GRAPHAD_CACHE", "1").lower() not in ("0", "off", "false", "no")


def directory() -> Path:
    """The folder of the cache; it need not exist."""
    chosen = os.environ.get("GRAPHAD_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "graphad"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "graphad" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphad"


def limit() -> int:
    """The largest size of the cache, in bytes."""
    found = re.fullmatch(r"\s*(\d+)\s*([KMG]?)I?B?\s*", os.environ.get("GRAPHAD_CACHE_LIMIT", "").upper())
    return int(found[1]) * _UNITS[found[2]] if found else _DEFAULT_LIMIT


def load(key: str) -> bytes | None:
    """The bytes stored under a key; None if there are none, or none to be trusted."""
    if not enabled():
        return None
    try:
        path = _path(key)
        if not _ours(path.parent):
            return None
        with open(path, "rb", opener=_open) as file:
            status = os.fstat(file.fileno())
            if not _private(status) or not stat.S_ISREG(status.st_mode):
                return None
            data = file.read()
    except (OSError, RuntimeError):
        return None
    payload = _checked(key, data)
    with suppress(OSError):
        if payload is None:
            path.unlink()
        elif time.time() - status.st_mtime > _TOUCHED:
            os.utime(path)
    return payload


def store(key: str, payload: bytes) -> None:
    """Keep bytes under a key. What goes wrong with the disk is no error: the bytes are then not kept."""
    if not enabled() or len(payload) > limit():
        return
    with LOCK:  # a fork waits for the import
        from graphad.serial import write_file
    with suppress(OSError, RuntimeError):
        path = _path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(path.parent):
            return
        data = _HEAD.pack(_MAGIC, len(payload), _checksum(key, payload)) + payload
        write_file(path, data, mode=0o600, durable=False)
        folder = path.parent
        # Counting the files costs more than writing one: it is done at first, and when the count is used up.
        most = limit()
        counted, left = _written.get(folder, (most, 0))
        left -= len(data)
        if left <= 0 or counted != most:
            left = max(0, (most - _shrink(folder)) // 2)
        _written[folder] = most, left


def info() -> CacheInfo:
    """What the cache holds now."""
    files = list(_entries(directory()))
    return CacheInfo(directory(), enabled(), len(files), sum(size for _, size, _ in files), limit())


def clear() -> int:
    """Remove every entry; answers how many there were."""
    removed = 0
    for path, _, _ in list(_entries(directory())):
        with suppress(OSError):
            path.unlink()
            removed += 1
    return removed


def _path(key: str) -> Path:
    return directory() / f"{key}.o"


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _checksum(key: str, payload: bytes) -> bytes:
    return blake2b(payload, digest_size=32, key=key.encode()).digest()


def _checked(key: str, data: bytes) -> bytes | None:
    if len(data) < _HEAD.size:
        return None
    magic, size, checksum = _HEAD.unpack_from(data)
    payload = data[_HEAD.size :]
    good = magic == _MAGIC and size == len(payload) and checksum == _checksum(key, payload)
    return payload if good else None


def _ours(folder: Path) -> bool:
    try:
        return _private(folder.stat())
    except OSError:
        return False


def _private(status: os.stat_result) -> bool:
    # Whoever can write what this process loads can run code in it.
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _entries(folder: Path) -> Iterator[tuple[Path, int, float]]:
    with suppress(OSError):
        for entry in os.scandir(folder):
            with suppress(OSError):
                named = entry.name.endswith(".o") and not entry.name.startswith(".")
                if named and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield Path(entry.path), status.st_size, status.st_mtime


def _shrink(folder: Path) -> int:
    """Remove what was used longest ago while the cache is too large, and what broken-off writes left; answers its
    size."""
    for entry in os.scandir(folder):
        with suppress(OSError):
            if entry.name.startswith(".") and time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
                os.unlink(entry.path)
    files = sorted(_entries(folder), key=lambda item: item[2])
    total = sum(size for _, size, _ in files)
    if total > limit():
        for path, size, _ in files:
            if total <= _KEEP * limit():
                break
            with suppress(OSError):
                path.unlink()
            total -= size
    return total

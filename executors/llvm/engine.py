"""LLVM itself: from the text of a module to object code, and from object code to addresses in this process."""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphad.executors import cache
from graphad.executors.llvm.control import SHORT, THOROUGH
from graphad.executors.llvm.emit import Target
from graphad.once import LOCK, once

LEVEL, LOW = 2, 0
"""Effort of LLVM's code generator, 0 to 3; for a module whose runs are short, where it goes from instruction to
instruction."""
LIBRARIES = 32
"""How many libraries one linker serves."""


@once
def _binding() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def host(precise: bool = False) -> Target:
    """This machine, as code is generated for it."""
    from graphad.executors.llvm.libmvec import library

    llvm = _binding()
    features = {name for name, present in llvm.get_host_cpu_features().items() if present}
    if library() is not None:
        features.add("libmvec")
    width = 64 if "avx512f" in features else 32 if "avx2" in features else 16
    return Target(llvm.get_host_cpu_name(), frozenset(features), width, precise)


@functools.cache
def _machine(level: int = LEVEL) -> Any:
    llvm = _binding()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    cpu = llvm.get_host_cpu_name()
    return target.create_target_machine(cpu, features, opt=level, reloc="pic", codemodel="small", jit=True)


def _generator(text: str) -> Any:
    """What makes machine code of a module's text, with the effort that its first line asks for."""
    return _machine(LOW if text.startswith(SHORT) else LEVEL)


@once
def version() -> str:
    """What made an object file: the versions of LLVM and of its binding, the processor and its features."""
    import llvmlite

    llvm = _binding()
    host_features = llvm.get_host_cpu_features().flatten()
    return f"{llvmlite.__version__} {llvm.llvm_version_info} {llvm.get_host_cpu_name()} {host_features}"


def optimise(text: str) -> Any:
    """The module of a text after the few passes that most code needs: it is vector code already."""
    llvm = _binding()
    # In a context of its own: LLVM keeps a context's numbers and types as long as that.
    module = llvm.parse_assembly(text, llvm.create_context())
    if text.startswith(THOROUGH):
        builder = _builder()
        builder.getModulePassManager().run(module, builder)  # which can run once
    else:
        passes, builder = _passes(" alloca [" in text)
        passes.run(module, builder)
    return module


def _builder() -> Any:
    llvm = _binding()
    options = llvm.create_pipeline_tuning_options(1)
    options.loop_vectorization = True  # of the loops that a thorough pass meets: others are vector code already
    options.slp_vectorization = options.loop_unrolling = False
    return llvm.create_pass_builder(_machine(), options)


@functools.cache
def _passes(local: bool) -> Any:
    """Passes and their builder, made once: LLVM does not give all of their memory back. They remember nothing of the
    modules that they ran over."""
    llvm = _binding()
    builder = _builder()
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    if local:
        passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    return passes, builder


def object_code(text: str) -> tuple[str, bytes]:
    """Machine code for the text of a module, from the cache on disk, or made now and kept there; and its key there."""
    name = cache.key(text, version())
    found = cache.load(name)
    if found is None:
        with LOCK:
            found = bytes(_generator(text).emit_object(optimise(text)))
        cache.store(name, found)
    return name, found


def assembly(text: str) -> str:
    """The same code as text."""
    with LOCK:
        return str(_generator(text).emit_assembly(optimise(text)))


class _Engine:
    """A linker of libraries, and how many it has linked. What LLVM keeps of each goes with the linker only."""

    def __init__(self) -> None:
        self.linker = _binding().create_lljit_compiler(_machine(), use_jit_link=False, suppress_errors=False)
        self.count = 0


class Library:
    """Object code in this process. It stays there while this object lives."""

    def __init__(self, code: bytes, symbols: Mapping[str, int], exported: Sequence[str]) -> None:
        llvm = _binding()
        with LOCK:
            if Library._newest is None or Library._newest.count == LIBRARIES:
                Library._newest = _Engine()
            engine = Library._newest
            builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for name, address in symbols.items():
                builder.import_symbol(name, address)
            for name in exported:
                builder.export_symbol(name)
            engine.count += 1
            self._tracker = builder.link(engine.linker, f"graphad{engine.count}")
            self._engine = engine
            self.addresses = {name: int(self._tracker[name]) for name in exported}
            _close()

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # LLVM's binding may be gone when Python ends.
        if hasattr(self, "_tracker") and not ending():
            _ENDED.append((self._tracker, self.__dict__.pop("_engine")))
            if LOCK.taken():
                try:
                    _close()
                finally:
                    LOCK.__exit__(None, None, None)

    _newest: _Engine | None = None


_ENDED: deque[tuple[Any, _Engine]] = deque()
"""Code whose library has ended. A thread that another keeps from closing it leaves it to that one: it may have been
stopped anywhere to end it."""


def _close() -> None:
    """Give back the memory of ended code; the lock is held. An engine goes with the last of its libraries."""
    while _ENDED:
        tracker, _ = _ENDED.popleft()
        tracker.close()

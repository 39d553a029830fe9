"""LLVM itself: from the text of a module to object code, and from object code to addresses in this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from graphad.executors import objects
from graphad.executors.llvm.control import THOROUGH
from graphad.executors.llvm.emit import Target

LEVEL = 2
"""Effort of LLVM's code generator, 0 to 3."""
_LOCK = threading.Lock()


@cache
def _binding() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def host(precise: bool = False) -> Target:
    """This machine, as code is generated for it."""
    from graphad.executors.llvm.libmvec import library

    llvm = _binding()
    features = {name for name, present in llvm.get_host_cpu_features().items() if present}
    if library() is not None:
        features.add("libmvec")
    width = 64 if "avx512f" in features else 32 if "avx2" in features else 16
    return Target(llvm.get_host_cpu_name(), frozenset(features), width, precise)


@cache
def _machine() -> Any:
    llvm = _binding()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    cpu = llvm.get_host_cpu_name()
    return target.create_target_machine(cpu, features, opt=LEVEL, reloc="pic", codemodel="small", jit=True)


@cache
def version() -> str:
    """What made an object file: the versions of LLVM and of its binding, the processor and its features."""
    import llvmlite

    llvm = _binding()
    host_features = llvm.get_host_cpu_features().flatten()
    return f"{llvmlite.__version__} {llvm.llvm_version_info} {llvm.get_host_cpu_name()} {host_features}"


def optimise(text: str) -> Any:
    """The module of a text after the few passes that most code needs: it is vector code already."""
    llvm = _binding()
    module = llvm.parse_assembly(text)
    machine = _machine()
    options = llvm.create_pipeline_tuning_options(1)
    options.loop_vectorization = True  # of the loops that a thorough pass meets: others are vector code already
    options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    if text.startswith(THOROUGH):
        passes = builder.getModulePassManager()
    else:
        passes = llvm.create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        if " alloca [" in text:
            passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
    passes.run(module, builder)
    return module


def object_code(text: str) -> bytes:
    """Machine code for the text of a module: from the cache on disk, or made now and kept there."""
    name = objects.key(text, version())
    found = objects.load(name)
    if found is None:
        with _LOCK:
            found = bytes(_machine().emit_object(optimise(text)))
        objects.store(name, found)
    return found


def assembly(text: str) -> str:
    """The same code as text."""
    with _LOCK:
        return str(_machine().emit_assembly(optimise(text)))


class Library:
    """Object code in this process. It stays there while this object lives."""

    def __init__(self, code: bytes, symbols: Mapping[str, int], exported: Sequence[str]) -> None:
        llvm = _binding()
        with _LOCK:
            self._engine = _jit()
            builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for name, address in symbols.items():
                builder.import_symbol(name, address)
            for name in exported:
                builder.export_symbol(name)
            Library._count += 1
            self._tracker = builder.link(self._engine, f"graphad{Library._count}")
        self.addresses = {name: int(self._tracker[name]) for name in exported}

    _count = 0


@cache
def _jit() -> Any:
    llvm = _binding()
    return llvm.create_lljit_compiler(_machine(), use_jit_link=False, suppress_errors=False)

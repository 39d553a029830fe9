"""Executors: what turns an optimised graph into something that runs."""

from graphad.executors.base import Executable, Executor, available, default, get, register, set_default

__all__ = ["Executable", "Executor", "available", "default", "get", "register", "set_default"]

"""Executors: what turns an optimised graph into something that runs."""

from graphad.executors.base import Executable, Executor, available, default, get, register, set_default
from graphad.executors.fallback import fallback

__all__ = ["Executable", "Executor", "available", "default", "fallback", "get", "register", "set_default"]

"""Executors: what turns an optimised graph into something that runs."""

from graphad.executors.base import Executable, Executor, available, default, form, get, register, set_default
from graphad.executors.fallback import fallback

__all__ = ["Executable", "Executor", "available", "default", "fallback", "form", "get", "register", "set_default"]

"""Peers in autograd, the library that differentiates NumPy code as it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd
import autograd.numpy as np
import formulas
import models

Peer = Callable[..., Callable[[], Any]]


def gradient(make: Any, argnum: Any = 0) -> Peer:
    """The gradient of a formula."""
    g = autograd.grad(make(np), argnum)
    return lambda *arguments: partial(g, *arguments)


mlp = gradient(formulas.mlp)
mixture = gradient(models.mixture, (0, 1, 2))
likelihood = gradient(formulas.stacked_likelihood)
rosenbrock = gradient(formulas.rosenbrock)


def rosenbrock_hessian(x: Any) -> Callable[[], Any]:
    """The dense matrix, a row at a time."""
    return partial(autograd.hessian(formulas.rosenbrock(np)), x)

"""Binned likelihoods in the HistFactory JSON format: read, checked, and evaluated as plain NumPy code.

>>> model = load("workspace.json")                                                       # doctest: +SKIP
>>> model.nll(model.init)                                                                # doctest: +SKIP
>>> graphad.grad(model.nll)(model.init)                                                  # doctest: +SKIP
"""

from graphad.interop.histfactory.fields import WorkspaceError
from graphad.interop.histfactory.interpolation import Interpolation
from graphad.interop.histfactory.model import Model, load
from graphad.interop.histfactory.workspace import Workspace, read_workspace

__all__ = ["Interpolation", "Model", "Workspace", "WorkspaceError", "load", "read_workspace"]

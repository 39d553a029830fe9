"""Solvers that run within compiled code: minima, least squares, roots, fixed points, linear systems.

They are plain programs of loops and branches, so a fit is one compiled function, also within other loops and under
`map` and `vmap`, without Python. Their derivative is that of the solution (the implicit function theorem); with
`implicit=False` it is that of the iterations.

Unknowns are numbers, arrays, or trees of arrays; a list of numbers is a vector, as in SciPy. `bounds` are SciPy's for a
vector (pairs, or `Bounds`), and for a tree the same tree with a pair `(low, high)` for each array, of a dict only those
keys that have any. Minima are found where the relative gradient `|g| * max(|x|, 1) <= tol * max(|f|, 1)`, element by
element; numbers that are small at the start count as of that size instead of 1 (`levenberg_marquardt` measures its
steps instead). The result is SciPy's `OptimizeResult`,
a tree: `x`, `fun`, `jac`, `success`, `status` (0 converged, 1 `maxiter` reached, 2 no further progress, 3 not finite at
the start), `nit` and `nfev`. `x` is always finite if the start was. The derivative of a solution that was not reached
is refused at run time. """

from graphad.api.implicit import custom_fixed_point, custom_linear_solve, custom_root
from graphad.optimize.gradient import adam, sgd
from graphad.optimize.minima import bfgs, lbfgs, modified_newton
from graphad.optimize.roots import bisect, brentq, fixed_point, newton
from graphad.optimize.squares import gauss_newton, levenberg_marquardt
from graphad.optimize.trust import dogleg, trust_ncg
from graphad.scipy.sparse.krylov import bicgstab, cg, gmres

__all__ = [
    "adam", "bfgs", "bicgstab", "bisect", "brentq", "cg", "custom_fixed_point", "custom_linear_solve", "custom_root",
    "dogleg", "fixed_point", "gauss_newton", "gmres", "lbfgs", "levenberg_marquardt", "modified_newton", "newton",
    "sgd", "trust_ncg",
]  # fmt: skip

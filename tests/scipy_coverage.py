"""What works of each function of SciPy that graphad traces: one row for each, found by trying, and the page.

`python tests/scipy_coverage.py` writes the page anew, `python tests/scipy_coverage.py fft ndimage` the rows of these
modules, and new rows. With `peers` among the words JAX and autograd are tried too, and written to `scipy_peers.py`.
"""

import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pprint import pformat

import numpy as np
from scipy_peers import FOUND, NAMES, VERSIONS
from scipy_samples import MODULES, callables, known, leaves, method_of, methods, sample, traced
from test_stats import MULTIVARIATE

import graphad
from graphad import passes
from graphad.errors import GraphadError, MissingRuleError
from graphad.scipy.stats import DISTRIBUTIONS
from graphad.testing.checks import evaluated
from graphad.testing.numeric import assert_close, directional_derivative, inner, random_like

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "scipy.md"
PEERS_TABLE = Path(__file__).parent / "scipy_peers.py"
EXECUTORS = ("numpy", "llvm", "numba")
COLUMNS = ("value", "jvp", "vjp", "vmap", *EXECUTORS)
FAILED = (AssertionError, GraphadError, TypeError, ValueError)
TOLERANCE = 1e-9


class Trial:
    """A sample of a function, with what graphad and SciPy make of it."""

    def __init__(self, module, name, tried=None):
        self.sample = tried or sample(module, name)
        self.args = [x for x in self.sample.args if not known(x)]
        self.names = [n for n, x in zip(self.sample.names, self.sample.args, strict=True) if not known(x)]
        self.floats = [i for i, x in enumerate(self.args) if np.asarray(x).dtype.kind in "fc"]
        self.ours = self.of(import_module(f"graphad.scipy.{module}"))
        self.theirs = self.of(import_module(f"scipy.{module}"))
        self.wanted = [np.asarray(x) for x in self.theirs(*self.args)]
        rng = np.random.default_rng(1)
        self.directions = [direction(rng, x) for x in self.args]

    def of(self, module):
        """The function of the traced arguments, by a module with SciPy's names."""

        def call(*xs):
            given = iter(xs)
            return leaves(self.sample.call(module, *[x if known(x) else next(given) for x in self.sample.args]))

        return call

    def differences(self, wrt, kept):
        """Some results of SciPy along the directions of some arguments, by differences."""

        def moved(points):
            xs = list(self.args)
            for i, x in zip(wrt, points, strict=True):
                xs[i] = x[()]
            found = self.theirs(*xs)
            return [found[i] for i in kept]

        return directional_derivative(moved, [np.asarray(self.args[i]) for i in wrt], [self.directions[i] for i in wrt])


def direction(rng, x):
    """A random direction, symmetric where a matrix is."""
    if np.asarray(x).dtype.kind not in "fc":
        return np.zeros_like(x)
    t = random_like(rng, x)
    return (t + t.T) / 2 if t.ndim == 2 and t.shape[0] == t.shape[1] and np.array_equal(x, x.T) else t


def agree(found, wanted, tolerance):
    for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert_close(a, b, tolerance, f"result {i}")


def mark(check, *args):
    """`yes`, or `no` where a check fails; what fails is told to those who call the script."""
    try:
        check(*args)
    except FAILED as error:
        TOLD.append(f"{check.__name__}: {type(error).__name__}: {str(error)[:300]}")
        return "no"
    return "yes"


TOLD = []


def row(module, name, executors=EXECUTORS):
    """The marks of a function in the columns, for some of the executors, and its fixed parameters."""
    trial = Trial(module, name)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        graph = graphad.trace(trial.ours)(*trial.args)
        marks = {"value": mark(value, trial, graph)}
        wrt, fixed = differentiable(graph, trial)
        marks["jvp"] = marks["vjp"] = "no" if fixed else "-"
        if wrt and any(np.any(x != 0) for x in trial.differences(wrt, kept(graph))):
            marks["jvp"] = mark(jvp, trial, graph, wrt)
            marks["vjp"] = mark(vjp, trial, graph, wrt)
        marks["vmap"] = mark(vmap, trial, graph)
        for executor in executors:
            marks[executor] = mark(runs, trial, executor)
    return marks, ", ".join(f"`{trial.names[i]}`" for i in fixed)


def value(trial, graph):
    agree(evaluated(graph, [np.asarray(x) for x in trial.args]), trial.wanted, TOLERANCE)


def differentiable(graph, trial):
    """The arguments that the function can be differentiated in, and the floating ones that have no rule."""
    wrt, fixed = [], []
    for i in trial.floats if kept(graph) else []:
        try:
            passes.jvp(graph, (i,))
        except MissingRuleError:
            fixed.append(i)
        else:
            wrt.append(i)
    return wrt, fixed


def kept(graph):
    """The results that have tangents."""
    return [i for i, t in enumerate(graph.output_types) if t.differentiable]


def jvp(trial, graph, wrt):
    """Tangents of finite results are SciPy's differences along a direction."""
    args, tangents = [np.asarray(x) for x in trial.args], [trial.directions[i] for i in wrt]
    found = evaluated(passes.jvp(graph, wrt), [*args, *tangents])[len(graph.outputs) :]
    numbers = [np.isfinite(trial.wanted[i]) for i in kept(graph)]
    wanted = trial.differences(wrt, kept(graph))
    agree(found, [np.where(n, x, y) for n, x, y in zip(numbers, wanted, found, strict=True)], 1e-6)


def vjp(trial, graph, wrt):
    """`<ct, jvp(t)> == <vjp(ct), t>`."""
    rng = np.random.default_rng(2)
    args, tangents = [np.asarray(x) for x in trial.args], [trial.directions[i] for i in wrt]
    forward = evaluated(passes.jvp(graph, wrt), [*args, *tangents])[len(graph.outputs) :]
    cts = [random_like(rng, x) for x in forward]
    reverse = evaluated(passes.vjp(graph, wrt), [*args, *cts])[len(graph.outputs) :]
    (left, size), (right, other) = inner(cts, forward), inner(reverse, tangents)
    assert abs(left - right) <= 1e-10 * max(1.0, size + other), (left, right)


def vmap(trial, graph):
    """A batch of two is a loop of two."""
    args = [np.asarray(x) for x in trial.args]
    scaled = [x * x.dtype.type(0.99) if x.dtype.kind in "fc" else x for x in args]
    found = evaluated(passes.vmap(graph, 2), [np.stack(pair) for pair in zip(args, scaled, strict=True)])
    agree([x[0] for x in found], trial.wanted, TOLERANCE)
    agree([x[1] for x in found], trial.theirs(*[x[()] for x in scaled]), TOLERANCE)


def runs(trial, executor):
    agree(graphad.jit(trial.ours, executor=executor)(*trial.args), trial.wanted, TOLERANCE)


# -- JAX and autograd ---------------------------------------------------------------------------------------------

PEERS = {"jax": "JAX", "autograd": "autograd"}
BARE = ("value", "name only")


class Names:
    """The names of a package's counterparts of one of SciPy's modules."""

    def __init__(self, library, module):
        self.__name__ = f"{library}.scipy.{module}"
        self.modules = []
        for path in (self.__name__, *([f"{library}.numpy.fft"] if module == "fft" else [])):
            try:
                self.modules.append(import_module(path))
            except ImportError:
                continue

    def __getattr__(self, name):
        for module in self.modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)


def along_by_jax(call, x, direction, keep):
    """The derivatives of some results along a direction."""
    import jax

    return jax.jvp(lambda x: [y for i, y in enumerate(call(x)) if i in keep], (x,), (direction,))[1]


def products_by_autograd(call, x, cts):
    """The cotangents of an argument for one of each real or imaginary part of the results."""
    import autograd

    take = lambda x, i, part: getattr(autograd.numpy, part)(call(x)[i])
    return sum(autograd.make_vjp(lambda x, i=i, part=part: take(x, i, part))(x)[0](ct) for (i, part), ct in cts.items())


def right(library, trial, call, i, keep):
    """Whether a package's derivative in an argument is SciPy's difference."""
    xs = [np.asarray(x) for x in trial.args]
    of = lambda x: call(*xs[:i], x, *xs[i + 1 :])
    wanted = trial.differences([i], keep)
    if library == "jax":
        agree([np.asarray(x) for x in along_by_jax(of, xs[i], trial.directions[i], keep)], wanted, 1e-4)
        return
    rng = np.random.default_rng(3)
    slopes = {(k, part): getattr(np, part)(x) for k, x in zip(keep, wanted, strict=True) for part in ("real", "imag")
              if part == "real" or x.dtype.kind == "c"}  # fmt: skip
    cts = {key: random_like(rng, x) for key, x in slopes.items()}
    found = inner([np.asarray(products_by_autograd(of, xs[i], cts))], [trial.directions[i]])[0]
    expected, size = inner(list(cts.values()), list(slopes.values()))
    assert abs(found - expected) <= 1e-4 * max(1.0, size)


def peer(library, module, trial):
    """What a package has of a function: `all` derivatives, those in some arguments, the `value`, or the name alone."""
    call = trial.of(Names(library, module))
    try:
        agree([np.asarray(x) for x in call(*[np.asarray(x) for x in trial.args])], trial.wanted, 1e-5)
    except Exception:
        return "name only"
    keep = [i for i, x in enumerate(trial.wanted) if x.dtype.kind in "fc"]
    floats = [i for i in trial.floats if keep and any(np.any(x != 0) for x in trial.differences([i], keep))]
    good = []
    for i in floats:
        try:
            right(library, trial, call, i, keep)
        except Exception:
            continue
        good.append(trial.names[i])
    if len(good) == len(floats):
        return "all" if floats else "value"
    return f"{', '.join(f'`{name}`' for name in good)} only" if good else "value"


def peer_cell(library, module, name):
    """A package's cell in the row of a function; for a distribution, its methods by what they have."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if name not in peer_names(library, module):
            return ""
        if module != "stats" or name not in DISTRIBUTIONS:
            return peer(library, module, Trial(module, name))
        kinds = {}
        for method, tried in methods(name).items():
            if not hasattr(getattr(Names(library, module), name), method):
                continue
            kind = peer(library, module, Trial(module, name, tried))
            if kind != "all" and name not in MULTIVARIATE:
                plain = peer(library, module, Trial(module, name, method_of(name, method, standard=True)))
                kind = "all but `loc`, `scale`" if plain == "all" else plain if kind in BARE else kind
            kinds.setdefault(kind, []).append(method)
        return "; ".join(f"{kind}: {', '.join(found)}" for kind, found in kinds.items())


def peer_names(library, module):
    """SciPy's public names that a package has; of autograd, which wraps all names of some modules, those with rules."""
    found = [n for n in callables(module) if hasattr(Names(library, module), n)]
    if library == "jax":
        return found
    from autograd.core import primitive_vjps

    own = lambda f: f in primitive_vjps or getattr(f, "__module__", "").startswith("autograd.scipy")
    return [n for n in found if not callable(f := getattr(Names(library, module), n)) or own(f)]


def write_peers(chosen):
    """Find what JAX and autograd have of some modules, and write the table."""
    import jax

    jax.config.update("jax_enable_x64", True)
    for library in PEERS:
        for module in chosen:
            NAMES[library][module] = " ".join(peer_names(library, module))
            kinds = {}
            for name in traced(module):
                kinds.setdefault(peer_cell(library, module, name), []).append(name)
            FOUND[library][module] = [(kind, " ".join(found)) for kind, found in kinds.items() if kind]
    VERSIONS.update({library: version(library) for library in PEERS})
    tables = {"VERSIONS": VERSIONS, "NAMES": NAMES, "FOUND": FOUND}
    parts = ['"""What JAX and autograd have of SciPy: written by `python tests/scipy_coverage.py peers`."""']
    parts += [f"{title} = (\n{pformat(table, width=118, sort_dicts=False)}\n)" for title, table in tables.items()]
    PEERS_TABLE.write_text("\n\n".join(parts) + "\n")


# -- the page -----------------------------------------------------------------------------------------------------

SCIPY, JAX, AUTOGRAD = ".".join(version("scipy").split(".")[:2]), VERSIONS["jax"], VERSIONS["autograd"]
HEADER = f"""# SciPy's functions

What works of each function of SciPy {SCIPY} on traced values, as `scipy.f` in code that graphad converts, and as
`graphad.scipy` always. This page is written by `tests/scipy_coverage.py`, which tries one typical call of each; a test
holds it to the truth. Functions that are not listed are SciPy's own and take no traced values.

- *value*: the traced function gives SciPy's numbers. *numpy*, *llvm*, *numba*: compiled by these executors too.
- *jvp*, *vjp*: forward mode gives SciPy's differences along a direction, and reverse mode the same products; `-` where
  the function is constant but for jumps, or of integers; `no` where no argument has a derivative.
- *vmap*: a batch is a loop.
- *fixed*: the arguments without a derivative, which say so when one is asked for; of the arguments of the call that is
  tried, which leaves most options at SciPy's defaults.
- *JAX* ({JAX}), *autograd* ({AUTOGRAD}): what `jax.scipy` and `autograd.scipy` have, and for `scipy.fft` also
  `jax.numpy.fft` and `autograd.numpy.fft`, by the same call: `all` derivatives in these arguments, those in some
  `only`, the `value`, or the `name only`, where the call needs other arguments or gives other numbers. Distributions
  are called without `loc` and `scale` too, where derivatives are missing or wrong with them: `all but`. An empty field:
  they lack it, or wrap it without a derivative. Other names are in their modules for NumPy, as `jax.numpy.linalg.pinv`.

"""
SUMMARY = """| module | public names | graphad | JAX | autograd |
|---|---|---|---|---|
"""
UNLISTED = "{library} has, and graphad has not: {names}.\n"


def summary():
    """The counts of SciPy's public functions and classes, and of those that are traced."""
    lines = []
    for module in MODULES:
        counts = [len(callables(module)), len(traced(module)), *[len(NAMES[p][module].split()) for p in PEERS]]
        lines.append(f"| `scipy.{module}` | {' | '.join(map(str, counts))} |")
    return SUMMARY + "\n".join(lines) + "\n"


def told(module, name):
    """The cells of JAX and autograd."""
    found = [[kind for kind, names in FOUND[library][module] if name in names.split()] for library in PEERS]
    return [kinds[0] if kinds else "" for kinds in found]


def cells(module, name, executors=EXECUTORS):
    """The cells of a row by columns, found by trying; those of executors that are not tried are left out."""
    marks, fixed = row(module, name, executors)
    listed = {"methods": ", ".join(methods(name) if name in DISTRIBUTIONS else ())} if module == "stats" else {}
    return {**listed, **marks, "fixed": fixed}


def columns(module):
    return (*(("methods",) if module == "stats" else ()), *COLUMNS, *PEERS.values(), "fixed")


def rows(text, module):
    """The rows of a module in a page: for each name its cells by columns."""
    found = {}
    for line in text.partition(f"## scipy.{module}\n")[2].partition("\n## ")[0].splitlines():
        if line.startswith("| `"):
            name, *listed = [cell.strip() for cell in line.strip("|").split("|")]
            found[name.strip("`")] = dict(zip(columns(module), listed, strict=True))
    return found


def section(module, old):
    """A module's rows, of which those that are old are taken over, and what other packages have beside them."""
    head = columns(module)
    lines = [f"## scipy.{module}\n", f"| name | {' | '.join(head)} |\n|---|{'---|' * len(head)}"]
    for name in traced(module):
        found = old[name] if name in old else cells(module, name)
        found |= dict(zip(PEERS.values(), told(module, name), strict=True))
        lines.append(f"| `{name}` | {' | '.join(found[column] for column in head)} |")
        if TOLD:
            sys.stdout.write(f"{module}.{name}: {'; '.join(TOLD)}\n")
        TOLD.clear()
    return "\n".join(lines) + "\n\n" + unlisted(module)


def unlisted(module):
    """The names that JAX and autograd have and graphad lacks."""
    text = ""
    for library, title in PEERS.items():
        names = [name for name in NAMES[library][module].split() if name not in traced(module)]
        if names:
            text += UNLISTED.format(library=title, names=", ".join(f"`{name}`" for name in names)) + "\n"
    return text


def page(chosen=MODULES):
    """The whole text, with the rows of some modules found anew."""
    text = PAGE.read_text()
    parts = [section(module, {} if module in chosen else rows(text, module)) for module in MODULES]
    return HEADER + summary() + "\n" + "".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    words = sys.argv[1:]
    if "peers" in words:
        write_peers([module for module in MODULES if module in words] or MODULES)
    PAGE.write_text(page([module for module in MODULES if module in words] if words else MODULES))
    sys.stdout.write(f"{PAGE} is written\n")

"""What is imported when a name of it is first used: the index of names, and that nothing depends on who asks first.

`python tests/test_families.py` writes the index, graphad/families.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

INDEX = Path(__file__).resolve().parent.parent / "graphad" / "families.py"

FOUND = """
import graphad
from graphad.op import OPS
from graphad.trace import UFUNCS
ops, ufuncs = [{name: dict.get(table, name) for name in dict.keys(table)} for table in (OPS, UFUNCS)]
import graphad.ops.special
print(*sorted(dict.keys(OPS) - ops.keys()))
print(*sorted(k for k in dict.keys(UFUNCS) if isinstance(k, str) and dict.get(UFUNCS, k) is not ufuncs.get(k)))
"""

COMPOSED = """
import graphad
from graphad.ops.compositions import COMPOSITIONS, SEARCHES
print(*sorted(COMPOSITIONS.keys() - SEARCHES))
print(*sorted(SEARCHES))
"""


def fresh(code: str) -> str:
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def written(names: str) -> str:
    lines, line = [], ""
    for name in names.split():
        if len(line) + len(name) > 110:
            lines.append(line)
            line = ""
        line += ("" if not line else " ") + name
    return '"""\n' + "\n".join([*lines, line]) + '\n"""'


def index() -> str:
    """The text of the index."""
    ops, ufuncs = fresh(FOUND).splitlines()
    composed, searched = fresh(COMPOSED).splitlines()
    return (
        '"""Names of what is imported when it is first used; `python tests/test_families.py` writes this file."""\n\n'
        'SPECIAL_FUNCTIONS = "graphad.ops.special"\n'
        f"SPECIAL_OPS = {written(ops)}\nSPECIAL_UFUNCS = {written(ufuncs)}\n"
        f"COMPOSED = {written(composed)}\nSEARCHED = {written(searched)}\n"
    )


def test_the_index_is_complete() -> None:
    assert INDEX.read_text() == index(), "run python tests/test_families.py"


TEXT = "graph @f(%x: f64[]) -> (f64[]) {\\n  %0: f64[] = jv %x %x\\n  return %0\\n}\\n"
ORDER = "import scipy.special as s; print(graphad.trace(lambda x: s.jv(2, x))(1.0))"
PICKLED = "cgraphad.ops.machinery\\n_ufunc_op\\n(S'erf'\\ntR."
USES = {
    "nothing": ("import numpy as np; graphad.jit(graphad.grad(lambda x: np.sum(np.sin(x))))(np.ones(2))", False),
    "an unknown name": ("from graphad.op import OPS; assert OPS.get('no such op') is None", False),
    "text": (f"graphad.parse({TEXT!r})".replace("\\\\", "\\"), True),
    "a ufunc": ("import scipy.special as s; graphad.grad(s.gammaln)(2.0)", True),
    "an order": (ORDER, True),
    "an order after others": (f"import graphad.random, graphad.ops.special.bessel; {ORDER}", True),
    "a name": ("from graphad.op import OPS; OPS['erf'], 'erf' in OPS", True),
    "all names": ("from graphad.op import OPS; assert len(OPS) > 300", True),
    "a module": ("graphad.ops.special.erf", True),
    "a pickle": (f"import pickle; pickle.loads(b{PICKLED!r})".replace("\\\\", "\\"), True),
}


@pytest.mark.parametrize("use", USES)
def test_in_a_fresh_process(use: str) -> None:
    code, loaded = USES[use]
    found = fresh(f"import sys, graphad; {code}\nprint('graphad.ops.special.error' in sys.modules)")
    assert found.split()[-1] == str(loaded)
    if ORDER in code:
        assert "bessel[" in found, "the order is known, and has an op of its own"


PASSES = {
    "a pipeline": "graphad.Pipeline('cse, store_on_kill, grad')",
    "the module first": "import graphad.passes.memory.store_on_kill, graphad.passes.vmap",
    "a function of the module": "from graphad.passes.vmap import vmap; assert graphad.passes.vmap is vmap",
    "from the package": "from graphad.passes import store_on_kill, rewrite, split, batch",
    "a derivative": "import numpy as np; graphad.jit(graphad.grad(lambda x: np.sum(np.sin(x))))(np.ones(2))",
    "a name of a pass, taken": """
def simplify(graph): return graph
graphad.graph_pass(simplify)
assert graphad.Pipeline("simplify").steps and graphad.passes.PASSES["simplify"].__wrapped__ is simplify
graphad.passes.simplify
assert graphad.passes.PASSES["simplify"].__wrapped__ is simplify
""",
}


@pytest.mark.parametrize("use", PASSES)
def test_passes_are_functions_whoever_asks_first(use: str) -> None:
    after = """
passes = graphad.passes
assert all(callable(getattr(passes, name)) for name in passes.__all__ if name != "PASSES")
assert passes.PASSES["vjp"] is passes.vjp
assert set(OWN) | {"simplify"} == set(passes._HOMES) - {"rewrite", "split", "batch"}
assert all(f.__module__ == passes._HOMES[name] for name, f in OWN.items())
print("whole")
"""
    own = "OWN = {n: f for n, f in graphad.passes.PASSES.items() if f.__module__.startswith('graphad.')}"
    assert fresh(f"import graphad\n{PASSES[use]}\n{own}\n{after}") == "whole\n"


def test_what_importing_leaves_out() -> None:
    found = fresh("import sys, graphad; print(*[m for m in sys.modules if m.startswith('graphad.')])").split()
    left = {"graphad.executors.loops", "graphad.passes.cleanup.simplify", "graphad.passes.memory.store_on_kill"}
    assert not left & set(found)


if __name__ == "__main__":
    INDEX.write_text(index())

"""Small mistakes, and the tests that notice each of them."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """A mistake: what it is, its file, the text that stands there once and what it becomes, and pytest's arguments."""

    what: str
    file: str
    before: str
    after: str
    tests: str


def law(names: str, laws: str) -> str:
    """Some laws of ops, on all their samples."""
    return f'tests/test_ops.py -k "({names}) and ({laws})"'


def effects(words: str) -> str:
    """Tests of random graphs with effects."""
    return f'tests/test_random_passes.py -k "{words}"'


OPS = [
    Mutation(
        "the sign of a derivative", "graphad/ops/transcendental.py",
        'code="cos({0})", partials=[lambda out, x: -sin(x)]', 'code="cos({0})", partials=[lambda out, x: sin(x)]',
        law("cos-f8", "jvp"),
    ),
    Mutation(
        "a sign within a derivative", "graphad/ops/transcendental.py",
        'code="tanh({0})", partials=[lambda out, x: 1 - square(out)]',
        'code="tanh({0})", partials=[lambda out, x: 1 + square(out)]', law("tanh-f8", "jvp"),
    ),
    Mutation(
        "the sign of one of two derivatives", "graphad/ops/arithmetic.py",
        "lambda out, x, y: -(out * reciprocal(y))", "lambda out, x, y: out * reciprocal(y)", law("divide-f8", "jvp"),
    ),
    Mutation(
        "a term of a product rule dropped", "graphad/ops/dot_general.py",
        "            terms.append(self(x, dy))", "            terms = terms or [self(x, dy)]", law("dot_general-f8",
        "jvp"),
    ),
    Mutation(
        "a factor of the derivative of prod dropped", "graphad/ops/reduce.py",
        'others = multiply(below, concatenate([after, ones], axis))', "others = below", law("prod-f8", "jvp"),
    ),
    Mutation(
        "elements that tie do not share the derivative of max", "graphad/ops/reduce.py",
        'return multiply(share, chosen)', "return chosen", "tests/test_extremes.py -k derivatives",
    ),
    Mutation(
        "NaN for a maximum has no NaN for derivative", "graphad/ops/reduce.py",
        "select(equal(out, out), count, out)", "count", "tests/test_extremes.py -k derivatives",
    ),
    Mutation(
        "a sum along the wrong axis under vmap", "graphad/ops/reduce.py",
        "return type(self)(tuple(i + 1 for i in self.axes))(xs[0])", "return type(self)(self.axes)(xs[0])",
        law("sum-f8", "batch"),
    ),
    Mutation(
        "cumsum transposed in its own direction", "graphad/ops/cumulative.py",
        "return Cumsum(self.axis, not self.reverse)(ct)", "return Cumsum(self.axis, self.reverse)(ct)",
        law("cumsum-f8", "transpose"),
    ),
    Mutation(
        "steps of a prefix that do not double", "graphad/ops/cumulative.py",
        "distance *= 2", "distance *= 4", law("cumprod-f8", "jvp"),
    ),
    Mutation(
        "NaN of a running extreme has no NaN for derivative", "graphad/ops/cumulative.py",
        "select(equal(out, out), one, out)", "one", "tests/test_extremes.py -k derivatives",
    ),
    Mutation(
        "a triangular solve transposed to itself", "graphad/ops/linalg.py",
        "TriangularSolve(self.lower, not self.transpose_a, self.unit_diagonal)(xs[0], ct)",
        "TriangularSolve(self.lower, self.transpose_a, self.unit_diagonal)(xs[0], ct)",
        law("triangular_solve-f8", "transpose"),
    ),
    Mutation(
        "the diagonal counts twice in cholesky", "graphad/ops/linalg.py",
        'return matmul(out, multiply(inside, keep(n, dtype, diagonal=0.5)))',
        'return matmul(out, multiply(inside, keep(n, dtype, diagonal=1.0)))', law("cholesky-f8", "jvp"),
    ),
    Mutation(
        "the sign of the derivative of an inverse", "graphad/ops/linalg.py",
        'return negative(matmul(out, matmul(tangents[0], out)))', "return matmul(out, matmul(tangents[0], out))",
        law("inv-f8", "jvp"),
    ),
    Mutation(
        "the gaps between eigenvalues with the wrong sign", "graphad/ops/eigen.py",
        "return real(diagonal(inside, -2, -1)), matmul(v, inverse_gaps(w) * inside)",
        "return real(diagonal(inside, -2, -1)), matmul(v, -inverse_gaps(w) * inside)", law("eigh-f8", "jvp"),
    ),
    Mutation(
        "a sort whose tangents are sorted by themselves", "graphad/ops/sort.py",
        "Argsort(self.axis)(primals[0])", "Argsort(self.axis)(tangents[0])", law("sort-f8", "jvp"),
    ),
    Mutation(
        "cotangents of an index that comes twice replace each other", "graphad/ops/gather.py",
        "return (ScatterAdd(self.axes)(zeros(x.shape, ct.dtype), ct, *indices), *(None for _ in indices))",
        'return (OPS["scatter_set"](self.axes)(zeros(x.shape, ct.dtype), ct, *indices), *(None for _ in indices))',
        law("gather-f8", "transpose"),
    ),
    Mutation(
        "a callback of a batch always sees its first example", "graphad/ops/effects.py",
        "self.function(*[x[i] if b else x for", "self.function(*[x[0] if b else x for", effects("batches"),
    ),
    Mutation(
        "a callback runs for examples that take another branch", "graphad/ops/effects.py",
        "return DebugCallback(WhenLive(self.function))(live, *xs)", "return DebugCallback(self.function)(*xs)",
        effects("batches"),
    ),
    Mutation(
        "a check holds for examples that take another branch", "graphad/ops/checks.py",
        'return self(logical_or(xs[0], logical_not(live)), *xs[1:])', "return self(*xs)",
        effects("batches"),
    ),
    Mutation(
        "the message of a check shows all examples", "graphad/ops/checks.py",
        "return self.replace(lead=self.lead + 1)", "return self.replace(lead=self.lead)",
        effects("batches"),
    ),
    Mutation(
        "all examples of a batch draw the same numbers", "graphad/ops/draws.py",
        "    drawn = True\n", "    drawn = False\n", "tests/test_draws.py",
    ),
    Mutation(
        "an example of a batch goes on when its loop has ended", "graphad/ops/regions/while_.py",
        "select(broadcast_to(reshape(active, (size, *[1] * (r.ndim - 1))), r.shape), r, old)", "r",
        effects("batches"),
    ),
    Mutation(
        "the mask of a counted loop lost under vmap", "graphad/ops/regions/scan.py",
        "new = [select(broadcast_to(active, r.shape), r, old) for r, old in zip(found[:n], state, strict=True)]",
        "new = list(found[:n])", effects("batches"),
    ),
    Mutation(
        "a loop backwards that starts one behind its end", "graphad/ops/regions/scan.py",
        "start = most - 1 if self.reverse else", "start = most if self.reverse else", law("scan", "batch"),
    ),
    Mutation(
        "a loop transposed in its own direction", "graphad/ops/regions/scan.py",
        "len(sums) + n, not self.reverse)", "len(sums) + n, self.reverse)", law("scan", "transpose"),
    ),
    Mutation(
        "effects of a branch that an example does not take", "graphad/ops/regions/cond.py",
        "            if any([must_be_guarded(node.op) for node in branch.nodes]):", "            if False:",
        effects("batches"),
    ),
    Mutation(
        "off by one in the branch that an index takes", "graphad/ops/regions/cond.py",
        'index if index.dtype.kind == "b" else index >= i', 'index if index.dtype.kind == "b" else index > i',
        law("cond", "batch"),
    ),
    Mutation(
        "effects left out of the order of programs", "graphad/ops/guarding.py",
        "raised = None if node.op.effect else node.op.raises", "raised = node.op.raises",
        effects("fold_add_into_dest or merge_loops"),
    ),
    Mutation(
        "ops of one class are equal whatever their attributes", "graphad/op.py",
        "(type(self), *[_digests(own[f]) if f in regions else own[f] for f in self._fields])",
        "(type(self), len(regions))",
        "tests/test_random_programs.py",
    ),
]

PASSES = [
    Mutation(
        "cse merges effects", "passes/cleanup/cse.py", "first = node if node.op.effect else seen", "first = seen",
        effects("cse"),
    ),
    Mutation(
        "licm moves effects out of loops", "passes/loops/licm.py",
        "or not reached or inner.op.effect or inner in counted", "or not reached or inner in counted", effects("licm"),
    ),
    Mutation(
        "licm moves what raises out of loops that may not run", "passes/loops/licm.py",
        "reached = runs or not inner.op.raises", "reached = True", effects("licm"),
    ),
    Mutation(
        "licm moves what raises in front of effects", "passes/loops/licm.py",
        "runs = runs and not must_be_reached(inner.op)", "runs = bool(runs)", effects("licm"),
    ),
    Mutation(
        "fold runs effects", "passes/cleanup/fold.py",
        "if op._region_fields or op.effect or not node.inputs:", "if op._region_fields or not node.inputs:",
        effects("fold"),
    ),
    Mutation(
        "dce removes effects", "passes/cleanup/dce.py", "stays = node.op.effect or (raising", "stays = (raising",
        effects("dce"),
    ),
    Mutation(
        "dce removes what raises", "passes/cleanup/dce.py",
        "(raising and node.op.raises and not isinstance(node.op, Structured))", "False", "tests/test_golden.py",
    ),
    Mutation(
        "lifetime moves effects past each other", "passes/memory/lifetime.py",
        "            before.update(earlier)", "            before.update(())", effects("lifetime"),
    ),
    Mutation(
        "memory is reused in the step of the last read", "passes/memory/lifetime.py",
        "if other.first > it.last or other.last < it.first:", "if other.first >= it.last or other.last < it.first:",
        "tests/test_memory_plan.py",
    ),
    Mutation(
        "fold_add_into_dest adds to what depends on the sum", "passes/loops/fold_add_into_dest.py",
        "or any([before & bit for bit in loops]):", "or False:", effects("fold_add_into_dest"),
    ),
    Mutation(
        "fold_add_into_dest moves effects", "passes/loops/fold_add_into_dest.py",
        "if not self.may_move(nodes, node, bool(loops)):", "if False:", effects("fold_add_into_dest"),
    ),
    Mutation(
        "loops are merged of which one reads the other's carries", "passes/loops/merge_loops.py",
        "free = alike & ~mask", "free = alike", effects("merge_loops"),
    ),
    Mutation(
        "merged loops move effects", "passes/loops/merge_loops.py",
        "ordered = earlier if reached else 0", "ordered = 0", effects("merge_loops"),
    ),
    Mutation(
        "a carry that changes is stacked as if it did not", "passes/loops/simplify_regions.py",
        "(isinstance(v, Constant) or v in outside) and v not in changing:",
        "(isinstance(v, Constant) or v in outside):", effects("simplify_regions"),
    ),
    Mutation(
        "a loop backwards is written out forwards", "passes/loops/unroll_loops.py",
        "for i in reversed(range(op.length)) if op.reverse else range(op.length):", "for i in range(op.length):",
        effects("unroll_loops"),
    ),
    Mutation(
        "a zero added takes the sign of zeros", "passes/cleanup/arithmetic_rules.py",
        'return not signs.all() if node.op is add else bool(signs.any())', "return False",
        "tests/test_golden.py tests/test_pipeline.py tests/test_numpy_edges.py",
    ),
    Mutation(
        "the zeros of a choice meet an infinite derivative", "passes/differentiation/cotangents.py",
        "(op.transpose_masked if zeros else op.transpose)(value, *operands)", "op.transpose(value, *operands)",
        "tests/test_masked.py",
    ),
    Mutation(
        "random numbers are the same for all examples", "passes/vmap.py",
        "if not any(flags) and (same or not node.op.drawn):", "if not any(flags):", "tests/test_draws.py",
    ),
    Mutation(
        "a pad that is shared is cut at the wrong place", "passes/cleanup/adjoint_stencils.py",
        "start = tuple([a - b for a, b in zip(before, node.op.low, strict=True)])",
        "start = tuple([b for a, b in zip(before, node.op.low, strict=True)])", "tests/test_adjoint_stencils.py",
    ),
]

EXECUTORS = [
    Mutation(
        "finite identities of max and min", "executors/loops/kernels.py",
        'dtype.type(-np.inf if kind == "max" else np.inf)', 'dtype.type(-1e30 if kind == "max" else 1e30)',
        "tests/test_extremes.py",
    ),
    Mutation(
        "lanes beyond the end take part in reductions", "executors/llvm/nests.py",
        "        if body.mask is not None:\n            idle", "        if False:\n            idle",
        "tests/test_extremes.py",
    ),
    Mutation(
        "accumulators of an unrolled loop forgotten", "executors/llvm/nests.py",
        "terms = [self._combine(reduction, x, y, self.lanes) for x, y in pairs]", "terms = [x for x, y in pairs]",
        "tests/test_extremes.py",
    ),
    Mutation(
        "checks of lanes beyond the end", "executors/llvm/nests.py",
        'ok = code(f"select {mask} {body.mask}, {mask} {ok}, {mask} splat (i1 true)")', "ok = str(ok)",
        "tests/test_lapack.py -k factorisations",
    ),
    Mutation(
        "a result takes the place of what is read later", "executors/loops/layout.py",
        "last[buffer] == i and first[buffer] < i", "last[buffer] >= i and first[buffer] < i",
        "tests/test_llvm_random.py",
    ),
    Mutation(
        "what a loop reads again is overwritten in it", "executors/loops/layout.py",
        "                    self.last[buffer] = end", "                    self.last[buffer] = last",
        "tests/test_random_control_flow.py tests/test_native_loops.py",
    ),
    Mutation(
        "the last block of a long sum is another one", "executors/loops/blocks.py",
        "split.part(blocks, 1, rest, n - rest)", "split.part(blocks, 1, rest, 0)", "tests/test_sums.py -k every_axis",
    ),
    Mutation(
        "the range of a difference", "graphad/intervals.py",
        "return a - d, b - c", "return a - c, b - d", "tests/test_intervals.py",
    ),
    Mutation(
        "off by one in a bound that needs no check", "graphad/intervals.py",
        "return _truth(b < c, a >= d)", "return _truth(b <= c, a >= d)", "tests/test_intervals.py",
    ),
    Mutation(
        "a carry changes in place before it is read", "executors/loops/inplace.py",
        "            elif not _at_once(node):", "            elif False:", "tests/test_native_loops.py -k stood_there",
    ),
    Mutation(
        "results share memory with arguments", "executors/numpy.py",
        "        return result.copy()", "        return result", "tests/test_conformance.py -k no_sample",
    ),
    Mutation(
        "numba's sign of zero", "executors/numba/scalars.py",
        '"sign": "({0} > 0) - ({0} < 0)"', '"sign": "({0} >= 0) - ({0} < 0)"',
        "tests/test_extremes.py -k signs -m ''",
    ),
]

FRONT = [
    Mutation(
        "types inferred for one shape serve all", "graphad/build.py",
        "key = (op, *map(_type_of, inputs))", "key = (op, *[v.type.dtype for v in inputs])",
        "tests/test_random_programs.py",
    ),
    Mutation(
        "static arguments missing in the key of compiled code", "graphad/api/jit.py",
        "tuple(call.trees), call.treedef, bound.key)", "tuple(call.trees), call.treedef)",
        "tests/test_api.py tests/test_other_arguments.py",
    ),
    Mutation(
        "weak numbers missing in the key of compiled code", "graphad/api/jit.py",
        "told = [(is_weak(x), type(x) is np.ndarray,", "told = [(type(x) is np.ndarray,",
        "tests/test_scalars.py -k in_turn",
    ),
    Mutation(
        "a guard that takes -0.0 for 0.0", "graphad/api/guards.py",
        "return bool(x == y) and (x != 0 or repr(x) == repr(y))", "return bool(x == y)", "tests/test_guards.py",
    ),
    Mutation(
        "arrays that are read are not guarded", "graphad/api/guards.py",
        "slot, test, x, x.tobytes(), x.shape)", 'slot, "{1} is not {0}", x, x.tobytes())',
        "tests/test_guards.py",
    ),
    Mutation(
        "two variables of a loop that share an array", "graphad/api/conversion/aliases.py",
        "if any([p in self.written for p in places]) or (around and changed(x)):", "if around and changed(x):",
        "tests/test_identity.py tests/test_inplace.py",
    ),
    Mutation(
        "a branch that raises does where the other one is taken", "graphad/api/conversion/branches.py",
        "_stop(test if i else np.logical_not(test), part)", "_stop(test, part)",
        'tests/test_checks.py -k "as_python and llvm"',
    ),
    Mutation(
        "continue in one iteration holds for all that follow", "graphad/api/conversion/jumps.py",
        "body = [_set(own.continued, False, s), *body]", "body = [*body]", "tests/test_conversion.py",
    ),
    Mutation(
        "a view is not written through", "graphad/numpy/views.py",
        "        replace(x.origin, x.back(own(x.origin), new))\n", "        x.back(own(x.origin), new)\n",
        "tests/test_inplace.py",
    ),
    Mutation(
        "the array that a test did not choose is written to", "graphad/numpy/views.py",
        "replace(source, where(test, new, own(source)))", "replace(source, where(test, own(source), new))",
        "tests/test_identity.py",
    ),
    Mutation(
        "an archive's arrays are not compared with what was saved", "graphad/serial.py",
        'if _checksum(np.ascontiguousarray(array)) != entry.get("blake2b"):', "if False:", "tests/test_serial.py",
    ),
]

TABLE = [*OPS, *PASSES, *EXECUTORS, *FRONT]

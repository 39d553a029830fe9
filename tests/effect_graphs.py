"""Random graphs with effects, checks, draws, ops that raise, NaN and infinities, in loops and branches too."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad.build import Builder
from graphad.graph import Constant, Graph, Value
from graphad.op import OPS, Op
from graphad.ops.checks import Check
from graphad.ops.draws import Draw
from graphad.ops.effects import DebugCallback
from graphad.ops.regions.cond import Cond
from graphad.ops.regions.scan import Scan
from graphad.ops.regions.while_ import While
from graphad.types import TensorType

ROW = TensorType("f8", (3,))
COUNT = TensorType("i8", ())
LENGTH = 4
"""The rows of the array that loops run over."""
CONSTANTS = [
    Constant(np.array(row))
    for row in ([0.5, -1.0, 2.0], [0.0, 1.0, -3.0], [2.0, 0.25, 0.5], [np.inf, np.nan, -np.inf], [1.0, 1.0, 1.0])
]
ZEROS = Constant(np.zeros(3))
UNARY = ("sin", "negative", "exp", "log", "tanh", "tanh", "floor", "absolute", "square", "reciprocal")
BINARY = ("add", "add", "subtract", "multiply", "multiply", "divide", "maximum", "minimum", "fmax")

LOG: list[Any] = []
"""What callbacks told in a run, in order."""
GENERATOR = [np.random.default_rng(0)]


@dataclass(frozen=True)
class Note:
    """A callback: what it is called with is logged under its name."""

    name: str

    def __call__(self, *xs: Any) -> None:
        LOG.append((self.name, *[np.array(x) for x in xs]))


def _drawn() -> Any:
    return GENERATOR[0].normal(size=3)


def _integer() -> Any:
    return GENERATOR[0].integers(5) * np.ones(3)


DRAWS = tuple([Draw(function, (ROW,)) for function in (_drawn, _integer)])


class Scope:
    """The nodes of one region under construction, and the rows that these can read."""

    def __init__(self, rng: random.Random, builder: Builder, rows: Sequence[Value], tables: Sequence[Value]) -> None:
        self.rng, self.builder = rng, builder
        self.rows, self.tables = [*rows], [*tables]

    def row(self) -> Value:
        """A row of those that there are, a constant now and then; the last ones rather than the first."""
        if self.rng.random() < 0.25:
            return self.rng.choice(CONSTANTS)
        return self.rng.choice(self.rows[-4:] if self.rng.random() < 0.5 else self.rows)

    def emit(self, op: Op, *inputs: Value) -> tuple[Value, ...]:
        return self.builder.emit(op, inputs)

    def made(self, op: Op, *inputs: Value) -> Value:
        (found,) = self.emit(op, *inputs)
        self.rows.append(found)
        return found

    def scalar(self) -> Value:
        """One element of a row."""
        i = self.rng.randrange(3)
        (entry,) = self.emit(OPS["slice"]((i,), (i + 1,), (1,)), self.row())
        return self.emit(OPS["reshape"](()), entry)[0]

    def test(self) -> Value:
        """Whether an element is less than a number: false where it is NaN."""
        limit = Constant(np.array(self.rng.choice((-0.5, 0.75, 5.0))))
        return self.emit(OPS["less"], self.scalar(), limit)[0]

    def closed(self, make: Callable[[Scope], Sequence[Value]], rows: int) -> Graph:
        """A region that takes some rows."""
        builder = Builder("region")
        builder.staged = True
        inputs = [builder.input(ROW) for _ in range(rows)]
        scope = Scope(self.rng, builder, inputs, [])
        return builder.finish(make(scope))


class Maker:
    """Makes statements in scopes; `depth` is how far loops and branches may still be nested. In the graphs of odd seeds
    nothing is raised; statements of the kinds in `without` are left out."""

    def __init__(self, seed: int, without: Sequence[str] = ()) -> None:
        self.rng = random.Random(seed)
        kinds = ["op", "op", "op", "again", "reduce", "note", "note", "draw", *["check", "fragile"] * (1 - seed % 2)]
        self.simple = [kind for kind in kinds if kind not in without]

    def graph(self, statements: int = 7, depth: int = 2) -> Graph:
        """A graph of two rows, a table of rows and a number of iterations."""
        builder = Builder("f")
        builder.staged = True
        rows = [builder.input(ROW, name) for name in "xy"]
        table = builder.input(TensorType("f8", (LENGTH, 3)), "table")
        self.count = builder.input(COUNT, "n")
        scope = Scope(self.rng, builder, rows, [table])
        self.block(scope, statements, depth)
        return builder.finish([scope.rows[-1], *self.rng.choices(scope.rows, k=2)])

    def block(self, scope: Scope, statements: int, depth: int) -> None:
        nested = [self.cond, self.scan, self.scan, self.counted, self.loop, self.sums] if depth > 0 else []
        nested += [self.fragiles] if depth > 0 and "fragile" in self.simple else []
        for _ in range(statements):
            kind = self.rng.choice([*self.simple, *nested])
            if isinstance(kind, str):
                getattr(self, kind)(scope)
            else:
                kind(scope, depth - 1)

    # -- statements ---------------------------------------------------------------------------------------------

    def op(self, scope: Scope) -> None:
        if self.rng.random() < 0.4:
            scope.made(OPS[self.rng.choice(UNARY)], scope.row())
        else:
            scope.made(OPS[self.rng.choice(BINARY)], scope.row(), scope.row())

    def again(self, scope: Scope) -> None:
        """A node once more: where it has an effect, that happens twice."""
        nodes = [node for node in scope.builder.nodes if not node.op.regions]
        if nodes:
            node = self.rng.choice(nodes)
            found = scope.emit(node.op, *node.inputs)
            scope.rows += [v for v in found if v.type is ROW]

    def reduce(self, scope: Scope) -> None:
        name = self.rng.choice(("sum", "max", "min", "prod"))
        (total,) = scope.emit(OPS[name]((0,)), scope.row())
        scope.made(OPS["broadcast_to"]((3,)), total)

    def note(self, scope: Scope) -> None:
        scope.emit(DebugCallback(Note(self.rng.choice("ab"))), scope.row())

    def check(self, scope: Scope) -> None:
        kind = self.rng.choice(("ValueError", "KeyError"))
        limit = Constant(np.array(self.rng.choice((2.5, 1e3, np.inf))))
        (fine,) = scope.emit(OPS["less_equal"], scope.row(), limit)
        scope.emit(Check(kind, ("{0}",)), fine, scope.row())

    def draw(self, scope: Scope) -> None:
        scope.made(self.rng.choice(DRAWS))

    def root(self, scope: Scope) -> Value:
        """What raises where it is computed for a number that is not positive."""
        (matrix,) = scope.emit(OPS["broadcast_to"]((1, 1)), scope.scalar())
        (root,) = scope.emit(OPS["cholesky"](), matrix)
        (found,) = scope.emit(OPS["reshape"](()), root)
        return scope.made(OPS["broadcast_to"]((3,)), found)

    def fragile(self, scope: Scope) -> None:
        """The same, told, so that it is not dead."""
        scope.emit(DebugCallback(Note("root")), self.root(scope))

    def cond(self, scope: Scope, depth: int) -> None:
        given = [scope.row() for _ in range(self.rng.randint(1, 3))]

        def branch(inner: Scope) -> Sequence[Value]:
            self.block(inner, self.rng.randint(0, 3), depth)
            return [inner.row(), inner.rows[-1]]

        regions = [scope.closed(branch, len(given)) for _ in range(2)]
        if self.rng.random() < 0.3:
            regions[1] = regions[0]
        test = Constant(np.array(self.rng.random() < 0.5)) if self.rng.random() < 0.2 else scope.test()
        scope.rows += scope.emit(Cond(tuple(regions)), test, *given)

    def scan(self, scope: Scope, depth: int, length: int | None = LENGTH) -> None:
        """A loop over the rows of a table, or one that may not run at all."""
        consts, carries = self.rng.randint(1, 2), self.rng.randint(1, 2)
        given = [scope.row() for _ in range(consts + carries)]
        tables = [self.rng.choice(scope.tables)] if length == LENGTH and scope.tables else []

        def body(inner: Scope) -> Sequence[Value]:
            self.block(inner, self.rng.randint(1, 4), depth)
            still = [inner.rows[consts + i] if self.rng.random() < 0.2 else inner.row() for i in range(carries)]
            # Some loops stack what an iteration begins with.
            stacked = inner.rows[consts if self.rng.random() < 0.3 else -1]
            return [*still, *([stacked] if length == LENGTH else [])]

        region = scope.closed(body, len(given) + len(tables))
        lead = [] if length is not None else [self.count_in(scope)]
        op = Scan(region, consts, length, carries, self.rng.random() < 0.3)
        found = scope.emit(op, *lead, *given, *tables)
        scope.rows += found[:carries]
        scope.tables += found[carries:]
        for table in found[carries:]:
            scope.made(OPS["sum"]((0,)), table)

    def count_in(self, scope: Scope) -> Value:
        return self.count if self.count in scope.builder.inputs else Constant(np.array(self.rng.choice((0, 2))))

    def counted(self, scope: Scope, depth: int) -> None:
        self.scan(scope, depth, self.rng.choice((None, None, 1, 2)))

    def sums(self, scope: Scope, depth: int) -> None:
        """Loops that add to zeros, and a sum of what they give; it may have read them before."""

        def body(inner: Scope) -> Sequence[Value]:
            taken = inner.rows.pop(1)
            self.block(inner, self.rng.randint(1, 2), 0)
            return [*inner.emit(OPS["add"], *self.rng.sample([taken, inner.row()], 2)), inner.row()]

        total = scope.row()
        for _ in range(self.rng.randint(1, 2)):
            tables = [self.rng.choice(scope.tables)] if scope.tables else []
            region = scope.closed(body, 2 + len(tables))
            part, stacked = scope.emit(Scan(region, 1, LENGTH, 1), scope.row(), ZEROS, *tables)
            what = self.rng.random()
            if what < 0.3:
                total = scope.made(OPS["multiply"], total, part)
            elif what < 0.5:
                total = scope.made(OPS["sum"]((0,)), stacked)
            elif what < 0.7:
                self.block(scope, self.rng.randint(1, 2), 0)
                total = scope.row()
            total = scope.made(OPS["add"], *self.rng.sample([total, part], 2))

    def fragiles(self, scope: Scope, depth: int) -> None:
        """Two loops that raise, and have no effect, with something between them."""

        def body(inner: Scope) -> Sequence[Value]:
            return [self.root(inner)]

        found = []
        for i in range(2):
            if i:
                self.block(scope, 1, 0)
            found += scope.emit(Scan(scope.closed(body, 2), 1, LENGTH, 1), scope.row(), scope.row())
        for row in found:
            scope.emit(DebugCallback(Note("root")), row)
        scope.rows += found

    def loop(self, scope: Scope, depth: int) -> None:
        """At most three iterations, and none where a test fails that may have an effect."""
        given = [scope.row() for _ in range(2)]
        start = scope.emit(OPS["broadcast_to"]((3,)), Constant(np.array(0.0)))[0]

        def body(inner: Scope) -> Sequence[Value]:
            steps = inner.rows.pop()
            self.block(inner, self.rng.randint(1, 3), depth)
            return [inner.row(), inner.emit(OPS["add"], steps, CONSTANTS[-1])[0]]

        def test(inner: Scope) -> Sequence[Value]:
            steps = inner.rows.pop()
            self.block(inner, self.rng.randint(0, 2), 0)
            (few,) = inner.emit(OPS["less"], steps, Constant(np.array(3.0)))
            return inner.emit(OPS["logical_and"], inner.emit(OPS["all"]((0,)), few)[0], inner.test())

        op = While(scope.closed(body, 3), 1, scope.closed(test, 3))
        scope.rows.append(scope.emit(op, *given, start)[0])


def arguments(seed: int) -> list[Any]:
    """Rows and a table, where for odd seeds some elements are NaN or infinite, and a number of iterations."""
    rng = random.Random(seed)
    numbers = [0.5, -1.25, 3.0, 0.0, -0.25, 1.0, *[np.nan, np.inf, -np.inf] * (seed % 2)]
    choose = lambda *shape: np.array(rng.choices(numbers, k=int(np.prod(shape)))).reshape(shape)
    return [choose(3), choose(3), choose(LENGTH, 3), np.array(rng.choice((0, 1, 3)))]

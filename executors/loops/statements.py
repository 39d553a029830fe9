"""Statements within statements: those of sequential loops and branches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from graphad.executors.loops.program import Branch, SequentialLoop, Statement


def parts(statement: Statement) -> list[list[Statement]]:
    """The lists of statements within a statement, in the order in which they stand."""
    if isinstance(statement, SequentialLoop):
        return [statement.before, statement.condition, statement.body, statement.after]
    return [statement.before, *statement.branches, statement.after] if isinstance(statement, Branch) else []


def all_statements(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Statements and those within them."""
    for statement in statements:
        yield statement
        for part in parts(statement):
            yield from all_statements(part)


def rewritten(
    statements: list[Statement], function: Callable[[list[Statement]], list[Statement]]
) -> list[Statement]:
    """What a function makes of a list of statements, and of each list within, which is changed in place."""
    for statement in statements:
        for part in parts(statement):
            part[:] = rewritten(part, function)
    return function(statements)

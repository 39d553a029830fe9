"""What a fit found and cost, as tables for a terminal (rich) and as plain data (JSON)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graphad.interop.fit import FitResult, Likelihood

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["best_fit_table", "comparison_table", "plain", "stage_table"]


def _table(title: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )


def stage_table(executor: str, stages: Iterable[Any]) -> Table:
    """Each stage of the compiled likelihood and gradient: its size, its estimated work, the time it took."""
    from rich.markup import escape

    from graphad.passes.cost import estimate

    table = _table(escape(f"Likelihood and gradient, {executor}"))
    table.add_column("stage")
    for title in ("nodes", "flops", "bytes", "seconds"):
        table.add_column(title, justify="right")
    for stage in stages:
        cost = estimate(stage.graph)
        table.add_row(
            escape(stage.name),
            str(len(stage.graph.nodes)),
            quantity(cost.flops),
            quantity(cost.bytes),
            f"{stage.seconds:.4f}",
        )
    return table


def best_fit_table(model: Likelihood, results: Sequence[FitResult]) -> Table:
    """Every parameter: where it started and, for each result, where it ended and how well it is known."""
    from rich.markup import escape

    table = _table("Best fit")
    table.add_column("parameter", overflow="fold")
    table.add_column("init", justify="right")
    for result in results:
        table.add_column(escape(f"best fit\n{result.executor}"), justify="right")
        table.add_column("uncertainty", justify="right")
    for position, name in enumerate(model.parameters):
        cells = []
        for result in results:
            cells += [f"{result.params[position]:.6g}", _uncertainty(model, result, position)]
        table.add_row(escape(name), f"{model.init[position]:.6g}", *cells)
    cells = []
    for result in results:
        cells += [f"{result.nll:.10g}", ""]
    table.add_section()
    table.add_row("-log likelihood", "", *cells)
    return table


def _uncertainty(model: Likelihood, result: FitResult, position: int) -> str:
    if model.fixed[position]:
        return "fixed"
    if result.at_bound[position]:
        return "at bound"
    value = result.uncertainties[position]
    return f"{value:.6g}" if math.isfinite(value) else "none"


# The columns of `comparison_table`: their titles and how they align.
COMPARED: dict[str, Literal["left", "right"]] = {
    "executor": "left",
    "gradient": "left",
    "-log L\nover best": "right",
    "parameters\noff by": "right",
    "evaluations": "right",
    "fit\nseconds": "right",
    "compile\nseconds": "right",
}


def comparison_table(pairs: Sequence[tuple[FitResult, FitResult]]) -> Table:
    """Each executor's fit with exact gradients, and the same fit by finite differences below it.

    Its columns say how far each ends above the lowest negative log-likelihood found, and how far its parameters are
    from the exact fit's.
    """
    from rich.markup import escape

    table = _table("Exact gradients against finite differences (2-point)")
    for title, justify in COMPARED.items():
        table.add_column(title, justify=justify)
    best = min((result for pair in pairs for result in pair), key=lambda result: result.nll)
    for pair in pairs:
        for result in pair:
            table.add_row(
                escape(result.executor),
                result.gradient,
                f"{result.nll - best.nll:.1e}",
                f"{np.max(np.abs(result.params - pair[0].params)):.1e}",
                str(result.evaluations),
                f"{result.seconds:.4f}",
                f"{result.compile_seconds:.3f}",
            )
    return table


def plain(model: Likelihood, pairs: Sequence[tuple[FitResult, FitResult]]) -> dict[str, Any]:
    """The results as data that ``json.dump`` takes; what is not a number becomes None."""

    def numbers(values: Iterable[float]) -> list[float | None]:
        return [float(value) if math.isfinite(value) else None for value in values]

    def entry(result: FitResult) -> Mapping[str, Any]:
        return {
            "executor": result.executor,
            "gradient": result.gradient,
            "nll": result.nll,
            "params": numbers(result.params),
            "uncertainties": numbers(result.uncertainties),
            "at_bound": [bool(value) for value in result.at_bound],
            "converged": result.converged,
            "message": result.message,
            "evaluations": result.evaluations,
            "seconds": result.seconds,
            "compile_seconds": result.compile_seconds,
        }

    return {
        "parameters": list(model.parameters),
        "init": numbers(model.init),
        "fixed": [bool(value) for value in model.fixed],
        "fits": [entry(result) for pair in pairs for result in pair],
    }


def quantity(number: float) -> str:
    """A count to three digits with a metric suffix: 950, 1.27k, 35.2M."""
    for factor, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g}{suffix}"
    return f"{number:.3g}"

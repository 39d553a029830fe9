"""What the statistics give: tuples with named parts as SciPy's, which are trees."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from graphad import tree
from graphad.errors import MissingRuleError
from graphad.location import place
from graphad.ops.special.error import ndtri
from graphad.ops.special.statistical import stdtrit
from graphad.types import Array


class NamedResult(tuple[Any, ...]):
    """A tuple of the parts named in `fields`, with those in `extras` as attributes beside them.

    The numbers in `static` are attributes too, and no leaves of the tree: they are known while tracing.
    """

    fields: ClassVar[tuple[str, ...]] = ("statistic", "pvalue")
    extras: ClassVar[tuple[str, ...]] = ()
    static: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, *values: Any) -> Self:
        names = (*cls.fields, *cls.extras, *cls.static)
        self = super().__new__(cls, values[: len(cls.fields)])
        vars(self).update(zip(names, values, strict=True))
        return self

    def __init_subclass__(cls) -> None:
        tree.register(cls, cls._parts, cls._made)

    def _parts(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        names = (*self.fields, *self.extras)
        return tuple([getattr(self, n) for n in names]), tuple([getattr(self, n) for n in self.static])

    @classmethod
    def _made(cls, static: tuple[Any, ...], parts: Any) -> Self:
        return cls(*parts, *static)

    def __repr__(self) -> str:
        names = [name for name in (*self.fields, *self.extras) if not name.startswith("_")]
        return f"{type(self).__name__}({', '.join([f'{n}={getattr(self, n)!r}' for n in names])})"


class SignificanceResult(NamedResult):
    """A statistic and its p-value."""


class CorrelationResult(NamedResult):
    """A correlation and its p-value."""

    @property
    def correlation(self) -> Array:
        return self.statistic  # type: ignore[attr-defined]


class ConfidenceInterval(NamedResult):
    """The ends of an interval."""

    fields = ("low", "high")


class ModeResult(NamedResult):
    """The commonest values, and how many there are."""

    fields = ("mode", "count")


class DescribeResult(NamedResult):
    """What `describe` gives."""

    fields = ("nobs", "minmax", "mean", "variance", "skewness", "kurtosis")


class LinregressResult(NamedResult):
    """A line of least squares."""

    fields = ("slope", "intercept", "rvalue", "pvalue", "stderr")
    extras = ("intercept_stderr",)


class SlopesResult(NamedResult):
    """A robust line, as of Siegel."""

    fields = ("slope", "intercept")


class TheilslopesResult(NamedResult):
    """A robust line, and an interval of its slope."""

    fields = ("slope", "intercept", "low_slope", "high_slope")


class KstestResult(NamedResult):
    """The greatest distance of two distribution functions, its p-value, place and sign."""

    extras = ("statistic_location", "statistic_sign")


class WilcoxonResult(NamedResult):
    """The sum of signed ranks, and its p-value."""


class ZSignificanceResult(SignificanceResult):
    """A statistic of ranks, its p-value, and the standardised statistic."""

    extras = ("zstatistic",)


class ContingencyResult(NamedResult):
    """What `chi2_contingency` gives."""

    fields = ("statistic", "pvalue", "dof", "expected_freq")


class MedianTestResult(NamedResult):
    """What `median_test` gives."""

    fields = ("statistic", "pvalue", "median", "table")


class RelfreqResult(NamedResult):
    """Frequencies in bins."""

    fields = ("frequency", "lowerlimit", "binsize", "extrapoints")


class CumfreqResult(NamedResult):
    """Cumulative counts in bins."""

    fields = ("cumcount", "lowerlimit", "binsize", "extrapoints")


class AndersonResult(NamedResult):
    """A statistic, and the critical values of some levels of significance, in percent."""

    fields = ("statistic", "critical_values", "significance_level")


class IntervalResult(NamedResult):
    """An estimate, and the interval that it lies in."""

    fields = ("statistic", "minmax")


class PearsonRResult(CorrelationResult):
    """A correlation, its p-value, and intervals by Fisher's transformation."""

    static = ("_alternative", "_n")
    _alternative: str
    _n: int

    def confidence_interval(self, confidence_level: float = 0.95, method: Any = None) -> ConfidenceInterval:
        """The interval of a correlation of normal samples, differentiable in them."""
        if method is not None:
            raise MissingRuleError(f"confidence_interval: resampling cannot be traced{place()}; leave method= out")
        r = self.correlation
        ones = np.ones(np.shape(r))
        two_sided = self._alternative == "two-sided"
        if self._n <= 3:
            return ConfidenceInterval(-ones, ones)
        away = ndtri(0.5 + confidence_level / 2 if two_sided else confidence_level) / np.sqrt(self._n - 3)
        low = -ones if self._alternative == "less" else np.tanh(np.arctanh(r) - away)
        high = ones if self._alternative == "greater" else np.tanh(np.arctanh(r) + away)
        return ConfidenceInterval(low, high)


class TtestResult(NamedResult):
    """A statistic of Student's distribution, its p-value, degrees of freedom, and intervals of what was estimated."""

    extras = ("df", "_standard_error", "_estimate")
    static = ("_alternative",)
    df: Any
    _standard_error: Any
    _estimate: Any
    _alternative: str

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        """The interval of the estimate, differentiable in the samples."""
        ones, level = np.ones(np.shape(self._estimate)), confidence_level
        below = {"two-sided": (1 - level) / 2, "greater": 1 - level}.get(self._alternative)
        above = {"two-sided": (1 + level) / 2, "less": level}.get(self._alternative)
        low, high = [
            end * ones if p is None else stdtrit(self.df, p) * self._standard_error + self._estimate
            for p, end in ((below, -np.inf), (above, np.inf))
        ]
        return ConfidenceInterval(low, high)

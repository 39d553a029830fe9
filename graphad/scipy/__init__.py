"""`graphad.scipy`: the parts of SciPy's namespace that are traced. SciPy itself is loaded when one is first used."""

from graphad.scipy import integrate, interpolate, linalg, signal, special, stats

__all__ = ["integrate", "interpolate", "linalg", "signal", "special", "stats"]

"""`graphad.scipy.constants`: the functions of `scipy.constants` on traced values."""

from __future__ import annotations

from typing import Any

from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.scipy.dispatch import namespace

_traced, __getattr__ = namespace("scipy.constants")

_LIGHT, _FREEZING = 299792458.0, 273.15


@_traced
def lambda2nu(lambda_: Any) -> Any:
    """SciPy's `lambda2nu`: the frequency of light of a wavelength."""
    return _LIGHT / operand(lambda_)


@_traced
def nu2lambda(nu: Any) -> Any:
    """SciPy's `nu2lambda`: the wavelength of light of a frequency."""
    return _LIGHT / operand(nu)


_SCALES = {"celsius": "c", "kelvin": "k", "fahrenheit": "f", "rankine": "r"}


def _scale(name: str, what: str) -> str:
    short = _SCALES.get(name.lower(), name.lower())
    if short not in _SCALES.values():
        scales = ", ".join(s.capitalize() for s in _SCALES)
        raise NotImplementedError(f"convert_temperature: {what}={name!r}{place()} is none of {scales}")
    return short


@_traced
def convert_temperature(val: Any, old_scale: str, new_scale: str) -> Any:
    """SciPy's `convert_temperature`, by kelvins."""
    t, old, new = operand(val), _scale(old_scale, "old_scale"), _scale(new_scale, "new_scale")
    if old == "c":
        t = t + _FREEZING
    elif old != "k":
        t = (t - 32) * 5 / 9 + _FREEZING if old == "f" else t * 5 / 9
    if new == "k":
        return t
    if new == "r":
        return t * 9 / 5
    return t - _FREEZING if new == "c" else (t - _FREEZING) * 9 / 5 + 32

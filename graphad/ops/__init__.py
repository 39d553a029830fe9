"""The ops: one definition each, in families. Importing this package registers them all."""

from graphad.ops import arithmetic, control, elementwise, reduce, select, shape, transcendental

__all__ = ["arithmetic", "control", "elementwise", "reduce", "select", "shape", "transcendental"]

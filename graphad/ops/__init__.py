"""The ops: one definition each, in families. Importing this package registers them all."""

from graphad.ops import arithmetic, control, custom, elementwise, reduce, select, shape, transcendental

__all__ = ["arithmetic", "control", "custom", "elementwise", "reduce", "select", "shape", "transcendental"]

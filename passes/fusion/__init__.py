"""Fusion: which nodes share an iteration space and become one kernel."""

"""Differentiation: forward mode, linearisation, transposition and what they come to."""

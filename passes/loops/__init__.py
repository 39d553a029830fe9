"""Loops: what they need not do in each iteration, or not as loops."""

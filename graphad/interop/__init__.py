"""Bridges between graphad and the formats and tools of other projects.

Nothing here is imported by ``import graphad``; import the module you need, for example
``graphad.interop.histfactory`` (binned likelihoods of high-energy physics) or ``graphad.interop.fit``.
"""

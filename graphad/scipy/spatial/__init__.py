"""`graphad.scipy.spatial`: of `scipy.spatial` its module of distances."""

from graphad.scipy.spatial import distance

__all__ = ["distance"]

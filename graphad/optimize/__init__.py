"""x"""
from graphad.optimize.minima import bfgs, lbfgs, modified_newton
from graphad.optimize.squares import gauss_newton, levenberg_marquardt
from graphad.optimize.trust import dogleg, trust_ncg
from graphad.optimize.roots import bisect, brentq, fixed_point, newton

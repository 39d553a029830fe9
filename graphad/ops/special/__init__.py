"""SciPy's special functions by family, which are imported together when one of them is first used.

Each function stands here too: `graphad.ops.special.gamma` is the function, not its family.
"""

from graphad.ops.special import airy, mathieu, orthogonal  # noqa: F401
from graphad.ops.special.base import *  # noqa: F403
from graphad.ops.special.bessel import *  # noqa: F403
from graphad.ops.special.beta import *  # noqa: F403
from graphad.ops.special.distributions import *  # noqa: F403
from graphad.ops.special.elementary import *  # noqa: F403
from graphad.ops.special.elliptic import *  # noqa: F403
from graphad.ops.special.entropies import *  # noqa: F403
from graphad.ops.special.error import *  # noqa: F403
from graphad.ops.special.gamma import *  # noqa: F403
from graphad.ops.special.hypergeometric import *  # noqa: F403
from graphad.ops.special.integrals import *  # noqa: F403
from graphad.ops.special.kolmogorov import *  # noqa: F403
from graphad.ops.special.lambert import *  # noqa: F403
from graphad.ops.special.legendre import *  # noqa: F403
from graphad.ops.special.statistical import *  # noqa: F403
from graphad.ops.special.struve import *  # noqa: F403
from graphad.ops.special.zeta import *  # noqa: F403

"""Ops that hold graphs, their regions."""

from graphad.ops.regions.base import *  # noqa: F403
from graphad.ops.regions.call import *  # noqa: F403
from graphad.ops.regions.checkpoint import *  # noqa: F403
from graphad.ops.regions.cond import *  # noqa: F403
from graphad.ops.regions.loop import *  # noqa: F403
from graphad.ops.regions.scan import *  # noqa: F403
from graphad.ops.regions.while_ import *  # noqa: F403

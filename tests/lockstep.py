"""Hypothesis, set so that all ranks of a test draw the same examples, shrink them alike and stop together.

Property tests import these names from here. They check with the functions of `support`: a failure on one rank
has to be one on all, or that rank alone starts to shrink. This is not in conftest.py because the import takes
half a second on every rank of every test.
"""

from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

__all__ = ["assume", "example", "given", "settings", "st"]

settings.register_profile(
    "lockstep",
    derandomize=True,  # examples depend on the test's source alone,
    database=None,  # not on what one rank has stored,
    deadline=None,  # nor on a clock,
    suppress_health_check=[HealthCheck.too_slow],  # which this check reads too
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],  # explaining traces every line: slow
    print_blob=True,
)
settings.load_profile("lockstep")

"""A pytest plugin for the array API conformance suite: all ranks draw the same examples, and none looks at a clock."""

import pytest
from hypothesis import HealthCheck, settings


@pytest.hookimpl(trylast=True)
def pytest_configure():
    """Take the suite's own settings, and no health check: those measure time, on each rank another."""
    settings.register_profile("alike", settings.get_profile("array-api-tests"), suppress_health_check=list(HealthCheck))
    settings.load_profile("alike")

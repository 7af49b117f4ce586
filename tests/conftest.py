"""Settings of all tests."""

from hypothesis import settings

pytest_plugins = ["pytester"]

settings.register_profile("podnet", deadline=None)
"""How long an example takes says nothing on a machine that does other things too."""
settings.load_profile("podnet")

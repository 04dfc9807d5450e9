"""What all tests have."""

from hypothesis import settings

# How long an example takes tells how busy the machine is, and of the code nothing that benchmarks do not tell better.
settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")

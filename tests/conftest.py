"""What all tests have."""

from hypothesis import HealthCheck, settings

# How long examples take tells how busy the machine is, and of the code nothing that benchmarks do not tell better.
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

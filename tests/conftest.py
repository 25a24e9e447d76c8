"""For all tests.

On a developer's machine hypothesis looks for new counter-examples every time, and prints how to repeat one. In CI it tries the
same ones each time, so that a change is judged by what it changed; `HYPOTHESIS_PROFILE=explore` looks further.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))

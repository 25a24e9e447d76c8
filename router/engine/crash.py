"""Named places where a test has the process die, as `kill -9` or a power cut would have it.

Crash safety is a claim about every instant, so it is proved by dying at each of them: a subprocess gets ROUTER_CRASH_AT=name,
never comes back, and the test looks at what the next start makes of the store. Without the variable a point costs one
comparison.
"""

from __future__ import annotations

import os
import signal

_AT = os.environ.get("ROUTER_CRASH_AT")


def crash_point(name: str) -> None:
    """Die here, now and without any clean-up, if this is the point that ROUTER_CRASH_AT names."""
    if name == _AT:
        os.kill(os.getpid(), signal.SIGKILL)

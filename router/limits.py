"""What the system must let this process have."""

from __future__ import annotations

import resource

#: Files that the router itself, its providers' connections and its store may need.
OWN = 256


def open_files(wanted: int) -> str:
    """Make room for so many sockets and files; a sentence for the operator where there is less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return ""
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError):
        most = soft
    if most >= wanted:
        return ""
    return (
        f"This process may have {most} files and sockets open, and may come to need {wanted}: then knots or clients wait. "
        f"Raise the limit: LimitNOFILE={wanted} in a systemd unit, `ulimit -n {wanted}` in a shell, --ulimit nofile={wanted} "
        "for a container."
    )

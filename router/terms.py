"""What router.yaml says of delivering, as the engine wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.model import Retry
from router.engine.circuits import Trip
from router.engine.destinations import Terms
from router.engine.store.policy import Policy, Quota
from router.host import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.config import Config
    from router.sections import RetrySection


def retry_of(said: RetrySection | None) -> Retry | None:
    """A provider's attempts, complete; None where nothing is said of them."""
    if said is None:
        return None
    default = Retry()
    return Retry(
        attempts=said.attempts or (len(said.schedule) + 1 if said.schedule else default.attempts),
        base=default.base if said.base is None else said.base,
        factor=said.factor or default.factor,
        cap=default.cap if said.cap is None else said.cap,
        schedule=tuple(said.schedule),
    )


def destinations_of(config: Config) -> Mapping[str, Terms]:
    """What single destinations take, by name."""
    return {
        name: Terms(
            concurrency=said.concurrency,
            limit=None if said.rate is None else Limit(name=f"{name} of router.yaml", rate=said.rate, per=said.per),
        )
        for name, said in config.delivery.destinations.items()
    }


def trip_of(config: Config) -> Trip:
    """When a circuit opens, and for how long."""
    said = config.delivery.circuit
    return Trip(failures=said.failures, wait=said.wait, longest=said.longest)


def policy_of(config: Config) -> Policy:
    """What the store holds back."""
    account, knot, everybody = (
        Quota(actions=said.actions, in_flight=said.in_flight, bytes=said.bytes)
        for said in (config.account_quota, config.quotas.knot, config.quotas.all)
    )
    loop, hold = config.delivery.loop, config.delivery.hold
    return Policy(account=account, knot=knot, all=everybody, loop_events=loop.events, loop_within=loop.within, hold=hold)

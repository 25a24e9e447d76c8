"""Kills at random moments of a router that holds back: by rates, slots, quotas, the loop guard, and by what rules say."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import gates
from tests.faults.gates import OF, SHARES, Row, Seen, Tried
from tests.faults.scene import KNOTS, Said, tid
from tests.faults.world import World, until

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.world import Pipe

pytestmark = pytest.mark.faults

LIVES = max(3, int(os.environ.get("FAULTS_KILLS") or 300) // 10)
#: Seconds of the longest life, and of what the last ones may take for what is held back.
LONGEST, REST = 0.6, 120.0
CONFIG = """\
# {remark}
store: {{path: router.db}}
sources:
  jetstream: {{jetstream: {{hosts: ["{jetstream}"], collections: [sh.tangled.repo.issue]}}}}
{knots}
providers:
  buildkite: {{url: "{ci}/v2", org: demo, token: {{env: CI_TOKEN}}, settle: 700ms, per_org: 10000, per_token: 10000}}
  webhook: {{secrets: {{sink: {{env: SINK_SECRET}}}}}}
identity: {{resolver: "{directory}"}}
delivery:
  poll: 100ms
  lease: 5s
  each: {each}
  circuit: {{wait: 100ms, longest: 400ms}}
  loop: {{events: {loop}, within: {loop_within:g}s}}
  destinations: {{"webhook/{host}": {{rate: {rate}, per: {rate_per:g}s}}}}
quotas: {{did: {{actions: {actions}, in_flight: {in_flight}}}}}
log: {{format: json, level: info}}
rules: [./rules]
"""
_ROWS = """
SELECT
    d.id, d.rule, d.ref, d.options, q.account, d.state, d.reason, d.created,
    coalesce((SELECT min(started) FROM attempts AS a WHERE a.delivery = d.number), 0)
FROM deliveries AS d JOIN queues AS q ON q.number = d.queue
ORDER BY d.number
"""
_TRIED = """
SELECT q.account, q.destination, a.started, a.ended, a.verify, a.reason
FROM attempts AS a JOIN deliveries AS d ON d.number = a.delivery JOIN queues AS q ON q.number = d.queue
WHERE a.ended IS NOT NULL
ORDER BY a.started, a.delivery, a.n
"""
_UNDER_WAY = """
SELECT count(*) FROM deliveries
WHERE
    state IN ('claimed', 'verify') OR (state = 'ready' AND reason NOT LIKE 'over quota: the owner % has used up %')
    OR (state = 'done' AND status IN ('pending', 'running'))
"""


class Holding(World):
    """The world, whose router holds back."""

    remark = "as it begins"

    def __init__(self, folder: Path, chance: random.Random, simulator: Pipe, nursery: Pipe) -> None:
        super().__init__(folder, chance, simulator, nursery)
        self.happened: list[tuple[str, str, str]] = []
        self.lives: list[int] = []

    def write_config(self) -> None:
        knots = "\n".join(f'  {name}: {{knot: {{host: "{self.addresses[name]}", since: beginning}}}}' for name in KNOTS)
        given = {name.lower(): getattr(gates, name) for name in dir(gates) if name.isupper()}
        host = self.addresses["sink"].removeprefix("http://")
        text = CONFIG.format(**self.addresses, **given, knots=knots, host=host, remark=self.remark)
        (self.folder / "router.yaml").write_text(text)

    def write_rules(self, remark: str = "") -> None:
        (self.folder / "rules" / "held.yaml").write_text(gates.rules_text(self.addresses["sink"], remark))

    def start(self, crash_at: str = "") -> None:
        self.lives.append(time.time_ns() // 1000)
        super().start(crash_at)

    def push(self, rule: str) -> None:
        """To one of the rule's branches: of two, or of ten where most are not the first of theirs, or to the only one."""
        branch = self.chance.randrange(10 if rule == "dedupe" else 2 if rule in ("queue", "debounce") else 1)
        said = Said(len(self.happened), "push", OF[rule], f"refs/heads/{rule}-{branch}")
        self.happened.append((rule, said.ref, said.sha))
        self.simulator.ask("say", frames=self._frames(said))

    def _frames(self, said: Said) -> list[tuple[str, Any]]:
        """In their order: which one is the first of its key is decided by that. Some are said twice."""
        frame = said.frame(tid(self._tick(said.on), said.number % 1024))
        return [(said.on, frame | {"created": self._tick(said.on) * 1000}) for _ in range(self.chance.choice((1, 1, 1, 2)))]

    def happen(self) -> None:
        rules = [rule for rule, share in SHARES.items() for _ in range(share) if self.chance.random() < 0.9]
        self.chance.shuffle(rules)
        for rule in rules:
            self.push(rule)

    def what_came(self) -> Seen:
        answer = self.simulator.ask("seen")
        rows = [
            Row(one, rule.partition("/")[2], ref, _sha(json.loads(options)), *rest)
            for one, rule, ref, options, *rest in self.rows(_ROWS)
        ]
        hooks = [(json.loads(body), key) for key, _, body in answer["received"]]
        return Seen(
            said=self.happened,
            rows=rows,
            tried=[Tried(*row) for row in self.rows(_TRIED)],
            builds=[(rule, sha, at) for rule, sha, _, at in answer["built"]],
            hooks=[(body["rule"], body["sha"], key) for body, key in hooks],
            lives=self.lives,
        )

    def rested(self) -> bool:
        """Everything that was said is stored, and made as far as the hour allows."""
        stored = self.rows("SELECT count(*) FROM deliveries")[0][0]
        return stored == len(self.happened) and not self.rows(_UNDER_WAY)[0][0]


def _sha(options: Any) -> str:
    return str(options.get("commit") or options["json"]["sha"])


@pytest.fixture
def holding(folder: Path, chance: random.Random, simulator: Pipe, nursery: Pipe) -> Iterator[Holding]:
    made = Holding(folder, chance, simulator, nursery)
    yield made
    if made.alive:
        made.kill()


@pytest.mark.timeout(420)
@pytest.mark.fault("T-06", "T-31")
def test_what_is_held_back_stays_so_across_kills(holding: Holding) -> None:
    """Thirty kills, and a reload in the middle: what waits is made when it may be, once; what gave way stays away; no more is
    under way, or in an hour, than is allowed."""
    holding.simulator.ask("pace", seconds=gates.BUILD)
    holding.first_life()
    holding.kill()
    for life in range(LIVES):
        holding.disturb()
        holding.start()
        holding.happen()
        time.sleep(holding.chance.uniform(0, LONGEST))
        if life == LIVES // 2:
            holding.remark = "and reloaded"
            holding.write_config()
            holding.write_rules("the same, written differently")
            holding.reload()
        if holding.chance.random() < 0.3:
            holding.cut()
        holding.kill()
    holding.calm()
    holding.start()
    until(holding.rested, "all that this hour allows", REST)
    waits = [row for row in holding.what_came().rows if row.state == "ready"]
    assert {row.rule for row in waits} <= {"quota"}
    assert all(row.reason.startswith(f"over quota: the owner {OF['quota'].owner} has used up") for row in waits)
    holding.kill()
    # Webhooks that are signed an hour ahead would be refused: what waits for the next hour are builds.
    holding.jump(3600)
    holding.start()
    until(lambda: not holding.rows("SELECT count(*) FROM deliveries WHERE state = 'ready'")[0][0], "the next hour", REST)
    until(holding.rested, "all that was held back", REST)
    seen = holding.what_came()
    print(
        f"{holding.kills} kills of a router that holds back, {len(holding.happened)} events: "
        f"{len(seen.builds)} builds, {len(seen.hooks)} webhooks, {len(waits)} waited for the next hour"
    )
    found = gates.wrong(seen)
    assert not found, "\n".join(found)
    assert holding.end() == 0
    assert holding.integrity() == [("ok",)]
    assert not holding.unwell()

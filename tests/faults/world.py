"""Everything together: the simulator, a router that lives many lives, what was said to it, and what came of it."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults import oracle
from tests.faults.scene import BRANCHES, JETSTREAM, KNOTS, LATE, TOLD, Said, some_rules, something, tid
from tests.faults.simulator import SECRET, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.faults.scene import Ruleset

ROOT = Path(__file__).parents[2]
#: Seconds for what takes a moment on a busy machine, and never comes where something is broken.
PATIENCE = 60.0
#: Seconds of quiet after which nothing more will come: longer than a source waits before it dials again.
LOST_AFTER = 20.0
#: Seconds. A look-up is believed so long after the failure; the CI needs this, at most, to show what it made.
SETTLE, INDEX_LAG = 0.7, 0.25
CONFIG = """\
store: {{path: router.db}}
sources:
  jetstream: {{jetstream: {{hosts: ["{jetstream}"], collections: [sh.tangled.repo.issue]}}}}
{knots}
providers:
  buildkite: {{url: "{ci}/v2", org: demo, token: {{env: CI_TOKEN}}, settle: {settle:g}s, per_org: 10000, per_token: 10000}}
  webhook: {{secrets: {{sink: {{env: SINK_SECRET}}}}}}
identity: {{resolver: "{directory}"}}
delivery: {{poll: 100ms, lease: 5s, loop: {{events: 0}}, circuit: {{wait: 100ms, longest: 400ms}}}}
log: {{format: json, level: info}}
rules: [./rules]
"""
_STATUSES = """
SELECT d.id, s.status
FROM statuses AS s JOIN deliveries AS d ON d.number = s.delivery
WHERE s.workflow != '' ORDER BY s.number
"""
#: The log's levels that a router in good health never uses, but for what the faults bring about.
_UNWELL = ("A bug", "Traceback", "could not be settled", "broke and starts again")


class Pipe:
    """A process that answers each line with a line."""

    def __init__(self, module: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def ask(self, do: str, **given: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()


class World:
    """One store, one simulator; `chance` decides everything that is left to chance."""

    def __init__(self, folder: Path, chance: random.Random, simulator: Pipe, nursery: Pipe) -> None:
        self.folder = folder
        self.chance = chance
        self.simulator = simulator
        self.nursery = nursery
        self.addresses: dict[str, str] = self.simulator.ask("begin")
        self.rulesets: tuple[Ruleset, Ruleset] = some_rules(chance)
        self.branches: tuple[str, ...] = tuple(branch for branch in BRANCHES if not branch.startswith("late/"))
        self.said: list[tuple[Said, Sequence[Ruleset]]] = []
        self.failing: set[str] = set()
        self.frames = self.kills = 0
        self.alive = False
        self._ups = 0
        self._recent: list[tuple[str, Any]] = []
        #: By knot: the time of its newest event in microseconds, well in the past.
        self._clocks = dict.fromkeys(KNOTS, time.time_ns() // 1000 - 86_400_000_000)
        self.jump(0)
        (folder / "rules").mkdir()
        self.write_config()
        self.write_rules()

    def write_config(self) -> None:
        knots = "\n".join(f'  {name}: {{knot: {{host: "{self.addresses[name]}", since: beginning}}}}' for name in KNOTS)
        text = CONFIG.format(**self.addresses, knots=knots, settle=SETTLE)
        (self.folder / "router.yaml").write_text(text)

    def write_rules(self, remark: str = "") -> None:
        for ruleset in self.rulesets:
            text = ruleset.text(self.addresses["sink"], str(self.folder), remark)
            (self.folder / "rules" / f"{ruleset.name}.yaml").write_text(text)
        (self.folder / "rules" / "told.yaml").write_text(TOLD.replace("$SINK", self.addresses["sink"]))

    # --- lives

    def start(self, crash_at: str = "") -> None:
        self._ups = self._logged('"source up"')
        self.nursery.ask("start", folder=str(self.folder), crash_at=crash_at, CI_TOKEN=TOKEN, SINK_SECRET=SECRET)
        self.alive = True

    def kill(self) -> None:
        """`kill -9`."""
        assert self.nursery.ask("kill")["code"] == -9, self.log_tail()
        self.kills += 1
        self.alive = False

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """The exit code of one that ends by itself, None where it does not."""
        code: int | None = self.nursery.ask("wait", seconds=seconds)["code"]
        self.kills += code == -9
        self.alive = code is None
        return code

    def end(self) -> int:
        code: int = self.nursery.ask("end")["code"]
        self.alive = False
        return code

    def up(self) -> None:
        """Returns once this life's router hears somebody: it handles signals by then."""
        until(lambda: self._logged('"source up"') > self._ups, "a source to be up")

    def first_life(self) -> float:
        """Until everything is listened to: a Jetstream is heard from then on. How many seconds that took."""
        begun = time.monotonic()
        self.start()
        self.simulator.ask("attended")
        until(self._has_cursors, "every source to have a cursor")
        return time.monotonic() - begun

    def _has_cursors(self) -> bool:
        return bool(self.rows("SELECT count(*) FROM sources WHERE cursor IS NOT NULL")[0][0] > len(KNOTS))

    # --- what happens

    def say(self, count: int) -> None:
        """So many things happen, some of which are said twice, late or among nonsense."""
        frames: list[tuple[str, Any]] = []
        for _ in range(count):
            one = something(self.chance, len(self.said), self.branches)
            self.said.append((one, self.rulesets))
            if self.chance.random() < 0.25:
                self.failing.add(one.sha)
            frames += self._frames(one)
        self.simulator.ask("failing", commits=sorted(self.failing & {one.sha for one, _ in self.said[-count:]}))
        self.simulator.ask("say", frames=frames)
        self.frames += len(frames)
        self._recent = [(on, frame) for on, frame in [*self._recent, *frames] if on != JETSTREAM and "raw" not in frame][-200:]

    def say_again(self, count: int) -> None:
        """What was said before, once more."""
        again = self.chance.choices(self._recent, k=count) if self._recent else []
        self.simulator.ask("say", frames=[(on, frame | {"created": self._tick(on) * 1000}) for on, frame in again])
        self.frames += len(again)

    def jump(self, seconds: int) -> None:
        """The router's clock is so far off from now on."""
        self.nursery.ask("jump", micros=seconds * 1_000_000)

    def _frames(self, said: Said) -> list[tuple[str, Any]]:
        if said.on == JETSTREAM:
            return [(JETSTREAM, said.frame(tid(1_700_000_000_000_000 + said.number, 7)))]
        late = self.chance.randrange(LATE) if self.chance.random() < 0.3 else 0
        rkey = tid(self._tick(said.on) - late * 1_000_000, said.number % 1024)
        frame = said.frame(rkey)
        frames = [(said.on, frame | {"created": self._tick(said.on) * 1000})]
        while self.chance.random() < 0.15:
            frames.append((said.on, frame | {"created": self._tick(said.on) * 1000}))
        if self.chance.random() < 0.02:
            nonsense = self.chance.choice(("{", "[]", '"\\ud800"', '{"rkey": 7, "nsid": "a.b.c", "event": {}}', ""))
            frames.append((said.on, {"raw": nonsense, "created": self._tick(said.on) * 1000}))
        return frames

    def _tick(self, knot: str) -> int:
        """A time later than the last, by about half a second."""
        self._clocks[knot] += self.chance.randrange(200_000, 800_000)
        return self._clocks[knot]

    def disturb(self) -> None:
        """What the others will do wrong for a while."""
        chance = self.chance

        def some(statuses: Sequence[int], most: int) -> list[int]:
            return [chance.choice(statuses) for _ in range(chance.randrange(most + 1))]

        ci = {
            "answers": some((500, 502, 503, 503, 429), 3),
            "look_answers": some((500, 503, 429), 2),
            "drop_before": chance.randrange(2),
            "drop_after": chance.randrange(3),
            "drop_look": chance.randrange(2),
            "truncate": chance.randrange(2),
            "garble": chance.randrange(2),
            "delay": chance.choice((0.0, 0.0, 0.0, 0.05)),
            "index_lag": chance.uniform(0, INDEX_LAG),
        }
        sink = {
            "answers": some((500, 503, 429, 408), 3),
            "drop_before": chance.randrange(2),
            "drop_after": chance.randrange(2),
        }
        self.simulator.ask("disturb", ci=ci, sink=sink, rewind=chance.choice((0, 0, 10, 40)))

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        ci = dict.fromkeys(("drop_before", "drop_after", "drop_look", "truncate", "garble"), 0)
        quiet = {"answers": [], "look_answers": [], "delay": 0.0, "index_lag": 0.0}
        self.simulator.ask("disturb", ci=ci | quiet, sink={"answers": [], "drop_before": 0, "drop_after": 0}, rewind=0)

    def cut(self) -> None:
        """Some connections break."""
        names = list(self.addresses)
        self.simulator.ask("cut", on=self.chance.sample(names, self.chance.randint(1, 3)))

    # --- what came of it

    def rows(self, query: str) -> list[Any]:
        """Of the store, beside a running router."""
        path = self.folder / "router.db"
        if not path.exists():
            return [(0,)]
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()

    def seen(self) -> oracle.Seen:
        answer = self.simulator.ask("seen")
        seen = oracle.Seen(builds=[((rule, sha), delivery) for rule, sha, delivery in answer["builds"]])
        for key, path, body in answer["received"]:
            told = json.loads(body)
            if path == "/told":
                seen.told.append((told["about"], told["status"], key))
            else:
                assert told["delivery"] == key
                seen.hooks.append(((told["rule"], told["sha"]), key))
        for rule in ("once", "often"):
            file = self.folder / rule
            if file.exists():
                seen.ran += Counter((rule, sha) for sha in file.read_text().split())
        for delivery, rule, options, state in self.rows("SELECT id, rule, options, state FROM deliveries"):
            seen.states[delivery] = state
            if rule != "told/told":
                seen.causes[delivery] = rule.partition("/")[2], _sha(json.loads(options))
        for delivery, status in self.rows(_STATUSES):
            seen.statuses.setdefault(delivery, []).append(status)
        return seen

    def wrong(self) -> list[str]:
        return oracle.wrong(oracle.expected(self.said, self.failing), self.seen())

    def is_quiet(self) -> bool:
        """Nothing is under way in the store, every status is heard, and something of the last things said has come."""
        ((busy, opened, unheard),) = self.rows(
            "SELECT (SELECT count(*) FROM deliveries WHERE state IN ('ready', 'claimed', 'verify')),"
            " (SELECT count(*) FROM deliveries WHERE provider = 'buildkite' AND state = 'done'"
            "   AND status NOT IN ('success', 'failed', 'timeout', 'cancelled')),"
            " (SELECT coalesce(max(number), 0) FROM statuses)"
            "   > (SELECT coalesce(max(cursor), 0) FROM sources WHERE name = 'spindle')"
        )
        return not (busy or opened or unheard)

    def settle(self, patience: float = PATIENCE) -> list[str]:
        """What is wrong once all is quiet, with a router that lives and nobody who disturbs it."""
        end, quiet_since = time.monotonic() + patience, None
        while True:
            quiet, now = self.is_quiet(), time.monotonic()
            found = self.wrong() if quiet else ["it does not come to rest"]
            quiet_since = (quiet_since or now) if quiet else None
            # What is not there after a while of quiet is lost.
            if not found or now > end or (quiet_since is not None and now > quiet_since + LOST_AFTER):
                return found
            time.sleep(0.2)

    def integrity(self) -> list[Any]:
        """What SQLite says of the file, once nobody has it."""
        with closing(sqlite3.connect(self.folder / "router.db")) as db:
            return [*db.execute("PRAGMA integrity_check"), *db.execute("PRAGMA foreign_key_check")]

    def unwell(self) -> list[str]:
        """Lines of the log that no fault accounts for: bugs of ours, and what is no line of a log at all."""
        lines = (self.folder / "log.jsonl").read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        return [line for line in whole if not line.startswith("{") or any(word in line for word in _UNWELL)]

    def reload(self) -> None:
        """What is in the files now, by a signal, and once it is in force."""
        self.up()
        before = self._logged('"reloaded"')
        self.nursery.ask("hup")
        until(lambda: self._logged('"reloaded"') > before, "a reload")

    def _logged(self, text: str) -> int:
        file = self.folder / "log.jsonl"
        return file.read_text().count(text) if file.exists() else 0

    def log_tail(self) -> str:
        file = self.folder / "log.jsonl"
        return "\n".join(file.read_text().splitlines()[-20:]) if file.exists() else ""


def _sha(options: Any) -> str:
    """The commit that a delivery is about: of a build, a webhook or a command."""
    return str(options.get("commit") or (options.get("json") or {}).get("sha") or (options.get("env") or {}).get("SHA"))


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited {patience:g} s for {what}"
        time.sleep(0.02)

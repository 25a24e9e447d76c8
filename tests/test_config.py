"""router.yaml and the environment: what is read, and where each mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router import config, plugins, terms
from router.core.errors import BadInput
from router.core.model import Retry
from router.engine.circuits import Trip
from router.engine.destinations import Terms
from router.engine.store.policy import Policy, Quota
from router.host import Limit
from router.provider import Closed, Plugin
from router.secret import Secret
from router.sections import DeliverySection
from router.settings import Duration
from router.sources.base import SourceKind

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tape(Closed):
    """The settings of a source for these tests."""

    path: str
    every: Duration = 1.0


class Pager(Closed):
    """The settings of a provider for these tests."""

    token: Secret
    retries: int = 3


class Nothing(Closed):
    """Settings without a key."""


class Entry:
    """An entry point that is installed for these tests."""

    dist = None
    value = "tests"

    def __init__(self, found: object) -> None:
        self.found = found

    def load(self) -> object:
        return self.found


def never(*_: object) -> object:
    raise AssertionError("reading a configuration opens nothing")


INSTALLED: dict[str, dict[str, Entry]] = {
    plugins.PROVIDERS: {
        "note": Entry(Plugin(settings=Nothing, options=Nothing, open=never)),  # type: ignore[arg-type]
        "pager": Entry(Plugin(settings=Pager, options=Nothing, open=never)),  # type: ignore[arg-type]
    },
    plugins.SOURCES: {"tape": Entry(SourceKind(settings=Tape, open=never))},  # type: ignore[arg-type]
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", INSTALLED.__getitem__)


def read(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> config.Config:
    file = folder / "router.yaml"
    file.write_text(text)
    return config.load(file, environ or {})


def mistakes(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Every problem as `line:column code message hint`."""
    with pytest.raises(BadInput) as caught:
        read(folder, text, environ)
    places = ((problem, problem.place) for problem in caught.value.problems)
    return [f"{place.line}:{place.column} {problem.code} {problem.message} {problem.hint}".strip() for problem, place in places]


WHOLE = """\
store: {path: state/router.db, record: all}
sources:
  first: {tape: {path: a.jsonl, every: 2m}}
  second:
    tape: {path: b.jsonl}
rules: ["bundled:tangled", ./more]
providers:
  note:
  pager: {token: {env: PAGER_TOKEN}}
identity:
  resolver: https://resolver.example
  pins: {"@Alice.Example": did:plc:alice}
delivery: {concurrency: 4, lease: 10s, shutdown: 1m}
log: {format: json, level: warning}
"""


def test_every_section_is_read(tmp_path: Path) -> None:
    """A file that says everything gives settings that say the same, durations in seconds and handles in one spelling."""
    made = read(tmp_path, WHOLE)
    assert (made.store.record, made.store_path) == ("all", tmp_path / "state/router.db")
    assert made.sources == (
        config.SourceConfig("first", "tape", Tape.model_validate({"path": "a.jsonl", "every": "2m"})),
        config.SourceConfig("second", "tape", Tape(path="b.jsonl")),
    )
    assert [(entry.text, entry.base) for entry in made.rules] == [("bundled:tangled", tmp_path), ("./more", tmp_path)]
    assert made.providers == {"note": Nothing(), "pager": Pager(token=Secret("env", "PAGER_TOKEN"))}
    assert (made.identity.resolver, made.identity.pins) == ("https://resolver.example", {"alice.example": "did:plc:alice"})
    assert (made.delivery.concurrency, made.delivery.lease, made.delivery.shutdown) == (4, 10.0, 60.0)
    assert (made.log.format, made.log.level) == ("json", "warning")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "store:\nsources:\nrules:\n"])
def test_what_is_not_written_is_as_by_default(tmp_path: Path, text: str) -> None:
    """An empty file, and empty sections, mean the defaults: no sources, the folder `rules`, `router.db` beside the file."""
    made = read(tmp_path, text)
    assert made.sources == ()
    assert [entry.text for entry in made.rules] == ["./rules"]
    assert made.store_path == tmp_path / "router.db"
    assert made.delivery == DeliverySection()


def test_without_a_file_all_is_as_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default file need not exist, for verbs that need no configuration."""
    monkeypatch.chdir(tmp_path)
    made = config.load(environ={})
    assert (made.file, made.sources, made.store_path) == (None, (), Path("router.db"))


@pytest.mark.parametrize("named_by", ["argument", "environment"])
def test_a_file_that_is_named_must_exist(tmp_path: Path, named_by: str) -> None:
    """A misspelt --config or ROUTER_CONFIG is an error, and not a silent start without a configuration."""
    missing = tmp_path / "ruter.yaml"
    environ = {"ROUTER_CONFIG": str(missing)} if named_by == "environment" else {}
    with pytest.raises(BadInput, match="There is no configuration file"):
        config.load(missing if named_by == "argument" else None, environ)


MISTAKES = {
    "an unknown section": ("stor: {}\n", "1:1 R003 `stor` is not a key of router.yaml. Did you mean `store`?"),
    "an unknown key": (
        "store:\n  path: a\n  recrod: all\n",
        "3:3 R003 In `store`: there is no `recrod`. Did you mean `record`?",
    ),
    "a word that is none": (
        "log: {level: loud}\n",
        "1:14 R040 In `log`: `level` is wrong: input should be 'debug', 'info', 'warning' or 'error'.",
    ),
    "a number that is none": (
        "delivery: {concurrency: many}\n",
        "1:25 R040 In `delivery`: `concurrency` is wrong: input should be a valid integer.",
    ),
    "a duration without sense": (
        "delivery: {lease: soon}\n",
        (
            "1:19 R040 In `delivery`: `lease` is wrong: `soon` is not a duration: "
            "write a number with a unit, like 30s, 10m, 1h30m or 2d."
        ),
    ),
    "a handle that is none": (
        "identity: {pins: {alice: did:plc:a}}\n",
        "1:18 R040 In `identity`: `pins` is wrong: `alice` is not a handle.",
    ),
    "a kind that is not installed": (
        "sources:\n  a: {tpe: {path: x}}\n",
        "2:7 R040 There is no kind of source `tpe`. Did you mean `tape`?",
    ),
    "two kinds": (
        "sources:\n  a: {tape: {path: x}, more: {}}\n",
        "2:6 R040 The source `a` must have one key, which names its kind. Write one of tape, with its settings.",
    ),
    "a name for files and metrics": (
        "sources:\n  A/b: {tape: {path: x}}\n",
        "2:3 R040 `A/b` cannot be a source's name. Use lower-case letters, digits, hyphens and underscores.",
    ),
    "a name that is ours": (
        "sources:\n  spindle: {tape: {path: x}}\n",
        "2:3 R040 `spindle` cannot be a source's name: it is that of our own statuses. Write another.",
    ),
    "a setting of a source that is missing": (
        "sources:\n  a: {tape: {every: 1s}}\n",
        "2:13 R005 In the source `a`: `path` is missing. Add `path`.",
    ),
    "a setting of a source that is unknown": (
        "sources:\n  a: {tape: {path: x, evry: 1s}}\n",
        "2:23 R003 In the source `a`: there is no `evry`. Did you mean `every`?",
    ),
    "a provider that is not installed": (
        "providers: {pagr: {}}\n",
        "1:13 R010 There is no provider `pagr`. Did you mean `pager`?",
    ),
    "rules that are no list": (
        "rules: ./rules\n",
        (
            "1:8 R004 `rules` must be a list of folders, files and bundled rulesets, "
            "not `./rules`, which YAML reads as text. Write a list of folders, files and bundled rulesets."
        ),
    ),
    "a key twice": (
        "log: {}\nlog: {}\n",
        "2:1 R002 The key `log` is written twice. Remove one of them; the first is in line 1.",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_told_where_it_stands(tmp_path: Path, what: str) -> None:
    """Each mistake is one problem with its place, its code and what to write instead."""
    text, expected = MISTAKES[what]
    assert mistakes(tmp_path, text) == [expected]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One run reports every mistake of the file, so that nobody mends them one start at a time."""
    found = mistakes(tmp_path, "stor: {}\nlog: {level: loud}\nproviders: {pagr: {}}\n")
    assert [line.split()[0] for line in found] == ["1:1", "2:14", "3:13"]


@pytest.mark.threat("S-18")
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """A plain token is refused with the sentence that says how to name one, and is quoted nowhere."""
    (found,) = mistakes(tmp_path, "providers:\n  pager: {token: hunter2}\n")
    assert found.startswith("2:18 R042 In the provider `pager`: `token` is wrong: a secret is never written in a file")
    assert "hunter2" not in found


def test_a_provider_without_settings_has_its_defaults(tmp_path: Path) -> None:
    """A provider that needs no settings can be used without being named in the file."""
    assert read(tmp_path, "").provider_settings("note") == Nothing()


def test_a_provider_that_needs_settings_says_which(tmp_path: Path) -> None:
    """Using a provider that cannot do without settings names the first that is missing, and the file to write it in."""
    with pytest.raises(
        BadInput, match=r"The provider `pager` .* needs settings: add `providers: \{pager: \{token: …\}\}` to .*router.yaml"
    ):
        read(tmp_path, "").provider_settings("pager")


def test_the_environment_outranks_the_file(tmp_path: Path) -> None:
    """A variable replaces the key of its name and leaves the others of its section as written."""
    environ = {"ROUTER_LOG_LEVEL": "debug", "ROUTER_DELIVERY_CONCURRENCY": "2", "ROUTER_DELIVERY_LEASE": "1m"}
    made = read(tmp_path, WHOLE, environ)
    assert (made.log.format, made.log.level) == ("json", "debug")
    assert (made.delivery.concurrency, made.delivery.lease, made.delivery.shutdown) == (2, 60.0, 60.0)


def test_a_path_of_the_environment_is_relative_to_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ROUTER_STORE_PATH is written in a shell, so it means what it would mean there."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "etc"
    folder.mkdir()
    assert read(folder, "", {"ROUTER_STORE_PATH": "here.db"}).store_path == tmp_path / "here.db"


def test_a_misspelt_variable_is_an_error(tmp_path: Path) -> None:
    """A variable that nothing reads is told with the nearest that something does; a wrong value is told with its name."""
    found = mistakes(tmp_path, "", {"ROUTER_LOG_LEVL": "info", "ROUTER_LOG_FORMAT": "xml", "HOME": "/"})
    assert found == [
        "1:1 R040 ROUTER_LOG_FORMAT is wrong: Input should be 'auto', 'json' or 'console'.",
        "1:1 R003 ROUTER_LOG_LEVL is not a variable that the router reads. Did you mean `ROUTER_LOG_LEVEL`?",
    ]


def test_a_variable_that_holds_a_secret_may_have_any_name(tmp_path: Path) -> None:
    """A token in ROUTER_PAGER_TOKEN is no misspelt setting where the file names it as the place of a secret."""
    text = "providers: {pager: {token: {env: ROUTER_PAGER_TOKEN}}}\n"
    assert read(tmp_path, text, {"ROUTER_PAGER_TOKEN": "x", "ROUTER_CRASH_AT": "after_claim"}).providers


def test_sources_and_providers_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only wants pins or the store's path does not import the plug-ins that are configured."""
    (tmp_path / "router.yaml").write_text(WHOLE)
    monkeypatch.setattr(plugins, "installed", never)
    made = config.load(tmp_path / "router.yaml", {}, with_plugins=False)
    assert (made.sources, made.providers, made.store.record) == ((), {}, "all")


@pytest.mark.parametrize("text", ["delivery: {lease: 30}", "delivery: {poll: 0.5}", "store: {keep: 7776000}"])
def test_a_duration_without_a_unit_is_refused(tmp_path: Path, text: str) -> None:
    """As in rules: a bare number would be seconds to one and minutes to another."""
    with pytest.raises(BadInput) as raised:
        read(tmp_path, text)
    assert any("has no unit" in str(problem) for problem in raised.value.problems)


DELIVERING = """
delivery:
  each: 4
  hold: 1m
  loop: {events: 7, within: 5m}
  circuit: {failures: 3, wait: 10s, longest: 1m}
  retry: {webhook: {schedule: [1s, 2s]}, buildkite: {attempts: 3, base: 5s}}
  destinations: {webhook/chat.example.com: {concurrency: 2, rate: 30, per: 10s}}
quotas: {did: {actions: 5}, knot: {in_flight: 6}, all: {bytes: 7}}
"""


def test_what_is_said_of_delivering_reaches_the_engine(tmp_path: Path) -> None:
    """Attempts of providers, what destinations take, quotas, the guards."""
    made = read(tmp_path, DELIVERING)
    assert terms.retry_of(made.delivery.retry["webhook"]) == Retry(attempts=3, schedule=(1.0, 2.0))
    assert terms.retry_of(made.delivery.retry["buildkite"]) == Retry(attempts=3, base=5.0)
    assert terms.retry_of(None) is None
    limit = Limit(name="webhook/chat.example.com of router.yaml", rate=30, per=10.0)
    assert terms.destinations_of(made) == {"webhook/chat.example.com": Terms(concurrency=2, limit=limit)}
    assert terms.trip_of(made) == Trip(failures=3, wait=10.0, longest=60.0)
    assert terms.policy_of(made) == Policy(
        account=Quota(actions=5), knot=Quota(in_flight=6), all=Quota(bytes=7), loop_events=7, loop_within=300.0, hold=60.0
    )


@pytest.mark.threat("S-21")
def test_a_spindle_has_quotas_by_default(tmp_path: Path) -> None:
    """Strangers come to it; who only routes for themselves limits nobody."""
    assert terms.policy_of(read(tmp_path, "store: {}")).account == Quota()
    spindle = "spindle: {hostname: spindle.example, owner: 'did:plc:aliceaaaaaaaaaaaaaaaaaaa'}"
    assert terms.policy_of(read(tmp_path, spindle)).account == Quota(actions=1000, in_flight=100, bytes=256 << 20)
    assert terms.policy_of(read(tmp_path, f"{spindle}\nquotas: {{did: {{}}}}")).account == Quota()


@pytest.mark.parametrize(
    ("written", "meant"), [("8MiB", 8 << 20), ("500 kB", 500_000), ("0", 0), ("1GiB", 1 << 30), (4096, 4096)]
)
def test_sizes_have_units(written: str | int, meant: int, tmp_path: Path) -> None:
    """Of a thousand or of 1024; a bare number is bytes."""
    file = tmp_path / "router.yaml"
    file.write_text(f"store: {{ballast: {written}}}\n")
    assert config.load(file, {}).store.ballast == meant


@pytest.mark.parametrize("written", ["8 megabytes", "-1", "1.5MiB", "9TiB"])
def test_a_size_that_is_none_is_refused(written: str, tmp_path: Path) -> None:
    """With its place."""
    file = tmp_path / "router.yaml"
    file.write_text(f"store: {{ballast: {written}}}\n")
    with pytest.raises(BadInput) as refused:
        config.load(file, {})
    assert "store.ballast" in str(refused.value.problems[0]) or "ballast" in str(refused.value.problems[0])

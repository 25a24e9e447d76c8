"""Every recording goes through our parsers: each file under tests/wire has a use here, and one that is added needs one."""

from __future__ import annotations

import gzip
import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from providers import _builds, _joblogs, _webhooks
from router.core import envelope
from router.core.definition import definition_hash
from router.core.errors import BadFrame
from router.core.model import LogLine, RecordChange, Status
from router.core.patches import head
from router.core.when import Occasion, compile_file
from router.demo.pds import Account, Pds
from router.engine.store.sqlite import open_store
from router.identity.documents import Document, _document
from router.spindle import frames, xrpc
from router.spindle.auth import Authority
from router.spindle.pulls import is_of
from router.spindle.roster import REPO, Roster
from router.spindle.verify import Unasked
from router.testing import FakeClock
from tests.spindle import schemas
from tests.spindle.appview import Appview
from tests.spindle.test_frames import line, micros

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parent.parent
WIRE = TESTS / "wire"
FILES = sorted(str(path.relative_to(WIRE)) for path in WIRE.rglob("*") if path.is_file() and path.name != "README.md")
CI = "sh.tangled.ci"


def tree(name: str) -> Any:
    return json.loads((WIRE / name).read_bytes())


def lines(name: str) -> list[Any]:
    return [json.loads(one) for one in (WIRE / name).read_text().splitlines() if one]


def used_in(place: str) -> Callable[[str], None]:
    """A test over sockets has it as one of its cases."""

    def check(name: str) -> None:
        stem = re.escape(Path(name).stem)
        assert re.search(rf"[\"'/}}]{stem}", (TESTS / place).read_text()) or _by_parts(name, place)

    return check


def _by_parts(name: str, place: str) -> bool:
    """Some are named in parts: `knot_{name}_response`, `{folder}secrets_add_request`."""
    part = Path(name).stem.removeprefix("knot_").removesuffix("_response")
    return f'"{part}"' in (TESTS / place).read_text() or f"{{folder}}{Path(name).stem}" in (TESTS / place).read_text()


def knot_frame(name: str) -> None:
    sent = tree(name)
    heard = envelope.knot((WIRE / name).read_bytes(), source="k", host="knot.example.com")
    assert heard.event is not None
    assert (heard.event.nsid, heard.event.record) == (sent["nsid"], sent["event"])
    assert heard.event.id == f"{sent['nsid']}/{sent['rkey']}"
    assert heard.cursor == sent.get("created", heard.cursor)


def jetstream_frame(name: str) -> None:
    sent = tree(name)
    heard = envelope.jetstream((WIRE / name).read_bytes(), source="j")
    assert heard.event is not None
    assert heard.event.record == sent.get("commit", {}).get(
        "record", sent.get(sent["kind"], {}) if "commit" not in sent else {}
    )
    assert heard.cursor == sent["time_us"]
    if sent["kind"] == "commit":
        assert heard.event.fields["operation"] == sent["commit"]["operation"]


def clients_message(name: str) -> None:
    """What a client sends to filter, which we say in the address: no event."""
    with pytest.raises(BadFrame):
        envelope.jetstream((WIRE / name).read_bytes(), source="j")


def answer(nsid: str) -> Callable[[str], None]:
    return lambda name: schemas.check(schemas.output(nsid), tree(name))


def wrong_answer(nsid: str) -> Callable[[str], None]:
    def check(name: str) -> None:
        with pytest.raises(AssertionError):
            schemas.check(schemas.output(nsid), tree(name))

    return check


def error(name: str) -> None:
    assert set(tree(name)) == {"error", "message"}


def trigger(name: str) -> None:
    body = tree(name)
    if "trigger" in body:
        said = xrpc._trigger(body["trigger"])
        for member in ("$type", "sha", "sourceSha", "ref", "sourceRepo", "pull"):
            assert said.get(member) == body["trigger"].get(member)
    used_in("spindle/test_fixtures.py")(name)


def stream(name: str) -> None:
    """A spindle's `/events`, as an appview of that generation reads it."""
    view = Appview(None, "")  # type: ignore[arg-type]
    for one in lines(name) if name.endswith("ndjson") else [tree(name)]:
        if "created" in one:
            view.learn("knot.example.com", "3n2y3eq3yb22e")
            view.hear(one)
        else:
            schemas.check(schemas.record(one["nsid"]), one["event"])
    # One recording gives two statuses of the same moment one rkey, which no server does.
    alone = not name.endswith("ndjson")
    assert all("seen before" in why or (alone and "unknown" in why) for why in view.dropped), view.dropped


def older_log(name: str) -> None:
    for text in (WIRE / name).read_text().splitlines():
        said = json.loads(text)
        if said["time"] == frames.NEVER:
            assert said in [json.loads(one) for one in frames.failure('unknown engine "nope"')]
            continue
        given: dict[str, Any] = {"step": said["step_id"], "at": micros(said["time"]), "text": said["content"]}
        if said["kind"] == "data":
            one = LogLine(part="said", stream=said["stream"], **given)
        else:
            system = said.get("step_kind", 0) == 0
            one = LogLine(part=said["step_status"], command=said.get("step_command", ""), system=system, **given)
        # We know microseconds.
        known = re.sub(r"(\.\d{6})\d+Z", r"\1Z", said["time"])
        assert json.loads(frames.json_line(one)) == said | {"time": known}


def todays_log(name: str) -> None:
    recorded = lines(name) if name.endswith("ndjson") else tree(name)
    for one in recorded:
        body = one["body"]
        made = (
            frames.error(body["error"], body["message"])
            if one["header"]["op"] == -1
            else frames.frame(body["workflow"], line(body))
        )
        assert made.hex() == one["hex"]


def hex_log(name: str) -> None:
    """The same frames as bytes."""
    told = [one["hex"] for one in lines(name.replace(".hex", ".ndjson"))]
    assert (WIRE / name).read_text().split() == told
    assert all(cbor2.loads(bytes.fromhex(one)) for one in told)


def packed_patch(name: str) -> None:
    packed = (WIRE / name).read_bytes()
    said = re.findall(rb"^From ([0-9a-f]{40}) ", gzip.decompress(packed), re.MULTILINE)
    assert head(packed) == said[-1].decode()
    pulls = "".join(path.read_text() for path in (WIRE / "jetstream").glob("jetstream_pull_*.json"))
    cids = re.findall(r'"\$link": ?"(b[a-z2-7]+)"', pulls)
    assert any(is_of(cid, packed) for cid in cids)


def patch_text(name: str) -> None:
    assert head(gzip.compress((WIRE / name).read_bytes())) == head((WIRE / name).with_suffix(".gz").read_bytes())


def definition(name: str) -> None:
    said = tree(name.replace("_input", "_response"))
    files = tree(name)
    pairs = list(files.items()) if isinstance(files, dict) else [(one["name"], one["contents"]) for one in files]
    assert definition_hash((path, text.encode()) for path, text in pairs) == said["hash"]
    assert all(compile_file(path, text, Occasion(kind="manual")).runs for path, text in pairs)


def document(name: str) -> None:
    found = _document(tree(name)["id"], tree(name))
    assert found is not None
    assert found.services["tangled_spindle"][1].startswith("https://")


async def token(name: str) -> None:
    """Signed by the account's key, at the time that it says, for whom it says."""
    claims = tree(name)["payload"]
    key = ec.generate_private_key(ec.SECP256K1())
    pds = Pds("pds", accounts={claims["iss"]: Account(claims["iss"], key)})

    class People:
        async def document(self, did: str, *, fresh: bool = False) -> Document:
            assert (did, fresh) == (claims["iss"], False)
            return Document(did, key=key.public_key())

    store, clock = await open_store(":memory:"), FakeClock()
    clock.forward(claims["iat"] - clock.now() / 1_000_000)
    authority = Authority(claims["aud"].removeprefix("did:web:"), People(), store, clock)  # type: ignore[arg-type]
    assert await authority.verify(f"Bearer {pds.mint(**_claims(claims))}", claims["lxm"]) == claims["iss"]
    await store.close()


def _claims(claims: dict[str, Any]) -> dict[str, Any]:
    return {"did": claims["iss"], **{name: value for name, value in claims.items() if name != "iss"}}


def tap_record(name: str) -> None:
    """We ask servers for lists instead of a Tap; the record is the same."""
    said = tree(name)["record"]
    made = Roster("ci.example.com", said["did"], Unasked())
    made.apply([RecordChange(did=said["did"], collection=REPO, rkey=said["rkey"], rev=said["rev"], record=said["record"])])
    assert made.knots == {"knot.example.com"}
    assert made.repos[0].did == said["record"]["repoDid"]


def unspoken(name: str) -> None:
    """What a client of a Tap sends; tests/wire/README.md says that we are none."""
    assert tree(name)
    assert Path(name).stem in (WIRE / "README.md").read_text()


def webhook(name: str) -> None:
    body = tree(name)
    found = _webhooks.news((WIRE / name).read_bytes(), 1)
    assert found is None, "these builds bear no delivery of ours"
    if "build" in body:
        assert _builds.report("d", body["build"], 1) is not None
        assert _builds.receipt(body["build"], "org", "slug") is not None


def build(name: str) -> None:
    report = _builds.report("d", tree(name), 1)
    assert report is not None
    assert report.status is (Status.SUCCESS if "passed" in name else Status.PENDING)
    used_in("providers/test_buildkite.py")(name)


def job_log(name: str) -> None:
    job = {"id": "j", "type": "script", "name": "test", "state": "passed", "started_at": "2026-09-14T10:00:00Z"}
    said = list(_joblogs.lines(0, job, tree(name)["content"]))
    assert [said[0].part, said[-1].part] == ["start", "end"]
    assert "_bk;t=" not in "".join(one.text for one in said)
    assert len(said) > 3


#: The first pattern that fits says what a recording is for.
USES: list[tuple[str, Any]] = [
    ("knot/knot_*.json", knot_frame),
    ("jetstream/jetstream_options_update.json", clients_message),
    ("jetstream/jetstream_*.json", jetstream_frame),
    ("buildkite/buildkite_webhook_headers.json", used_in("providers/test_buildkite_back.py")),
    ("buildkite/buildkite_webhook_*.json", webhook),
    ("buildkite/buildkite_job_log_response.json", job_log),
    ("buildkite/create-build-request*.json", used_in("providers/test_buildkite.py")),
    ("buildkite/*-response*.json", build),
    ("buildkite/error-422.json", used_in("providers/test_buildkite.py")),
    ("spindle/*ci_trigger*request*.json", trigger),
    ("spindle/*cancel*request*.json", used_in("spindle/test_fixtures.py")),
    ("spindle/ci_query_pipelines_response_empty_stock.json", wrong_answer(f"{CI}.queryPipelines")),
    ("spindle/*ci_query_pipelines_response*.json", answer(f"{CI}.queryPipelines")),
    ("spindle/*ci_get_pipeline_response.json", answer(f"{CI}.getPipeline")),
    ("spindle/ci_get_pipeline_error_*.json", error),
    ("spindle/*ci_trigger*response.json", answer(f"{CI}.triggerPipeline")),
    ("spindle/*ci_describe_workflow_definition_response.json", answer(f"{CI}.describeWorkflowDefinition")),
    ("spindle/*ci_describe_workflow_definition_input.json", definition),
    ("spindle/ci_logs_frames.hex", hex_log),
    ("spindle/ci_logs_frames.ndjson", todays_log),
    ("spindle/both/ci_subscribe_pipeline_logs_frames.json", todays_log),
    ("spindle/*logs_*.ndjson", older_log),
    ("spindle/*owner_response.json", answer("sh.tangled.owner")),
    ("spindle/*secrets_list_response.json", answer("sh.tangled.repo.listSecrets")),
    ("spindle/*secrets_*_request.json", used_in("spindle/test_fixtures.py")),
    ("spindle/*xrpc_error_*.json", used_in("spindle/test_fixtures.py")),
    ("spindle/*did_web_document.json", document),
    ("spindle/*service_auth_jwt_decoded.json", token),
    ("spindle/*spindle_events_*.*json", stream),
    ("spindle/*spindle_status*.json", stream),
    ("spindle/*pull_round*.gz", packed_patch),
    ("spindle/*pull_round_patch.txt", patch_text),
    ("spindle/knot_*_response.json", used_in("spindle/test_fixtures.py")),
    ("spindle/jetstream_*.json", jetstream_frame),
    ("spindle/tap_channel_record.json", tap_record),
    ("spindle/tap_*.json", unspoken),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.acceptance("P-04")
async def test_every_recording_has_its_use(name: str) -> None:
    """And is read by it."""
    check = next((check for pattern, check in USES if fnmatch(name, pattern)), None)
    assert check is not None, f"tests/wire/{name} is read by nothing: say what it is for in USES"
    made = check(name)
    if made is not None:
        await made


def test_every_use_has_a_recording() -> None:
    """A pattern that fits nothing is one that was mistyped."""
    assert [pattern for pattern, _ in USES if not any(fnmatch(name, pattern) for name in FILES)] == []

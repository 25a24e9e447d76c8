"""Every parser that strangers reach, with whatever hypothesis thinks of: an answer or a refusal of its own, and nothing else.

Rules are in `tests/core/test_hostile.py`, frames in `tests/sources`. `HYPOTHESIS_PROFILE=explore` looks further.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.core import frame
from router.core.errors import BadFrame
from router.egress import Egress
from router.identity.documents import _document
from tests.fuzz import properties
from tests.spindle.test_auth import encoded, token

pytestmark = [pytest.mark.threat("S-10"), pytest.mark.threat("S-11")]
budget = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ODD = st.sampled_from(["\0", "\ud800", "\u202e", "\x1b[2J", "\r\n", "é", "{{", "../", "%2f", "'", '"', "$(", "9" * 30, "NaN"])
TEXT = st.one_of(st.text(max_size=30), st.lists(ODD, max_size=4).map("".join))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
YAML_PIECES = [
    *(
        "when:",
        " - event: [push]",
        "  branch: [main]",
        "router:",
        "  buildkite:",
        "    pipeline: x",
        "tack: {fake: {}}",
        "\n",
        "  ",
    ),
    *(
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a",
        "<<: *a",
        "!!python/object:os.system",
        "|\n",
        ">\n",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "#",
        "%YAML 1.1\n",
    ),
    *(
        "---\n",
        "...\n",
        "\t",
        "\0",
        "\ud800",
        "~",
        "yes",
        "012",
        "1e999",
        "paths: ['**/*']",
        "types: [opened]",
        "clone: {depth: 1}",
    ),
]


@budget
@given(st.lists(st.sampled_from(YAML_PIECES) | st.text(max_size=4), max_size=25).map("".join))
def test_workflow_files(text: str) -> None:
    """What it asks for, or why it cannot be told."""
    properties.workflow_file(text)


@budget
@given(st.lists(st.sampled_from(YAML_PIECES) | st.text(max_size=4), max_size=25).map("".join))
def test_rule_files(text: str) -> None:
    """With any indentation and any tag."""
    properties.rule_file("rules:\n" + text)


@budget
@given(st.binary(max_size=200) | st.text(max_size=100) | JSON.map(json.dumps))
def test_json_of_peers(text: str | bytes) -> None:
    """An object that can be stored and said again as UTF-8, or BadFrame."""
    try:
        tree = frame.tree(text)
    except BadFrame as error:
        assert str(error).isprintable()  # noqa: PT017 - either is right
        return
    json.dumps(tree, allow_nan=False, ensure_ascii=False).encode()


@budget
@given(JSON, st.sampled_from(["did:web:knot.example.com", "did:plc:" + "a" * 24]))
def test_did_documents(tree: Any, did: str) -> None:
    """Somebody, whose server is an address of the web or nothing; or nobody."""
    given_tree = {**tree, "id": did} if isinstance(tree, dict) else tree
    found = _document(did, given_tree)
    if found is not None:
        assert found.pds == "" or found.pds.startswith(("http://", "https://"))


@budget
@given(
    st.fixed_dictionaries(
        {"id": st.just("did:web:x.example")},
        optional={
            "alsoKnownAs": JSON,
            "verificationMethod": st.lists(st.dictionaries(st.sampled_from(["id", "type", "publicKeyMultibase"]), TEXT | JSON)),
            "service": st.lists(
                st.fixed_dictionaries(
                    {"id": st.sampled_from(["#atproto_pds", "#tangled_knot"]), "serviceEndpoint": TEXT.map("https://".__add__)}
                )
            ),
        },
    )
)
def test_did_documents_of_the_right_shape(tree: Any) -> None:
    """What is nearly one."""
    found = _document("did:web:x.example", tree)
    assert found is not None
    assert not any(char in found.pds.removeprefix("https://") for char in "/?#@\\ \r\n\0")


HEADERS = st.dictionaries(
    st.sampled_from(["x-buildkite-token", "x-buildkite-signature", "x-buildkite-event"]),
    TEXT | st.builds("timestamp={},signature={}".format, st.integers() | TEXT, st.text("0123456789abcdef", max_size=64)),
)


@budget
@given(
    HEADERS,
    st.binary(max_size=200) | JSON.map(lambda tree: json.dumps(tree).encode()),
    st.sampled_from(["any", "token", "signature"]),
)
def test_webhooks_of_nobody(headers: dict[str, str], body: bytes, mode: str) -> None:
    """In either scheme."""
    properties.nobodys_webhook(headers, body, mode)


BUILD: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "event": TEXT | st.sampled_from(["build.running", "build.finished", "job.started", "ping"]),
        "build": st.dictionaries(
            st.sampled_from(
                ["id", "url", "web_url", "number", "state", "meta_data", "commit", "jobs", "pipeline", "rebuilt_from"]
            ),
            JSON | st.just({"router:delivery": "a" * 32}),
        )
        | JSON,
        "job": JSON,
        "pipeline": JSON,
        "sender": JSON,
    },
)


@budget
@given(BUILD, st.booleans())
def test_webhooks_of_buildkite(tree: Any, cut: bool) -> None:  # noqa: FBT001
    """Whole, or cut off."""
    body = json.dumps(tree).encode()
    properties.buildkites_webhook(body[:-1] if cut else body)


CLAIMS: st.SearchStrategy[Any] = st.dictionaries(
    st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "jti", "lxm", "sub"]), JSON
)


@budget
@pytest.mark.threat("S-17")
@given(TEXT | st.lists(st.binary(max_size=60).map(encoded), min_size=1, max_size=4).map(".".join))
def test_tokens_of_nobody(text: str) -> None:
    """Any header of any request."""
    properties.refused_token("Bearer " + text)


@budget
@pytest.mark.threat("S-17")
@given(JSON, CLAIMS | JSON)
def test_signed_tokens_that_say_anything(head: Any, claims: Any) -> None:
    """Signed with a key that is known, with any header and any claims: never another exception, and never accepted."""
    said = head if isinstance(head, dict) else {"alg": "ES256K"}
    signed = properties.signed_token(json.dumps(said).encode(), json.dumps(claims).encode())
    properties.refused_token(f"Bearer {signed}")


@budget
@pytest.mark.threat("S-17")
@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_token_with_one_byte_changed(at: int, byte: int) -> None:
    """Wherever it is changed, and whatever to."""
    good = token()
    position = at % len(good)
    changed = good[:position] + chr(byte) + good[position + 1 :]
    if changed != good:
        properties.refused_token("Bearer " + changed)


TRIGGER = st.fixed_dictionaries(
    {},
    optional={
        "$type": st.sampled_from(["sh.tangled.ci.trigger#manual", "sh.tangled.ci.trigger#pullRequest"]) | JSON,
        **{
            name: JSON | st.just("a" * 40)
            for name in ("sha", "sourceSha", "ref", "sourceBranch", "targetBranch", "pull", "sourceRepo")
        },
        "inputs": st.lists(st.dictionaries(st.sampled_from(["key", "value"]), JSON)) | JSON,
    },
)


@budget
@given(TRIGGER | JSON)
def test_triggers_that_are_asked_for(said: Any) -> None:
    """By `triggerPipeline`."""
    properties.trigger(said)


@budget
@given(TEXT | st.ip_addresses().map(str) | st.ip_addresses(v=6).map(lambda one: f"::ffff:{one.exploded[-9:]}"))
@pytest.mark.threat("S-07")
def test_addresses(text: str) -> None:
    """A sentence or nothing; what has an inner address is judged by it."""
    began = time.process_time()
    why = Egress().refusal(text)
    assert why.isprintable()
    assert time.process_time() - began < 0.1

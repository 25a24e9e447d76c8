"""Why no rule acts on a push, for whoever looks at the commit."""

from __future__ import annotations

import pytest

from router.core.closest import closest
from tests.engine.way.parts import book, push

RULES = """\
rules:
  - name: build
    when:
      repo: did:plc:elseelseelseelseelse2222
      any:
        - {trigger: pull_request, trust: [owner]}
        - trigger: [push, manual]
    do: [toy: {sha: "{{ sha }}"}]
  - name: tags
    when: {trigger: push, repo: did:plc:elseelseelseelseelse2222, tag: v*, branch: dev}
    do: [toy: {sha: "{{ sha }}"}]
  - name: pulls
    when: {trigger: pull_request}
    do: [toy: {sha: "{{ sha }}"}]
"""


@pytest.mark.parity(31)
def test_the_closest_rule_is_named_with_what_did_not_fit() -> None:
    """Of alternatives of which one holds the others are no reason; a rule for something else is not close; whose repos a rule
    is for is not shown to everybody."""
    assert (
        closest(push(), book(RULES), {})
        == "No rule acts on this push. Closest is `test/build`: `repo` is not what it asks for."
    )
    pulls = RULES[: RULES.index("  - name: build")] + RULES[RULES.index("  - name: pulls") :]
    assert closest(push(), book(pulls), {}) == "No rule of this router is about such a push."

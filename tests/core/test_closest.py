"""Why no rule acts on a push, for whoever looks at the commit."""

from __future__ import annotations

from typing import Any

import pytest

from router.core import closest as closest_module
from router.core.closest import closest
from router.core.conditions import AllOf
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


def test_many_rules_cost_no_more_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that is nearly fulfilled is found however late it comes; of those that the index leaves out only some are looked
    at."""
    monkeypatch.setattr(closest_module, "LOOKED", 5)
    many = [f"  - {{name: r{at}, when: {{trigger: push, branch: b{at}}}, do: [toy: {{sha: x}}]}}" for at in range(40)]
    late = "  - {name: late, when: {trigger: push, branch: main, paths: none/**}, do: [toy: {sha: x}]}"
    rules, looked = book("\n".join(["rules:", *many, late])), 0
    answer = AllOf.answer

    def counting(self: AllOf, view: Any) -> Any:
        nonlocal looked
        looked += 1
        return answer(self, view)

    monkeypatch.setattr(AllOf, "answer", counting)
    assert "`test/late`" in closest(push(), rules, {})
    assert looked == 6

"""(event, rules) -> what to do about it. The same event and rules always give the same deliveries, with the same ids."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

from router.core import match, options, work
from router.core.errors import RenderError
from router.core.marks import Exposes
from router.core.model import Delivery, Entry, Gates, Plan, State, Status, Subject, Trouble
from router.core.render import Given
from router.core.rulebook import Mode
from router.core.truth import Unevaluable, attempt
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from router.core.match import Selection
    from router.core.model import Event, Tree
    from router.core.rulebook import Rule, Rulebook, Ruleset, Step, Window
    from router.core.truth import Identities, Operator

#: Deliveries that one event may lead to. More is a rule that fans out over something a stranger made long.
MAX_DELIVERIES = 256
#: Characters of a workflow's name that Tangled shows.
LONGEST_NAME = 40
#: Items of one `each` that are looked at: `where` may pass over many.
MAX_ITEMS = 4096
DEFAULT_TIMEOUT = 60.0


#: Where a delivery goes: of its provider's name, its options as a tree, and the same as the provider's own.
Address: TypeAlias = "Callable[[str, Tree, BaseModel | None], str]"


def plan(event: Event, rulebook: Rulebook, identities: Identities, address: Address | None = None) -> Plan:
    """Everything that the rules ask for. Never raises: what cannot be decided or rendered is in the plan, as such. `address`
    says where what is ready goes."""
    view = View(event, identities)
    selection = match.select(view, rulebook)
    if selection.chosen:
        with work.bounded(work.EVENT):
            return _plan(view, selection, address)
    if selection.troubles:
        return Plan(troubles=selection.troubles, wanted=selection.wanted)
    return _WANTED if selection.wanted else _UNWANTED


#: What most events come to.
_WANTED, _UNWANTED = Plan(wanted=True), Plan()


def _plan(view: View, selection: Selection, address: Address | None) -> Plan:
    event = view.event
    deliveries: list[Delivery[Tree]] = []
    troubles = list(selection.troubles)
    for ruleset, rule in selection.chosen:
        made = _Maker(view, ruleset, rule, address)
        for delivery in made.deliveries():
            if len(deliveries) == MAX_DELIVERIES:
                sentence = f"more than {MAX_DELIVERIES} deliveries for one event: the rest is not made"
                made.troubles.append(Trouble(rule=rule.id, sentence=sentence))
                break
            deliveries.append(delivery)
        troubles += made.troubles
    return Plan(
        matched=tuple(rule.id for _, rule in selection.chosen),
        deliveries=tuple(deliveries),
        entries=tuple(_entry(delivery, event) for delivery in deliveries if _reports(delivery)),
        troubles=tuple(troubles),
        wanted=True,
    )


def delivery_id(rule: str, event: Event, item: int, step: str) -> str:
    """Derived from what the delivery is for, and from nothing that can change: planning twice gives the same id."""
    text = "\x1f".join((rule, event.origin, event.id, str(item), step))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _reports(delivery: Delivery[Tree]) -> bool:
    return bool(delivery.subject.workflow) and delivery.state in (State.READY, State.DEAD)


def _entry(delivery: Delivery[Tree], event: Event) -> Entry:
    dead = delivery.state is State.DEAD
    return Entry(
        delivery=delivery.id,
        workflow=delivery.subject.workflow,
        status=Status.FAILED if dead else Status.PENDING,
        at=event.time,
        error=delivery.reason if dead else "",
    )


class _Maker:
    """Makes the deliveries of one rule for one event."""

    def __init__(self, view: View, ruleset: Ruleset, rule: Rule, address: Address | None) -> None:
        self.address = address
        self.view = view
        self.ruleset = ruleset
        self.rule = rule
        self.troubles: list[Trouble] = []

    def deliveries(self) -> Iterator[Delivery[Tree]]:
        for position, item in self._items():
            for step in self.rule.steps:
                if not step.if_trust or self.view.event.fields.get("trust") in step.if_trust:
                    made = self._delivery(step, position, item)
                    if self._asked_for(made.subject.workflow):
                        yield made

    def _asked_for(self, workflow: str) -> bool:
        """Whoever asks for a run by hand may ask for some of its workflows: `only` names them."""
        only = self.view.event.fields.get("only")
        return not only or not workflow or workflow in only

    def _items(self) -> Iterator[tuple[int, Tree]]:
        """One unnamed item, or those of `each` for which `where` holds."""
        if self.rule.each is None:
            yield 0, None
            return
        try:
            items = self.rule.each(self.view)
        except Unevaluable as doubt:
            self._trouble(str(doubt), undecided=doubt.undecided)
            return
        for position, item in enumerate(items[:MAX_ITEMS]):
            if self._wanted(position, item):
                yield position, item
        if len(items) > MAX_ITEMS:
            self._trouble(f"{len(items)} items: those after the first {MAX_ITEMS} are not looked at")

    def _wanted(self, position: int, item: Tree) -> bool:
        where, view = self.rule.where, self.view
        try:
            return where is None or where.holds(View(view.event, view.identities, item))
        except Unevaluable as doubt:
            self._trouble(f"item {position}: {doubt}", undecided=doubt.undecided)
            return False

    def _trouble(self, sentence: str, *, undecided: bool = False) -> None:
        self.troubles.append(Trouble(rule=self.rule.id, sentence=sentence, undecided=undecided))

    def _delivery(self, step: Step, position: int, item: Tree) -> Delivery[Tree]:
        event, rule = self.view.event, self.rule
        made = delivery_id(rule.id, event, position, step.name)
        context = self._context(made, item)
        state, reason, rendered, gates, workflow = self._state(), "", step.options, None, ""
        destination = ""
        try:
            workflow = str(rule.report(context))[:LONGEST_NAME] if rule.report else ""
            _keep_out(step, rule, event)
            rendered, parsed = _rendered(step, context)
            gates = self._gates(context)
            if self.address is not None and state is State.READY:
                destination = self.address(step.provider, rendered, parsed)
        except RenderError as error:
            # What only watches has nothing to die of.
            state, reason = State.DEAD if state is State.READY else state, str(error)
        return Delivery(
            id=made,
            rule=rule.id,
            step=step.name,
            provider=step.provider,
            options=rendered,
            event_origin=event.origin,
            event_id=event.id,
            nsid=event.nsid,
            subject=_subject(event, workflow),
            item=_item_name(item, position) if rule.each else None,
            timeout=step.timeout or rule.timeout or DEFAULT_TIMEOUT,
            retry=step.retry or rule.retry,
            idempotent=step.idempotent,
            secrets=step.secrets if _is_trusted(event) else (),
            gates=gates,
            state=state,
            reason=reason,
            depth=event.depth,
            destination=destination,
        )

    def _context(self, made: str, item: Tree) -> dict[str, Tree]:
        event = self.view.event
        context = Given(event.fields, {"event": self._told})
        context["record"] = event.record
        context["nsid"] = event.nsid
        context["source"] = event.source
        context["vars"] = self.ruleset.vars
        context["rule"] = {"id": self.rule.id, "name": self.rule.name}
        context["delivery"] = {"id": made}
        if self.rule.each is not None:
            context[self.rule.item_name] = item
        return context

    def _told(self) -> dict[str, Tree]:
        """What templates call `event`."""
        event = self.view.event
        return {
            "source": event.source,
            "kind": event.kind,
            "id": event.id,
            "nsid": event.nsid,
            "time": match.moment(event.time).isoformat(),
        }

    def _state(self) -> State:
        mode = self.rule.mode
        if mode is Mode.CANARY:
            repo = self.view.event.fields.get("repo") or {}
            key = f"{self.rule.id}\x1f{repo.get('did') or repo.get('owner')}\x1f{repo.get('name')}"
            drawn = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:4]) / 2**32
            return State.READY if drawn < self.rule.canary else State.SHADOW
        return State.SHADOW if mode is Mode.SHADOW else State.READY

    def _gates(self, context: dict[str, Tree]) -> Gates | None:
        rule = self.rule
        if not (rule.group or rule.dedupe or rule.throttle or rule.debounce):
            return None
        return Gates(
            group=str(rule.group.render(context)) if rule.group else None,
            busy=rule.busy,
            dedupe_key=_key(rule.dedupe, context),
            dedupe_within=rule.dedupe.seconds if rule.dedupe else 0.0,
            throttle_key=_key(rule.throttle, context),
            throttle_limit=rule.throttle.limit if rule.throttle else 0,
            throttle_per=rule.throttle.seconds if rule.throttle else 0.0,
            debounce_key=_key(rule.debounce, context),
            debounce_for=rule.debounce.seconds if rule.debounce else 0.0,
        )


def _key(window: Window | None, context: dict[str, Tree]) -> str | None:
    return str(window.key.render(context)) if window else None


def _rendered(step: Step, context: dict[str, Tree]) -> tuple[Tree, BaseModel | None]:
    """The options, checked once more now that they are complete, and as the provider's own. Raises RenderError."""
    rendered = step.render(context)
    for name, operator in step.allow.items():
        value = rendered.get(name) if isinstance(rendered, dict) else None
        if value is not None and not _allowed(operator, value):
            raise RenderError(f"The event asks for a `{name}` that the rule's `allow` does not list.")
    return rendered, None if step.model is None else options.parse(step.model, rendered)


def _allowed(operator: Operator, value: Tree) -> bool:
    """Whether the bound lets a value through: of a list, everything in it must be."""
    if isinstance(value, list):
        return all(_allowed(operator, item) for item in value)
    return attempt(operator, (value,), {}) is True


def _keep_out(step: Step, rule: Rule, event: Event) -> None:
    """What strangers wrote runs nothing on this machine, approved or not, where the rule does not say that it may. `validate`
    says so of rules, as far as it can tell; this holds for each event. Raises RenderError."""
    if options.exposed(step.model) is not Exposes.MACHINE:
        return
    pull = event.fields.get("trigger") == "pull_request"
    if pull and not rule.allow_untrusted and not _is_trusted(event):
        raise RenderError(f"A stranger's pull request runs no `{step.provider}`: the rule has no `allow_untrusted: true`.")


def _is_trusted(event: Event) -> bool:
    """Whether what is run was written by somebody who may push to the repo: nobody else's code is given its secrets."""
    return event.fields.get("trust") in ("owner", "member", "collaborator") and not event.fields.get("source_repo")


def _subject(event: Event, workflow: str) -> Subject:
    fields = event.fields
    repo = fields.get("repo") or {}
    named = f"{repo['owner']}/{repo['name']}" if repo.get("owner") and repo.get("name") else ""
    return Subject(
        repo=repo.get("did") or named,
        knot=fields.get("knot") or "",
        ref=fields.get("ref") or "",
        sha=fields.get("sha") or "",
        workflow=workflow,
    )


def _item_name(item: Tree, position: int) -> str:
    name = item.get("name") if isinstance(item, dict) else item
    return name if isinstance(name, str) and name else str(position)

"""Sketches of the bundled providers' options: what they take, the model takes; what they do not, the model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import library, plugins
from router.core import options, rules, sketch, templates
from router.core.marks import Bounded, Command, Script, Verbatim
from router.core.problems import Problems
from router.core.sketch import Sketched
from scripts.sketches import drawn, sketches
from tests.core.conftest import PROVIDERS
from tests.rules import corpus

if TYPE_CHECKING:
    from pydantic import BaseModel

    from router.core.sketch import Field

ROOT = Path(__file__).parent.parent.parent
MODELS = {name: plugins.provider(name).options for name in ("buildkite", "log", "shell", "sourcehut", "webhook")}
_TEXTS = st.one_of(
    st.sampled_from(
        ["", "-x", "a b", "main", "POST", "info", "/", "PATH", "https://example.com/x", "\0", "\ud800", "{{ sha }}"]
    ),
    st.text(max_size=8),
    st.text(max_size=3).map("{}{{{{ sha }}}}".format),
)
_SCALARS = st.one_of(_TEXTS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False))


def values(field: Field) -> st.SearchStrategy[Any]:
    """Values of every kind, many of them right."""
    texts = st.one_of(_TEXTS, st.from_regex(field.plainly, fullmatch=True)) if field.plainly else _TEXTS
    names = st.one_of(_TEXTS, st.from_regex(field.names, fullmatch=True)) if field.names else _TEXTS
    right = {
        "text": st.one_of(texts, st.sampled_from(field.choices)) if field.choices else texts,
        "int": st.integers(),
        "bool": st.booleans(),
        "null": st.none(),
        "texts": st.lists(texts, max_size=3),
        "mapping": st.dictionaries(names, texts, max_size=3),
    }
    wrong = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=2), st.dictionaries(_TEXTS, _SCALARS, max_size=2))
    return st.one_of(*(right[kind] for kind in field.kinds), wrong)


@st.composite
def trees(draw: st.DrawFn, made: sketch.Sketch) -> dict[str, Any]:
    """Options, most of them nearly right."""
    tree = {name: draw(values(field)) for name, field in made.fields.items() if field.needed or draw(st.booleans())}
    if draw(st.integers(0, 9)) == 0:
        tree.pop(draw(st.sampled_from(sorted(made.fields))), None)
    return tree | ({"odd": 1} if draw(st.integers(0, 9)) == 0 else {})


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_what_a_sketch_takes_the_model_takes(name: str, data: st.DataObject) -> None:
    """However options look, a sketch takes none that the model would complain of."""
    made = drawn(MODELS[name])
    tree = data.draw(trees(made))
    if made.takes(tree, templates.is_template):
        assert not list(options.complaints(MODELS[name], tree, templates.is_template))


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("buildkite", {"pipeline": "acme/site", "commit": "{{ sha }}", "branch": "release/1.2", "env": {"MODE": "fast"}}),
        ("buildkite", {"pipeline": "site", "commit": "HEAD", "branch": "{{ branch }}", "clean_checkout": True}),
        ("log", {"message": "{{ sha }}", "level": "warning"}),
        ("shell", {"argv": ["make", "{{ sha }}"], "env": {"LANG": "C"}}),
        ("sourcehut", {"manifest": "{{ event.id }}", "note": "x"}),
        ("webhook", {"url": "https://example.com/hook", "json": {"sha": "{{ sha }}", "n": [1, None]}}),
    ],
)
def test_usual_steps_are_taken_without_the_model(name: str, tree: dict[str, Any]) -> None:
    """What most rules say is decided by the sketch."""
    assert drawn(MODELS[name]).takes(tree, templates.is_template)


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("buildkite", {"pipeline": "-x", "commit": "HEAD", "branch": "main"}),
        ("buildkite", {"pipeline": "site", "commit": "HEAD"}),
        ("buildkite", {"pipeline": "site", "commit": "HEAD", "branch": "main", "env": {"PATH": "/"}}),
        ("buildkite", {"pipeline": "site", "commit": "HEAD", "branch": "main", "env": {"ld_preload": "/"}}),
        ("buildkite", {"pipeline": "site", "commit": "HEAD", "branch": "main", "env": {"A": "\ud800"}}),
        ("buildkite", {"pipeline": "site", "commit": "HEAD", "branch": "main", "env": {"A": 1, "B": "{{ sha }}"}}),
        ("log", {"message": "x", "level": "loud"}),
        ("log", {"message": 1}),
        ("log", {"message": "x", "odd": 1}),
        ("shell", {"argv": ["make"], "script": "make"}),
        ("webhook", {"url": "https://user@example.com"}),
        ("webhook", {"url": "https://example.com:0/"}),
        ("webhook", {"url": "https://example.com", "text": "x", "form": {}}),
        ("log", ["message"]),
    ],
)
def test_what_is_wrong_is_left_to_the_model(name: str, tree: Any) -> None:
    """The model complains, and it is asked."""
    assert list(options.complaints(MODELS[name], tree, templates.is_template))
    assert not drawn(MODELS[name]).takes(tree, templates.is_template)


@pytest.mark.parametrize("name", MODELS)
def test_a_sketch_knows_what_the_model_says_of_itself(name: str) -> None:
    """Its marks, what it puts at risk, and whether it is given secrets."""
    model, made = MODELS[name], drawn(MODELS[name])
    for marker in (Verbatim, Bounded, Command, Script):
        assert made.marked(marker) == options.marked.__wrapped__(model, marker)
    assert made.exposes is getattr(model, "exposes", made.exposes.NOTHING)
    assert made.takes_secrets is getattr(model, "takes_secrets", False)
    assert sketch.read(sketch.written(made)) == made


def test_the_sketches_are_what_the_models_say() -> None:
    """`make reference` would change nothing."""
    assert {path: path.read_bytes() for path in (ROOT / "providers").glob("*.sketch.json")} == sketches()


def standing(model: type[BaseModel]) -> Any:
    closed = model.model_config.get("strict") and model.model_config.get("extra") == "forbid"
    return Sketched(drawn(model), lambda: model) if closed else model


@pytest.mark.parametrize("name", corpus.names())
def test_mistakes_are_told_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mistake of the corpus is printed as if the models had been asked."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(corpus, "PROVIDERS", {one: standing(model) for one, model in PROVIDERS.items()})
    assert corpus.printed(name) == (corpus.FOLDER / f"{name}.expected").read_text(encoding="utf-8")


def test_rules_are_read_the_same() -> None:
    """What ships with the router, and the examples."""
    problems = Problems()
    folders = [str(ROOT / "rules"), *(str(path) for path in (ROOT / "examples").glob("*/rules"))]
    texts = library.rule_texts(library.on_command_line(folders), problems)
    found = []
    for providers in (MODELS, {name: standing(model) for name, model in MODELS.items()}):
        mine = Problems()
        book = rules.load(texts, providers, mine)
        found.append(([rule.id for rule in book.rules], mine.found))
    assert found[0] == found[1]
    assert found[0][0]

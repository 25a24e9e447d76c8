"""Discovery of providers and sources, with distributions that are installed for the test."""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING

import pytest

from router import loaded, plugins
from router.core import options, templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODULE = """\
from router.provider import Closed, Plugin

class Settings(Closed):
    pass

class Options(Closed):
    text: str

plugin = Plugin(settings=Settings, options=Options, open=lambda settings, host: None)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a distribution with one module and one provider on the path."""

    def install(distribution: str, provider: str, module: str, text: str = MODULE) -> None:
        site = tmp_path / distribution
        about = site / f"{distribution}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{plugins.PROVIDERS}]\n{provider} = {module}:plugin\n")
        (site / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(site)
        plugins.installed.cache_clear()

    yield install
    plugins.installed.cache_clear()


@pytest.mark.parity(56)
def test_a_wheel_beside_ours_adds_a_provider(install: Callable[..., None]) -> None:
    """A provider that another distribution registers is known by name, with its options and who brought it."""
    install("pager-for-router", "pager", "pager_one")
    assert "pager" in plugins.OptionModels()
    assert list(plugins.OptionModels()["pager"].model_fields) == ["text"]
    assert str(plugins.installed(plugins.PROVIDERS)["pager"].distribution) == "pager-for-router 1.0"


def test_our_own_are_found_in_the_same_way() -> None:
    """What ships with the router comes through entry points too."""
    assert {"buildkite", "webhook", "shell", "log"} <= set(plugins.installed(plugins.PROVIDERS))
    assert {"jetstream", "knot", "schedule", "replay"} <= set(plugins.installed(plugins.SOURCES))


def test_names_are_known_without_importing_anything(install: Callable[..., None]) -> None:
    """Listing providers, and asking whether one is there, does not load a module: `validate` pays only for what rules use."""
    install("broken", "broken", "broken_at_import", "raise RuntimeError('imported')")
    assert "broken" in plugins.OptionModels()
    assert "broken" in list(plugins.OptionModels())
    assert len(plugins.OptionModels()) == len(plugins.installed(plugins.PROVIDERS))


def test_a_plug_in_that_does_not_import_is_a_sentence(install: Callable[..., None]) -> None:
    """A broken module is told with the name of the distribution to mend or uninstall."""
    install("broken", "broken", "broken_too", "raise RuntimeError('no licence')")
    with pytest.raises(plugins.PluginError, match=r"`broken` of broken 1\.0 cannot be loaded: RuntimeError: no licence\."):
        plugins.provider("broken")


def test_something_else_under_an_entry_point_is_a_sentence(install: Callable[..., None]) -> None:
    """An entry point that leads to no plug-in is refused when it is loaded, and not when it is first used."""
    install("odd", "odd", "odd_one", "plugin = 3\n")
    with pytest.raises(plugins.PluginError, match=r"`odd` of odd 1\.0 is not a plug-in"):
        plugins.provider("odd")


def test_two_distributions_cannot_share_a_name(install: Callable[..., None]) -> None:
    """Which of two would win depends on the order of installation, so neither does."""
    install("first", "same", "same_one")
    install("second", "same", "same_two")
    with pytest.raises(plugins.PluginError, match="Two installed distributions register `same`"):
        plugins.installed(plugins.PROVIDERS)


SKETCH = '{"fields": {"text": {"kinds": ["text"], "needed": true}}}'


def test_a_sketch_stands_for_a_module_until_somebody_needs_more(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the module, whoever brings it: the module is imported for what is wrong, and for what else the model has."""
    install("sketched", "sketched", "sketched_one")
    (tmp_path / "sketched" / "sketched_one.sketch.json").write_text(SKETCH)
    model = plugins.OptionModels()["sketched"]
    assert not list(options.complaints(model, {"text": "x"}, templates.is_template))
    assert "sketched_one" not in sys.modules
    assert [found.loc for found in options.complaints(model, {"text": 1}, templates.is_template)] == [("text",)]
    assert "sketched_one" in sys.modules
    assert list(model.model_fields) == ["text"]
    assert options.parse(model, {"text": "x"}).text == "x"  # type: ignore[attr-defined]
    assert copy.deepcopy(model).takes_secrets is False  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "sketched_one")


def test_what_the_router_runs_by_is_imported_while_it_is_read(install: Callable[..., None], tmp_path: Path) -> None:
    """A sketch is enough to check a step, not to run it: what cannot be loaded is refused with the rules that use it."""
    install("broken", "broken", "broken_behind_a_sketch", "raise RuntimeError('no licence')")
    (tmp_path / "broken" / "broken_behind_a_sketch.sketch.json").write_text(SKETCH)
    (tmp_path / "rules.yaml").write_text("rules: [{name: a, do: [{broken: {text: x}}]}]\n")
    (tmp_path / "router.yaml").write_text("rules: [rules.yaml]\nsources: {never: {schedule: {cron: '0 0 1 1 *'}}}\n")
    with pytest.raises(plugins.PluginError, match="`broken` of broken 1\\.0 cannot be loaded: RuntimeError: no licence"):
        loaded.read(tmp_path / "router.yaml")


@pytest.mark.parametrize("raw", ["", "{}", "[]", '{"fields": {"text": {"marks": [{"type": "Odd"}]}}}'])
def test_a_sketch_that_is_none_is_passed_over(install: Callable[..., None], tmp_path: Path, raw: str) -> None:
    """Then the module says everything itself."""
    module = f"unsketched_{abs(hash(raw))}"
    install(module, module, module)
    (tmp_path / module / f"{module}.sketch.json").write_text(raw)
    assert isinstance(plugins.OptionModels()[module], type)


def test_a_package_that_does_not_import_is_a_sentence_too(install: Callable[..., None], tmp_path: Path) -> None:
    """Looking for the sketch of a module imports the packages around it: what they raise is told as what the module raises."""
    install("within", "within", "broken_around.inner")
    (tmp_path / "within" / "broken_around").mkdir()
    (tmp_path / "within" / "broken_around" / "__init__.py").write_text("raise RuntimeError('no licence')")
    with pytest.raises(plugins.PluginError, match=r"`within` of within 1\.0 cannot be loaded: RuntimeError: no licence\."):
        plugins.OptionModels()["within"]

"""The demo's router.yaml and rules, written for the addresses of a network."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Stands for the sink's URL in the rules, so that they are valid rules as they ship.
_SINK = "http://sink.invalid"


def write(folder: Path, addresses: Mapping[str, str]) -> Path:
    """Write `router.yaml` and `rules/` into a folder that exists; returns the path of router.yaml."""
    shipped = files("router.demo").joinpath("files")
    template = Template(shipped.joinpath("router.yaml.tmpl").read_text(encoding="utf-8"))
    values = {name.replace("-", "_"): url for name, url in addresses.items()}
    config = folder / "router.yaml"
    config.write_text(template.substitute(values), encoding="utf-8")
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    for shipped_rules in shipped.joinpath("rules").iterdir():
        if shipped_rules.name.endswith(".yaml"):
            text = shipped_rules.read_text(encoding="utf-8").replace(_SINK, addresses["sink"])
            (rules / shipped_rules.name).write_text(text, encoding="utf-8")
    return config

"""Names in addresses of the spindle are keys of rows: none is a path, and nothing else is behind them (S-20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from yarl import URL

from tests.spindle.world import HOST, World

if TYPE_CHECKING:
    from pathlib import Path

CLIMBS = [
    *(
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e%2frouter.yaml",
        "..%5c..%5crouter.yaml",
        "%2fetc%2fpasswd",
        "router.db",
        "..",
        "%2e%2e",
    ),
    *("....//....//router.yaml", "..%252f..%252frouter.yaml", "%00", "%0d%0aX: y", "~root", "%ff%fe", "a" * 5000, "{{7*7}}"),
]


@pytest.mark.threat("S-20")
async def test_no_name_leads_to_a_file(tmp_path: Path) -> None:
    """In each part of each address that has parts, and in each parameter: an answer that knows nothing of it."""
    async with World(tmp_path) as world:
        await world.start()
        secret = "rules: [./rules]"  # what the configuration has
        for name in CLIMBS:
            for path in (
                f"/logs/{HOST}/{name}/ci.yml",
                f"/logs/{name}/3mxxxxxxxxxxx/ci.yml",
                f"/logs/{HOST}/3mxxxxxxxxxxx/{name}",
            ):
                async with world.http.get(URL(world.url + path, encoded=True)) as response:
                    text = await response.text(errors="replace")
                    assert response.status < 500, path
                    assert secret not in text
                    assert "root:" not in text
            for path in (
                f"/{name}",
                f"/.well-known/{name}",
                f"/xrpc/{name}",
                f"/webhooks/{name}",
                f"/xrpc/sh.tangled.ci.getPipeline?pipeline={name}",
                f"/xrpc/sh.tangled.ci.queryPipelines?repo={name}&limit={name}&cursor={name}&kinds={name}",
                f"/xrpc/sh.tangled.ci.describeWorkflowDefinition?repo={name}&sha={'a' * 40}",
                f"/events?cursor={name}",
            ):
                async with world.http.get(URL(world.url + path, encoded=True)) as response:
                    assert response.status < 500, path
                    assert secret not in await response.text(errors="replace")

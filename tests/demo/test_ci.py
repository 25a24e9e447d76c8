"""The CI: what it refuses, how its builds look and move, and each fault it can be told to have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.demo.ci import Ci

SHA = "6e13e68d383190280012b07f7a62f830da739b41"
BODY: dict[str, Any] = {"commit": SHA, "branch": "main", "message": "push", "meta_data": {"router:delivery": "d1"}}
WIRE = Path(__file__).parent.parent / "wire" / "buildkite"


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.seconds = 1_789_380_031.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ci(clock: Clock) -> AsyncIterator[Ci]:
    async with Ci("ci", token="secret", clock=clock) as server:
        yield server


@pytest.fixture
async def api(ci: Ci) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"{ci.url}/v2/organizations/demo/", headers={"Authorization": "Bearer secret"}) as session:
        yield session


async def create(api: aiohttp.ClientSession, **more: Any) -> tuple[int, Any]:
    async with api.post("pipelines/hello/builds", json=BODY | more) as answer:
        return answer.status, await answer.json()


async def get(api: aiohttp.ClientSession, path: str, **query: Any) -> tuple[int, Any]:
    async with api.get(path, params=query) as answer:
        return answer.status, await answer.json()


async def test_a_build_has_buildkites_shape(ci: Ci, api: aiohttp.ClientSession) -> None:
    """Every key of the answer is one that Buildkite's has, and its links lead back to this server."""
    recorded = json.loads((WIRE / "create-build-response.json").read_text(encoding="utf-8"))
    status, build = await create(api)
    assert (status, build["number"], build["state"], build["meta_data"]) == (201, 1, "scheduled", BODY["meta_data"])
    assert set(build) <= set(recorded)
    assert set(build["jobs"][0]) <= set(recorded["jobs"][0])
    assert set(build["pipeline"]) <= set(recorded["pipeline"])
    assert build["url"] == f"{ci.url}/v2/organizations/demo/pipelines/hello/builds/1"
    assert build["created_at"] == "2026-09-14T10:00:31.000Z"


async def test_the_page_that_a_build_links_to_exists(api: aiohttp.ClientSession) -> None:
    """Whoever follows the link in the terminal sees the build's state."""
    _, build = await create(api)
    async with aiohttp.ClientSession() as anyone, anyone.get(build["web_url"]) as answer:
        assert (answer.status, await answer.text()) == (200, "demo/hello build 1: scheduled\n")


@pytest.mark.parametrize("given", ["Bearer wrong", "secret", ""])
async def test_a_wrong_token_is_refused_everywhere(ci: Ci, given: str) -> None:
    """No build is made and none is shown without the token."""
    async with aiohttp.ClientSession(headers={"Authorization": given}) as stranger:
        builds = f"{ci.url}/v2/organizations/demo/pipelines/hello/builds"
        for method, url in (("POST", builds), ("GET", builds), ("GET", f"{builds}/1"), ("PUT", f"{builds}/1/cancel")):
            async with stranger.request(method, url, json=BODY) as answer:
                assert (answer.status, list(await answer.json())) == (401, ["message"])
    assert ci.builds == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"commit": None}, {"field": "commit", "code": "invalid"}),
        ({"commit": ""}, {"field": "commit", "code": "missing"}),
        ({"colour": "red"}, {"field": "colour", "code": "unknown"}),
        ({"meta_data": {"number": 1}}, {"field": "meta_data.number", "code": "invalid"}),
        ({"env": {"DEPTH": 0}}, {"field": "env.DEPTH", "code": "invalid"}),
        ({"author": {"name": "a", "nick": "b"}}, {"field": "author.nick", "code": "unknown"}),
        ({"pull_request_id": "7"}, {"field": "pull_request_id", "code": "invalid"}),
    ],
)
async def test_a_wrong_body_is_a_422_that_names_the_field(
    ci: Ci, api: aiohttp.ClientSession, change: dict[str, Any], error: dict[str, str]
) -> None:
    """Texts have to be texts, and a key that nobody knows is refused."""
    status, answer = await create(api, **change)
    assert (status, answer) == (422, {"message": "Validation Failed", "errors": [error]})
    assert ci.builds == []


async def test_commit_and_branch_are_required(api: aiohttp.ClientSession) -> None:
    """The answer names both."""
    async with api.post("pipelines/hello/builds", json={}) as answer:
        recorded = {"message": "Validation Failed", "errors": [{"field": "commit", "code": "missing"}]}
        recorded["errors"] += [{"field": "branch", "code": "missing"}]  # type: ignore[operator]
        assert (answer.status, await answer.json()) == (422, recorded)


async def test_a_body_that_is_no_json_is_a_400(api: aiohttp.ClientSession) -> None:
    """It is the client's mistake, and no traceback of ours."""
    async with api.post("pipelines/hello/builds", data="{") as answer:
        assert answer.status == 400


async def test_other_organizations_and_builds_are_not_found(ci: Ci, api: aiohttp.ClientSession) -> None:
    """A token does not show what is not its own."""
    assert (await get(api, "pipelines/hello/builds/1"))[0] == 404
    async with api.get(f"{ci.url}/v2/organizations/other") as answer:
        assert (answer.status, await answer.json()) == (404, {"message": "No organization found"})


async def test_builds_move_on_command(ci: Ci, api: aiohttp.ClientSession) -> None:
    """Scheduled, running, and then passed or failed by the commit, with the job's exit status at the end."""
    ci.failing.add("f" * 40)
    await create(api)
    await create(api, commit="f" * 40)
    for first, second, exits in (
        ("scheduled", "scheduled", [None, None]),
        ("running", "running", [None, None]),
        ("passed", "failed", [0, 1]),
        ("passed", "failed", [0, 1]),
    ):
        builds = [(await get(api, f"pipelines/hello/builds/{number}"))[1] for number in (1, 2)]
        assert [build["state"] for build in builds] == [first, second]
        assert [build["jobs"][0]["exit_status"] for build in builds] == exits
        ci.advance()
    assert builds[0]["finished_at"]


async def test_builds_move_on_the_clock(ci: Ci, api: aiohttp.ClientSession, clock: Clock) -> None:
    """With a pace each state lasts so long, and times are when it happened, not when somebody looked."""
    ci.pace = (1.0, 2.0)
    await create(api)
    states = []
    for _ in range(4):
        states.append((await get(api, "pipelines/hello/builds/1"))[1]["state"])
        clock.seconds += 1.0
    assert states == ["scheduled", "running", "running", "passed"]
    clock.seconds += 60
    assert (await get(api, "pipelines/hello/builds/1"))[1]["finished_at"] == "2026-09-14T10:00:34.000Z"


async def test_cancelling(api: aiohttp.ClientSession) -> None:
    """An unfinished build is canceled once; a finished one is a 422."""
    await create(api)
    async with api.put("pipelines/hello/builds/1/cancel") as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "canceled")
    async with api.put("pipelines/hello/builds/1/cancel") as answer:
        assert answer.status == 422


async def test_the_list_filters(ci: Ci, api: aiohttp.ClientSession) -> None:
    """By meta-data, commit, branch and state, newest first, within the pipeline."""
    await create(api)
    ci.advance()
    await create(api, branch="next", meta_data={"router:delivery": "d2"})
    async with api.post("pipelines/other/builds", json=BODY) as answer:
        assert (await answer.json())["number"] == 1

    async def numbers(path: str = "pipelines/hello/builds", **query: str) -> list[int]:
        return [build["number"] for build in (await get(api, path, **query))[1]]

    assert await numbers() == [2, 1]
    assert await numbers("builds") == [1, 2, 1]
    assert await numbers(**{"meta_data[router:delivery]": "d1"}) == [1]
    assert await numbers(**{"meta_data[router:delivery]": "d1", "branch": "next"}) == []
    assert await numbers(branch="next") == [2]
    assert await numbers(state="running") == [1]
    assert await numbers(commit="0" * 40) == []
    assert await numbers(per_page="1", page="2") == [1]


async def test_what_is_excluded_is_left_out(api: aiohttp.ClientSession) -> None:
    """A look-up may do without the jobs and the pipeline."""
    await create(api)
    _, (build,) = await get(api, "pipelines/hello/builds", exclude_jobs="true", exclude_pipeline="true")
    assert not {"jobs", "pipeline"} & set(build)


async def test_a_list_lags_behind(ci: Ci, api: aiohttp.ClientSession, clock: Clock) -> None:
    """A build that was just made is found by number at once, and in lists only after the index caught up."""
    ci.faults.index_lag = 5.0
    await create(api)
    assert (await get(api, "pipelines/hello/builds/1"))[0] == 200
    assert (await get(api, "pipelines/hello/builds"))[1] == []
    clock.seconds += 5.0
    assert len((await get(api, "pipelines/hello/builds"))[1]) == 1


async def test_refusals_on_demand(ci: Ci, api: aiohttp.ClientSession) -> None:
    """The next answers are these, one each, nothing is made, and then all is well."""
    await ci.disturb(answers=[503, 429], look_answers=[502])
    assert (await create(api))[0] == 503
    async with api.post("pipelines/hello/builds", json=BODY) as answer:
        assert answer.status == 429
        assert answer.headers["RateLimit-Remaining"] == "0"
        assert set(await answer.json()) == {"message", "scope", "limit", "current", "reset"}
        assert int(answer.headers["RateLimit-Reset"]) == (await answer.json())["reset"] > 0
    assert ci.builds == []
    assert (await get(api, "pipelines/hello/builds"))[0] == 502
    assert (await create(api))[0] == 201


async def test_accept_and_drop(ci: Ci, api: aiohttp.ClientSession) -> None:
    """The build is made, and the client never learns of it from the answer."""
    await ci.disturb(drop_after=1)
    with pytest.raises(aiohttp.ClientError):
        await create(api)
    assert [build.asked.meta_data for build in ci.builds] == [BODY["meta_data"]]
    assert ci.requests[-1].status == 0
    assert (await create(api))[0] == 201


async def test_drop_without_accepting(ci: Ci, api: aiohttp.ClientSession) -> None:
    """To the client it looks the same, and no build was made."""
    await ci.disturb(drop_before=1)
    with pytest.raises(aiohttp.ClientError):
        await create(api)
    assert ci.builds == []


async def test_an_answer_may_be_cut_in_its_middle(ci: Ci, api: aiohttp.ClientSession) -> None:
    """Its status arrives, and half of its body."""
    await ci.disturb(truncate=1)
    async with api.post("pipelines/hello/builds", json=BODY) as answer:
        assert answer.status == 201
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert len(ci.builds) == 1


async def test_an_answer_may_be_nonsense(ci: Ci, api: aiohttp.ClientSession) -> None:
    """The build is made, and 201 comes with a body that is no build."""
    await ci.disturb(garble=1)
    async with api.post("pipelines/hello/builds", json=BODY) as answer:
        assert (answer.status, answer.content_type) == (201, "text/html")
    assert len(ci.builds) == 1


async def test_a_look_up_may_be_cut(ci: Ci, api: aiohttp.ClientSession) -> None:
    """Of the lists so many are not answered; builds themselves are."""
    await create(api)
    await ci.disturb(drop_look=2)  # a GET is sent a second time by aiohttp itself
    with pytest.raises(aiohttp.ClientError):
        await get(api, "pipelines/hello/builds")
    assert (await get(api, "pipelines/hello/builds"))[0] == 200


async def test_an_answer_can_be_held(ci: Ci, api: aiohttp.ClientSession) -> None:
    """The build exists while its answer waits, until it is let go."""
    await ci.disturb(hold=True)
    waiting = asyncio.create_task(create(api))
    await ci.built(1)
    assert not waiting.done()
    await ci.disturb(hold=False)
    assert (await waiting)[0] == 201


async def test_it_stops_while_an_answer_is_held(ci: Ci, api: aiohttp.ClientSession) -> None:
    """Going down cuts whoever waits, at once."""
    await ci.disturb(hold=True)
    waiting = asyncio.create_task(create(api))
    await ci.built(1)
    await ci.down()
    with pytest.raises(aiohttp.ClientError):
        await waiting


@pytest.mark.parametrize("changes", [{"mood": 1}, {"answers": [200]}, {"answers": 503}, {"hold": "yes"}, {"index_lag": "1"}])
async def test_a_fault_that_does_not_exist_is_refused(ci: Ci, changes: dict[str, Any]) -> None:
    """A test that misspells a fault is told, instead of passing without it."""
    with pytest.raises(ValueError, match=next(iter(changes))):
        await ci.disturb(**changes)


async def test_requests_are_kept_without_the_token(ci: Ci, api: aiohttp.ClientSession) -> None:
    """What was asked can be asserted on, and the secret is not in it."""
    await create(api)
    (seen,) = ci.requests
    assert (seen.method, seen.path, seen.status) == ("POST", "/v2/organizations/demo/pipelines/hello/builds", 201)
    assert json.loads(seen.body) == BODY
    assert "secret" not in str(seen)

"""The Grafana dashboard asks the real processor what it answers, and shows what is in the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from .support.bodies import NOW, detection, metrics, point
from .support.embedded import Embedded, embedded
from .support.scripts import REPOSITORY

_DASHBOARD = json.loads((REPOSITORY / "k8s/grafana/dashboard.json").read_text())
_INFINITY, _PROMETHEUS = "yesoreyeram-infinity-datasource", "prometheus"
_STEPS = 40
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "timestamp_epoch": (int,),  # milliseconds
}


def _panels() -> list[dict[str, Any]]:
    """Return all panels, those in collapsed rows as well."""
    return [inner for panel in _DASHBOARD["panels"] for inner in (panel, *panel.get("panels", ()))]


def _targets(plugin: str) -> list[Any]:
    """Return (panel's title, target) of each query to one kind of data source."""
    return [
        pytest.param(target, id=f"{panel['title']} {target['refId']}")
        for panel in _panels()
        for target in panel.get("targets", ())
        if target["datasource"]["type"] == plugin
    ]


def _variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in _DASHBOARD["templating"]["list"]}


@pytest.fixture(scope="module")
def taker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A processor that has two runs of one workload, one of them with a detection record."""
    with embedded(tmp_path_factory.mktemp("grafana")) as taker:
        for run in ("r", "r2"):
            points = [point("loss", 1 / (step + 1), step) for step in range(_STEPS)]
            assert taker.post("metrics", metrics(*points, run_id=run)).status_code == 200
        assert taker.post("detection", detection()).status_code == 200
        yield taker


@pytest.fixture(scope="module")
def values(taker: Embedded) -> dict[str, str]:
    """What is chosen: all that each variable offers, which may depend on those before it."""
    values = {"__from": str(int(NOW * 1000)), "__to": str(int((NOW + _STEPS) * 1000))}
    for name, variable in _variables().items():
        if variable["type"] == "query":
            query = variable["query"]["infinityQuery"]
            column = "__value" if len(query["columns"]) > 1 else query["columns"][0]["text"]
            selectors = {each["text"]: each["selector"] for each in query["columns"]}
            offered = [_select(row, selectors[column]) for row in _ask(taker, query, values)]
            assert len(offered) == len(set(offered)) > 0
            values[name] = ",".join(offered) if variable["multi"] else offered[0]
    return values


def _fill(text: str, values: dict[str, str]) -> str:
    """Put the variables' values where Grafana would."""
    filled = re.sub(
        r"\$\{(\w+)(?::(?:csv|percentencode))?\}", lambda match: values[match.group(1)], text
    )
    assert "$" not in filled
    return filled


def _ask(taker: Embedded, query: dict[str, Any], values: dict[str, str]) -> list[dict[str, Any]]:
    """Ask as Infinity's backend parser would, and return the rows below the root selector."""
    assert (query["type"], query["parser"], query["source"]) == ("json", "backend", "url")
    assert query["url_options"]["method"] == "GET"
    path = _fill(query["url"], values)
    params = {
        param["key"]: _fill(param["value"], values) for param in query["url_options"].get("params", [])
    }
    response = taker.client.get(path, params=params)
    assert response.status_code == 200, response.text
    rows = _select(response.json(), query["root_selector"])
    assert isinstance(rows, list)
    assert rows
    return rows


def _select(value: Any, selector: str) -> Any:
    """Return what a dotted selector names; null below a null."""
    for name in selector.split("."):
        if value is None:
            return None
        assert name in value
        value = value[name]
    return value


@pytest.mark.parametrize("target", _targets(_INFINITY))
def test_every_column_of_a_panel_is_in_the_answer(
    target: dict[str, Any], taker: Embedded, values: dict[str, str]
) -> None:
    rows = _ask(taker, target, values)
    assert target["columns"]
    for column in target["columns"]:
        cells = [_select(row, column["selector"]) for row in rows]
        told = [cell for cell in cells if cell is not None]
        assert all(isinstance(cell, _KINDS[column["type"]]) for cell in told)
        assert told or column["text"] in ("ended",)  # these runs have not
        if column["type"] == "timestamp_epoch":
            assert min(told, default=NOW * 1000) >= (NOW - 1) * 1000


def test_the_curves_are_those_of_the_chosen_runs_steps_and_times(
    taker: Embedded, values: dict[str, str]
) -> None:
    asked = {}
    for panel in _panels():
        for target in panel.get("targets", ()):
            if target["datasource"]["type"] == _INFINITY:
                asked[panel["title"]] = _ask(taker, target, values)
    by_step, over_time = (asked[f"$metric {how}"] for how in ("by step", "over time"))
    assert [row["x"] for row in by_step] == sorted([*range(_STEPS)] * 2)
    assert {row["label"] for row in by_step} == {"first", "r2"}
    assert over_time[0]["x"] == NOW * 1000
    assert over_time[-1]["x"] <= (NOW + _STEPS) * 1000
    assert len(asked["Runs of $workload"]) == 2


@pytest.mark.parametrize("target", _targets(_PROMETHEUS))
def test_every_metric_of_prometheus_is_exposed(target: dict[str, Any], taker: Embedded) -> None:
    assert taker.post("metrics", b"{").status_code == 400  # so that there is a refusal
    exposed = set(re.findall(r"^(\w+)", taker.client.get("/metrics").text, re.MULTILINE))
    named = set(re.findall(r"\bprimus_\w+", target["expr"]))
    assert named
    assert named <= exposed
    assert target["expr"].count("(") == target["expr"].count(")")


@pytest.mark.parametrize("panel", _panels(), ids=lambda panel: panel["title"])
def test_a_transformation_uses_columns_that_are_there(panel: dict[str, Any]) -> None:
    columns = {
        column["text"] for target in panel.get("targets", ()) for column in target.get("columns", ())
    }
    for transformation in panel.get("transformations", ()):
        assert transformation["id"] == "groupingToMatrix"
        options = transformation["options"]
        assert {options["columnField"], options["rowField"], options["valueField"]} == columns
        place = f"{options['rowField']}\\{options['columnField']}"  # as Grafana calls it
        assert panel["options"].get("xField", place) == place
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        assert override["matcher"]["options"] in columns


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in _panels()]
    assert len(ids) == len(set(ids))
    places = [panel["gridPos"] for panel in _panels()]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 and place["h"] > 0 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above


def test_each_data_source_is_chosen_by_a_variable() -> None:
    variables = _variables()
    sources = [panel["datasource"] for panel in _panels() if panel["type"] != "row"]
    sources += [target["datasource"] for panel in _panels() for target in panel.get("targets", ())]
    sources += [variable["datasource"] for variable in variables.values() if variable["type"] == "query"]
    assert {source["type"] for source in sources} == {_INFINITY, _PROMETHEUS}
    for source in sources:
        variable = variables[source["uid"][2:-1]]  # ${name}
        assert (variable["type"], variable["query"]) == ("datasource", source["type"])


def test_a_row_is_repeated_for_a_variable_of_several_values() -> None:
    repeated = [panel for panel in _panels() if "repeat" in panel]
    assert [panel["type"] for panel in repeated] == ["row"]
    assert all(_variables()[panel["repeat"]]["multi"] for panel in repeated)


def test_the_dashboard_can_be_imported_anywhere() -> None:
    assert _DASHBOARD["title"]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", _DASHBOARD["uid"])
    assert _DASHBOARD["schemaVersion"] >= 39
    assert "id" not in _DASHBOARD  # which is a database's
    assert not re.search(r"https?://", json.dumps(_DASHBOARD))


def test_the_dashboard_is_written_as_grafana_would_export_it() -> None:
    text = Path(REPOSITORY / "k8s/grafana/dashboard.json").read_text()
    assert text == json.dumps(_DASHBOARD, indent=2) + "\n"

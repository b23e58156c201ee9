"""The page about metrics and the example of alerts: they name metrics, labels and words that exist."""

import re

import yaml

from imagesync.model.report import Outcome, Report
from imagesync.render.metrics import METRICS, format_metrics, measure_plan, measure_report
from tests.command import ROOT
from tests.unit.factories import NOW, catalog, inventory, plan, spec

PAGE = (ROOT / "docs/metrics.md").read_text()
ALERTS = yaml.safe_load((ROOT / "examples/prometheus-alerts.yml").read_text())


def test_the_page_has_every_metric_with_its_help() -> None:
    """In the order of the file."""
    assert re.findall(r"^\| `(imagesync_\w+)` \| (.*) \|$", PAGE, re.MULTILINE) == list(METRICS.items())


def test_the_alerts_use_metrics_and_labels_that_exist() -> None:
    """Of a plan and of an apply."""
    made = plan(catalog(spec("a")), inventory())
    text = format_metrics(measure_plan(made, started=NOW, ended=NOW))
    text += format_metrics(measure_report(Report(made, ()), command="apply", started=NOW, ended=NOW))
    written = set(re.findall(r"(\w+)=\"", text))
    assert {"catalog", "target", "command", "state", "action", "outcome"} == written
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) == 5
    for rule in rules:
        names = re.findall(r"imagesync_\w+", rule["expr"])
        assert names
        assert set(names) <= set(METRICS), rule["alert"]
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= written
        assert set(re.findall(r"(\w+)=\"", rule["expr"])) <= written
    assert all(outcome.value in text for outcome in Outcome)

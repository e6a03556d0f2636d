"""Reads PromQL: what an expression asks for, against what processes expose."""

from __future__ import annotations

from collections.abc import Mapping

import promql_parser as promql

Exposed = Mapping[str, Mapping[str, set[str]]]
"""By the name of a metric: its labels, each with the values that were seen; a label without values may have any."""

_WRITTEN_BY_GRAFANA = {"$__rate_interval": "5m"}


def wrong_in(expression: str, exposed: Exposed) -> list[str]:
    """What nobody exposes: metrics, labels, values of labels. Raises ValueError for an expression that is no PromQL."""
    for variable, written in _WRITTEN_BY_GRAFANA.items():
        expression = expression.replace(variable, written)
    wrong: list[str] = []
    for node in _nodes(promql.parse(expression)):
        if isinstance(node, promql.VectorSelector):
            wrong += _wrong_in_selector(node, exposed)
        else:
            asked = {each.name for each in _nodes(node) if isinstance(each, promql.VectorSelector)}
            wrong += _without(_labels_of(node), asked, exposed)
    return wrong


def _nodes(expression: promql.Expr) -> list[promql.Expr]:
    found: list[promql.Expr] = []
    promql.walk(expression, found.append)
    return found


def _labels_of(node: promql.Expr) -> list[str]:
    """What is grouped by or matched on here."""
    match node:
        case promql.AggregateExpr(modifier=modifier) if modifier is not None:
            return list(modifier.labels)
        case promql.BinaryExpr(modifier=modifier) if modifier is not None and modifier.matching is not None:
            return list(modifier.matching.labels)
    return []


def _wrong_in_selector(selector: promql.VectorSelector, exposed: Exposed) -> list[str]:
    metric, matchers = selector.name, selector.matchers.matchers
    if metric not in exposed:
        return [f"nothing exposes {metric}"]
    wrong = _without([matcher.name for matcher in matchers], {metric}, exposed)
    for matcher in matchers:
        values = exposed[metric].get(matcher.name)
        if matcher.op == promql.MatchOp.Equal and values and matcher.value not in values:
            wrong.append(f"{metric} was never seen with {matcher.name}={matcher.value}")
    return wrong


def _without(labels: list[str], metrics: set[str], exposed: Exposed) -> list[str]:
    return [
        f"{metric} has no label {label}"
        for metric in sorted(metrics & exposed.keys())
        for label in labels
        if label not in exposed[metric]
    ]

"""What a person sees while a robot is up: its nodes, its gate, its topics. Pure functions of the summary."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

GOOD, FAIR, BAD, LABEL = "green3", "gold3", "red3", "grey58"
STYLES = {
    "running": GOOD, "active": GOOD, "ACTIVE": GOOD, "ARMED": FAIR, "DISARMED": FAIR, "starting": FAIR,
    "inactive": FAIR, "exited": LABEL, "STOPPED": f"bold {BAD}",
}  # fmt: skip
LATE_MS = 100.0


def render(summary: Mapping[str, Any]) -> RenderableType:
    """The panel of a graph."""
    title = Text.assemble(
        ("sandlot up ", "bold"), (f"{summary['kind']} ", "bold deep_sky_blue1"),
        (f"{summary['robot']} · {summary['task']} · {summary['run']}", LABEL),
    )  # fmt: skip
    parts = [_nodes(summary["nodes"]), Text(), _gate(summary), *_practice(summary), Text()]
    parts += [_topics(summary["topics"])]
    dot = Text(f"{summary['seconds']:.0f} s", style=GOOD if summary["ok"] else FAIR)
    if summary["down"]:
        dot.append(f"  not up: {', '.join(summary['down'])}", style=FAIR)
    return Panel(
        Group(*parts), title=title, title_align="left", subtitle=dot, subtitle_align="right",
        border_style="grey37", box=box.ROUNDED, padding=(1, 2), width=96,
    )  # fmt: skip


def flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The end of a graph for people: one line a figure."""
    commands, stops = summary["commands"], summary["stops"]
    return {
        "run": summary["run"],
        "seconds": summary["seconds"],
        "nodes": [f"{name} {_word(node)}" for name, node in summary["nodes"].items()],
        "commands_sent": commands["sent"],
        "commands_accepted": commands["accepted"],
        "rejected": [f"{why} {n}" for why, n in commands["rejected"].items()] or ["none"],
        "stops": [f"{cause} {n}" for cause, n in stops["causes"].items()] or ["none"],
        **{f"learner_{name}": value for name, value in summary["learner"].items()},
        **_back(summary),
    }


def _back(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the reverse task, where there is one."""
    if "back" not in summary:
        return {}
    back = summary["back"]
    return {
        "back_task": back["task"],
        "back_run": back["run"],
        **{f"back_{name}": value for name, value in back["learner"].items()},
    }


def _word(node: Mapping[str, Any]) -> str:
    """A node's state in one word: the most telling one."""
    return str(node.get("mode") or node.get("lifecycle") or node["state"])


def _nodes(nodes: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    table = _table("node", "process", "state", "pid", "restarts")
    for name, node in nodes.items():
        state = _word(node)
        table.add_row(
            name,
            Text(node["state"], style=STYLES.get(node["state"], BAD)),
            Text(state if state != node["state"] else "", style=STYLES.get(state, BAD)),
            str(node["pid"] or ""),
            Text(str(node["restarts"] or ""), style=FAIR),
        )
    return table


def _gate(summary: Mapping[str, Any]) -> RenderableType:
    gate, commands, stops = summary["nodes"]["gate"], summary["commands"], summary["stops"]
    line = Text.assemble(
        ("gate ", LABEL), (gate["mode"], STYLES.get(gate["mode"], BAD)), (f" {gate['cause']}", ""),
        ("   commands ", LABEL), f"{commands['accepted']} of {commands['sent']}",
        ("   stops ", LABEL), (str(stops["count"]), BAD if stops["count"] else ""),
    )  # fmt: skip
    causes = [Text(f"  stopped {n} x: {cause}", style=BAD) for cause, n in stops["causes"].items()]
    causes += [
        Text(f"  {name}: {node['last_line']}", style=FAIR, no_wrap=True, overflow="ellipsis")
        for name, node in summary["nodes"].items()
        if "last_line" in node
    ]
    waits = summary["nodes"].get("actor", {}).get("waits")
    if waits:
        causes.append(Text(f"  the actor waits: {waits}", style=f"bold {BAD}"))
    if gate["mode"] in {"STOPPED", "DISARMED"}:
        causes.append(Text(f"  to let it move: sandlot gate arm --robot {summary['kind']}", style="cyan"))
    return Group(line, *causes)


def _practice(summary: Mapping[str, Any]) -> list[Text]:
    """One line for each run that is learned."""
    runs = [summary, *([summary["back"]] if "back" in summary else [])]
    return [_learner(run["task"], run["learner"]) for run in runs if run["learner"]]


def _learner(task: str, figures: Mapping[str, Any]) -> Text:
    """A run's state, steps, success and use of time."""
    success, used = figures.get("success_50"), figures.get("utilisation")
    return Text.assemble(
        (f"{task} ", LABEL), str(figures.get("state", "")),
        f"   steps {figures.get('env_steps', 0):,}   trials {figures.get('episodes', 0):,}",
        f"   success {100 * success:.0f} %" if success is not None else "",
        f"   practising {100 * used:.0f} %" if used is not None else "",
    )  # fmt: skip


def _topics(topics: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    table = _table("topic", "Hz", "age p50 ms", "p99 ms", "count")
    for name, topic in topics.items():
        p99 = topic.get("age_p99_ms")
        table.add_row(
            name,
            _number(topic["hz"]),
            _number(topic.get("age_p50_ms")),
            Text(_number(p99), style=FAIR if p99 is not None and p99 > LATE_MS else ""),
            f"{topic['count']:,}",
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1), header_style=LABEL, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"

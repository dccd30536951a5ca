"""Runs as HTML: the list, one run with its curves, comparison, pairs that were checked. All text escaped."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trainer.data.intake import Intake
from trainer.runs.estimate import Estimate
from trainer.runs.records import Evaluation, Run
from ui import formatting as fmt
from ui.charts import Point, Series, chart, short
from ui.languages import language_name
from ui.training_plan import PURPOSES
from ui.trouble import advice

STATE_WORDS = {
    "starting": "starting",
    "running": "learning",
    "stopping": "stopping after this step",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "failed": "failed",
    "done": "finished",
}
BEFORE_AFTER_ROWS = 40
MAX_COMPARED = 6
SIMPLE_VALUE = (str, int, float, bool)


@dataclass(frozen=True)
class RunView:
    """Everything that one run's page shows."""

    run: Run
    about: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    evaluations: Sequence[Evaluation] = ()
    log: Sequence[str] = ()
    card: str = ""
    seconds_left: float | None = None
    collection: str = ""
    is_registered: bool = False
    is_used: bool = False
    previous_model: str | None = None

    @property
    def title(self) -> str:
        """What the person has called it."""
        return str(self.about.get("title") or self.run.name)


# -- before the start -----------------------------------------------------------------------------------


def checked(name: str, intake: Intake) -> str:
    """What was found in the pairs, and three of them."""
    left_out = [
        (intake.empty, "with an empty side"),
        (intake.copies, "repeated"),
        (intake.same, "with two equal sides"),
        (intake.damaged, "not readable"),
        (intake.beyond, "more than a run on the page takes"),
    ]
    notes = ", ".join(f"{fmt.number(count)} {words}" for count, words in left_out if count)
    samples = "".join(
        f'<li><p dir="auto">{fmt.text(_cut(pair.query))}</p>'
        f'<p dir="auto">{_title(pair.title)}{fmt.text(_cut(pair.passage))}</p></li>'
        for pair in intake.samples
    )
    notice = f'<p class="notice">Left out: {notes}.</p>' if notes else ""
    few = (
        '<p class="notice">That is little. A model learns from some thousands of pairs; with fewer it may '
        "get worse elsewhere. The scores after the run will tell.</p>"
        if intake.usable < 500
        else ""
    )
    return (
        f'<div class="checked"><p><b>{fmt.counted(intake.usable, "usable pair")}</b> in '
        f"{fmt.isolated(name)} · {_sides(intake)}</p>{notice}{few}"
        f'<p class="soft">Three of them:</p><ol class="pairs">{samples}</ol></div>'
    )


def _sides(intake: Intake) -> str:
    queries, passages = fmt.languages(intake.query_languages), fmt.languages(intake.passage_languages)
    return fmt.text(queries) if queries == passages else fmt.text(f"{queries} → {passages}")


def _title(title: str) -> str:
    return f"<b>{fmt.text(_cut(title, 80))}</b> · " if title else ""


def _cut(value: str, limit: int = 220) -> str:
    return value if len(value) <= limit else f"{value[: limit - 1].rstrip()}…"


def estimate(needed: Estimate) -> str:
    """Time, memory and disk before the start, and why a run would be refused."""
    time = "unknown" if needed.seconds is None else fmt.duration(needed.seconds)
    cells = [
        ("Time", time, "on this computer's GPU" if needed.device != "cpu" else "on this computer"),
        ("Memory", f"about {fmt.size(needed.memory_bytes)}", f"{fmt.size(needed.memory_free_bytes)} free"),
        ("Disk", f"about {fmt.size(needed.disk_bytes)}", f"{fmt.size(needed.disk_free_bytes)} free"),
    ]
    if needed.fetch_bytes:
        cells.append(("Download", f"about {fmt.size(needed.fetch_bytes)}", "once, from the model hub"))
    items = "".join(
        f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in cells
    )
    refused = f'<p class="trouble-words">{fmt.text(needed.refusal)}</p>' if needed.refusal else ""
    return f'<dl class="estimate">{items}</dl>{refused}'


# -- the list -------------------------------------------------------------------------------------------


def run_list(views: Sequence[RunView], chosen: str = "") -> str:
    """The runs, the newest first; two or more can be ticked to compare them."""
    if not views:
        return ""
    rows = "".join(_list_row(view, chosen) for view in views)
    return (
        '<div class="runs"><div class="runs-head"><h2>Runs</h2>'
        '<button type="button" class="link" data-compare hidden>Compare</button>'
        '<button type="button" class="link" data-new>Train another model</button></div>'
        f"<ul>{rows}</ul></div>"
    )


def _list_row(view: RunView, chosen: str) -> str:
    run = view.run
    share = min(1.0, run.step / run.steps) if run.steps else 0.0
    bar = f'<progress max="1" value="{share:.3f}"></progress>' if run.is_alive else ""
    score = _final_score(view.evaluations)
    purpose = PURPOSES.get(str(view.about.get("purpose")))
    facts = [purpose.title if purpose else "from the terminal", _base_name(view), _when(run)]
    current = ' aria-current="true"' if run.name == chosen else ""
    return (
        f'<li class="{run.state}"{current}><input type="checkbox" data-pick="{fmt.text(run.name)}" '
        f'aria-label="Compare {fmt.text(view.title)}">'
        f'<button type="button" class="run-open" data-open="{fmt.text(run.name)}">'
        f'<span class="run-title">{fmt.isolated(view.title)}</span>'
        f"<small>{' · '.join(fmt.text(fact) for fact in facts if fact)}</small></button>"
        f'{bar}<span class="run-score">{score}</span><span class="run-state">{_state_words(run)}</span></li>'
    )


def _state_words(run: Run) -> str:
    words = STATE_WORDS[run.state]
    if run.state in ("running", "stopped", "interrupted") and run.steps:
        return f"{words} · step {fmt.number(run.step)} of {fmt.number(run.steps)}"
    return words


def _base_name(view: RunView) -> str:
    base = str(view.about.get("base") or view.run.config.get("start", {}).get("model") or "fresh weights")
    parts = base.replace("\\", "/").rstrip("/").split("/")
    return f"from {parts[-2] if parts[-1] == 'model' and len(parts) > 1 else parts[-1]}"


def _when(run: Run) -> str:
    return fmt.when(datetime.fromtimestamp(run.started_at, UTC)) if run.started_at else ""


def _final_score(evaluations: Sequence[Evaluation]) -> str:
    changes = before_after(evaluations)
    mean = next((row for row in changes if row.language == "mean"), changes[0] if len(changes) == 1 else None)
    if mean is None or mean.after is None:
        return ""
    return f"{mean.metric} {percent(mean.before)} → <b>{percent(mean.after)}</b>"


# -- one run --------------------------------------------------------------------------------------------


def run_page(view: RunView) -> str:
    """One run: how far it is, its curves, what it has changed, what can be done."""
    run = view.run
    parts = [_head(view), _trouble(view), _outcome(view), _charts(view), _details(view)]
    return f'<article class="run {run.state}" data-run="{fmt.text(run.name)}">{"".join(parts)}</article>'


def _head(view: RunView) -> str:
    run = view.run
    facts = [_base_name(view)]
    if view.about.get("train"):
        facts.append(f"{fmt.counted(int(view.about['train']), 'pair')} of {view.about.get('data', '')}")
    if view.about.get("held_out"):
        facts.append(f"{fmt.number(int(view.about['held_out']))} held out to measure")
    progress = ""
    if run.is_alive or run.state in ("stopped", "interrupted", "failed"):
        share = f'max="1" value="{min(1.0, run.step / run.steps):.4f}"' if run.steps else ""
        left = f"<span>{fmt.duration(view.seconds_left)} left</span>" if view.seconds_left is not None else ""
        steps = f"step {fmt.number(run.step)} of {fmt.number(run.steps)}" if run.steps else ""
        progress = f'<div class="run-progress"><progress {share}></progress><span>{steps}</span>{left}</div>'
    return (
        f'<header><h2>{fmt.isolated(view.title)}</h2><span class="badge {run.state}" role="status">'
        f"{STATE_WORDS[run.state]}</span>"
        f"<p>{' · '.join(fmt.isolated(fact) for fact in facts if fact)}</p></header>"
        f'{progress}<div class="run-actions">{"".join(_actions(view))}</div>'
    )


def _actions(view: RunView) -> list[str]:
    run = view.run
    if run.state in ("starting", "running"):
        return [_button("stop", "Stop")]
    if run.state == "stopping":
        return [
            _button(
                "kill", "Stop at once", confirm="Stop at once? The steps since the last checkpoint are lost."
            )
        ]
    buttons = []
    if run.can_resume:
        words = "Resume" if run.has_checkpoint else "Start again"
        buttons.append(_button("resume", words, primary=advice(run).action == ""))
    if run.model is not None:
        use = f"Use for {view.collection}"
        if view.is_used:
            buttons.append(f'<span class="used">Used for {fmt.isolated(view.collection)}</span>')
        elif view.collection:
            buttons.append(_button("use", use, primary=True))
        if view.is_registered:
            buttons.append(f'<span class="used">Registered as <code>{fmt.text(run.name)}</code></span>')
        else:
            buttons.append(_button("register", "Register as a model"))
    if view.previous_model and view.is_used:
        buttons.append(_button("undo", f"Back to {view.previous_model}"))
    words = "Delete this run with its checkpoints? A model that was registered stays."
    return [*buttons, _button("delete", "Delete run", confirm=words)]


def _button(action: str, words: str, *, primary: bool = False, confirm: str = "") -> str:
    asked = f' data-confirm="{fmt.text(confirm)}"' if confirm else ""
    kind = ' class="primary"' if primary else ""
    return f'<button type="button" data-act="{action}"{kind}{asked}>{fmt.text(words)}</button>'


def _trouble(view: RunView) -> str:
    if view.run.state not in ("failed", "interrupted", "stopped"):
        return ""
    told = advice(view.run)
    said = f'<p class="said" dir="auto">{fmt.text(told.said)}</p>' if told.said else ""
    button = _button(told.action, told.action_words, primary=True) if told.action else ""
    kind = "failed" if view.run.state == "failed" else "calm"
    words = f"<p><b>{fmt.text(told.what)}</b> {fmt.text(told.remedy)}</p>"
    return f'<div class="trouble {kind}">{words}{said}{button}</div>'


def _charts(view: RunView) -> str:
    """Loss, evaluation, learning rate and speed; nothing before the first step."""
    run, rows = view.run, view.rows
    if not rows and not view.evaluations:
        waiting = "Loading the model and measuring it before the first step …"
        return f'<p class="waiting">{waiting}</p>' if run.is_alive else ""

    def line(key: str) -> list[Point]:
        return [(float(row["step"]), float(row[key])) for row in rows if _is_number(row.get(key))]

    charts = [
        chart("Loss", [Series("loss", line("loss"), smooth=True)], x_max=run.steps, note=_last(line("loss"))),
        _evaluation_chart(view),
        chart("Learning rate", [Series("rate", line("learning_rate"))], x_max=run.steps,
              note=_last(line("learning_rate"))),
        chart("Pairs per second", [Series("speed", line("pairs_per_s"), smooth=True)], x_max=run.steps,
              note=_last(line("pairs_per_s"))),
    ]  # fmt: skip
    return f'<div class="charts">{"".join(charts)}</div>'


def _evaluation_chart(view: RunView) -> str:
    series = []
    for number, (label, points) in enumerate(score_lines(view.evaluations).items()):
        series.append(Series(label, points, colour=number, dots=True))
    note = f"{series[0].points[-1][1]:.1f} %" if len(series) == 1 else ""
    title = f"{series[0].label} on held-out pairs, %" if len(series) == 1 else "Held-out pairs, %"
    return chart(title, series, is_percent=True, x_max=view.run.steps, note=note)


def score_lines(evaluations: Sequence[Evaluation]) -> dict[str, list[Point]]:
    """The main metric of each task over the steps, as percent; the mean where there are several languages."""
    lines: dict[str, list[Point]] = {}
    many = {one.task for one in evaluations if one.language == "mean"}
    tasks = {one.task for one in evaluations}
    for one in main_metrics(evaluations):
        if one.language == "mean" or one.task not in many:
            label = one.metric if len(tasks) == 1 else f"{one.metric}, {one.task}"
            lines.setdefault(label, []).append((float(one.step), 100 * one.value))
    return lines


def main_metrics(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Of each task only its main metric."""
    main: dict[str, str] = {}
    for one in evaluations:
        wanted = {"retrieval": "nDCG@10", "bitext": "F1", "similarity": "Spearman"}.get(one.kind)
        if one.task not in main or one.metric == wanted:
            main[one.task] = one.metric
    return [one for one in evaluations if one.metric == main[one.task]]


@dataclass(frozen=True)
class Change:
    """A score before and after training; ``after`` is None before there is one."""

    task: str
    metric: str
    language: str
    before: float
    after: float | None
    low: float
    high: float


def before_after(evaluations: Sequence[Evaluation]) -> list[Change]:
    """Scores of the first and the last measured step, per task and language, means first."""
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for one in main_metrics(evaluations):
        found.setdefault((one.task, one.language), []).append(one)
    changes = [
        Change(task, lines[0].metric, language, lines[0].value,
               lines[-1].value if lines[-1].step > lines[0].step else None, lines[-1].low, lines[-1].high)
        for (task, language), lines in found.items()
    ]  # fmt: skip
    return sorted(changes, key=lambda row: (row.task, row.language != "mean", language_label(row.language)))


def _outcome(view: RunView) -> str:
    """Before and after, per language, once there is an after."""
    rows = [row for row in before_after(view.evaluations) if row.after is not None]
    if not rows or view.run.is_alive:
        return ""
    body = "".join(_change_row(row) for row in rows[:BEFORE_AFTER_ROWS])
    hidden = len(rows) - BEFORE_AFTER_ROWS
    more = f'<p class="more">{fmt.number(hidden)} more languages.</p>' if hidden > 0 else ""
    metric = rows[0].metric
    return (
        '<section class="outcome"><h3>Before and after</h3>'
        f'<p class="soft">{fmt.text(metric)} on held-out pairs, in percent; more is better.</p>'
        '<div class="scroll"><table><thead><tr><th>Language</th><th class="num">Before</th>'
        '<th class="num">After</th><th class="num interval">95 % interval</th><th class="num">Change</th>'
        '<th class="bars"></th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}</section>"
    )


def _change_row(row: Change) -> str:
    assert row.after is not None
    change = 100 * (row.after - row.before)
    kind = "up" if change > 0.05 else "down" if change < -0.05 else "same"
    sign = "+" if kind == "up" else "−" if kind == "down" else "±"
    name = "all languages" if row.language == "mean" else language_label(row.language)
    return (
        f'<tr class="{"mean" if row.language == "mean" else ""}"><td>{fmt.text(name)}</td>'
        f'<td class="num">{percent(row.before)}</td><td class="num"><b>{percent(row.after)}</b></td>'
        f'<td class="num interval"><small>{percent(row.low)} to {percent(row.high)}</small></td>'
        f'<td class="num {kind}">{sign}{abs(change):.1f}</td>'
        f'<td class="bars"><i class="was" style="width:{100 * row.before:.1f}%"></i>'
        f'<i class="is {kind}" style="width:{100 * row.after:.1f}%"></i></td></tr>'
    )


def language_label(code: str) -> str:
    """``German``, ``German – English`` for a pair."""
    if code in ("mean", "und"):
        return "all languages" if code == "mean" else "not sure"
    return " – ".join(language_name(part) for part in code.split("-")) if re.fullmatch(
        r"[a-z]{2,3}-[a-z]{2,3}", code
    ) else language_name(code)  # fmt: skip


def _details(view: RunView) -> str:
    log = "\n".join(view.log)
    folds = [
        _fold("log", "Log", f'<pre dir="auto">{fmt.text(log)}</pre>' if log else ""),
        _fold("settings", "Settings of this run", settings_table(view.run.config)),
        _fold("card", "Model card", card(view.card)),
    ]
    return "".join(folds)


def _fold(key: str, words: str, content: str) -> str:
    if not content:
        return ""
    return f'<details data-fold="{key}"><summary>{words}</summary>{content}</details>'


def settings_table(config: Mapping[str, Any]) -> str:
    """The recipe as it ran."""
    rows = "".join(
        f'<tr><td>{fmt.text(key)}</td><td dir="auto">{fmt.text(value)}</td></tr>'
        for key, value in flat(config).items()
    )
    return f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>' if rows else ""


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values under dotted names; what is empty is left out."""
    found: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            for number, item in enumerate(value):
                nested = (
                    flat(item, f"{name}.{number}.")
                    if isinstance(item, Mapping)
                    else {f"{name}.{number}": str(item)}
                )
                found |= nested
        elif isinstance(value, SIMPLE_VALUE) and value != "":
            found[name] = short(value) if isinstance(value, float) else str(value)
    return found


def card(markdown: str) -> str:
    """The model card: headings, paragraphs and tables of our own cards; everything escaped."""
    body = re.sub(r"\A---\n.*?\n---\n", "", markdown, flags=re.DOTALL).strip()
    blocks = [_block(block) for block in re.split(r"\n\s*\n", body) if block.strip()]
    return f'<div class="card-text">{"".join(blocks)}</div>' if blocks else ""


def _block(block: str) -> str:
    lines = block.strip().splitlines()
    if lines[0].startswith("#"):
        rest = "\n".join(lines[1:])
        return f"<h4>{_inline(lines[0].lstrip('# '))}</h4>" + (_block(rest) if rest.strip() else "")
    if lines[0].startswith("|"):
        rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in lines
            if not re.fullmatch(r"[|:\s-]+", line)
        ]
        body = "".join(
            "<tr>" + "".join(f'<td dir="auto">{_inline(cell)}</td>' for cell in row) + "</tr>" for row in rows
        )
        return f'<div class="scroll"><table><tbody>{body}</tbody></table></div>'
    if lines[0].startswith("```"):
        code = "\n".join(line for line in lines if not line.startswith("```"))
        return f"<pre>{fmt.text(code)}</pre>"
    return f'<p dir="auto">{_inline(" ".join(lines))}</p>'


def _inline(words: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", fmt.text(words))


# -- comparison -----------------------------------------------------------------------------------------


def comparison(views: Sequence[RunView]) -> str:
    """Curves over each other, the settings that differ, the last scores."""
    if len(views) < 2:
        return '<p class="waiting">Tick two or more runs to see them side by side.</p>'
    views = views[:MAX_COMPARED]
    labels = [
        view.title if [v.title for v in views].count(view.title) == 1 else view.run.name for view in views
    ]
    loss, scores = [], []
    for number, (view, label) in enumerate(zip(views, labels, strict=True)):
        points = [(float(r["step"]), float(r["loss"])) for r in view.rows if _is_number(r.get("loss"))]
        loss.append(Series(label, points, colour=number, smooth=True))
        for line in list(score_lines(view.evaluations).values())[:1]:
            scores.append(Series(label, line, colour=number, dots=True))
    charts = chart("Loss", loss) + chart("Held-out pairs, %", scores, is_percent=True)
    return (
        '<article class="run compare"><header><h2>Comparison</h2></header>'
        f'<div class="charts">{charts}</div>{_difference_table(views, labels)}</article>'
    )


def _difference_table(views: Sequence[RunView], labels: Sequence[str]) -> str:
    settings = [flat(_comparable(view.run.config)) for view in views]
    names = list(dict.fromkeys(name for one in settings for name in one))
    differing = [name for name in names if len({one.get(name) for one in settings}) > 1]
    head = "".join(f"<th>{fmt.isolated(label)}</th>" for label in labels)
    rows = [_row("state", [STATE_WORDS[view.run.state] for view in views])]
    rows += [_row(name, [one.get(name, "–") for one in settings]) for name in differing]
    if any(view.evaluations for view in views):
        cells = [_final_score(view.evaluations) or "–" for view in views]
        inner = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr class="mean"><td>score before → after</td>{inner}</tr>')
    rows.append(_row("last loss", [_last([(0, r["loss"]) for r in view.rows[-1:]]) or "–" for view in views]))
    same = "" if differing else '<p class="soft">The settings are the same.</p>'
    return (
        f'<div class="scroll"><table><thead><tr><th>What differs</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{same}"
    )


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without places of files, which always differ."""
    return {name: value for name, value in config.items() if name not in ("out", "evaluate")} | {
        "sources": [
            {key: value for key, value in source.items() if key != "path"}
            for source in config.get("sources", [])
        ]
    }


def _row(name: str, cells: Sequence[str]) -> str:
    return (
        f"<tr><td>{fmt.text(name)}</td>"
        + "".join(f'<td dir="auto">{fmt.text(cell)}</td>' for cell in cells)
        + "</tr>"
    )


def percent(share: float) -> str:
    """``63.8``"""
    return f"{100 * share:.1f}"


def _last(points: Sequence[Point]) -> str:
    return short(points[-1][1]) if points else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)

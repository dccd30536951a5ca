"""One run as HTML: how far it is, its curves, what it has changed, what can be done. All text escaped."""

from collections.abc import Sequence

from me5.states import RESUMABLE
from ui import formatting as fmt
from ui.charts import Point, Series, chart, last_value
from ui.failure_advice import advice
from ui.markup_recipe import card, settings_table
from ui.run_scores import Change, before_after, language_label, percent, score_lines
from ui.run_view import RunView, state_words

BEFORE_AFTER_ROWS = 40


def run_page(view: RunView) -> str:
    """One run: how far it is, its curves, what it has changed, what can be done."""
    run = view.run
    parts = [_head(view), _failure(view), _vocabulary(view), _outcome(view), _charts(view), _details(view)]
    return f'<article class="run {run.state}" data-run="{fmt.text(run.name)}">{"".join(parts)}</article>'


def _head(view: RunView) -> str:
    run = view.run
    facts = [view.base_name]
    if view.about.get("train"):
        facts.append(f"{fmt.counted(int(view.about['train']), 'pair')} of {view.about.get('data', '')}")
    if view.about.get("held_out"):
        facts.append(f"{fmt.number(int(view.about['held_out']))} held out to measure")
    return (
        f'<header><h2>{fmt.isolated(view.title)}</h2><span class="badge {run.state}" role="status">'
        f"{state_words(run)}</span>"
        f"<p>{' · '.join(fmt.isolated(fact) for fact in facts if fact)}</p></header>"
        f'{_progress(view)}<div class="run-actions">{"".join(_actions(view))}</div>'
    )


def _progress(view: RunView) -> str:
    """How far, how long still, and what it does while no steps are made."""
    run = view.run
    if not (run.is_alive or run.can_resume):
        return ""
    share = f'max="1" value="{min(1.0, run.step / run.steps):.4f}"' if run.steps else ""
    words = [f"step {fmt.number(run.step)} of {fmt.number(run.steps)}"] if run.steps else []
    if run.is_alive and view.doing:
        words.append(f"{view.doing} …")
    elif view.seconds_left is not None:
        words.append(f"{fmt.duration(view.seconds_left)} left")
    spans = "".join(f"<span>{fmt.text(word)}</span>" for word in words)
    return f'<div class="run-progress"><progress {share}></progress>{spans}</div>'


def _actions(view: RunView) -> list[str]:
    run = view.run
    if run.is_alive and run.phase != "stopping":
        return [_button("stop", "Stop")]
    if run.is_alive:
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


def _failure(view: RunView) -> str:
    if view.run.state not in RESUMABLE:
        return ""
    failure = advice(view.run)
    message = f'<p class="said" dir="auto">{fmt.text(failure.said)}</p>' if failure.said else ""
    button = _button(failure.action, failure.action_words, primary=True) if failure.action else ""
    kind = "failed" if view.run.state == "failed" else "calm"
    words = f"<p><b>{fmt.text(failure.what)}</b> {fmt.text(failure.remedy)}</p>"
    return f'<div class="trouble {kind}">{words}{message}{button}</div>'


def _vocabulary(view: RunView) -> str:
    """What the new pieces of a language do."""
    if not view.pieces:
        return ""
    count = fmt.counted(int(view.pieces["pieces"]), "new piece")
    before, after = view.pieces["tokens_before"], view.pieces["tokens_after"]
    return (
        f'<p class="soft">The vocabulary has {count} of words: a text of the new language takes '
        f"{after:.1f} tokens, {before:.1f} without them.</p>"
    )


def _charts(view: RunView) -> str:
    """Loss, evaluation, learning rate and speed; nothing before the first step."""
    run = view.run
    if not view.rows and not view.evaluations:
        return '<p class="waiting">Charts appear after the first step.</p>' if run.is_alive else ""
    loss, rate, speed = view.line("loss"), view.line("learning_rate"), view.line("pairs_per_s")
    charts = [
        _chart("Loss", loss, run.steps, smooth=True),
        _evaluation_chart(view),
        _chart("Learning rate", rate, run.steps),
        _chart("Pairs per second", speed, run.steps, smooth=True),
    ]
    return f'<div class="charts">{"".join(charts)}</div>'


def _chart(title: str, points: Sequence[Point], steps: int, *, smooth: bool = False) -> str:
    return chart(title, [Series(title, points, smooth=smooth)], x_max=steps, note=last_value(points))


def _evaluation_chart(view: RunView) -> str:
    series = []
    for number, (label, points) in enumerate(score_lines(view.evaluations).items()):
        series.append(Series(label, points, colour=number, dots=True))
    note = f"{series[0].points[-1][1]:.1f} %" if len(series) == 1 else ""
    title = f"{series[0].label} on held-out pairs, %" if len(series) == 1 else "Held-out pairs, %"
    return chart(title, series, is_percent=True, x_max=view.run.steps, note=note)


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

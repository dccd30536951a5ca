"""Several runs as HTML: the list, and a comparison. All text escaped."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trainer.run.records import Run
from ui import formatting as fmt
from ui.charts import Series, chart, last_value
from ui.markup_recipe import flat
from ui.run_scores import score_lines
from ui.run_view import RunView, final_score, state_words
from ui.services.training_plan import PURPOSES

MAX_COMPARED = 6


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
    score = final_score(view.evaluations)
    purpose = PURPOSES.get(str(view.about.get("purpose")))
    facts = [purpose.title if purpose else "from the terminal", view.base_name, _when(run)]
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
    words = state_words(run)
    if run.state in ("running", "cancelled", "interrupted") and not run.phase and run.steps:
        return f"{words} · step {fmt.number(run.step)} of {fmt.number(run.steps)}"
    return words


def _when(run: Run) -> str:
    return fmt.when(datetime.fromtimestamp(run.started_at, UTC)) if run.started_at else ""


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
        loss.append(Series(label, view.line("loss"), colour=number, smooth=True))
        for line in list(score_lines(view.evaluations).values())[:1]:
            scores.append(Series(label, line, colour=number, dots=True))
    charts = chart("Loss", loss) + chart("Held-out pairs, %", scores, is_percent=True)
    return (
        '<article class="run compare"><header><h2>Comparison</h2></header>'
        f'<div class="charts">{charts}</div>{_difference_table(views, labels)}</article>'
    )


def _difference_table(views: Sequence[RunView], labels: Sequence[str]) -> str:
    settings = [flat(_comparable(view.run.config)) for view in views]
    names = list(dict.fromkeys(name for setting in settings for name in setting))
    differing = [name for name in names if len({setting.get(name) for setting in settings}) > 1]
    head = "".join(f"<th>{fmt.isolated(label)}</th>" for label in labels)
    rows = [_row("state", [state_words(view.run) for view in views])]
    rows += [_row(name, [setting.get(name, "–") for setting in settings]) for name in differing]
    if any(view.evaluations for view in views):
        cells = [final_score(view.evaluations) or "–" for view in views]
        inner = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr class="mean"><td>score before → after</td>{inner}</tr>')
    rows.append(_row("last loss", [last_value(view.line("loss")) or "–" for view in views]))
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

"""What stands below the form of the tab Train, as HTML: pairs that were checked, and the estimate."""

from trainer.data.import_pairs import Intake
from trainer.run.estimate import Estimate
from ui import formatting as fmt


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


def estimate_line(needed: Estimate) -> str:
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

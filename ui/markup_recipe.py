"""The recipe of a run and the card of its model, as HTML. All text escaped."""

import re
from collections.abc import Mapping
from typing import Any

from ui import formatting as fmt
from ui.charts import short

SIMPLE_VALUE = (str, int, float, bool)


def settings_table(config: Mapping[str, Any]) -> str:
    """The recipe as it ran."""
    rows = "".join(
        f'<tr><td>{fmt.text(key)}</td><td dir="auto">{fmt.text(value)}</td></tr>'
        for key, value in flat(config).items()
    )
    return f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>' if rows else ""


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values under dotted names; what is empty is left out."""
    results: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            results |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            for number, item in enumerate(value):
                nested = (
                    flat(item, f"{name}.{number}.")
                    if isinstance(item, Mapping)
                    else {f"{name}.{number}": str(item)}
                )
                results |= nested
        elif isinstance(value, SIMPLE_VALUE) and value != "":
            results[name] = short(value) if isinstance(value, float) else str(value)
    return results


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

"""``recipes/RULES.md``, generated from the rules themselves."""

from __future__ import annotations

from pretraining.recipe.checks import ROOMS

_HEAD = """# The rules of a recipe

`pretrain check RECIPE` reports every one of them that a recipe breaks, all at once, with the file and line, the value,
and what to do; every other command checks them too before it starts. The name in brackets at the end of a message
is the name in these tables.

This page is generated from the code (`render_rules` in `src/pretraining/recipe/rules.py`); a test compares the two.
"""

_TITLES = {
    "loading": "Reading the files",
    "recipe": "The recipe as a whole",
    "corpus": "`corpus`",
    "tokenization": "`tokenizer`",
    "batching": "`batches`",
    "objectives": "`objective`",
    "modeling": "`model`",
    "evaluation": "`evaluation`",
    "training": "`training`",
    "publishing": "`publishing`",
}


def render_rules() -> str:
    """The page as Markdown: one table per room, in stage order."""
    parts = [_HEAD]
    for room, rules in ROOMS.items():
        if rules:
            rows = [f"| `{rule.id}` | {_cell(rule.says)} | {_cell(rule.why)} |" for rule in rules]
            parts.append(
                "\n".join([f"## {_TITLES[room]}", "", "| rule | what holds | why |", "|---|---|---|", *rows, ""])
            )
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

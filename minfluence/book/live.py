"""The JavaScript of a widget, as the one text that a notebook carries."""

import re
from pathlib import Path

JS = Path(__file__).parent / "js"
IMPORT = re.compile(r'^(?:import [^;]*|export \*) from "\./(\w+\.js)";\n', re.M)


def module(name: str) -> str:
    """JavaScript of one widget as one text: each file that it imports stands in it once."""
    there = {name}

    def text(file: str) -> str:
        return IMPORT.sub(imported, (JS / file).read_text("utf-8"))

    def imported(line: re.Match) -> str:
        if line[1] in there:
            return ""
        there.add(line[1])
        return text(line[1])

    return text(name)

"""Draw the theme's icons from its own outlines: those that are used, inside its style sheet.

The theme brings Font Awesome twice, as 300 kB of fonts and as 1.5 MB of JavaScript that holds the
outlines, for about twenty icons. Here an icon is a mask of its outline in the colour of the text.
The outlines: Font Awesome Free by Fonticons, CC BY 4.0, as the style sheet goes on saying.
"""

import re
import shutil
from pathlib import Path
from urllib.parse import quote

from finished import of_html

OUTLINES = "theme/pydata_sphinx_theme/static/scripts/fontawesome.js"
OUTLINE = re.compile(r'"?([\w-]+)"?:\[(\d+),(\d+),\[[^\]]*\],"(f[0-9a-f]+)","(M[^"]+)"\]')
RULE = re.compile(r"(?:\.fa-[\w-]+:{1,2}before,?)+\{content:\"[^\"]*\"\}")
FONT = re.compile(r"@font-face\{[^}]*Font Awesome[^}]*\}")
MASK = (
    "background:currentcolor;display:inline-block;height:1em;width:1em;"
    "-webkit-mask:var(--icon) center/contain no-repeat;mask:var(--icon) center/contain no-repeat"
)


@of_html
def inline(app):
    site = Path(app.outdir)
    by_name, by_code = outlines()
    used = set()
    for path in [*site.rglob("*.html"), *(site / "_static").rglob("*.js")]:
        used.update(re.findall(r"\bfa-([a-z-]+)", path.read_text("utf-8")))
    for path in (site / "_static" / "styles").glob("*.css"):
        style = path.read_text("utf-8")
        if "Font Awesome" in style:
            path.write_text(without_fonts(style, by_name, by_code, used), "utf-8")
    shutil.rmtree(site / "_static" / "vendor" / "fontawesome", ignore_errors=True)


def outlines():
    """Icons as addresses of small pictures: by name, and by the sign that the font has for it."""
    import pydata_sphinx_theme  # here, so that the tests of all else need no theme

    theme = Path(pydata_sphinx_theme.__file__).parent
    found = OUTLINE.findall((theme / OUTLINES).read_text("utf-8"))  # solid ones come last and win
    by_name = {name: picture(width, height, path) for name, width, height, _, path in found}
    return by_name, {code: by_name[name] for name, _, _, code, _ in found}


def picture(width, height, path):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    svg = f'{head}<path d="{path}"/></svg>'
    return f"url('data:image/svg+xml,{quote(svg, safe=' =:/')}')"


def without_fonts(style, by_name, by_code, used):
    """The theme's style sheet, with masks where it had signs of a font."""

    def rule(match):
        names = [n for n in re.findall(r"\.fa-([\w-]+)", match[0]) if n in used and n in by_name]
        return "".join(f".fa-{name}{{--icon:{by_name[name]}}}" for name in names)

    def signs(match):
        return f"{match[1]}:{by_code[f'{ord(match[2]):x}']}"

    style = FONT.sub("", style)
    style = RULE.sub(rule, style)
    style = re.sub(r"(--pst-[\w-]+):\"([\uf000-\uf8ff])\"", signs, style)
    style = re.sub(
        r"content:(var\(--pst-(?:icon-[\w-]+|breadcrumb-divider)\))", r'content:"";--icon:\1', style
    )
    style = re.sub(r"font:var\(--fa-font-\w+\)", MASK, style)
    style = re.sub(
        r'content:"\\?([\uf000-\uf8ff]|f[0-9a-f]{3})";'
        r"font-family:Font Awesome\\ 6 Free;font-weight:900",
        lambda match: f'content:"";--icon:{by_code[code_of(match[1])]};{MASK}',
        style,
    )
    if ".fa-solid" in style:
        every = ":is(.fa-solid,.fas,.fa-brands,.fab):before"
        style += f'{every}{{content:"";vertical-align:-0.125em;{MASK}}}'
    return style


def code_of(sign):
    return f"{ord(sign):x}" if len(sign) == 1 else sign


def setup(app):
    app.connect("build-finished", inline)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

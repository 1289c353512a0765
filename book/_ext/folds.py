"""Say on the bar of a folded cell what is behind it: a solution, a check, or code."""

from docutils import nodes

PROMPTS = {
    "tag_solution": ("Show solution", "Hide solution"),
    "tag_check": ("Check your answer", "Hide check"),
}


def name(app, doctree):
    for cell in doctree.findall(nodes.container):
        for tag in PROMPTS.keys() & set(cell["classes"]):
            cell["prompt_show"], cell["prompt_hide"] = PROMPTS[tag]


def setup(app):
    app.connect("doctree-read", name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

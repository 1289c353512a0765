"""What may be published, and by whom: tools/publishable.py, and the workflow that asks it."""

import re
import subprocess

import address
import publishable
import pytest
import yaml
from chapter import ROOT
from test_address import copy_of_the_sources

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
JOBS = {
    f"{path.stem}/{name}": job
    for path in WORKFLOWS
    for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items()
}


def git(root, *arguments):
    ours = ["-c", "user.name=us", "-c", "user.email=us@example.org"]
    subprocess.run(["git", *ours, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def release(tmp_path):
    """A repository that may be published: an address, a commit, and its tag."""
    root = copy_of_the_sources(tmp_path)
    assert address.main(["https://github.com/some-one/book"], root) is None
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all")
    git(root, "tag", address.tag((root / "pyproject.toml").read_text("utf-8")))
    return root


def why_not(root, *sites, publisher="some-one/book"):
    return list(publishable.reasons(root, sites, publisher))


def built(release, tmp_path_factory):
    """The front page of a book, as far as it is looked at."""
    version = address.tag((release / "pyproject.toml").read_text("utf-8"))
    page = tmp_path_factory.mktemp("site") / "book" / "index.html"
    page.parent.mkdir()
    opens = (
        f"https://colab.research.google.com/github/some-one/book/blob/{version}/book/index.ipynb"
    )
    page.write_text(f'<a href="{opens}">', "utf-8")
    return page.parents[1]


def replace(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_tag_of_ours_may_be_published(release):
    assert why_not(release) == why_not(release, publisher=None) == []


@pytest.mark.parametrize("owner", ["_OWNER_", "OWNER"])
@pytest.mark.parametrize("publisher", [None, "some-one/book"])
def test_a_placeholder_is_not_published(release, owner, publisher):
    replace(release / "_config.yml", "/some-one/book", f"/{owner}/book")
    first = why_not(release, publisher=publisher)[0]
    assert "got the placeholder" in first and "run python tools/address.py https://" in first


def test_nobody_publishes_with_the_address_of_somebody_else(release):
    (sentence,) = why_not(release, publisher="another/book")
    assert "got some-one/book" in sentence
    assert "python tools/address.py https://github.com/another/book" in sentence


def test_a_chapter_with_another_address_or_tag_is_not_published(release):
    replace(release / "book" / "index.ipynb", "some-one/book@v", "evil/book@v")
    replace(release / "book" / "errata.ipynb", "some-one/book@v", "some-one/book@main-")
    reasons = why_not(release)
    assert len(reasons) == 2 and all("run python tools/address.py" in why for why in reasons)
    assert any("book/index.ipynb" in why for why in reasons)


def test_a_commit_without_its_tag_is_not_published(release):
    (release / "new.txt").touch()
    git(release, "add", "--all")
    git(release, "commit", "--quiet", "--message", "later")
    (sentence,) = why_not(release)
    assert "git tag v" in sentence


def test_a_page_that_loads_from_another_host_is_not_published(release, tmp_path_factory):
    site = built(release, tmp_path_factory)
    assert why_not(release, site) == []
    (site / "index.html").write_text('<script src="https://cdn.example/mathjax.js"></script>')
    (sentence,) = why_not(release, site)
    assert "https://cdn.example/mathjax.js in index.html" in sentence and "npm" in sentence


def test_pages_of_another_address_or_tag_are_not_published(release, tmp_path_factory):
    site = built(release, tmp_path_factory)
    for old, new in (("some-one", "evil"), ("/blob/v", "/blob/main-v")):
        before = (site / "book" / "index.html").read_text("utf-8")
        replace(site / "book" / "index.html", old, new)
        (sentence,) = why_not(release, site)
        assert "run make book" in sentence
        (site / "book" / "index.html").write_text(before, "utf-8")


# --- the workflow ---------------------------------------------------------------------------------


def steps(job):
    return JOBS[job]["steps"]


def test_every_action_is_pinned_to_a_commit_and_says_its_version():
    lines = [line for path in WORKFLOWS for line in path.read_text("utf-8").splitlines()]
    uses = [line for line in lines if "uses:" in line]
    assert len(uses) >= 10
    for line in uses:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_one_action_has_one_commit():
    text = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    pinned = set(re.findall(r"uses: (\S+)@(\S+ # \S+)", text))
    assert len(pinned) == len({action for action, _ in pinned})


def test_workflows_may_read_and_only_the_deployment_may_more():
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}
        assert "secrets." not in path.read_text("utf-8")
        assert "pull_request_target" not in path.read_text("utf-8")
    more = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}
    assert more == {"book/deploy": {"pages": "write", "id-token": "write"}}


def test_no_checkout_leaves_its_token_behind():
    checkouts = [s for job in JOBS for s in steps(job) if "checkout@" in s.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_only_a_tag_that_was_found_publishable_is_deployed():
    deploy = JOBS["book/deploy"]
    assert deploy["if"] == "github.event_name == 'push' && github.ref_type == 'tag'"
    assert "test" in deploy["needs"]
    runs = [step.get("run", step.get("uses", "")) for step in steps("book/test")]
    checks = [k for k, run in enumerate(runs) if run.startswith("make publishable")]
    (upload,) = (k for k, run in enumerate(runs) if "upload-pages-artifact@" in run)
    tests = runs.index(".ci/run")
    assert checks[0] < tests < checks[1] < upload
    assert runs[checks[1]] == "make publishable"  # with the pages
    for k in (*checks, upload):
        assert steps("book/test")[k]["if"] == "github.ref_type == 'tag'"
        assert not steps("book/test")[k].get("continue-on-error")

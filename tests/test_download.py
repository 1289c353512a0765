"""Origins that are slow, endless or damaged: bounded, named, and the next one is asked."""

import dataclasses
import gzip
import os
import signal
import threading
import time
import tracemalloc
import zipfile
from io import BytesIO

import numpy as np
import pytest
import requests  # noqa: F401 - so that no test measures the memory of its import
from origins import answering, drip, endless, moved, send

from minfluence.book import download, files

CONTENT = np.random.default_rng(0).bytes(4000)


def archive(*members, compression=zipfile.ZIP_STORED):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as made:
        for name, content in members:
            made.writestr(name, content)
    return packed.getvalue()


GOOD = {"plain": CONTENT, "gzip": gzip.compress(CONTENT), "zip": archive(("table.csv", CONTENT))}


def silent_after_the_header(request):
    send(request, b"", Content_Length=len(CONTENT))
    time.sleep(3)


def flipped(packed, k):
    return packed[:k] + bytes([packed[k] ^ 255]) + packed[k + 1 :]


PAGE = b"<!DOCTYPE html>\n<html>Please log in</html>"
BOMB = gzip.compress(bytes(4_000_000))
ZIP_BOMB = archive(("table.csv", bytes(4_000_000)), compression=zipfile.ZIP_DEFLATED)
HOSTILE = {  # of which kind the file is, what the origin does, what the sentence says
    "one byte a second": ("plain", drip(CONTENT), "too slow: fewer than 10. bytes in . s"),
    "nothing after the header": (
        "plain",
        silent_after_the_header,
        "too slow: fewer than 100 bytes in . s",
    ),
    "a body without end": ("plain", endless, "more than the 4,000 bytes that were expected"),
    "a longer body": ("plain", CONTENT + bytes(500), "more than the 4,000 bytes"),
    "less than announced": (
        "plain",
        lambda request: send(request, CONTENT[:2000], Content_Length=4000),
        "broke off after",
    ),
    "an error of the server": ("plain", lambda request: send(request, b"", 500), "answered 500"),
    "no such page": ("plain", lambda request: send(request, b"", 404), "answered 404"),
    "a circle": ("plain", moved("/bad"), "no connection: TooManyRedirects"),
    "a file of this machine": ("plain", moved("file:///etc/passwd"), "No connection adapters"),
    "a web page": ("plain", PAGE, "got 42 bytes of a web page"),
    "a web page for a gzip file": ("gzip", PAGE, "got 42 bytes of a web page"),
    "a web page for an archive": ("zip", PAGE, "expected an archive"),
    "half a gzip file": ("gzip", GOOD["gzip"][:2000], "none that can be read"),
    "a wrong byte": ("gzip", flipped(GOOD["gzip"], 2000), "none that can be read|with sha256"),
    "a bomb": ("gzip", BOMB, "more than the 4,200 bytes"),
    "half an archive": ("zip", GOOD["zip"][:2000], "expected an archive"),
    "an archive with a wrong byte": ("zip", flipped(GOOD["zip"], 2000), "expected an archive"),
    "a bomb in an archive": ("zip", ZIP_BOMB, "archive of more than the 4,200 bytes"),
    "a way out of the folder": ("zip", archive(("../table.csv", CONTENT)), "outside its folder"),
    "an archive without the table": ("zip", archive(("t.csv", CONTENT)), "got 0 bytes"),
    "nothing": ("plain", b"", "got 0 bytes"),
}
each_hostile = pytest.mark.parametrize(("kind", "answer", "says"), HOSTILE.values(), ids=HOSTILE)


def take_table(packed, limit):
    found = files.members(packed, limit, lambda names: [n for n in names if "table.csv" in n])
    return b"".join(found.values())


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """List a file, as kept by these origins; patience is short, the cache is empty."""
    monkeypatch.setenv("MINFLUENCE_CACHE", str(tmp_path))
    monkeypatch.delenv("MINFLUENCE_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PATIENCE", 1)
    monkeypatch.setattr(download, "GRACE", 1.2)  # thirty redirects fit, on a busy machine too
    monkeypatch.setattr(download, "CHUNK", 100)

    def put(kind, *urls):
        repack = take_table if kind == "zip" else None
        row = files.DataFile(4000, files.digest(CONTENT), urls, repack)
        monkeypatch.setitem(files.FILES, "labels", row)
        return tmp_path

    return put


@each_hostile
def test_a_bad_origin_is_named_with_what_was_wrong_and_leaves_nothing(listed, kind, answer, says):
    with answering(bad=answer) as address:
        cache = listed(kind, f"{address}/bad")
        tracemalloc.start()
        start = time.perf_counter()
        with pytest.raises(files.DataUnavailable, match=says) as caught:
            files.find("labels")
        passed, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    message = str(caught.value)
    assert f"labels (4,000 bytes) could not be fetched to {cache} from {address}/bad (" in message
    assert message.endswith(".") and ". " not in message and "\n" not in message
    assert list(cache.iterdir()) == []
    assert passed < 3
    assert peak < 2_000_000  # neither a bomb nor a body without end was taken in


@each_hostile
def test_after_a_bad_origin_the_next_one_is_asked(listed, kind, answer, says):
    with answering(bad=answer, good=GOOD[kind]) as address:
        cache = listed(kind, f"{address}/bad", f"{address}/good")
        assert files.read("labels") == CONTENT
    assert files.find("labels") == cache / "labels"  # and now it is there
    assert [path.name for path in cache.iterdir()] == ["labels"]


def test_an_endless_body_is_cut_within_a_few_buffers(listed):
    with answering(bad=endless) as address:
        listed("plain", f"{address}/bad")
        with pytest.raises(files.DataUnavailable):
            files.find("labels")
        time.sleep(0.2)
    assert endless.sent < 20_000_000  # what the sockets of two sides may hold


def test_a_slow_origin_that_keeps_the_pace_is_waited_for(listed, monkeypatch):
    monkeypatch.setattr(download, "SLOWEST", 2000)

    def steady(request):
        send(request, b"", Content_Length=len(CONTENT))
        for k in range(0, 4000, 500):
            request.wfile.write(CONTENT[k : k + 500])
            time.sleep(0.1)

    with answering(good=steady) as address:
        listed("plain", f"{address}/good")
        assert files.read("labels") == CONTENT


def test_ctrl_c_leaves_nothing_and_the_next_call_succeeds(listed):
    def interrupted(request):
        send(request, b"", Content_Length=4000)
        request.wfile.write(CONTENT[:100])
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        time.sleep(0.3)

    with answering(bad=interrupted, good=CONTENT) as address:
        cache = listed("plain", f"{address}/bad")
        with pytest.raises(KeyboardInterrupt):
            files.find("labels")
        assert list(cache.iterdir()) == []
        listed("plain", f"{address}/good")
        assert files.read("labels") == CONTENT


def test_a_disk_without_space_is_named_and_no_origin_is_blamed(listed, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_bytes", full)
    with answering(good=CONTENT) as address:
        cache = listed("plain", f"{address}/good")
        with pytest.raises(files.DataUnavailable, match="No space left on device") as caught:
            files.find("labels")
        assert str(cache) in str(caught.value) and address not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named_before_any_origin_is_asked(listed, monkeypatch):
    def read_only(*args):
        raise OSError(30, "Read-only file system")

    asked = []
    with answering(good=lambda request: asked.append(1) or send(request, CONTENT)) as address:
        cache = listed("plain", f"{address}/good")
        monkeypatch.setattr(os, "mkdir", read_only)
        with pytest.raises(files.DataUnavailable, match="Read-only file .*set MINFLUENCE_CACHE"):
            files.find("labels")
        assert list(cache.iterdir()) == asked == []
        (cache / "labels").write_bytes(CONTENT)
        assert files.read("labels") == CONTENT  # what is there can be read


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_a_cache_that_may_not_be_looked_into_is_named(listed):
    cache = listed("plain")
    cache.chmod(0)
    try:
        with pytest.raises(files.DataUnavailable, match="PermissionError.*set MINFLUENCE_CACHE"):
            files.find("labels")
    finally:
        cache.chmod(0o700)


def test_what_a_killed_process_left_is_deleted_and_what_a_living_one_writes_is_not(listed):
    with answering(good=CONTENT) as address:
        cache = listed("plain", f"{address}/good")
        for name, age in (("old", 2 * 86_400), ("new", 60)):
            (cache / f".labels.{name}.part").mkdir()
            (cache / f".labels.{name}.part" / "labels").write_bytes(b"half")
            os.utime(cache / f".labels.{name}.part", (time.time() - age,) * 2)
        files.find("labels")
    assert sorted(path.name for path in cache.iterdir()) == [".labels.new.part", "labels"]


REPACKED = [name for name, row in files.FILES.items() if row.repack]


@pytest.mark.parametrize("name", REPACKED)
@pytest.mark.parametrize("sent", [PAGE, b"", GOOD["zip"][:2000], flipped(GOOD["zip"], 2000)])
def test_of_every_file_that_is_packed_anew_the_next_origin_is_asked(
    name, sent, listed, monkeypatch
):
    """A page, nothing, half an archive or one with a wrong byte, in place of the real archive."""
    row, asked = files.FILES[name], []

    def answer(request):
        asked.append(request.path)
        send(request, sent)

    with answering(a=answer, b=answer) as address:
        urls = tuple(f"{address}/{origin}" for origin in "ab")
        monkeypatch.setitem(files.FILES, name, dataclasses.replace(row, urls=urls))
        cache = listed("plain")
        with pytest.raises(files.DataUnavailable, match=f"{urls[0]} .* or {urls[1]} .*; connect"):
            files.find(name)
    assert asked == ["/a", "/b"]
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_every_archive_that_is_kept_says_what_it_unpacks_to():
    """Without it the bound would be that of the packed file, and the right content refused."""
    for name, row in files.FILES.items():
        if name.endswith((".npz", ".zip")) or row.repack:
            assert row.unpacked, name
        assert row.limit <= 1.05 * (row.unpacked or row.size), name


def test_the_same_name_twice_in_an_archive_is_refused():
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(("a", b"1"), ("a", b"2"))
    with pytest.raises(ValueError, match="same name twice: 'a'"):
        files.members(twice)


def test_a_lying_size_inside_an_archive_is_found():
    honest = archive(("table.csv", bytes(4000)), compression=zipfile.ZIP_DEFLATED)
    claim, lie = (n.to_bytes(4, "little") for n in (4000, 40))
    with pytest.raises(ValueError, match="cannot be read"):
        files.members(honest.replace(claim, lie), limit=100)

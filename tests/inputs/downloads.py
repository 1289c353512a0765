"""Data files from servers that are slow, endless or damaged, here on this machine."""

import dataclasses
import errno
import gzip
import io
import os
import signal
import tarfile
import threading
import time
import tracemalloc
import zipfile
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
from origins import answering, drip, endless, moved, send

from inputs.examples import new_folder
from inputs.table import Unexpected, holds, refused, right
from minfluence.book import download, files

CONTENT = np.random.default_rng(0).bytes(4000)
NAME = "folder/table.bin"
NOT_FETCHED = "could not be fetched"
PAGE = b"<!DOCTYPE html>\n<html>Please log in</html>"
PACKED = gzip.compress(CONTENT)


def zipped(content=CONTENT, name="d/table.csv", packing=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive:
        for member in np.atleast_1d(name):
            archive.writestr(str(member), content)
    return made.getvalue()


def tarred(name="d/table.csv", link="", twice=False):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for _ in range(1 + twice):
            member = tarfile.TarInfo(name)
            if link:
                member.type, member.linkname = tarfile.SYMTYPE, link
            else:
                member.size = len(CONTENT)
            archive.addfile(member, io.BytesIO(CONTENT))
    return made.getvalue()


def take_table(packed, limit):
    found = files.members(packed, limit, lambda names: [n for n in names if "table.csv" in n])
    return b"".join(found.values())


def flipped(packed, k=2000):
    return packed[:k] + bytes([packed[k] ^ 255]) + packed[k + 1 :]


def failing(request):
    send(request, b"oops", 500)


def cut(request):
    send(request, CONTENT[:1000], Content_Length=99_999)


def silent(request):
    time.sleep(3)


KINDS = {  # what origins send, and how a table is made of it
    "plain": (CONTENT, None),
    "gzip": (PACKED, None),
    "zip": (zipped(), take_table),
    "tar": (tarred(), take_table),
}
BAD = {  # first origins, for each kind
    "a web page": lambda good: PAGE,
    "half of it": lambda good: good[:2000],
    "nothing": lambda good: b"",
    "a wrong byte": lambda good: flipped(good, 2100),
    "an error": lambda good: failing,
}


def fetched(kind, *answers, prepare=None, patience=3.0):
    """Fetch anew from these origins; `fetched.left` is what then lies in the cache."""
    names = "abc"[: len(answers)]
    good, repack = KINDS[kind]
    cache = new_folder()
    cache.mkdir()
    with ExitStack() as stack:
        origin = stack.enter_context(answering(**dict(zip(names, answers, strict=True))))
        row = files.DataFile(
            len(good),
            files.digest(CONTENT),
            tuple(f"{origin}/{n}" for n in names),
            repack,
            unpacked=20_000,
        )
        environment = {
            "MINFLUENCE_CACHE": str(cache),
            "MINFLUENCE_DATA": "",
            "NO_PROXY": "127.0.0.1",
        }
        stack.enter_context(patch.dict(os.environ, environment))
        stack.enter_context(patch.dict(files.FILES, {NAME: row}))
        stack.enter_context(
            patch.multiple(download, PATIENCE=patience, GRACE=patience / 2, CHUNK=100)
        )
        if prepare:
            prepare(cache, stack)
        try:
            return files.read(NAME) == CONTENT
        finally:
            fetched.left = [file for file in cache.rglob("*") if file.is_file()]


def cases():
    yield from of_origins()
    yield from of_second_origins()
    yield from of_archives()
    yield from of_the_cache()
    yield from of_own_files()


def of_origins():
    for kind, (good, _) in KINDS.items():
        yield holds(f"fetch: {kind}", fetched, kind, good)
    yield holds("fetch: unpacked by the server on its way", fetched, "gzip", CONTENT)
    bad = {
        "half of it": CONTENT[:1000],
        "a connection that is cut": cut,
        "nothing": b"",
        "a web page": PAGE,
        "an error": failing,
        "a redirection to a file of this machine": moved("file:///etc/passwd"),
        "twice as much": CONTENT * 2,
    }
    for name, answer in bad.items():
        yield refused(f"fetch: {name}", fetched, "plain", answer, saying=NOT_FETCHED)

    yield refused(
        "fetch: a circle", fetched, "plain", moved("/a"), patience=20.0, saying="TooManyRedirects"
    )
    for name, answer in {"silence": silent, "ten bytes a second": drip(CONTENT)}.items():
        yield refused(
            f"fetch: {name}",
            fetched,
            "plain",
            answer,
            patience=0.4,
            saying=f"{NOT_FETCHED}.*(no answer|too slow)",
        )

    def stopped_early():
        endless.sent = 0
        try:
            fetched("plain", endless)
        except files.DataUnavailable:
            return endless.sent < 20e6
        raise Unexpected("a body without end was taken")

    def small_memory(bomb, kind):
        tracemalloc.start()
        try:
            fetched(kind, bomb)
        except files.DataUnavailable:
            return tracemalloc.get_traced_memory()[1] < 3e6
        finally:
            tracemalloc.stop()
        raise Unexpected("a bomb was taken")

    yield holds("fetch: a body without end is left early", stopped_early)
    zeros = bytes(4_000_000)
    yield holds("fetch: a gzip bomb is not unpacked", small_memory, gzip.compress(zeros), "gzip")
    bomb = zipped(zeros, packing=zipfile.ZIP_DEFLATED)
    yield holds("fetch: a bomb in an archive is not unpacked", small_memory, bomb, "zip")

    def interrupted():
        def wait(request):
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            time.sleep(1)

        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
        try:
            fetched("plain", wait)
            raise Unexpected("Ctrl-C was swallowed")
        except KeyboardInterrupt:
            return not fetched.left

    yield holds("fetch: Ctrl-C leaves nothing behind", interrupted)


def of_second_origins():
    for kind, (good, _) in KINDS.items():
        for name, make in BAD.items():
            yield holds(f"fetch: {kind}, first {name}, then good", fetched, kind, make(good), good)
    outside = zipped(name="../../table.csv")
    yield holds(
        "fetch: zip, first a way out of the folder, then good", fetched, "zip", outside, zipped()
    )
    yield holds(
        "fetch: tar, first a link, then good", fetched, "tar", tarred(link="/etc/passwd"), tarred()
    )
    yield refused(
        "fetch: two bad origins, both are named",
        fetched,
        "plain",
        PAGE,
        failing,
        saying="web page.*answered 500",
    )


def of_archives():
    archives = {
        "a tar with a link": (tarred(link="/etc/passwd"), "links"),
        "a tar with an absolute name": (tarred("/etc/x"), "outside"),
        "a tar with .. in a name": (tarred("a/../../x"), "outside"),
        "a tar with one name twice": (tarred(twice=True), "twice|same"),
        "a tar that is cut": (tarred()[:1000], "archive"),
        "a zip with .. in a name": (zipped(name="../x"), "outside"),
        "a zip with a backslash in a name": (zipped(name="..\\x"), "outside"),
        "no archive": (b"not an archive", "archive"),
        "nothing": (b"", "archive"),
    }
    for name, (archive, saying) in archives.items():
        yield refused(f"members: {name}", files.members, archive, saying=saying)
    yield refused(
        "members: a zip with one name twice",
        lambda: files.members(zipped(name=["a", "a"])),
        saying="twice|same",
    )
    yield right(
        "members: a good archive",
        lambda: files.members(zipped())["d/table.csv"] == CONTENT,
        expected=True,
    )


def of_the_cache():
    def holding(body):
        def prepare(cache, stack):
            (cache / NAME).parent.mkdir()
            (cache / NAME).write_bytes(body)

        return prepare

    def file_for_a_folder(cache, stack):
        (cache / NAME).parent.write_text("x")

    def read_only(cache, stack):
        error = OSError(errno.EROFS, os.strerror(errno.EROFS))
        stack.enter_context(patch.object(Path, "mkdir", side_effect=error))

    def full(cache, stack):
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        stack.enter_context(patch.object(Path, "write_bytes", side_effect=error))

    yield refused(
        "cache: a damaged file",
        fetched,
        "plain",
        CONTENT,
        prepare=holding(CONTENT[:-7]),
        saying="damaged.*refetch",
    )
    yield refused(
        "cache: an empty file",
        fetched,
        "plain",
        CONTENT,
        prepare=holding(b""),
        saying="damaged.*refetch",
    )
    yield holds(
        "cache: a good file, origins that are not asked",
        fetched,
        "plain",
        PAGE,
        prepare=holding(CONTENT),
    )
    yield refused(
        "cache: a file where a folder should be",
        fetched,
        "plain",
        CONTENT,
        prepare=file_for_a_folder,
        saying=NOT_FETCHED,
    )
    yield refused(
        "cache: read-only",
        fetched,
        "plain",
        CONTENT,
        prepare=read_only,
        saying=f"{NOT_FETCHED}.*Read-only",
    )
    yield refused(
        "cache: no space left",
        fetched,
        "plain",
        CONTENT,
        prepare=full,
        saying=f"{NOT_FETCHED}.*space",
    )

    def nothing_left():
        try:
            fetched("plain", CONTENT, prepare=full)
        except files.DataUnavailable:
            return not fetched.left
        raise Unexpected("a full disk was not noticed")

    yield holds("cache: no space left, and nothing left behind", nothing_left)


def of_own_files():
    def own(body):
        def prepare(cache, stack):
            (cache / "own" / NAME).parent.mkdir(parents=True)
            (cache / "own" / NAME).write_bytes(body)
            stack.enter_context(patch.dict(os.environ, {"MINFLUENCE_DATA": str(cache / "own")}))

        return prepare

    yield holds("own folder: a good file", fetched, "plain", PAGE, prepare=own(CONTENT))
    yield holds("own folder: a good file, packed", fetched, "plain", PAGE, prepare=own(PACKED))
    yield refused(
        "own folder: a damaged file",
        fetched,
        "plain",
        CONTENT,
        prepare=own(b"junk"),
        saying="damaged.*replace it",
    )
    row = dataclasses.replace(next(iter(files.FILES.values())), urls=())

    def without_origin():
        environment = {"MINFLUENCE_CACHE": str(new_folder()), "MINFLUENCE_DATA": ""}
        with patch.dict(os.environ, environment), patch.dict(files.FILES, {NAME: row}):
            return files.find(NAME)

    yield refused("a file without an origin", without_origin, saying="no public origin")

"""Where tests get data from: the real files where they can be had, and servers on this machine."""

import itertools
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from minfluence.book.files import DataUnavailable


def loaded(load, *arguments):
    """What a loader gives; where its files cannot be had, the test is skipped and says which."""
    try:
        return load(*arguments)
    except DataUnavailable as reason:
        if "damaged" in str(reason):
            raise
        pytest.skip(str(reason))


@contextmanager
def listening(handler):
    """Answer with a handler of requests; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:  # a thread that goes on would slow down all tests that follow
            server.shutdown()
            thread.join()


def serving(folder, **headers):
    """Publish a folder; yields its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def end_headers(self):
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            super().end_headers()

    return listening(partial(Quiet, directory=folder))


def answering(**answers):
    """Publish bytes, or a function of the request, under each name; yields the address."""

    class Answer(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            answer = answers[self.path.removeprefix("/")]
            try:
                answer(self) if callable(answer) else send(self, answer)
            except OSError:
                pass  # the other side has had enough

    return listening(Answer)


def send(request, body, status=200, **headers):
    """Answer a request; the length is said unless another is given."""
    request.send_response(status)
    for key, value in {"Content_Length": len(body), **headers}.items():
        request.send_header(key.replace("_", "-"), str(value))
    request.end_headers()
    request.wfile.write(body)


def moved(to):
    """An answer that sends elsewhere."""
    return lambda request: send(request, b"", 302, Location=to)


def drip(content):
    """An answer in single bytes, ten a second."""

    def answer(request):
        send(request, b"", Content_Length=len(content))
        for byte in content:
            request.wfile.write(bytes([byte]))
            time.sleep(0.1)

    return answer


def endless(request):
    """A body without end; counts what it could send."""
    request.send_response(200)
    request.end_headers()
    for endless.sent in itertools.count(step=65_536):
        request.wfile.write(bytes(65_536))


@contextmanager
def dead_end(listening):
    """Address that refuses every connection or, if listening, accepts it and says nothing."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listening:
            door.listen()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"

"""Where tests get data from: the real files where they can be had, and servers on this machine."""

import socket
import threading
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
        yield f"http://127.0.0.1:{server.server_port}"
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


@contextmanager
def dead_end(listening):
    """Address that refuses every connection or, if listening, accepts it and says nothing."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listening:
            door.listen()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"

"""What a public address sends: received within a bound of bytes and a bound of time."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait

PATIENCE = 4  # seconds in which an origin must answer, before we say that it does not
GRACE = 10  # seconds after which it must have sent SLOWEST bytes for each second more
SLOWEST = 20_000  # bytes a second, on average
ALLOWANCE = 1.05  # times the listed size: a host may pack a little worse than another
CHUNK = 1024


def download(url: str, size: int) -> bytes:
    """Receive what a URL sends, into memory.

    Parameters
    ----------
    url : str
    size : int
        Bytes that are expected; more than 5 % above that is refused as soon as it arrives.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        Half a sentence, to follow the URL: no answer, another status than success, a connection
        that broke, too many bytes, or too few of them for too long.
    """
    received, answered, abandoned = bytearray(), threading.Event(), threading.Event()
    end: Future[None] = Future()

    def receive() -> None:
        try:
            for chunk in _chunks(url, answered):
                received.extend(chunk)
                if abandoned.is_set() or len(received) > ALLOWANCE * size:
                    break
            end.set_result(None)
        except Exception as error:  # of the connection: there are many kinds
            end.set_exception(error)

    # In a thread, because neither a hanging name server nor a body that drips heeds a timeout.
    threading.Thread(target=receive, daemon=True).start()
    try:
        _watch(received, answered, end, size)
    finally:
        abandoned.set()
    if error := end.exception():
        raise ValueError(_words(error, received)) from None
    if len(received) > ALLOWANCE * size:
        raise ValueError(f"sent more than the {size:,} bytes that were expected")
    return bytes(received)


def _chunks(url: str, answered: threading.Event) -> Iterator[bytes]:
    """The body, as it is sent: a server that packs it once more is not believed."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=(PATIENCE, GRACE)) as answer:
        answered.set()
        if not answer.ok:
            raise ValueError(f"answered {answer.status_code}")
        yield from answer.raw.stream(CHUNK, decode_content=False)


def _watch(received: bytearray, answered: threading.Event, end: Future[None], size: int) -> None:
    """Wait for the end, and give up on an origin that is silent or slow."""
    from tqdm import tqdm

    start = time.monotonic()
    with tqdm(total=size, unit="B", unit_scale=True, delay=1) as bar:
        while not end.done():
            wait([end], timeout=0.1)
            bar.update(len(received) - bar.n)
            passed = time.monotonic() - start
            if not answered.is_set() and passed > PATIENCE:
                raise ValueError(f"gave no answer in {PATIENCE} s")
            if len(received) < SLOWEST * (passed - GRACE):
                sent = f"fewer than {len(received) + CHUNK:,} bytes in {passed:.0f} s"
                raise ValueError(f"too slow: {sent}")


def _words(error: BaseException, received: bytearray) -> str:
    """What happened to a connection; our own errors say it themselves."""
    if isinstance(error, ValueError):
        return str(error)
    broken = f"broke off after {len(received):,} bytes" if received else "no connection"
    return f"{broken}: {type(error).__name__}"

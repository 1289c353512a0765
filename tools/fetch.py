"""Fetch every data file that the chapters read, and say which cannot be had.

::

    python tools/fetch.py

`make test` does so first: afterwards chapters that run side by side find what they need, and none
is fetched twice. Before a class without a good network, it is the one command to run.
"""

from weights import SOURCES

from minfluence.book.files import FILES, DataUnavailable, find


def main():
    missing = []
    for name in FILES:
        if name in SOURCES:
            continue
        try:
            find(name)
        except DataUnavailable as reason:
            missing.append(name)
            print(reason)
    wanted = len(FILES) - len(SOURCES)
    print(f"{wanted - len(missing)} of {wanted} data files are here or were fetched")
    if missing:
        print("Without the others, chapters skip the cells that need them.")


if __name__ == "__main__":
    main()

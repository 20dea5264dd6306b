# SPDX-License-Identifier: GPL-2.0-or-later
"""Allocations that fail: the debug kernel's fault injection.

    with failing(10):       # every tenth one of those that may not wait
        ...                 # packets come and go

These are all that the work on packets makes, whoever's packets they are.  What
may wait, as in system calls, does not fail.
"""

from contextlib import contextmanager

KINDS = ("failslab", "fail_page_alloc")


def setting(kind, name, value):
    with open("/sys/kernel/debug/%s/%s" % (kind, name), "w", encoding="ascii") as f:
        f.write(str(value))


@contextmanager
def failing(percent=100, kinds=KINDS):
    for kind in kinds:
        for name, value in (("times", -1), ("verbose", 0), ("interval", 1)):
            setting(kind, name, value)
        if kind == "fail_page_alloc":
            setting(kind, "min-order", 0)
    try:
        for kind in kinds:
            setting(kind, "probability", percent)
        yield
    finally:
        for kind in kinds:
            setting(kind, "probability", 0)

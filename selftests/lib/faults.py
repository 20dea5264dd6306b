# SPDX-License-Identifier: GPL-2.0-or-later
"""Allocations that fail: the debug kernel's fault injection.

    with failing(10):       # every tenth one of those that may not wait
        ...                 # packets come and go

These are all that the work on packets makes, whoever's packets they are.  What
may wait, as in system calls, does not fail.

    with nth_failing() as nth:
        nth.arm(3)          # the third one of this thread's, be it one that may wait
        ...                 # a system call
        left = nth.disarm() # 0: it has failed
"""

import os
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


class Nth:
    """An allocation of the thread that makes this."""

    def __init__(self):
        self.fd = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def arm(self, number):
        """From now on, the one of that number fails."""
        os.pwrite(self.fd, b"%d" % number, 0)

    def disarm(self):
        """How many there would have been still to come."""
        left = int(os.pread(self.fd, 20, 0))
        os.pwrite(self.fd, b"0", 0)
        return left

    def close(self):
        os.close(self.fd)


@contextmanager
def nth_failing():
    setting("failslab", "verbose", 0)
    setting("failslab", "ignore-gfp-wait", "N")
    nth = Nth()
    try:
        yield nth
    finally:
        nth.close()
        setting("failslab", "ignore-gfp-wait", "Y")

# SPDX-License-Identifier: GPL-2.0-or-later
"""How much memory the whole machine has in use."""

import glob
import re
import time


def unused():
    """Bytes that hold nothing, or what can be read again."""
    for path in glob.glob("/sys/kernel/slab/*/shrink"):
        with open(path, "w", encoding="ascii") as f:
            f.write("1")
    with open("/proc/meminfo", encoding="ascii") as f:
        found = dict(re.findall(r"(\w+): +(\d+) kB", f.read()))
    return 1024 * sum(int(found[name]) for name in ("MemFree", "Cached", "Buffers",
                                                    "SReclaimable"))


def used():
    """Bytes of all others, once nothing is on its way to be freed.  Only differences mean
    anything."""
    found = None
    while True:
        before, found = found, unused()
        if before is not None and abs(found - before) < 1 << 18:
            return -found
        time.sleep(1)

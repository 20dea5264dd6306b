# SPDX-License-Identifier: GPL-2.0-or-later
"""cygnet.ko, as the runner built it for the guest's kernel."""

import os
import subprocess


def insmod():
    """Load it, and what it depends on, unless it is there already.  Process 1
    of the guest unloads it again, and judges that."""
    if os.path.exists("/sys/module/cygnet"):
        return
    path = os.environ["CYGNET_KO"]
    depends = subprocess.check_output(["modinfo", "-F", "depends", path], text=True).strip()
    if depends:
        subprocess.check_call(["modprobe", "-a"] + depends.split(","))
    subprocess.check_call(["insmod", path])

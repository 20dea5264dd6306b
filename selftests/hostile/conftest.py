# SPDX-License-Identifier: GPL-2.0-or-later
"""As for the other tests in a guest."""

# pylint: disable=unused-import
from vm.conftest import module, pytest_runtest_makereport  # noqa: F401

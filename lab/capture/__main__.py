# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge a capture file: ``python3 -m lab.capture FILE [PORTAL]``; 1 where something is wrong in it."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.capture.judge import judge
from lab.pair import PORTAL


def main(words: list[str]) -> int:
    """Print the verdict."""
    result = judge(Path(words[0]), words[1] if words[1:] else PORTAL, {})
    print(result.table())
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

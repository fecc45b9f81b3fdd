"""`python -m voicechart`."""

from __future__ import annotations

import sys

from voicechart.launcher import main

if __name__ == "__main__":
    sys.exit(main())

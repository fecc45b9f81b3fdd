"""`python -m app`: the command line."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from app.cli.frame import main
    except KeyboardInterrupt:  # before there is anybody to tell
        sys.exit(130)
    sys.exit(main())

"""Run the command as ``python -m bcelogits``."""

from bcelogits.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

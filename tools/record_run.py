"""Run a long check and write what it saw into docs/reliability.md.

    python -m tools.record_run NAME COMMAND...

The output is passed on. If the command succeeds, the row of that name in the page's table of long
runs becomes the totals that the command ended with, of pytest or of the C tests; if it fails, the
page stays as it is and the exit status is the command's.
"""

from __future__ import annotations

import re
import subprocess
import sys

from tools.page import Part

TABLE = Part("docs/reliability.md", "runs")
TOTALS = re.compile(r"(\d+ (?:passed|failed|skipped|deselected)(?:, )?)+")
HEAD = "| run | result |\n| --- | --- |\n"


def totals(lines: list[str]) -> str:
    """Return the last totals that were printed: "2 passed, 1 skipped"."""
    for line in reversed(lines):
        if (found := TOTALS.search(line)) and "passed" in found[0]:
            kept = (part for part in found[0].strip(", ").split(", ") if not part.startswith("0 "))
            return ", ".join(kept)
    raise SystemExit("the command ended without totals")


def write_row(name: str, result: str) -> None:
    """Change or add a row of the page; rows keep their order."""
    rows = dict(re.findall(r"^\| (.+?) \| (.+ \|)$", TABLE.read(), re.M))
    for title in ("run", "---"):
        rows.pop(title, None)
    rows[name] = f"{result} |"
    lines = "".join(f"| {key} | {row}\n" for key, row in rows.items())
    TABLE.write(HEAD + lines)


def main() -> int:
    name, *command = sys.argv[1:]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines = [*lines[-200:], line]
    if process.returncode == 0:
        write_row(name, totals(lines))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())

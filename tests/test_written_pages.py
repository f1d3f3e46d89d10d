"""Commands write their figures into pages, and count what failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from clibrary import ROOT

PAGE = """before
<!-- one: written by a -->
old
<!-- end of one -->
<!-- two: written by b -->
<!-- end of two -->
after
"""


def test_a_part_of_a_page(tmp_path: Path, import_from):
    page = import_from(".", "tools.page")
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    one, two = (page.Part(str(path), name) for name in ("one", "two"))
    assert (one.read(), two.read()) == ("old\n", "")
    one.write("new \\1\n\n")
    two.write("more")
    assert (one.read(), two.read()) == ("new \\1\n", "more\n")
    assert path.read_text() == PAGE.replace("old", "new \\1").replace("b -->\n", "b -->\nmore\n")
    with pytest.raises(ValueError, match=r"page\.md: has no part 'three'"):
        page.Part(str(path), "three").write("text")


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("docs/mutants.md", "mutants"),
        ("docs/reliability.md", "fuzz"),
        ("docs/reliability.md", "interrupts"),
        ("docs/reliability.md", "runs"),
        ("wheels/README.md", "table"),
    ],
)
def test_pages_have_their_parts(import_from, page: str, name: str):
    assert import_from(".", "tools.page").Part(str(ROOT / page), name).read()


@pytest.mark.parametrize(
    ("end", "failures"),
    [
        ("Done 7 runs in 120 second(s)", 0),
        ("==1== ERROR: libFuzzer: out-of-memory (used: 2057Mb; limit: 2048Mb)", 1),
        ("==1== ERROR: libFuzzer: deadly signal", 1),
        ("==1== ERROR: libFuzzer: timeout after 1200 seconds", 1),
        ("==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x0", 1),
        (" === Uncaught Python exception: ===", 1),
    ],
)
def test_every_way_in_which_fuzzing_ends_badly_counts(import_from, end: str, failures: int):
    log = f"INFO: Seed: 1\n#7\tpulse  cov: 5 ft: 6 corp: 1/1b exec/s: 3\n{end}\n"
    figures = import_from("tests/fuzz", "run").figures(log)
    assert (figures.executions, figures.edges, figures.failures) == (7, 5, failures)

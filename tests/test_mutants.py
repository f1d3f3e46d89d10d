"""What `make mutants` finds in a text, and that its lists are of what is there."""

from __future__ import annotations

import tomllib

import pytest
from clibrary import ROOT

PYTHON = '''
"""Some text: a < b."""
LIMIT = 3


def f(a: int, b: float = 0.5, *, name: str = "x") -> bool:
    """Return a < b."""
    if a < b:  # or not
        raise ValueError(f"{a} < {b}")
    check(a, name=name)
    return not (a + 1 == LIMIT and b)
'''
FOUND = {
    ("", "LIMIT = 3", "`3` -> `4`"): "LIMIT = 4",
    ("f", "b: float = 0.5", "`0.5` -> `0.505`"): "b: float = 0.505",
    ("f", "if a < b:", "`<` -> `<=`"): "if a <= b:",
    ("f", "if a < b:", "condition never true"): "if False:",
    ("f", "raise ValueError", "raise removed"): "        pass\n",
    ("f", "raise ValueError", "message changed"): 'ValueError("something else")',
    ("f", "raise ValueError", "ValueError -> TypeError"): "raise TypeError(",
    ("f", "check(a, name=name)", "call removed"): "    pass\n",
    ("f", "check(a, name=name)", "name= dropped"): "check(a, )",
    ("f", "return not", "`and` -> `or`"): "LIMIT or b",
    ("f", "return not", "`==` -> `!=`"): "!= LIMIT",
    ("f", "return not", "`not` removed"): "return (a",
    ("f", "return not", "returns None"): "return None",
}
C = """
/* a < b */
#define LIMIT(a) (a < 3)
static int limit = 3;

static real N(f)(int a,
                 vec b)
{
    int c = a < 3; /* or a > 3 */
    if (!c) return -1;
    g(a, "a < b");
    b = v_add(b, v_set1(0.5));
    for (int i = 0; i < a; ++i) c += i;
    return c;
}
"""
FOUND_IN_C = {
    ("f", "int c = a < 3;", "`<` -> `<=`"): "a <= 3",
    ("f", "int c = a < 3;", "`3` -> `(3 + 1)`"): "a < (3 + 1)",
    ("f", "if (!c)", "condition always true"): "if (1)",
    ("f", "if (!c)", "`-` removed"): "return 1;",
    ("f", "if (!c)", "`!` removed"): "if (c)",
    ("f", "g(a", "statement removed"): "    ;\n",
    ("f", "b = v_add", "v_add -> v_sub"): "b = v_sub(",
    ("f", "b = v_add", "`0.5` -> `(0.5 * 1.01)`"): "(0.5 * 1.01)",
    ("f", "for (int i", "`++` -> `--`"): "--i",
    ("f", "for (int i", "`+=` -> `-=`"): "c -= i",
    ("f", "return c;", "returns 0"): "return 0;",
}


@pytest.mark.parametrize(
    ("module", "name", "text", "expected"),
    [("of_python", "a.py", PYTHON, FOUND), ("of_c", "a.c", C, FOUND_IN_C)],
)
def test_mutants_of_a_text(import_from, module, name, text, expected):
    mutants = import_from(".", f"tools.mutants.{module}").mutants(name, text)
    found = {m.key: m for m in mutants}
    assert len(found) == len(mutants)
    for (function, line, change), new in expected.items():
        (mutant,) = (
            m
            for m in mutants
            if (m.function, m.change, m.number) == (function, change, 1) and line in m.line
        )
        assert new in mutant.applied(text)
        assert mutant.applied(text) != text
    # Neither comments, docstrings, texts, annotations nor the preprocessor.
    assert not any(m.line.startswith(("/*", "#", '"')) for m in mutants)
    assert len(mutants) < 35
    moved = import_from(".", f"tools.mutants.{module}").mutants(name, f"\n\n{text}\n")
    assert [m.key for m in moved] == [m.key for m in mutants]
    assert [m.start for m in moved] == [m.start + 2 for m in mutants]


def test_the_choice_is_the_same_each_time(import_from):
    mutant = import_from(".", "tools.mutants.mutant")
    every = [mutant.Mutant(f, "f", f"line {i}", "c", 1, i, i, "") for f in "abc" for i in range(40)]
    some = mutant.chosen(every, 30, 1)
    assert mutant.chosen(every[::-1], 30, 1) == some
    assert mutant.chosen(every, 12, 1) == some[:12]
    assert mutant.chosen(every, 30, 2) != some
    assert [sum(m.file == f for m in some) for f in "abc"] == [10, 10, 10]
    assert {m.file for m in mutant.chosen(every, 3, 5)} == set("abc")


@pytest.fixture(scope="module")
def every(import_from):
    """All mutants of this library, for any processor."""
    trials = import_from(".", "tools.mutants.trials")
    paths = trials.sources(("avx2", "avx512", "neon", "baseline"))
    return [m for path in paths for m in trials.mutants_of(path)]


def test_mutants_of_python_are_python(import_from, every):
    python = [m for m in every if m.file.endswith(".py")]
    some = import_from(".", "tools.mutants.mutant").chosen(python, 300, 1)
    for mutant in some:
        text = (ROOT / mutant.file).read_text("utf-8")
        compile(mutant.applied(text), mutant.file, "exec")
    assert len({m.file for m in some}) > 40


def test_every_file_has_tests(import_from, every):
    trials = import_from(".", "tools.mutants.trials")
    for file in {m.file for m in every}:
        names = trials.tests_of(file)
        assert names, file
        for name in names:
            assert (ROOT / f"tests/test_{name}.py").exists(), name
    programs = {path.stem for path in (ROOT / "tests/c").glob("test_*.c")}
    assert set(trials.REACHED["c"]["programs"]) == programs
    listed = tomllib.loads((ROOT / "tools/mutants/reached.toml").read_text("utf-8"))["python"]
    assert all((ROOT / path).exists() for path in listed)


def test_explanations_are_of_mutants(import_from, every):
    main = import_from(".", "tools.mutants.__main__")
    assert not main.stale(every)
    for explanation in main.explanations():
        assert {"file", "line", "reason"} <= explanation.keys()

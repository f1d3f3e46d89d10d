"""The command line: what holds where nothing is said, and what help says."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from bcelogits.cli.arguments import Options, parse_arguments
from bcelogits.cli.errors import CommandError

ONE = ["score", "a.csv", "--logit", "x", "--target", "y"]


def test_what_is_not_given_is_as_options_have_it() -> None:
    assert parse_arguments(ONE) == Options(("a.csv",), ("x",), ("y",))


def test_one_value_of_pos_weight_is_for_each_label() -> None:
    two = parse_arguments([*ONE, "--logit", "u,v", "--target", "w,z", "--pos-weight", "2.5"])
    assert (two.logits, two.targets) == (("x", "u", "v"), ("y", "w", "z"))
    assert two.pos_weight == (2.5, 2.5, 2.5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--fail-above", "much"], "argument --fail-above: 'much' is not a number"),
        (["--fail-above", "nan"], "argument --fail-above: 'nan' is no limit"),
        (["--threads", "-1"], "argument --threads: '-1' is no number of threads"),
        (["--threads", "10000"], "argument --threads: '10000' is no number of threads"),
        (["--label-smoothing", "1.5"], r"argument --label-smoothing: '1.5' is outside \[0, 1\]"),
        (["--label-smoothing", "x"], "argument --label-smoothing: 'x' is not a number"),
        (["--pos-weight", "-2"], "argument --pos-weight: '-2' is not finite and >= 0"),
        (["--pos-weight", "1,inf"], "argument --pos-weight: '1,inf' is not finite and >= 0"),
        (["--pos-weight", "heavy"], "'heavy' is neither numbers nor 'balanced'"),
        (["--logit", "a,,b"], "argument --logit: 'a,,b' holds an empty column name"),
        (["--logit", '"a'], "argument --logit: '\"a' is not a list of columns"),
        (["--plot", "a.gif"], "argument --plot: 'a.gif' has none of the suffixes .png .svg .pdf"),
        (["--stdin-format", "xls"], r"'xls' is no known format \(known: csv tsv "),
    ],
)
def test_values_that_are_none(more: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        parse_arguments([*ONE, *more])


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"]])
def test_help_goes_to_standard_output(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = io.StringIO()
    with redirect_stdout(text), pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert not ended.value.code
    assert text.getvalue().startswith("usage: bcelogits")
    assert text.getvalue().endswith("\n")
    assert not text.getvalue().endswith("\n\n")
    assert capsys.readouterr().err == ""

"""``bcelogits score``: every format and option, figures against plain NumPy."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")

import cli_files  # noqa: E402
from cli_files import LOGIT, TARGET, WRITERS, Columns, figures, flights  # noqa: E402

from bcelogits.cli import main  # noqa: E402
from bcelogits.cli.readers import Wanted, read  # noqa: E402

# Sums of doubles, each right to a few units in the last place.
RTOL = 1e-13


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs the command and returns its JSON object."""

    def run(*arguments: str | Path) -> dict[str, Any]:
        assert main(["score", "--format", "json", *map(str, arguments)]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        assert captured.out.count("\n") == 1
        result: dict[str, Any] = json.loads(captured.out)
        return result

    return run


def check(found: dict[str, Any], expected: dict[str, float], rtol: float = RTOL) -> None:
    for name, value in expected.items():
        if math.isnan(value):
            assert found[name] is None, name
        else:
            np.testing.assert_allclose(found[name], value, rtol=rtol, err_msg=name)


def write(folder: Path, columns: Columns, name: str = "parquet") -> Path:
    file, writer = WRITERS[name]
    writer(folder / file, columns)
    return folder / file


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_figures_of_numpy(tmp_path: Path, score: Any, name: str) -> None:
    columns = flights()
    report = score(
        write(tmp_path, columns, name),
        *LOGIT,
        *TARGET,
        *("--weight", "w", "--by", "carrier", "--pos-weight", "2.5", "--label-smoothing", "0.1"),
    )
    options = {"pos_weight": 2.5, "label_smoothing": 0.1}
    x, y, w = columns["logit"], columns["late"], columns["w"]
    check(report["overall"], {"rows": 1000} | figures(x, y, w, **options))
    assert [group["group"] for group in report["groups"]] == ["AA", "B6", "DL", "ÜX"]
    for group in report["groups"]:
        own = columns["carrier"] == group["group"]
        check(group, {"rows": own.sum()} | figures(x[own], y[own], w[own], **options))


@pytest.mark.parametrize("name", WRITERS)
def test_groups_of_numbers_are_texts_in_order_of_value(
    tmp_path: Path, score: Any, name: str
) -> None:
    columns = flights()
    report = score(write(tmp_path, columns, name), *LOGIT, *TARGET, "--by", "month")
    assert [group["group"] for group in report["groups"]] == [str(m) for m in range(1, 13)]
    for month, group in enumerate(report["groups"], 1):
        own = columns["month"] == month
        check(group, figures(columns["logit"][own], columns["late"][own]))


def test_without_options(tmp_path: Path, score: Any) -> None:
    columns = flights()
    path = write(tmp_path, columns)
    report = score(path, *LOGIT, *TARGET)
    expected = {"rows": 1000} | figures(columns["logit"], columns["late"])
    check(report["overall"], expected)
    (label,) = report["overall"]["labels"]
    assert label.pop("label") == "late"
    assert label == {name: report["overall"][name] for name in label}
    assert report["overall"]["positives"] == columns["late"].sum()
    overall = report.pop("overall")
    assert report == {
        "files": [str(path)],
        "logit": ["logit"],
        "target": ["late"],
        "weight": None,
        "by": None,
        "pos_weight": None,
        "label_smoothing": 0.0,
        "groups": [],
    }
    assert list(overall) == [
        "rows",
        "count",
        "weight_sum",
        "positives",
        "base_rate",
        "mean_prediction",
        "mean_loss",
        "normalized_entropy",
        "calibration",
        "labels",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--logit", "logit,other", "--target", "late,very"],
        ["--logit", "logit", "--target", "late", "--logit", "other", "--target", "very"],
    ],
)
def test_several_labels(tmp_path: Path, score: Any, arguments: list[str]) -> None:
    columns = flights()
    path = write(tmp_path, columns, "csv")
    report = score(path, *arguments, "--by", "carrier", "--weight", "w", "--pos-weight", "2,0.5")
    pairs = [("logit", "late"), ("other", "very")]
    x = np.stack([columns[name] for name, _ in pairs], 1)
    y = np.stack([columns[name] for _, name in pairs], 1)
    w = np.stack([columns["w"]] * 2, 1)
    p = np.array([2, 0.5])
    assert report["target"] == ["late", "very"]
    groups = {"all": np.full(1000, True)} | {g: columns["carrier"] == g for g in ["AA", "ÜX"]}
    found = {group["group"]: group for group in report["groups"]} | {"all": report["overall"]}
    for name, own in groups.items():
        check(found[name], {"rows": own.sum()} | figures(x[own], y[own], w[own], p))
        assert found[name]["count"] == 2 * found[name]["rows"]
        for label in range(2):
            assert found[name]["labels"][label]["label"] == pairs[label][1]
            expected = figures(x[own, label], y[own, label], w[own, label], p[label])
            check(found[name]["labels"][label], {"rows": own.sum()} | expected)


def test_pos_weights_add_up_in_the_order_of_the_labels(tmp_path: Path, score: Any) -> None:
    path = write(tmp_path, flights())
    labels = ["--logit", "logit,other", "--target", "late,very"]
    expected = score(path, *labels, "--pos-weight", "1,3")
    assert expected["pos_weight"] == [1.0, 3.0]
    assert score(path, *labels, "--pos-weight", "1", "--pos-weight", "3") == expected
    assert score(path, *labels, "--pos-weight", "3")["pos_weight"] == [3.0, 3.0]


PROBABILITIES = (
    "bcelogits: note: every value of {} is in [0, 1]: if these are probabilities p, the figures "
    "are wrong: score the logits log(p) - log1p(-p)\n"
)


@pytest.mark.parametrize(
    ("logits", "is_told"),
    [
        ([0.55, 0.18], True),
        ([0.0, 1.0], True),
        ([0.5, 0.5], True),
        ([0.25], True),
        ([0.55, 1.0000001], False),
        ([0.55, -1e-9], False),
        ([0.55, np.inf], False),
        ([0.0, 0.0], False),
        ([1.0, 1.0], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_logits_that_look_like_probabilities(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    logits: list[float],
    is_told: bool,
    form: str,
) -> None:
    columns = {"logit": np.array(logits, np.float64), "late": np.ones(len(logits))}
    path = write(tmp_path, columns, "npz")
    command = ["score", str(path), *LOGIT, *TARGET, "--format", form]
    assert main(command) == 0
    assert capsys.readouterr().err == (PROBABILITIES.format("'logit'") if is_told else "")


def test_what_the_note_on_probabilities_says_is_true(tmp_path: Path, score: Any) -> None:
    p = np.array([0.55, 0.18])
    path = write(tmp_path, {"logit": np.log(p) - np.log1p(-p), "late": np.array([1, 0])}, "npz")
    mean = score(path, *LOGIT, *TARGET)["overall"]["mean_loss"]
    assert mean == pytest.approx(-(math.log(0.55) + math.log1p(-0.18)) / 2, rel=1e-13)


def test_columns_of_probabilities_are_named_once_among_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {"a": np.array([0.1, 0.9]), "b": np.array([0.1, 1.9]), "c": np.array([0.2, 0.3])}
    path = write(tmp_path, columns | {f"y{i}": np.array([0, 1]) for i in range(4)}, "npz")
    command = ["score", str(path), "--logit", "a,b,c,a", "--target", "y0,y1,y2,y3"]
    assert main([*command, "--append", str(tmp_path / "state")]) == 0
    assert capsys.readouterr().err == PROBABILITIES.format("'a', 'c'")


def test_a_column_name_with_a_comma_is_quoted(tmp_path: Path, score: Any) -> None:
    columns = flights()
    columns["logit, raw"] = columns["logit"]
    path = write(tmp_path, columns, "csv")
    report = score(path, "--logit", '"logit, raw",other', "--target", "late,very")
    assert report["logit"] == ["logit, raw", "other"]


def test_balanced_pos_weight_is_negatives_over_positives_of_all_files(
    tmp_path: Path, score: Any
) -> None:
    paths = [tmp_path / f"{part}.csv" for part in range(2)]
    columns = [flights(500, seed) for seed in range(2)]
    for path, part in zip(paths, columns, strict=True):
        cli_files.write_csv(path, part)
    report = score(
        *paths, "--logit", "logit,other", "--target", "late,very", "--pos-weight", "balanced"
    )
    joined = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    expected = [(1 - joined[name]).sum() / joined[name].sum() for name in ("late", "very")]
    np.testing.assert_allclose(report["pos_weight"], expected, rtol=RTOL)
    for label, (x, y) in enumerate([("logit", "late"), ("other", "very")]):
        found = report["overall"]["labels"][label]
        check(found, figures(joined[x], joined[y], pos_weight=expected[label]))


def test_balanced_of_300_negatives_and_100_positives_is_3(tmp_path: Path, score: Any) -> None:
    y = np.arange(400) % 4 == 0
    path = write(tmp_path, {"logit": np.linspace(-3, 3, 400), "late": y})
    assert score(path, *LOGIT, *TARGET, "--pos-weight", "balanced")["pos_weight"] == [3.0]


def test_files_of_several_formats_are_one_data_set(tmp_path: Path, score: Any) -> None:
    columns = flights()
    names = ["csv", "parquet", "npy", "stream"]
    parts = np.array_split(np.arange(1000), len(names))
    paths = []
    for name, part in zip(names, parts, strict=True):
        paths.append(write(tmp_path, {key: v[part] for key, v in columns.items()}, name))
    report = score(*paths, *LOGIT, *TARGET, "--by", "month")
    check(report["overall"], {"rows": 1000} | figures(columns["logit"], columns["late"]))
    for month, group in enumerate(report["groups"], 1):
        own = columns["month"] == month
        check(group, {"rows": own.sum()} | figures(columns["logit"][own], columns["late"][own]))


@pytest.mark.parametrize("groups", [3, 1000, 100_000])
def test_many_chunks_and_groups(tmp_path: Path, score: Any, groups: int) -> None:
    rng = np.random.default_rng(3)
    rows = 300_000
    logit = rng.normal(0, 5, rows)
    target = (rng.random(rows) < 0.3).astype(np.uint8)
    weight = rng.random(rows)
    key = rng.permutation(np.arange(rows) % groups)
    path = write(tmp_path, {"logit": logit, "late": target, "key": key, "w": weight})
    report = score(path, *LOGIT, *TARGET, "--by", "key", "--weight", "w")
    check(report["overall"], {"rows": rows} | figures(logit, target, weight))
    assert len(report["groups"]) == groups
    for group in report["groups"][:: groups // 3]:
        own = key == int(group["group"])
        check(group, {"rows": own.sum()} | figures(logit[own], target[own], weight[own]))


def test_figures_do_not_depend_on_the_order_of_the_files(tmp_path: Path, score: Any) -> None:
    paths = []
    for seed in range(7):
        paths.append(tmp_path / f"{seed}.npz")
        np.savez(paths[-1], **flights(100 + seed, seed))
    one = score(*paths, *LOGIT, *TARGET, "--weight", "w", "--by", "carrier")
    other = score(*reversed(paths), *LOGIT, *TARGET, "--weight", "w", "--by", "carrier")
    assert one["overall"] == other["overall"]
    assert one["groups"] == other["groups"]


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "<i4", ">i4", "f2", "<f4", ">f8", "g"])
def test_targets_of_every_dtype(tmp_path: Path, score: Any, dtype: str) -> None:
    columns = flights()
    columns["late"] = columns["late"].astype(dtype)
    path = write(tmp_path, columns, "npy")
    check(score(path, *LOGIT, *TARGET)["overall"], figures(columns["logit"], columns["late"]))


@pytest.mark.parametrize("dtype", ["i1", "f2", "<f4", ">f4", "g"])
def test_logits_of_every_dtype_are_evaluated_in_double(
    tmp_path: Path, score: Any, dtype: str
) -> None:
    columns = flights()
    columns["logit"] = columns["logit"].astype(dtype)
    path = write(tmp_path, columns, "npz")
    check(score(path, *LOGIT, *TARGET)["overall"], figures(columns["logit"], columns["late"]))


@pytest.mark.parametrize("text", ["True", "true", "TRUE"])
def test_a_csv_column_of_true_and_false_is_a_target(tmp_path: Path, score: Any, text: str) -> None:
    path = tmp_path / "flights.csv"
    no = {"True": "False", "true": "false", "TRUE": "FALSE"}[text]
    path.write_text(f"logit,late\n1,{text}\n-2,{no}\n0.5,{text}\n")
    report = score(path, *LOGIT, *TARGET)
    check(report["overall"], figures(np.array([1, -2, 0.5]), np.array([1, 0, 1])))


def test_arrow_types_beside_plain_numbers(tmp_path: Path, score: Any) -> None:
    columns = flights()
    table = pa.table(
        {
            "logit": pa.array(columns["logit"]).cast(pa.decimal128(9, 3)),
            "late": pa.array(columns["late"]).cast(pa.float16()),
            "w": pa.array(columns["w"]).dictionary_encode(),
            "carrier": pa.array(columns["carrier"]).dictionary_encode(),
        }
    )
    path = tmp_path / "flights.arrow"
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    report = score(path, *LOGIT, *TARGET, "--weight", "w", "--by", "carrier")
    check(report["overall"], figures(columns["logit"], columns["late"], columns["w"]))
    assert [group["group"] for group in report["groups"]] == ["AA", "B6", "DL", "ÜX"]


def test_missing_and_empty_groups_are_one(
    tmp_path: Path, score: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flights.parquet"
    by = ["b", None, "", "10", "9", None]
    pa.parquet.write_table(pa.table({"logit": [0.0] * 6, "late": [0, 1] * 3, "by": by}), path)
    report = score(path, *LOGIT, *TARGET, "--by", "by")
    assert [(g["group"], g["rows"]) for g in report["groups"]] == [
        ("9", 1),
        ("10", 1),
        ("b", 1),
        (None, 3),
    ]
    assert main(["score", str(path), *LOGIT, *TARGET, "--by", "by"]) == 0
    first = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert first == ["by", "9", "10", "b", "(missing)", "all"]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([True, False], ["false", "true"]),
        ([1.5, 10.0, math.nan], ["1.5", "10", None]),
        ([b"x", b"y"], ["x", "y"]),
        (np.array(["2020-01-02", "2019-01-01"], "M8[D]"), ["2019-01-01", "2020-01-02"]),
    ],
)
@pytest.mark.parametrize("name", ["parquet", "npz"])
def test_groups_of_other_types(
    tmp_path: Path, score: Any, values: Any, names: list[str], name: str
) -> None:
    count = len(values)
    columns = {"logit": np.zeros(count), "late": np.ones(count), "by": np.array(values)}
    report = score(write(tmp_path, columns, name), *LOGIT, *TARGET, "--by", "by")
    assert [group["group"] for group in report["groups"]] == names


def test_the_group_column_may_be_the_target(tmp_path: Path, score: Any) -> None:
    for name in ("csv", "parquet", "npy"):
        path = write(tmp_path, flights(), name)
        report = score(path, *LOGIT, *TARGET, "--by", "late")
        assert [(g["group"], g["base_rate"]) for g in report["groups"]] == [("0", 0), ("1", 1)]


def test_figures_without_a_value_are_null(tmp_path: Path, score: Any) -> None:
    path = write(tmp_path, {"logit": np.array([1.0, 2.0]), "late": np.zeros(2)})
    overall = score(path, *LOGIT, *TARGET)["overall"]
    assert overall["base_rate"] == 0
    assert overall["mean_loss"] > 0
    assert overall["normalized_entropy"] is None
    assert overall["calibration"] is None


def test_weights_that_are_all_zero_leave_no_mean(tmp_path: Path, score: Any) -> None:
    path = write(tmp_path, flights() | {"w": np.zeros(1000)})
    overall = score(path, *LOGIT, *TARGET, "--weight", "w")["overall"]
    assert (overall["rows"], overall["weight_sum"], overall["mean_loss"]) == (1000, 0, None)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_without_rows(tmp_path: Path, score: Any, name: str) -> None:
    columns = {key: values[:0] for key, values in flights().items()}
    report = score(write(tmp_path, columns, name), *LOGIT, *TARGET, "--by", "carrier")
    assert report["groups"] == []
    assert report["overall"]["rows"] == 0
    assert report["overall"]["mean_loss"] is None


def test_infinite_logits_have_their_limits(tmp_path: Path, score: Any) -> None:
    x = np.array([math.inf, -math.inf, 0.0])
    path = write(tmp_path, {"logit": x, "late": np.array([1, 0, 1])})
    assert score(path, *LOGIT, *TARGET)["overall"]["mean_loss"] == pytest.approx(math.log(2) / 3)
    path = write(tmp_path, {"logit": x, "late": np.array([0, 0, 1])})
    assert score(path, *LOGIT, *TARGET)["overall"]["mean_loss"] is None
    assert main(["score", str(path), *LOGIT, *TARGET]) == 0


def test_wide_logits_are_not_clipped(tmp_path: Path, score: Any) -> None:
    path = write(tmp_path, {"logit": np.array([-1000.0, -20.0]), "late": np.array([1.0, 0.0])})
    assert score(path, *LOGIT, *TARGET)["overall"]["mean_loss"] == 500.0 + 1.03057681120935e-09
    path = write(tmp_path, {"logit": np.array([-20.0, -20.0]), "late": np.array([0, 0])})
    mean = score(path, *LOGIT, *TARGET)["overall"]["mean_loss"]
    assert mean == pytest.approx(2.061153620314381e-09, rel=1e-15)


def test_columns_of_a_plain_array(tmp_path: Path, score: Any) -> None:
    columns = flights()
    table = np.stack([columns["logit"], columns["late"], columns["other"]], 1)
    expected = figures(columns["logit"], columns["late"])
    for order in "CF":
        np.save(tmp_path / "table.npy", np.array(table, order=order))
        report = score(tmp_path / "table.npy", "--logit", "0", "--target", "1")
        check(report["overall"], expected)
    np.save(tmp_path / "vector.npy", np.ones(5))
    report = score(tmp_path / "vector.npy", "--logit", "0", "--target", "0")
    check(report["overall"], {"rows": 5, "mean_loss": math.log1p(math.exp(-1))})


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [False, True])
def test_columns_of_arrays_in_npz(tmp_path: Path, score: Any, order: Any, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    rows = 150_001
    x = np.array(rng.normal(0, 3, (rows, 3)), order=order)
    y = np.array(rng.random((rows, 3)) < 0.2, order=order)
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", x=x, y=y, w=np.ones(rows), note=np.array("of another shape"))
    arguments = ["--logit", "x[2],x[0]", "--target", "y[2],y[0]", "--weight", "w"]
    report = score(tmp_path / "a.npz", *arguments)
    check(report["overall"], {"rows": rows} | figures(x[:, [2, 0]], y[:, [2, 0]]))
    for label, column in enumerate([2, 0]):
        assert report["overall"]["labels"][label]["label"] == f"y[{column}]"
        check(report["overall"]["labels"][label], figures(x[:, column], y[:, column]))


def test_columns_of_a_field_with_a_shape(tmp_path: Path, score: Any) -> None:
    array = np.zeros(5, [("x", "f4", (2,)), ("y", "i1", (2,)), ("y[1]", "i1")])
    array["x"] = [[1, 2]] * 5
    array["y"][:, 0] = 1
    np.save(tmp_path / "a.npy", array)
    report = score(tmp_path / "a.npy", "--logit", "x[0],x[1]", "--target", "y[0],y[1]")
    check(report["overall"]["labels"][0], figures(np.full(5, 1.0), np.ones(5)))
    check(report["overall"]["labels"][1], figures(np.full(5, 2.0), np.zeros(5)))


def test_csv_with_quotes_blank_lines_and_a_byte_order_mark(tmp_path: Path, score: Any) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbflogit,late,"by ""x"""\r\n 1.5 ,1,"a,\r\nb"\r\n\r\n"-2",0,"a,\r\nb"\r\n'
    )
    report = score(path, *LOGIT, *TARGET, "--by", 'by "x"')
    check(report["overall"], {"rows": 2} | figures(np.array([1.5, -2]), np.array([1, 0])))
    assert [group["group"] for group in report["groups"]] == ["a,\r\nb"]


def test_texts_of_several_lines_across_the_blocks_of_a_csv(tmp_path: Path, score: Any) -> None:
    rows = 100_000
    path = tmp_path / "a.csv"
    record = '"a\n' + "1,2,3\n" * 20 + '",1.5,1\n'
    path.write_text("note,logit,late\n" + record * rows)
    overall = score(path, *LOGIT, *TARGET)["overall"]
    assert (overall["rows"], overall["positives"]) == (rows, rows)


@pytest.mark.parametrize("name", ["csv", "parquet", "ipc", "stream", "npy", "npz"])
def test_chunks_are_bounded_complete_and_report_their_position(tmp_path: Path, name: str) -> None:
    rows = 200_000
    columns = {"logit": np.arange(rows) / 8, "late": np.zeros(rows), "by": np.arange(rows) % 2}
    path = tmp_path / WRITERS[name][0]
    if name in ("ipc", "stream"):  # one batch of all rows
        table = pa.table(columns)
        new = pa.ipc.new_file if name == "ipc" else pa.ipc.new_stream
        with new(str(path), table.schema) as writer:
            writer.write_table(table)
    else:
        WRITERS[name][1](path, columns)
    wanted = Wanted(("logit", "late"), "by")
    chunks = list(read(str(path), wanted))
    assert max(chunk.rows for chunk in chunks) <= wanted.chunk_rows == 65_536
    assert min(chunk.rows for chunk in chunks) > 0
    starts = np.cumsum([1] + [chunk.rows for chunk in chunks])
    assert [chunk.first_row for chunk in chunks] == starts[:-1].tolist()
    logits = np.concatenate([chunk.numbers["logit"] for chunk in chunks])
    np.testing.assert_array_equal(logits, columns["logit"])
    positions = [chunk.position for chunk in chunks]
    size = path.stat().st_size
    assert positions == sorted(positions)
    assert 0.9 * size <= positions[-1] <= size


def test_chunks_have_fewer_rows_the_more_columns_there_are() -> None:
    assert Wanted(tuple(map(str, range(64)))).chunk_rows == 16_384
    assert Wanted(tuple(map(str, range(10_000)))).chunk_rows == 4_096


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("logit,late,w,by\n0,1,2,x\n0,0,2,long name\n0,0,0.5,x\n")
    assert main(["score", str(path), *LOGIT, *TARGET]) == 0
    assert capsys.readouterr().out == (
        "rows  positives  base rate  mean loss  normalized entropy  calibration\n"
        "   3          1   0.333333   0.693147             1.08897      1.50000\n"
    )
    arguments = ["--by", "by", "--weight", "w", "--pos-weight", "balanced"]
    assert main(["score", str(path), *LOGIT, *TARGET, *arguments]) == 0
    assert capsys.readouterr().out == (
        "by         rows   weight  positives  base rate  mean loss  normalized entropy  "
        "calibration\n"
        "long name     1        2          0    0.00000   0.693147                 nan  "
        "        nan\n"
        "x             2  2.50000          2   0.800000    1.24766             2.49332  "
        "   0.625000\n"
        "all           3  4.50000          2   0.444444    1.00121             1.45745  "
        "    1.12500\n"
        "pos_weight: 2.00000\n"
    )


def test_the_table_of_several_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,y,z,by\n0,0,1,0,k\n0,0,0,0,k\n")
    arguments = ["--logit", "a,b", "--target", "y,z", "--by", "by"]
    assert main(["score", str(path), *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ["by", "label", "rows", "positives"],
        ["k", "y", "2", "1"],
        ["k", "z", "2", "0"],
        ["k", "all", "2", "1"],
        ["all", "y", "2", "1"],
        ["all", "z", "2", "0"],
        ["all", "all", "2", "1"],
    ]
    assert lines[-1].split()[4:] == ["0.250000", "0.693147", "1.23262", "2.00000"]


def test_large_counts_have_separators(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, {"logit": np.zeros(12_345), "late": np.ones(12_345)})
    assert main(["score", str(path), *LOGIT, *TARGET]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["12,345", "12,345"]


def test_names_cannot_break_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path,
        {"logit": np.zeros(1), "late": np.ones(1), "by": np.array(["\x1b[31m\nred [bold]"])},
    )
    assert main(["score", str(path), *LOGIT, *TARGET, "--by", "by"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("\\x1b[31m red [bold]  ")


def test_help_explains_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--help"]) == 0
    text = capsys.readouterr().out
    for words in ("weighted_mean", "normalized entropy", "calibration", "data row (the first is 1"):
        assert words in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from bcelogits import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bcelogits {__version__}\n"


def test_python_m_bcelogits(tmp_path: Path) -> None:
    columns = flights()
    path = write(tmp_path, columns, "csv")
    command = [sys.executable, "-m", "bcelogits", "score", str(path), *LOGIT, *TARGET]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, check=True)
    assert done.stderr == b""
    found = json.loads(done.stdout)["overall"]
    check(found, {"rows": 1000} | figures(columns["logit"], columns["late"]))


def test_importing_what_runs_the_command_does_not_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bcelogits", "--version"])
    monkeypatch.delitem(sys.modules, "bcelogits.__main__", raising=False)
    assert importlib.import_module("bcelogits.__main__").main is main


def test_importing_bcelogits_imports_nothing_of_the_command() -> None:
    code = (
        "import sys, bcelogits\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('pyarrow', 'rich')"
        " or m.startswith('bcelogits.cli')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"

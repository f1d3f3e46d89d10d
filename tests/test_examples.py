"""The examples on scikit-learn and training: what they find is right, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

Import = Callable[[str, str], ModuleType]


def example(import_from: Import, name: str, *needs: str) -> ModuleType:
    for package in needs:
        pytest.importorskip(package, reason=f"the example needs {package}, which is not installed")
    return import_from("examples", name)


@pytest.fixture(scope="module")
def grid_search(import_from: Import) -> ModuleType:
    return example(import_from, "grid_search", "sklearn")


class TestGridSearch:
    def test_main(self, grid_search: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
        grid_search.main()
        header, *rows, best = capsys.readouterr().out.splitlines()
        assert header.split()[0] == "C"
        assert best.startswith("best: C = 1,")
        differences = {float(row.split()[0]): float(row.split()[-1]) for row in rows}
        assert list(differences) == grid_search.PENALTIES
        # Small logits: the two losses are one. Large ones: probabilities have lost what they cost.
        assert all(abs(differences[c]) < 1e-12 for c in (1e-2, 1e-1, 1.0))
        assert differences[1e8] > 1


@pytest.fixture(scope="module")
def multi_label(import_from: Import) -> ModuleType:
    return example(import_from, "multi_label", "scipy", "sklearn")


class TestMultiLabel:
    def test_gradient_agrees_with_central_differences(self, multi_label: ModuleType) -> None:
        rng = np.random.default_rng(1)
        features, labels = rng.normal(size=(40, 3)), rng.random((40, 2)) < 0.3
        params, pos_weight = rng.normal(size=6), np.array([2.0, 0.5])
        _, gradient = multi_label.objective(params, features, labels, pos_weight, 0.1)
        step = 1e-5
        for index, shift in enumerate(step * np.eye(6)):
            above, _ = multi_label.objective(params + shift, features, labels, pos_weight, 0.1)
            below, _ = multi_label.objective(params - shift, features, labels, pos_weight, 0.1)
            assert gradient[index] == pytest.approx((above - below) / (2 * step), abs=1e-9)

    def test_each_label_is_a_logistic_regression(self, multi_label: ModuleType) -> None:
        """Together they are what scikit-learn fits to each label alone."""
        linear_model = pytest.importorskip(
            "sklearn.linear_model", reason="the peer, scikit-learn, is not installed"
        )
        features, labels = multi_label.load()
        features, labels = features[:600], labels[:600, :2]
        l2 = 1e-2
        coefficients = multi_label.fit(features, labels, l2)
        for label, found in zip(labels.T, coefficients.T, strict=True):
            peer = linear_model.LogisticRegression(
                C=1 / (l2 * labels.size),
                class_weight={True: (~label).sum() / label.sum(), False: 1},
                fit_intercept=False,  # the column of ones is one of the features
                solver="newton-cholesky",
                tol=1e-10,
            ).fit(features, label)
            np.testing.assert_allclose(found, peer.coef_[0], atol=2e-3)

    def test_main(self, multi_label: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
        multi_label.main()
        _, *rows, last = capsys.readouterr().out.splitlines()
        assert len(rows) == 10
        for row in rows:
            _, loss, base = map(float, row.split())
            assert loss < 0.5 * base
        assert float(last.split("in ")[1].split("%")[0]) > 94


@pytest.fixture(scope="module")
def hard_examples(import_from: Import) -> ModuleType:
    return example(import_from, "hard_examples", "pyarrow")


class TestHardExamples:
    def test_hardest(self, hard_examples: ModuleType) -> None:
        losses = np.random.default_rng(2).permutation(100).astype(np.float32)
        for share, count in ((0.07, 7), (1.0, 100), (1e-9, 1)):
            rows = hard_examples.hardest(losses, share)
            assert losses[rows].tolist() == list(range(99, 99 - count, -1))

    def test_lifts(self, hard_examples: ModuleType) -> None:
        groups = np.array(["a", "b", "b", "b", "c", "c", "c", "c"])
        assert hard_examples.lifts(groups, np.array([0, 1])) == [
            ("a", 1, 4.0),
            ("b", 1, pytest.approx(4 / 3)),
            ("c", 0, 0.0),
        ]

    def test_main(
        self, hard_examples: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "hard.parquet"
        hard_examples.main(["--share", "0.01", "--output", str(path)])
        printed = capsys.readouterr().out
        assert "the hardest 400 of 40,000 flights hold" in printed
        assert "wrote 400 flights" in printed
        table = hard_examples.pa.parquet.read_table(path)
        logit, target, loss = (table[c].to_numpy() for c in ("logit", "target", "loss"))
        assert np.all(np.diff(loss) <= 0)
        expected = np.logaddexp(0, logit.astype(np.float64)) - target * logit
        np.testing.assert_allclose(loss, expected, rtol=1e-6)

    @pytest.mark.parametrize("share", ["0", "1.5", "nan"])
    def test_bad_share(
        self, hard_examples: ModuleType, share: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            hard_examples.main(["--share", share])
        assert "--share" in capsys.readouterr().err

"""The worked examples of documents that describe this loss, with their values.

Decimals are right to the last digit given; they come from 160-bit arithmetic.
"""

from __future__ import annotations

import numpy as np
import pytest
import reference

import bcelogits
from bcelogits import BCEWithLogitsLoss, binary_cross_entropy_with_logits


class TestPyTorch:
    """The reference manual of PyTorch, and of its ports to R and oneflow that repeat it."""

    def test_64_classes_batch_of_10(self):
        target = np.ones((10, 64), np.float32)
        output = np.full((10, 64), 1.5, np.float32)
        criterion = BCEWithLogitsLoss(pos_weight=np.ones(64, np.float32))
        loss = criterion(output, target)
        assert isinstance(loss, np.float32)
        # R prints 0.201413, Python tensor(0.2014): -log(sigmoid(1.5)).
        assert f"{loss:.6f}" == "0.201413"
        assert loss == np.float32(0.20141327798275241)

    def test_64_classes_in_double(self):
        loss = BCEWithLogitsLoss(pos_weight=np.ones(64))(np.full((10, 64), 1.5), np.ones((10, 64)))
        assert loss == pytest.approx(0.20141327798275241, rel=2.3e-16)

    def test_unreduced_with_default_weights(self):
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal(3), rng.integers(0, 2, 3)
        loss = binary_cross_entropy_with_logits(x, y, reduction="none")
        expected = [float(reference.exact("loss", *xy)) for xy in zip(x, y, strict=True)]
        np.testing.assert_allclose(loss, expected, rtol=2.3e-16)

    @pytest.mark.parametrize("shape", [(3, 1, 1), (3, 4, 5), (2, 3, 4, 5)])
    def test_pos_weight_over_images(self, shape):
        """(C, 1, 1) is one weight per class, (C, H, W) and (N, C, H, W) are finer."""
        rng = np.random.default_rng(1)
        x = rng.standard_normal((2, 3, 4, 5))
        y = rng.integers(0, 2, x.shape)
        pos_weight = rng.uniform(0.5, 5, shape)
        loss = BCEWithLogitsLoss(reduction="none", pos_weight=pos_weight)(x, y)
        assert loss.shape == x.shape
        weights = np.broadcast_to(pos_weight, x.shape)
        expected = [
            float(reference.exact("loss", a, b, 1, p))
            for a, b, p in zip(x.ravel(), y.ravel(), weights.ravel(), strict=True)
        ]
        np.testing.assert_allclose(loss.ravel(), expected, rtol=7e-16)

    def test_300_negatives_100_positives(self):
        """pos_weight 3 acts as if there were 300 positives."""
        x, y = np.full(400, 0.25), np.repeat([1.0, 0.0], [100, 300])
        tripled = np.full(600, 0.25), np.repeat([1.0, 0.0], [300, 300])
        assert binary_cross_entropy_with_logits(x, y, reduction="sum", pos_weight=3) == (
            pytest.approx(binary_cross_entropy_with_logits(*tripled, reduction="sum"), rel=1e-15)
        )


REDUCTIONS = {
    # size_average, reduce: the reduction, as PyTorch's manual defines the two.
    (None, None): None,
    (None, True): "mean",
    (None, False): "none",
    (True, None): "mean",
    (True, True): "mean",
    (True, False): "none",
    (False, None): "sum",
    (False, True): "sum",
    (False, False): "none",
}


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(("legacy", "meaning"), REDUCTIONS.items())
class TestLegacyArguments:
    """size_average and reduce override reduction, whatever it says."""

    x, y = np.array([[0.5, -2.0], [3.0, 0.0]]), np.array([[1, 0], [0, 1]])

    def expected(self, reduction):
        return binary_cross_entropy_with_logits(self.x, self.y, reduction=reduction)

    def test_function(self, legacy, meaning, reduction):
        if meaning is None:
            loss = binary_cross_entropy_with_logits(self.x, self.y, None, *legacy, reduction)
            meaning = reduction
        else:
            with pytest.warns(DeprecationWarning, match=f"reduction='{meaning}'"):
                loss = binary_cross_entropy_with_logits(self.x, self.y, None, *legacy, reduction)
        np.testing.assert_array_equal(loss, self.expected(meaning))
        assert np.shape(loss) == ((2, 2) if meaning == "none" else ())

    def test_class(self, legacy, meaning, reduction):
        if meaning is None:
            criterion = BCEWithLogitsLoss(None, *legacy, reduction)
            meaning = reduction
        else:
            with pytest.warns(DeprecationWarning, match=f"reduction='{meaning}'"):
                criterion = BCEWithLogitsLoss(None, *legacy, reduction)
        assert criterion.reduction == meaning
        np.testing.assert_array_equal(criterion(self.x, self.y), self.expected(meaning))


class TestGuide:
    """A guide that prints 0.4170 for the mean of these four, which is not their mean."""

    logits, targets = [0.2, -1.5, 3.0, 0.7], [1, 0, 1, 0]

    def test_mean(self):
        loss = binary_cross_entropy_with_logits(self.logits, self.targets)
        assert loss == pytest.approx(0.48783138695588604, rel=2.3e-16)
        assert f"{loss:.8f}" == "0.48783139"
        assert abs(loss - 0.4170) > 0.07

    def test_float32(self):
        loss = binary_cross_entropy_with_logits(np.float32(self.logits), self.targets)
        assert f"{loss:.7f}" == "0.4878314"

    def test_elements(self):
        np.testing.assert_allclose(
            binary_cross_entropy_with_logits(self.logits, self.targets, reduction="none"),
            [0.5981388693815918, 0.20141327798275241, 0.048587351573742058, 1.1031860488854582],
            rtol=2.3e-16,
        )


class TestLucid:
    """The manual of lucid, which prints no values."""

    def test_raw_logits(self):
        criterion = BCEWithLogitsLoss()
        loss = criterion([2.0, -1.0, 0.5, -3.0], [1.0, 0.0, 1.0, 0.0])
        assert loss == pytest.approx(0.24071350857876102, rel=2.3e-16)

    def test_positives_times_10(self):
        criterion = BCEWithLogitsLoss(pos_weight=[10.0])
        loss = criterion([0.2, -0.8, 1.5], [1.0, 0.0, 1.0])
        assert loss == pytest.approx(2.7888740465304067, rel=3 * 2.3e-16)
        unweighted = BCEWithLogitsLoss()([0.2, -0.8, 1.5], [1.0, 0.0, 1.0])
        assert unweighted == pytest.approx(0.39021760443737399, rel=2.3e-16)

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    def test_repr(self, reduction):
        criterion = BCEWithLogitsLoss(reduction=reduction)
        assert criterion.extra_repr() == f"reduction='{reduction}'"
        assert repr(criterion) == f"BCEWithLogitsLoss(reduction='{reduction}')"


class TestTypeScript:
    """The manual of a TypeScript library of PyTorch's interface; its inputs are random."""

    rng = np.random.default_rng(2)

    def check(self, criterion, x, y, p=1.0):
        loss = criterion(x, y)
        assert loss.dtype == x.dtype
        exact = [
            reference.exact("loss", *xy, 1, p) for xy in zip(x.ravel(), y.ravel(), strict=True)
        ]
        total = reference.exact_sums(exact, [x.size])[x.size]
        assert float(loss) == pytest.approx(float(total / x.size), rel=3 * 1.2e-7)

    def test_integer_targets(self):
        x = self.rng.standard_normal((32, 1)).astype(np.float32)
        self.check(BCEWithLogitsLoss(), x, self.rng.integers(0, 2, (32, 1)))

    def test_pos_weight_of_one_element(self):
        x = self.rng.standard_normal((32, 1)).astype(np.float32)
        y = self.rng.integers(0, 2, (32, 1)).astype(np.float32)
        self.check(BCEWithLogitsLoss(pos_weight=np.array([5.0], np.float32)), x, y, 5.0)

    def test_multi_label(self):
        x = self.rng.standard_normal((32, 10)).astype(np.float32)
        self.check(BCEWithLogitsLoss(), x, self.rng.integers(0, 2, (32, 10)))

    def test_predictions(self):
        logits = np.array([[-2, 0, 2], [-1, 1, 3]], np.float32)
        probabilities = bcelogits.sigmoid(logits)
        np.testing.assert_allclose(
            probabilities,
            [
                [0.11920292202211756, 0.5, 0.88079707797788244],
                [0.26894142136999512, 0.73105857863000488, 0.95257412682243322],
            ],
            rtol=1.2e-7,
        )
        np.testing.assert_array_equal(probabilities > 0.5, [[0, 0, 1], [0, 1, 1]])

    def test_400_samples_with_100_positives(self):
        target = np.zeros(400)
        target[:100] = 1
        assert bcelogits.balanced_pos_weight(target) == 3

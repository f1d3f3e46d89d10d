"""What objects keep of their arguments: copies that nobody changes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bcelogits import BCEWithLogitsLoss, RunningLoss, boosting
from bcelogits import binary_cross_entropy_with_logits as loss


class TestKeptArguments:
    @pytest.mark.parametrize("name", ["weight", "pos_weight"])
    def test_are_copies_that_nobody_changes(self, name):
        x, y = np.array([0.2, 1.0]), np.array([1, 1])
        kept = np.array([5.0, 2.0])
        criterion = BCEWithLogitsLoss(**{name: kept})
        expected = loss(x, y, **{name: kept.copy()})
        kept[:] = -5
        assert criterion(x, y) == criterion.forward(x, y) == expected
        with pytest.raises(ValueError, match="read-only"):
            getattr(criterion, name)[0] = -5
        again = pickle.loads(pickle.dumps(criterion))
        assert again(x, y) == expected
        assert not getattr(again, name).flags.writeable

    def test_keep_their_order_and_type(self):
        weight = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
        kept = BCEWithLogitsLoss(weight).weight
        assert kept.dtype == weight.dtype
        assert kept.flags.f_contiguous

    @pytest.mark.parametrize(
        "name", ["weight", "pos_weight", "reduction", "label_smoothing", "ignore_index", "check",
                 "num_threads"]
    )  # fmt: skip
    def test_attributes_are_read_only(self, name):
        criterion = BCEWithLogitsLoss()
        with pytest.raises(AttributeError):
            setattr(criterion, name, getattr(criterion, name))

    def test_of_a_stream_and_of_objectives(self):
        p = np.array([3.0])
        running, objective = RunningLoss(pos_weight=p), boosting.lightgbm(pos_weight=p)
        p[0] = -5
        running.update([0.2], [1])
        assert running.compute() == loss([0.2], [1], pos_weight=3)
        grad, _ = objective(np.array([1]), np.array([0.0]))
        assert grad[0] == -1.5

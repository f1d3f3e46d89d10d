"""The figures of the report, derived from sums."""

import math
from dataclasses import dataclass

from bcelogits._entropy import entropy


@dataclass(frozen=True)
class Summary:
    """Sums over some values, and what follows from them.

    Attributes
    ----------
    rows : int
        Data rows.
    count : int
        Values: rows times labels.
    weight_sum : float
        Sum of the weights w, each 1 where none are given.
    positives : float
        Sum of w*y.
    prediction_sum : float
        Sum of w*sigmoid(logit).
    loss_sum : float
        Sum of the losses, weights included.
    """

    rows: int
    count: int
    weight_sum: float
    positives: float
    prediction_sum: float
    loss_sum: float

    @property
    def base_rate(self) -> float:
        """Weighted mean of the targets."""
        return _ratio(self.positives, self.weight_sum)

    @property
    def mean_prediction(self) -> float:
        """Weighted mean of the predicted probabilities."""
        return _ratio(self.prediction_sum, self.weight_sum)

    @property
    def mean_loss(self) -> float:
        """Sum of the weighted losses over the sum of the weights."""
        return _ratio(self.loss_sum, self.weight_sum)

    @property
    def normalized_entropy(self) -> float:
        """Mean loss over the entropy of the base rate, both in nats; NaN where that is 0.

        The entropy is the mean loss of always predicting the base rate. Source: X. He et al.,
        Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD 2014, section 2.
        """
        return _ratio(self.mean_loss, entropy(self.base_rate))

    @property
    def calibration(self) -> float:
        """Mean prediction over base rate; NaN for a base rate of 0."""
        return _ratio(self.mean_prediction, self.base_rate)


def _ratio(numerator: float, denominator: float) -> float:
    """Divide; by 0 there is no value, whatever the numerator."""
    return numerator / denominator if denominator else math.nan

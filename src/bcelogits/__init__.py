"""Binary cross entropy with logits for NumPy arrays: accurate to the last bit, and fast."""

from bcelogits._core import __version__
from bcelogits._derivatives import grad_and_hess, value_and_grad
from bcelogits._functions import balanced_pos_weight, log_sigmoid, sigmoid, softplus
from bcelogits._info import active_isa, get_include, show_config, supported_isas
from bcelogits._loss import BCEWithLogitsLoss, binary_cross_entropy_with_logits
from bcelogits._running import RunningLoss
from bcelogits._threads import get_num_threads, set_num_threads

__all__ = [
    "BCEWithLogitsLoss",
    "RunningLoss",
    "__version__",
    "active_isa",
    "balanced_pos_weight",
    "binary_cross_entropy_with_logits",
    "get_include",
    "get_num_threads",
    "grad_and_hess",
    "log_sigmoid",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "softplus",
    "supported_isas",
    "value_and_grad",
]

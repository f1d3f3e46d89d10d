"""Binary cross entropy with logits for PyTorch, on the CPU: a drop-in for torch's own."""

from bcelogits.torch._loss import BCEWithLogitsLoss, binary_cross_entropy_with_logits

__all__ = ["BCEWithLogitsLoss", "binary_cross_entropy_with_logits"]

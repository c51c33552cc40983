"""Losses against PyTorch in f64: python3 losses.py writes losses.txt."""
import torch
from torch.nn import functional

from table import Table

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)
table = Table(__file__, torch)
CLASSES = 5


def write(name, loss, inputs, gradients):
    loss.backward()
    for label, tensor in inputs.items():
        table.add(name, label, tensor.detach())
    for label, tensor in gradients.items():
        table.add(name, f"d:{label}", tensor.grad)
    table.add(name, "loss", loss.detach())


def cross_entropy(name, targets, **options):
    targets = torch.tensor(targets)
    logits = (3 * torch.randn(*targets.shape, CLASSES)).requires_grad_()
    loss = functional.cross_entropy(logits.reshape(-1, CLASSES), targets.reshape(-1), **options)
    inputs = {"logits": logits, "targets": targets}
    if "weight" in options:
        inputs["class_weights"] = options["weight"]
    write(name, loss, inputs, {"logits": logits})


WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0])
TARGETS = [[0, 4, 2], [1, 1, 3]]
HOLES = [[0, -100, 2], [-100, 1, 4]]
cross_entropy("cross_entropy", TARGETS)
cross_entropy("cross_entropy_sum", TARGETS, reduction="sum")
cross_entropy("cross_entropy_ignore", HOLES)
cross_entropy("cross_entropy_smooth", TARGETS, label_smoothing=0.1)
cross_entropy("cross_entropy_smooth_ignore", HOLES, label_smoothing=0.2)
cross_entropy("cross_entropy_weights", TARGETS, weight=WEIGHTS)
cross_entropy("cross_entropy_weights_ignore", HOLES, weight=WEIGHTS)
cross_entropy("cross_entropy_all_options", HOLES, weight=WEIGHTS, label_smoothing=0.3)
cross_entropy("cross_entropy_all_options_sum", HOLES, weight=WEIGHTS, label_smoothing=0.3,
              reduction="sum")
cross_entropy("cross_entropy_one_row", 3)


def masked():
    """Weights of positions: PyTorch has none, but reduction="none" and a weighted mean."""
    targets, mask = torch.tensor(TARGETS), torch.tensor([[1.0, 0.0, 1.0], [0.5, 2.0, 0.0]])
    logits = (3 * torch.randn(2, 3, CLASSES)).requires_grad_()
    each = functional.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")
    write("cross_entropy_mask", (each * mask).sum() / mask.sum(),
          {"logits": logits, "targets": targets, "mask": mask}, {"logits": logits})


def extreme():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]]).requires_grad_()
    targets = torch.tensor([1, 2])
    write("cross_entropy_extreme", functional.cross_entropy(logits, targets),
          {"logits": logits, "targets": targets}, {"logits": logits})


def pairwise(name, function, prediction, target):
    prediction.requires_grad_()
    target.requires_grad_()
    write(name, function(prediction, target), {"prediction": prediction, "target": target},
          {"prediction": prediction, "target": target})


masked()
extreme()
pairwise("mse", functional.mse_loss, torch.randn(3, 4), torch.randn(3, 4))
pairwise("mae", functional.l1_loss, torch.randn(3, 4), torch.randn(3, 4))
pairwise("huber", lambda p, t: functional.huber_loss(p, t, delta=0.7), torch.randn(3, 4),
         torch.randn(3, 4))
pairwise("binary", functional.binary_cross_entropy_with_logits,
         torch.tensor([0.0, 3.0, -2.0, 40.0, -40.0, 700.0, -700.0, 0.5]),
         torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.3]))
table.write()

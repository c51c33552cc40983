"""CTC and the losses of losses.h against PyTorch in f64: writes sequence_losses.txt."""
import torch
from torch.nn import functional

from table import Table

torch.set_default_dtype(torch.float64)
torch.manual_seed(6)
table = Table(__file__, torch)


def write(name, loss, inputs, gradients, upstream=None):
    (loss if upstream is None else loss * upstream).sum().backward()
    for label, tensor in inputs.items():
        table.add(name, label, tensor.detach())
    for label, tensor in gradients.items():
        table.add(name, f"d:{label}", tensor.grad)
    table.add(name, "loss", loss.detach())


def ctc(name, steps, labels, targets, input_lengths, target_lengths, upstream=None, **options):
    """The logits' gradient goes through log_softmax, as in practice."""
    targets, batch = torch.tensor(targets), len(input_lengths)
    logits = (2 * torch.randn(steps, batch, labels)).requires_grad_()
    lengths = {"input_lengths": torch.tensor(input_lengths),
               "target_lengths": torch.tensor(target_lengths)}
    loss = functional.ctc_loss(logits.log_softmax(-1), targets, *lengths.values(), **options)
    inputs = {"logits": logits, "targets": targets, **lengths}
    if upstream is not None:
        upstream = torch.tensor(upstream)
        inputs["upstream"] = upstream
    write(name, loss, inputs, {"logits": logits}, upstream)


TARGETS = [[1, 2, 3, 4], [2, 2, 1, 1], [3, 0, 0, 0], [4, 4, 4, 0], [0, 0, 0, 0]]
LENGTHS = ([12, 9, 1, 5, 7], [4, 4, 1, 3, 0])
ctc("ctc_mean", 12, 5, TARGETS, *LENGTHS)
ctc("ctc_sum", 12, 5, TARGETS, *LENGTHS, reduction="sum")
ctc("ctc_none", 12, 5, TARGETS, *LENGTHS, reduction="none", upstream=[1.0, -2.0, 0.5, 3.0, 1.5])
ctc("ctc_blank_last", 12, 5, [[0, 1, 2, 3], [2, 2, 1, 1], [3, 0, 0, 0], [3, 3, 3, 0], [0, 0, 0, 0]],
    *LENGTHS, blank=4, reduction="sum")
ctc("ctc_tight", 6, 4, [[1, 2, 3, 1, 2, 3], [1, 1, 2, 2, 0, 0]], [6, 6], [6, 4])
INFEASIBLE = ([[1, 2, 3, 1], [2, 2, 1, 1], [1, 2, 0, 0]], [3, 5, 6], [4, 4, 2])
ctc("ctc_zero_infinity", 6, 4, *INFEASIBLE, zero_infinity=True)
ctc("ctc_zero_infinity_sum", 6, 4, *INFEASIBLE, zero_infinity=True, reduction="sum")
ctc("ctc_long", 60, 12, torch.randint(1, 12, (3, 20)).tolist(), [60, 51, 44], [20, 11, 17])


def elements(name, function, *inputs, **constants):
    for tensor in inputs:
        tensor.requires_grad_()
    named = dict(zip("abc", inputs))
    write(name, function(*inputs), {**named, **constants}, named)


SCORES, CLASSES = torch.randn(4, 5), torch.tensor([0, 3, 4, 1])
SIGNS = torch.tensor([1, -1, -1, 1, 1.0])


def focal(z, t, gamma, alpha):
    """The paper's formula, since PyTorch has none."""
    p = torch.sigmoid(z)
    p_t = p * t + (1 - p) * (1 - t)
    a_t = 1 if alpha == 0 else alpha * t + (1 - alpha) * (1 - t)
    return (-a_t * (1 - p_t) ** gamma * p_t.log()).mean()


def focal_softmax(z, t, gamma):
    p = z.softmax(-1).gather(-1, t[:, None])
    return (-(1 - p) ** gamma * p.log()).mean()


def copy(tensor):
    return tensor.clone().detach()


elements("hinge", lambda z: functional.relu(1 - SIGNS * z).mean(), torch.randn(5), targets=SIGNS)
elements("hinge_squared", lambda z: (functional.relu(0.5 - SIGNS * z) ** 2).sum(), torch.randn(5),
         targets=SIGNS)
elements("multi_margin", lambda z: functional.multi_margin_loss(z, CLASSES), copy(SCORES),
         targets=CLASSES)
elements("multi_margin_squared",
         lambda z: functional.multi_margin_loss(z, CLASSES, p=2, margin=0.7, reduction="sum"),
         copy(SCORES), targets=CLASSES)
elements("focal", lambda z: focal(z, (SIGNS + 1) / 2, 2, 0.25), 3 * torch.randn(5),
         targets=(SIGNS + 1) / 2)
elements("focal_gamma", lambda z: focal(z, (SIGNS + 1) / 2, 0.5, 0), 3 * torch.randn(5),
         targets=(SIGNS + 1) / 2)
elements("focal_softmax", lambda z: focal_softmax(z, CLASSES, 2), copy(SCORES), targets=CLASSES)
P, Q = torch.randn(4, 3).softmax(-1), torch.randn(4, 3).log_softmax(-1)
elements("kl_mean", lambda q, p: functional.kl_div(q, p, reduction="batchmean"), copy(Q), copy(P))
elements("kl_none", lambda q, p: functional.kl_div(q, p, reduction="none"), copy(Q), copy(P))
A, B, N = torch.randn(5, 3), torch.randn(5, 3), torch.randn(5, 3)
elements("smooth_l1", lambda a, b: functional.smooth_l1_loss(a, b, beta=0.7), copy(A), copy(B))
elements("poisson", lambda a, b: functional.poisson_nll_loss(a, b), copy(A), copy(B).abs())
elements("gaussian", lambda a, b, c: functional.gaussian_nll_loss(a, b, c), copy(A), copy(B),
         copy(N).abs() + 0.1)
elements("cosine_similarity", lambda a, b: functional.cosine_similarity(a, b, dim=-1), copy(A),
         copy(B))
elements("cosine_embedding",
         lambda a, b: functional.cosine_embedding_loss(a, b, SIGNS, margin=-0.2), copy(A), copy(B),
         targets=SIGNS)
elements("triplet", lambda a, b, c: functional.triplet_margin_loss(a, b, c, margin=0.8), copy(A),
         copy(B), copy(N))
table.write()

"""Adaptive softmax and mixtures against PyTorch in f64: python3 outputs.py writes outputs.txt."""
import torch
from torch import distributions

from table import Table

torch.set_default_dtype(torch.float64)
torch.manual_seed(6)
table = Table(__file__, torch)


def add_all(name, **tensors):
    for label, tensor in tensors.items():
        table.add(name, label.replace("__", ":"), tensor.detach())


# ---- adaptive softmax ----------------------------------------------------------------------------

def adaptive(name, classes, cutoffs, targets, div_value=4.0, head_bias=False, in_=8):
    module = torch.nn.AdaptiveLogSoftmaxWithLoss(in_, classes, cutoffs, div_value=div_value, head_bias=head_bias)
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter)
    x = torch.randn(len(targets), in_).requires_grad_()
    targets = torch.tensor(targets)
    loss = module(x, targets).loss
    loss.backward()
    add_all(name, x=x, d__x=x.grad, targets=targets, loss=loss, log_p=module.log_prob(x))
    named = {"a.W_head": module.head.weight}
    for i, (first, second) in enumerate(module.tail):
        named[f"a.W_in{i}"], named[f"a.W_out{i}"] = first.weight, second.weight
    for label, parameter in named.items():
        grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        table.add(name, label, parameter.detach().T)
        table.add(name, f"d:{label}", grad.T)
    if head_bias:
        table.add(name, "a.b_head", module.head.bias.detach())
        table.add(name, "d:a.b_head", module.head.bias.grad)


adaptive("adaptive", 12, [3, 7], [0, 2, 3, 6, 7, 11, 3, 1])
adaptive("adaptive_bias", 9, [4], [8, 0, 4, 5], div_value=2.0, head_bias=True)
adaptive("adaptive_many", 10, [1, 2, 4], [9] * 20, div_value=2.0)
adaptive("adaptive_head_only", 6, [3], [0, 1, 2])

# ---- mixtures ------------------------------------------------------------------------------------

def mixture(name, K, width, correlated=False, mask=None):
    raw = torch.randn(3, 2, K * (1 + 2 * width + correlated)).requires_grad_()
    target = torch.randn(3, 2, width).requires_grad_()
    w, mu, s, r = raw.split([K, K * width, K * width, K * correlated], dim=-1)
    mu, s = mu.reshape(3, 2, K, width), s.reshape(3, 2, K, width)
    if correlated:
        sigma, rho = s.exp(), r.tanh()
        cross = rho * sigma[..., 0] * sigma[..., 1]
        covariance = torch.stack([torch.stack([sigma[..., 0] ** 2, cross], -1),
                                  torch.stack([cross, sigma[..., 1] ** 2], -1)], -1)
        component = distributions.MultivariateNormal(mu, covariance)
    else:
        component = distributions.Independent(distributions.Normal(mu, s.exp()), 1)
    whole = distributions.MixtureSameFamily(distributions.Categorical(logits=w), component)
    nll = -whole.log_prob(target)
    loss = nll.mean() if mask is None else (nll * mask).sum() / mask.sum()
    loss.backward()
    add_all(name, raw=raw, d__raw=raw.grad, target=target, d__target=target.grad, loss=loss, mean=whole.mean)
    if mask is not None:
        add_all(name, mask=mask)


mixture("mixture_1", 1, 1)
mixture("mixture_3_4", 3, 4)
mixture("mixture_mask", 2, 3, mask=torch.tensor([[1.0, 0.5], [0.0, 1.0], [2.0, 0.0]]))
mixture("mixture_correlated", 3, 2, correlated=True)
table.write()

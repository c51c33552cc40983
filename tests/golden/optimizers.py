"""Twenty steps of torch.optim in f64 on given gradients: python3 optimizers.py writes optimizers.txt."""
import torch

from table import Table

STEPS = 20
torch.set_default_dtype(torch.float64)
torch.manual_seed(1)
table = Table(__file__, torch)
start = {"a": torch.randn(3, 4), "b": torch.randn(5)}
gradients = {k: torch.randn(STEPS, *v.shape) for k, v in start.items()}
for k in start:
    table.add("start", k, start[k])
    table.add("gradients", k, gradients[k])


def run(name, make):
    parameters = {k: v.clone().requires_grad_() for k, v in start.items()}
    optimizer = make(list(parameters.values()))
    history = {k: [] for k in parameters}
    for t in range(STEPS):
        for k, p in parameters.items():
            p.grad = gradients[k][t].clone()
        optimizer.step()
        for k, p in parameters.items():
            history[k].append(p.detach().clone())
    for k in parameters:
        table.add(name, k, torch.stack(history[k]))


SGD, Adam = torch.optim.SGD, torch.optim.Adam
run("sgd", lambda p: SGD(p, lr=0.1))
run("sgd_decay", lambda p: SGD(p, lr=0.1, weight_decay=0.05))
run("sgd_momentum", lambda p: SGD(p, lr=0.05, momentum=0.9))
run("sgd_nesterov", lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01))
run("adam", lambda p: Adam(p))
run("adam_decay", lambda p: Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1))
run("adam_no_memory", lambda p: Adam(p, lr=0.01, betas=(0.0, 0.99)))
table.write()

"""A hundred steps of torch.optim in f64 on given gradients: python3 optimizers.py writes optimizers.txt.

Every tenth step is kept, the first two as well."""
import torch

from table import Table

STEPS = 100
KEPT = [0, 1] + list(range(9, STEPS, 10))
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
            if t in KEPT:
                history[k].append(p.detach().clone())
    for k in parameters:
        table.add(name, k, torch.stack(history[k]))


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023, line by line; torch has none."""

    def __init__(self, parameters, lr, betas, weight_decay):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = beta1 * m + (1 - beta1) * p.grad
                p -= group["lr"] * (c.sign() + group["weight_decay"] * p)
                m.mul_(beta2).add_(p.grad, alpha=1 - beta2)


optim = torch.optim
SGD, Adam = optim.SGD, optim.Adam
run("sgd", lambda p: SGD(p, lr=0.1))
run("sgd_decay", lambda p: SGD(p, lr=0.1, weight_decay=0.05))
run("sgd_momentum", lambda p: SGD(p, lr=0.05, momentum=0.9))
run("sgd_nesterov", lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01))
run("adam", lambda p: Adam(p))
run("adam_decay", lambda p: Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1))
run("adam_no_memory", lambda p: Adam(p, lr=0.01, betas=(0.0, 0.99)))
run("adam_amsgrad", lambda p: Adam(p, lr=0.05, betas=(0.9, 0.9), amsgrad=True))
run("adamw", lambda p: optim.AdamW(p, lr=0.02))
run("nadam", lambda p: optim.NAdam(p))
run("nadam_decay", lambda p: optim.NAdam(p, lr=0.02, momentum_decay=0.1, weight_decay=0.1, decoupled_weight_decay=True))
run("radam", lambda p: optim.RAdam(p))
run("radam_decay", lambda p: optim.RAdam(p, lr=0.02, betas=(0.8, 0.9), weight_decay=0.1))
run("adamax", lambda p: optim.Adamax(p))
run("adamax_decay", lambda p: optim.Adamax(p, lr=0.02, betas=(0.8, 0.9), weight_decay=0.1))
run("rmsprop", lambda p: optim.RMSprop(p))
run("rmsprop_centred", lambda p: optim.RMSprop(p, lr=0.02, alpha=0.9, centered=True, weight_decay=0.1))
run("rmsprop_momentum", lambda p: optim.RMSprop(p, lr=0.02, momentum=0.9))
run("rmsprop_both", lambda p: optim.RMSprop(p, lr=0.02, momentum=0.5, centered=True, eps=0.1))
run("adagrad", lambda p: optim.Adagrad(p))
run("adagrad_decay", lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.05, initial_accumulator_value=0.5, weight_decay=0.1))
run("adadelta", lambda p: optim.Adadelta(p))
run("adadelta_decay", lambda p: optim.Adadelta(p, lr=0.5, rho=0.95, weight_decay=0.1))
run("rprop", lambda p: optim.Rprop(p))
run("rprop_sizes", lambda p: optim.Rprop(p, lr=0.1, etas=(0.3, 1.5), step_sizes=(1e-2, 0.3)))
run("lion", lambda p: Lion(p, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1))


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def lbfgs(name, **options):
    """The parameters and the loss returned, call by call."""
    x = torch.tensor([-1.2, 1.0, -0.5, 0.8, 1.5]).requires_grad_()
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe", **options)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        return loss

    history, losses = [], []
    for _ in range(12):
        losses.append(optimizer.step(closure).detach())
        history.append(x.detach().clone())
    table.add(name, "x", torch.stack(history))
    table.add(name, "loss", torch.stack(losses))


lbfgs("lbfgs", history_size=10)
lbfgs("lbfgs_short", max_iter=3, history_size=2, lr=0.5)
lbfgs("lbfgs_single", max_iter=1, max_eval=6, history_size=5)
table.write()

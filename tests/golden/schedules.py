"""Learning rates of torch.optim.lr_scheduler, step by step: python3 schedules.py writes schedules.txt."""
import math
import warnings

import torch
from torch.optim import lr_scheduler as s

from table import Table

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.float64)
table = Table(__file__, torch)
STEPS = 60


def rates(make, base=0.1, report=None, steps=STEPS):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    schedule = make(optimizer)
    out = []
    for step in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if report is None else schedule.step(report[step])
    return torch.tensor(out)


def run(name, make, **more):
    table.add(name, "lr", rates(make, **more))


run("step", lambda o: s.StepLR(o, 7, gamma=0.5))
run("multistep", lambda o: s.MultiStepLR(o, [5, 20, 20, 41], gamma=0.3))
run("exponential", lambda o: s.ExponentialLR(o, 0.93))
run("cosine", lambda o: s.CosineAnnealingLR(o, 25, eta_min=0.01))
run("restarts", lambda o: s.CosineAnnealingWarmRestarts(o, 9, eta_min=0.01))
run("restarts_longer", lambda o: s.CosineAnnealingWarmRestarts(o, 5, T_mult=2, eta_min=0.001))
run("linear", lambda o: s.LinearLR(o, 0.25, 0.9, 12))
run("polynomial", lambda o: s.PolynomialLR(o, 40, 2.5))
run("function", lambda o: s.LambdaLR(o, lambda n: 1 / (1 + n)))
run("inverse_sqrt", lambda o: s.LambdaLR(o, lambda n: min((n + 1) / 8, math.sqrt(8 / (n + 1)))))
# one step behind the last, OneCycleLR extrapolates, even below 0
run("one_cycle", lambda o: s.OneCycleLR(o, max_lr=0.5, total_steps=50), steps=50)
run("one_cycle_linear", lambda o: s.OneCycleLR(
    o, max_lr=0.5, total_steps=43, pct_start=0.25, anneal_strategy="linear", div_factor=10, final_div_factor=100), steps=43)
run("one_cycle_three", lambda o: s.OneCycleLR(o, max_lr=0.5, total_steps=50, three_phase=True), steps=50)


def cycle(name, make, **options):
    """Momenta of a cycle, and where they take p' = -(1, 2, 3)·(p - target)."""
    p = torch.zeros(3, requires_grad=True)
    optimizer = make([p])
    schedule = s.OneCycleLR(optimizer, max_lr=0.05, total_steps=40, **options)
    momenta, path = [], []
    for step in range(40):
        group = optimizer.param_groups[0]
        momenta.append(group["momentum"] if "momentum" in group else group["betas"][0])
        p.grad = torch.tensor([1.0, 2.0, 3.0]) * (p.detach() - torch.tensor([1.0, -1.0, 0.5]))
        optimizer.step()
        path.append(p.detach().clone())
        if step < 39:
            schedule.step()
    table.add(name, "momentum", torch.tensor(momenta))
    table.add(name, "path", torch.stack(path))


cycle("cycle_sgd", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5))
cycle("cycle_nesterov", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
      base_momentum=0.6, max_momentum=0.8, three_phase=True)
cycle("cycle_adam", lambda p: torch.optim.Adam(p, lr=0.1))
cycle("cycle_adamw", lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1), anneal_strategy="linear")
cycle("cycle_nadam", lambda p: torch.optim.NAdam(p, lr=0.1), pct_start=0.4)
cycle("cycle_radam", lambda p: torch.optim.RAdam(p, lr=0.1))
cycle("cycle_adamax", lambda p: torch.optim.Adamax(p, lr=0.1))
cycle("cycle_rmsprop", lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.9, centered=True))
run("warmup", lambda o: s.SequentialLR(
    o, [s.LinearLR(o, 0.1, 1, 6), s.CosineAnnealingLR(o, 30, eta_min=0.01)], [6]))
run("sequential", lambda o: s.SequentialLR(
    o, [s.ConstantLR(o, 0.5, 100), s.ExponentialLR(o, 0.9), s.StepLR(o, 4, 0.5)], [7, 30]))

g = torch.Generator().manual_seed(3)
report = (torch.linspace(1, 0.5, STEPS) + 0.1 * torch.randn(STEPS, generator=g)).tolist()
report[20] = math.nan
table.add("plateau", "report", torch.tensor(report))
PLATEAUS = [
    {"patience": 2},
    {"mode": "max", "patience": 1, "factor": 0.5},
    {"patience": 0, "threshold": 0.05, "threshold_mode": "abs", "cooldown": 3, "factor": 0.7},
    {"mode": "max", "patience": 3, "threshold": 0.01, "threshold_mode": "abs", "min_lr": 0.004, "factor": 0.3},
    {"patience": 1, "threshold": 0.0, "eps": 0.002, "factor": 0.6},
]
for i, options in enumerate(PLATEAUS):
    run(f"plateau{i}", lambda o: s.ReduceLROnPlateau(o, **options), report=report)
table.write()

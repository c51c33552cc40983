"""Structures and techniques in f64 against PyTorch: python3 structure.py writes structure.txt.

A bidirectional two-layer LSTM over rows of different lengths, forward and every gradient, by
pack_padded_sequence; its dropout-free residual form and other merges, zoneout's expectation,
highway and deep transitions, AR and TAR, and the pointer-generator's mixture, written out.
"""
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from table import Table

STEPS, BATCH, IN, HIDDEN = 6, 4, 3, 4
LENGTHS = [3, 6, 1, 5]
torch.set_default_dtype(torch.float64)
torch.manual_seed(3)
table = Table(__file__, torch)


def leaf(*shape, scale=0.7):
    return (scale * torch.randn(*shape)).requires_grad_()


def add_leaves(name, leaves):
    for label, v in leaves.items():
        table.add(name, label, v.detach())
        table.add(name, f"d:{label}", v.grad)


def add_lstm(name, module, layer, suffix, prefix):
    """One direction of one layer under reel's names, transposed, biases joined."""

    def pair(kind):
        p = getattr(module, f"{kind}_l{layer}{suffix}")
        return p.detach(), p.grad

    (w_x, dw_x), (w_h, dw_h) = pair("weight_ih"), pair("weight_hh")
    (b_x, db), (b_h, _) = pair("bias_ih"), pair("bias_hh")
    for part, value, gradient in [("W_x", w_x.T, dw_x.T), ("W_h", w_h.T, dw_h.T), ("b", b_x + b_h, db)]:
        table.add(name, f"{prefix}.{part}", value)
        table.add(name, f"d:{prefix}.{part}", gradient)


def bidirectional_stack(name):
    module = torch.nn.LSTM(IN, HIDDEN, num_layers=2, bidirectional=True)
    x = leaf(STEPS, BATCH, IN)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False)
    outputs, (h, c) = module(packed)
    outputs, _ = pad_packed_sequence(outputs, total_length=STEPS)
    u, v, w = torch.randn_like(outputs), torch.randn_like(h), torch.randn_like(c)
    ((outputs * u).sum() + (h * v).sum() + (c * w).sum()).backward()
    table.add(name, "lengths", torch.tensor(LENGTHS))
    for label, tensor in {"u": u, "v": v, "w": w, "outputs": outputs, "h": h, "c": c}.items():
        table.add(name, label, tensor.detach())
    add_leaves(name, {"x": x})
    for layer in range(2):
        add_lstm(name, module, layer, "", f"forward{layer}")
        add_lstm(name, module, layer, "_reverse", f"backward{layer}")


def merges(name):
    """Sum, average and product of the two directions of one layer."""
    module = torch.nn.GRU(IN, HIDDEN, bidirectional=True)
    x = torch.randn(STEPS, BATCH, IN)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False)
    outputs, _ = pad_packed_sequence(module(packed)[0], total_length=STEPS)
    a, b = outputs.detach().chunk(2, -1)
    table.add(name, "x", x)
    table.add(name, "lengths", torch.tensor(LENGTHS))
    for label, tensor in {"concat": outputs, "sum": a + b, "average": (a + b) / 2, "multiply": a * b}.items():
        table.add(name, label, tensor.detach())
    for prefix, suffix in [("forward", ""), ("backward", "_reverse")]:
        parts = {k: getattr(module, f"{k}_l0{suffix}").detach()
                 for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        n = 2 * HIDDEN
        table.add(name, f"{prefix}.W_x", parts["weight_ih"].T)
        table.add(name, f"{prefix}.W_h", parts["weight_hh"].T)
        table.add(name, f"{prefix}.b",
                  torch.cat([parts["bias_ih"][:n] + parts["bias_hh"][:n], parts["bias_ih"][n:]]))
        table.add(name, f"{prefix}.b_h", parts["bias_hh"][n:])


def run(name, step, p, states, width):
    """A cell written out, over x without padding: outputs, gradients of sum(outputs * u)."""
    x = leaf(STEPS, BATCH, IN if width is None else width)
    state, outputs = [torch.zeros(BATCH, n) for n in states], []
    for t in range(STEPS):
        y, state = step(p, x[t], state)
        outputs.append(y)
    outputs = torch.stack(outputs)
    u = torch.randn_like(outputs)
    (outputs * u).sum().backward()
    table.add(name, "u", u)
    table.add(name, "outputs", outputs.detach())
    for k, s in enumerate(state):
        table.add(name, f"state{k}", s.detach())
    add_leaves(name, {"x": x} | p)


def lstm(p, x, h, c):
    i, f, g, o = (x @ p["cell.W_x"] + h @ p["cell.W_h"] + p["cell.b"]).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def lstm_leaves(width=IN):
    return {"cell.W_x": leaf(width, 4 * HIDDEN), "cell.W_h": leaf(HIDDEN, 4 * HIDDEN),
            "cell.b": leaf(4 * HIDDEN)}


def zoneout(p, x, state):
    """Krueger et al. 2017 in evaluation, p = 0.1 for h and 0.4 for c"""
    h, c = lstm(p, x, *state)
    h, c = 0.1 * state[0] + 0.9 * h, 0.4 * state[1] + 0.6 * c
    return h, [h, c]


def highway(p, x, state):
    """Srivastava et al. 2015 around an LSTM"""
    h, c = lstm(p, x, *state)
    t = (x @ p["gate.W_t"] + p["gate.b_t"]).sigmoid()
    return t * h + (1 - t) * x, [h, c]


def residual_norm(p, x, state):
    """x + LSTM(layer norm(x))"""
    n = torch.nn.functional.layer_norm(x, x.shape[-1:], p["norm.gain"], p["norm.bias"], 1e-5)
    h, c = lstm(p, n, *state)
    return x + h, [h, c]


def transition(p, x, state):
    """Pascanu et al. 2014, depth 3"""
    s = (x @ p["cell.W_x"] + state[0] @ p["cell.R_1"] + p["cell.b_1"]).tanh()
    for l in (2, 3):
        s = (s @ p[f"cell.R_{l}"] + p[f"cell.b_{l}"]).tanh()
    return s, [s]


def recurrent_highway(p, x, state):
    """Zilly et al. 2017, depth 2"""
    s = state[0]
    for l in (1, 2):
        z = s @ p[f"cell.R_{l}"] + p[f"cell.b_{l}"] + (x @ p["cell.W_x"] if l == 1 else 0)
        a, t = z.chunk(2, -1)
        t = t.sigmoid()
        s = a.tanh() * t + s * (1 - t)
    return s, [s]


def deep(width, depth):
    p = {"cell.W_x": leaf(IN, width)}
    for l in range(1, depth + 1):
        p |= {f"cell.R_{l}": leaf(HIDDEN, width), f"cell.b_{l}": leaf(width)}
    return p


def penalties(name):
    h = leaf(STEPS, BATCH, IN)
    ar = sum((h[: n, b] ** 2).sum() for b, n in enumerate(LENGTHS)) / (sum(LENGTHS) * IN)
    pairs = [(h[1:n, b] - h[: n - 1, b]) for b, n in enumerate(LENGTHS)]
    tar = sum((d ** 2).sum() for d in pairs) / sum(d.numel() for d in pairs)
    (2 * ar + 0.5 * tar).backward()
    table.add(name, "lengths", torch.tensor(LENGTHS))
    table.add(name, "ar", (2 * ar).detach())
    table.add(name, "tar", (0.5 * tar).detach())
    table.add(name, "ar_all", 2 * (h.detach() ** 2).mean())
    table.add(name, "tar_all", 0.5 * ((h.detach()[1:] - h.detach()[:-1]) ** 2).mean())
    add_leaves(name, {"h": h})


def pointer(name):
    """See et al. 2017: vocabulary 5, two words that only the source knows."""
    source = torch.tensor([[0, 5], [3, 3], [5, 6], [3, 0]])  # [steps, batch]
    logits, scores, gate = leaf(2, 5), leaf(2, 4), leaf(2, 1)
    weights, p_gen = scores.softmax(-1), gate.sigmoid()
    both = torch.cat([p_gen * logits.softmax(-1), torch.zeros(2, 2)], -1)
    both = both.scatter_add(1, source.T, (1 - p_gen) * weights)
    picked = both.gather(1, torch.tensor([[3], [5]])).log()
    picked.sum().backward()
    table.add(name, "source", source)
    table.add(name, "picked", picked.detach()[:, 0])
    add_leaves(name, {"logits": logits, "scores": scores, "gate": gate})


bidirectional_stack("bidirectional_stack")
merges("merges")
run("zoneout", zoneout, lstm_leaves(), [HIDDEN, HIDDEN], None)
run("highway", highway, lstm_leaves(HIDDEN) | {"gate.W_t": leaf(HIDDEN, HIDDEN), "gate.b_t": leaf(HIDDEN)},
    [HIDDEN, HIDDEN], HIDDEN)
run("residual_norm", residual_norm,
    lstm_leaves(HIDDEN) | {"norm.gain": leaf(HIDDEN), "norm.bias": leaf(HIDDEN)}, [HIDDEN, HIDDEN], HIDDEN)
run("deep_transition", transition, deep(HIDDEN, 3), [HIDDEN], None)
run("recurrent_highway", recurrent_highway, deep(2 * HIDDEN, 2), [HIDDEN], None)
penalties("penalties")
pointer("pointer")
table.write()

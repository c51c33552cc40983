"""Attention against PyTorch in f64: python3 attention.py writes attention.txt. Multi-head attention is
torch.nn's; the recurrent kinds are written here from their papers, one row and one step at a time."""
import math

import torch

from table import Table

torch.set_default_dtype(torch.float64)
torch.manual_seed(3)
table = Table(__file__, torch)


def write(name, inputs, outputs, constants=()):
    """Inputs with gradients of Σ outputs∘u, which stand as d:NAME."""
    loss = 0
    for label, tensor in outputs.items():
        u = torch.randn_like(tensor)
        table.add(name, f"u:{label}", u)
        loss = loss + (tensor * u).sum()
    loss.backward()
    for label, tensor in inputs.items():
        table.add(name, label, tensor.detach())
        table.add(name, f"d:{label}", tensor.grad if tensor.grad is not None else torch.zeros_like(tensor))
    for label, tensor in outputs.items():
        table.add(name, label, tensor.detach())
    for label, tensor in dict(constants).items():
        table.add(name, label, tensor)


def leaf(tensor):
    return tensor.detach().clone().requires_grad_()


# ---- multi-head attention ------------------------------------------------------------------------

def heads(name, width=4, count=2, queries=3, keys=5, batch=3, kdim=None, vdim=None, bias=True,
          lengths=None, mask=None, added=None, causal=False, same=False):
    """Parameters that the module keeps together are cut apart as attention.h says."""
    torch_heads = torch.nn.MultiheadAttention(width, count, bias=bias, kdim=kdim, vdim=vdim)
    for parameter in torch_heads.parameters():
        parameter.data = torch.randn_like(parameter) * 0.6
    query = leaf(torch.randn(queries, batch, width))
    key = query if same else leaf(torch.randn(keys, batch, kdim or width))
    value = query if same else leaf(torch.randn(keys, batch, vdim or width))
    keys = key.shape[0]
    attn_mask = None
    if mask is not None:
        attn_mask = ~mask
    if added is not None:
        attn_mask = added
    if causal:
        attn_mask = ~torch.ones(queries, keys, dtype=torch.bool).tril()
    padding = None
    if lengths is not None:
        padding = torch.arange(keys)[None, :] >= torch.tensor(lengths)[:, None]
        if attn_mask is not None and attn_mask.dtype != torch.bool:
            padding = torch.zeros(batch, keys).masked_fill(padding, -math.inf)
    context, weights = torch_heads(query, key, value, key_padding_mask=padding, attn_mask=attn_mask,
                                   average_attn_weights=False)
    u, v = torch.randn_like(context), torch.randn_like(weights)
    ((context * u).sum() + (weights * v).sum()).backward()
    add = lambda label, tensor: table.add(name, label, tensor.detach())
    for label, tensor in {"u:context": u, "u:weights": v, "context": context, "weights": weights}.items():
        add(label, tensor)
    for label, tensor in {"query": query, **({} if same else {"key": key, "value": value})}.items():
        add(label, tensor)
        add(f"d:{label}", tensor.grad)
    if torch_heads.in_proj_weight is not None:
        W = [(w, g) for w, g in zip(torch_heads.in_proj_weight.chunk(3), torch_heads.in_proj_weight.grad.chunk(3))]
    else:
        W = [(w, w.grad) for w in (torch_heads.q_proj_weight, torch_heads.k_proj_weight, torch_heads.v_proj_weight)]
    W.append((torch_heads.out_proj.weight, torch_heads.out_proj.weight.grad))
    for part, (w, g) in zip("qkvo", W):
        add(f"a.W_{part}", w.T)
        add(f"d:a.W_{part}", g.T)
    if bias:
        b = list(zip(torch_heads.in_proj_bias.chunk(3), torch_heads.in_proj_bias.grad.chunk(3)))
        b.append((torch_heads.out_proj.bias, torch_heads.out_proj.bias.grad))
        for part, (w, g) in zip("qkvo", b):
            add(f"a.b_{part}", w)
            add(f"d:a.b_{part}", g)
    if lengths is not None:
        add("lengths", torch.tensor(lengths))
    if mask is not None:
        add("mask", mask.double())
    if added is not None:
        add("bias", added)


MASK = torch.rand(3, 5) < 0.6
MASK[:, 0] = True
heads("heads_cross")
heads("heads_self", same=True)
heads("heads_self_causal", same=True, causal=True)
heads("heads_widths", kdim=3, vdim=5)
heads("heads_no_bias", bias=False, count=4)
heads("heads_lengths", lengths=[5, 2, 1])
heads("heads_self_lengths_causal", same=True, lengths=[3, 2, 1], causal=True)
heads("heads_mask", mask=MASK)
heads("heads_added", added=torch.randn(3, 5).masked_fill(~MASK, -math.inf), lengths=[5, 4, 3])
heads("heads_one", queries=1, keys=1, batch=1, count=1, width=1)

# ---- recurrent kinds -----------------------------------------------------------------------------

STEPS, BATCH, MEMORY, QUERY, WIDTH, ASKED = 5, 3, 4, 4, 3, 3
LENGTHS = [5, 3, 1]


def softmax(scores, shown):
    """One row; zeros where nothing is shown."""
    kept = [i for i in range(len(shown)) if shown[i]]
    weights = [torch.zeros(())] * len(shown)
    if kept:
        for i, w in zip(kept, torch.stack([scores[i] for i in kept]).softmax(0)):
            weights[i] = w
    return torch.stack(weights)


def run(name, parameters, weigh, lengths=LENGTHS):
    """weigh(h, s, state, t) → weights of one row over its own steps h, next state."""
    parameters = {f"a.{k}": leaf(v) for k, v in parameters.items()}
    p = {k[2:]: v for k, v in parameters.items()}
    memory, queries = leaf(torch.randn(STEPS, BATCH, MEMORY)), leaf(torch.randn(ASKED, BATCH, QUERY))
    contexts, alignments = [[None] * BATCH for _ in range(ASKED)], [[None] * BATCH for _ in range(ASKED)]
    for row, length in enumerate(lengths):
        state, h = None, memory[:length, row]
        for t in range(ASKED):
            weights, state = weigh(p, h, queries[t, row], state, t)
            contexts[t][row] = weights @ h
            alignments[t][row] = torch.cat([weights, torch.zeros(STEPS - length)])
    stack = lambda rows: torch.stack([torch.stack(row) for row in rows])
    write(name, {"memory": memory, "queries": queries, **parameters},
          {"context": stack(contexts), "weights": stack(alignments)},
          {"lengths": torch.tensor(lengths)})


def additive_parameters():
    return {"W_q": torch.randn(QUERY, WIDTH), "W_m": torch.randn(MEMORY, WIDTH), "b": torch.randn(WIDTH),
            "v": torch.randn(WIDTH)}


def additive(coverage=False, kernel=0, cumulative=False, smooth=False):
    def weigh(p, h, s, state, t):
        total, last = state if state else (torch.zeros(len(h)), torch.zeros(len(h)))
        seen = total if cumulative else last
        energy = []
        for i in range(len(h)):
            inside = s @ p["W_q"] + h[i] @ p["W_m"] + p["b"]
            if coverage:
                inside = inside + total[i] * p["w_c"]
            if kernel:
                for k in range(kernel):
                    at = i + k - kernel // 2
                    if 0 <= at < len(h):
                        inside = inside + (seen[at] * p["F"][k]) @ p["W_f"]
            energy.append(torch.tanh(inside) @ p["v"])
        energy = torch.stack(energy)
        weights = energy.sigmoid() / energy.sigmoid().sum() if smooth else energy.softmax(0)
        return weights, (total + weights, weights)
    return weigh


run("additive", additive_parameters(), additive())
run("additive_smooth", additive_parameters(), additive(smooth=True))
run("coverage", {**additive_parameters(), "w_c": torch.randn(WIDTH)}, additive(coverage=True))
FILTERS = {"F": torch.randn(5, 3), "W_f": torch.randn(3, WIDTH)}
run("location", {**additive_parameters(), **FILTERS}, additive(kernel=5))
run("location_cumulative", {**additive_parameters(), **FILTERS}, additive(kernel=5, cumulative=True))
run("location_coverage", {**additive_parameters(), **FILTERS, "w_c": torch.randn(WIDTH)},
    additive(kernel=5, coverage=True))


def luong(score, window="global", D=1):
    def weigh(p, h, s, state, t):
        energy = []
        for i in range(len(h)):
            if score == "dot":
                energy.append(s @ h[i])
            elif score == "scaled":
                energy.append(s @ h[i] / math.sqrt(MEMORY))
            elif score == "general":
                energy.append(s @ p["W"] @ h[i])
            else:
                energy.append(torch.tanh(torch.cat([s, h[i]]) @ p["W"]) @ p["v"])
        if window == "global":
            return softmax(energy, [True] * len(h)), None
        if window == "m":
            return softmax(energy, [abs(i - t) <= D for i in range(len(h))]), None
        centre = len(h) * torch.sigmoid(torch.tanh(s @ p["W_p"]) @ p["v_p"])
        weights = softmax(energy, [abs(i - centre.item()) <= D for i in range(len(h))])
        bell = torch.stack([torch.exp(-(i - centre) ** 2 / (2 * (D / 2) ** 2)) for i in range(len(h))])
        return weights * bell, None
    return weigh


PLACE = {"W_p": torch.randn(QUERY, QUERY), "v_p": torch.randn(QUERY)}
run("dot", {}, luong("dot"))
run("scaled", {}, luong("scaled"))
run("general", {"W": torch.randn(QUERY, MEMORY)}, luong("general"))
run("concat", {"W": torch.randn(QUERY + MEMORY, WIDTH), "v": torch.randn(WIDTH)}, luong("concat"))
run("local_m", {}, luong("dot", "m"))
run("local_p", {"W": torch.randn(QUERY, MEMORY), **PLACE}, luong("general", "p", 2))


def monotonic(hard=False):
    def weigh(p, h, s, state, t):
        n = len(h)
        last = state if state is not None else torch.tensor([1.0] + [0.0] * (n - 1))
        direction = p["v"] / p["v"].norm()
        e = [p["g"][0] * (torch.tanh(s @ p["W_q"] + h[i] @ p["W_m"] + p["b"]) @ direction) + p["r"][0]
             for i in range(n)]
        if hard:
            weights = torch.zeros(n)
            start = int(last.argmax()) if last.sum() > 0 else n
            for i in range(start, n):
                if e[i] > 0:
                    weights[i] = 1
                    break
            return weights, weights
        stop, q, weights = [x.sigmoid() for x in e], torch.zeros(()), []
        for i in range(n):
            q = (1 - stop[i - 1]) * q + last[i] if i else last[0]
            weights.append(stop[i] * q)
        weights = torch.stack(weights)
        return weights, weights
    return weigh


ENERGY = {**additive_parameters(), "g": torch.tensor([1.5]), "r": torch.tensor([-0.3])}
run("monotonic", ENERGY, monotonic())
run("monotonic_hard", {**ENERGY, "r": torch.tensor([0.2])}, monotonic(hard=True))


def coverage_loss():
    weights = leaf(torch.rand(4, 2, 3).softmax(-1))
    mask = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    total = 0
    for row, length in enumerate((4, 2)):
        seen = torch.zeros(3)
        for t in range(length):
            total = total + torch.minimum(weights[t, row], seen).sum()
            seen = seen + weights[t, row]
    write("coverage_loss", {"weights": weights}, {"loss": total / 6}, {"mask": mask})


coverage_loss()
table.write()

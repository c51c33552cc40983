"""The cells of bench/cells.c in PyTorch, parameters under the same names and in the same layout (x·W)."""
import torch
from torch.nn import functional


def gates(z, c):
    i, f, g, o = z.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def naive_lstm(p, x, h, c):
    hx = torch.cat((h, x), -1)
    i, f, o = (torch.sigmoid(torch.addmm(p["b_" + k], hx, p["W_" + k])) for k in "ifo")
    c = f * c + i * torch.tanh(torch.addmm(p["b_g"], hx, p["W_g"]))
    h = o * torch.tanh(c)
    return h, h, c


def lstm(p, x, h, c):
    h, c = gates(torch.addmm(p["b"], x, p["W_x"]) + h @ p["W_h"], c)
    return h, h, c


def peephole(p, x, h, c):
    i, f, g, o = (torch.addmm(p["b"], x, p["W_x"]) + h @ p["W_h"]).chunk(4, -1)
    i, f = torch.sigmoid(i + c * p["p_i"]), torch.sigmoid(f + c * p["p_f"])
    c = f * c + i * torch.tanh(g)
    h = torch.sigmoid(o + c * p["p_o"]) * torch.tanh(c)
    return h, h, c


def layer_norm(p, x, h, c):
    z = functional.layer_norm(x @ p["W_x"] + h @ p["W_h"], p["b"].shape, p["gain"], p["b"])
    h, c = gates(z, c)
    return h, h, c


def minimal(p, x, h):
    from_f, from_n = torch.addmm(p["b"], x, p["W_x"]).chunk(2, -1)
    f = torch.sigmoid(from_f + h @ p["U_f"])
    n = torch.tanh(from_n + (f * h) @ p["U_n"])
    h = h + f * (n - h)
    return h, h


def attention(p, x, h, c):
    query = (h @ p["W_q"]).unsqueeze(-1)
    along = torch.softmax(torch.bmm(p["memory"], query), 1)
    context = torch.bmm(along.transpose(1, 2), p["memory"]).squeeze(1)
    h, c = gates(torch.addmm(p["b"], x, p["W_x"]) + h @ p["W_h"] + context @ p["W_a"], c)
    return h, h, c


def recurrent(count):
    return lambda B, I, H: {"W_x": (I, count * H), "W_h": (H, count * H), "b": (count * H,)}


def with_more(more):
    return lambda B, I, H: recurrent(4)(B, I, H) | more(B, H)


SLOTS = 32
# name → step, how many states, shapes of parameters
CELLS = {
    "naive-lstm": (naive_lstm, 2, recurrent(4)),  # taken apart below
    "lstm": (lstm, 2, recurrent(4)),
    "loop-lstm": (lstm, 2, recurrent(4)),
    "peephole": (peephole, 2, with_more(lambda B, H: {"p_i": (H,), "p_f": (H,), "p_o": (H,)})),
    "layer-norm": (layer_norm, 2, with_more(lambda B, H: {"gain": (4 * H,)})),
    "minimal": (minimal, 1, lambda B, I, H: {"W_x": (I, 2 * H), "b": (2 * H,), "U_f": (H, H), "U_n": (H, H)}),
    "attention": (attention, 2, with_more(lambda B, H: {"W_q": (H, H), "W_a": (H, 4 * H), "memory": (B, SLOTS, H)})),
}


def take_apart(p):
    """Merged weights → the four of the naive form."""
    W = torch.cat((p["W_h"], p["W_x"])).chunk(4, -1)
    b = p["b"].chunk(4)
    return {f"{kind}_{k}": part[n].contiguous() for kind, part in (("W", W), ("b", b)) for n, k in enumerate("ifgo")}


def unroll(name, p, x, hidden):
    step, states, _ = CELLS[name]
    state = [x.new_zeros(x.shape[1], hidden)] * states
    outputs = []
    for x_t in x:
        output, *state = step(p, x_t, *state)
        outputs.append(output)
    return torch.stack(outputs)

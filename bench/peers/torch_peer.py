"""PyTorch on the CPU: nn.LSTM, nn.GRU, nn.RNN, and the same cells as bench/cells.c in eager tensor operations."""
import functools
import resource

import torch

import common
import torch_sequences
import torch_cells
import torch_library_cells

VENDOR = {"nn.LSTM": (torch.nn.LSTM, 4), "nn.GRU": (torch.nn.GRU, 3), "nn.RNN": (torch.nn.RNN, 1)}


def tensors(shapes, hidden):
    return {name: torch.from_numpy(a) for name, a in common.weights(shapes, hidden).items()}


def vendor_layer(name, inputs, hidden):
    """W_x, W_h and b of bench/cells.c; PyTorch's second bias is zero, but for b_h inside the GRU's reset."""
    kind, gates = VENDOR[name]
    layer = kind(inputs, hidden)
    p = tensors({"W_x": (inputs, gates * hidden), "W_h": (hidden, gates * hidden), "b": (gates * hidden,),
                 "b_h": (hidden,)}, hidden)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(p["W_x"].T)
        layer.weight_hh_l0.copy_(p["W_h"].T)
        layer.bias_ih_l0.copy_(p["b"])
        layer.bias_hh_l0.zero_()
        if name == "nn.GRU":
            layer.bias_hh_l0[2 * hidden:] = p["b_h"]
    return layer


class Training:
    """forward, mean of squares of all outputs, or of the last one, gradients of weights, bias and input"""

    def __init__(self, name, row, last=False):
        self.last = last
        steps, batch, inputs, hidden = row
        self.x = tensors({"x": (steps, batch, inputs)}, hidden)["x"].requires_grad_()
        if name in VENDOR:
            layer = vendor_layer(name, inputs, hidden)
            self.leaves, self.forward = list(layer.parameters()), lambda x: layer(x)[0]
            # what counts for the norm: the second bias where reel has one, too
            half = layer.bias_hh_l0
            self.norm = [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0]
            self.tail = (half, 2 * hidden) if name == "nn.GRU" else None
        elif name in torch_library_cells.CELLS:
            forward, shapes = torch_library_cells.CELLS[name]
            p = tensors(shapes(batch, inputs, hidden), hidden)
            self.leaves = self.norm = [v.requires_grad_() for v in p.values()]
            self.forward, self.tail = lambda x: forward(p, x, hidden), None
        else:
            p = tensors(torch_cells.CELLS[name][2](batch, inputs, hidden), hidden)
            p = torch_cells.take_apart(p) if name == "naive-lstm" else p
            self.leaves = self.norm = [v.requires_grad_() for v in p.values()]
            self.forward, self.tail = lambda x: torch_cells.unroll(name, p, x, hidden), None

    def __call__(self):
        for leaf in (self.x, *self.leaves):
            leaf.grad = None
        outputs = self.forward(self.x)
        loss = (outputs[-1] if self.last else outputs).square().mean()
        loss.backward()
        self.loss = loss.item()

    def norms(self):
        squares = sum(leaf.grad.double().square().sum().item() for leaf in self.norm)
        if self.tail:
            squares += self.tail[0].grad[self.tail[1]:].double().square().sum().item()
        return {"loss": self.loss, "d_weights": squares**0.5, "d_x": self.x.grad.double().norm().item()}


training = functools.lru_cache(maxsize=16)(Training)


def step(words):
    name, row, threads, seconds = common.numbers(words)
    torch.set_num_threads(threads)
    run = training(name, row, "last" in words)
    return common.measure(run, seconds) | run.norms() | {"version": torch.__version__}


@torch.no_grad()
def infer(words):
    name, (steps, batch, inputs, hidden), threads, seconds = common.numbers(words)
    torch.set_num_threads(threads)
    layer = vendor_layer(name, inputs, hidden)
    x = tensors({"x": (steps, batch, inputs)}, hidden)["x"]
    state = [None]

    def run():
        outputs, after = layer(x, state[0])
        state[0] = after if steps == 1 else None
        return outputs

    loss = run().square().mean().item()
    return common.measure(run, seconds) | {"loss": loss}


def memory(words):
    """Bytes that nn.LSTM keeps for the backward pass (its reserve, the input and the outputs included), of the
    weights, and by how much the peak of the process's memory grows in a step."""
    name, row, threads, _ = common.numbers(words)
    torch.set_num_threads(threads)
    run = Training(name, row)
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    weights = sum(leaf.untyped_storage().nbytes() for leaf in run.leaves)
    for leaf in run.leaves:
        saved.pop(leaf.untyped_storage().data_ptr(), None)
    return {"saved": sum(saved.values()), "weights": weights, "grown": grown}


class Language(torch.nn.Module):
    """The model of examples/char_lm."""

    def __init__(self, symbols, embedding, hidden, layers):
        super().__init__()
        self.embedding = torch.nn.Embedding(symbols, embedding)
        self.lstm = torch.nn.LSTM(embedding, hidden, layers)
        self.out = torch.nn.Linear(hidden, symbols)

    def forward(self, symbols, state):
        outputs, state = self.lstm(self.embedding(symbols), state)
        return self.out(outputs), state


def language(words, symbols=80, layers=2):
    _, (steps, batch, embedding, hidden), threads, seconds = common.numbers(words)
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Language(symbols, embedding, hidden, layers)
    adam = torch.optim.Adam(model.parameters(), lr=0.015)
    text = torch.randint(symbols, (steps + 1, batch))
    state = [(torch.zeros(layers, batch, hidden), torch.zeros(layers, batch, hidden))]

    def update():
        logits, after = model(text[:-1], state[0])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), text[1:].flatten())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        adam.step()
        state[0] = tuple(s.detach() for s in after)
        return loss.item()

    result = common.measure(update, seconds)
    return result | {"tokens_per_second": steps * batch * 1e3 / result["ms"]}


def gradcheck(words):
    _, (steps, batch, inputs, hidden), threads, seconds = common.numbers(words)
    torch.set_num_threads(threads)
    layer = torch.nn.LSTM(inputs, hidden).double()
    names, values = zip(*layer.named_parameters())
    # reel has one bias; a second one would be checked for nothing
    checked = [n for n in names if n != "bias_hh_l0"]
    rest = {n: v.detach() for n, v in zip(names, values) if n not in checked}
    x = torch.randn(steps, batch, inputs, dtype=torch.double, requires_grad=True)
    leaves = [v.detach().clone().requires_grad_() for n, v in zip(names, values) if n in checked]

    def loss(x, *leaves):
        p = dict(zip(checked, leaves)) | rest
        return torch.func.functional_call(layer, p, (x,))[0].square().mean()

    return common.measure(lambda: torch.autograd.gradcheck(loss, (x, *leaves)), seconds)


def product(words):
    """GF/s of torch.mm on squares; PyTorch brings a BLAS of its own."""
    torch.set_num_threads(int(words[0]))
    best = 0
    for size in (1024, 1536, 2048):
        a, b = torch.rand(size, size), torch.rand(size, size)
        out = torch.empty(size, size)
        best = max(best, *(2e-6 * size**3 / common.measure(lambda: torch.mm(a, b, out=out), 0)["ms"] for _ in range(5)))
    return {"gflops": best}


common.main({"step": step, "infer": infer, "memory": memory, "language": language, "gradcheck": gradcheck,
             "product": product} | torch_sequences.TASKS)

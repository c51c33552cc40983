"""CTC and beam search in PyTorch as bench/ctc.c and bench/beam.c do them; torch_peer.py calls them."""
import torch

import common

BEAMS = 8


def ctc(steps, batch, labels, longest):
    logits = torch.randn(steps, batch, labels, requires_grad=True)
    targets = 1 + (torch.arange(batch * longest) * 7 % (labels - 1)).reshape(batch, longest)
    lengths = torch.full((batch,), steps), torch.full((batch,), longest)

    def step():
        logits.grad = None
        torch.nn.functional.ctc_loss(logits.log_softmax(-1), targets, *lengths).backward()

    return step


def beam(steps, batch, vocabulary, hidden):
    embedding = torch.nn.Embedding(vocabulary, hidden)
    cell, out = torch.nn.LSTMCell(hidden, hidden), torch.nn.Linear(hidden, vocabulary)
    rows, first = batch * BEAMS, torch.arange(batch)[:, None] * BEAMS

    @torch.no_grad()
    def step():
        h, c = torch.zeros(rows, hidden), torch.zeros(rows, hidden)
        tokens, found = torch.zeros(rows, dtype=torch.long), torch.zeros(rows, 0, dtype=torch.long)
        scores = torch.full((batch, BEAMS), -1e9)
        scores[:, 0] = 0
        for _ in range(steps):
            h, c = cell(embedding(tokens), (h, c))
            log_p = out(h).log_softmax(-1).view(batch, BEAMS, vocabulary) + scores[:, :, None]
            scores, index = log_p.view(batch, -1).topk(BEAMS)
            parent, tokens = (index // vocabulary + first).view(-1), (index % vocabulary).view(-1)
            h, c = h[parent], c[parent]
            found = torch.cat((found[parent], tokens[:, None]), 1)

    return step


def measured(make):
    def task(words):
        _, row, threads, seconds = common.numbers(words)
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        return common.measure(make(*row), seconds)

    return task


TASKS = {"ctc": measured(ctc), "beam": measured(beam)}

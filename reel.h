/*
 * reel: recurrent networks, and gradients of whatever is composed from reel's operations.
 *
 *   graph/graph.h        the tape: leaves, values, parameters, derivatives, errors
 *   graph/op.h           what an operation is; a program adds its own the same way
 *   ops/ops.h            the operations
 *   layers/layers.h      RNN, LSTM and GRU, unrolling, dense and embedding layers, cross-entropy
 *     layers/cells.h       further cells, linear ones that run all steps at once
 *     layers/structure.h   cells around cells, stacks, both directions
 *     layers/attention.h   attention over a memory and of whole sequences
 *     layers/transforms.h  normalisation, convolution and pooling over time, positions
 *     layers/losses.h      CTC, transducer, conditional random field, margins, likelihoods
 *     layers/outputs.h     softmaxes of large vocabularies, mixtures of densities
 *     layers/sequence.h    windows of long sequences, probes, packing, encoder and decoder
 *     layers/flow.h        sight of the gradient along time
 *   optim/optim.h        optimisers, groups, averages, clipping
 *     optim/schedule.h     learning-rate schedules
 *   train/train.h        data, models, fit, metrics, decoding
 *   io/io.h              safetensors, NumPy, checkpoints, weights of other tools, ONNX, C
 *
 * The last header makes a macro of each function that can fail on a tape, under the function's own
 * name, so that an error names the caller's file and line. Define REEL_NO_SITES to go without; a
 * function's address, and (reel_add)(a, b), mean the function in either case.
 */
#ifndef REEL_H
#define REEL_H

#include "reel/version.h"

#include "graph/graph.h"
#include "graph/op.h"

#include "ops/ops.h"

#include "layers/layers.h"

#include "optim/optim.h"

#include "train/train.h"

#include "io/io.h"

#include "reel/sites.h"

#endif

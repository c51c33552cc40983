/*
 * reel: recurrent networks, and gradients of whatever is composed from reel's operations.
 *
 *   graph/graph.h    the tape: leaves, values, parameters, derivatives, errors
 *   graph/op.h       what an operation is; a program adds its own the same way
 *   ops/ops.h        the operations
 *   layers/layers.h  cells, unrolling, attention, dense layers, losses
 *   optim/optim.h    optimisers, learning rate schedules, clipping
 *   train/train.h    data, models, fit, metrics, decoding
 *   io/io.h          safetensors, NumPy, ONNX, checkpoints, weights of other tools
 *
 * The last header makes a macro of each recording function, under the function's own name, so that
 * an error names the caller's file and line. Define REEL_NO_SITES to go without; a function's
 * address, and (reel_add)(a, b), mean the function in either case.
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

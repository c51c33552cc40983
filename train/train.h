/* train.h: data, models, fit, metrics and decoding.
 *
 *     data.h      arrays with shapes, CSV, windows, padding, splits, normalisers, prefetching
 *     text.h      vocabularies of letters, words and byte pairs
 *     model.h     models made of layers, or of a function
 *     fit.h       compile, fit, evaluate, predict, callbacks
 *     metrics.h   metrics over batches, of numbers and of text
 *     decode.h    greedy, beam and sampled search, CTC, transducers
 *     search.h    settings tried one after another, the learning-rate finder
 *     plot.h      pictures through gnuplot
 */
#ifndef REEL_TRAIN_H
#define REEL_TRAIN_H

#include "data.h"
#include "decode.h"
#include "fit.h"
#include "metrics.h"
#include "model.h"
#include "plot.h"
#include "search.h"
#include "text.h"

#endif

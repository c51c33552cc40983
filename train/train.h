/* train.h: data, models, fit, metrics and decoding. */
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
#include "trained.h"

#endif

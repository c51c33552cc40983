/* io.h: files that other tools open, and checkpoints. */
#ifndef REEL_IO_H
#define REEL_IO_H

#include "checkpoint.h"
#include "deploy.h"
#include "foreign.h"
#include "numpy.h"
#include "onnx.h"
#include "safetensors.h"

#endif

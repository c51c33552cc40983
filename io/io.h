/* io.h: files that other tools open, and checkpoints. A library that a file needs may be missing
 * from the build: the call then fails with an error that names it.
 *
 *     archive.h       named arrays and texts, in memory and in files
 *     safetensors.h   all parameters of a tape, saved and loaded (jansson)
 *     numpy.h         .npy, and .npz (libzip)
 *     checkpoint.h    the state of training, to go on to the same bits (jansson)
 *     foreign.h       weights of PyTorch and Keras, both ways; .h5 (HDF5)
 *     onnx.h          models out of a tape and into one (libprotobuf-c)
 *     deploy.h        inference without the tape: frozen programs, one file of C
 */
#ifndef REEL_IO_H
#define REEL_IO_H

#include "archive.h"
#include "checkpoint.h"
#include "deploy.h"
#include "foreign.h"
#include "numpy.h"
#include "onnx.h"
#include "safetensors.h"

#endif

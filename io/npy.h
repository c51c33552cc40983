/* npy.h: what .npz takes from .npy. Not installed. */
#ifndef REEL_NPY_H
#define REEL_NPY_H

#include "reader.h"

#define REEL__NPY_HEADER_SIZE 320

/* Adds the array in an .npy file's bytes, which stay as long as the archive, under a name. */
bool reel__read_npy_as(reel_archive *, const char *name, const unsigned char *bytes, size_t size);
/* Writes what stands before the data; returns its size. */
size_t reel__npy_header(const reel_array *, char out[REEL__NPY_HEADER_SIZE]);
/* Turns an array into one that NumPy knows. */
bool reel__numpy_array(reel_archive *, reel_array *);

#endif

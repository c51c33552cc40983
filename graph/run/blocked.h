/* blocked.h: C = op(A)·op(B) by our own tiles, where neither factor is packed yet. Not installed. */
#ifndef REEL_BLOCKED_H
#define REEL_BLOCKED_H

#include "gemm.h"

/* Bytes of workspace, 64-byte aligned. */
size_t reel__blocked_workspace(reel_dtype, const reel__gemm_call *, int threads);
/* An element of C has the same bits whatever the threads: see packed.h. */
void reel__gemm_blocked(reel_dtype, const reel__gemm_call *, int threads, void *workspace);

#endif

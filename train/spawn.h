/* spawn.h: other people's programs. Not installed. */
#ifndef REEL_SPAWN_H
#define REEL_SPAWN_H

enum { REEL__NO_PROGRAM = -1 };

/* Runs argv[0], looked for in PATH, without input and output, and waits for it. Its exit status,
 * 128 when a signal ended it, REEL__NO_PROGRAM when it could not be started. */
int reel__run_program(const char *const argv[]);

#endif

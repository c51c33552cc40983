/* spawn.c: other people's programs, started without a shell, so that a file's name is nothing but a
 * name. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>

#include "spawn.h"

extern char **environ;

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return REEL__NO_PROGRAM;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int reel__run_program(const char *const argv[])
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return REEL__NO_PROGRAM;
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    int status = failed ? REEL__NO_PROGRAM : wait_for(child);
    return status == 127 ? REEL__NO_PROGRAM : status; /* how a late failure to start shows */
}

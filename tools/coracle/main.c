// SPDX-License-Identifier: Apache-2.0
// coracle: the command for people who run Coracle.
#include "coracle.h"

#include <stdio.h>
#include <string.h>

static const struct coracle_command *const COMMANDS[] = {
    &coracle_status,  &coracle_queue,  &coracle_ledger,     &coracle_token,
    &coracle_node,    &coracle_ca,     &coracle_join,       &coracle_restart,
    &coracle_upgrade, &coracle_unhold, &coracle_completion,
};

const struct coracle_command *coracle_command_at(size_t i)
{
    return i < COR_COUNT(COMMANDS) ? COMMANDS[i] : NULL;
}

static void usage(FILE *to)
{
    (void)fputs("Usage: coracle COMMAND [OPTION...]\n"
                "Runs and explains Coracle on this machine.\n\nCommands:\n",
                to);
    for (size_t i = 0; i < COR_COUNT(COMMANDS); i++) {
        (void)fprintf(to, "  %-14s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    }
    (void)fputs("\n\"coracle COMMAND --help\" explains a command. See also zmqtap, which shows the "
                "messages between services.\n",
                to);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        (void)printf("coracle (Coracle) %s\n", CORACLE_VERSION);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < COR_COUNT(COMMANDS); i++) {
        if (strcmp(argv[1], COMMANDS[i]->name) == 0) {
            return COMMANDS[i]->run(argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "coracle: no command \"%s\"; see coracle --help\n", argv[1]);
    return EXIT_USAGE;
}

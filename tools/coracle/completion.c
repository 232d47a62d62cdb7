// SPDX-License-Identifier: Apache-2.0
// coracle completion: the script with which bash completes commands, what they do and options.
#include <stdio.h>

#include "coracle.h"

static void print_words(const struct coracle_command *command)
{
    const struct coracle_action *a = command->actions;
    const struct coracle_option *o = command->options;
    (void)printf("        %s) words=\"", command->name);
    for (; a != NULL && a->name != NULL; a++) {
        (void)printf("%s ", a->name);
    }
    for (; o != NULL && o->name != NULL; o++) {
        (void)printf("--%s ", o->name);
    }
    (void)printf("%s\" ;;\n", command->more == NULL ? "" : command->more);
}

static int run(int argc, char **argv)
{
    struct coracle_said said = {0};
    const struct coracle_command *command = NULL;
    coracle_read(&coracle_completion, argc, argv, &said);
    (void)fputs("_coracle() {\n    local words='", stdout);
    for (size_t i = 0; (command = coracle_command_at(i)) != NULL; i++) {
        (void)printf("%s ", command->name);
    }
    (void)fputs("'\n    case ${COMP_WORDS[1]} in\n", stdout);
    for (size_t i = 0; (command = coracle_command_at(i)) != NULL; i++) {
        print_words(command);
    }
    (void)fputs(
        "    esac\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
        "}\n"
        "complete -F _coracle coracle\n",
        stdout);
    return EXIT_DONE;
}

static const struct coracle_action ACTIONS[] = {{.name = "bash"}, {0}};

const struct coracle_command coracle_completion = {
    .name = "completion",
    .summary = "print shell completion for bash",
    .doc = "Prints a script; \"source <(coracle completion bash)\" turns it on.",
    .actions = ACTIONS,
    .run = run,
};

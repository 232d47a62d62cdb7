// SPDX-License-Identifier: Apache-2.0
// coracle: the command for people who run Coracle.
#include "coracle.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name;
    int (*fn)(int argc, char **argv);
    const char *doc;
} VERBS[] = {
    {"status", coracle_status, "what runs here, and whether it is well"},
    {"queue", coracle_queue, "what waits to be sent, and when it will be too much"},
    {"ledger", coracle_ledger, "what became of all messages; whether any is missing"},
    {"token", coracle_token, "the tokens with which nodes join: make, list, revoke"},
    {"node", coracle_node, "the nodes that are connected; which may not be"},
    {"ca", coracle_ca, "the CA that nodes trust: change it for another one"},
    {"join", coracle_join, "make this machine an edge node"},
    {"restart", coracle_restart, "restart services in place"},
    {"upgrade", coracle_upgrade, "change a service's program in place, and back if it fails"},
    {"unhold-upgrade", coracle_unhold, "let Pods go that wait at this node"},
    {"completion", coracle_completion, "print shell completion for bash"},
};

int coracle_fail(const char *what, const struct cor_err *err)
{
    (void)fprintf(stderr, "coracle: %s: %s\n", what,
                  err->text[0] != '\0' ? err->text : cor_code_name(err->code));
    return EXIT_FAILED;
}

static void usage(FILE *to)
{
    (void)fputs("Usage: coracle COMMAND [OPTION...]\n"
                "Runs and explains Coracle on this machine.\n\nCommands:\n",
                to);
    for (size_t i = 0; i < COR_COUNT(VERBS); i++) {
        (void)fprintf(to, "  %-14s %s\n", VERBS[i].name, VERBS[i].doc);
    }
    (void)fputs("\n\"coracle COMMAND --help\" explains a command. See also zmqtap, which shows the "
                "messages between services.\n",
                to);
}

int coracle_completion(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "bash") != 0) {
        (void)fputs("Usage: coracle completion bash\n"
                    "Prints a script; \"source <(coracle completion bash)\" turns it on.\n",
                    argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? EXIT_DONE : EXIT_USAGE;
    }
    (void)fputs("_coracle() {\n    local words='", stdout);
    for (size_t i = 0; i < COR_COUNT(VERBS); i++) {
        (void)printf("%s ", VERBS[i].name);
    }
    (void)fputs(
        "'\n"
        "    case ${COMP_WORDS[1]} in\n"
        "        token) words='create list revoke --node --ttl --reusable --uses --run-dir "
        "--output' ;;\n"
        "        node) words='list revoke --run-dir --output' ;;\n"
        "        ca) words='status rotate promote demote abort finish forget --within --force "
        "--renew-only --run-dir --output' ;;\n"
        "        status) words='--output --run-dir --check' ;;\n"
        "        queue) words='--output --run-dir --window' ;;\n"
        "        ledger) words='--output --run-dir --check --wait' ;;\n"
        "        join) words='--cloud --enrol-port --token --node --timeout' ;;\n"
        "        restart) words=$(coracle status -o name 2>/dev/null) ;;\n"
        "        upgrade) words=\"--rollback --timeout $(coracle status -o name 2>/dev/null; "
        "compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")\" ;;\n"
        "        unhold-upgrade) words='pod node --namespace --run-dir' ;;\n"
        "        completion) words=bash ;;\n"
        "    esac\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
        "}\n"
        "complete -F _coracle coracle\n",
        stdout);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    argp_err_exit_status = EXIT_USAGE;
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
    for (size_t i = 0; i < COR_COUNT(VERBS); i++) {
        if (strcmp(argv[1], VERBS[i].name) == 0) {
            return VERBS[i].fn(argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "coracle: no command \"%s\"; see coracle --help\n", argv[1]);
    return EXIT_USAGE;
}

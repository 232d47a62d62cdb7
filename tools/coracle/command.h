// SPDX-License-Identifier: Apache-2.0
// Private to the coracle command: what each of its commands says of itself, as tables. The command
// line, --help and completion follow from them; argp does the reading. One thread.
#ifndef CORACLE_COMMAND_H
#define CORACLE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 100 };

/* Where sockets and supervision trees are unless --run-dir says otherwise. */
#define CORACLE_RUN "/run/coracle"

/* How an answer is printed. Text is what a command without a table prints. */
enum coracle_format { CORACLE_TABLE, CORACLE_WIDE, CORACLE_JSON, CORACLE_YAML, CORACLE_NAME };

struct coracle_said;
struct tool_service;

/* The first word of a command that has several things to do. */
struct coracle_action {
    const char *name; /* "revoke" */
    const char *what; /* the word after it: "ID", or "[NAME]" if it may be left out; NULL: none */
    const char *verb; /* what fn asks of the service */
    const char *done; /* what it says then; NULL: what was answered */

    /* Does it; said is the command's struct options. NULL: the command does it. */
    int (*fn)(const struct coracle_said *said, const struct tool_service *service);
};

/* What was said to a command; begins the struct options of each. */
struct coracle_said {
    const char *run;
    const struct coracle_action *action; /* NULL: the command has none */
    const char *what;                    /* the word after the action; NULL: none */
    enum coracle_format format;
};

struct coracle_option;

/* Reads what was said for an option into the command's struct options. arg: NULL for flags; may be
 * cut in place, and lives as long as the process. False: it is not what is expected. */
typedef bool (*coracle_read_fn)(const struct coracle_option *option, char *arg, void *options);

/* One option. */
struct coracle_option {
    const char *name;     /* without -- */
    const char *arg;      /* what follows it, in --help; NULL: a flag */
    const char *doc;      /* for --help */
    const char *expected; /* for the complaint; NULL: from min, max or formats */
    const char *formats;  /* "table wide json": those that there are */
    coracle_read_fn read;
    size_t offset;    /* in struct options */
    int64_t min, max; /* max 0: none */
    char letter;      /* 0: none */
};

/* Readers: const char *, borrowed; bool; int64_t from min to max; int64_t, seconds, of a number and
 * s, m, h or d; enum coracle_format. */
bool coracle_read_text(const struct coracle_option *option, char *arg, void *options);
bool coracle_read_flag(const struct coracle_option *option, char *arg, void *options);
bool coracle_read_number(const struct coracle_option *option, char *arg, void *options);
bool coracle_read_duration(const struct coracle_option *option, char *arg, void *options);
bool coracle_read_format(const struct coracle_option *option, char *arg, void *options);

/* Rows of a table of options; member: of the file's struct options. */
#define CORACLE_TEXT_ROW(member, letter_, name_, arg_, doc_)                                       \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .arg = (arg_), .doc = (doc_),                        \
        .read = coracle_read_text, .offset = offsetof(struct options, member)                      \
    }
#define CORACLE_FLAG_ROW(member, letter_, name_, doc_)                                             \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .doc = (doc_), .read = coracle_read_flag,            \
        .offset = offsetof(struct options, member)                                                 \
    }
#define CORACLE_NUMBER_ROW(member, letter_, name_, arg_, min_, max_, doc_)                         \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .arg = (arg_), .doc = (doc_), .min = (min_),         \
        .max = (max_), .read = coracle_read_number, .offset = offsetof(struct options, member)     \
    }
#define CORACLE_DURATION_ROW(member, letter_, name_, doc_)                                         \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .arg = "DURATION", .doc = (doc_),                    \
        .expected = "a number and s, m, h or d, such as 24h", .read = coracle_read_duration,       \
        .offset = offsetof(struct options, member)                                                 \
    }
#define CORACLE_OUTPUT_ROW(formats_, doc_)                                                         \
    {                                                                                              \
        .name = "output", .letter = 'o', .arg = "FORMAT", .doc = (doc_), .formats = (formats_),    \
        .read = coracle_read_format, .offset = offsetof(struct coracle_said, format)               \
    }
#define CORACLE_RUN_ROW(what)                                                                      \
    {                                                                                              \
        .name = "run-dir", .arg = "DIR", .doc = "Where the " what " are (" CORACLE_RUN ")",        \
        .read = coracle_read_text, .offset = offsetof(struct coracle_said, run)                    \
    }
#define CORACLE_SOCKETS_ROW CORACLE_RUN_ROW("services' sockets")

/* A command. All static. */
struct coracle_command {
    const char *name;
    const char *summary; /* for the list of commands */
    const char *doc;     /* for --help; what follows \v stands below the options */
    const char *words;   /* what stands after it, for --help; NULL: nothing, or the actions */
    const char *more;    /* in bash: what else completes it; NULL: nothing */

    const struct coracle_option *options; /* up to one without a name; NULL: none */
    const struct coracle_action *actions; /* up to one without a name; NULL: none */

    /* Takes a further word, if there are no actions; NULL: there is none. COR_INVALID. */
    enum cor_code (*word)(void *options, char *word, struct cor_err *err);

    /* Whether all fits together; NULL: it does. COR_INVALID. */
    enum cor_code (*check)(const void *options, struct cor_err *err);

    /* Does it; returns the exit code. */
    int (*run)(int argc, char **argv);
};

/* Refuses a word that is one too many: COR_INVALID. */
enum cor_code coracle_unexpected(const char *word, struct cor_err *err);

/* Reads the command line into options, the command's struct options with its defaults. Ends the
 * process for --help (0), and with one line about what is wrong (EXIT_USAGE). */
void coracle_read(const struct coracle_command *command, int argc, char **argv, void *options);

#endif

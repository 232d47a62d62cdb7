// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/view.h"

enum { OPTIONS_MAX = 16, LONG_ONLY = 256, TITLE_MAX = 64 };

/* ---- what follows an option ---- */

static void *target(const struct coracle_option *option, void *options)
{
    return (char *)options + option->offset;
}

bool coracle_read_text(const struct coracle_option *option, char *arg, void *options)
{
    *(const char **)target(option, options) = arg;
    return true;
}

bool coracle_read_flag(const struct coracle_option *option, char *arg, void *options)
{
    (void)arg;
    *(bool *)target(option, options) = true;
    return true;
}

bool coracle_read_number(const struct coracle_option *option, char *arg, void *options)
{
    int64_t *number = target(option, options);
    return cor_view_i64(cor_view_of(arg), number) && *number >= option->min &&
           (option->max == 0 || *number <= option->max);
}

bool coracle_read_duration(const struct coracle_option *option, char *arg, void *options)
{
    static const struct {
        char unit;
        int64_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    int64_t *seconds = target(option, options);
    struct cor_view view = cor_view_of(arg);
    int64_t number = 0;
    if (view.len < 2 || !cor_view_i64((struct cor_view){view.ptr, view.len - 1}, &number) ||
        number <= 0 || number > 36500) {
        return false;
    }
    for (size_t i = 0; i < COR_COUNT(UNITS); i++) {
        if (view.ptr[view.len - 1] == UNITS[i].unit) {
            *seconds = number * UNITS[i].seconds;
            return true;
        }
    }
    return false;
}

bool coracle_read_format(const struct coracle_option *option, char *arg, void *options)
{
    static const struct {
        const char *name;
        enum coracle_format format;
    } FORMATS[] = {
        {"table", CORACLE_TABLE}, {"text", CORACLE_TABLE}, {"wide", CORACLE_WIDE},
        {"json", CORACLE_JSON},   {"yaml", CORACLE_YAML},  {"name", CORACLE_NAME},
    };
    struct cor_view rest = cor_view_of(option->formats);
    struct cor_view one;
    while (rest.len > 0 && cor_view_split(&rest, ' ', &one)) {
        for (size_t i = 0; cor_view_is(one, arg) && i < COR_COUNT(FORMATS); i++) {
            if (cor_view_is(one, FORMATS[i].name)) {
                *(enum coracle_format *)target(option, options) = FORMATS[i].format;
                return true;
            }
        }
    }
    return false;
}

/* ---- complaints ---- */

/* Appends words "a b c" as "a, b or c". */
static void say_one_of(const char *words, struct cor_buf *out)
{
    struct cor_view rest = cor_view_of(words);
    struct cor_view word;
    const char *gap = "";
    while (rest.len > 0 && cor_view_split(&rest, ' ', &word)) {
        cor_buf_str(out, rest.len == 0 && gap[0] != '\0' ? " or " : gap);
        cor_buf_view(out, word);
        gap = ", ";
    }
}

static enum cor_code bad_option(const struct coracle_option *option, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf out = {0};
    if (option->expected != NULL) {
        cor_buf_str(&out, option->expected);
    } else if (option->formats != NULL) {
        say_one_of(option->formats, &out);
    } else {
        cor_buf_fmt(&out, "a number from %lld", (long long)option->min);
        if (option->max != 0) {
            cor_buf_fmt(&out, " to %lld", (long long)option->max);
        }
    }
    return cor_err_set(err, COR_INVALID, "--%s: expected %s", option->name, out.data);
}

/* Appends each action with the word after it: "list", gap, "revoke ID"; before the last one last.
 */
static void say_actions(const struct coracle_action *actions, const char *gap, const char *last,
                        struct cor_buf *out)
{
    for (const struct coracle_action *a = actions; a->name != NULL; a++) {
        cor_buf_str(out, a == actions ? "" : a[1].name == NULL ? last : gap);
        cor_buf_fmt(out, a->what == NULL ? "%s" : "%s %s", a->name, a->what);
    }
}

/* ---- words ---- */

static enum cor_code take_word(const struct coracle_command *command, void *options, char *word,
                               struct cor_err *err)
{
    struct coracle_said *said = options;
    if (command->word != NULL) {
        return command->word(options, word, err);
    }
    for (const struct coracle_action *a = command->actions;
         said->action == NULL && a != NULL && a->name != NULL; a++) {
        if (strcmp(word, a->name) == 0) {
            said->action = a;
            return COR_OK;
        }
    }
    if (said->action != NULL && said->action->what != NULL && said->what == NULL) {
        said->what = word;
        return COR_OK;
    }
    return coracle_unexpected(word, err);
}

enum cor_code coracle_unexpected(const char *word, struct cor_err *err)
{
    return cor_err_set(err, COR_INVALID, "unexpected argument \"%s\"", word);
}

static enum cor_code check(const struct coracle_command *command, const void *options,
                           struct cor_err *err)
{
    const struct coracle_said *said = options;
    const struct coracle_action *a = said->action;
    bool is_short = a == NULL || (a->what != NULL && a->what[0] != '[' && said->what == NULL);
    if (command->actions != NULL && is_short) {
        auto_(cor_buf_free) struct cor_buf out = {0};
        say_actions(command->actions, ", ", " or ", &out);
        return cor_err_set(err, COR_INVALID, "expected: %s", out.data);
    }
    return command->check == NULL ? COR_OK : command->check(options, err);
}

/* ---- argp ---- */

struct reading {
    const struct coracle_command *command;
    void *options;
};

/* What argp calls the option in row i. */
static int key_of(const struct coracle_option *option, size_t i)
{
    return option->letter != 0 ? option->letter : LONG_ONLY + (int)i;
}

static const struct coracle_option *option_of(const struct coracle_command *command, int key)
{
    const struct coracle_option *options = command->options;
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        if (key_of(&options[i], i) == key) {
            return &options[i];
        }
    }
    return NULL;
}

static error_t on_key(int key, char *arg, struct argp_state *state)
{
    const struct reading *r = state->input;
    const struct coracle_option *option = option_of(r->command, key);
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = COR_OK;
    if (key == ARGP_KEY_ARG) {
        code = take_word(r->command, r->options, arg, &err);
    } else if (key == ARGP_KEY_END) {
        code = check(r->command, r->options, &err);
    } else if (option == NULL) {
        return ARGP_ERR_UNKNOWN;
    } else if (!option->read(option, arg, r->options)) {
        code = bad_option(option, &err);
    }
    if (code != COR_OK) {
        argp_error(state, "%s", err.text);
    }
    return 0;
}

void coracle_read(const struct coracle_command *command, int argc, char **argv, void *options)
{
    struct argp_option rows[OPTIONS_MAX + 1] = {0};
    auto_(cor_buf_free) struct cor_buf words = {0};
    char title[TITLE_MAX];
    size_t count = 0;
    for (const struct coracle_option *o = command->options; o != NULL && o->name != NULL; o++) {
        must(count < OPTIONS_MAX);
        rows[count] = (struct argp_option){o->name, key_of(o, count), o->arg, 0, o->doc, 0};
        count++;
    }
    cor_buf_str(&words, command->words == NULL ? "" : command->words);
    if (command->actions != NULL) {
        say_actions(command->actions, "\n", "\n", &words);
    }
    const struct argp_option *all = count == 0 ? NULL : rows; /* of none argp loses a byte */
    const struct argp argp = {all,  on_key, words.len == 0 ? NULL : words.data, command->doc, NULL,
                              NULL, NULL};
    struct reading reading = {.command = command, .options = options};
    (void)snprintf(title, sizeof(title), "coracle %s", command->name);
    argv[0] = title; /* argp prints it, and wants it writable */
    argp_err_exit_status = EXIT_USAGE;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &reading);
}

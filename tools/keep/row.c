// SPDX-License-Identifier: Apache-2.0
#include "tools/keep/row.h"

#include <stddef.h>
#include <string.h>

#include "common/base/attr.h"
#include "common/base/mem.h"

enum kind { TEXT, NUMBER, LIMIT, OCTAL, LIST };

static const struct {
    const char *key;
    enum kind kind;
    size_t offset;
    size_t max; /* of a list */
} KEYS[] = {
    {"service", TEXT, offsetof(struct keep_row, service), 0},
    {"user", TEXT, offsetof(struct keep_row, user), 0},
    {"rights", TEXT, offsetof(struct keep_row, rights), 0},
    {"program", TEXT, offsetof(struct keep_row, program), 0},
    {"config", TEXT, offsetof(struct keep_row, config), 0},
    {"sockets", TEXT, offsetof(struct keep_row, sockets), 0},
    {"remove", TEXT, offsetof(struct keep_row, remove), 0},
    {"files", NUMBER, offsetof(struct keep_row, files), 0},
    {"memory", LIMIT, offsetof(struct keep_row, memory), 0},
    {"nice", NUMBER, offsetof(struct keep_row, nice), 0},
    {"mask", OCTAL, offsetof(struct keep_row, mask), 0},
    {"arg", LIST, offsetof(struct keep_row, args), KEEP_ARGS_MAX},
    {"env", LIST, offsetof(struct keep_row, env), KEEP_ENV_MAX},
};

static bool read_octal(const char *text, int64_t *out)
{
    *out = 0;
    for (; *text >= '0' && *text <= '7' && *out < 01000; text++) {
        *out = *out * 8 + (*text - '0');
    }
    return *text == '\0' && *out < 01000;
}

static bool add(const char **list, size_t max, const char *value)
{
    size_t count = 0;
    while (list[count] != NULL) {
        count++;
    }
    if (count < max) {
        list[count] = value;
    }
    return count < max;
}

static bool set_number(enum kind kind, const char *value, int64_t *out)
{
    if (kind == OCTAL) {
        return read_octal(value, out);
    }
    if (kind == LIMIT && strcmp(value, "-") == 0) {
        *out = -1;
        return true;
    }
    return cor_view_i64(cor_view_of(value), out) && (kind != LIMIT || *out > 0);
}

static bool set(struct keep_row *row, const char *key, const char *value)
{
    for (size_t i = 0; i < COR_COUNT(KEYS); i++) {
        void *field = (char *)row + KEYS[i].offset;
        if (strcmp(KEYS[i].key, key) != 0) {
            continue;
        }
        if (KEYS[i].kind == TEXT) {
            *(const char **)field = value;
            return true;
        }
        return KEYS[i].kind == LIST ? add(field, KEYS[i].max, value)
                                    : set_number(KEYS[i].kind, value, field);
    }
    return false;
}

/* The word at *at, which moves behind it; key and value end in NUL then. False: it is none. */
static bool next_word(char **at, const char **key_r, const char **value_r)
{
    char *equal = *at + strcspn(*at, "= \n");
    if (*equal != '=') {
        return false;
    }
    *key_r = *at;
    *equal = '\0';
    bool quoted = equal[1] == '\'';
    char *value = equal + (quoted ? 2 : 1);
    char *end = value + strcspn(value, quoted ? "'" : " \n");
    if (quoted && (*end != '\'' || strchr(" \n", end[1]) == NULL)) {
        return false;
    }
    *value_r = value;
    *at = *end == '\0' ? end : end + 1;
    *end = '\0';
    return true;
}

enum cor_code keep_row_parse(struct cor_view text, struct keep_row *row_r, struct cor_err *err)
{
    struct keep_row row = {.text = cor_memdup(text.ptr, text.len),
                           .service = "",
                           .user = "",
                           .rights = "",
                           .program = "",
                           .config = "",
                           .sockets = "",
                           .remove = "",
                           .memory = -1,
                           .mask = -1};
    char *at = row.text + strspn(row.text, " \n");
    bool good = strlen(row.text) == text.len;
    const char *key = at;
    while (good && *at != '\0') {
        const char *value = NULL;
        key = at;
        good = next_word(&at, &key, &value) && set(&row, key, value);
        at += good ? strspn(at, " \n") : 0;
    }
    if (!good) {
        (void)cor_err_set(err, COR_INVALID, "row: not a KEY=VALUE that is known: %.40s", key);
    } else if (*row.service == '\0' || *row.user == '\0' || *row.rights == '\0' || row.files < 3 ||
               row.mask < 0 || (*row.program == '\0') == (row.args[0] == NULL)) {
        good = false;
        (void)cor_err_set(err, COR_INVALID,
                          "row: service, user, rights, files, mask or the program is missing");
    }
    if (!good) {
        keep_row_free(&row);
        return COR_INVALID;
    }
    *row_r = row;
    return COR_OK;
}

void keep_row_free(struct keep_row *row)
{
    cor_free(row->text);
    *row = (struct keep_row){0};
}

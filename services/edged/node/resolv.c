// SPDX-License-Identifier: Apache-2.0
#include "resolv.h"

#include <string.h>

#include "common/base/mem.h"

static const char BLANKS[] = " \t\r";

/* The words of a line go into list. */
static void take_words(char *rest, const char **list, size_t max, size_t *count)
{
    char *next = NULL;
    for (char *word = strtok_r(rest, BLANKS, &next); word != NULL && *count < max;
         word = strtok_r(NULL, BLANKS, &next)) {
        list[(*count)++] = word;
    }
}

static void read_line(struct resolv *resolv, char *line)
{
    char *rest = NULL;
    const char *key = strtok_r(line, BLANKS, &rest);
    if (key == NULL || key[0] == '#' || key[0] == ';') {
        return;
    }
    if (strcmp(key, "nameserver") == 0) {
        size_t max = resolv->server_count + 1;
        max = max > RESOLV_SERVERS_MAX ? RESOLV_SERVERS_MAX : max;
        take_words(rest, resolv->servers, max, &resolv->server_count);
    } else if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0) {
        resolv->search_count = 0;
        take_words(rest, resolv->searches, RESOLV_WORDS_MAX, &resolv->search_count);
    } else if (strcmp(key, "options") == 0) {
        take_words(rest, resolv->options, RESOLV_WORDS_MAX, &resolv->option_count);
    }
}

struct resolv *resolv_read(struct cor_view text)
{
    struct resolv *resolv = cor_alloc(sizeof(*resolv));
    char *next = NULL;
    resolv->text = cor_view_dup(text);
    for (char *line = strtok_r(resolv->text, "\n", &next); line != NULL;
         line = strtok_r(NULL, "\n", &next)) {
        read_line(resolv, line);
    }
    return resolv;
}

void resolv_free(struct resolv **resolv)
{
    if (*resolv != NULL) {
        cor_free((*resolv)->text);
        cor_freep(resolv);
    }
}

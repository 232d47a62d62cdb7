// SPDX-License-Identifier: Apache-2.0
#include "match.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

enum { PARAM = -1 };

/* A pattern as a row of tokens, each a character or PARAM. */
struct tokens {
    int items[EC_PATTERN_MAX];
    size_t count;
};

static bool is_param_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-+&@#%?=~_|!:,.;", c) != NULL);
}

/* Length of "{name}" at text; 0: there is none. */
static size_t param_at(const char *text)
{
    size_t len = 1;
    if (text[0] != '{') {
        return 0;
    }
    while (is_param_char(text[len])) {
        len++;
    }
    return len > 1 && text[len] == '}' ? len + 1 : 0;
}

static bool read_tokens(const char *pattern, struct tokens *out)
{
    out->count = 0;
    while (*pattern != '\0') {
        size_t param = param_at(pattern);
        if (out->count == EC_PATTERN_MAX) {
            return false;
        }
        out->items[out->count++] = param > 0 ? PARAM : *pattern;
        pattern += param > 0 ? param : 1;
    }
    return true;
}

/* One character: from the states in now to those in then. State i: i tokens are matched; a PARAM
 * that is matched goes on matching. */
static void step(const struct tokens *tokens, const bool *now, bool *then, char c)
{
    memset(then, 0, (tokens->count + 1) * sizeof(*then));
    for (size_t i = 0; i < tokens->count; i++) {
        bool may = tokens->items[i] == PARAM ? is_param_char(c) : tokens->items[i] == c;
        bool again = tokens->items[i] == PARAM && now[i + 1];
        then[i + 1] = may && (now[i] || again);
    }
}

bool ec_match(const char *pattern, struct cor_view target)
{
    struct tokens tokens;
    bool states[2][EC_PATTERN_MAX + 1] = {{0}};
    if (target.len > EC_TARGET_MAX || !read_tokens(pattern, &tokens)) {
        return false;
    }
    for (size_t i = 0; i < target.len; i++) {
        bool *now = states[i % 2];
        bool *then = states[(i + 1) % 2];
        now[0] = true;
        if (now[tokens.count]) {
            return true;
        }
        step(&tokens, now, then, target.ptr[i]);
    }
    return tokens.count == 0 || states[target.len % 2][tokens.count];
}

static int compare(size_t a, size_t b)
{
    return a > b ? 1 : a < b ? -1 : 0;
}

static void weigh(const char *pattern, size_t *parts_r, size_t *literal_r)
{
    *parts_r = 0;
    *literal_r = 0;
    while (*pattern != '\0') {
        size_t param = param_at(pattern);
        *parts_r += *pattern == '/' ? 1 : 0;
        *literal_r += param > 0 ? 0 : 1;
        pattern += param > 0 ? param : 1;
    }
}

int ec_match_order(const char *a, const char *b)
{
    size_t parts[2];
    size_t literal[2];
    weigh(a, &parts[0], &literal[0]);
    weigh(b, &parts[1], &literal[1]);
    int order = compare(parts[0], parts[1]);
    order = order != 0 ? order : compare(literal[0], literal[1]);
    return order != 0 ? order : strcmp(a, b);
}

char *ec_match_topic(const char *topic, const char *path, struct cor_view target)
{
    struct cor_view rest = target;
    struct cor_view part;
    struct cor_buf out = {0};
    for (int i = 0; i < 3; i++) { /* "", node, namespace */
        if (!cor_view_split(&rest, '/', &part) || rest.ptr == NULL) {
            return NULL;
        }
    }
    if (cor_view_starts(rest, path)) {
        rest.ptr += strlen(path);
        rest.len -= strlen(path);
    }
    struct cor_view head = cor_view_of(topic);
    if (rest.len > 0 && cor_view_ends(head, "/")) {
        head.len--;
    }
    cor_buf_view(&out, head);
    if (rest.len > 0) {
        cor_buf_str(&out, rest.ptr[0] == '/' ? "" : "/");
        cor_buf_view(&out, rest);
    }
    return cor_buf_take(&out);
}

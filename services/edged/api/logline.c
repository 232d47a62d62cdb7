// SPDX-License-Identifier: Apache-2.0
#include "logline.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/clock/clock.h"
#include "common/httpd/uri.h"

enum { NS_PER_US = 1000 };
static const int64_t NS_PER_S = 1000000000;

/* Value of a number; *has_r false when it is not there. False: it is none. */
static bool number(struct cor_view query, const char *name, int64_t least, bool *has_r,
                   int64_t *value_r)
{
    auto_(cor_freep) char *text = cor_query_get(query, name);
    *has_r = text != NULL && text[0] != '\0';
    return !*has_r || (cor_view_i64(cor_view_of(text), value_r) && *value_r >= least);
}

static bool since(struct cor_view query, int64_t now_ns, int64_t *since_ns)
{
    auto_(cor_freep) char *time = cor_query_get(query, "sinceTime");
    int64_t seconds = 0;
    bool has = false;
    struct cor_wall at;
    *since_ns = INT64_MIN;
    if (!number(query, "sinceSeconds", 1, &has, &seconds)) {
        return false;
    }
    if (has) {
        *since_ns = seconds < now_ns / NS_PER_S ? now_ns - seconds * NS_PER_S : INT64_MIN;
    }
    if (time == NULL || time[0] == '\0') {
        return true;
    }
    if (has || !cor_wall_parse(cor_view_of(time), &at)) {
        return false;
    }
    *since_ns = at.us * NS_PER_US;
    return true;
}

enum cor_code log_options_read(struct cor_view query, int64_t now_ns, struct log_options *options_r,
                               struct cor_err *err)
{
    bool has = false;
    *options_r = (struct log_options){.follow = cor_query_is(query, "follow"),
                                      .previous = cor_query_is(query, "previous"),
                                      .timestamps = cor_query_is(query, "timestamps"),
                                      .limit = -1};
    if (!number(query, "tailLines", 0, &options_r->has_tail, &options_r->tail) ||
        !number(query, "limitBytes", 1, &has, &options_r->limit) ||
        !since(query, now_ns, &options_r->since_ns)) {
        return cor_err_set(err, COR_INVALID, "Invalid request.");
    }
    return COR_OK;
}

static void show(struct cor_view text, struct log_options *options, struct cor_buf *out)
{
    if (options->limit >= 0 && (uint64_t)options->limit < text.len) {
        text.len = (size_t)options->limit;
    }
    options->limit -= options->limit < 0 ? 0 : (int64_t)text.len;
    cor_buf_view(out, text);
}

static bool is_before(struct cor_view time, int64_t since_ns)
{
    struct cor_wall at;
    return since_ns != INT64_MIN && cor_wall_parse(time, &at) && at.us < since_ns / NS_PER_US;
}

void log_line_show(struct cor_view line, struct log_options *options, struct cor_buf *out)
{
    struct cor_view time;
    struct cor_view stream;
    struct cor_view tag;
    struct cor_view text = line;
    if (!cor_view_split(&text, ' ', &time) || !cor_view_split(&text, ' ', &stream) ||
        !cor_view_split(&text, ' ', &tag)) {
        return;
    }
    /* Tags are separated by colons; the first one says whether the line ends here. */
    bool part = cor_view_is(tag, "P") || cor_view_starts(tag, "P:");
    bool known = cor_view_is(stream, "stdout") || cor_view_is(stream, "stderr");
    if (!known || is_before(time, options->since_ns)) {
        return;
    }
    if (options->timestamps) {
        show(time, options, out);
        show(COR_VIEW(" "), options, out);
    }
    show(text, options, out);
    if (!part) {
        show(COR_VIEW("\n"), options, out);
    }
}

bool log_is_over(const struct log_options *options)
{
    return options->limit == 0;
}

bool log_tail(struct cor_view block, int64_t *left, size_t *offset_r)
{
    size_t end = block.len;
    while (end > 0) {
        const char *newline = memrchr(block.ptr, '\n', end);
        if (newline == NULL) {
            return false;
        }
        size_t at = (size_t)(newline - block.ptr);
        if (*left == 0) {
            *offset_r = at + 1;
            return true;
        }
        (*left)--;
        end = at;
    }
    return false;
}

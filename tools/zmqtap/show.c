// SPDX-License-Identifier: Apache-2.0
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "common/codec/codec.h"
#include "proto/proto.h"

/* Times of messages, to give the latency of what they cause: a ring by id. */
enum { TIMES = 1 << 16, VALUE_MOST = 400 };

struct tap_show {
    struct tap_filter filter;
    struct tap_style style;
    struct cor_arena *arena;
    struct {
        uint64_t id;
        int64_t us;
    } times[TIMES];
};

/* A message taken apart. */
struct seen {
    const struct cor_wire_tapped *tapped;
    const struct cor_message *kind; /* NULL: unknown number */
    struct cor_wire_header head;
    const void *body; /* NULL: could not be read (cut) */
    struct cor_view resource;
};

struct tap_show *tap_show_new(const struct tap_filter *filter, const struct tap_style *style)
{
    struct tap_show *show = cor_alloc(sizeof(*show));
    show->filter = *filter;
    show->style = *style;
    show->arena = cor_arena_new(1 << 20);
    return show;
}

void tap_show_free(struct tap_show **show)
{
    if (*show != NULL) {
        cor_arena_free(&(*show)->arena);
        cor_freep(show);
    }
}

/* What a message is about: the field of the first of these names that it has, else its first
 * string. */
static struct cor_view resource_of(const struct cor_table *table, const void *body)
{
    static const char *const NAMES[] = {"path", "key", "device", "topic", "resource"};
    struct cor_view value = {0};
    size_t best = COR_COUNT(NAMES) + 1;
    for (size_t i = 0; i < table->count; i++) {
        const struct cor_field *f = &table->fields[i];
        size_t rank = 0;
        while (rank < COR_COUNT(NAMES) && strcmp(f->name, NAMES[rank]) != 0) {
            rank++;
        }
        if (f->type == COR_T_STR && rank < best) {
            best = rank;
            memcpy(&value, (const char *)body + f->offset, sizeof(value));
        }
    }
    return value;
}

static bool take_apart(struct tap_show *show, const struct cor_wire_tapped *tapped,
                       struct seen *seen)
{
    struct cor_err err;
    struct cor_view raw;
    *seen = (struct seen){.tapped = tapped};
    if (cor_frame_read(tapped->frame, &seen->head, &raw, &err) != COR_OK) {
        return false;
    }
    seen->kind =
        cor_message_find(seen->head.number <= COR_WIRE_LAST ? cor_wire_messages() : px_messages(),
                         (uint16_t)seen->head.number);
    if (seen->kind == NULL) {
        return true;
    }
    cor_arena_reset(show->arena);
    void *body = cor_arena_alloc(show->arena, seen->kind->body->size);
    if (body != NULL && cor_decode(seen->kind->body, raw, show->arena, body, &err) == COR_OK) {
        seen->body = body;
        seen->resource = resource_of(seen->kind->body, body);
    }
    return true;
}

static bool contains(struct cor_view text, const char *part)
{
    return text.len > 0 && memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static bool wanted(const struct tap_filter *f, const struct seen *seen)
{
    const char *name = seen->kind == NULL ? "unknown" : seen->kind->name;
    if (!f->control && seen->head.number <= COR_WIRE_LAST && seen->head.number != COR_WIRE_ERROR) {
        return false;
    }
    if (f->service != NULL && !cor_view_is(seen->tapped->from, f->service) &&
        !cor_view_is(seen->tapped->to, f->service)) {
        return false;
    }
    return (f->message == NULL || strcmp(f->message, name) == 0) &&
           (f->resource == NULL || contains(seen->resource, f->resource));
}

/* Microseconds since the cause was sent; false when it was not seen. */
static bool latency(struct tap_show *show, const struct seen *seen, int64_t *us_r)
{
    uint64_t cause = seen->head.cause != 0 ? seen->head.cause : seen->head.re;
    size_t at = cause % TIMES;
    if (cause == 0 || show->times[at].id != cause) {
        return false;
    }
    *us_r = seen->tapped->time_us - show->times[at].us;
    return true;
}

static void remember(struct tap_show *show, const struct seen *seen)
{
    size_t at = seen->head.id % TIMES;
    if (show->times[at].id != seen->head.id) {
        show->times[at].id = seen->head.id;
        show->times[at].us = seen->head.time_us;
    }
}

static void add_time(int64_t us, struct cor_buf *out)
{
    char text[COR_RFC3339_SIZE];
    cor_wall_format_us((struct cor_wall){us}, text);
    cor_buf_fmt(out, "%.15s", text + 11);
}

static void text_line(struct tap_show *show, const struct seen *seen, struct cor_buf *out)
{
    const struct cor_wire_tapped *t = seen->tapped;
    const char *dim = show->style.colour ? "\033[2m" : "";
    const char *bold = show->style.colour ? "\033[1m" : "";
    const char *plain = show->style.colour ? "\033[0m" : "";
    if (t->lost > 0) {
        cor_buf_fmt(out, "%s-- %" PRIu64 " messages could not be shown --%s\n", bold, t->lost,
                    plain);
    }
    add_time(t->time_us, out);
    cor_buf_fmt(out, " %14.*s -> %-14.*s %s%-15s%s ", COR_VIEW_ARG(t->from), COR_VIEW_ARG(t->to),
                bold, seen->kind == NULL ? "unknown" : seen->kind->name, plain);
    if (seen->body == NULL) {
        cor_buf_str(out, "(cut)");
    } else {
        cor_escape(out, seen->resource);
    }
    int64_t us = 0;
    cor_buf_fmt(out, " %" PRIu64 "B", t->size);
    if (latency(show, seen, &us)) {
        cor_buf_fmt(out, " +%.2fms", (double)us / 1000);
    }
    cor_buf_fmt(out, " %s#%" PRIx64, dim, seen->head.id);
    if (seen->head.re != 0) {
        cor_buf_fmt(out, " re #%" PRIx64, seen->head.re);
    } else if (seen->head.cause != 0) {
        cor_buf_fmt(out, " by #%" PRIx64, seen->head.cause);
    }
    if (seen->head.seq != 0) {
        cor_buf_fmt(out, " seq %" PRIu64 ".%" PRIu64, seen->head.stream, seen->head.seq);
    }
    cor_buf_fmt(out, "%s\n", plain);
    if (show->style.verbose && seen->body != NULL) {
        cor_buf_str(out, "    ");
        cor_print(seen->kind->body, seen->body, VALUE_MOST, out);
        cor_buf_str(out, "\n");
    }
}

static void json_string(const char *key, struct cor_view text, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf escaped = {0};
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            cor_buf_fmt(&escaped, "\\%c", c);
        } else if (c < ' ') {
            cor_buf_fmt(&escaped, "\\u%04x", c);
        } else {
            cor_buf_add(&escaped, &c, 1);
        }
    }
    cor_buf_fmt(out, ",\"%s\":\"%s\"", key, escaped.data == NULL ? "" : escaped.data);
}

static void json_line(struct tap_show *show, const struct seen *seen, struct cor_buf *out)
{
    const struct cor_wire_tapped *t = seen->tapped;
    int64_t us = 0;
    cor_buf_fmt(out, "{\"timeUs\":%" PRId64, t->time_us);
    json_string("endpoint", t->endpoint, out);
    json_string("from", t->from, out);
    json_string("to", t->to, out);
    json_string("message", cor_view_of(seen->kind == NULL ? "unknown" : seen->kind->name), out);
    json_string("resource", seen->resource, out);
    cor_buf_fmt(out,
                ",\"size\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"id\":\"%" PRIx64
                "\",\"cause\":\"%" PRIx64 "\",\"re\":\"%" PRIx64 "\"",
                t->size, t->lost, seen->head.id, seen->head.cause, seen->head.re);
    if (latency(show, seen, &us)) {
        cor_buf_fmt(out, ",\"latencyUs\":%" PRId64, us);
    }
    if (show->style.verbose && seen->body != NULL) {
        auto_(cor_buf_free) struct cor_buf body = {0};
        cor_print(seen->kind->body, seen->body, VALUE_MOST, &body);
        json_string("body", cor_buf_as_view(&body), out);
    }
    cor_buf_str(out, "}\n");
}

bool tap_show_line(struct tap_show *show, const struct cor_wire_tapped *tapped, struct cor_buf *out)
{
    struct seen seen;
    if (!take_apart(show, tapped, &seen)) {
        return false;
    }
    remember(show, &seen);
    if (!wanted(&show->filter, &seen)) {
        return false;
    }
    if (show->style.json) {
        json_line(show, &seen, out);
    } else {
        text_line(show, &seen, out);
    }
    return true;
}

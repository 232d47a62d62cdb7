// SPDX-License-Identifier: Apache-2.0
#include "common/log/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/text.h"

struct cor_log {
    struct cor_log *root;
    char *fields;         /* owned; " key=value" of this and its parents */
    char *service;        /* owned; root only */
    enum cor_level level; /* root only */
};

static _Thread_local uint64_t current_cause;

static const char *const LEVELS[] = {"error", "warn", "info", "debug"};

struct cor_log *cor_log_new(const char *service, enum cor_level level)
{
    struct cor_log *log = cor_alloc(sizeof(*log));
    log->root = log;
    log->service = cor_strdup(service);
    log->fields = cor_strdup("");
    log->level = level;
    return log;
}

struct cor_log *cor_log_child(const struct cor_log *parent, const char *key, const char *value)
{
    struct cor_log *log = cor_alloc(sizeof(*log));
    log->root = parent->root;
    log->fields = cor_sprintf("%s %s=%s", parent->fields, key, cor_log_esc(cor_view_of(value)));
    return log;
}

void cor_log_free(struct cor_log **log)
{
    if (*log != NULL) {
        cor_free((*log)->fields);
        cor_free((*log)->service);
        cor_freep(log);
    }
}

void cor_log_set_level(struct cor_log *log, enum cor_level level)
{
    log->root->level = level;
}

bool cor_log_on(const struct cor_log *log, enum cor_level level)
{
    return level <= log->root->level;
}

bool cor_level_parse(struct cor_view name, enum cor_level *level_r)
{
    for (size_t i = 0; i < COR_COUNT(LEVELS); i++) {
        if (cor_view_is(name, LEVELS[i])) {
            *level_r = (enum cor_level)i;
            return true;
        }
    }
    return false;
}

void cor_log_set_cause(uint64_t cause)
{
    current_cause = cause;
}

void cor_log_write(const struct cor_log *log, enum cor_level level, const char *event,
                   const char *fmt, ...)
{
    static const char *const NAMES[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    char line[1024];
    size_t room = sizeof(line) - 1;
    int n =
        snprintf(line, room, "%s %s %s%s ", NAMES[level], log->root->service, event, log->fields);
    size_t len = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    va_list args;
    va_start(args, fmt);
    n = vsnprintf(line + len, room - len, fmt, args);
    va_end(args);
    len += n < 0 ? 0 : (size_t)n < room - len ? (size_t)n : room - len - 1;
    if (current_cause != 0) {
        n = snprintf(line + len, room - len, " cause=%016" PRIx64, current_cause);
        len += n < 0 ? 0 : (size_t)n < room - len ? (size_t)n : room - len - 1;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < ' ') {
            line[i] = ' ';
        }
    }
    line[len++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

const char *cor_log_esc(struct cor_view text)
{
    static _Thread_local char ring[4][256];
    static _Thread_local unsigned next;
    char *out = ring[next++ % 4];
    auto_(cor_buf_free) struct cor_buf buf = {0};
    bool cut = text.len > 200;
    bool plain = text.len > 0 && memchr(text.ptr, ' ', text.len) == NULL;
    cor_escape(&buf, (struct cor_view){text.ptr, cut ? 200 : text.len});
    const char *quote = plain && buf.len == text.len ? "" : "\"";
    (void)snprintf(out, 256, "%s%.240s%s%s", quote, buf.data == NULL ? "" : buf.data,
                   cut ? "..." : "", quote);
    return out;
}

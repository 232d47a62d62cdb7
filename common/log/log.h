// SPDX-License-Identifier: Apache-2.0
// Structured log on stderr, one line an event: level, dotted stable event name, key=value fields.
// The supervisor's logger adds time and rotates. ERROR: a person should act. WARN: degraded, heals
// itself. INFO: changes of state only. DEBUG: the rest. Never payloads or secrets above DEBUG.
// Log or return an error, never both. Loop thread only, except cor_log_write.
#ifndef COR_LOG_LOG_H
#define COR_LOG_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/view.h"

enum cor_level { COR_LEVEL_ERROR, COR_LEVEL_WARN, COR_LEVEL_INFO, COR_LEVEL_DEBUG };

struct cor_log;

/* The root of a process's log: service is its name. Returns owned. */
struct cor_log *cor_log_new(const char *service, enum cor_level level);

/* A child that adds "key=value" (value escaped) to each line of parent (borrows; must outlive it).
 * Returns owned. */
struct cor_log *cor_log_child(const struct cor_log *parent, const char *key, const char *value);

/* Frees; *log becomes NULL. For auto_(). */
void cor_log_free(struct cor_log **log);

/* Lines of a higher level than this are not written. Changes the root of log. */
void cor_log_set_level(struct cor_log *log, enum cor_level level);

/* Whether a line of this level would be written. */
bool cor_log_on(const struct cor_log *log, enum cor_level level);

/* Level of a name: error, warn, info, debug. False for others. */
bool cor_level_parse(struct cor_view name, enum cor_level *level_r);

/* Id of the message being handled; it is added to every line ("cause=...") until set to 0. */
void cor_log_set_cause(uint64_t cause);

/* Writes one line. fmt gives the fields: "device=%s version=%d". Use the macros. One write(2). */
void cor_log_write(const struct cor_log *log, enum cor_level level, const char *event,
                   const char *fmt, ...) COR_PRINTF(4, 5);

#define COR_LOG_AT(log, level, event, ...)                                                         \
    do {                                                                                           \
        if (cor_log_on((log), (level))) {                                                          \
            cor_log_write((log), (level), (event), __VA_ARGS__);                                   \
        }                                                                                          \
    } while (0)

#define LOGE(log, event, ...) COR_LOG_AT(log, COR_LEVEL_ERROR, event, __VA_ARGS__)
#define LOGW(log, event, ...) COR_LOG_AT(log, COR_LEVEL_WARN, event, __VA_ARGS__)
#define LOGI(log, event, ...) COR_LOG_AT(log, COR_LEVEL_INFO, event, __VA_ARGS__)
#define LOGD(log, event, ...) COR_LOG_AT(log, COR_LEVEL_DEBUG, event, __VA_ARGS__)

/* A foreign string as it may stand in a line: "%s" of COR_LOG_ESC(view) is quoted and escaped.
 * Points into one of four static buffers per thread; cut at 200 bytes. */
const char *cor_log_esc(struct cor_view text);

#endif

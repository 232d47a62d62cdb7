// SPDX-License-Identifier: Apache-2.0
#include "kevent.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"

struct memory {
    uint64_t sum; /* of what makes two events equal */
    char *key;    /* NULL: free */
    int64_t count;
    char first[COR_RFC3339_SIZE];
};

struct kevent_log {
    char *node;
    struct memory memory[KEVENT_MEMORY];
    size_t next; /* slot to be used next: the oldest */
    int64_t last_us;
};

struct kevent_log *kevent_log_new(const char *node)
{
    struct kevent_log *log = cor_alloc(sizeof(*log));
    log->node = cor_strdup(node);
    return log;
}

void kevent_log_free(struct kevent_log **log)
{
    if (*log == NULL) {
        return;
    }
    for (size_t i = 0; i < KEVENT_MEMORY; i++) {
        cor_free((*log)->memory[i].key);
    }
    cor_free((*log)->node);
    cor_freep(log);
}

static uint64_t mix(uint64_t h, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    }
    return (h ^ 0xffu) * 0x100000001b3u;
}

static uint64_t sum_of(const struct kevent_about *about, const char *reason, const char *message)
{
    const char *const parts[] = {about->kind,       about->ns, about->name, about->uid,
                                 about->field_path, reason,    message};
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < COR_COUNT(parts); i++) {
        h = mix(h, parts[i]);
    }
    return h;
}

static struct memory *find(struct kevent_log *log, uint64_t sum)
{
    for (size_t i = 0; i < KEVENT_MEMORY; i++) {
        if (log->memory[i].key != NULL && log->memory[i].sum == sum) {
            return &log->memory[i];
        }
    }
    return NULL;
}

static struct memory *remember(struct kevent_log *log, uint64_t sum, char *key, const char *time)
{
    struct memory *memory = &log->memory[log->next];
    log->next = (log->next + 1) % KEVENT_MEMORY;
    cor_free(memory->key);
    *memory = (struct memory){.sum = sum, .key = key};
    memcpy(memory->first, time, sizeof(memory->first));
    return memory;
}

static struct cor_json *involved(const struct kevent_about *about)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "kind", cor_json_str(about->kind));
    cor_json_set(out, "apiVersion", cor_json_str(about->api_version));
    if (about->ns[0] != '\0') {
        cor_json_set(out, "namespace", cor_json_str(about->ns));
    }
    cor_json_set(out, "name", cor_json_str(about->name));
    cor_json_set(out, "uid", cor_json_str(about->uid));
    if (about->field_path[0] != '\0') {
        cor_json_set(out, "fieldPath", cor_json_str(about->field_path));
    }
    return out;
}

/* What changes when an event comes again. */
static struct cor_json *counted(const struct memory *memory, const char *message, const char *time)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "count", cor_json_int(memory->count));
    cor_json_set(out, "lastTimestamp", cor_json_str(time));
    cor_json_set(out, "message", cor_json_str(message));
    return out;
}

static struct cor_json *full(const struct kevent_log *log, const struct kevent_about *about,
                             const struct memory *memory, bool warning, const char *reason)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "kind", cor_json_str("Event"));
    cor_json_set(out, "apiVersion", cor_json_str("v1"));
    cor_json_set_at(out, "metadata.name", cor_json_str(strrchr(memory->key, '/') + 1));
    cor_json_set_at(out, "metadata.namespace",
                    cor_json_str(about->ns[0] != '\0' ? about->ns : "default"));
    cor_json_set_at(out, "metadata.creationTimestamp", cor_json_null());
    cor_json_set(out, "involvedObject", involved(about));
    cor_json_set_at(out, "source.component", cor_json_str("kubelet"));
    cor_json_set_at(out, "source.host", cor_json_str(log->node));
    cor_json_set(out, "firstTimestamp", cor_json_str(memory->first));
    cor_json_set(out, "type", cor_json_str(warning ? "Warning" : "Normal"));
    cor_json_set(out, "reason", cor_json_str(reason));
    cor_json_set(out, "eventTime", cor_json_null());
    cor_json_set(out, "reportingComponent", cor_json_str("kubelet"));
    cor_json_set(out, "reportingInstance", cor_json_str(log->node));
    return out;
}

/* "<ns>/event/<object>.<time in hex>" as client-go names them; never the same twice. */
static char *key_of(struct kevent_log *log, const struct kevent_about *about, struct cor_wall now)
{
    log->last_us = now.us > log->last_us ? now.us : log->last_us + 1;
    return cor_sprintf("%s/event/%s.%" PRIx64, about->ns[0] != '\0' ? about->ns : "default",
                       about->name, (uint64_t)log->last_us * 1000);
}

void kevent_make(struct kevent_log *log, const struct kevent_about *about, bool warning,
                 const char *reason, const char *message, struct cor_wall now, struct kevent *out)
{
    char time[COR_RFC3339_SIZE] = "";
    cor_wall_format(now, time);
    uint64_t sum = sum_of(about, reason, message);
    struct memory *memory = find(log, sum);
    out->first = memory == NULL;
    if (memory == NULL) {
        memory = remember(log, sum, key_of(log, about, now), time);
    }
    memory->count++;
    auto_(cor_json_free) struct cor_json *change = counted(memory, message, time);
    struct cor_json *event =
        cor_json_merge_patch(full(log, about, memory, warning, reason), change);
    out->key = cor_strdup(memory->key);
    out->body = event;
    if (!out->first) {
        auto_(cor_freep) char *text = cor_json_text(change);
        out->body = cor_json_object();
        cor_json_set(out->body, "event", event);
        cor_json_set(out->body, "patchData", cor_json_str(text));
    }
}

void kevent_forget(struct kevent_log *log, const char *key)
{
    for (size_t i = 0; i < KEVENT_MEMORY; i++) {
        if (log->memory[i].key != NULL && strcmp(log->memory[i].key, key) == 0) {
            cor_freep(&log->memory[i].key);
        }
    }
}

void kevent_free(struct kevent *event)
{
    cor_freep(&event->key);
    cor_json_free(&event->body);
}

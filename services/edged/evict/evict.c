// SPDX-License-Identifier: Apache-2.0
#include "evict.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/edged/pod/quantity.h"

static const struct {
    const char *name;
    const char *resource;
    enum evict_pressure pressure;
} SIGNALS[EVICT_SIGNALS] = {
    [EVICT_MEMORY] = {"memory.available", "memory", EVICT_MEMORY_PRESSURE},
    [EVICT_NODEFS] = {"nodefs.available", "ephemeral-storage", EVICT_DISK_PRESSURE},
    [EVICT_NODEFS_INODES] = {"nodefs.inodesFree", "inodes", EVICT_DISK_PRESSURE},
    [EVICT_IMAGEFS] = {"imagefs.available", "ephemeral-storage", EVICT_DISK_PRESSURE},
    [EVICT_IMAGEFS_INODES] = {"imagefs.inodesFree", "inodes", EVICT_DISK_PRESSURE},
    [EVICT_PIDS] = {"pid.available", "pids", EVICT_PID_PRESSURE},
};

const char *evict_resource(enum evict_signal signal)
{
    return SIGNALS[signal].resource;
}

bool evict_is_disk(enum evict_signal signal)
{
    return SIGNALS[signal].pressure == EVICT_DISK_PRESSURE;
}

/* ---- reading ---- */

static bool signal_of(struct cor_view name, enum evict_signal *signal_r)
{
    for (int i = 0; i < EVICT_SIGNALS; i++) {
        if (cor_view_is(name, SIGNALS[i].name)) {
            *signal_r = (enum evict_signal)i;
            return true;
        }
    }
    return false;
}

static bool amount_of(struct cor_view text, struct evict_amount *out)
{
    *out = (struct evict_amount){.percent = -1};
    if (!cor_view_ends(text, "%")) {
        return quantity_value(text, &out->number) && out->number >= 0;
    }
    auto_(cor_freep) char *copy = cor_memdup(text.ptr, text.len - 1);
    char *end = NULL;
    out->percent = strtod(copy, &end);
    return end != copy && *end == '\0' && out->percent >= 0 && out->percent <= 100;
}

/* Go's way of writing a duration, in whole hours, minutes and seconds. */
static bool duration_of(struct cor_view text, int64_t *us_r)
{
    static const struct {
        char unit;
        int64_t seconds;
    } UNITS[] = {{'h', 3600}, {'m', 60}, {'s', 1}};
    int64_t number = -1;
    int64_t sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9' && number < INT32_MAX) {
            number = (number < 0 ? 0 : number * 10) + (c - '0');
            continue;
        }
        size_t k = 0;
        while (k < COR_COUNT(UNITS) && UNITS[k].unit != c) {
            k++;
        }
        if (number < 0 || k == COR_COUNT(UNITS)) {
            return false;
        }
        sum += number * UNITS[k].seconds;
        number = -1;
    }
    *us_r = COR_SEC(sum);
    return number < 0 && text.len > 0 && sum > 0;
}

/* "signal<amount" or "signal=amount". */
static bool split(const char *text, char by, enum evict_signal *signal_r, struct cor_view *rest_r)
{
    struct cor_view rest = cor_view_of(text);
    struct cor_view name = {0};
    bool good = memchr(rest.ptr, by, rest.len) != NULL && cor_view_split(&rest, by, &name);
    *rest_r = cor_view_trim(rest);
    return good && signal_of(cor_view_trim(name), signal_r);
}

static enum cor_code wrong(struct cor_err *err, const char *setting, const char *text,
                           const char *expected)
{
    return cor_err_set(err, COR_INVALID, "%s: \"%.60s\": expected as %s", setting, text, expected);
}

static enum cor_code add(struct evict_rules *rules, const char *setting, const char *text,
                         struct cor_err *err)
{
    struct evict_threshold *t = &rules->items[rules->count];
    struct cor_view rest;
    *t = (struct evict_threshold){.reclaim.percent = -1};
    if (rules->count == EVICT_THRESHOLDS_MAX || !split(text, '<', &t->signal, &rest) ||
        !amount_of(rest, &t->amount)) {
        return wrong(err, setting, text, "memory.available<100Mi or nodefs.available<10%");
    }
    rules->count++;
    return COR_OK;
}

static enum cor_code add_grace(struct evict_rules *rules, size_t from, const char *text,
                               struct cor_err *err)
{
    enum evict_signal signal = EVICT_SIGNALS;
    struct cor_view rest;
    int64_t us = 0;
    if (!split(text, '=', &signal, &rest) || !duration_of(rest, &us)) {
        return wrong(err, "evict.soft-grace", text, "memory.available=1m30s");
    }
    for (size_t i = from; i < rules->count; i++) {
        if (rules->items[i].signal == signal) {
            rules->items[i].grace_us = us;
        }
    }
    return COR_OK;
}

static enum cor_code add_reclaim(struct evict_rules *rules, const char *text, struct cor_err *err)
{
    enum evict_signal signal = EVICT_SIGNALS;
    struct cor_view rest;
    struct evict_amount amount;
    if (!split(text, '=', &signal, &rest) || !amount_of(rest, &amount)) {
        return wrong(err, "evict.minimum-reclaim", text, "nodefs.available=500Mi");
    }
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->items[i].signal == signal) {
            rules->items[i].reclaim = amount;
        }
    }
    return COR_OK;
}

static enum cor_code add_soft(const struct evict_texts *texts, struct evict_rules *rules,
                              struct cor_err *err)
{
    size_t first = rules->count;
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < texts->soft_count; i++) {
        code = add(rules, "evict.soft", texts->soft[i], err);
    }
    for (size_t i = 0; code == COR_OK && i < texts->grace_count; i++) {
        code = add_grace(rules, first, texts->graces[i], err);
    }
    for (size_t i = first; code == COR_OK && i < rules->count; i++) {
        if (rules->items[i].grace_us == 0) {
            code = cor_err_set(err, COR_INVALID, "evict.soft-grace: expected one for %s",
                               SIGNALS[rules->items[i].signal].name);
        }
    }
    return code;
}

enum cor_code evict_read(const struct evict_texts *texts, int64_t transition_us,
                         struct evict_rules *rules, struct cor_err *err)
{
    enum cor_code code = COR_OK;
    rules->count = 0;
    rules->transition_us = transition_us;
    for (size_t i = 0; code == COR_OK && i < texts->hard_count; i++) {
        code = add(rules, "evict.hard", texts->hard[i], err);
    }
    code = code == COR_OK ? add_soft(texts, rules, err) : code;
    for (size_t i = 0; code == COR_OK && i < texts->reclaim_count; i++) {
        code = add_reclaim(rules, texts->reclaims[i], err);
    }
    return code;
}

/* ---- deciding ---- */

static int64_t number_of(const struct evict_amount *amount, int64_t capacity)
{
    return amount->percent < 0 ? amount->number
                               : (int64_t)((double)capacity * amount->percent / 100);
}

int64_t evict_limit(const struct evict_threshold *t, const struct evict_seen *seen)
{
    return number_of(&t->amount, seen[t->signal].capacity);
}

bool evict_is_met(const struct evict_threshold *t, const struct evict_seen *seen)
{
    return seen[t->signal].known && seen[t->signal].available < evict_limit(t, seen);
}

/* One that was met is over only when the minimum reclaim is free, too. */
static bool is_unresolved(const struct evict_threshold *t, const struct evict_seen *seen)
{
    const struct evict_seen *s = &seen[t->signal];
    return s->known && s->available < evict_limit(t, seen) + number_of(&t->reclaim, s->capacity);
}

static void note(const struct evict_rules *rules, struct evict_state *state,
                 const struct evict_seen *seen, struct cor_mono now)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct evict_threshold *t = &rules->items[i];
        bool met = evict_is_met(t, seen) || (state->met[i] && is_unresolved(t, seen));
        if (met && !state->met[i]) {
            state->since[i] = now;
        }
        state->met[i] = met;
        if (met) {
            enum evict_pressure pressure = SIGNALS[t->signal].pressure;
            state->pressed[pressure] = true;
            state->pressed_at[pressure] = now;
        }
    }
}

void evict_decide(const struct evict_rules *rules, struct evict_state *state,
                  const struct evict_seen *seen, struct cor_mono now, struct evict_verdict *verdict)
{
    *verdict = (struct evict_verdict){0};
    note(rules, state, seen, now);
    for (int p = 0; p < EVICT_PRESSURES; p++) {
        state->pressed[p] = state->pressed[p] &&
                            (cor_mono_since(now, state->pressed_at[p]) < rules->transition_us ||
                             state->pressed_at[p].us == now.us);
        verdict->pressure[p] = state->pressed[p];
    }
    for (size_t i = 0; i < rules->count; i++) {
        const struct evict_threshold *t = &rules->items[i];
        bool due = state->met[i] && cor_mono_since(now, state->since[i]) >= t->grace_us;
        bool sooner = verdict->act == NULL || t->signal < verdict->act->signal ||
                      (t->signal == verdict->act->signal && t->grace_us < verdict->act->grace_us);
        if (due && sooner) {
            verdict->act = t;
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/mem.h"

struct entry {
    int64_t published_us;
    int64_t took_us; /* until it arrived; -1: not yet */
    uint64_t key;    /* hash of the request's key, when it arrived */
    bool acked;
    bool twice; /* it may be published twice: its acknowledgement was lost with the connection */
};

struct recovery {
    int64_t us;
    uint64_t mark; /* which one, from 1 */
};

struct device {
    struct entry *entries; /* by sequence - 1 */
    size_t count;
    size_t room;
    uint64_t last; /* highest sequence that arrived */
};

struct ledger {
    struct device *devices;
    size_t count;
    uint64_t published, acked, delivered, missing;
    uint64_t duplicates; /* arrived again under another key */
    uint64_t repeats;    /* arrived again under the same key: the target knows them */
    uint64_t doubled;    /* arrived again under another key, published twice by MQTT's rules */
    uint64_t reorders;
    uint64_t strange;
    uint64_t disturbances;
    int64_t mark_us; /* 0: none */
    uint64_t marks;
    struct recovery *recoveries; /* from a mark to the next message */
    size_t recovery_count;
};

struct ledger *ledger_new(size_t devices)
{
    struct ledger *ledger = cor_alloc(sizeof(*ledger));
    ledger->devices = cor_calloc(devices, sizeof(*ledger->devices));
    ledger->count = devices;
    return ledger;
}

void ledger_free(struct ledger **ledger)
{
    if (*ledger == NULL) {
        return;
    }
    for (size_t i = 0; i < (*ledger)->count; i++) {
        cor_free((*ledger)->devices[i].entries);
    }
    cor_free((*ledger)->devices);
    cor_free((*ledger)->recoveries);
    cor_freep(ledger);
}

uint64_t ledger_publish(struct ledger *ledger, size_t device, int64_t now_us)
{
    struct device *d = &ledger->devices[device];
    if (d->count == d->room) {
        d->room = d->room == 0 ? 1024 : d->room * 2;
        d->entries = cor_realloc(d->entries, d->room, sizeof(*d->entries));
    }
    d->entries[d->count++] = (struct entry){.published_us = now_us, .took_us = -1};
    ledger->published++;
    return d->count;
}

static struct entry *entry_of(struct ledger *ledger, size_t device, uint64_t seq)
{
    if (device >= ledger->count || seq == 0 || seq > ledger->devices[device].count) {
        return NULL;
    }
    return &ledger->devices[device].entries[seq - 1];
}

void ledger_acked(struct ledger *ledger, size_t device, uint64_t seq)
{
    struct entry *entry = entry_of(ledger, device, seq);
    if (entry != NULL && !entry->acked) {
        entry->acked = true;
        ledger->acked++;
        ledger->missing += entry->took_us < 0;
    }
}

void ledger_disturbed(struct ledger *ledger)
{
    ledger->disturbances++;
    for (size_t i = 0; i < ledger->count; i++) {
        struct device *d = &ledger->devices[i];
        for (size_t at = d->count; at > 0 && d->count - at < 4096; at--) {
            d->entries[at - 1].twice |= !d->entries[at - 1].acked;
        }
    }
}

static void again(struct ledger *ledger, const struct entry *entry, uint64_t key)
{
    if (entry->key == key) {
        ledger->repeats++;
    } else if (entry->twice) {
        ledger->doubled++;
    } else {
        ledger->duplicates++;
    }
}

/* FNV-1a. */
static uint64_t hash(struct cor_view text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++) {
        h = (h ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    }
    return h;
}

/* entry has arrived now. */
static void note_recovery(struct ledger *ledger, const struct entry *entry, int64_t now_us)
{
    if (ledger->mark_us == 0 || entry->published_us < ledger->mark_us) {
        return;
    }
    ledger->recoveries =
        cor_realloc(ledger->recoveries, ledger->recovery_count + 1, sizeof(*ledger->recoveries));
    ledger->recoveries[ledger->recovery_count++] =
        (struct recovery){now_us - ledger->mark_us, ledger->marks};
    ledger->mark_us = 0;
}

void ledger_arrived(struct ledger *ledger, size_t device, uint64_t seq, struct cor_view key,
                    int64_t now_us)
{
    struct entry *entry = entry_of(ledger, device, seq);
    if (entry == NULL) {
        ledger->strange++;
        return;
    }
    if (entry->took_us >= 0) {
        again(ledger, entry, hash(key));
        return;
    }
    struct device *d = &ledger->devices[device];
    entry->took_us = now_us - entry->published_us;
    entry->key = hash(key);
    ledger->delivered++;
    ledger->missing -= entry->acked;
    ledger->reorders += seq < d->last;
    d->last = seq > d->last ? seq : d->last;
    note_recovery(ledger, entry, now_us);
}

void ledger_mark(struct ledger *ledger, int64_t now_us)
{
    ledger->mark_us = now_us;
    ledger->marks++;
}

void ledger_strange(struct ledger *ledger)
{
    ledger->strange++;
}

uint64_t ledger_missing(const struct ledger *ledger)
{
    return ledger->missing;
}

uint64_t ledger_unacked(const struct ledger *ledger)
{
    return ledger->published - ledger->acked;
}

bool ledger_is_good(const struct ledger *ledger)
{
    return ledger->missing == 0 && ledger->duplicates == 0 && ledger->reorders == 0 &&
           ledger->strange == 0 && ledger->acked > 0;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All latencies in order; their number in *count_r. Owned. */
static int64_t *latencies(const struct ledger *ledger, size_t *count_r)
{
    int64_t *all = cor_calloc(ledger->delivered + 1, sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        for (size_t at = 0; at < ledger->devices[i].count; at++) {
            int64_t took = ledger->devices[i].entries[at].took_us;
            if (took >= 0) {
                all[count++] = took;
            }
        }
    }
    qsort(all, count, sizeof(*all), by_value);
    *count_r = count;
    return all;
}

/* Appends "nameP50Ms":… of values in order. */
static void quantiles(const char *name, const int64_t *values, size_t count, struct cor_buf *out)
{
    static const struct {
        const char *name;
        size_t permille;
    } QUANTILES[] = {{"P50", 500}, {"P99", 990}, {"Max", 1000}};
    for (size_t i = 0; i < COR_COUNT(QUANTILES) && count > 0; i++) {
        size_t at = (count - 1) * QUANTILES[i].permille / 1000;
        cor_buf_fmt(out, ",\"%s%sMs\":%.2f", name, QUANTILES[i].name, (double)values[at] / 1000);
    }
}

void ledger_recoveries(const struct ledger *ledger, struct cor_buf *out)
{
    for (size_t i = 0; i < ledger->recovery_count; i++) {
        const struct recovery *r = &ledger->recoveries[i];
        cor_buf_fmt(out, "recovery %" PRIu64 " %.2f\n", r->mark, (double)r->us / 1000);
    }
}

static void report_recoveries(const struct ledger *ledger, struct cor_buf *out)
{
    auto_(cor_freep) int64_t *us = cor_calloc(ledger->recovery_count + 1, sizeof(*us));
    for (size_t i = 0; i < ledger->recovery_count; i++) {
        us[i] = ledger->recoveries[i].us;
    }
    qsort(us, ledger->recovery_count, sizeof(*us), by_value);
    cor_buf_fmt(out, ",\"marks\":%zu", ledger->recovery_count);
    quantiles("recovery", us, ledger->recovery_count, out);
}

void ledger_report(const struct ledger *ledger, struct cor_buf *out)
{
    size_t count = 0;
    auto_(cor_freep) int64_t *all = latencies(ledger, &count);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"published", ledger->published},   {"acked", ledger->acked},
        {"delivered", ledger->delivered},   {"lost", ledger->missing},
        {"duplicates", ledger->duplicates}, {"reorders", ledger->reorders},
        {"strange", ledger->strange},       {"repeats", ledger->repeats},
        {"doubled", ledger->doubled},       {"disturbances", ledger->disturbances},
    };
    const char *comma = "{";
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        cor_buf_fmt(out, "%s\"%s\":%" PRIu64, comma, rows[i].name, rows[i].value);
        comma = ",";
    }
    quantiles("latency", all, count, out);
    if (ledger->recovery_count > 0) {
        report_recoveries(ledger, out);
    }
    cor_buf_str(out, "}");
}

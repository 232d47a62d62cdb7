// SPDX-License-Identifier: Apache-2.0
#include "gc.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/edged/agent.h"

enum { RECORDS_MAX = 4096 };

struct gc {
    struct agent *agent;
    struct images_rules rules;
    struct cor_timer *timer;
    struct images_record *records; /* owned */
    size_t count;
    char *pause; /* name of the sandboxes' image; "" unknown */
    bool busy;   /* a collection, or a look, is under way */
    bool collects;
    bool again; /* a look was asked for meanwhile */
    bool closing;
    int failures; /* in a row */
    int64_t wanted, freed;
    size_t removing;
    void (*reclaim_fn)(void *self, int64_t freed);
    void *reclaim_self;
};

enum cor_code gc_rules(const struct edged_cfg *cfg, struct images_rules *rules_r,
                       struct cor_err *err)
{
    *rules_r = (struct images_rules){.high_percent = cfg->images_high_percent,
                                     .low_percent = cfg->images_low_percent,
                                     .min_age_us = COR_SEC(cfg->images_min_age_seconds)};
    if (rules_r->low_percent >= rules_r->high_percent) {
        return cor_err_set(err, COR_INVALID,
                           "images.low-percent: expected less than images.high-percent");
    }
    return COR_OK;
}

/* ---- what is here ---- */

static bool is_in_use(const struct agent *agent, const struct cri_image *image)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        const struct agent_pod *pod = value;
        for (size_t i = 0; i < pod->run->count; i++) {
            if (images_has_name(image, pod->run->containers[i].image_ref) ||
                images_has_name(image, pod_container(pod->pod, i)->image)) {
                return true;
            }
        }
    }
    return false;
}

static size_t find_record(const struct gc *gc, const char *id)
{
    size_t i = 0;
    while (i < gc->count && strcmp(gc->records[i].id, id) != 0) {
        i++;
    }
    return i;
}

static void drop_record(struct gc *gc, size_t index)
{
    cor_free(gc->records[index].id);
    gc->records[index] = gc->records[--gc->count];
}

static void note_image(struct gc *gc, const struct cri_image *image)
{
    struct cor_mono now = cor_loop_now(gc->agent->loop);
    size_t index = find_record(gc, image->id);
    if (index == gc->count && gc->count == RECORDS_MAX) {
        return;
    }
    if (index == gc->count) {
        gc->records = cor_realloc(gc->records, gc->count + 1, sizeof(*gc->records));
    }
    struct images_record *r = &gc->records[index];
    if (index == gc->count) {
        *r = (struct images_record){.id = cor_strdup(image->id), .first = now};
        gc->count++;
    }
    r->size = image->size;
    r->in_use = is_in_use(gc->agent, image);
    r->used = r->in_use ? now : r->used;
    r->pinned = image->pinned || images_has_name(image, gc->pause);
    r->failed = false;
}

static bool is_listed(const struct cri_answer *answer, const char *id)
{
    for (size_t i = 0; i < answer->image_count; i++) {
        if (strcmp(answer->images[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static void note_images(struct gc *gc, const struct cri_answer *answer)
{
    for (size_t i = gc->count; i-- > 0;) {
        if (!is_listed(answer, gc->records[i].id)) {
            drop_record(gc, i);
        }
    }
    for (size_t i = 0; i < answer->image_count; i++) {
        note_image(gc, &answer->images[i]);
    }
    registrar_images(gc->agent->registrar, images_of_node(answer->images, answer->image_count,
                                                          (size_t)gc->agent->cfg->status_images));
}

/* ---- a collection ---- */

static void begin(struct gc *gc);

/* kubelet tells of the second failure in a row: at the first the figures may not be there yet. */
static void finish(struct gc *gc, const char *error)
{
    void (*fn)(void *self, int64_t freed) = gc->reclaim_fn;
    bool collected = gc->collects;
    gc->busy = false;
    gc->collects = false;
    gc->reclaim_fn = NULL;
    gc->failures = !collected ? gc->failures : error != NULL ? gc->failures + 1 : 0;
    if (error != NULL && collected && !gc->closing) {
        LOGW(gc->agent->log, "edged.image-gc-failed", "error=%s", cor_log_esc(cor_view_of(error)));
        if (gc->failures > 1) {
            teller_node_note(gc->agent, true, "ImageGCFailed", error);
        }
    }
    if (fn != NULL) {
        fn(gc->reclaim_self, gc->freed);
    }
    if (gc->again && !gc->closing) {
        begin(gc);
    }
}

static void remove_next(struct gc *gc);

static void on_removed(void *self, const struct cri_answer *answer)
{
    struct gc *gc = self;
    if (answer->code == COR_CLOSED || answer->code == COR_GONE) {
        gc->closing = answer->code == COR_CLOSED;
        finish(gc, answer->text);
        return;
    }
    if (answer->code == COR_OK) {
        LOGI(gc->agent->log, "edged.image-removed", "image=%s bytes=%" PRIu64,
             gc->records[gc->removing].id, gc->records[gc->removing].size);
        gc->freed += (int64_t)gc->records[gc->removing].size;
        drop_record(gc, gc->removing);
        gc->again = true; /* the Node's status tells of it */
    } else {
        gc->records[gc->removing].failed = true;
    }
    remove_next(gc);
}

static void remove_next(struct gc *gc)
{
    struct cor_mono now = cor_loop_now(gc->agent->loop);
    size_t index = images_next(&gc->rules, gc->records, gc->count, now);
    if (gc->freed < gc->wanted && index < gc->count) {
        gc->removing = index;
        cri_remove_image(gc->agent->cri, gc->records[index].id, on_removed, gc);
        return;
    }
    if (gc->freed >= gc->wanted || gc->reclaim_fn != NULL) {
        finish(gc, NULL);
        return;
    }
    auto_(cor_freep) char *text = cor_sprintf(
        "Failed to garbage collect required amount of images. Attempted to free %" PRId64
        " bytes, but only found %" PRId64 " bytes eligible to free.",
        gc->wanted, gc->freed);
    teller_node_note(gc->agent, true, "FreeDiskSpaceFailed", text);
    finish(gc, text);
}

static void on_image_fs(void *self, const struct cri_answer *answer)
{
    struct gc *gc = self;
    const char *folder = answer->code == COR_OK ? answer->mountpoint : NULL;
    if (folder == NULL) {
        gc->closing = answer->code == COR_CLOSED;
        finish(gc,
               answer->text[0] != '\0' ? answer->text : "the runtime names no image file system");
        return;
    }
    int64_t capacity = hostinfo_storage_total(folder);
    if (capacity <= 0) {
        static const char TEXT[] = "invalid capacity 0 on image filesystem";
        teller_node_note(gc->agent, true, "InvalidDiskCapacity", TEXT);
        finish(gc, TEXT);
        return;
    }
    gc->wanted = gc->reclaim_fn != NULL
                     ? INT64_MAX
                     : images_to_free(&gc->rules, capacity, hostinfo_storage_free(folder));
    if (gc->wanted > 0) {
        remove_next(gc);
    } else {
        finish(gc, NULL);
    }
}

static void on_images(void *self, const struct cri_answer *answer)
{
    struct gc *gc = self;
    if (answer->code != COR_OK) {
        gc->closing = answer->code == COR_CLOSED;
        finish(gc, answer->text);
        return;
    }
    note_images(gc, answer);
    gc->freed = 0;
    /* What Pods use is known only when all Pods are, and all containers. */
    if (gc->collects && gc->agent->desired_known && gc->agent->listed) {
        cri_image_fs(gc->agent->cri, on_image_fs, gc);
    } else {
        finish(gc, NULL);
    }
}

static void on_config(void *self, const struct cri_answer *answer)
{
    struct gc *gc = self;
    if (answer->code == COR_OK && answer->sandbox_image != NULL) {
        cor_free(gc->pause);
        gc->pause = cor_strdup(answer->sandbox_image);
    }
    cri_list_images(gc->agent->cri, on_images, gc);
}

static void begin(struct gc *gc)
{
    if (gc->busy || gc->closing || !cri_is_up(gc->agent->cri)) {
        gc->again = gc->busy;
        return;
    }
    gc->busy = true;
    gc->again = false;
    cri_config(gc->agent->cri, on_config, gc);
}

static void on_period(void *self)
{
    struct gc *gc = self;
    if (!gc->busy) {
        gc->collects = gc->rules.high_percent < 100;
        begin(gc);
        gc->collects = gc->busy && gc->collects;
    }
}

void gc_look(struct gc *gc)
{
    begin(gc);
}

bool gc_reclaim(struct gc *gc, void (*fn)(void *self, int64_t freed), void *self)
{
    if (gc->busy || !cri_is_up(gc->agent->cri)) {
        return false;
    }
    gc->reclaim_fn = fn;
    gc->reclaim_self = self;
    gc->collects = true;
    begin(gc);
    return true;
}

struct gc *gc_new(struct agent *agent)
{
    struct gc *gc = cor_alloc(sizeof(*gc));
    struct cor_err err = COR_ERR_NONE;
    gc->agent = agent;
    gc->pause = cor_strdup("");
    gc->timer = cor_timer_new(agent->loop, on_period, gc);
    if (gc_rules(agent->cfg, &gc->rules, &err) == COR_OK) {
        cor_timer_repeat(gc->timer, COR_SEC(agent->cfg->images_period_seconds));
    }
    return gc;
}

void gc_free(struct gc **gc)
{
    if (*gc == NULL) {
        return;
    }
    while ((*gc)->count > 0) {
        drop_record(*gc, 0);
    }
    cor_timer_free(&(*gc)->timer);
    cor_free((*gc)->records);
    cor_free((*gc)->pause);
    cor_freep(gc);
}

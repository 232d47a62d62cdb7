// SPDX-License-Identifier: Apache-2.0
// How full volumes are, as their drivers say it (NodeGetVolumeStats): kept, so that nobody who asks
// waits for a driver.
#include <string.h>

#include "common/base/mem.h"
#include "csi_private.h"
#include "services/edged/stats/stats.h"

enum { OLD_S = 60, BYTES = 1, INODES = 2 };

struct stat_of {
    struct cor_link link;
    struct csi *csi;
    char *uid;
    char *name;
    char *driver;
    char *handle;
    char *target;
    char *staging;
    struct stats_fs fs;
    struct cor_mono asked;
    bool known;
    bool asking;
    bool dead; /* the Pod has gone while it was asked */
};

static void stat_free(struct stat_of *stat)
{
    cor_free(stat->uid);
    cor_free(stat->name);
    cor_free(stat->driver);
    cor_free(stat->handle);
    cor_free(stat->target);
    cor_free(stat->staging);
    cor_free(stat);
}

static uint64_t amount(int64_t n)
{
    return n < 0 ? STATS_UNKNOWN : (uint64_t)n;
}

static struct stats_fs read_usage(const Csi__V1__NodeGetVolumeStatsResponse *answer)
{
    struct stats_fs fs = stats_no_fs();
    for (size_t i = 0; i < answer->n_usage; i++) {
        const Csi__V1__VolumeUsage *usage = answer->usage[i];
        if (usage->unit == BYTES) {
            fs.capacity = amount(usage->total);
            fs.available = amount(usage->available);
            fs.used = amount(usage->used);
        } else if (usage->unit == INODES) {
            fs.inodes = amount(usage->total);
            fs.inodes_free = amount(usage->available);
            fs.inodes_used = amount(usage->used);
        }
    }
    return fs;
}

static void on_stats(void *self, const struct csi_answer *answer)
{
    struct stat_of *stat = self;
    stat->asking = false;
    if (stat->dead) {
        stat_free(stat);
        return;
    }
    Csi__V1__NodeGetVolumeStatsResponse *usage =
        answer->code != COR_OK
            ? NULL
            : csi__v1__node_get_volume_stats_response__unpack(NULL, answer->message.len,
                                                              (const uint8_t *)answer->message.ptr);
    stat->known = usage != NULL;
    if (usage != NULL) {
        stat->fs = read_usage(usage);
        csi__v1__node_get_volume_stats_response__free_unpacked(usage, NULL);
    }
}

static void ask(struct stat_of *stat)
{
    struct csi_driver *driver = csi_find(stat->csi, stat->driver);
    Csi__V1__NodeGetVolumeStatsRequest request = CSI__V1__NODE_GET_VOLUME_STATS_REQUEST__INIT;
    if (stat->asking || driver == NULL || !driver->can.has_stats) {
        return;
    }
    stat->asking = true;
    stat->asked = cor_loop_now(stat->csi->agent->loop);
    request.volume_id = stat->handle;
    request.volume_path = stat->target;
    request.staging_target_path = stat->staging;
    csi_client_ask(driver->node, "/csi.v1.Node/NodeGetVolumeStats", &request.base,
                   COR_SEC(CSI_TIMEOUT_S), on_stats, stat);
}

static struct stat_of *find(const struct csi *csi, const char *uid, const char *name)
{
    COR_LIST_EACH (link, &csi->stats) {
        struct stat_of *stat = COR_LIST_OBJECT(link, struct stat_of, link);
        if (strcmp(stat->uid, uid) == 0 && strcmp(stat->name, name) == 0) {
            return stat;
        }
    }
    return NULL;
}

void csi_stats_begin(struct csi *csi, const char *uid, const char *name,
                     const struct csi_volume *volume, const char *target, const char *staging)
{
    struct stat_of *stat = find(csi, uid, name);
    if (stat == NULL) {
        stat = cor_alloc(sizeof(*stat));
        *stat = (struct stat_of){.csi = csi,
                                 .uid = cor_strdup(uid),
                                 .name = cor_strdup(name),
                                 .driver = cor_strdup(volume->driver),
                                 .handle = cor_strdup(volume->handle),
                                 .target = cor_strdup(target),
                                 .staging = cor_strdup(staging)};
        cor_list_add(&csi->stats, &stat->link);
    }
    ask(stat);
}

void csi_stats_end(struct csi *csi, const char *uid)
{
    COR_LIST_EACH (link, &csi->stats) {
        struct stat_of *stat = COR_LIST_OBJECT(link, struct stat_of, link);
        if (uid != NULL && strcmp(stat->uid, uid) != 0) {
            continue;
        }
        cor_list_del(&stat->link);
        stat->dead = true;
        if (!stat->asking) {
            stat_free(stat);
        }
    }
}

bool csi_volume_stats(struct csi *csi, const char *uid, const char *name, struct stats_fs *out)
{
    struct stat_of *stat = csi == NULL ? NULL : find(csi, uid, name);
    if (stat == NULL) {
        return false;
    }
    if (cor_mono_since(cor_loop_now(csi->agent->loop), stat->asked) >= COR_SEC(OLD_S)) {
        ask(stat);
    }
    *out = stat->fs;
    return stat->known;
}

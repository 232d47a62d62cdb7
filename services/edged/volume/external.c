// SPDX-License-Identifier: Apache-2.0
#include "external.h"

#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "nfs.h"
#include "owner.h"
#include "services/edged/agent.h"
#include "services/edged/csi/csi.h"
#include "services/edged/disk/disk.h"

/* mount.nfs gives up after two minutes by itself. */
enum { MOUNT_S = 150, FOLDER = 0750 };

/* A mount under way. */
struct mounting {
    struct agent_pod *pod;
    size_t index;
    void (*done)(struct agent_pod *pod);
    char *target;
    struct nfs_mount nfs;
};

static void mounting_end(struct mounting *mounting, const char *error)
{
    struct agent_pod *pod = mounting->pod;
    struct externals *all = &pod->externals;
    struct external *external = &all->list[mounting->index];
    external->state = error == NULL ? REF_HERE : REF_FAILED;
    cor_free(external->error);
    external->error = cor_strdup(error);
    all->asks--;
    if (all->asks == 0) {
        void (*then)(struct agent_pod *) = all->then;
        all->then = NULL;
        mounting->done(pod);
        if (then != NULL) {
            then(pod);
        }
    }
    agent_release(pod);
    nfs_mount_free(&mounting->nfs);
    cor_free(mounting->target);
    cor_free(mounting);
}

static void on_command(void *self, int status, struct cor_view output)
{
    struct mounting *mounting = self;
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (status == 0) {
        mounting_end(mounting, NULL);
        return;
    }
    nfs_failure(&mounting->nfs, status, output, &text);
    mounting_end(mounting, text.data);
}

static void mount_nfs(struct mounting *mounting, const struct pod_volume *volume)
{
    struct cor_err err = COR_ERR_NONE;
    if (disk_is_mounted(mounting->target)) { /* by an edged before this one */
        mounting_end(mounting, NULL);
    } else if (cor_mkdirs(mounting->target, FOLDER, &err) != COR_OK ||
               nfs_mount_of(volume, mounting->target, &mounting->nfs, &err) != COR_OK) {
        mounting_end(mounting, err.text);
    } else {
        command_run(mounting->pod->agent->loop, mounting->nfs.argv, COR_SEC(MOUNT_S), on_command,
                    mounting);
    }
}

static void on_csi(void *self, const char *error)
{
    mounting_end(self, error);
}

bool externals_are_used(const struct agent_pod *pod)
{
    bool used = false;
    for (size_t i = 0; i < pod->run->count; i++) {
        used = used || pod->run->containers[i].id != NULL;
    }
    return used;
}

/* The node's own folders are not given (the kubelet's hostPath), nor what a pod has mounted
 * already. */
static bool is_to_be_given(const struct agent_pod *pod, const struct pod_volume *volume)
{
    struct stat st;
    return volume->type == POD_VOLUME_CLAIM && volume->external == POD_EXTERNAL_NONE &&
           pod->pod->fs_group.given && !volume->readonly && !externals_are_used(pod) &&
           cor_json_at(volume->persistent, "spec.local") != NULL && stat(volume->path, &st) == 0 &&
           S_ISDIR(st.st_mode);
}

static void on_given(void *self, int error)
{
    struct mounting *mounting = self;
    auto_(cor_freep) char *text =
        error == 0 ? NULL : cor_sprintf("%s: %s", mounting->target, strerror(error));
    mounting_end(mounting, text);
}

static void mount_one(struct agent_pod *pod, size_t index, void (*done)(struct agent_pod *pod))
{
    const struct pod_volume *volume = &pod->pod->volumes[index];
    struct mounting *mounting = cor_alloc(sizeof(*mounting));
    *mounting = (struct mounting){
        .pod = pod,
        .index = index,
        .done = done,
        .target = volume->external == POD_EXTERNAL_NONE
                      ? cor_strdup(volume->path)
                      : disk_volume_path(pod->agent->cfg->root_dir, pod->pod, volume),
    };
    pod->externals.list[index].state = REF_ASKED;
    pod->externals.asks++;
    agent_hold(pod);
    if (volume->external == POD_EXTERNAL_NONE) {
        owner_give(pod->agent->loop, volume->path, (gid_t)pod->pod->fs_group.n,
                   pod->pod->group_on_mismatch, on_given, mounting);
    } else if (volume->external == POD_EXTERNAL_NFS) {
        mount_nfs(mounting, volume);
    } else {
        csi_mount(pod, volume, on_csi, mounting);
    }
}

void externals_mount(struct agent_pod *pod, void (*done)(struct agent_pod *pod))
{
    struct externals *all = &pod->externals;
    if (all->list == NULL) {
        all->list = cor_calloc(pod->pod->volume_count + 1, sizeof(*all->list));
    }
    all->asks++; /* ends from within are not the last ones */
    for (size_t i = 0; i < pod->pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->pod->volumes[i];
        if (all->list[i].state == REF_UNKNOWN &&
            (volume->external != POD_EXTERNAL_NONE || is_to_be_given(pod, volume))) {
            mount_one(pod, i, done);
        }
    }
    all->asks--;
}

bool externals_are_asked(const struct agent_pod *pod)
{
    return pod->externals.asks > 0;
}

void externals_retry(struct agent_pod *pod)
{
    for (size_t i = 0; pod->externals.list != NULL && i < pod->pod->volume_count; i++) {
        if (pod->externals.list[i].state == REF_FAILED) {
            pod->externals.list[i].state = REF_UNKNOWN;
        }
    }
}

bool externals_concern(const struct agent_pod *pod, size_t index)
{
    return pod->pod->volumes[index].external != POD_EXTERNAL_NONE ||
           pod->externals.list[index].state != REF_UNKNOWN;
}

enum cor_code externals_check(const struct agent_pod *pod, size_t index, struct cor_err *err)
{
    const struct external *external = &pod->externals.list[index];
    return external->state == REF_HERE ? COR_OK
                                       : cor_err_set(err, COR_RETRY, "%s", external->error);
}

/* ---- the end ---- */

struct ending {
    struct agent_pod *pod;
    void (*done)(struct agent_pod *pod);
};

static void on_taken_back(void *self, bool all)
{
    struct ending *ending = self;
    struct agent_pod *pod = ending->pod;
    if (all) { /* else edged stops */
        ending->done(pod);
    }
    agent_release(pod);
    cor_free(ending);
}

static void take_back(struct agent_pod *pod)
{
    struct ending *ending = cor_alloc(sizeof(*ending));
    *ending = (struct ending){pod, pod->externals.ended};
    agent_hold(pod);
    csi_unmount(pod->agent, pod->uid, on_taken_back, ending);
}

void externals_unmount(struct agent_pod *pod, void (*done)(struct agent_pod *pod))
{
    pod->externals.ended = done;
    if (pod->externals.asks > 0) {
        pod->externals.then = take_back;
    } else {
        take_back(pod);
    }
}

void externals_free(struct agent_pod *pod)
{
    for (size_t i = 0; pod->externals.list != NULL && i < pod->pod->volume_count; i++) {
        cor_free(pod->externals.list[i].error);
    }
    cor_free(pod->externals.list);
}

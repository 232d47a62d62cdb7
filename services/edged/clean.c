// SPDX-License-Identifier: Apache-2.0
// Removal of what pods leave on disk. It may take long, so a child process does it.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "common/base/mem.h"
#include "services/edged/csi/csi.h"
#include "services/edged/disk/disk.h"

struct job {
    struct agent *agent;
    struct agent_pod *pod; /* NULL: a stray folder */
    struct cor_child *child;
};

static void job_end(struct job *job)
{
    if (job->pod != NULL) {
        run_clean_done(job->pod->run);
        agent_release(job->pod);
    }
    cor_child_free(&job->child);
    cor_free(job);
}

static void on_child(void *self, int pid, int status)
{
    (void)pid;
    (void)status;
    job_end(self);
}

/* By QoS class. */
static const char *const folders[] = {"", "/burstable", "/besteffort"};

/* What the child does: a pod of any QoS class may have had this uid. */
static void remove_all(const struct agent *agent, const char *uid, const char *logs)
{
    disk_remove(agent->cfg->root_dir, logs, uid);
    for (size_t i = 0; i < COR_COUNT(folders); i++) {
        auto_(cor_freep) char *cgroup =
            cor_sprintf("%s/kubepods%s/pod%s", agent->cfg->cgroup_root, folders[i], uid);
        disk_remove_cgroup(cgroup);
    }
}

static void start(struct agent *agent, struct agent_pod *pod, const char *uid, const char *logs)
{
    struct job *job = cor_alloc(sizeof(*job));
    *job = (struct job){.agent = agent, .pod = pod};
    pid_t pid = fork();
    if (pid == 0) {
        remove_all(agent, uid, logs);
        _exit(0);
    }
    if (pid < 0) {
        LOGW(agent->log, "edged.clean-inline", "uid=%s error=%s", uid, strerror(errno));
        remove_all(agent, uid, logs);
        job_end(job);
        return;
    }
    job->child = cor_child_new(agent->loop, pid, on_child, job);
}

static void clean_now(struct agent_pod *pod)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(POD_ARENA_MAX);
    agent_hold(pod);
    start(pod->agent, pod, pod->uid, crispec_log_dir(arena, &pod->agent->node, pod->pod));
}

/* Drivers have their volumes back first. */
void clean(struct agent_pod *pod)
{
    externals_unmount(pod, clean_now);
}

struct stray {
    struct agent *agent;
    char *uid;
};

static void on_stray_unmounted(void *self, bool all)
{
    struct stray *stray = self;
    if (all) {
        start(stray->agent, NULL, stray->uid, "");
    }
    cor_free(stray->uid);
    cor_free(stray);
}

static void on_folder(void *self, const char *uid)
{
    struct agent *agent = self;
    if (agent_find(agent, uid) == NULL && !csi_is_unmounting(agent->csi, uid)) {
        struct stray *stray = cor_alloc(sizeof(*stray));
        LOGI(agent->log, "edged.stray-folder", "uid=%s", cor_log_esc(cor_view_of(uid)));
        *stray = (struct stray){agent, cor_strdup(uid)};
        csi_unmount(agent, stray->uid, on_stray_unmounted, stray);
    }
}

/* Logs of a pod that was gone when nobody here could see it. */
static void on_logs(void *self, const char *folder)
{
    struct agent *agent = self;
    const char *name = strchr(folder, '_');
    const char *uid = name == NULL ? NULL : strchr(name + 1, '_');
    if (uid != NULL && uid[1] != '\0' && strchr(uid + 1, '_') == NULL &&
        agent_find(agent, uid + 1) == NULL) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", agent->cfg->pod_log_dir, folder);
        LOGI(agent->log, "edged.stray-logs", "folder=%s", cor_log_esc(cor_view_of(folder)));
        start(agent, NULL, uid + 1, path);
    }
}

static bool is_stray(void *self, const char *uid)
{
    return agent_find(self, uid) == NULL;
}

void clean_strays(struct agent *agent)
{
    for (size_t i = 0; i < COR_COUNT(folders); i++) {
        auto_(cor_freep) char *cgroup =
            cor_sprintf("%s/kubepods%s", agent->cfg->cgroup_root, folders[i]);
        disk_sweep_cgroups(cgroup, is_stray, agent);
    }
    disk_each_pod(agent->cfg->root_dir, on_folder, agent);
    disk_each_log(agent->cfg->pod_log_dir, on_logs, agent);
}

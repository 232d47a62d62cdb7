// SPDX-License-Identifier: Apache-2.0
// The container runtime, by CRI v1 over gRPC: every call is asynchronous and ends in exactly one
// callback. Also the runtime's event stream, from which edged learns that a container has ended
// without asking. No decisions here. Strings in requests are borrowed for the call, strings in
// answers are valid during the callback. Loop thread only.
#ifndef EDGED_CRI_H
#define EDGED_CRI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"

/* Labels and annotations by which kubelet, and so edged, finds its containers again
 * (k8s.io/kubernetes pkg/kubelet/types/labels.go, kuberuntime/labels.go). */
#define CRI_LABEL_POD "io.kubernetes.pod.name"
#define CRI_LABEL_NAMESPACE "io.kubernetes.pod.namespace"
#define CRI_LABEL_UID "io.kubernetes.pod.uid"
#define CRI_LABEL_CONTAINER "io.kubernetes.container.name"
#define CRI_NOTE_HASH "io.kubernetes.container.hash"
#define CRI_NOTE_RESTARTS "io.kubernetes.container.restartCount"
#define CRI_NOTE_GRACE "io.kubernetes.pod.terminationGracePeriod"
#define CRI_NOTE_MESSAGE_PATH "io.kubernetes.container.terminationMessagePath"
#define CRI_NOTE_MESSAGE_POLICY "io.kubernetes.container.terminationMessagePolicy"

enum cri_state { CRI_CREATED = 0, CRI_RUNNING = 1, CRI_EXITED = 2, CRI_UNKNOWN = 3 };
enum cri_namespace { CRI_NS_POD = 0, CRI_NS_CONTAINER = 1, CRI_NS_NODE = 2, CRI_NS_TARGET = 3 };
enum cri_seccomp { CRI_SECCOMP_DEFAULT = 0, CRI_SECCOMP_UNCONFINED = 1, CRI_SECCOMP_LOCALHOST = 2 };
enum { CRI_IPS_MAX = 4 };

struct cri_kv {
    const char *key;
    const char *value;
};

struct cri_strings {
    const char *const *item;
    size_t count;
};

struct cri_kvs {
    const struct cri_kv *item;
    size_t count;
};

struct cri_port {
    int protocol; /* 0 TCP, 1 UDP, 2 SCTP */
    int container_port;
    int host_port;
    const char *host_ip;
};

/* What both kinds of security context have. */
struct cri_security {
    enum cri_namespace network;
    enum cri_namespace pid;
    enum cri_namespace ipc;
    const char *target; /* CRI_NS_TARGET: the container's id */
    bool has_user;
    bool has_group;
    int64_t user;
    int64_t group;
    const int64_t *groups; /* supplemental */
    size_t group_count;
    bool privileged;
    enum cri_seccomp seccomp;
    const char *seccomp_path; /* CRI_SECCOMP_LOCALHOST */
    bool apparmor_given;
    enum cri_seccomp apparmor;
    const char *apparmor_name; /* CRI_SECCOMP_LOCALHOST */
};

/* Of all containers of a Pod together, or of its runtime; for runtimes that make machines. */
struct cri_amounts {
    int64_t cpu_shares;
    int64_t cpu_quota; /* per 100 ms */
    int64_t memory;
};

struct cri_sandbox_config {
    const char *handler; /* of its RuntimeClass; NULL or "": the runtime's default */
    const char *name;
    const char *uid;
    const char *ns;
    uint32_t attempt;
    const char *hostname; /* "" with the node's network */
    const char *log_dir;
    const char *cgroup_parent;
    struct cri_strings dns_servers;
    struct cri_strings dns_searches;
    struct cri_strings dns_options;
    const struct cri_port *ports;
    size_t port_count;
    struct cri_kvs labels;
    struct cri_kvs annotations;
    struct cri_kvs sysctls;
    struct cri_security security;
    struct cri_amounts amounts;
    bool has_overhead;
    struct cri_amounts overhead;
};

struct cri_mount {
    const char *container_path;
    const char *host_path;
    bool readonly;
    int propagation; /* 0 private, 1 host to container, 2 both ways */
};

struct cri_device {
    const char *container_path;
    const char *host_path;
    const char *permissions; /* of the cgroup: "rwm" */
};

struct cri_huge_limit {
    const char *page; /* "2MB" */
    uint64_t bytes;
};

struct cri_container_config {
    const char *name;
    uint32_t attempt;
    const char *image;
    struct cri_strings command;
    struct cri_strings args;
    const char *working_dir;
    struct cri_kvs env;
    const struct cri_mount *mounts;
    size_t mount_count;
    const struct cri_device *devices;
    size_t device_count;
    struct cri_strings cdi; /* names of CDI devices; containerd 1.6 does not know them */
    struct cri_kvs labels;
    struct cri_kvs annotations;
    const char *log_path; /* under the sandbox's log_dir */
    bool stdin_open;
    bool stdin_once;
    bool tty;
    int64_t cpu_shares;
    int64_t cpu_quota; /* 0: none; per 100 ms */
    int64_t memory_limit;
    int64_t oom_score_adj;
    const struct cri_huge_limit *huge;
    size_t huge_count;
    bool readonly_rootfs;
    bool no_new_privs;
    bool default_masks; /* /proc and /sys paths that kubelet hides */
    struct cri_strings add_capabilities;
    struct cri_strings drop_capabilities;
    struct cri_security security;
};

struct cri_sandbox {
    const char *id;
    const char *name;
    const char *ns;
    const char *uid;
    uint32_t attempt;
    bool ready;
    bool ours; /* carries kubelet's labels */
    int64_t created_ns;
    const char *ips[CRI_IPS_MAX];
    size_t ip_count;
};

struct cri_container {
    const char *id;
    const char *sandbox_id;
    const char *name;    /* io.kubernetes.container.name */
    const char *pod_uid; /* io.kubernetes.pod.uid; "" when not of a pod */
    const char *pod_name;
    const char *pod_ns;
    const char *hash;
    int64_t restarts;
    int64_t grace_seconds;
    uint32_t attempt;
    enum cri_state state;
    int64_t created_ns;
    int64_t started_ns;
    int64_t finished_ns;
    int32_t exit_code;
    const char *image;     /* as asked for */
    const char *image_ref; /* what it is */
    const char *reason;
    const char *message;
};

struct cri_image {
    const char *id;
    const char *ref; /* repo digest, or the id */
    uint64_t size;
    bool has_uid;
    int64_t uid;
    const char *user;
    struct cri_strings tags;
    struct cri_strings digests;
    bool pinned; /* not to be removed */
};

/* What a container uses. Amounts that the runtime does not tell are CRI_UNTOLD. */
#define CRI_UNTOLD UINT64_MAX

struct cri_usage {
    const char *id;
    int64_t cpu_ns; /* when, since the epoch */
    uint64_t cpu_total_ns;
    int64_t memory_ns;
    uint64_t working_set;
    uint64_t available;
    uint64_t usage;
    uint64_t rss;
    uint64_t faults;
    uint64_t major_faults;
    uint64_t layer_bytes; /* its writable layer */
    uint64_t layer_inodes;
};

/* A runtime that RuntimeClasses may name, and what it can. */
struct cri_handler {
    const char *name; /* "": the default */
    bool recursive_readonly;
    bool user_namespaces;
};

/* How a call ended. code COR_OK: what the call gives is set, the rest is zero. */
struct cri_answer {
    enum cor_code code;
    int status;       /* grpc-status, or -1 */
    const char *text; /* the runtime's words */
    const char *id;   /* run sandbox, create container, pull image */
    const struct cri_sandbox *sandboxes;
    size_t sandbox_count;
    const struct cri_container *containers;
    size_t container_count;
    const struct cri_image *images; /* image status: none when absent */
    size_t image_count;
    const char *runtime_name;
    const char *runtime_version;
    bool runtime_ready;
    bool network_ready;
    const char *network_text;           /* why it is not ready */
    const struct cri_handler *handlers; /* status; none when the runtime does not tell */
    size_t handler_count;
    const char *sandbox_image; /* config; NULL when it is not told */
    const char *url;           /* of exec, attach, port-forward: asks there to be upgraded */
    int32_t exit_code;         /* of a command */
    struct cor_view out, err;  /* what it said */
    const char *mountpoint;    /* image file system */
    uint64_t used_bytes;
    uint64_t used_inodes; /* CRI_UNTOLD */
    const struct cri_usage *usages;
    size_t usage_count;
};

typedef void (*cri_fn)(void *self, const struct cri_answer *answer);

struct cri;

struct cri_events {
    /* The runtime answers CRI (true), or the connection is lost (false). */
    void (*state)(void *self, bool up);
    /* A container's or sandbox's main process has ended (containerd's /tasks/exit, or CRI's
     * CONTAINER_STOPPED_EVENT). */
    void (*exited)(void *self, const char *id);
    /* The event stream is open again after a gap: what ended meanwhile is not told. Every second
     * where the runtime has none. */
    void (*resynced)(void *self);
};

/* Client of the runtime at socket_path (borrows for this call). events is borrowed and must outlive
 * it. Connects by itself. Returns owned. */
struct cri *cri_new(struct cor_loop *loop, const char *socket_path, const struct cri_events *events,
                    void *self);

/* Closes; calls under way, and those that their callbacks start, end with COR_CLOSED. *cri becomes
 * NULL. For auto_(). */
void cri_free(struct cri **cri);

/* Whether the runtime answers. */
bool cri_is_up(const struct cri *cri);

/* Version: runtime_name, runtime_version. */
void cri_version(struct cri *cri, cri_fn fn, void *self);

/* Status: runtime_ready, network_ready, network_text, handlers. */
void cri_status(struct cri *cri, cri_fn fn, void *self);

/* Status with the runtime's own configuration: sandbox_image. */
void cri_config(struct cri *cri, cri_fn fn, void *self);

/* RunPodSandbox: id. */
void cri_run_sandbox(struct cri *cri, const struct cri_sandbox_config *config, cri_fn fn,
                     void *self);

/* StopPodSandbox: kills what runs in it, takes its network down. Not found is success. */
void cri_stop_sandbox(struct cri *cri, const char *id, cri_fn fn, void *self);

/* RemovePodSandbox with its containers. Not found is success. */
void cri_remove_sandbox(struct cri *cri, const char *id, cri_fn fn, void *self);

/* PodSandboxStatus: one sandbox, with addresses. */
void cri_sandbox_status(struct cri *cri, const char *id, cri_fn fn, void *self);

/* ListPodSandbox: all sandboxes, without addresses. */
void cri_list_sandboxes(struct cri *cri, cri_fn fn, void *self);

/* CreateContainer: id. */
void cri_create_container(struct cri *cri, const char *sandbox_id,
                          const struct cri_container_config *config,
                          const struct cri_sandbox_config *sandbox, cri_fn fn, void *self);

/* StartContainer. */
void cri_start_container(struct cri *cri, const char *id, cri_fn fn, void *self);

/* StopContainer: the image's stop signal, KILL after grace_seconds. Answers when it has ended. Not
 * found is success. */
void cri_stop_container(struct cri *cri, const char *id, int64_t grace_seconds, cri_fn fn,
                        void *self);

/* RemoveContainer, with its root file system. Not found is success. */
void cri_remove_container(struct cri *cri, const char *id, cri_fn fn, void *self);

/* ReopenContainerLog: what the container writes from now on goes to a new file at its log's path.
 */
void cri_reopen_log(struct cri *cri, const char *id, cri_fn fn, void *self);

/* ListContainers: all containers, without times and exit codes. */
void cri_list_containers(struct cri *cri, cri_fn fn, void *self);

/* ContainerStatus: one container. */
void cri_container_status(struct cri *cri, const char *id, cri_fn fn, void *self);

/* ImageStatus: one image, or none when it is not on this machine. */
void cri_image_status(struct cri *cri, const char *image, cri_fn fn, void *self);

struct cri_auth {
    const char *username;
    const char *password;
    const char *server;
};

/* PullImage: id is its reference. auth may be NULL. */
void cri_pull_image(struct cri *cri, const char *image, const struct cri_auth *auth,
                    const struct cri_sandbox_config *sandbox, cri_fn fn, void *self);

/* Kills and deletes the task of a container that CRI does not know to run: containerd keeps it when
 * the caller of StartContainer goes in the middle, and then can remove neither container nor
 * sandbox (status 9, FAILED_PRECONDITION). By containerd's own API; another runtime answers
 * UNIMPLEMENTED. Not found is success. */
void cri_end_task(struct cri *cri, const char *id, cri_fn fn, void *self);

/* ListImages. */
void cri_list_images(struct cri *cri, cri_fn fn, void *self);

/* RemoveImage, with all its names. Not found is success. */
void cri_remove_image(struct cri *cri, const char *id, cri_fn fn, void *self);

/* ListContainerStats: usages of all running containers. */
void cri_list_usages(struct cri *cri, cri_fn fn, void *self);

/* ImageFsInfo: mountpoint, used_bytes, used_inodes. */
void cri_image_fs(struct cri *cri, cri_fn fn, void *self);

/* What a client wants to be joined with. */
struct cri_streams {
    bool in, out, err, tty;
};

/* Exec: url of the runtime's streaming server, for one request. */
void cri_exec(struct cri *cri, const char *id, const struct cri_streams *streams,
              struct cri_strings command, cri_fn fn, void *self);

/* ExecSync: runs command to its end: exit_code, out, err. After timeout_seconds (0: none) the
 * runtime ends it: COR_TIMEOUT. */
void cri_exec_sync(struct cri *cri, const char *id, struct cri_strings command,
                   int64_t timeout_seconds, cri_fn fn, void *self);

/* Attach: url, likewise. */
void cri_attach(struct cri *cri, const char *id, const struct cri_streams *streams, cri_fn fn,
                void *self);

/* PortForward: url, likewise. */
void cri_port_forward(struct cri *cri, const char *sandbox_id, const int32_t *ports, size_t count,
                      cri_fn fn, void *self);

#endif

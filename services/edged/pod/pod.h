// SPDX-License-Identifier: Apache-2.0
// A Pod as edged uses it: core/v1 JSON into structs, only the fields that are used, every list and
// number bounded. Pure. Strings are borrowed from the object, which the pod keeps. Absent strings
// are "", never NULL. Any thread.
#ifndef EDGED_POD_H
#define EDGED_POD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/json/json.h"

enum {
    POD_CONTAINERS_MAX = 64, /* of each kind */
    POD_LIST_MAX = 1024,     /* entries of any other list */
    POD_ARENA_MAX = 1024 * 1024,
};

enum pod_restart { POD_RESTART_ALWAYS, POD_RESTART_ON_FAILURE, POD_RESTART_NEVER };
enum pod_pull { POD_PULL_ALWAYS, POD_PULL_IF_NOT_PRESENT, POD_PULL_NEVER };
enum pod_qos { POD_QOS_GUARANTEED, POD_QOS_BURSTABLE, POD_QOS_BEST_EFFORT };

struct pod_strings {
    const char **item;
    size_t count;
};

enum pod_env_from {
    POD_ENV_VALUE,
    POD_ENV_FIELD,
    POD_ENV_RESOURCE,
    POD_ENV_CONFIGMAP,
    POD_ENV_SECRET
};

struct pod_env {
    const char *name;
    enum pod_env_from from;
    const char *value;   /* POD_ENV_VALUE */
    const char *object;  /* ConfigMap or Secret; container of POD_ENV_RESOURCE ("": this one) */
    const char *key;     /* key in it; fieldPath; resource */
    const char *divisor; /* POD_ENV_RESOURCE */
    bool optional;
};

struct pod_env_source { /* envFrom */
    const char *prefix;
    const char *object;
    bool secret;
    bool optional;
};

struct pod_mount {
    const char *volume;
    const char *path;
    const char *sub_path;
    bool sub_path_expr; /* sub_path holds $(VAR) */
    bool two_sub_paths; /* subPath is given too */
    bool readonly;
    bool recursive;  /* recursiveReadOnly Enabled */
    int propagation; /* as in CRI: 0 private, 1 host to container, 2 both ways */
};

/* A raw block volume. */
struct pod_device {
    const char *volume;
    const char *path; /* in the container */
};

struct pod_port {
    const char *name;
    const char *host_ip;
    int container_port;
    int host_port;
    int protocol; /* as in CRI: 0 TCP, 1 UDP, 2 SCTP */
};

/* An amount that may be absent. */
struct pod_amount {
    bool given;
    int64_t n;
};

/* A resource that is counted in whole units: an extended one ("example.com/camera"), of a device
 * plug-in or not, or "hugepages-2Mi", in bytes. What is asked for is the limit. */
struct pod_extra {
    const char *name;
    int64_t n;
};

struct pod_resources { /* cpu in thousandths, memory and storage in bytes */
    struct pod_amount cpu_request;
    struct pod_amount cpu_limit;
    struct pod_amount memory_request;
    struct pod_amount memory_limit;
    struct pod_amount storage_request;
    struct pod_amount storage_limit;
    struct pod_extra *extras;
    size_t extra_count;
};

enum pod_profile { POD_PROFILE_DEFAULT, POD_PROFILE_UNCONFINED, POD_PROFILE_LOCALHOST };

/* Container's securityContext over the pod's. */
struct pod_security {
    struct pod_amount user;
    struct pod_amount group;
    bool non_root;
    bool privileged;
    bool readonly_rootfs;
    bool no_new_privs;
    enum pod_profile seccomp; /* as in CRI; kubelet's default is Unconfined */
    const char *seccomp_path;
    bool apparmor_given;
    enum pod_profile apparmor;
    const char *apparmor_name; /* POD_PROFILE_LOCALHOST */
    bool unmasked;             /* procMount */
    struct pod_strings add;
    struct pod_strings drop;
};

/* What a probe or a hook does. */
enum pod_act { POD_ACT_EXEC, POD_ACT_HTTP, POD_ACT_TCP, POD_ACT_GRPC, POD_ACT_SLEEP, POD_ACTS };

struct pod_header {
    const char *name;
    const char *value;
};

struct pod_handler {
    enum pod_act act;
    struct pod_strings command; /* POD_ACT_EXEC */
    const char *host;           /* "": the pod's address */
    int port;
    const char *port_name; /* of a port that the container does not have; "" */
    const char *path;
    bool https;
    struct pod_header *headers;
    size_t header_count;
    const char *service; /* POD_ACT_GRPC */
    int64_t seconds;     /* POD_ACT_SLEEP */
};

enum pod_check { POD_STARTUP, POD_LIVENESS, POD_READINESS, POD_CHECKS };

struct pod_probe {
    struct pod_handler handler;
    int32_t delay_seconds;
    int32_t timeout_seconds;
    int32_t period_seconds;
    int32_t success_threshold;
    int32_t failure_threshold;
    struct pod_amount grace_seconds; /* instead of the pod's */
};

struct pod_container {
    const char *name;
    const char *image;       /* with the default tag */
    const char *image_error; /* why image is no reference; "" */
    struct pod_strings command;
    struct pod_strings args;
    const char *working_dir;
    struct pod_env *env;
    size_t env_count;
    struct pod_env_source *env_from;
    size_t env_from_count;
    struct pod_mount *mounts;
    size_t mount_count;
    struct pod_device *devices;
    size_t device_count;
    struct pod_port *ports;
    size_t port_count;
    struct pod_probe *probes[POD_CHECKS]; /* NULL: none */
    struct pod_handler *post_start;       /* NULL: none */
    struct pod_handler *pre_stop;
    const char *target; /* of an ephemeral one: whose processes it sees; "" */
    struct pod_resources resources;
    struct pod_security security;
    enum pod_pull pull;
    const char *message_path;
    bool message_from_log; /* FallbackToLogsOnError */
    bool stdin_open;
    bool stdin_once;
    bool tty;
    bool sidecar;  /* init container with restartPolicy Always */
    char hash[17]; /* of what a change restarts the container */
};

enum pod_volume_type {
    POD_VOLUME_EMPTY_DIR,
    POD_VOLUME_HOST_PATH,
    POD_VOLUME_CONFIGMAP,
    POD_VOLUME_SECRET,
    POD_VOLUME_DOWNWARD,
    POD_VOLUME_PROJECTED,
    POD_VOLUME_CLAIM,
    POD_VOLUME_EXTERNAL,
    POD_VOLUME_UNSUPPORTED,
};

/* Volumes that something else than edged mounts. */
enum pod_external { POD_EXTERNAL_NONE, POD_EXTERNAL_NFS, POD_EXTERNAL_CSI };

struct pod_item { /* items of configMap, secret; of downwardAPI: key is the fieldPath or resource */
    const char *key;
    const char *path;
    int mode; /* -1: the volume's */
    bool resource;
    const char *container;
    const char *divisor;
};

/* One part of a projected volume; other volumes with content have exactly one. */
struct pod_source {
    enum pod_volume_type type; /* CONFIGMAP, SECRET, DOWNWARD, or PROJECTED for a token */
    const char *object;
    bool optional;
    struct pod_item *items;
    size_t item_count;
    const char *audience;       /* token */
    int64_t expiration_seconds; /* token */
    const char *path;           /* token */
};

struct pod_volume {
    const char *name;
    enum pod_volume_type type;
    size_t kinds;            /* how many types the object names */
    const char *unsupported; /* the type's name in the object */
    struct pod_source *sources;
    size_t source_count;
    int default_mode;
    const char *medium;                /* of emptyDir: "", "Memory", "HugePages", "HugePages-2Mi" */
    bool memory;                       /* emptyDir on tmpfs */
    bool huge;                         /* emptyDir on huge pages */
    struct pod_amount size;            /* emptyDir sizeLimit */
    const char *path;                  /* hostPath; of a claim once it is known: volume/claims.h */
    const char *path_type;             /* hostPath type; the same */
    const char *claim;                 /* persistentVolumeClaim */
    bool readonly;                     /* persistentVolumeClaim, or POD_VOLUME_EXTERNAL */
    enum pod_external external;        /* also of a claim once it is known */
    const struct cor_json *source;     /* of that: the member nfs or csi */
    const struct cor_json *persistent; /* the PersistentVolume it is of; NULL */
    bool block;                        /* that has volumeMode Block */
};

struct pod_alias {
    const char *ip;
    struct pod_strings names;
};

struct pod_sysctl {
    const char *name;
    const char *value;
};

struct pod {
    struct cor_json *object; /* owned: without status and managedFields */
    struct cor_arena *arena; /* owned: all lists below */
    const char *name;
    const char *ns;
    const char *uid;
    const char *node;
    const char *account;
    const char *hostname;
    const char *subdomain;
    const char *dns_policy;
    struct pod_strings dns_servers;
    struct pod_strings dns_searches;
    struct pod_strings dns_options; /* "name" or "name:value" */
    bool host_network;
    bool host_pid;
    bool host_ipc;
    bool user_namespace;            /* hostUsers is false */
    bool fqdn;                      /* setHostnameAsFQDN */
    const char *runtime_class;      /* ""; its handler: cri/runtimeclass.h */
    struct pod_amount overhead_cpu; /* what its runtime needs besides the containers */
    struct pod_amount overhead_memory;
    struct pod_resources level; /* cpu and memory of all containers together: spec.resources */
    bool share_pid;
    enum pod_restart restart;
    int64_t grace_seconds;
    bool deleted; /* deletionTimestamp is set */
    int64_t delete_grace_seconds;
    struct pod_amount deadline_seconds;
    struct pod_amount fs_group;
    bool group_on_mismatch; /* fsGroupChangePolicy OnRootMismatch */
    int64_t *groups;
    size_t group_count;
    struct pod_sysctl *sysctls;
    size_t sysctl_count;
    struct pod_strings pull_secrets;
    struct pod_strings gates; /* readinessGates: types of conditions */
    struct pod_container *init;
    size_t init_count;
    struct pod_container *main;
    size_t main_count;
    struct pod_container *ephemeral; /* may grow while the pod lives */
    size_t ephemeral_count;
    struct pod_volume *volumes;
    size_t volume_count;
    struct pod_alias *aliases;
    size_t alias_count;
    enum pod_qos qos;
};

/* Reads object (takes; also on error). COR_INVALID names the field; COR_TOOBIG. Returns owned in
 * *pod_r. */
COR_NODISCARD enum cor_code pod_parse(struct cor_json *object, struct pod **pod_r,
                                      struct cor_err *err);

/* A pod without spec that stands for an object that pod_parse refuses: it can be reported and
 * deleted. NULL when name, namespace or uid are no names either. Returns owned. */
struct pod *pod_refused(const struct cor_json *object);

/* Frees; *pod becomes NULL. For auto_(). */
void pod_free(struct pod **pod);

/* Init, main and ephemeral containers in one row, in this order. */
size_t pod_container_count(const struct pod *pod);
const struct pod_container *pod_container(const struct pod *pod, size_t index);
bool pod_is_init(const struct pod *pod, size_t index);
bool pod_is_ephemeral(const struct pod *pod, size_t index);

/* Behind the last main container. */
size_t pod_main_end(const struct pod *pod);

/* Name of its list in spec: "initContainers", "containers", "ephemeralContainers". */
const char *pod_list_of(const struct pod *pod, size_t index);

/* Index of the named container, or COR_NOTFOUND's place: pod_container_count. Borrowed name. */
size_t pod_find_container(const struct pod *pod, const char *name);

/* The named volume; NULL when the pod has none. */
const struct pod_volume *pod_find_volume(const struct pod *pod, const char *name);

/* "Guaranteed", "Burstable", "BestEffort". */
const char *pod_qos_name(enum pod_qos qos);

/* oom_score_adj of a container (k8s.io/kubernetes pkg/kubelet/qos/policy.go): memory_capacity is
 * the node's, in bytes. */
int64_t pod_oom_score(const struct pod *pod, const struct pod_container *container,
                      int64_t memory_capacity);

/* Whether path is relative and has no ".." in it: it stays below where it starts. */
bool pod_path_is_inside(const char *path);

/* Calls fn with each path below a mount of the volume at which the same container has another
 * volume, but those that lie in a third one: there must be a folder for it to be mounted on. */
void pod_each_nested(const struct pod *pod, const struct pod_volume *volume,
                     void (*fn)(void *self, const char *path), void *self);

#endif

// SPDX-License-Identifier: Apache-2.0
// Private to edged: the service's object, one pod in it, and what the files do for each other.
// Everything runs on the loop thread.
#ifndef EDGED_AGENT_H
#define EDGED_AGENT_H

#include "books.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/service/service.h"
#include "kevent.h"
#include "meta.h"
#include "services/edged/cgroup/huge.h"
#include "services/edged/cri/cri.h"
#include "services/edged/cri/crispec.h"
#include "services/edged/node/hostinfo.h"
#include "services/edged/node/nodeobj.h"
#include "services/edged/pod/inputs.h"
#include "services/edged/pod/refs.h"
#include "services/edged/run/run.h"
#include "services/edged/volume/claims.h"
#include "services/edged/volume/external.h"

struct edged_cfg {
    struct cor_service_cfg common;
    char *node_name;
    char *node_ip;
    char *runtime_socket;
    char *root_dir;
    char *pod_log_dir;
    char *static_dir;
    char *cgroup_root;
    char *cluster_domain;
    struct cor_conf_strs cluster_dns;
    struct cor_conf_strs node_labels;
    struct cor_conf_strs node_annotations;
    struct cor_conf_strs node_taints;
    bool schedulable;
    bool autonomous;
    bool register_node;
    bool report_events;
    int64_t kubelet_port;
    int64_t status_seconds;
    int64_t report_seconds;
    int64_t lease_seconds;
    bool drain_on_stop;
    int64_t shutdown_seconds;
    int64_t shutdown_critical;
    struct cor_conf_strs evict_hard;
    struct cor_conf_strs evict_soft;
    struct cor_conf_strs evict_soft_grace;
    struct cor_conf_strs evict_minimum_reclaim;
    int64_t evict_transition_seconds;
    int64_t evict_max_grace_seconds;
    int64_t evict_look_seconds;
    int64_t evict_measure_seconds;
    char *evict_root;
    int64_t images_high_percent;
    int64_t images_low_percent;
    int64_t images_min_age_seconds;
    int64_t images_period_seconds;
    int64_t status_images;
    struct cor_conf_strs unsafe_sysctls;
    char *logs_max_size;
    int64_t logs_max_files;
    int64_t logs_look_seconds;
    char *api_socket;
    char *api_listen;
    char *api_token_file;
    char *devices_dir;
    int64_t devices_gone_seconds;
    bool csi_enabled;
    int64_t csi_look_seconds;
    int64_t pids_limit;
};

struct agent;

/* One pod, from the first word of it until nothing is left on this machine. */
struct agent_pod {
    struct agent *agent;
    struct pod *pod; /* owned */
    struct run *run; /* owned */
    char *uid;       /* owned: outlives replaced pods */
    char *key;       /* "<ns>/pod/<name>" */
    char *patch_key; /* "<ns>/podpatch/<name>" */
    bool desired;    /* metamanager has the object; false: only the runtime has it */
    bool mentioned;  /* in this session */
    char *next;      /* owned: it was wanted again while it is being removed; JSON */
    bool dirty;      /* to be stepped at the end of this round */
    size_t ops;      /* callbacks under way that point here */
    struct refs refs;
    struct claims claims;
    struct externals externals;
    size_t device_asks;    /* of plug-ins; device/devices.h */
    char *device_error;    /* owned; NULL: none */
    char *reason;          /* owned: why the node has not taken it; NULL */
    bool judged;           /* it is new here, and the node has taken it */
    uint64_t *volume_sums; /* payload_hash of what is on disk; by volume */
    bool *volume_made;
    struct prober_pod *probes; /* owned; NULL: it has none */
    struct cor_link hooks;     /* under way; hook/hook.c */
    struct cor_timer *wake;
    uint64_t cause; /* message that last changed it */
    /* report.c */
    char *known;              /* owned; known.c: status that the API has, as far as we know */
    struct cor_json *sending; /* status under way */
    bool deleting;            /* the last delete is under way */
    bool deleted;             /* the API has been told that it is gone */
    bool was_seen;            /* something of it was in the runtime */
    bool is_static;           /* a file wants it: manifest/ */
    char *mirror;             /* owned: uid of the mirror that it is reported to; NULL: none */
    bool remirrored;          /* since the status under way was sent */
    struct cor_timer *report;
    int64_t report_us; /* back-off */
    bool report_waits; /* timer runs after a failure */
    bool report_soon;  /* timer runs, or ran, for a change that is not urgent */
    bool cleared;      /* addresses were cleared since the API last took a status */
    struct books_state status_book, delete_book;
    bool report_again;        /* though nothing has changed: does the API still know this Pod? */
    struct cor_mono reported; /* when the API answered last */
};

/* register.c */
struct registrar;
/* events.c */
struct teller;
/* relist.c */
struct relist;
/* drain/drain.h */
struct drain;
/* evict/evictor.h */
struct evictor;
/* evict/measurer.h */
struct measurer;
/* gc/gc.h */
struct gc;
/* logs/logs.h */
struct logs;
/* manifest/statics.h */
struct statics;
/* manifest/mirrors.h */
struct mirrors;
/* device/devices.h */
struct devices;
/* csi/csi.h */
struct csi;
/* api.c */
struct api;
/* api_tunnel.c */
struct api_tunnel;
/* api_http.c */
struct api_http;
/* probe/prober.c */
struct prober;
struct prober_pod;

struct agent {
    struct cor_service *service;
    struct cor_log *log;
    struct cor_loop *loop;
    const struct edged_cfg *cfg;
    struct hostinfo host;
    struct facts facts; /* of the node; addresses of pods are filled in per pod */
    struct crispec_node node;
    struct huge huge;         /* pages of the machine */
    int64_t burstable_shares; /* that the Burstable Pods' cgroup has; 0: not set yet */
    struct cri *cri;
    struct meta *meta;
    struct cor_map *pods; /* uid to struct agent_pod, owned */
    struct cor_hook *hook;
    struct cor_timer *safety; /* slow relist */
    struct relist *relist;
    struct cor_map
        *unclaimed;     /* uids in the runtime that no desired pod has; values are not used */
    bool listed;        /* the runtime was listed since the connection came up */
    bool desired_known; /* metamanager has sent all */
    bool session;
    bool link;
    struct teller *teller;
    struct registrar *registrar;
    struct drain *drain; /* NULL: nobody has asked edged to stop */
    struct evictor *evictor;
    struct measurer *measurer;
    struct gc *gc;
    struct logs *logs;
    struct statics *statics;
    struct mirrors *mirrors;
    struct devices *devices; /* NULL: no plug-ins */
    struct csi *csi;         /* NULL: no CSI drivers */
    struct api *api;
    struct api_tunnel *tunnel;
    struct api_http *http;
    struct prober *prober;
    struct edged_books books;
    uint64_t starts, restarts, patches, events_sent, events_lost;
};

/* agent.c: pods */

/* A desired pod is so. body is its JSON; key and uid name it when that cannot be read. */
void agent_put_pod(struct agent *agent, struct cor_view key, struct cor_view uid,
                   struct cor_view body);

/* A desired pod is gone; uid may be absent. */
void agent_drop_pod(struct agent *agent, struct cor_view key, struct cor_view uid);

/* A static Pod is wanted: object (borrowed) is what manifest_read made. None of its name is here.
 */
void agent_put_static(struct agent *agent, struct cor_json *object);

/* The static Pod by key, wanted or being ended; NULL. */
struct agent_pod *agent_find_static(const struct agent *agent, const char *key);

/* It is wanted no more. */
void agent_drop_static(struct agent *agent, const char *key);

/* A pod of which only the runtime knows: containers by name, so that it can be ended. */
void agent_adopt_orphan(struct agent *agent, const char *uid, const char *ns, const char *name,
                        const struct pod_strings *containers, int64_t grace_seconds);

/* A session with metamanager begins: all desired pods will be put again. */
void agent_session_begin(struct agent *agent);

/* All have been: those that were not are gone. */
void agent_session_done(struct agent *agent);

/* The pod by uid; NULL. */
struct agent_pod *agent_find(const struct agent *agent, const char *uid);

/* The pod by namespace and name; of several the one that is wanted. NULL. */
struct agent_pod *agent_find_named(const struct agent *agent, const char *ns, const char *name);

/* It is looked at at the end of this round. */
void agent_touch(struct agent_pod *pod);

/* An operation that points to the pod begins or ends. */
void agent_hold(struct agent_pod *pod);
void agent_release(struct agent_pod *pod);

/* Looks at all dirty pods; for the loop's hook. */
bool agent_round(void *self);

/* Frees a pod that nothing points to. For the map. */
void agent_pod_free(void *value);

/* relist.c: reads all that the runtime has; another one follows when one is under way. */
void relist_start(struct agent *agent);
void relist_free(struct relist **relist);

/* perform.c: does one action; the result comes by run_*. */
void perform(struct agent_pod *pod, const struct run_action *action);

/* prepare.c: objects, folders, volumes; ends in run_prepared. */
void prepare(struct agent_pod *pod);

/* prepare.c: an object that pods may refer to is so; json NULL: gone. Borrows json. */
void prepare_object(struct agent *agent, bool secret, struct cor_view ns, struct cor_view name,
                    struct cor_json *json);

/* prepare.c: what the pod's containers are started with. Borrows from pod until its refs change. */
struct inputs prepare_inputs(struct agent_pod *pod, struct facts *facts);

/* create.c: CreateContainer with environment and mounts; ends in run_create_done. */
void create(struct agent_pod *pod, const struct run_action *action);

/* clean.c: removes folders, mounts and cgroup in a child process; ends in run_clean_done. */
void clean(struct agent_pod *pod);

/* clean.c: removes the folders of pods that nobody has. */
void clean_strays(struct agent *agent);

/* known.c: the status that the API has of pod, as far as this node knows. Returns owned; NULL: it
 * has none that is known. */
struct cor_json *known_status(const struct agent_pod *pod);
/* Keeps status (borrowed; NULL: none) as that. */
void known_set(struct agent_pod *pod, const struct cor_json *status);

/* report.c: tells the API how the pod stands, or that it is gone. */
void report(struct agent_pod *pod);
void report_timer(void *self);

/* report.c: a static Pod is reported to this mirror (borrowed) as the API has it; NULL: to none. */
void report_to(struct agent_pod *pod, const struct cor_json *mirror);

/* report.c: the link came up: what waited for it is tried at once, and every Pod is reported, for
 * the API may know it no more. */
void report_at_once(struct agent *agent);

/* report.c: reports again the Pods whose last report is old. */
void report_old(struct agent *agent);

/* events.c */
struct teller *teller_new(struct agent *agent);
void teller_free(struct teller **teller);
void teller_pod_notes(struct agent_pod *pod);
void teller_node_note(struct agent *agent, bool warning, const char *reason, const char *message);
void teller_go_on(struct teller *teller);

/* register.c */
struct registrar *registrar_new(struct agent *agent);
void registrar_free(struct registrar **registrar);
void registrar_link(struct registrar *registrar);
void registrar_runtime(struct registrar *registrar);
void registrar_node(struct registrar *registrar, struct cor_view body);
/* The Node's uid; "": not known. Borrowed. */
const char *registrar_uid(const struct registrar *registrar);
/* What the node is short of: memory, disk, processes. */
void registrar_pressure(struct registrar *registrar, const bool *pressure);
/* The node is shutting down: it is not ready. */
void registrar_shutdown(struct registrar *registrar);
/* Takes images: status.images. */
void registrar_images(struct registrar *registrar, struct cor_json *images);
/* Takes what the node has besides its own, by name: "example.com/camera". */
void registrar_resources(struct registrar *registrar, struct cor_json *capacity,
                         struct cor_json *allocatable);
/* csi_volumes_in_use has changed; registrar may be NULL. Whether the API has taken a status with
 * that volume in it. */
void registrar_volumes(struct registrar *registrar);
bool registrar_has_told(const struct registrar *registrar, const char *volume);
/* The Node as the API has it; NULL: not known. Borrowed. */
const struct cor_json *registrar_object(const struct registrar *registrar);

/* edged.c: the service's spec, for cor_service_main. */
const struct cor_service_spec *edged_spec(void);

#endif

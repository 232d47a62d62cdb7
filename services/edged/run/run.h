// SPDX-License-Identifier: Apache-2.0
// One pod at run time: what the runtime has of it, what is under way, and what is to be done next.
// Pure: what is observed and how actions ended goes in (run_see_*, run_*_done), actions come out
// (run_step); time is a parameter. Level-triggered: any order of observations ends in the same
// place, so that a restart of edged only means observing again. Any thread.
#ifndef EDGED_RUN_H
#define EDGED_RUN_H

#include "common/clock/clock.h"
#include "services/edged/cri/cri.h"
#include "services/edged/pod/pod.h"

enum {
    RUN_ACTIONS_MAX = 3 * POD_CONTAINERS_MAX, /* of one step */
    RUN_NOTES_MAX = 32,                       /* events that wait to be told */
    RUN_OLD_MAX = 16, /* dead containers or sandboxes that wait for removal */
};

/* What the executor shall do. */
enum run_verb {
    RUN_NOTHING,
    RUN_PREPARE,        /* objects, folders, volumes */
    RUN_SANDBOX,        /* RunPodSandbox, attempt */
    RUN_READ_SANDBOX,   /* PodSandboxStatus */
    RUN_STOP_SANDBOX,   /* id */
    RUN_REMOVE_SANDBOX, /* id */
    RUN_LOOK,           /* ImageStatus */
    RUN_PULL,           /* PullImage */
    RUN_CREATE,         /* CreateContainer, attempt */
    RUN_START,          /* StartContainer */
    RUN_POST_START,     /* the hook of a container that runs now */
    RUN_PRE_STOP,       /* the hook of one that will be stopped, within grace_seconds */
    RUN_READ,           /* ContainerStatus */
    RUN_STOP,           /* StopContainer, grace_seconds */
    RUN_REMOVE,         /* RemoveContainer, id: a dead one */
    RUN_CLEAN,          /* folders, mounts, cgroup */
};

struct run_action {
    enum run_verb verb;
    size_t container; /* index as in pod_container, or RUN_NO_CONTAINER */
    const char *id;   /* borrowed until the action's _done call */
    uint32_t attempt;
    int64_t grace_seconds;
};

#define RUN_NO_CONTAINER SIZE_MAX

/* An event for people, as kubelet records it. */
struct run_note {
    bool warning;
    const char *reason; /* constant */
    size_t container;
    char *message; /* owned */
};

/* How a container ended. */
struct run_end {
    char *id;
    int32_t exit_code;
    char *reason;
    char *message;
    int64_t started_ns;
    int64_t finished_ns;
};

enum run_image { RUN_IMAGE_UNKNOWN, RUN_IMAGE_ABSENT, RUN_IMAGE_HERE };
enum run_state { RUN_NONE, RUN_CREATED, RUN_RUNNING, RUN_EXITED, RUN_UNKNOWN, RUN_STATES };
enum run_box { RUN_BOX_NONE, RUN_BOX_READY, RUN_BOX_DEAD, RUN_BOX_STOPPED, RUN_BOXES };
enum run_want { RUN_WANT_RUN, RUN_WANT_STOP, RUN_WANT_GONE, RUN_WANTS };

/* Where a hook of a container stands. */
enum run_hook { RUN_HOOK_NONE, RUN_HOOK_DUE, RUN_HOOK_RUNS, RUN_HOOK_FAILED };

/* What a probe of a container says: of its liveness, nothing until it fails. */
enum run_health { RUN_HEALTH_UNKNOWN, RUN_HEALTH_GOOD, RUN_HEALTH_BAD };

struct run_container {
    enum run_state state;
    char *id;      /* of the newest; NULL in RUN_NONE */
    char *sandbox; /* it was made in; "" unknown */
    char *hash;    /* of the spec it was made from */
    char *image_ref;
    uint32_t attempt; /* also the restart count */
    int64_t created_ns;
    struct run_end end;    /* times; exit code, reason, message once it ended */
    struct run_end last;   /* of the one before; id NULL: none */
    uint32_t next_attempt; /* of a new one while none is there; from the API's status, or of the
                              lost one */
    bool seen;             /* in the list that is being read */
    bool told; /* the runtime has told us that it ended, but may not know it itself yet */
    int told_tries;
    int doubt;        /* RUN_UNKNOWN: 0 stop it, 1 read it, 2 take it for ended */
    enum run_verb op; /* under way */
    enum run_image image;
    const char *wait_reason; /* constant; NULL: nothing special */
    char *wait_message;
    struct cor_mono retry_at; /* not before */
    int64_t crash_us;         /* back-off of the next restart; 0: none yet */
    struct cor_mono crash_at; /* when it was last used */
    int64_t pull_us;          /* back-off of the next pull */
    bool stale;               /* made from another spec: restart it */
    enum run_health health[POD_CHECKS];
    enum run_hook post_start;
    enum run_hook pre_stop;
    bool ending;               /* its end has begun: the hook, then its turn, then the signal */
    struct cor_mono grace_end; /* of that */
    bool sick;                 /* a probe says: restart it */
    char *known_id;            /* owned: of which the API knew, when edged started, */
    bool known_ready;          /* that it is ready */
    bool known_started;        /* and that it has started */
    bool made;                 /* by this run: what it mounts is as it was prepared */
    char *discarded;           /* one that was never started, until there is another; NULL: none */
    bool renewed;              /* next_attempt is the number of one that was never started */
    bool discarding;           /* it is being removed */
};

struct run_sandbox {
    enum run_box state;
    char *id;
    uint32_t next_attempt;
    int64_t created_ns;
    bool seen;
    bool read; /* addresses are known */
    char *ips[CRI_IPS_MAX];
    size_t ip_count;
    enum run_verb op;
    struct cor_mono retry_at;
    int64_t retry_us;
};

struct run {
    const struct pod *pod; /* borrowed; replaced by run_set_pod */
    enum run_want want;
    const char *over; /* "Failed" or "Succeeded" once that is so for ever; NULL */
    const char *over_reason;
    char *over_message;
    bool disrupted;        /* by the node, for reasons of its own */
    int64_t grace_seconds; /* of RUN_WANT_STOP and RUN_WANT_GONE */
    struct run_sandbox sandbox;
    struct run_container *containers;
    size_t count;
    bool observed; /* the runtime was listed since the connection came up */
    bool prepared;
    bool preparing;
    bool prepare_again; /* inputs changed while preparing */
    struct cor_mono prepare_at;
    int64_t prepare_us;
    char *prepare_error;
    char *old_containers[RUN_OLD_MAX];
    size_t old_container_count;
    enum run_verb old_container_op;
    char *old_sandboxes[RUN_OLD_MAX];
    size_t old_sandbox_count;
    bool old_sandbox_stopped;
    enum run_verb old_sandbox_op;
    bool cleaning;
    bool cleaned;           /* nothing is left of it on this machine */
    bool held;              /* waits to be let go: hold/hold.h */
    struct cor_json *gates; /* conditions of readiness gates as the API has them; owned */
    struct run_note notes[RUN_NOTES_MAX];
    size_t note_count;
    struct cor_mono wake_at; /* step again then at the latest; us INT64_MAX: no need */
};

/* A pod not seen in the runtime yet. Borrows pod until run_set_pod or run_free. Returns owned. */
struct run *run_new(const struct pod *pod);

/* Frees; *run becomes NULL. For auto_(). */
void run_free(struct run **run);

/* The desired object has changed: other images, labels, or a deletion. False, and nothing has
 * changed, when its containers are not the same by name: no API server allows that. */
bool run_set_pod(struct run *run, const struct pod *pod);

/* What the API knew when edged started: restart counts, and a phase that is final. */
void run_recall(struct run *run, const struct cor_json *status);

/* The Pod's status as the API has it now: conditions of its readiness gates are others' to set. */
void run_told_status(struct run *run, const struct cor_json *status);

/* Ends the pod. RUN_WANT_STOP keeps what is left for inspection, RUN_WANT_GONE removes it. A
 * shorter grace replaces a longer one. */
void run_end_pod(struct run *run, enum run_want want, int64_t grace_seconds);

/* The pod has failed for ever, for a reason outside its containers. */
void run_fail(struct run *run, const char *reason, const char *message);

/* The same, and it ends within grace_seconds: the node ends it (DisruptionTarget). reason is
 * constant. */
void run_terminate(struct run *run, const char *reason, const char *message, int64_t grace_seconds);

/* A list of the runtime begins: what is not seen until run_seen_all is gone. */
void run_see_begin(struct run *run);

/* A sandbox of this pod exists so. full: its addresses were asked for too. */
void run_see_sandbox(struct run *run, const struct cri_sandbox *sandbox, bool full);

/* A container of this pod exists so. Its sandbox_id may be "". */
void run_see_container(struct run *run, const struct cri_container *container, struct cor_mono now);

/* The list is complete. */
void run_seen_all(struct run *run, struct cor_mono now);

/* The runtime does not know the container any more. */
void run_lost_container(struct run *run, size_t index, struct cor_mono now);

/* The runtime tells that the container's process has ended. */
void run_told_end(struct run *run, size_t index);

/* The runtime tells that the sandbox's process has ended. */
void run_told_box_end(struct run *run);

/* The connection to the runtime broke: what was under way is unknown until the next list. */
void run_lost_runtime(struct run *run);

/* How actions ended. text: the failure in the runtime's words; NULL: success. */
void run_prepared(struct run *run, const char *text, struct cor_mono now);
void run_sandbox_done(struct run *run, const char *id, const char *text, struct cor_mono now);
void run_sandbox_stopped(struct run *run, const char *id, const char *text, struct cor_mono now);
void run_sandbox_removed(struct run *run, const char *id, const char *text, struct cor_mono now);
void run_look_done(struct run *run, size_t index, bool here, const char *text, struct cor_mono now);
void run_pull_done(struct run *run, size_t index, const char *text, struct cor_mono now);
void run_create_done(struct run *run, size_t index, const char *id, bool config, const char *text,
                     struct cor_mono now);
void run_start_done(struct run *run, size_t index, const char *text, struct cor_mono now);
void run_post_start_done(struct run *run, size_t index, const char *text);
void run_pre_stop_done(struct run *run, size_t index, const char *text);
void run_read_failed(struct run *run, size_t index, struct cor_mono now);
void run_box_read_failed(struct run *run, struct cor_mono now);
void run_stop_done(struct run *run, size_t index, const char *text, struct cor_mono now);
void run_removed(struct run *run, const char *id, const char *text, struct cor_mono now);
void run_clean_done(struct run *run);

/* Something the pod refers to has changed: prepare again, and retry what failed for want of it. */
void run_inputs_changed(struct run *run);

/* What to do now; at most RUN_ACTIONS_MAX actions into out, which are then under way. Returns how
 * many. Sets wake_at. */
size_t run_step(struct run *run, struct cor_mono now, struct run_action *out);

/* A probe's verdict on the container as it is now. */
void run_set_health(struct run *run, size_t index, enum pod_check check, enum run_health health);

/* Whether a container that runs has started: its startup probe has succeeded, or it has none. */
bool run_has_started(const struct run *run, size_t index);

/* Whether its postStart hook has not ended yet: for the status it does not run. */
bool run_is_hooked(const struct run_container *container);

/* Whether a container that has started is ready: as its readiness probe says. */
bool run_seems_ready(const struct run *run, size_t index);

/* Index of the container with this CRI id; run->count when there is none. */
size_t run_find(const struct run *run, const char *id);

/* Whether any container runs, may run, or is about to. */
bool run_is_active(const struct run *run);

/* Whether something is being read that the status would say otherwise a moment later. */
bool run_is_settling(const struct run *run);

/* Notes an event. */
void run_note(struct run *run, bool warning, const char *reason, size_t container, const char *fmt,
              ...) COR_PRINTF(5, 6);

/* Inside of run*.c: sets or clears (reason NULL) why a container waits. */
void run_wait(struct run_container *container, const char *reason, const char *fmt, ...)
    COR_PRINTF(3, 4);

/* Inside of run*.c: forgets what a sandbox or container was. */
void run_forget_sandbox(struct run_sandbox *sandbox);
void run_forget_container(struct run_container *container);

/* Inside of run*.c: the newest container is to be another one: it becomes the last. */
void run_make_room(struct run *run, struct run_container *container);

/* Inside of run*.c: whether the container was made from another spec. */
void run_mark_stale(struct run *run, size_t index);

/* Inside of run*.c: replaces *to by a copy of text (NULL stays NULL). */
void run_set_text(char **to, const char *text);

/* Inside of run*.c: lists of ids that wait for removal. */
void run_add_old(char **list, size_t *count, const char *id);
bool run_drop_old(char **list, size_t *count, const char *id);

/* Inside of run*.c: nothing is known of the health and the hooks of another container. */
void run_clear_health(struct run_container *container);

/* Inside of run*.c: both given and equal. */
bool run_same(const char *a, const char *b);

/* Inside of run*.c: whether an ended container is started again, by its kind and restartPolicy. */
bool run_restarts(const struct run *run, size_t index);

#endif

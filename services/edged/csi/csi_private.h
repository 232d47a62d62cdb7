// SPDX-License-Identifier: Apache-2.0
// Inside of csi*.c.
#ifndef EDGED_CSI_PRIVATE_H
#define EDGED_CSI_PRIVATE_H

#include <sys/types.h>
#include <time.h>

#include "client.h"
#include "common/base/list.h"
#include "csi.h"
#include "nodeinfo.h"
#include "request.h"
#include "services/edged/agent.h"

enum { CSI_TIMEOUT_S = 120 }; /* the kubelet's csiTimeout */

/* A driver: registered, or about to be. */
struct csi_driver {
    struct cor_link link;
    struct csi *csi;
    char *path; /* of its registration socket */
    ino_t inode;
    struct timespec changed;
    struct csi_client *registration;
    struct csi_client *node; /* its own socket; NULL: not known yet */
    char *name;
    struct csi_node_info info;
    bool ready;
    bool dead; /* it is freed soon, not from within a callback */
    struct csi_abilities can;
};

/* What is done with one volume: one thing at a time. */
struct csi_turn {
    struct cor_link link;
    struct csi *csi;
    char *key; /* owned */
    bool active;
    void (*go)(void *self);
    void *self;
};

struct csi {
    struct agent *agent;
    char *folder; /* plugins_registry */
    int notify;
    struct cor_io *io;
    struct cor_timer *scan;
    struct cor_timer *bury;
    struct cor_link drivers;
    struct cor_link turns;   /* struct csi_turn */
    struct cor_link endings; /* struct csi_ending: csi_unmount.c */
    struct csi_node *node;   /* csi_node.c */
    struct cor_link uses;    /* struct use: csi_attach.c */
    struct cor_link waiting; /* struct csi_attach, for a report */
    struct cor_link stats;   /* struct stat_of: csi_stats.c */
    struct cor_link growths; /* struct growth: csi_grow.c */
    struct cor_timer *grow;
    bool closing;
};

/* The driver by name; NULL: none is registered. */
struct csi_driver *csi_find(const struct csi *csi, const char *name);

/* go is called (perhaps from within) when nothing else is done with the volume named key. */
void csi_turn_begin(struct csi *csi, struct csi_turn *turn, const char *key, void (*go)(void *self),
                    void *self);

/* The next one may. Harmless when it has not begun. */
void csi_turn_end(struct csi_turn *turn);

/* csi_unmount.c: edged stops. */
void csi_drop_endings(struct csi *csi);

/* csi_node.c: the CSINode. */
struct csi_node *csi_node_new(struct csi *csi);
void csi_node_free(struct csi_node **node);

/* A driver is there, or (registered before) is no more. */
void csi_node_driver(struct csi_node *node, const struct csi_driver *driver, bool gone);

/* csi_attach.c: a volume that is to be attached before it is mounted. */
struct csi_attach {
    struct cor_link link;
    struct csi *csi;
    struct csi_volume *volume; /* borrowed */
    char *name;                /* owned: in the Node's status */
    void (*fn)(void *self, const char *error);
    void *self;
};

/* Says that the Pod uid uses the volume, and waits until the API knows that (not while there is no
 * link) and the volume is attached. fn is called once, perhaps from within; error as csi_mount's.
 */
void csi_attach(struct csi *csi, struct csi_attach *attach, const char *uid,
                struct csi_volume *volume, void (*fn)(void *self, const char *error), void *self);

/* A Pod uses a volume no more. */
void csi_use_end(struct csi *csi, const char *uid);

/* What Pods use, from vol_data.json of their volumes. */
void csi_uses_load(struct csi *csi);
void csi_uses_free(struct csi *csi);

/* csi_stats.c: the volume, which is named so in the Pod uid, is mounted at target now. */
void csi_stats_begin(struct csi *csi, const char *uid, const char *name,
                     const struct csi_volume *volume, const char *target, const char *staging);

/* A Pod's (NULL: all) are no more. */
void csi_stats_end(struct csi *csi, const char *uid);

/* csi_grow.c: volumes whose claims have grown are grown by their drivers, now and then. */
void csi_grow_start(struct csi *csi);

/* The claim's volume, which is named so in the Pod uid, is mounted at target now. */
void csi_grow_begin(struct csi *csi, const char *uid, const char *name, const char *target,
                    const char *staging);

/* A Pod's (NULL: all) are no more. */
void csi_grow_end(struct csi *csi, const char *uid);

/* csi_unmount.c: calls fn for the folder of each CSI volume of the Pod, until it says false. */
void csi_each_volume(const char *root, const char *uid, bool (*fn)(void *self, const char *folder),
                     void *self);

/* vol_data.json of a folder; NULL: there is none. Returns owned. */
struct cor_json *csi_read_data(const char *folder);

/* csi_secret.c: what the Secret ref has, in data (borrowed for the call; NULL: ref names none), or
 * why it is not to be had, in the kubelet's words. */
typedef void (*csi_secret_fn)(void *self, const struct cor_json *data, const char *error);

/* Asks metamanager, which keeps it. fn is called once, perhaps from within. */
void csi_secret_ask(struct csi *csi, const struct csi_secret_ref *ref, csi_secret_fn fn,
                    void *self);

#endif

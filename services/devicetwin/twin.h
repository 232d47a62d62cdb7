// SPDX-License-Identifier: Apache-2.0
// Devices and their twins, and the rules by which they change. Pure: time and ids are parameters.
// The rules are KubeEdge's (edge/pkg/devicetwin/dtmanager/twin.go, dtcommon); what differs is said
// in the README.
#ifndef DT_TWIN_H
#define DT_TWIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/map.h"
#include "common/base/view.h"
#include "common/clock/clock.h"
#include "common/json/json.h"
#include "pace.h"

/* One side of a twin: what is expected, or what is. */
struct dt_side {
    char *value; /* owned; NULL: absent */
    int64_t timestamp_ms;
    int64_t cloud, edge; /* version: changes made there */
    bool versioned;      /* it was ever set */
};

struct dt_twin {
    char *name; /* owned */
    char *type; /* owned: string, int, integer, float, boolean; "deleted" */
    struct dt_side expected;
    struct dt_side actual;
    bool optional;  /* may be deleted by its owner */
    uint64_t dirty; /* changes that the cloud has not confirmed; 0: none */
};

struct dt_device {
    char *id; /* "<namespace>/<name>"; owned, like all strings here */
    char *name;
    char *description;
    char *state;
    char *last_online;        /* RFC 3339; "" */
    bool early;               /* the node's membership has told of it, its object has not come */
    struct cor_map *twins;    /* name -> struct dt_twin, owned */
    uint64_t dirty;           /* changes of the state that the cloud has not confirmed */
    bool reporting;           /* a report is under way */
    struct cor_mono reported; /* when the last one began; 0: never */
    unsigned changes;         /* since then */
    struct dt_pace answers;   /* to its updates */
    struct dt_pace reports;   /* to the cloud */
};

/* A device without twins. Returns owned. */
struct dt_device *dt_device_new(struct cor_view id, struct cor_view name,
                                struct cor_view description);

/* Frees a device; fits cor_map_new. */
void dt_device_drop(void *device);

/* A copy of a twin. Returns owned. */
struct dt_twin *dt_twin_copy(const struct dt_twin *twin);

/* Frees a twin; fits cor_map_new. */
void dt_twin_drop(void *twin);

/* Whether the twin was deleted by its owner (it stays, to be revived). */
bool dt_twin_is_deleted(const struct dt_twin *twin);

/* A change that has not been applied yet: the new twins beside the old ones. Zeroed is empty. */
struct dt_change {
    struct cor_map *changed; /* name -> struct dt_twin, owned; NULL while empty */
    int code;                /* 0, or KubeEdge's: 400, 404, 500 */
    char *reason;            /* owned; with code */
};

/* Works out what an update ({"<key>": MsgTwin or null, ...}) of a local client does. Nothing is
 * applied; with change->code set nothing is to be. now_ms: UTC. */
void dt_update(const struct dt_device *device, const struct cor_json *twin, int64_t now_ms,
               struct dt_change *change);

/* Works out what the cloud's desired value for a property does. type: of the device model. A value
 * that breaks its type changes nothing: COR_INVALID. No change when the value is expected already.
 */
COR_NODISCARD enum cor_code dt_desire(const struct dt_device *device, struct cor_view name,
                                      struct cor_view value, const char *type, int64_t now_ms,
                                      struct dt_change *change, struct cor_err *err);

/* Makes the change true: its twins replace the device's; the change is then empty. */
void dt_apply(struct dt_device *device, struct dt_change *change);

/* Frees what a change holds. For auto_(). */
void dt_change_free(struct dt_change *change);

/* Whether text is a state a device may report (case does not count), and whether it means that the
 * device is there. */
bool dt_state_is_known(struct cor_view text, bool *online_r);

/* Whether value fits type; else a reason as KubeEdge words it. */
bool dt_value_fits(struct cor_view value, const char *type, const char **why_r);

#endif

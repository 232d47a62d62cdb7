// SPDX-License-Identifier: Apache-2.0
// What people and devices around Coracle do, and what they were promised: the ledger that check.c
// compares the world with.
#ifndef SIM_PEOPLE_H
#define SIM_PEOPLE_H

#include "common/base/buf.h"
#include "common/json/json.h"
#include "common/kube/client.h"
#include "world.h"

enum { SIM_DEVICES = 2, SIM_PODS = 2, SIM_UPDATES_MAX = 4096 };

#define SIM_NODE "n1"

/* One twin update that the broker has acknowledged to a device. */
struct sim_update {
    bool taken; /* its result said so */
};

struct sim_device {
    uint64_t reported;          /* last value that the broker took; values count up */
    uint64_t desired;           /* last value that the API took; 0: none yet */
    uint64_t offered;           /* last value somebody tried to write */
    uint64_t heard;             /* last desired value that a delta told */
    struct sim_update *updates; /* by value, from 1 */
    uint64_t last_result;       /* highest value whose result came */
};

struct sim_people {
    struct cor_kube *kube;
    bool settled;   /* the cluster and the node are set up */
    bool waits;     /* whoever set that up begins the work */
    bool quiet;     /* no new work */
    unsigned doing; /* requests under way */
    struct sim_device devices[SIM_DEVICES];
    uint64_t uploaded;       /* number of the last upload that the broker took */
    uint64_t arrived;        /* and of the last one that had its effect at the target */
    uint64_t config_taken;   /* last value of the ConfigMap that the API took */
    uint64_t config_offered; /* and that somebody tried to write */
    bool pod_wanted[SIM_PODS];
    bool pod_doubt[SIM_PODS]; /* a change of it is under way */
    unsigned pod_flips[SIM_PODS];
};

struct sim_people *sim_people(void);

/* Reads what all worlds need, once per process. */
void sim_people_load(void);

/* Writes the configuration files, begins to set up the cluster, starts all cores. */
void sim_people_begin(void);

/* Ends the work: what was begun may finish. */
void sim_people_rest(void);

/* One request as people make it: repeated until the API has answered. fn gets the last answer. */
typedef void (*sim_answer_fn)(void *self, const struct cor_kube_response *response);
struct sim_wish {
    const char *method;
    const char *path;
    const char *type; /* NULL: JSON */
    const char *body; /* NULL: none */
    sim_answer_fn fn; /* may be NULL */
    void *self;
};
void sim_ask(const struct sim_wish *wish);

/* Devices are there and hear what is published for them (work.c). */
void sim_devices_begin(void);

/* Devices and desired state change now and then until sim_people_rest (work.c). */
void sim_work_begin(void);

/* Compares the ledger, the API, the stores of the edge and the devices (check.c). Told whether they
 * agree. */
typedef void (*sim_verdict_fn)(bool agree, const char *why);
void sim_check(sim_verdict_fn fn);

/* Asks a service for its books: what they are off by, -1 when it does not answer (law.c). */
typedef void (*sim_balance_fn)(const char *service, int64_t balance);
void sim_ask_balance(const char *service, sim_balance_fn fn);

/* Properties that must hold at every moment, faults or not. */
void sim_check_always(void);

/* Draws the faults of this seed and begins with them; ends them (faults.c). only: "kill,disk,...",
 * NULL: all kinds. */
void sim_faults_begin(int64_t until_us, const char *only);
void sim_faults_end(void);

#endif

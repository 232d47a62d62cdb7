// SPDX-License-Identifier: Apache-2.0
// The small controllers: what keeps the stored objects in order by itself.
#ifndef KUBELITE_CONTROLLER_H
#define KUBELITE_CONTROLLER_H

#include "api.h"
#include "budget.h"

struct kl_controllers;

/* Starts all controllers on api. Returns owned. */
struct kl_controllers *kl_controllers_new(struct kl_api *api);

/* Stops and frees; *controllers becomes NULL. */
void kl_controllers_free(struct kl_controllers **controllers);

/* Creates object (takes) of kind as the server itself, when it is not there. Logs what fails. */
void kl_own_create(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object);

/* Makes object (takes) as the server itself, with all that a client's would get: a name of
 * generateName, admission, defaults, checks. *name_r (may be NULL): its name, owned. COR_EXISTS,
 * COR_INVALID, COR_DENIED, COR_BUSY ... with *fail. */
COR_NODISCARD enum cor_code kl_own_make(struct kl_api *api, const struct kl_kind *kind,
                                        struct cor_json *object, char **name_r,
                                        struct kl_fail *fail);

/* Deletes object (borrows, the newest state) as a client would, with that propagation policy. */
void kl_own_remove(struct kl_api *api, const struct kl_kind *kind, const struct cor_json *object,
                   const char *policy);

/* Stores a changed object (takes both), which goes when nothing holds its deletion back any more;
 * or deletes it. Logs what fails. */
void kl_own_update(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object,
                   struct cor_json *old);
void kl_own_delete(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object);

/* Gives a namespace its default ServiceAccount and its kube-root-ca.crt, when they are not there.
 */
void kl_furnish(struct kl_api *api, const char *ns);

/* For how long nothing is done after a pass over everything, so that clients are answered: 0 after
 * one of less than a millisecond, else four times as long, 2 s at most. */
int64_t kl_rest_us(int64_t took_us);

/* One pass of each controller over everything. */
void kl_namespaces_pass(struct kl_api *api);

/* Binds the Pods that have no node. Returns whether Pods still wait for a node. */
bool kl_schedule_pass(struct kl_api *api);

/* Marks Nodes by how long ago they were heard of. Returns in how many µs one of them may be late: 5
 * s (node-monitor-period) to 40 s; a Node that changes meanwhile is looked at when it does. */
int64_t kl_nodes_pass(struct kl_api *api, struct cor_wall now);

/* Binds claims to volumes that fit, and sets the phases of both. */
void kl_volumes_pass(struct kl_api *api);

/* Removes Pods from Nodes with a NoExecute taint when they do not tolerate it, or no longer: the
 * time begins when this first sees them there. _pass looks at all of them now and again when the
 * next one's time ends; _any: whether the last pass found such a Node. */
struct kl_taints;
struct kl_taints *kl_taints_new(struct kl_api *api); /* returns owned */
void kl_taints_free(struct kl_taints **taints);
void kl_taints_pass(struct kl_taints *taints);
bool kl_taints_any(const struct kl_taints *taints);

/* Says in each PodDisruptionBudget what it allows. */
void kl_budgets_pass(struct kl_api *api);

/* What the budget allows while there are these pods (of its namespace). COR_NOTFOUND: nobody says
 * how many there are to be; *count_r is all zeros. */
COR_NODISCARD enum cor_code kl_budget_now(struct kl_api *api, const struct cor_json *budget,
                                          const struct cor_json *pods, struct kl_budget *count_r,
                                          struct cor_err *err);

/* Removes Pods whose Node is gone, and old Events. */
void kl_podgc_pass(struct kl_api *api);
void kl_events_pass(struct kl_api *api, struct cor_wall now);

#endif

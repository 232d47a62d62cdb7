// SPDX-License-Identifier: Apache-2.0
// The small controllers: what keeps the stored objects in order by itself.
#ifndef KUBELITE_CONTROLLER_H
#define KUBELITE_CONTROLLER_H

#include "api.h"

struct kl_controllers;

/* Starts all controllers on api. Returns owned. */
struct kl_controllers *kl_controllers_new(struct kl_api *api);

/* Stops and frees; *controllers becomes NULL. */
void kl_controllers_free(struct kl_controllers **controllers);

/* Creates object (takes) of kind as the server itself, when it is not there. Logs what fails. */
void kl_own_create(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object);

/* Stores a changed object (takes both), or deletes it. Logs what fails. */
void kl_own_update(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object,
                   struct cor_json *old);
void kl_own_delete(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object);

/* All committed objects of kind (ns NULL: of all namespaces). Returns an owned array. */
struct cor_json *kl_own_list(struct kl_api *api, const struct kl_kind *kind, const char *ns);

/* One pass of each controller over everything. */
void kl_namespaces_pass(struct kl_api *api);
void kl_schedule_pass(struct kl_api *api);
void kl_nodes_pass(struct kl_api *api, struct cor_wall now);
void kl_podgc_pass(struct kl_api *api);

#endif

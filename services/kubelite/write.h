// SPDX-License-Identifier: Apache-2.0
// Steps that writes share.
#ifndef KUBELITE_WRITE_H
#define KUBELITE_WRITE_H

#include "api.h"
#include "strategy.h"

enum { KL_BODY_MAX = 3 << 20 };

/* Stores draft as type and answers request when it is committed; takes what draft owns. */
void kl_write_store(struct kl_request *request, struct kl_draft *draft, enum kl_change_type type);

/* The body as JSON: from JSON text or Kubernetes protobuf (of type; NULL: JSON only).
 * COR_UNSUPPORTED (415), COR_INVALID. what names it in errors. Returns owned in *out_r. */
COR_NODISCARD enum cor_code kl_write_parse(struct kl_request *request, const struct k8s_type *type,
                                           const char *what, struct cor_json **out_r,
                                           struct kl_fail *fail);

/* The body as an object of the route's kind. Answers nothing. Returns owned in *object_r. */
COR_NODISCARD enum cor_code kl_write_body(struct kl_request *request, struct cor_json **object_r,
                                          struct kl_fail *fail);

/* The body of a PATCH applied to old (borrows), an object of kind. Returns owned in *out_r. */
COR_NODISCARD enum cor_code kl_write_patched(struct kl_request *request, const struct kl_kind *kind,
                                             const struct cor_json *old, struct cor_json **out_r,
                                             struct kl_fail *fail);

/* Whether body is an object of kind, or says nothing else. COR_INVALID with a 400. */
COR_NODISCARD enum cor_code kl_write_check_type(const struct kl_kind *kind,
                                                const struct cor_json *body, struct kl_fail *fail);

/* Unknown fields: refused, or told in a Warning header, or dropped in silence. */
COR_NODISCARD enum cor_code kl_write_tell_unknown(struct kl_request *request,
                                                  const struct cor_json *unknown,
                                                  struct kl_fail *fail);

/* Common end of what makes a new object: draft has it, decoded. Answers. */
void kl_write_new(struct kl_request *request, struct kl_draft *draft);

/* Common end of PUT and PATCH: draft has both states. Answers. */
void kl_write_finish(struct kl_request *request, struct kl_draft *draft);

/* Who changes fields by this request: fieldManager of the query, else the program of User-Agent.
 * Returns owned. */
char *kl_write_manager(const struct kl_request *request);

/* Whether the request is a server-side apply; answers one. */
bool kl_is_apply(const struct kl_request *request);
void kl_write_apply(struct kl_request *request);

/* Gives a new Service its addresses and node ports. */
COR_NODISCARD enum cor_code kl_admit_service(struct kl_api *api, struct cor_json *service,
                                             struct kl_fail *fail);

/* The newest state of the object that the route names: owned, but as kl_storage_look gives it, not
 * to be changed. COR_NOTFOUND. */
COR_NODISCARD enum cor_code kl_write_find(struct kl_request *request, struct cor_json **object_r,
                                          struct kl_fail *fail);

/* Changes that admission makes to a new Pod, and what it refuses. */
COR_NODISCARD enum cor_code kl_admit_pod(struct kl_api *api, struct cor_json *pod,
                                         struct kl_fail *fail);

/* Makes draft->object of draft->old as a deletion leaves it: marks, finalizers of the garbage
 * collector (options: DeleteOptions). Returns whether it goes (KL_DELETED) or waits. */
enum kl_change_type kl_delete_decide(struct kl_draft *draft, const struct cor_json *options,
                                     struct cor_wall now);

/* Whether draft->old is what the preconditions of options (DeleteOptions) say. COR_CONFLICT. */
COR_NODISCARD enum cor_code kl_delete_preconditions(const struct kl_draft *draft,
                                                    const struct cor_json *options,
                                                    struct kl_fail *fail);

/* Whether a deletion that waited can be carried out: it was asked for, nothing holds it back. */
bool kl_deletable(const struct kl_draft *draft);

#endif

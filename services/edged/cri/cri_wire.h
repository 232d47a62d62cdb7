// SPDX-License-Identifier: Apache-2.0
// Inside of cri*.c: plain structs to protobuf-c messages and back. Everything a conversion makes is
// in the arena of the call.
#ifndef EDGED_CRI_WIRE_H
#define EDGED_CRI_WIRE_H

#include "common/base/arena.h"
#include "cri.h"
#include "services/edged/cri/runtime.pb-c.h"

/* size bytes from the arena; the arena's limit is far above what a bounded pod needs. */
void *cri_room(struct cor_arena *arena, size_t size);

/* The sandbox configuration as a message; borrows strings of config, else in the arena. */
Runtime__V1__PodSandboxConfig *cri_wire_sandbox(struct cor_arena *arena,
                                                const struct cri_sandbox_config *config);

/* The container configuration as a message. */
Runtime__V1__ContainerConfig *cri_wire_container(struct cor_arena *arena,
                                                 const struct cri_container_config *config);

/* Reads the answers; false when the bytes are no such message. Strings belong to *unpacked_r, which
 * the arena's owner must free with protobuf_c_message_free_unpacked. */
typedef bool (*cri_read_fn)(struct cor_arena *arena, struct cor_view bytes,
                            struct cri_answer *answer, ProtobufCMessage **unpacked_r);

/* The readers, one for each answer. */
bool cri_read_config(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r);
bool cri_read_nothing(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                      ProtobufCMessage **unpacked_r);
bool cri_read_version(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                      ProtobufCMessage **unpacked_r);
bool cri_read_status(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r);
bool cri_read_sandbox_id(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                         ProtobufCMessage **unpacked_r);
bool cri_read_container_id(struct cor_arena *arena, struct cor_view bytes,
                           struct cri_answer *answer, ProtobufCMessage **unpacked_r);
bool cri_read_sandbox_status(struct cor_arena *arena, struct cor_view bytes,
                             struct cri_answer *answer, ProtobufCMessage **unpacked_r);
bool cri_read_sandboxes(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                        ProtobufCMessage **unpacked_r);
bool cri_read_containers(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                         ProtobufCMessage **unpacked_r);
bool cri_read_container_status(struct cor_arena *arena, struct cor_view bytes,
                               struct cri_answer *answer, ProtobufCMessage **unpacked_r);
bool cri_read_image_status(struct cor_arena *arena, struct cor_view bytes,
                           struct cri_answer *answer, ProtobufCMessage **unpacked_r);
bool cri_read_images(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r);
bool cri_read_pull(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                   ProtobufCMessage **unpacked_r);
bool cri_read_usages(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                     ProtobufCMessage **unpacked_r);
bool cri_read_url(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                  ProtobufCMessage **unpacked_r);
bool cri_read_image_fs(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                       ProtobufCMessage **unpacked_r);

bool cri_read_exec_sync(struct cor_arena *arena, struct cor_view bytes, struct cri_answer *answer,
                        ProtobufCMessage **unpacked_r);

#endif

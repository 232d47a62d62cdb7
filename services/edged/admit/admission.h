// SPDX-License-Identifier: Apache-2.0
// Admission of the agent's Pods. Loop thread only.
#ifndef EDGED_ADMISSION_H
#define EDGED_ADMISSION_H

struct agent_pod;
struct cor_json;

/* A Pod that is new here is judged, unless status, as the API has it, says that it was taken
 * before: one that is refused fails for ever, and an event tells why. */
void admission_judge(struct agent_pod *pod, const struct cor_json *status);

/* The Pod fails for ever for reason (constant), and an event tells why. */
void admission_reject(struct agent_pod *pod, const char *reason, const char *text);

#endif

// SPDX-License-Identifier: Apache-2.0
// What the API has of a Pod's status. Each Pod keeps it for ever and needs it now and then: as text
// it takes a quarter of what a tree takes.
#include "common/base/mem.h"
#include "common/json/json.h"
#include "services/edged/agent.h"

struct cor_json *known_status(const struct agent_pod *pod)
{
    struct cor_json *status = NULL;
    struct cor_view text = cor_view_of(pod->known == NULL ? "" : pod->known);
    if (cor_json_parse(text, text.len, COR_JSON_NUL, &status, NULL) != COR_OK) {
        return NULL;
    }
    return status;
}

void known_set(struct agent_pod *pod, const struct cor_json *status)
{
    cor_free(pod->known);
    pod->known = status == NULL ? NULL : cor_json_text(status);
}

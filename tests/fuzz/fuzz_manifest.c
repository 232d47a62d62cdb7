// SPDX-License-Identifier: Apache-2.0
// Any bytes as a static Pod's manifest, and its mirror.
#include <stdint.h>

#include "services/edged/manifest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cor_json *pod = NULL;
    struct cor_err err;
    struct cor_view text = {(const char *)data, size};
    if (manifest_read(text, "/m/x.yaml", "n1", (struct cor_wall){0}, &pod, &err) == COR_OK) {
        struct cor_json *mirror = manifest_mirror(pod, "n1", "u");
        if (!manifest_is_mirror(mirror) || manifest_hash(mirror)[0] == '\0') {
            __builtin_trap();
        }
        cor_json_free(&mirror);
    }
    cor_json_free(&pod);
    return 0;
}

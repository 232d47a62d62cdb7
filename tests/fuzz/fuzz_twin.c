// SPDX-License-Identifier: Apache-2.0
// Any bytes as a twin update of a device that has twins of several types.
#include <stdint.h>

#include "services/devicetwin/payload.h"
#include "services/devicetwin/topic.h"
#include "services/devicetwin/twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void update(struct dt_device *device, struct cor_view text)
{
    struct cor_json *json = NULL;
    struct dt_change change = {0};
    if (cor_json_parse(text, 65536, 0, &json, NULL) == COR_OK) {
        dt_update(device, cor_json_get(json, "twin"), 1, &change);
        if (change.code == 0) {
            struct cor_json *document = dt_msg_document(device, &change);
            dt_apply(device, &change);
            struct cor_json *delta = dt_payload("x", 1);
            (void)dt_set_delta(device, delta);
            cor_json_free(&delta);
            cor_json_free(&document);
        }
    }
    dt_change_free(&change);
    cor_json_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cor_view id;
    struct cor_view text = {(const char *)data, size};
    (void)dt_topic_parse(text, &id);
    struct dt_device *device = dt_device_new(COR_VIEW("default/x"), COR_VIEW("x"), COR_VIEW(""));
    update(device, COR_VIEW("{\"twin\":{\"f\":{\"actual\":{\"value\":\"1.5\"},\"metadata\":"
                            "{\"type\":\"float\"}},\"i\":{\"expected\":{\"value\":\"1\"},"
                            "\"metadata\":{\"type\":\"int\"}}}}"));
    update(device, text);
    dt_device_drop(device);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file.
#include <stdint.h>

#include "common/conf/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cor_json *value = NULL;
    struct cor_err err;
    (void)!cor_yaml_parse((struct cor_view){(const char *)data, size}, 65536, NULL, NULL, &value,
                          &err);
    cor_json_free(&value);
    return 0;
}

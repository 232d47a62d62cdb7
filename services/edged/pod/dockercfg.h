// SPDX-License-Identifier: Apache-2.0
// Logins of registries in Secrets of type kubernetes.io/dockerconfigjson and dockercfg. Pure. Any
// thread.
#ifndef EDGED_DOCKERCFG_H
#define EDGED_DOCKERCFG_H

#include <stdbool.h>

#include "common/json/json.h"

struct dockercfg_login {
    char *username; /* owned, wiped */
    char *password;
    char *server;
};

/* The login that secret has for the registry of image. False: none. */
bool dockercfg_find(const struct cor_json *secret, const char *image, struct dockercfg_login *out);

/* Wipes and frees the content. For auto_(). */
void dockercfg_free(struct dockercfg_login *login);

#endif

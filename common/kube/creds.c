// SPDX-License-Identifier: Apache-2.0
#include "common/kube/creds.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/pki/key.h"

enum { FILE_MAX = 1024 * 1024, EVERY_S = 60, DOUBTED_S = 1 };

void kube_creds_init(struct kube_creds *creds, const struct cor_kube_config *config)
{
    *creds = (struct kube_creds){
        .config = {.server = cor_strdup(config->server),
                   .ca_pem = cor_strdup(config->ca_pem),
                   .cert_pem = cor_strdup(config->cert_pem),
                   .key_pem = cor_strdup(config->key_pem),
                   .token = cor_strdup(config->token),
                   .token_file = cor_strdup(config->token_file),
                   .ca_file = cor_strdup(config->ca_file),
                   .cert_file = cor_strdup(config->cert_file),
                   .key_file = cor_strdup(config->key_file)},
    };
}

/* Whether *text is another one than before. An empty file is one that is being written. */
static bool reread(const char *path, char **text)
{
    auto_(cor_secret_free) struct cor_buf bytes = {0};
    if (path == NULL || cor_file_read(path, FILE_MAX, &bytes, NULL) != COR_OK) {
        return false;
    }
    struct cor_view content = cor_view_trim(cor_buf_as_view(&bytes));
    if (content.len == 0 || cor_view_eq(content, cor_view_trim(cor_view_of(*text)))) {
        return false;
    }
    if (*text != NULL) {
        cor_wipe(*text, strlen(*text));
    }
    cor_free(*text);
    *text = cor_view_dup(content);
    return true;
}

bool kube_creds_refresh(struct kube_creds *creds, struct cor_mono now)
{
    struct cor_kube_config *config = &creds->config;
    int64_t age = cor_mono_since(now, creds->read);
    if (creds->read.us != 0 && age < COR_SEC(creds->doubted ? DOUBTED_S : EVERY_S)) {
        return false;
    }
    creds->read = now;
    creds->doubted = false;
    creds->token_number += reread(config->token_file, &config->token) ? 1 : 0;
    bool changed = reread(config->ca_file, &config->ca_pem);
    changed = reread(config->cert_file, &config->cert_pem) || changed;
    return reread(config->key_file, &config->key_pem) || changed;
}

void kube_creds_free(struct kube_creds *creds)
{
    cor_kube_config_free(&creds->config);
}

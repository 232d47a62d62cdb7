// SPDX-License-Identifier: Apache-2.0
#include "dockercfg.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "image.h"
#include "inputs.h"

enum { CONFIG_MAX = 1024 * 1024 };

/* "https://index.docker.io/v1/" and "docker.io" name the same registry. */
static struct cor_view host_of(struct cor_view server)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < COR_COUNT(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (cor_view_starts(server, schemes[i])) {
            server = (struct cor_view){server.ptr + len, server.len - len};
        }
    }
    struct cor_view host = {0};
    (void)cor_view_split(&server, '/', &host);
    return cor_view_is(host, "index.docker.io") ? COR_VIEW("docker.io") : host;
}

/* auth is base64 of "user:password". */
static bool from_auth(const struct cor_json *entry, struct dockercfg_login *out)
{
    auto_(cor_buf_free) struct cor_buf plain = {0};
    struct cor_view coded = cor_json_as_view(cor_json_get(entry, "auth"));
    if (coded.len == 0 || !cor_base64_decode(&plain, coded)) {
        return false;
    }
    struct cor_view rest = cor_buf_as_view(&plain);
    struct cor_view user;
    bool good = cor_view_split(&rest, ':', &user) && rest.ptr != NULL;
    if (good) {
        out->username = cor_view_dup(user);
        out->password = cor_view_dup(rest);
    }
    cor_wipe(plain.data, plain.len);
    return good;
}

static bool take_entry(const struct cor_json *entry, struct cor_view server,
                       struct dockercfg_login *out)
{
    struct cor_view user = cor_json_as_view(cor_json_get(entry, "username"));
    struct cor_view password = cor_json_as_view(cor_json_get(entry, "password"));
    if (user.len > 0 && password.len > 0) {
        out->username = cor_view_dup(user);
        out->password = cor_view_dup(password);
    } else if (!from_auth(entry, out)) {
        return false;
    }
    out->server = cor_view_dup(server);
    return true;
}

static bool find_in(const struct cor_json *entries, struct cor_view registry,
                    struct dockercfg_login *out)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *entry = NULL;
    while (cor_json_each(entries, &at, &key, &entry)) {
        if (cor_view_eq(host_of(cor_view_of(key)), registry) &&
            take_entry(entry, cor_view_of(key), out)) {
            return true;
        }
    }
    return false;
}

bool dockercfg_find(const struct cor_json *secret, const char *image, struct dockercfg_login *out)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *config = NULL;
    bool modern = inputs_value(secret, true, ".dockerconfigjson", &text);
    if (!modern && !inputs_value(secret, true, ".dockercfg", &text)) {
        return false;
    }
    bool found = cor_json_parse(cor_buf_as_view(&text), CONFIG_MAX, 0, &config, NULL) == COR_OK &&
                 find_in(modern ? cor_json_get(config, "auths") : config,
                         image_registry(cor_view_of(image)), out);
    cor_wipe(text.data, text.len);
    return found;
}

void dockercfg_free(struct dockercfg_login *login)
{
    if (login->password != NULL) {
        cor_wipe(login->password, strlen(login->password));
    }
    cor_freep(&login->username);
    cor_freep(&login->password);
    cor_freep(&login->server);
}

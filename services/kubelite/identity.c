// SPDX-License-Identifier: Apache-2.0
#include "identity.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/cert.h"

enum { CA_DAYS = 3650, LEAF_DAYS = 365, RENEW_DAYS = 30, NAMES_MAX = 64, FILE_MAX = 64 << 10 };

struct maker {
    const struct kl_identity_spec *spec;
    struct cor_wall now;
    struct cor_key *ca_key;
    struct cor_cert *ca;
};

static void maker_free(struct maker *maker)
{
    cor_key_free(&maker->ca_key);
    cor_cert_free(&maker->ca);
}

static char *path_of(const struct maker *maker, const char *name)
{
    return cor_sprintf("%s/%s", maker->spec->folder, name);
}

/* The key of a file, made when the file is not there. Returns owned in *key_r. */
static enum cor_code load_key(const struct maker *maker, const char *name, struct cor_key **key_r,
                              struct cor_err *err)
{
    auto_(cor_freep) char *path = path_of(maker, name);
    enum cor_code code = cor_key_load(path, key_r, err);
    if (code != COR_NOTFOUND) {
        return code;
    }
    *key_r = cor_key_new();
    return cor_key_save(*key_r, path, err);
}

static struct cor_wall in_days(struct cor_wall now, int days)
{
    return (struct cor_wall){now.us + COR_SEC((int64_t)days * 86400)};
}

static enum cor_code load_ca(struct maker *maker, struct cor_err *err)
{
    auto_(cor_freep) char *path = path_of(maker, "ca.crt");
    enum cor_code code = load_key(maker, "ca.key", &maker->ca_key, err);
    if (code != COR_OK) {
        return code;
    }
    code = cor_cert_load(path, &maker->ca, err);
    if (code == COR_OK && !cor_cert_is_for(maker->ca, maker->ca_key)) {
        return cor_err_set(err, COR_INVALID, "%s is not for the key beside it", path);
    }
    if (code != COR_NOTFOUND) {
        return code;
    }
    struct cor_cert_spec spec = {.cn = "kubelite-ca",
                                 .from = {maker->now.us - COR_SEC(300)},
                                 .until = in_days(maker->now, CA_DAYS)};
    code = cor_ca_make(maker->ca_key, &spec, &maker->ca, err);
    return code == COR_OK ? cor_cert_save(maker->ca, path, err) : code;
}

static bool is_ip(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* What the certificate has to name: at most NAMES_MAX of each list. */
struct hosts {
    char *host[2 * NAMES_MAX + 5]; /* owned */
    size_t count;
};

static void hosts_free(struct hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        cor_free(hosts->host[i]);
    }
}

static void add_host(struct hosts *hosts, struct cor_view host)
{
    bool any = cor_view_is(host, "0.0.0.0") || cor_view_is(host, "::");
    if (host.len > 0 && !any) {
        hosts->host[hosts->count++] = cor_view_dup(host);
    }
}

/* "a.b.c.d:port" or "[v6]:port" without the port. */
static struct cor_view host_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct cor_view host = {address, colon == NULL ? strlen(address) : (size_t)(colon - address)};
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = (struct cor_view){host.ptr + 1, host.len - 2};
    }
    return host;
}

static void collect(const struct kl_identity_spec *spec, struct hosts *hosts)
{
    static const char *const always[] = {"kubernetes", "kubernetes.default",
                                         "kubernetes.default.svc", "localhost", "127.0.0.1"};
    for (size_t i = 0; i < COR_COUNT(always); i++) {
        add_host(hosts, cor_view_of(always[i]));
    }
    for (size_t i = 0; i < spec->names->count && i < NAMES_MAX; i++) {
        add_host(hosts, cor_view_of(spec->names->items[i]));
    }
    for (size_t i = 0; i < spec->listen->count && i < NAMES_MAX; i++) {
        add_host(hosts, host_of(spec->listen->items[i]));
    }
}

static bool covers_all(const struct cor_cert *cert, const struct hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        if (!cor_cert_covers(cert, hosts->host[i])) {
            return false;
        }
    }
    return true;
}

/* What a leaf says, but for the time. */
struct leaf {
    const char *name; /* of its files, without .crt and .key */
    struct cor_cert_spec spec;
    const struct hosts *hosts;
    int days;
};

static enum cor_code make_leaf(const struct maker *maker, const struct leaf *leaf,
                               const struct cor_key *key, struct cor_cert **cert_r,
                               struct cor_err *err)
{
    const struct hosts *hosts = leaf->hosts;
    const char *dns[COR_COUNT(hosts->host) + 1] = {NULL};
    const char *ips[COR_COUNT(hosts->host) + 1] = {NULL};
    size_t dns_count = 0;
    size_t ip_count = 0;
    for (size_t i = 0; i < hosts->count; i++) {
        if (is_ip(hosts->host[i])) {
            ips[ip_count++] = hosts->host[i];
        } else {
            dns[dns_count++] = hosts->host[i];
        }
    }
    struct cor_cert_spec spec = leaf->spec;
    spec.dns = dns;
    spec.ips = ips;
    spec.from = (struct cor_wall){maker->now.us - COR_SEC(300)};
    spec.until = in_days(maker->now, leaf->days);
    return cor_cert_sign((struct cor_issuer){maker->ca, maker->ca_key}, key, &spec, cert_r, err);
}

/* Certificate and key of a leaf; the certificate is made again when it is damaged, of another key
 * or CA, not valid now, near its end or names too little. */
static enum cor_code load_leaf(const struct maker *maker, const struct leaf *leaf,
                               struct cor_buf *cert_pem, struct cor_buf *key_pem,
                               struct cor_err *err)
{
    auto_(cor_freep) char *key_name = cor_sprintf("%s.key", leaf->name);
    auto_(cor_freep) char *path = cor_sprintf("%s/%s.crt", maker->spec->folder, leaf->name);
    auto_(cor_key_free) struct cor_key *key = NULL;
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    enum cor_code code = load_key(maker, key_name, &key, err);
    if (code != COR_OK) {
        return code;
    }
    code = cor_cert_load(path, &cert, err);
    bool good = code == COR_OK && cor_cert_is_for(cert, key) &&
                cor_cert_verify(cert, maker->ca, leaf->spec.usage, maker->now, NULL) == COR_OK &&
                cor_cert_days_left(cert, maker->now) > RENEW_DAYS && covers_all(cert, leaf->hosts);
    if (!good) {
        cor_cert_free(&cert);
        code = make_leaf(maker, leaf, key, &cert, err);
        if (code == COR_OK) {
            code = cor_cert_save(cert, path, err);
        }
    }
    if (code == COR_OK) {
        cor_cert_pem(cert, cert_pem);
        cor_key_pem(key, key_pem);
    }
    return code;
}

static enum cor_code load_serving(const struct maker *maker, struct kl_identity *identity,
                                  struct cor_err *err)
{
    auto_(hosts_free) struct hosts hosts = {0};
    collect(maker->spec, &hosts);
    struct leaf leaf = {.name = "server",
                        .spec = {.cn = "kubelite", .usage = COR_CERT_SERVER},
                        .hosts = &hosts,
                        .days = LEAF_DAYS};
    return load_leaf(maker, &leaf, &identity->cert_pem, &identity->key_pem, err);
}

/* CN and O as kubeadm's apiserver-kubelet-client has them. */
static enum cor_code load_client(const struct maker *maker, struct kl_identity *identity,
                                 struct cor_err *err)
{
    struct hosts none = {0};
    struct leaf leaf = {.name = "kubelet-client",
                        .spec = {.cn = "kubelite-kubelet-client",
                                 .org = "system:masters",
                                 .usage = COR_CERT_CLIENT},
                        .hosts = &none,
                        .days = CA_DAYS};
    return load_leaf(maker, &leaf, &identity->client_pem, &identity->client_key_pem, err);
}

static void add_base64(struct cor_buf *out, const char *field, struct cor_view pem)
{
    cor_buf_fmt(out, "    %s: ", field);
    cor_base64(out, pem);
    cor_buf_str(out, "\n");
}

static enum cor_code write_kubeconfig(const struct maker *maker, const char *path, const char *user,
                                      const char *group, struct cor_err *err)
{
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    struct cor_cert_spec spec = {.cn = user,
                                 .org = group,
                                 .usage = COR_CERT_CLIENT,
                                 .from = {maker->now.us - COR_SEC(300)},
                                 .until = in_days(maker->now, CA_DAYS)};
    enum cor_code code =
        cor_cert_sign((struct cor_issuer){maker->ca, maker->ca_key}, key, &spec, &cert, err);
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_secret_free) struct cor_buf text = {0};
    auto_(cor_buf_free) struct cor_buf ca_pem = {0};
    auto_(cor_buf_free) struct cor_buf cert_pem = {0};
    auto_(cor_secret_free) struct cor_buf key_pem = {0};
    cor_cert_pem(maker->ca, &ca_pem);
    cor_cert_pem(cert, &cert_pem);
    cor_key_pem(key, &key_pem);
    cor_buf_fmt(&text,
                "apiVersion: v1\nkind: Config\ncurrent-context: kubelite\ncontexts:\n- name: "
                "kubelite\n  context:\n    cluster: kubelite\n    user: %s\nclusters:\n- name: "
                "kubelite\n  cluster:\n    server: %s\n",
                user, maker->spec->server);
    add_base64(&text, "certificate-authority-data", cor_buf_as_view(&ca_pem));
    cor_buf_fmt(&text, "users:\n- name: %s\n  user:\n", user);
    add_base64(&text, "client-certificate-data", cor_buf_as_view(&cert_pem));
    add_base64(&text, "client-key-data", cor_buf_as_view(&key_pem));
    return cor_file_write(path, cor_buf_as_view(&text), 0600, err);
}

/* Whether the kubeconfig leads here: it names our server and our CA. */
static bool is_current(const struct maker *maker, const char *path)
{
    auto_(cor_secret_free) struct cor_buf text = {0};
    auto_(cor_buf_free) struct cor_buf pem = {0};
    auto_(cor_buf_free) struct cor_buf ca = {0};
    if (cor_file_read(path, FILE_MAX, &text, NULL) != COR_OK || text.len == 0) {
        return false;
    }
    cor_cert_pem(maker->ca, &pem);
    cor_base64(&ca, cor_buf_as_view(&pem));
    auto_(cor_freep) char *server = cor_sprintf("server: %s\n", maker->spec->server);
    return strstr(text.data, server) != NULL && strstr(text.data, ca.data) != NULL;
}

static enum cor_code keep_kubeconfig(const struct maker *maker, const char *path, const char *user,
                                     const char *group, struct cor_err *err)
{
    if (path[0] == '\0' || is_current(maker, path)) {
        return COR_OK;
    }
    return write_kubeconfig(maker, path, user, group, err);
}

enum cor_code kl_identity_open(const struct kl_identity_spec *spec, struct cor_wall now,
                               struct kl_identity *identity, struct cor_err *err)
{
    auto_(maker_free) struct maker maker = {.spec = spec, .now = now};
    enum cor_code code = load_ca(&maker, err);
    if (code == COR_OK) {
        cor_cert_pem(maker.ca, &identity->ca_pem);
        code = load_serving(&maker, identity, err);
    }
    if (code == COR_OK) {
        code = load_client(&maker, identity, err);
    }
    if (code == COR_OK) {
        code = load_key(&maker, "sa.key", &identity->token_key, err);
    }
    if (code == COR_OK) {
        code = keep_kubeconfig(&maker, spec->admin_kubeconfig, "kubernetes-admin", "system:masters",
                               err);
    }
    if (code == COR_OK) {
        code =
            keep_kubeconfig(&maker, spec->cloud_kubeconfig, "coracle-cloud", "coracle:cloud", err);
    }
    return code;
}

void kl_identity_free(struct kl_identity *identity)
{
    cor_buf_free(&identity->ca_pem);
    cor_buf_free(&identity->cert_pem);
    cor_secret_free(&identity->key_pem);
    cor_buf_free(&identity->client_pem);
    cor_secret_free(&identity->client_key_pem);
    cor_key_free(&identity->token_key);
}

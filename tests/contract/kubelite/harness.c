// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/cert.h"
#include "common/pki/key.h"
#include "tests/support/port.h"
#include "tests/support/text/text.h"

void start(struct fixture *f)
{
    auto_(cor_freep) char *config =
        cor_sprintf("state-dir: %s/state\nlisten: [\"127.0.0.1:%d\"]\nadmin-kubeconfig: "
                    "%s/admin.kubeconfig\nlog-level: warn\n",
                    f->stage->dir, f->port, f->stage->dir);
    f->pid = stage_start(f->stage, "kubelite", config);
}

/* A client certificate of kubelite's own CA. */
void become(struct fixture *f, const char *name, const char *group)
{
    auto_(cor_freep) char *ca_path = cor_sprintf("%s/state/ca.crt", f->stage->dir);
    auto_(cor_freep) char *key_path = cor_sprintf("%s/state/ca.key", f->stage->dir);
    auto_(cor_cert_free) struct cor_cert *ca = NULL;
    auto_(cor_key_free) struct cor_key *ca_key = NULL;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    assert_int_equal(cor_cert_load(ca_path, &ca, NULL), COR_OK);
    assert_int_equal(cor_key_load(key_path, &ca_key, NULL), COR_OK);
    struct cor_cert_spec spec = {.cn = name,
                                 .org = group,
                                 .usage = COR_CERT_CLIENT,
                                 .from = {cor_wall_now().us - COR_SEC(60)},
                                 .until = {cor_wall_now().us + COR_SEC(3600)}};
    assert_int_equal(cor_cert_sign((struct cor_issuer){ca, ca_key}, key, &spec, &cert, NULL),
                     COR_OK);
    cor_buf_clear(&f->ca);
    cor_buf_clear(&f->cert);
    cor_buf_clear(&f->key);
    cor_cert_pem(ca, &f->ca);
    cor_cert_pem(cert, &f->cert);
    cor_key_pem(key, &f->key);
}

int setup(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    f->stage = stage_new();
    f->port = test_free_port();
    start(f);
    become(f, "admin", "system:masters");
    *state = f;
    return 0;
}

int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->pid > 0) {
        int status = stage_end(f->pid, SIGTERM);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    stage_free(&f->stage);
    struct cor_buf *bufs[] = {&f->ca, &f->cert, &f->key, &f->text};
    for (size_t i = 0; i < COR_COUNT(bufs); i++) {
        cor_buf_free(bufs[i]);
    }
    cor_json_free(&f->body);
    cor_free(f);
    return 0;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct fixture *f = self;
    cor_buf_add(&f->text, bytes, size * count);
    size_t lines = 0;
    for (size_t i = 0; i < f->text.len; i++) {
        lines += f->text.data[i] == '\n' ? 1 : 0;
    }
    return f->lines_wanted > 0 && lines >= f->lines_wanted ? 0 : size * count;
}

void send_ask(struct fixture *f, const struct ask *ask)
{
    CURL *curl = curl_easy_init();
    auto_(cor_freep) char *url = cor_sprintf("https://127.0.0.1:%d%s", f->port, ask->path);
    auto_(cor_freep) char *type =
        cor_sprintf("Content-Type: %s", ask->type == NULL ? "application/json" : ask->type);
    auto_(cor_freep) char *bearer =
        cor_sprintf("Authorization: Bearer %s", ask->token == NULL ? "" : ask->token);
    auto_(cor_freep) char *body = ask->body == NULL ? NULL : test_quoted(ask->body);
    struct curl_slist *headers = curl_slist_append(NULL, type);
    headers = ask->token == NULL ? headers : curl_slist_append(headers, bearer);
    struct curl_blob ca = {f->ca.data, f->ca.len, CURL_BLOB_COPY};
    struct curl_blob cert = {f->cert.data, f->cert.len, CURL_BLOB_COPY};
    struct curl_blob key = {f->key.data, f->key.len, CURL_BLOB_COPY};
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
    if (!ask->anonymous && ask->token == NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &cert);
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
    }
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
    if (body != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    cor_buf_clear(&f->text);
    CURLcode code = curl_easy_perform(curl);
    must(code == CURLE_OK || (code == CURLE_WRITE_ERROR && f->lines_wanted > 0));
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &f->status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    cor_json_free(&f->body);
    (void)!cor_json_parse(cor_buf_as_view(&f->text), SIZE_MAX, 0, &f->body, NULL);
}

void call(struct fixture *f, const char *method, const char *path, const char *body)
{
    send_ask(f, &(struct ask){.method = method, .path = path, .body = body});
}

const char *at(const struct fixture *f, const char *path)
{
    return cor_json_str_at(f->body, path, "");
}

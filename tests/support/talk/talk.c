// SPDX-License-Identifier: Apache-2.0
#include "tests/support/talk/talk.h"

#include <poll.h>
#include <string.h>

#include "common/base/must.h"

enum { PATIENCE_MS = 30000, BLOCK = 4096 };

static void blob(CURL *easy, CURLoption option, const struct cor_buf *pem)
{
    struct curl_blob blob = {pem->data, pem->len, CURL_BLOB_COPY};
    must(curl_easy_setopt(easy, option, &blob) == CURLE_OK);
}

CURL *test_dial(const struct test_talk *talk)
{
    CURL *easy = curl_easy_init();
    must(curl_easy_setopt(easy, CURLOPT_URL, talk->url) == CURLE_OK);
    must(curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK);
    blob(easy, CURLOPT_CAINFO_BLOB, talk->ca);
    blob(easy, CURLOPT_SSLCERT_BLOB, talk->cert);
    blob(easy, CURLOPT_SSLKEY_BLOB, talk->key);
    must(curl_easy_perform(easy) == CURLE_OK);
    return easy;
}

int test_socket_of(CURL *easy)
{
    curl_socket_t fd = -1;
    must(curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK);
    return fd;
}

void test_await(CURL *easy, short events)
{
    struct pollfd p = {.fd = test_socket_of(easy), .events = events};
    must(poll(&p, 1, PATIENCE_MS) == 1);
}

void test_say(CURL *easy, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = 0;
        CURLcode code = curl_easy_send(easy, bytes, len, &n);
        must(code == CURLE_OK || code == CURLE_AGAIN);
        bytes += n;
        len -= n;
        if (code == CURLE_AGAIN) {
            test_await(easy, POLLOUT);
        }
    }
}

char *test_hear(CURL *easy, const char *text)
{
    struct cor_buf got = {0};
    cor_buf_str(&got, "");
    while (strstr(got.data, text) == NULL) {
        char block[BLOCK];
        size_t n = 0;
        CURLcode code = curl_easy_recv(easy, block, sizeof(block), &n);
        if (code == CURLE_AGAIN) {
            test_await(easy, POLLIN);
        } else if (code != CURLE_OK || n == 0) {
            break;
        }
        cor_buf_add(&got, block, n);
    }
    return cor_buf_take(&got);
}

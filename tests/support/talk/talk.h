// SPDX-License-Identifier: Apache-2.0
// A client that says and hears bytes: libcurl makes the connection, with TLS or without. It blocks,
// and aborts when something fails; so it is for a thread beside the loop.
#ifndef TESTS_SUPPORT_TALK_H
#define TESTS_SUPPORT_TALK_H

#include <curl/curl.h>
#include <stddef.h>

#include "common/base/buf.h"

/* Who is talked to, and who talks, as PEM (borrows). */
struct test_talk {
    const char *url;
    const struct cor_buf *ca, *cert, *key;
};

/* Connects. Returns owned (curl_easy_cleanup). */
CURL *test_dial(const struct test_talk *talk);

/* The socket below it. */
int test_socket_of(CURL *easy);

/* Waits for poll(2)'s events, for 30 s at most. */
void test_await(CURL *easy, short events);

/* Says all of it. */
void test_say(CURL *easy, const char *bytes, size_t len);

/* Hears until text has come, or the connection has ended; returns what came (owned). */
char *test_hear(CURL *easy, const char *text);

#endif

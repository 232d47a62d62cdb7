// SPDX-License-Identifier: Apache-2.0
// A real kubelite in a folder of its own, and a client of it with any certificate of its CA.
#ifndef TESTS_CONTRACT_KUBELITE_HARNESS_H
#define TESTS_CONTRACT_KUBELITE_HARNESS_H

#include "common/json/json.h"
#include "tests/support/stage/stage.h"

struct fixture {
    struct stage *stage;
    pid_t pid;
    int port;
    struct cor_buf ca, cert, key; /* PEM */
    /* the last answer */
    long status;
    struct cor_buf text;
    struct cor_json *body;
    /* for watches: how many lines to read */
    size_t lines_wanted;
};

struct ask {
    const char *method;
    const char *path;
    const char *body;  /* with ' for "; NULL: none */
    const char *type;  /* NULL: application/json */
    const char *token; /* NULL: client certificate */
    bool anonymous;
};

/* Starts it (again); it is ready. */
void start(struct fixture *f);

/* From now on a client certificate of kubelite's own CA with that CN and O. */
void become(struct fixture *f, const char *name, const char *group);

/* For cmocka: a fixture with a running kubelite and an administrator. */
int setup(void **state);
int teardown(void **state);

/* Sends a request, waits for the answer: f->status, f->text, f->body. */
void send_ask(struct fixture *f, const struct ask *ask);
void call(struct fixture *f, const char *method, const char *path, const char *body);

/* Text at path in the last answer; "". */
const char *at(const struct fixture *f, const char *path);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "trust.h"

#include <string.h>

#include "authority.h"
#include "census.h"
#include "coracle.h"

bool trust_counts(const struct hub *hub, const struct cor_cert *cert,
                  char id_r[ROTATION_ID_LEN + 1])
{
    const struct cor_certs *roots = authority_roots(hub->authority);
    for (size_t i = 0; i < roots->count; i++) {
        if (cor_cert_is_by(cert, roots->items[i])) {
            memcpy(id_r, authority_root_id(hub->authority, i), ROTATION_ID_LEN + 1);
            return true;
        }
    }
    return false;
}

static bool still_counts(const struct session *session)
{
    const struct authority *authority = session->hub->authority;
    for (size_t i = 0; i < authority_roots(authority)->count; i++) {
        if (strcmp(session->ca, authority_root_id(authority, i)) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether it can be told of another CA: it speaks the dialect, and has said what it trusts. */
static bool can_learn(const struct session *session)
{
    return session->coracle != NULL && session->roots != 0 &&
           coracle_minor(session->coracle) >= PX_LINK_MINOR_TRUST;
}

static enum census_trust trust_of(const struct session *session)
{
    if (session->coracle == NULL) {
        return CENSUS_CROSS;
    }
    if (!can_learn(session)) {
        return CENSUS_UNABLE;
    }
    return session->roots == authority_roots_digest(session->hub->authority) ? CENSUS_YES
                                                                             : CENSUS_NO;
}

static void note(const struct session *session)
{
    struct census_row row = {.trust = trust_of(session)};
    memcpy(row.ca, session->ca, sizeof(row.ca));
    census_note(session->hub->census, session->node, &row);
}

/* The time within which a node of this certificate is to renew it; 0: it need not. */
static uint64_t renew_within(const struct session *session)
{
    const struct rotation *rotation = authority_rotation(session->hub->authority);
    if (strcmp(session->ca, authority_signer_id(session->hub->authority)) == 0) {
        return 0;
    }
    return rotation->within_s > 0 ? (uint64_t)rotation->within_s : TRUST_WITHIN_S;
}

/* What the node lacks, if anything. */
static void tell(struct session *session)
{
    uint64_t within = renew_within(session);
    bool same = session->roots == authority_roots_digest(session->hub->authority);
    struct cor_wire_header head = {.number = PX_link_trust};
    struct px_link_trust body = {.within_s = within};
    if (!can_learn(session) || (same && within == 0)) {
        return;
    }
    if (!same) {
        body.roots = authority_roots_pem(session->hub->authority);
    }
    coracle_control(session->coracle, &head, &body);
}

bool trust_begin(struct session *session)
{
    if (!still_counts(session)) { /* the CA was changed between the handshakes and this */
        session_close(session, "its certificate is of a CA that counts no more");
        return false;
    }
    note(session);
    tell(session);
    return session->conn != NULL;
}

enum cor_code trust_heard(struct session *session, const struct px_frame *frame,
                          struct cor_err *err)
{
    struct px_link_trust body;
    enum cor_code code = px_frame_body(frame, NULL, &body, err);
    if (code == COR_OK) {
        session->roots = body.digest;
        note(session);
    }
    return code;
}

bool trust_changed(struct hub *hub)
{
    struct cor_tls tls = authority_tls(hub->authority);
    const struct rotation *rotation = authority_rotation(hub->authority);
    char next[ROTATION_ID_LEN + 1];
    size_t at = 0;
    void *value = NULL;
    if (rotation->next != NULL) {
        rotation_id(rotation->next, next);
    }
    census_begin(hub->census, rotation->next == NULL ? NULL : next);
    while (cor_map_next(hub->epochs, &at, NULL, &value)) {
        struct session *session = value;
        session_enter(session);
        (void)trust_begin(session);
        (void)session_leave(session);
    }
    return cor_ws_renew(hub->server, &tls);
}

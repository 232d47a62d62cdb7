// SPDX-License-Identifier: Apache-2.0
// When edged or devicetwin comes, it is sent every object of its types, in the order of keys and as
// far as credit goes; changes meanwhile are sent as they are committed. devicetwin is told of what
// is gone, too: it may know of a device that was never stored here.
#include "common/base/mem.h"
#include "metamanager.h"

void meta_snapshot_stop(struct meta_snapshot *snapshot)
{
    cor_freep(&snapshot->after);
}

void meta_snapshot_start(struct meta_snapshot *snapshot)
{
    cor_free(snapshot->after);
    snapshot->after = cor_strdup("");
    snapshot->count = 0;
    meta_snapshot_go_on(snapshot);
}

static enum cor_code send_row(struct meta_snapshot *snapshot, const struct meta_row *row)
{
    struct px_object object = {
        .key = row->key,
        .gone = row->gone,
        .uid = row->uid,
        .version = row->version,
        .source = row->source,
        .body = row->body,
    };
    return cor_send(snapshot->port, PX_object, &object);
}

void meta_snapshot_go_on(struct meta_snapshot *snapshot)
{
    struct meta *meta = snapshot->meta;
    enum meta_reader reader = snapshot == &meta->snapshots[META_EDGED] ? META_EDGED : META_TWIN;
    struct meta_row row;
    while (snapshot->after != NULL &&
           meta_row_next(meta, cor_view_of(snapshot->after), reader, &row)) {
        enum cor_code code = send_row(snapshot, &row);
        if (code == COR_BUSY || code == COR_GONE) {
            meta_row_end(meta);
            return; /* room() or up() goes on */
        }
        snapshot->count += row.gone ? 0 : 1;
        cor_free(snapshot->after);
        snapshot->after = cor_view_dup(row.key);
        meta_row_end(meta);
    }
    if (snapshot->after == NULL) {
        return;
    }
    struct px_objects_done done = {.key = COR_VIEW("all"), .count = snapshot->count};
    if (cor_send(snapshot->port, PX_objects_done, &done) == COR_OK) {
        meta_snapshot_stop(snapshot);
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/kubeedge/id.h"

/* Bytes of the UUID: 0..5 id's upper 48 bits; 6 version and 4 bits of the nonce; 7 mark; 8 variant
 * and 6 bits of the nonce; 9 mark; 10..11 id's lower 16 bits; 12..13 mark; 14..15 check sum. */
enum { MARK_7 = 0xc0, MARK_9 = 0xac, MARK_12 = 0x1e, MARK_13 = 0x5e };

/* Fletcher-16 of the first 14 bytes. */
static uint16_t checksum(const uint8_t bytes[16])
{
    unsigned a = 0x5a;
    unsigned b = 0xc3;
    for (int i = 0; i < 14; i++) {
        a = (a + bytes[i]) % 255;
        b = (b + a) % 255;
    }
    return (uint16_t)(b << 8 | a);
}

static bool is_marked(const uint8_t bytes[16])
{
    uint16_t sum = checksum(bytes);
    return (bytes[6] >> 4) == 4 && (bytes[8] >> 6) == 2 && bytes[7] == MARK_7 &&
           bytes[9] == MARK_9 && bytes[12] == MARK_12 && bytes[13] == MARK_13 &&
           bytes[14] == sum >> 8 && bytes[15] == (sum & 0xff);
}

void px_kubeedge_id_to_uuid(uint64_t id, uint16_t nonce, char out[COR_UUID_LEN + 1])
{
    uint8_t bytes[16];
    for (int i = 0; i < 6; i++) {
        bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    }
    bytes[6] = (uint8_t)(0x40 | (nonce & 0x0f));
    bytes[7] = MARK_7;
    bytes[8] = (uint8_t)(0x80 | (nonce >> 4 & 0x3f));
    bytes[9] = MARK_9;
    bytes[10] = (uint8_t)(id >> 8);
    bytes[11] = (uint8_t)id;
    bytes[12] = MARK_12;
    bytes[13] = MARK_13;
    uint16_t sum = checksum(bytes);
    bytes[14] = (uint8_t)(sum >> 8);
    bytes[15] = (uint8_t)sum;
    cor_uuid_format(bytes, out);
}

bool px_kubeedge_id_from_uuid(struct cor_view uuid, uint64_t *id_r)
{
    uint8_t bytes[16];
    if (!cor_uuid_parse(uuid, bytes) || !is_marked(bytes)) {
        return false;
    }
    uint64_t id = 0;
    for (int i = 0; i < 6; i++) {
        id = id << 8 | bytes[i];
    }
    *id_r = id << 16 | (uint64_t)bytes[10] << 8 | bytes[11];
    return true;
}

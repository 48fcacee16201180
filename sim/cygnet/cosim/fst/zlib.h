// SPDX-License-Identifier: Apache-2.0
//
// What Verilator's FST writer calls of zlib, without compressing: stored blocks (RFC 1950, 1951).
// The writer keeps its own data wherever that is not made smaller, so little of this is written.
#pragma once
#include <cstdint>
#include <cstring>

typedef unsigned char Bytef;
typedef unsigned long uLong;
typedef unsigned long uLongf;
#define Z_OK 0
#define Z_BUF_ERROR (-5)

static inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

static inline int compress2(Bytef* made, uLongf* room, const Bytef* source, uLong size, int) {
    if (*room < compressBound(size)) return Z_BUF_ERROR;
    uint32_t low = 1, high = 0;  // Adler-32
    for (uLong i = 0; i < size; ++i) {
        low = (low + source[i]) % 65521;
        high = (high + low) % 65521;
    }
    Bytef* to = made;
    *to++ = 0x78;
    *to++ = 0x01;
    uLong done = 0;
    do {
        const uLong part = size - done < 65535 ? size - done : 65535;
        *to++ = done + part == size;
        *to++ = part & 255;
        *to++ = part >> 8;
        *to++ = ~part & 255;
        *to++ = (~part >> 8) & 255;
        std::memcpy(to, source + done, part);
        to += part;
        done += part;
    } while (done < size);
    const uint32_t sum = high << 16 | low;
    for (int shift = 24; shift >= 0; shift -= 8) *to++ = sum >> shift & 255;
    *room = to - made;
    return Z_OK;
}

// SPDX-License-Identifier: Apache-2.0
//
// What Verilator's FST writer calls of LZ4, without compressing: one sequence of literals, which
// every LZ4 decoder reads. So that waveforms need no library beyond the C++ compiler.
#pragma once
#include <cstring>

static inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

static inline int LZ4_compress_default(const char* source, char* made, int size, int) {
    char* to = made;
    if (size < 15) {
        *to++ = static_cast<char>(size << 4);
    } else {
        *to++ = static_cast<char>(0xf0);
        int left = size - 15;
        for (; left >= 255; left -= 255) *to++ = static_cast<char>(255);
        *to++ = static_cast<char>(left);
    }
    std::memcpy(to, source, size);
    return static_cast<int>(to - made) + size;
}

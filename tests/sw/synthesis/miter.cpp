// SPDX-License-Identifier: Apache-2.0
// Random values on every input of the module `miter`, whose output counts the clocks in which its
// two halves differ. Prints that count and the number of results that were compared.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include "Vtop.h"
#include "verilated.h"

int main(int argc, char **argv) {
    const long clocks = argc > 1 ? std::atol(argv[1]) : 1000;
    VerilatedContext context;
    Vtop top{&context};
    uint64_t state = 0x9e3779b97f4a7c15;
    auto random = [&state] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    };
    for (long clock = 0; clock < clocks; ++clock) {
        top.stimulus = random() >> 8;
        top.rst = clock < 3;
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    }
    std::printf("%u %u\n", static_cast<unsigned>(top.differing), static_cast<unsigned>(top.results));
    return 0;
}

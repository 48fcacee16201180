// SPDX-License-Identifier: Apache-2.0
//
// A board's top with its serial pins on a pseudo-terminal. Compiled with the model by
// cygnet.cosim.compile; called by cygnet.cosim.board, as
//
//   model fd=N step=S [key=value ...]
//
// fd       the pseudo-terminal, or any stream of bytes both ways, without blocking
// step     what the phase of a bit grows by in a clock, of 2^20
// flip_in, flip_out: bits wrong in a million, towards the board and from it
// seed     of those
// lamps    a stream to which the lamps go, one byte, whenever they change
// mute     bytes towards the board after which it answers no more
// restart  bytes towards the board after which its power fails for a moment
//
// Runs until it is killed, or until the process that called it is gone.

#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr uint32_t kBit = 1u << 20;
constexpr int64_t kPoll = 256;      // clocks between looks at the stream
constexpr int64_t kIdle = 200'000;  // clocks without a bit after which looks may take a while

std::map<std::string, int64_t> options;

int64_t number(const char* key, int64_t otherwise = 0) {
    auto found = options.find(key);
    return found == options.end() ? otherwise : found->second;
}

class Noise {
  public:
    Noise(int64_t in_a_million, uint64_t seed) : share_(in_a_million), state_(seed) {}

    int operator()(int bit) {  // splitmix64
        uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        z ^= z >> 31;
        return bit ^ static_cast<int>(z % 1'000'000 < static_cast<uint64_t>(share_));
    }

  private:
    int64_t share_;
    uint64_t state_;
};

}  // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const auto equals = option.find('=');
        if (equals == std::string::npos) return 2;
        options[option.substr(0, equals)] =
            std::strtoll(option.c_str() + equals + 1, nullptr, 10);
    }
    const int fd = static_cast<int>(number("fd")), lamps = static_cast<int>(number("lamps", -1));
    const uint32_t step = static_cast<uint32_t>(number("step"));
    const int64_t mute = number("mute", INT64_MAX), restart = number("restart", INT64_MAX);
    Noise noise_in(number("flip_in"), 2 * number("seed"));
    Noise noise_out(number("flip_out"), 2 * number("seed") + 1);
    const pid_t parent = getppid();

    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vtop>(context.get());

    std::deque<uint8_t> coming;
    int64_t taken = 0, busy_at = 0;
    uint32_t phase_in = 0, phase_out = 0;
    int bits_in = 0, left_in = 0;    // what is still to be put on the line
    int bits_out = 0, left_out = 0;  // what has been read from it
    int rx = 1, shown = -1;
    bool waits = true;               // for a start bit
    for (int64_t clock = 0;; ++clock) {
        if (left_in > 0 || !coming.empty() || !waits) busy_at = clock;
        if (left_in == 0 && coming.empty() && clock % kPoll == 0) {
            pollfd ready{fd, POLLIN, 0};
            if (poll(&ready, 1, clock - busy_at > kIdle ? 2 : 0) > 0) {
                uint8_t bytes[512];
                const ssize_t got = read(fd, bytes, sizeof bytes);
                if (got > 0) coming.insert(coming.end(), bytes, bytes + got);
            }
            if (clock % (1024 * kPoll) == 0 && getppid() != parent) return 0;
        }
        if (left_in == 0 && !coming.empty()) {
            bits_in = coming.front() << 1 | 0x200;
            coming.pop_front();
            left_in = 10;
            phase_in = 0;
            rx = noise_in(0);
            if (++taken == restart) {
                top.reset();
                context = std::make_unique<VerilatedContext>();
                top = std::make_unique<Vtop>(context.get());
            }
        }
        top->rx = rx;
        if (left_in > 0 && (phase_in += step) >= kBit) {
            phase_in -= kBit;
            bits_in >>= 1;
            --left_in;
            rx = left_in > 0 ? noise_in(bits_in & 1) : 1;
        }
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
        const int tx = taken >= mute ? 1 : top->tx;
        if (waits) {
            if (!tx) {
                waits = false;
                left_out = 10;
                bits_out = 0;
                phase_out = kBit / 2;
            }
        } else if ((phase_out += step) >= kBit) {
            phase_out -= kBit;
            bits_out |= noise_out(tx) << (10 - left_out);
            if (--left_out == 0) {
                waits = true;
                const uint8_t byte = static_cast<uint8_t>(bits_out >> 1);
                // Start and stop bits that a bad line spoilt make a bad byte, not none.
                while (write(fd, &byte, 1) < 0 && getppid() == parent) usleep(1000);
            }
        }
        if (lamps >= 0 && top->led != shown) {
            shown = top->led;
            const uint8_t byte = static_cast<uint8_t>(shown);
            if (write(lamps, &byte, 1) < 0) return 1;
        }
    }
}

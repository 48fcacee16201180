// SPDX-License-Identifier: Apache-2.0
//
// The fast road for data sets: whole frames into the accelerator, logits and clock cycles out.
// Compiled with the model by cygnet.cosim.compile; called by cygnet.cosim.simulator, as
//
//   model frames=FILE first=I count=N values=B classes=C out=FILE [key=value ...]
//
// frames   bytes, B a frame, in raster order
// out      per frame int64: cycle of the first beat's transfer, cycle of the last logit's, label,
//          C logits
// stream   1: the next frame follows at once; 0: it waits until the pipeline is empty
// source, sink, source_length, sink_length, seed: stalls (0 none, 1 bursty, 2 one in length,
//          3 every other clock)
// junk     1: now and then a frame of a wrong length comes before the next; it must be dropped, and
//          in_error be high for one clock. One in four goes on until all frames before it have
//          left and 64 times the beats of a frame have come since, so that it outlasts the pipeline;
//          after one in two of the short ones the source is silent until in_error comes
// core     for a pipeline of one logit a beat: clocks from a beat to its logit, of those in which
//          it is ready; with it the clock of every valid and ready is predicted, in all stalls
// core_register 1: its ready is a register, low after a clock in which its output was held; 0: low
//          in that clock
// expect   file of C logits a frame, int64: it ends with the first that differs
// before   clocks of noise, valid or not, on both streams before the reset
// mutant   number of the mutation to switch on, where the model has a port of that name
// patience clocks without a transfer after which it gives up
// waves, waves_first, waves_last: trace file and its range of cycles, where compiled in
// coverage file for coverage points, where compiled in
//
// Cycle 0 is the first clock after reset. Prints the number of finished frames now and then.
// Exits with 3 and one line on standard error where the model breaks the rules of its streams.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "ports.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#endif

namespace {

constexpr int kBeat = IN_DATA_WIDTH / 8;
constexpr int kReset = 4;   // clocks of reset
constexpr int kEmpty = 32;  // clocks after the last logit until the pipeline counts as empty
constexpr int kTail = 200;  // clocks after the last frame, in which nothing may leave

std::map<std::string, std::string> options;

std::string text(const char* key, const char* otherwise = "") {
    auto found = options.find(key);
    return found == options.end() ? otherwise : found->second;
}

int64_t number(const char* key, int64_t otherwise = 0) {
    auto found = options.find(key);
    return found == options.end() ? otherwise : std::strtoll(found->second.c_str(), nullptr, 10);
}

[[noreturn]] void fail(int code, const std::string& message) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", message.c_str());
    std::_Exit(code);
}

class Stall {
  public:
    Stall(int64_t kind, int64_t length, uint64_t seed)
        : kind_(kind), length_(length < 2 ? 2 : length), state_(seed), on_(seed & 1) {}

    bool next() {
        switch (kind_) {
            case 0: return false;
            case 3: return on_ = !on_;
            case 2: return draw() % length_ == 0;
            default:
                if (left_ == 0) {
                    on_ = !on_;
                    left_ = 1 + draw() % length_;
                }
                --left_;
                return on_;
        }
    }

    uint64_t draw() {  // splitmix64
        uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return z ^ (z >> 31);
    }

  private:
    int64_t kind_, length_;
    uint64_t state_;
    bool on_;
    uint64_t left_ = 0;
};

// Reading and writing ports of any width.
template <class Port> void put(Port& port, const uint8_t* bytes) {
    std::memcpy(&port, bytes, kBeat);
}
template <class Port> int64_t get(const Port& port, int width) {
    uint64_t bits = 0;
    std::memcpy(&bits, &port, sizeof(port) < 8 ? sizeof(port) : 8);
    return static_cast<int64_t>(bits << (64 - width)) >> (64 - width);
}

std::vector<int64_t> read_expected(int64_t first, int64_t count, int64_t classes) {
    std::vector<int64_t> logits(text("expect").empty() ? 0 : count * classes);
    if (logits.empty()) return logits;
    std::FILE* file = std::fopen(text("expect").c_str(), "rb");
    if (!file || std::fseek(file, 8 * first * classes, SEEK_SET) ||
        std::fread(logits.data(), 8, logits.size(), file) != logits.size())
        fail(2, "expected logits cannot be read");
    std::fclose(file);
    return logits;
}

std::vector<uint8_t> read_frames(int64_t first, int64_t count, int64_t values, int64_t beats) {
    std::FILE* file = std::fopen(text("frames").c_str(), "rb");
    if (!file || std::fseek(file, first * values, SEEK_SET)) fail(2, "frames cannot be read");
    std::vector<uint8_t> padded(count * beats * kBeat, 0);
    for (int64_t frame = 0; frame < count; ++frame)
        if (std::fread(&padded[frame * beats * kBeat], 1, values, file) != (size_t)values)
            fail(2, "frames are cut short");
    std::fclose(file);
    return padded;
}

}  // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const auto equals = option.find('=');
        if (equals == std::string::npos) fail(2, "not an option: " + option);
        options[option.substr(0, equals)] = option.substr(equals + 1);
    }
    const int64_t first = number("first"), count = number("count"), values = number("values");
    const int64_t classes = number("classes"), patience = number("patience", 1000000);
    const int64_t beats = (values + kBeat - 1) / kBeat;
    const bool stream = number("stream", 1);
    const uint64_t seed = number("seed");
    const std::vector<uint8_t> frames = read_frames(first, count, values, beats);
    const std::vector<int64_t> expected = read_expected(first, count, classes);
    Stall source(number("source"), number("source_length", 8), 2 * seed);
    Stall sink(number("sink"), number("sink_length", 8), 2 * seed + 1);
    Stall junk(0, 2, 3 * seed + 7);
    Stall idle(0, 2, 7 * seed + 13);
    const bool with_junk = number("junk");
    const int64_t core = number("core");
    const bool core_register = number("core_register");
    std::FILE* out = std::fopen(text("out").c_str(), "wb");
    if (!out) fail(2, "results cannot be written");

    const auto context = std::make_unique<VerilatedContext>();
#if VM_TRACE
    context->traceEverOn(true);
#endif
    const auto top = std::make_unique<Vtop>(context.get());
    auto fault = [&](int64_t frame, int64_t cycle, const std::string& what) {
        std::fclose(out);
        fail(3, "frame " + std::to_string(first + frame) + ", cycle " + std::to_string(cycle) +
                    ": " + what);
    };
#if VM_TRACE
    const int64_t waves_first = number("waves_first"), waves_last = number("waves_last", INT64_MAX);
    Trace trace;
    const bool waves = !text("waves").empty();
    if (waves) {
        top->trace(&trace, 99);
        trace.open(text("waves").c_str());
    }
#define SHOW(cycle, half)                                             \
    if (waves && (cycle) >= waves_first && (cycle) <= waves_last) \
    trace.dump(static_cast<uint64_t>(2 * (kReset + (cycle)) + (half)))
#else
#define SHOW(cycle, half)
#endif

#ifdef MUTANT_WIDTH
    top->mutant = number("mutant");
#endif
    top->rst = 0;
    Stall noise(0, 2, 5 * seed + 11);
    for (int64_t left = number("before"); left > 0; --left) {
        uint8_t bytes[kBeat];
        for (uint8_t& byte : bytes) byte = noise.draw();
        put(top->in_data, bytes);
        // Long runs of beats, now and then an end: some frames are of the right length.
        top->in_last = noise.draw() % (2 * beats) == 0;
        top->in_valid = noise.draw() % 8 != 0;
        top->out_ready = noise.draw() % 2;
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
    }
    top->in_valid = 0;
    top->out_ready = 0;
    top->rst = 1;
    for (int64_t clock = -kReset; clock < 0; ++clock) {
        top->clk = 0;
        top->eval();
        SHOW(clock, 0);
        top->clk = 1;
        top->eval();
        SHOW(clock, 1);
    }
    top->rst = 0;

    std::vector<int64_t> accepted(count);
    std::vector<int64_t> record(3 + classes);
    int64_t sending = 0, beat = 0;    // what is offered next
    int64_t receiving = 0, logit = 0;  // what is awaited next
    int64_t cycle = 0, moved = 0, empty_at = 0;
    bool shown = false, held = false;
    int64_t junk_left = 0, junk_frames = 0, errors = 0;  // beats; frames; clocks of in_error
    bool junk_decided = !with_junk, junk_waits = false, junk_silent = false;
    std::vector<bool> pipe(core, false);  // what was taken in the last clocks of a ready
    size_t newest = 0;
    bool was_held = false;
    int64_t held_logit = 0;
    bool held_last = false;
    auto reported = std::chrono::steady_clock::now();
    const uint8_t* next = frames.data();

    for (int64_t end = INT64_MAX; cycle < end; ++cycle) {
        if (!shown) {
            const bool silent = junk_silent && junk_left == 0 && errors < junk_frames;
            const bool stalled = source.next() || silent;
            const bool open = stream || beat > 0 || (receiving == sending && cycle >= empty_at);
            if (!junk_decided && beat == 0 && sending < count) {
                junk_decided = true;
                if (junk.draw() % 4 == 0) {
                    junk_waits = junk.draw() % 4 == 0;
                    junk_left = junk_waits ? 64 * beats : 1 + junk.draw() % (4 * beats);
                    if (junk_left == beats) ++junk_left;
                    ++junk_frames;
                    junk_silent = junk_left < beats && junk.draw() % 2;
                }
            }
            if (junk_left > 0 && !stalled) {
                uint8_t noise[kBeat];
                for (uint8_t& byte : noise) byte = junk.draw();
                put(top->in_data, noise);
                top->in_last = junk_left == 1;
                top->in_valid = 1;
                shown = true;
            } else if (junk_left == 0 && sending < count && open && !stalled) {
                put(top->in_data, next);
                top->in_last = beat == beats - 1;
                top->in_valid = 1;
                shown = true;
            } else {
                // What stands there without a valid must not matter.
                uint8_t noise[kBeat];
                for (uint8_t& byte : noise) byte = idle.draw();
                put(top->in_data, noise);
                top->in_last = idle.draw() & 1;
                top->in_valid = 0;
            }
        }
        top->out_ready = !sink.next();
        top->clk = 0;
        top->eval();
        SHOW(cycle, 0);
        if (core > 0) {
            const bool holds = top->out_valid && !top->out_ready;
            if (!!top->in_ready != !(core_register ? was_held : holds))
                fault(receiving, cycle, "in_ready came in another clock than predicted");
            if (!!top->out_valid != (!top->in_ready || pipe[newest]))
                fault(receiving, cycle, "out_valid came in another clock than predicted");
            if (top->in_ready) {
                pipe[newest] = shown;
                newest = (newest + 1) % core;
            }
            was_held = holds;
        }
        if (shown && top->in_ready && junk_left > 0) {
            shown = false;
            if (!junk_waits || receiving == sending) {
                --junk_left;
                moved = cycle;
            }
        } else if (shown && top->in_ready) {
            if (beat == 0) accepted[sending] = cycle;
            next += kBeat;
            if (++beat == beats) {
                beat = 0;
                ++sending;
                junk_decided = !with_junk;
            }
            shown = false;
            moved = cycle;
        }
#ifdef IN_ERROR_WIDTH
        errors += top->in_error;
#endif
        if (top->out_valid) {
            const int64_t value = get(top->out_logit, OUT_LOGIT_WIDTH);
            if (held && (value != held_logit || !!top->out_last != held_last))
                fault(receiving, cycle, "the output changed before its transfer");
            if (receiving == count) fault(receiving, cycle, "an output too many");
            held = !top->out_ready;
            held_logit = value;
            held_last = top->out_last;
            if (top->out_ready) {
                record[3 + logit] = value;
                if (!expected.empty() && value != expected[receiving * classes + logit])
                    fault(receiving, cycle, "logit " + std::to_string(logit) + " is " +
                                                std::to_string(value) + ", not " +
                                                std::to_string(expected[receiving * classes + logit]));
                if (!!top->out_last != (logit == classes - 1))
                    fault(receiving, cycle,
                          top->out_last ? "out_last came with logit " + std::to_string(logit)
                                        : std::string("out_last is missing"));
                moved = cycle;
                if (++logit == classes) {
                    record[0] = accepted[receiving];
                    record[1] = cycle;
#ifdef OUT_LABEL_WIDTH
                    uint32_t label = 0;
                    std::memcpy(&label, &top->out_label, sizeof(top->out_label));
                    record[2] = label;
#endif
                    if (sending <= receiving)
                        fault(receiving, cycle, "its logits left before all of it had entered");
                    if (std::fwrite(record.data(), 8, record.size(), out) != record.size())
                        fail(2, "results cannot be written");
                    logit = 0;
                    ++receiving;
                    empty_at = cycle + kEmpty;
                    if (receiving == count) end = cycle + kTail;
                    const auto now = std::chrono::steady_clock::now();
                    if (now - reported > std::chrono::milliseconds(200)) {
                        reported = now;
                        std::printf("%lld\n", static_cast<long long>(receiving));
                        std::fflush(stdout);
                    }
                }
            }
        } else if (held) {
            fault(receiving, cycle, "out_valid was taken back before its transfer");
        }
        if (cycle - moved > patience)
            fault(receiving, cycle, "nothing moved for " + std::to_string(patience) + " clocks");
        top->clk = 1;
        top->eval();
        SHOW(cycle, 1);
    }
#ifdef IN_ERROR_WIDTH
    if (errors != junk_frames)
        fault(count - 1, cycle,
              "in_error came " + std::to_string(errors) + " times for " +
                  std::to_string(junk_frames) + " frames of a wrong length");
#endif
    top->final();
#if VM_TRACE
    if (waves) trace.close();
#endif
#if VM_COVERAGE
    if (!text("coverage").empty()) context->coveragep()->write(text("coverage").c_str());
#endif
    if (std::fclose(out)) fail(2, "results cannot be written");
    std::printf("%lld\n", static_cast<long long>(receiving));
    return 0;
}

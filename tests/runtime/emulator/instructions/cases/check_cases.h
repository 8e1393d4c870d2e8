// check_cases.h: cases run by the emulator, and their text given to ptxas.
#pragma once
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>

#include "tests/runtime/emulator/instructions/cases/instruction_case.h"
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {

constexpr int kBlocks = 8, kStride = 128;
constexpr int kBlockThreads = 124;  ///< three full warps and a partial one
constexpr int kThreads = kBlocks * kStride;

inline std::string hex(uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// Whether an f32 is as near to a real value as the test's bound allows, or as rounding does. Zero stands for everything that is
/// flushed, and infinity for 2^128.
inline bool is_near(uint32_t bits, long double real, const Bound& bound, bool flushes) {
  auto value = std::bit_cast<float>(bits);
  auto nearest = static_cast<float>(real);
  if (std::isnan(real) || std::isnan(value)) return std::isnan(real) && bits == 0x7fffffff;
  if (std::signbit(value) != std::signbit(nearest) && bound.absolute == 0) return false;
  bool subnormal = std::fpclassify(value) == FP_SUBNORMAL;
  if (std::isinf(real) || (value == nearest && !(flushes && subnormal))) return value == nearest;
  long double ulp =
      std::isinf(nearest) ? 0x1p104L : std::ldexp(1.0L, std::max(std::ilogb(nearest), -126) - 23);
  long double allowed = std::max<long double>(bound.relative * std::fabs(real), bound.absolute);
  allowed = std::max(allowed, ulp * 0.50001L);
  if (flushes && value == 0) return std::fabs(real) < 0x1p-126L + allowed;
  if (flushes && subnormal) return false;
  long double at = std::isinf(value) ? std::copysign(0x1p128L, value) : value;
  return std::fabs(at - real) <= allowed;
}

/// Whether each half of a register is the neighbour of what is expected, or it.
inline bool are_neighbours(uint64_t got, uint64_t expected) {
  for (int half = 0; half < 32; half += 16)
    if (std::abs(static_cast<int16_t>(got >> half) - static_cast<int16_t>(expected >> half)) > 1)
      return false;
  return true;
}

/// What is wrong with the outputs of one input: "" where nothing is.
inline std::string judged(const InstructionCase& test, const Inputs& in, const Outputs& got,
                          const Bound& bound) {
  std::string text = test.text + " of";
  for (size_t s = 0; s < test.sources.size(); ++s) text += " " + hex(in[s]);
  if (test.real) {
    long double real = test.real(in);
    if (is_near(static_cast<uint32_t>(got[0]), real, bound, test.flushes)) return "";
    return text + " gives " + hex(got[0]) + ", not " + hex(std::bit_cast<uint32_t>(static_cast<float>(real)));
  }
  Outputs expected = test.expected(in);
  if (bound.units && are_neighbours(got[0], expected[0])) return "";
  for (size_t r = 0; r < test.results.size(); ++r)
    if (got[r] != expected[r]) return text + " gives " + hex(got[r]) + ", not " + hex(expected[r]);
  return "";
}

/// Bounds hold where the numerics are the hardware's; else approximations are rounded right.
inline void check_on_emulator(const Cases& cases, Numerics numerics = Numerics::kReference) {
  std::string text = module_of(cases, kThreads);
  auto module = std::make_shared<ptx::Module>(ptx::parse(text, "cases.ptx"));
  for (size_t i = 0; i < cases.size(); ++i) {
    const InstructionCase& test = cases[i];
    CAPTURE(test.text);
    std::vector<Inputs> inputs = inputs_of(test, kThreads);
    std::vector<uint64_t> in(4 * kThreads), out(2 * kThreads);
    for (int n = 0; n < kThreads; ++n)
      for (int s = 0; s < 4; ++s) in[s * kThreads + n] = inputs[n][s];
    GlobalMemory memory;
    LaunchRequest request;
    request.program = decode(module, "k" + std::to_string(i), {});
    request.grid[0] = kBlocks;
    request.block[0] = kBlockThreads;
    const auto bytes_of = [](auto& values) { return static_cast<int64_t>(values.size() * 8); };
    const uint64_t arguments[2] = {memory.allocate(bytes_of(in), "in"),
                                   memory.allocate(bytes_of(out), "out")};
    memory.write(arguments[0], {reinterpret_cast<const std::byte*>(in.data()), in.size() * 8});
    memory.fill(arguments[1], std::byte{0}, bytes_of(out));
    request.parameters.resize(16);
    std::memcpy(request.parameters.data(), arguments, 16);
    Options options;
    options.host_threads = 1;
    options.numerics = numerics;
    LaunchResult result = run(request, memory, options);
    REQUIRE(told(result) == "");
    memory.read(arguments[1], {reinterpret_cast<std::byte*>(out.data()), out.size() * 8});
    std::string wrong;
    for (int n = 0; n < kThreads && wrong.empty(); ++n)
      if (n % kStride < kBlockThreads)
        wrong = judged(test, inputs[n], {out[n], out[kThreads + n]},
                       numerics == Numerics::kHardware ? test.bound : Bound{});
    CHECK(wrong == "");
  }
}

/// Assembles all texts in one module; they must be legal.
inline void check_with_ptxas(const Cases& cases, const std::string& target = "sm_90a") {
  const char* ptxas = "/usr/local/cuda/bin/ptxas";
  if (access(ptxas, X_OK) != 0) {
    MESSAGE("skipped: no ptxas at " << ptxas);
    return;
  }
  char name[] = "/tmp/tenon_cases_XXXXXX";
  const int file = mkstemp(name);
  REQUIRE(file >= 0);
  close(file);
  std::ofstream(name) << module_of(cases, kThreads, target);
  const std::string command = std::string(ptxas) + " -O0 -arch=" + target + " -o /dev/null " + name + " 2>&1";
  std::string said;
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  for (char line[512]; std::fgets(line, sizeof line, pipe) != nullptr;) said += line;
  const int status = pclose(pipe);
  unlink(name);
  CHECK_MESSAGE(status == 0, said);
}

}  // namespace tenon::emulator

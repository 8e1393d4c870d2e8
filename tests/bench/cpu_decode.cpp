// cpu_decode.cpp: one token of Qwen2.5-0.5B in bf16 on the cpu device, beside the time that reading its weights takes in the
// same run, on the same threads. Prints both rates; exits 1 above twice that time.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "ir/diagnostics.h"
#include "ir/model.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/session.h"
#include "runtime/simd.h"

using namespace tenon;

namespace {

template <class Work>
double best_seconds(int times, Work work) {
  double best = 1e30;
  while (times-- > 0) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

TENON_SIMD_FLAT uint64_t sum_of(const uint64_t* words, int64_t count) {
  uint64_t sums[32] = {}, all = 0;
  for (int64_t i = 0; i + 32 <= count; i += 32)
    for (int lane = 0; lane < 32; ++lane) sums[lane] += words[i + lane];
  for (uint64_t sum : sums) all += sum;
  return all;
}

/// Reads every weight once; the result keeps a compiler from not reading.
uint64_t read_all(const TensorMap& weights) {
  std::atomic<uint64_t> all{0};
  for (const auto& [name, tensor] : weights)
    cpu::parallel_pieces(tensor.bytes() / 8, 1 << 16, [&, &held = tensor](int64_t begin, int64_t end) {
      all += sum_of(reinterpret_cast<const uint64_t*>(held.data()) + begin, end - begin);
    });
  return all;
}

int measure(const char* path) {
  Model model = Model::read(path);
  std::shared_ptr<const Graph> graph = model.build(model.bind({{"T", 1}}, {}));
  Session session(graph, bind_tensors(*graph, {}, 0, false), make_device("cpu"), nullptr);
  int64_t bytes = 0;
  for (const auto& [name, tensor] : session.binding().weights) bytes += tensor.bytes();
  uint64_t seen = 0;
  const double floor = best_seconds(5, [&] { seen += read_all(session.binding().weights); });
  session.run();
  const double step = best_seconds(10, [&] { session.run(); });
  const double gigabytes = static_cast<double>(bytes) / 1e9;
  std::printf("%s, one token, %s: %.2f GB of weights (their words add up to %llx)\n", model.name().c_str(),
              session.device().description().c_str(), gigabytes, static_cast<unsigned long long>(seen));
  std::printf(
      "  reading them %.1f GB/s (%.1f ms)\n  a step       %.1f GB/s (%.1f ms)\n  ratio %.2f (at most 2)\n",
      gigabytes / floor, floor * 1e3, gigabytes / step, step * 1e3, step / floor);
  return step <= 2 * floor ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? argv[1] : "examples/models/qwen2.5-0.5b.toml");
  } catch (const Error& error) {
    std::fputs(error.what(), stderr);
    return static_cast<int>(error.status());
  }
}

// cpu_prefill.cpp: GPT-2's prefill of 256 tokens on the cpu device beside the product library alone: the same
// products, f32, operands at hand, on the same threads. Prints both rates; exits 1 below half the library's.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "ir/diagnostics.h"
#include "ir/model.h"
#include "runtime/cpu/gemm.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/session.h"

using namespace tenon;

namespace {

template <class Work>
double seconds(Work work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class Work>
double best_seconds(int times, Work work) {
  double best = 1e30;
  while (times-- > 0) best = std::min(best, seconds(work));
  return best;
}

struct Shape3 {
  int64_t m, n, k;
  double flops() const { return 2.0 * static_cast<double>(m * n * k); }
};

/// The library on one product: each thread multiplies its share of the columns.
double library_seconds(const Shape3& s, const std::vector<float>& operand, std::vector<float>& out) {
  int64_t threads = cpu::thread_count(), share = (s.n + threads - 1) / threads;
  return best_seconds(3, [&] {
    cpu::parallel_for(threads, [&](int64_t i) {
      int64_t begin = i * share, columns = std::min(share, s.n - begin);
      cpu::gemm(s.m, columns, s.k, {operand.data(), s.k, 1}, {operand.data() + begin, s.n, 1}, 0,
                out.data() + begin, s.n);
    });
  });
}

int measure(const char* path) {
  Model model = Model::read(path);
  std::shared_ptr<const Graph> graph = model.build(model.bind({{"T", 256}}, {}));
  std::vector<Shape3> products;
  double flops = 0, library = 0;
  int64_t largest_operand = 0, largest_result = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op() != Op::kMatmul) continue;
    int64_t n = node.type().shape.back().extent(), m = node.type().elements() / n;
    int64_t k = node.operand(0)->type().shape.back().extent();
    products.push_back({m, n, k});
    flops += products.back().flops();
    largest_operand = std::max({largest_operand, m * k, k * n});
    largest_result = std::max(largest_result, m * n);
  }
  {
    std::vector<float> operand(largest_operand, 0.01f), out(largest_result);
    for (const Shape3& product : products) library += library_seconds(product, operand, out);
  }
  Session session(graph, bind_tensors(*graph, {}, 0, false), make_device("cpu"), nullptr);
  session.run();
  double prefill = best_seconds(5, [&] { session.run(); });
  double ratio = library / prefill;
  std::printf("GPT-2, 256 tokens, %s: %zu products, %.1f GFLOP\n", session.device().description().c_str(),
              products.size(), flops / 1e9);
  std::printf(
      "  BLIS alone %.1f GFLOP/s (%.0f ms)\n  prefill    %.1f GFLOP/s (%.0f ms)\n  ratio %.2f (at least "
      "0.50)\n",
      flops / library / 1e9, library * 1e3, flops / prefill / 1e9, prefill * 1e3, ratio);
  return ratio >= 0.5 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? argv[1] : "examples/models/gpt2.toml");
  } catch (const Error& error) {
    std::fputs(error.what(), stderr);
    return static_cast<int>(error.status());
  }
}

// The sample family: the evaluator's tokens, on rows that rounding cannot decide otherwise.
#include "codegen/families/sample.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

constexpr int64_t kRows = 9;

/// Logits in eighths, so that many are equal; row 1: -inf and NaN between them; row 2: all equal; row 3: nothing but -inf
/// and NaN; row 4: an infinity twice; row 5: zeros of both signs; row 6: one far above the others.
HostTensor draw_logits(const Type& type) {
  HostTensor logits = draw_normal("logits", type);
  const int64_t n = type.shape[1].extent();
  for (int64_t i = 0; i < kRows * n; ++i) {
    double& x = logits.reals[i];
    const int64_t row = i / n, column = i % n;
    x = std::round(x * 8) / 8;
    if (row == 1 && column % 3 == 0) x = column % 2 ? NAN : -INFINITY;
    if (row == 2) x = -2;
    if (row == 3) x = column % 2 ? NAN : -INFINITY;
    if (row == 4 && (column == n / 2 || column == n - 1)) x = INFINITY;
    if (row == 5) x = column % 2 ? 0.0 : -0.0;
    if (row == 6) x = column == n - 1 ? 100 : x;
  }
  return logits;
}

std::string check(int64_t columns, DType dtype, double temperature, double top_p, double top_k, bool shared) {
  Graph graph;
  Builder b(graph);
  Value* logits = b.source(Op::kInput, "logits", {dtype, {kRows, columns}});
  Value* position = b.source(Op::kInput, "position", {DType::kI32, shared ? Shape{} : Shape{kRows}});
  Value* settings = b.source(Op::kInput, "settings", {DType::kF32, {2}});
  Value* limits = b.source(Op::kInput, "limits", {DType::kI64, {2}});
  graph.add_output("token", b.make(Op::kSample, {logits, position, settings, limits}));
  const auto draw = [&](llvm::StringRef name, const Type& type) {
    if (name == "logits") return draw_logits(type);
    HostTensor tensor = HostTensor::zeros(type);
    if (name == "settings") tensor.reals = {temperature, top_p};
    if (name == "limits") tensor.integers = {static_cast<int64_t>(top_k), 1234567890123};
    if (name == "position")
      for (size_t i = 0; i < tensor.integers.size(); ++i)
        tensor.integers[i] = static_cast<int64_t>(37 * i + 5);
    return tensor;
  };
  return check_kernel(sample_family(), region_of(graph, Pattern::kElementwise), {.draw = draw});
}

}  // namespace

TEST_CASE("sample: the evaluator's tokens among all, the k likeliest, and those that hold p") {
  for (int64_t columns : {1, 7, 1024, 2500})
    for (DType dtype : {DType::kF32, DType::kBF16}) {
      CAPTURE(columns);
      check(columns, dtype, 1, 1, 0, false);
      check(columns, dtype, 0.75, 1, 5, true);
      check(columns, dtype, 1.5, 0.5625, 0, false);
      check(columns, dtype, 2, 0.8125, 40, false);
    }
  check_golden("sample", check(97, DType::kF32, 3, 0.3125, 3, false));
}

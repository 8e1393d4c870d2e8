// evaluate_experts.cpp: what `experts` means: the chosen experts' SwiGLU, weighted and summed.
#include <cmath>
#include <string>

#include "ir/diagnostics.h"
#include "ir/evaluate_ops.h"

namespace tenon::evaluation {
namespace {

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

HostTensor experts(const Node& node, Operands operands) {
  const HostTensor &x = *operands[0], &weights = *operands[1], &ids = *operands[2], &gate = *operands[3],
                   &up = *operands[4], &down = *operands[5];
  const int64_t count = gate.type.shape[0].extent(), hidden = gate.type.shape[1].extent(),
                width = gate.type.shape[2].extent(), chosen = ids.type.shape.back().extent();
  HostTensor result = HostTensor::zeros(node.type());
  std::vector<double> middle(hidden);
  for (int64_t i = 0; i < ids.type.elements(); ++i) {
    const int64_t e = ids.integers[i], row = i / chosen;
    if (e < 0 || e >= count)
      throw Error(
          "experts: router_ids has " + std::to_string(e) + " of " + std::to_string(count) + " experts",
          node.location);
    const double* in = x.reals.data() + row * width;
    for (int64_t f = 0; f < hidden; ++f) {
      const int64_t at = (e * hidden + f) * width;
      const double g = dot(in, gate.reals.data() + at, width);
      middle[f] = g / (1 + std::exp(-g)) * dot(in, up.reals.data() + at, width);
    }
    for (int64_t d = 0; d < width; ++d)
      result.reals[row * width + d] +=
          weights.reals[i] * dot(middle.data(), down.reals.data() + (e * width + d) * hidden, hidden);
  }
  return result;
}

}  // namespace tenon::evaluation

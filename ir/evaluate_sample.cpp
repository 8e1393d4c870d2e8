// evaluate_sample.cpp: what `sample` means: a token drawn among the likeliest.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/evaluate_ops.h"
#include "ir/philox.h"

namespace tenon::evaluation {
namespace {

/// The `top_k` likeliest (0: all) and of those the fewest that together hold `top_p` of the probability, the others'
/// weight set to 0. Ties by index.
void keep_likeliest(std::vector<double>& weights, int64_t top_k, double top_p) {
  std::vector<int64_t> order(weights.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return weights[a] > weights[b]; });
  size_t kept = order.size();
  if (top_k > 0) kept = std::min(kept, static_cast<size_t>(top_k));
  double total = 0, sum = 0;
  for (size_t i = 0; i < kept; ++i) total += weights[order[i]];
  size_t likeliest = 0;
  while (likeliest < kept && (likeliest == 0 || sum < top_p * total)) sum += weights[order[likeliest++]];
  for (size_t i = likeliest; i < order.size(); ++i) weights[order[i]] = 0;
}

/// exp((x - max) / temperature); a NaN counts as -inf, and where nothing is left the first element is certain.
std::vector<double> likelihoods(const double* logits, int64_t n, double temperature) {
  double most = -INFINITY;
  for (int64_t i = 0; i < n; ++i)
    if (logits[i] > most) most = logits[i];
  std::vector<double> weights(n, 0);
  for (int64_t i = 0; i < n; ++i)
    if (logits[i] == most)
      weights[i] = 1;
    else if (logits[i] < most && std::isfinite(most))
      weights[i] = std::exp((logits[i] - most) / temperature);
  if (most == -INFINITY) weights.assign(n, 0), weights[0] = 1;
  return weights;
}

}  // namespace

HostTensor sample(const Node& node, Operands operands) {
  const HostTensor &logits = *operands[0], &position = *operands[1], &settings = *operands[2],
                   &limits = *operands[3];
  const int64_t n = logits.type.shape[1].extent();
  HostTensor result = HostTensor::zeros(node.type());
  for (int64_t row = 0; row < result.type.elements(); ++row) {
    std::vector<double> weights = likelihoods(logits.reals.data() + row * n, n, settings.reals[0]);
    keep_likeliest(weights, limits.integers[0], settings.reals[1]);
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    const double draw =
        total * uniform(static_cast<uint64_t>(limits.integers[1]), static_cast<uint32_t>(row),
                        static_cast<uint64_t>(position.integers[position.type.rank() ? row : 0]));
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {  // in the order of the indices, so that no device has to sort
      if (weights[i] == 0) continue;
      result.integers[row] = i;  // also where rounding leaves the draw beyond the last
      sum += weights[i];
      if (sum > draw) break;
    }
  }
  return result;
}

}  // namespace tenon::evaluation

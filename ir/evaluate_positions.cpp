// evaluate_positions.cpp: what the ops mean that know where a token stands: rope, its tables, the cache's
// write.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>

#include "ir/check_values.h"
#include "ir/diagnostics.h"
#include "ir/evaluate_ops.h"

namespace tenon {
namespace {

std::vector<double> plain_table(double theta, int64_t pairs) {
  std::vector<double> frequencies(pairs);
  for (int64_t i = 0; i < pairs; ++i)
    frequencies[i] = std::pow(theta, -static_cast<double>(i) / static_cast<double>(pairs));
  return frequencies;
}

/// Llama 3.1: wavelengths beyond original / low are stretched by `factor`, those below original / high stay,
/// and between them the two are blended linearly in original / wavelength.
void stretch_llama3(std::vector<double>& frequencies, const Attributes& scheme) {
  double factor = scheme.number("factor", 1), low = scheme.number("low", 1), high = scheme.number("high", 4);
  for (double& f : frequencies) {
    double turns = scheme.number("original") * f / (2 * M_PI);
    double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    f = (1 - keep) * f / factor + keep * f;
  }
}

/// YaRN (Peng et al. 2023, section 3.2, "NTK-by-parts"): dimensions that turn more than beta_fast times over
/// the original context stay, those that turn less than beta_slow times are stretched, a linear ramp between.
void stretch_yarn(std::vector<double>& frequencies, const Attributes& scheme) {
  double pairs = static_cast<double>(frequencies.size()), factor = scheme.number("factor", 1);
  auto pair_that_turns = [&](double times) {
    return pairs * std::log(scheme.number("original") / (times * 2 * M_PI)) /
           std::log(scheme.number("theta"));
  };
  double first = std::max(std::floor(pair_that_turns(scheme.number("beta_fast", 32))), 0.0);
  double last = std::min(std::ceil(pair_that_turns(scheme.number("beta_slow", 1))), 2 * pairs - 1);
  if (first == last) last += 0.001;  // the reference's guard against an empty ramp
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double stretched = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
    frequencies[i] *= stretched / factor + (1 - stretched);
  }
}

}  // namespace

std::vector<double> rope_table(const Node& node) {
  const Attributes& scheme = node.attributes;
  std::vector<double> frequencies = plain_table(scheme.number("theta", 10000), node.type().elements());
  llvm::StringRef name = scheme.string("scheme");
  if (name == "linear") {
    for (double& f : frequencies) f /= scheme.number("factor", 1);
  } else if (name == "llama3") {
    stretch_llama3(frequencies, scheme);
  } else if (name == "yarn") {
    stretch_yarn(frequencies, scheme);
  } else if (name == "longrope") {
    llvm::ArrayRef<double> factors = scheme.numbers("factors");
    if (factors.size() != frequencies.size())
      throw Error("longrope has " + std::to_string(factors.size()) + " factors for " +
                      std::to_string(frequencies.size()) + " frequencies",
                  node.location);
    for (size_t i = 0; i < factors.size(); ++i) frequencies[i] /= factors[i];
  } else {
    assert(name.empty() && "a rope scheme without a meaning");
  }
  return frequencies;
}

namespace evaluation {
namespace {

/// The position of token t of row b: a scalar or [B, 1] is the first one's.
int64_t position_of(const HostTensor& position, int64_t b, int64_t t, int64_t tokens) {
  const std::vector<int64_t>& at = position.integers;
  switch (position.type.rank()) {
    case 0: return at[0] + t;
    case 1: return at[t];
    default:
      return position.type.shape[1].extent() == 1 && tokens != 1
                 ? at[b] + t
                 : at[b * position.type.shape[1].extent() + t];
  }
}

}  // namespace

HostTensor rope(const Node& node, Operands operands) {
  const HostTensor &x = *operands[0], &position = *operands[1];
  HostTensor result = x;
  int64_t batch = x.type.shape[0].extent(), heads = x.type.shape[1].extent(),
          tokens = x.type.shape[2].extent();
  int64_t depth = x.type.shape[3].extent(), pairs = node.attributes.integer("rotary_dim", depth) / 2;
  bool interleaved = node.attributes.flag("interleaved");
  double scale = node.attributes.number("scale", 1);
  std::vector<double> frequencies = node.attributes.flag("frequencies")
                                        ? operands[2]->reals
                                        : plain_table(node.attributes.number("theta", 10000), pairs);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < pairs; ++i) {
        double angle = static_cast<double>(position_of(position, b, t, tokens)) * frequencies[i];
        double cosine = std::cos(angle) * scale, sine = std::sin(angle) * scale;
        int64_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + pairs;
        for (int64_t h = 0; h < heads; ++h) {
          int64_t at = ((b * heads + h) * tokens + t) * depth;
          double left = x.reals[at + first], right = x.reals[at + second];
          result.reals[at + first] = left * cosine - right * sine;
          result.reals[at + second] = right * cosine + left * sine;
        }
      }
  return result;
}

namespace {

/// Where token `at` of row b lies in a cache, as a row of [.., capacity or page]: of a pool by its pages.
int64_t cache_row(const Node& node, Operands operands, int64_t b, int64_t h, int64_t at) {
  const Shape& shape = operands[0]->type.shape;
  const int64_t heads = shape[1].extent(), rows = shape[2].extent();
  if (!node.attributes.flag("pages")) return (b * heads + h) * rows + at;
  const HostTensor& pages = *operands[3];
  const int64_t page = pages.integers[b * pages.type.shape[1].extent() + at / rows];
  check_page(node, b, page);
  return (page * heads + h) * rows + at % rows;
}

template <class T>
void write_rows(const Node& node, Operands operands, HostTensor& cache) {
  const HostTensor &fresh = *operands[1], &position = *operands[2];
  const Shape& shape = fresh.type.shape;
  const int64_t batch = shape[0].extent(), heads = shape[1].extent(), tokens = shape[2].extent(),
                depth = shape[3].extent();
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t first = position.integers[position.type.rank() ? b : 0];
    check_cache_fit(node, first);
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < tokens; ++t) {
        const T* from = elements<T>(fresh).data() + ((b * heads + h) * tokens + t) * depth;
        std::copy(from, from + depth,
                  elements<T>(cache).data() + cache_row(node, operands, b, h, first + t) * depth);
      }
  }
}

}  // namespace

HostTensor cache_write(const Node& node, Operands operands) {
  HostTensor result = *operands[0];
  (result.integral() ? write_rows<int64_t> : write_rows<double>)(node, operands, result);
  return result;
}

}  // namespace evaluation
}  // namespace tenon

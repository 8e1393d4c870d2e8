// graphs.h: graphs of tests run on the cpu device and by the f64 evaluator, on the same drawn values.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>

#include "ir/builder.h"
#include "ir/diagnostics.h"
#include "ir/print.h"
#include "runtime/cpu/cpu_device.h"

namespace tenon::test {

/// A drawn tensor: floats normal, integers in [low, high], bools even.
inline Tensor drawn(const Type& type, uint32_t seed, int64_t low = -9, int64_t high = 9) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int64_t> integer(low, high);
  std::vector<double> values(type.elements());
  for (double& value : values)
    value = is_float(type.dtype)         ? normal(engine)
            : type.dtype == DType::kBool ? static_cast<double>(engine() % 2)
                                         : static_cast<double>(integer(engine));
  return Tensor::of(type, values);
}

using Sources = std::function<Tensor(const Node&)>;

/// Each source drawn from its name.
inline Tensor drawn_source(const Node& node) {
  llvm::StringRef name = node.attributes.string("name");
  bool small = node.type().dtype == DType::kU8;
  return drawn(node.type(), static_cast<uint32_t>(std::hash<std::string>()(name.str())), small ? 0 : -9);
}

inline double relative_error(const HostTensor& expected, const Tensor& actual) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < actual.elements(); ++i) {
    double e = expected.at(i), a = actual.at(i);
    if (std::isnan(e) && std::isnan(a)) continue;
    if (e == a) {
      norm += std::isfinite(e) ? e * e : 0;
      continue;
    }
    difference += (e - a) * (e - a);
    norm += e * e;
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/// Runs the graph on the device and judges every output and state update against the evaluator.
inline void check_graph(const Graph& graph, double tolerance, const Sources& source = drawn_source) {
  INFO(print(graph));
  Evaluation expected = evaluate(
      graph, [&](const Node& node) { return to_host(source(node)); }, Rounding::kDeclared);
  cpu::Values actual = cpu::evaluate(graph, source);
  REQUIRE(actual.outputs.size() == expected.outputs.size());
  for (size_t i = 0; i < actual.outputs.size(); ++i) {
    CHECK(actual.outputs[i].type() == graph.outputs()[i].value->type());
    double error = relative_error(expected.outputs[i], actual.outputs[i]);
    CHECK_MESSAGE(error <= tolerance, graph.outputs()[i].name, ": ", error);
  }
  for (size_t i = 0; i < actual.state_updates.size(); ++i)
    CHECK(relative_error(expected.state_updates[i], actual.state_updates[i]) <= tolerance);
}

}  // namespace tenon::test

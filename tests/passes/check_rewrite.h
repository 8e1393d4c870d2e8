// check_rewrite.h: one way to test a rewrite: a graph from equations, the pass, then its text, the verifier,
// and the same values before and after.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/model.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/passes.h"

namespace tenon::testing {

/// Equations over declared tensors; T is the dynamic dim.
struct Equations {
  std::string inputs;             ///< "x: f32[T, 8]; mask: bool[T]"
  std::vector<std::string> body;  ///< one equation a line; `y` is the output
  std::string weights = "";       ///< like inputs
};

inline std::string declarations(const std::string& table, llvm::StringRef list) {
  llvm::SmallVector<llvm::StringRef, 8> parts;
  list.split(parts, ';', -1, false);
  std::string toml = "[" + table + "]\n";
  for (llvm::StringRef part : parts) {
    auto [name, type] = part.split(':');
    auto [dtype, extents] = type.trim().split('[');
    llvm::SmallVector<llvm::StringRef, 4> dims;
    extents.drop_back().split(dims, ',', -1, false);
    toml += name.trim().str() + " = { shape = [";
    for (llvm::StringRef dim : dims) toml += "\"" + dim.trim().str() + "\", ";
    toml += "], dtype = \"" + dtype.str() + "\" }\n";
  }
  return toml;
}

inline std::unique_ptr<Graph> graph_of(const Equations& equations, int64_t t = 5) {
  std::string text = "tenon = 1\n[model]\nname = \"m\"\ndtype = \"f32\"\n[dims]\nT = \"0..4096\"\n";
  text += declarations("inputs", equations.inputs) + declarations("weights", equations.weights);
  text += "[graph]\nbody = [\n";
  for (const std::string& line : equations.body) text += "  '" + line + "',\n";
  text += "]\noutputs = [\"y\"]\n";
  Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", text}));
  return model.build(model.bind({{"T", t}}, {}));
}

/// The computing lines of a graph's text: declarations say nothing new.
inline std::string text_without_sources(const Graph& graph) {
  std::string all = print(graph), kept;
  llvm::SmallVector<llvm::StringRef, 32> lines;
  llvm::StringRef(all).split(lines, '\n', -1, false);
  for (llvm::StringRef line : lines)
    if (!line.contains(" = input ") && !line.contains(" = weight ") && !line.contains(" = state "))
      kept += line.str() + "\n";
  return kept;
}

/// Normal reals (matrices of weights: σ = 1 / sqrt of the last extent, so that products stay around 1), integers 0
/// to 2, bools; with `special`, also NaN, infinities and both zeros.
inline HostTensor draw(const Node& node, bool special) {
  constexpr double kSpecial[] = {0.0, -0.0, NAN, INFINITY, -INFINITY};
  HostTensor tensor = HostTensor::zeros(node.type());
  std::string name = node.attributes.string("name").str();
  std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(name)));
  bool matrix = node.op() == Op::kWeight && node.type().rank() > 1;
  double sigma = matrix ? 1 / std::sqrt(static_cast<double>(node.type().shape.back().extent())) : 1;
  std::normal_distribution<double> normal(0, sigma);
  bool boolean = node.type().dtype == DType::kBool;
  for (double& x : tensor.reals)
    x = boolean ? static_cast<double>(random() % 2) : round_to(node.type().dtype, normal(random));
  for (int64_t& x : tensor.integers) x = static_cast<int64_t>(random() % 3);
  if (special && !boolean)
    for (double& x : tensor.reals)
      if (random() % 2) x = kSpecial[random() % 5];
  return tensor;
}

/// Equal within `tolerance` of the largest value; NaN, infinities and (at tolerance 0) the signs of zeros
/// alike.
inline void check_same(const HostTensor& before, const HostTensor& after, double tolerance) {
  REQUIRE(before.type == after.type);
  double largest = 1;
  for (double x : before.reals)
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
  CHECK(before.integers == after.integers);
  bool same = before.reals.size() == after.reals.size();
  for (size_t i = 0; same && i < before.reals.size(); ++i) {
    double a = before.reals[i], b = after.reals[i];
    if (std::isnan(a) || std::isinf(a))
      same = std::isnan(a) ? std::isnan(b) : a == b;
    else
      same = tolerance == 0 ? a == b && std::signbit(a) == std::signbit(b)
                            : std::fabs(a - b) <= tolerance * largest;
    INFO("element ", i, ": ", a, " became ", b);
    CHECK(same);
  }
}

struct Tolerance {
  double value = 1e-12;  ///< of the largest value; 0: bit for bit
  bool special = false;  ///< inputs with NaN, infinities and zeros of both signs
};

struct Rewritten {
  std::string text;
  Remarks remarks;
  bool changed = false;
};

/// Runs `pass` on the equations for T = 5 and for the odd cases T = 1, 3 and 17, and gives the text and the
/// remarks of T = 5.
inline Rewritten check_rewrite(const Equations& equations, llvm::function_ref<bool(Graph&, Remarks&)> pass,
                               Tolerance tolerance = {}) {
  Rewritten result;
  for (int64_t t : {1, 3, 17, 5}) {
    std::unique_ptr<Graph> before = graph_of(equations, t), after = before->clone();
    result = {};
    result.changed = pass(*after, result.remarks);
    result.text = text_without_sources(*after);
    INFO("T = ", t, "\n", result.text);
    REQUIRE(verify(*after) == "");
    auto source = [&](const Node& node) { return draw(node, tolerance.special); };
    check_same(evaluate(*before, source).outputs[0], evaluate(*after, source).outputs[0], tolerance.value);
    CHECK(result.changed == (text_without_sources(*before) != result.text));
  }
  return result;
}

inline Rewritten check_rewrite(const Equations& equations, bool (*pass)(Graph&), Tolerance tolerance = {}) {
  return check_rewrite(
      equations, [pass](Graph& graph, Remarks&) { return pass(graph); }, tolerance);
}

}  // namespace tenon::testing

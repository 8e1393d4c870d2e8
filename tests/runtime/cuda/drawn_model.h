// A model with drawn values for all its sources, and the distance of a run from the f64 evaluator.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>

#include "codegen/lower.h"
#include "ir/evaluate.h"
#include "ir/model.h"
#include "runtime/device.h"

namespace tenon::cuda {

struct DrawnModel {
  std::shared_ptr<const Model> model;
  DimBinding dims;
  std::unique_ptr<Graph> graph;
  TensorMap inputs, weights, states;

  DrawnModel(const std::string& text, const DimBinding& given) {
    model = std::make_shared<const Model>(
        Model::parse(std::make_shared<SourceFile>(SourceFile{"test.toml", text})));
    dims = model->bind(given, {});
    graph = model->build(dims);
    std::mt19937 generator(7);
    for (const Node& node : graph->nodes()) {
      const std::string name = node.attributes.string("name").str();
      if (node.op() == Op::kInput) inputs[name] = drawn(node.type(), generator, 1);
      if (node.op() == Op::kWeight)
        weights[name] = drawn(node.type(), generator,
                              1 / std::sqrt(static_cast<double>(node.type().shape.back().extent())));
      if (node.op() == Op::kState) states[name] = Tensor::zeros(node.type());
    }
  }
  static Tensor drawn(const Type& type, std::mt19937& generator, double sigma) {
    std::normal_distribution<double> normal(0, sigma);
    std::vector<double> values(type.elements());
    for (double& value : values)
      value = is_float(type.dtype) ? normal(generator) : static_cast<double>(generator() % 4);
    return Tensor::of(type, values);
  }

  std::shared_ptr<Plan> plan(const Card& card, bool library, Policy policy) const {
    LowerOptions options;
    options.target.card = card;
    options.target.library = library;
    options.select.policy = policy;
    return lower(model->build(dims), options);
  }

  Evaluation exact() const {
    return evaluate(*graph, [&](const Node& node) {
      const std::string name = node.attributes.string("name").str();
      return to_host(node.op() == Op::kInput    ? inputs.at(name)
                     : node.op() == Op::kWeight ? weights.at(name)
                                                : states.at(name));
    });
  }
  /// Relative L2 distance; of a wanted zero the absolute one.
  static double distance(const Tensor& got, const HostTensor& wanted) {
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < wanted.type.elements(); ++i) {
      difference += (got.at(i) - wanted.at(i)) * (got.at(i) - wanted.at(i));
      norm += wanted.at(i) * wanted.at(i);
    }
    return std::sqrt(norm > 0 ? difference / norm : difference);
  }
  /// The largest distance of an output.
  double error(const RunResult& result) const {
    const Evaluation wanted = exact();
    double worst = 0;
    for (size_t i = 0; i < wanted.outputs.size(); ++i)
      worst = std::max(worst, distance(result.outputs[i], wanted.outputs[i]));
    return worst;
  }
};

}  // namespace tenon::cuda

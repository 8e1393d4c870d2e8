// judge_test.cpp: what is held against a result, and what is not.
#include "runtime/judge.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ir/model.h"

namespace tenon {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::shared_ptr<const Graph> exponential() {
  Model model = Model::parse(std::make_shared<SourceFile>(
      SourceFile{"m.toml",
                 "tenon = 1\n[model]\nname = \"m\"\ndtype = \"f16\"\n[inputs]\nx = { shape = [3] }\n"
                 "[graph]\nbody = ['y = exp(x)']\noutputs = [\"y\"]\n"}));
  return model.build(model.bind({}, {}));
}

bool passes(std::initializer_list<double> y) {
  auto source = [](const Node&) {
    return HostTensor{{DType::kF16, {3}}, {0, 1, 12}, {}};  // exp(12) is beyond f16
  };
  return judge(*exponential(), source, Tensor::of({DType::kF16, {3}}, y))[0].passed();
}

TEST_CASE("an infinity is right where the declared type overflows, and nowhere else") {
  CHECK(passes({1, std::exp(1), kInfinity}));
  CHECK_FALSE(passes({1, std::exp(1), -kInfinity}));
  CHECK_FALSE(passes({1, std::exp(1), std::nan("")}));
  CHECK_FALSE(passes({1, kInfinity, kInfinity}));
  CHECK_FALSE(passes({1, 2.75, kInfinity}));  // the finite ones are judged as before
}

TEST_CASE("a sum that lies at a rounding boundary of a narrower type may go the other way, many may not") {
  Model model = Model::parse(std::make_shared<SourceFile>(
      SourceFile{"m.toml",
                 "tenon = 1\n[model]\nname = \"m\"\ndtype = \"f32\"\n[inputs]\nx = { shape = [4096, 64] }\n"
                 "[graph]\nbody = ['y = cast(cast(sum(x, axis=-1), dtype=\"bf16\"), "
                 "dtype=\"f32\")']\noutputs = [\"y\"]\n"}));
  auto graph = model.build(model.bind({}, {}));
  auto source = [](const Node& node) {
    HostTensor x = HostTensor::zeros(node.type());
    for (double& element : x.reals) element = 1 / 64.0;
    return x;
  };
  auto passes = [&](int flipped) {
    std::vector<double> y(4096, 1.0);
    for (int i = 0; i < flipped; ++i) y[i] = 1 + 1 / 128.0;  // the next bf16
    return judge(*graph, source, Tensor::of({DType::kF32, {4096}}, y))[0].passed();
  };
  CHECK(passes(0));
  CHECK(passes(1));
  CHECK_FALSE(passes(64));
}

}  // namespace
}  // namespace tenon

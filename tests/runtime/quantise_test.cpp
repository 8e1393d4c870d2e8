// Floats become integers and scales; files of either are read; what is wrong is told by name.
#include "runtime/quantise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "ir/builder.h"
#include "ir/diagnostics.h"
#include "ir/model.h"
#include "runtime/binding.h"

using namespace tenon;

namespace {

const Node& dequantise_node(Graph& graph, DType integers, int64_t in, int64_t group,
                            DType scales = DType::kF32) {
  Builder builder(graph);
  const int64_t per_element = integers == DType::kU8 ? 2 : 1;
  Value* values = builder.source(Op::kWeight, "w", {integers, {1, in / per_element}});
  Value* scale = builder.source(Op::kWeight, "w.scale", {scales, {1, in / group}});
  return *builder.make(Op::kDequantise, {values, scale}, {{"group", group}})->node();
}

Model model() {
  return Model::parse(std::make_shared<SourceFile>(SourceFile{"m.toml", R"(tenon = 1
[model]
dtype = "f32"
[inputs]
x = { shape = [2, 4] }
[weights]
w = { shape = [1, 4], from = "file.w", quant = { scheme = "int4", group = 2 } }
v = { shape = [1, 4], quant = { scheme = "int8", group = 4 } }
[graph]
body = ['y = linear(x, w) + linear(x, v)']
outputs = ["y"]
)"}));
}

struct Given {
  GivenTensors tensors;
  std::vector<std::shared_ptr<std::vector<std::byte>>> memory;

  Given() { tensors.has_weights = true; }
  template <class T>
  void add(const std::string& name, FileType type, Extents shape, std::vector<T> values) {
    auto bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(T));
    std::memcpy(bytes->data(), values.data(), bytes->size());
    tensors.weights[name] = {name, "f.safetensors", type, std::move(shape), bytes->data(), bytes};
  }
};

std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.elements(); ++i) result.push_back(tensor.at(i));
  return result;
}

std::vector<std::string> problems(const Given& given) {
  auto built = model().build(model().bind({}, {}));
  std::vector<std::string> messages;
  try {
    bind_tensors(*built, given.tensors, 0, false);
  } catch (const Error& error) {
    for (const Diagnostic& diagnostic : error.diagnostics()) messages.push_back(diagnostic.message);
  }
  return messages;
}

using Numbers = std::vector<double>;

TEST_CASE("a group's largest magnitude is 7 or 127 steps, the rest is rounded to nearest even") {
  Graph graph;
  const Node& int4 = dequantise_node(graph, DType::kU8, 8, 4);
  QuantisedTensors q = quantise(int4, Tensor::of(int4.type(), {14, -3, 5, -14, 0, 0, 0, 0}));
  CHECK(numbers(q.scales) == Numbers{2, 0});
  CHECK(numbers(q.values) == Numbers{7 | 14 << 4, 2 | 9 << 4, 0, 0});  // -3/2 and 5/2 go to the even -2 and 2
  Graph other;
  const Node& int8 = dequantise_node(other, DType::kI8, 2, 2, DType::kBF16);
  q = quantise(int8, Tensor::of(int8.type(), {1, -0.5}));
  CHECK(q.scales.at(0) == round_to(DType::kBF16, 1.0 / 127));
  CHECK(numbers(q.values) == Numbers{127, std::nearbyint(-0.5 / q.scales.at(0))});
  CHECK_THROWS_AS(quantise(int8, Tensor::of(int8.type(), {1, INFINITY})), Error);
}

TEST_CASE("integers with scales are taken as they are, floats are quantised and the run says so") {
  Given given;
  given.add<uint8_t>("file.w", FileType::kU8, {1, 2}, {0x21, 0xf8});
  given.add<float>("file.w.scale", FileType::kF32, {1, 2}, {0.5f, 2});
  given.add<float>("v", FileType::kF32, {1, 4}, {127, -2, 3, 0});
  auto built = model().build(model().bind({}, {}));
  Binding binding = bind_tensors(*built, given.tensors, 0, false);
  CHECK(numbers(binding.weights.at("w")) == Numbers{0x21, 0xf8});
  CHECK(numbers(binding.weights.at("w.scale")) == Numbers{0.5, 2});
  CHECK(numbers(binding.weights.at("v")) == Numbers{127, -2, 3, 0});
  CHECK(numbers(binding.weights.at("v.scale")) == Numbers{1});
  CHECK(llvm::is_contained(binding.notes, "quantised when loaded: v"));
}

TEST_CASE("wrong scales and integers are errors that name the tensor, all of them") {
  Given given;
  given.add<uint8_t>("file.w", FileType::kU8, {1, 2}, {0, 0});
  given.add<float>("file.w.scale", FileType::kF32, {1, 2}, {1, INFINITY});
  given.add<uint8_t>("v", FileType::kU8, {1, 4}, {0, 0, 0, 0});
  CHECK(problems(given) ==
        std::vector<std::string>{
            "'w.scale': scale 1 is not finite",
            "f.safetensors: tensor 'v' is u8[1, 4], the model declares i8[1, 4]: these types do not convert",
            "weight 'v.scale' (f32[1, 1]) is missing"});
  Given more;
  more.add<float>("file.w", FileType::kF32, {1, 4}, {0, NAN, 0, 0});
  more.add<int8_t>("v", FileType::kI8, {1, 4}, {0, 0, 0, 0});
  more.add<int8_t>("v.scale", FileType::kI8, {1, 1}, {1});
  CHECK(problems(more) ==
        std::vector<std::string>{
            "weight 'file.w': it holds values that are not finite, so it cannot be quantised",
            "f.safetensors: tensor 'v.scale' is i8[1, 1], the model declares f32[1, 1]: these types do not "
            "convert"});
}

}  // namespace

#include "runtime/session.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "ir/model.h"
#include "runtime/safetensors.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

using test::TemporaryFolder;

const char kModel[] = R"(tenon = 1
[model]
name = "m"
dtype = "f32"
[dims]
T = "1..8"
[inputs]
x = { shape = ["T", 4] }
ids = { shape = ["T"], dtype = "i32" }
[weights]
w = { shape = [4, 3], from = "net.w" }
b = { shape = [3] }
table = { shape = [5, 3], dtype = "bf16" }
[graph]
body = ['y = x @ w + b + cast(embedding(table, ids), dtype="f32")']
outputs = ["y"]
)";

std::shared_ptr<const Graph> graph_of(const char* text, const DimBinding& dims) {
  Model model = Model::parse(std::make_shared<SourceFile>(SourceFile{"m.toml", text}));
  return model.build(model.bind(dims, {}));
}

TEST_CASE("files are bound by name, converted where they must be, and the run says so") {
  TemporaryFolder folder;
  write_safetensors(folder.file("w.safetensors"), {{"net.w", Tensor::zeros({DType::kF32, {4, 3}})},
                                                   {"b", Tensor::of({DType::kBF16, {3}}, {1, 2, 3})},
                                                   {"table", Tensor::zeros({DType::kBF16, {5, 3}})},
                                                   {"unused", Tensor::zeros({DType::kBF16, {1}})}});
  write_safetensors(folder.file("in.safetensors"), {{"ids", Tensor::of({DType::kI64, {2}}, {4, 0})}});
  GivenTensors given = open_tensors({{folder.file("w.safetensors")}, {}, folder.file("in.safetensors"), ""});
  CHECK(given.input_extents().at("ids") == Extents{2});
  auto graph = graph_of(kModel, {{"T", 2}});
  Binding binding = bind_tensors(*graph, given, 7, false);
  CHECK(binding.notes ==
        std::vector<std::string>{"inputs drawn from seed 7: x",
                                 "converted to the declared type: ids (i64 to i32), b (bf16 to f32)"});
  Session session(graph, binding, make_device("cpu"), nullptr);
  Tensor y = session.run().outputs[0];
  CHECK(y.type().text() == "f32[T, 3]");
  for (int i = 0; i < 6; ++i) CHECK(y.at(i) == i % 3 + 1);
  CHECK_THROWS_WITH_AS(bind_tensors(*graph, given, 7, true),
                       doctest::Contains("input 'x' (f32[T, 4]) is missing"), Error);
}

TEST_CASE("all missing and misshapen weights in one error; unknown names with the nearest") {
  TemporaryFolder folder;
  auto graph = graph_of(kModel, {{"T", 2}});
  write_safetensors(folder.file("w.safetensors"), {{"b", Tensor::zeros({DType::kF32, {4}})}});
  write_safetensors(folder.file("in.safetensors"), {{"idz", Tensor::zeros({DType::kI32, {2}})}});
  GivenTensors given = open_tensors({{folder.file("w.safetensors")}, {}, folder.file("in.safetensors"), ""});
  std::string message;
  try {
    bind_tensors(*graph, given, 0, false);
  } catch (const Error& error) {
    message = error.what();
    CHECK(error.status() == Status::kBadInput);
    CHECK(error.diagnostics().size() == 4);
  }
  for (const char* part :
       {"the model has no input 'idz'", "did you mean 'ids'?", "weight 'net.w' (f32[4, 3]) is missing",
        "tensor 'b' is f32[4], the model declares f32[3]", "weight 'table' (bf16[5, 3]) is missing"})
    CHECK_MESSAGE(message.find(part) != std::string::npos, part, " in ", message);
  CHECK_THROWS_WITH_AS(
      open_tensors({{folder.file("w.safetensors"), folder.file("w.safetensors")}, {}, "", ""}),
      doctest::Contains("'b' is given twice"), Error);
}

TEST_CASE("a check passes a right result and fails a wrong one") {
  auto graph = graph_of(kModel, {{"T", 5}});
  Session session(graph, bind_tensors(*graph, {}, 0, false), make_device("cpu"), nullptr);
  CHECK(session.binding().notes.size() == 2);
  RunResult result = session.run();
  std::vector<OutputCheck> checks = check_outputs(session, result);
  REQUIRE(checks.size() == 1);
  CHECK(checks[0].passed());
  CHECK(checks[0].error < 1e-6);
  CHECK(checks[0].tolerance < 1e-4);
  Tensor wrong = result.outputs[0].copy();
  reinterpret_cast<float*>(wrong.mutable_data())[3] += 0.01f;
  result.outputs[0] = wrong;
  CHECK(!check_outputs(session, result)[0].passed());
  reinterpret_cast<float*>(wrong.mutable_data())[3] = NAN;
  CHECK(!check_outputs(session, result)[0].passed());
}

const char kCached[] = R"(tenon = 1
[model]
name = "m"
dtype = "bf16"
[dims]
T = "1..8"
[inputs]
x = { shape = [1, 2, "T", 4] }
position = { shape = [], dtype = "i32" }
[block.layer]
args = ["x"]
returns = ["x"]
body = ['k, v = cache(k_cache, v_cache, x, x, position)', 'x = attention(x, k, v, causal=true, offset=position)']
[block.layer.state]
k_cache = { shape = [1, 2, 8, 4] }
v_cache = { shape = [1, 2, 8, 4] }
[graph]
body = ['y = repeat(layer, 2, x)']
outputs = ["y"]
)";

TEST_CASE(
    "states: zeros at first, named by repetition, from a file that must hold all; decoding equals prefill") {
  TemporaryFolder folder;
  auto whole = graph_of(kCached, {{"T", 3}}), step = graph_of(kCached, {{"T", 1}});
  Binding binding = bind_tensors(*whole, {}, 0, false);
  CHECK(binding.state.size() == 4);
  CHECK(binding.state.count("layer.1.v_cache") == 1);
  Session prefill(whole, binding, make_device("cpu"), nullptr);
  Tensor expected = prefill.run().outputs[0];

  TensorMap state = bind_tensors(*step, {}, 0, false).state;
  for (int t = 0; t < 3; ++t) {
    Binding one;
    std::vector<double> column;
    for (int row = 0; row < 2; ++row)
      for (int d = 0; d < 4; ++d) column.push_back(binding.inputs.at("x").at((row * 3 + t) * 4 + d));
    one.inputs = {{"x", Tensor::of({DType::kBF16, {1, 2, 1, 4}}, column)},
                  {"position", Tensor::of({DType::kI32, {}}, {static_cast<double>(t)})}};
    one.state = state;
    Session decode(step, one, make_device("cpu"), nullptr);
    Tensor y = decode.run().outputs[0];
    for (int row = 0; row < 2; ++row)
      for (int d = 0; d < 4; ++d)
        CHECK(y.at(row * 4 + d) == doctest::Approx(expected.at((row * 3 + t) * 4 + d)).epsilon(0.01));
    state = decode.state();
  }
  std::vector<std::pair<std::string, Tensor>> saved(state.begin(), state.end());
  write_safetensors(folder.file("s.safetensors"), saved);
  GivenTensors given = open_tensors({{}, {}, "", folder.file("s.safetensors")});
  CHECK(bind_tensors(*whole, given, 0, false).state.at("layer.0.k_cache").at(4) ==
        state.at("layer.0.k_cache").at(4));
  saved.pop_back();
  saved.emplace_back("layer.2.k_cache", Tensor::zeros({DType::kBF16, {1}}));
  write_safetensors(folder.file("s.safetensors"), saved);
  given = open_tensors({{}, {}, "", folder.file("s.safetensors")});
  CHECK_THROWS_WITH_AS(bind_tensors(*whole, given, 0, false),
                       doctest::Contains("--state-in needs all states"), Error);
  CHECK_THROWS_WITH_AS(bind_tensors(*whole, given, 0, false), doctest::Contains("no state 'layer.2.k_cache'"),
                       Error);
}

TEST_CASE("devices by name") {
  CHECK(make_device("cpu")->description().find("cpu (") == 0);
  for (const char* name : {"", "cpu:0", "gpu", "cuda:x", "cuda:-1", "auto:1", "emulator:sm_1", "emulator:"}) {
    CAPTURE(name);
    try {
      make_device(name);
      CHECK(false);
    } catch (const Error& error) {
      CHECK(error.status() == Status::kBadInput);
    }
  }
}

}  // namespace
}  // namespace tenon

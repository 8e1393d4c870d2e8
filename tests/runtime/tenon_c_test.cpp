// The C interface on the cpu device: models in code and as text, binding, other dims, states, and every kind
// of error.
#include "runtime/tenon_c.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/cuda/library_search.h"

namespace {

using ModelHandle = std::unique_ptr<tenon_model, void (*)(tenon_model*)>;
using ProgramHandle = std::unique_ptr<tenon_program, void (*)(tenon_program*)>;

void done(tenon_status status) {
  INFO(tenon_last_error());
  REQUIRE(status == TENON_DONE);
}

// y = x @ w and the sum of y as an integer; w is given.
ModelHandle make_model(const std::vector<float>& weight) {
  tenon_model* model = nullptr;
  done(tenon_model_create("affine", "f32", &model));
  ModelHandle handle(model, tenon_model_free);
  done(tenon_model_dim(model, "T", 1, 8));
  done(tenon_model_input(model, "x", "T, 2", nullptr));
  done(tenon_model_weight(model, "w", "2, 3", nullptr));
  done(tenon_model_equation(model, "y = x @ w"));
  done(tenon_model_equation(model, "n = cast(sum(y, axis=none), dtype=\"i64\")"));
  done(tenon_model_output(model, "y"));
  done(tenon_model_output(model, "n"));
  done(tenon_model_give_weight(model, "w", weight.data(), weight.size() * sizeof(float)));
  return handle;
}

ProgramHandle compile(const tenon_model* model, int64_t rows, const char* device = "cpu") {
  const tenon_dim dim = {"T", rows};
  tenon_options options = {};
  options.device = device;
  options.dims = &dim;
  options.dim_count = 1;
  tenon_program* program = nullptr;
  done(tenon_compile(model, &options, &program));
  return {program, tenon_program_free};
}

bool said(const std::string& words) {
  return std::string(tenon_last_error()).find(words) != std::string::npos;
}

const std::vector<float> kWeight = {1, 2, 3, 4, 5, 6};

}  // namespace

namespace {

void run_for_several_values_of_a_dim(const char* device, const std::string& description) {
  const ModelHandle model = make_model(kWeight);
  const ProgramHandle program = compile(model.get(), 2, device);
  CHECK(std::string(tenon_program_device(program.get())).substr(0, description.size()) == description);
  for (const int64_t rows : {2, 3}) {
    const tenon_dim dim = {"T", rows};
    done(tenon_rebind_dims(program.get(), &dim, 1));
    REQUIRE(tenon_input_count(program.get()) == 1);
    REQUIRE(tenon_output_count(program.get()) == 2);
    CHECK(tenon_state_count(program.get()) == 0);
    tenon_tensor x, n;
    done(tenon_input(program.get(), 0, &x));
    CHECK(std::string(x.name) == "x");
    CHECK(std::string(x.dtype) == "f32");
    REQUIRE(x.rank == 2);
    CHECK(x.extents[0] == rows);
    CHECK(x.extents[1] == 2);
    CHECK(x.bytes == static_cast<size_t>(rows) * 8);
    done(tenon_output(program.get(), 1, &n));
    CHECK(std::string(n.dtype) == "i64");
    CHECK(n.rank == 0);

    std::vector<float> input(rows * 2, 1), output(rows * 3);
    int64_t sum = 0;
    done(tenon_bind_input(program.get(), "x", input.data()));
    done(tenon_bind_output(program.get(), "y", output.data()));
    done(tenon_bind_output(program.get(), "n", &sum));
    done(tenon_prepare(program.get()));
    done(tenon_run(program.get()));
    for (int64_t row = 0; row < rows; ++row)
      CHECK(std::vector<float>(&output[row * 3], &output[row * 3] + 3) == std::vector<float>{5, 7, 9});
    CHECK(sum == 21 * rows);
    input[0] = 2;
    done(tenon_enqueue(program.get(), nullptr));
    CHECK(std::vector<float>(&output[0], &output[0] + 3) == std::vector<float>{6, 9, 12});
  }
}

}  // namespace

TEST_CASE("a model in code runs on bound memory, for several values of a dim") {
  run_for_several_values_of_a_dim("cpu", "cpu (");
}

TEST_CASE("emulator: the C interface takes host memory") {
  if (!tenon::cuda::find_nvrtc().library) {
    MESSAGE("SKIPPED: NVRTC is not installed");
    return;
  }
  run_for_several_values_of_a_dim("emulator:sm_80", "emulator (sm_80)");
  const ModelHandle model = make_model(kWeight);
  const ProgramHandle program = compile(model.get(), 1, "emulator:sm_80");
  std::vector<float> x(2), y(3);
  int64_t n = 0;
  done(tenon_bind_input(program.get(), "x", x.data()));
  done(tenon_bind_output(program.get(), "y", y.data()));
  done(tenon_bind_output(program.get(), "n", &n));
  CHECK(tenon_enqueue(program.get(), &n) == TENON_BAD_INPUT);
  CHECK(said("emulator (sm_80) has no streams"));
}

TEST_CASE("states live from run to run, and can be read and written") {
  tenon_model* parsed = nullptr;
  done(
      tenon_model_parse("tenon = 1\n[model]\nname = \"m\"\ndtype = \"f32\"\n[inputs]\n"
                        "x = { shape = [1, 1, 1, 2] }\np = { shape = [], dtype = \"i32\" }\n[state]\n"
                        "a = { shape = [1, 1, 2, 2] }\nb = { shape = [1, 1, 2, 2] }\n[graph]\n"
                        "body = [\"k, v = cache(a, b, x, x, p)\", \"y = sum(k, axis=2) + sum(v, "
                        "axis=2)\"]\noutputs = [\"y\"]\n",
                        "m.toml", &parsed));
  const ModelHandle model(parsed, tenon_model_free);
  tenon_options options = {};
  options.device = "cpu";
  tenon_program* made = nullptr;
  done(tenon_compile(model.get(), &options, &made));
  const ProgramHandle program(made, tenon_program_free);
  REQUIRE(tenon_state_count(made) == 2);
  float x[2] = {1, 2}, y[2] = {};
  int32_t position = 0;
  done(tenon_bind_input(made, "x", x));
  done(tenon_bind_input(made, "p", &position));
  done(tenon_bind_output(made, "y", y));
  done(tenon_run(made));
  CHECK(y[1] == 4);
  position = 1;
  done(tenon_run(made));
  CHECK(y[1] == 8);
  std::vector<float> state(4);
  done(tenon_read_state(made, "a", state.data(), 16));
  CHECK(state == std::vector<float>{1, 2, 1, 2});
  state = {10, 10, 0, 0};
  done(tenon_write_state(made, "a", state.data(), 16));
  done(tenon_run(made));
  CHECK(y[0] == 10 + 1 + 1 + 1);

  position = 2;
  CHECK(tenon_run(made) == TENON_BAD_INPUT);
  CHECK(tenon_read_state(made, "a", state.data(), 8) == TENON_BAD_INPUT);
  CHECK(said("the state 'a' has 16 bytes, not 8"));
  CHECK(tenon_write_state(made, "c", state.data(), 16) == TENON_BAD_INPUT);
  CHECK(said("the model has no state 'c'"));
}

TEST_CASE("errors are statuses with words") {
  tenon_model* model = nullptr;
  CHECK(tenon_model_read("/nonexistent/m.toml", &model) == TENON_BAD_INPUT);
  CHECK(said("/nonexistent/m.toml"));
  CHECK(tenon_model_parse("tenon = 1\n[model", "broken.toml", &model) == TENON_BAD_INPUT);
  CHECK(said("broken.toml:2"));
  CHECK(tenon_model_parse(nullptr, "m", &model) == TENON_BAD_INPUT);
  CHECK(said("the text is null"));
  CHECK(model == nullptr);

  const ModelHandle good = make_model(kWeight);
  tenon_program* program = nullptr;
  tenon_options options = {};
  options.device = "tpu";
  CHECK(tenon_compile(good.get(), &options, &program) == TENON_BAD_INPUT);
  CHECK(said("no device 'tpu'"));
  options.device = "cpu";
  options.policy = "best";
  CHECK(tenon_compile(good.get(), &options, &program) == TENON_BAD_INPUT);
  CHECK(said("no policy 'best'"));
  options.policy = "fused";
  const tenon_dim wrong = {"U", 3};
  options.dims = &wrong;
  options.dim_count = 1;
  CHECK(tenon_compile(good.get(), &options, &program) == TENON_BAD_INPUT);
  CHECK(said("U"));
  CHECK(program == nullptr);

  done(tenon_model_equation(good.get(), "z = gelo(y)"));
  CHECK(tenon_compile(good.get(), nullptr, &program) == TENON_BAD_INPUT);
  CHECK(said("gelo"));
}

TEST_CASE("weights that are missing or do not fit are listed together") {
  tenon_model* model = nullptr;
  done(tenon_model_create("m", "f32", &model));
  const ModelHandle handle(model, tenon_model_free);
  done(tenon_model_weight(model, "a", "2", nullptr));
  done(tenon_model_weight(model, "b", "2", nullptr));
  done(tenon_model_equation(model, "y = a + b"));
  done(tenon_model_output(model, "y"));
  done(tenon_model_give_weight(model, "b", kWeight.data(), 12));
  tenon_program* program = nullptr;
  tenon_options options = {};
  options.device = "cpu";
  CHECK(tenon_compile(model, &options, &program) == TENON_BAD_INPUT);
  CHECK(said("the weight 'a': nothing gives it"));
  CHECK(said("the weight 'b': it was given 12 bytes and is f32[2]: 8"));
}

TEST_CASE("runs need all inputs and outputs") {
  const ModelHandle model = make_model(kWeight);
  const ProgramHandle program = compile(model.get(), 1);
  std::vector<float> x(2), y(3);
  CHECK(tenon_run(program.get()) == TENON_BAD_INPUT);
  CHECK(said("the input 'x' is not bound"));
  done(tenon_bind_input(program.get(), "x", x.data()));
  done(tenon_bind_output(program.get(), "y", y.data()));
  CHECK(tenon_enqueue(program.get(), nullptr) == TENON_BAD_INPUT);
  CHECK(said("the output 'n' is not bound"));
  CHECK(tenon_bind_input(program.get(), "xx", x.data()) == TENON_BAD_INPUT);
  CHECK(said("did you mean 'x'?"));
  tenon_tensor tensor;
  CHECK(tenon_output(program.get(), 2, &tensor) == TENON_BAD_INPUT);
  CHECK(said("there is no tensor number 2"));
}

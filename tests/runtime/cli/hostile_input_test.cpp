// Files made to harm, and values that no run can take, given to the program: it says which tensor and why, writes nothing, and
// takes little time and memory; no name from a file reaches a path, a shell or generated source.
#include <doctest/doctest.h>

#include <set>

#include "ir/json.h"
#include "runtime/cuda/library_search.h"
#include "runtime/safetensors.h"
#include "tests/runtime/cli/program.h"

namespace tenon {
namespace {

using test::Outcome, test::TemporaryFolder, test::run_program;

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("no \"", part, "\" in: ", text.substr(0, 2000));
  return found;
}

bool have_nvrtc() {
  if (cuda::find_nvrtc().library) return true;
  MESSAGE("SKIPPED: NVRTC is not installed");
  return false;
}

bool is_plain(const std::string& text) {
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) return false;
  return true;
}

std::string many(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

/// `text` with each # as its number.
std::string numbered(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i)
    for (const char c : text) result += c == '#' ? std::to_string(i) : std::string(1, c);
  return result;
}

const char kHead[] = "tenon = 1\n[model]\nname = \"m\"\ndtype = \"f32\"\n";

// --- Names

/// What may follow a quote that is not escaped, in C, in a shell and in a path.
const char kName[] = R"(a'b`touch pwned`$(touch pwned);*/ %s%n ??/ ../../x <b> é)";

std::string hostile_model() {
  const std::string name = std::string("\"\\\"") + kName + "\"";
  return "tenon = 1\n[model]\nname = " + name +
         "\ndtype = \"f16\"\n[dims]\nTENON_DEVICE = \"1..8\"\nRow = 64\n[inputs]\nwalk_rows = { shape = "
         "[\"TENON_DEVICE\", \"Row\"] }\n[weights]\n__global__ = { shape = [\"Row\", \"Row\"], from = " +
         name + " }\n[graph]\nbody = ['h = gelu(walk_rows @ __global__)', 'h = softmax(h)']\noutputs = { " +
         name + " = { from = \"h\" }, \"../up\" = { from = \"h\" }, \"/abs\" = { from = \"h\" } }\n";
}

TEST_CASE("names of a model and of its file reach no path, no shell and no generated source") {
  const TemporaryFolder folder;
  const std::string file = "m\"\n#include \"x\" \\.toml";
  folder.write(file, hostile_model());
  const std::string model = test::quoted(file) + " --target a100 --policy fused -q ";
  const Outcome sources = run_program(folder, "inspect --kernels " + model);
  CHECK(sources.status == 0);
  CHECK(is_plain(sources.out));
  CHECK(sources.out.find("\n#include \"x\"") == std::string::npos);
  CHECK(sources.out.find("pwned") == std::string::npos);
  const Outcome plan = run_program(folder, "inspect --json - " + model);
  CHECK(*json::parse(plan.out)["model"].string() == std::string("\"") + kName);
  if (!have_nvrtc()) return;
  const Outcome compiled = run_program(folder, "compile -o out " + model);
  CHECK(compiled.err.substr(0, 2000) == "");
  CHECK(compiled.status == 0);
  std::set<std::string> top;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path))
    top.insert(entry.path().filename());
  CHECK(top == std::set<std::string>{file, "out"});
  int kernels = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path / "out")) {
    const std::string name = entry.path().filename(), stem = name.substr(0, name.find('.'));
    CAPTURE(name);
    CHECK(stem.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
          std::string::npos);
    kernels += name.find(".cubin") != std::string::npos;
  }
  CHECK(kernels >= 2);
}

TEST_CASE("outputs keep their names, and a run's files lie where it was told") {
  const TemporaryFolder folder;
  folder.write("m.toml", hostile_model());
  const Outcome run = run_program(folder, "run m.toml --device cpu -q --outputs y.safetensors");
  CHECK(run.status == 0);
  CHECK(is_plain(run.out));
  const FileTensors outputs = read_safetensors(folder.file("y.safetensors"));
  CHECK(outputs.size() == 3);
  CHECK(outputs.count(std::string("\"") + kName));
  CHECK(outputs.count("../up"));
  std::set<std::string> top;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path))
    top.insert(entry.path().filename());
  CHECK(top == std::set<std::string>{"m.toml", "y.safetensors"});
}

// --- Files

// Under AddressSanitizer, forty times slower, all that is long is an eighth as long: it looks for other things than time.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENON_SANITIZED
#endif
#endif
#if defined(TENON_SANITIZED) || defined(__SANITIZE_ADDRESS__)
constexpr int kShorter = 8;
#else
constexpr int kShorter = 1;
#endif

TEST_CASE("files made to take time or memory are refused or read within bounds") {
  struct Case {
    std::string name, bytes, arguments, message;  // no message: it is read
  };
  const std::string ids = "[inputs]\nx = { shape = [2] }\n",
                    graph = "[graph]\noutputs = ['y']\nbody = ['y = ";
  const std::string model = kHead + ids + graph + "relu(x)']\n";
  const std::string entry = R"("k#":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)";
  std::string keys = "{" + numbered(entry, 1000000 / kShorter);
  keys.back() = '}';
  std::string map =
      "{\"weight_map\":{" + numbered(R"("k#":"m.safetensors",)", 1000000 / kShorter) + "\"x\":\"..\"}}";
  const std::string run = "run m.toml --device cpu -q ";
  const Case cases[] = {
      {"keys.safetensors", test::safetensors_bytes(keys, ""), run + "--weights keys.safetensors", ""},
      {"many.safetensors.index.json", map, run + "--weights many.safetensors.index.json",
       "is not in m.safetensors"},
      {"deep.safetensors", test::safetensors_bytes(many("{\"a\":", 1000000 / kShorter), ""),
       run + "--inputs deep.safetensors", "nested too deeply"},
      {"axes.safetensors",
       test::safetensors_bytes(R"({"x":{"dtype":"F32","shape":[)" + many("1,", 1000000 / kShorter) +
                                   R"(1],"data_offsets":[0,4]}})",
                               "1234"),
       run + "--inputs axes.safetensors", "more than 64 axes"},
      {"axes.npy",
       test::npy_bytes(
           "{'descr': '<f4', 'fortran_order': False, 'shape': (" + many("1,", 1000000 / kShorter) + ")}",
           "1234", 2),
       run + "--input x=axes.npy", "more than 64 axes"},
      {"code.npy",
       test::npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os').abort(),)}", ""),
       run + "--input x=code.npy", "an extent is no number"},
      {"header.npy", std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff{", 13), run + "--input x=header.npy",
       "truncated in its header"},
      {"huge.npy",
       test::npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2305843009213693952,)}", ""),
       run + "--input x=huge.npy", "too large"},
      {"keys.toml", "tenon = 1\n" + numbered("k# = 1\n", 300000 / kShorter), "inspect keys.toml",
       "more errors"},
      {"dims.toml",
       std::string(kHead) + "[dims]\n" + numbered("D# = 1\n", 300000 / kShorter) + ids + graph +
           "relu(x)']\n",
       "inspect dims.toml -q", ""},
      {"deep.toml", "tenon = 1\nx = " + many("[", 100000 / kShorter), "inspect deep.toml", "not TOML"},
      {"tables.toml", "tenon = 1\nx = " + many("{a=", 100000 / kShorter), "inspect tables.toml", "not TOML"},
      {"headers.toml", "tenon = 1\n" + numbered("[a#]\n", 300000 / kShorter), "inspect headers.toml",
       "more errors"},
      {"long.toml", kHead + ids + graph + "x" + many(" + x", 250000 / kShorter) + "']\n", "inspect long.toml",
       "nests more than 200 deep"},
      {"wide.toml", kHead + ids + graph + "maximum(x" + many(", x", 100000 / kShorter) + ")']\n",
       "inspect wide.toml -q", ""},
      {"concat.toml", kHead + ids + graph + "concat(x" + many(", x", 30000) + ", axis=0)']\n",
       "inspect concat.toml -q", ""},
      {"split.toml",
       kHead + std::string("[inputs]\nx = { shape = [60000] }\n[graph]\noutputs = ['y']\nbody = ['") +
           numbered("p#, ", 59999) + "y = split(x, parts=60000, axis=0)']\n",
       "inspect split.toml -q", ""},
      {"chain.toml", kHead + ids + graph + "x + x'" + many(", 'y = y * y + x'", 60000 / kShorter) + "]\n",
       "inspect chain.toml -q", ""},
      {"fan.toml",
       kHead + ids + graph + "x'" + numbered(", 'a# = x * #.5', 'y = y + a#'", 8000 / kShorter) + "]\n",
       "inspect fan.toml -q", ""},
      {"doubling.toml",
       kHead + ids + "[weights]\nw = { shape = [2] }\n[graph]\noutputs = ['y']\nbody = [" +
           many("'w = w + w', ", 60) + "'y = x * w']\n",
       "inspect doubling.toml -q", ""},
      {"weights.toml",
       kHead + ids + "[weights]\nw = { shape = [2] }\n[graph]\noutputs = ['y']\nbody = [" +
           many("'w = w * w', ", 20000 / kShorter) + "'y = x * w']\n",
       "inspect weights.toml -q", ""},
      {"errors.toml", kHead + ids + graph + "x'" + many(",\n'y = nope%s(zz)'", 50000 / kShorter) + "]\n",
       "inspect errors.toml", "more errors"},
      {"minus.toml", kHead + ids + graph + many("-", 1000000 / kShorter) + "x']\n", "inspect minus.toml",
       "nests more than 200 deep"},
      {"name.toml", kHead + ids + graph + "relu(" + many("x", 1000000 / kShorter) + ")']\n",
       "inspect name.toml", "unknown name"},
      {"large.toml", std::string(4 << 20, '\n') + model, "inspect large.toml", "larger than 4 MB"},
  };
  const TemporaryFolder folder;
  folder.write("m.toml", model);
  write_safetensors(folder.file("m.safetensors"), {});
  for (const Case& c : cases) {
    folder.write(c.name, c.bytes);
    CAPTURE(c.arguments);
    const Outcome outcome = run_program(folder, c.arguments, 1500);
    CHECK(outcome.status == (c.message.empty() ? 0 : 2));
    if (!c.message.empty()) CHECK(has(outcome.err, c.message));
    CHECK(is_plain(outcome.err));
  }
}

// --- Values

const char kCache[] = R"([dims]
T = "1..8"
[inputs]
x = { shape = [1, 1, "T", 64] }
position = { shape = [], dtype = "i32" }
[state]
k_cache = { shape = [1, 1, 8, 64] }
v_cache = { shape = [1, 1, 8, 64] }
[graph]
body = ['k, v = cache(k_cache, v_cache, x, x, position)', 'y = attention(x, k, v, causal=true, offset=position)']
outputs = ["y"]
)";

const char kPages[] = R"([dims]
T = "1..8"
[inputs]
x = { shape = [2, 1, "T", 64] }
table = { shape = [2, 2], dtype = "i32" }
position = { shape = [], dtype = "i32" }
[state]
k_pool = { shape = [4, 1, 16, 64] }
v_pool = { shape = [4, 1, 16, 64] }
[graph]
body = ['k, v = cache(k_pool, v_pool, x, x, position, pages=table)', 'y = attention(x, k, v, causal=true, offset=position)']
outputs = ["y"]
)";

const char kTables[] = R"([dims]
T = "1..8"
[inputs]
ids = { shape = ["T"], dtype = "i32" }
index = { shape = ["T"], dtype = "i32" }
[weights]
table = { shape = [10, 64] }
[graph]
body = ['y = embedding(table, ids)', 'z = gather(table, index, axis=0)']
outputs = ["y", "z"]
)";

using Tensors = std::vector<std::pair<std::string, Tensor>>;
Tensor zeros(std::initializer_list<Dim> shape) { return Tensor::zeros({DType::kF32, shape}); }
Tensor integers(llvm::ArrayRef<double> values) {
  return Tensor::of({DType::kI32, {static_cast<int64_t>(values.size())}}, values);
}
Tensor table(llvm::ArrayRef<double> pages) { return Tensor::of({DType::kI32, {2, 2}}, pages); }
Tensor position(double at) { return Tensor::of({DType::kI32, {}}, {at}); }

TEST_CASE("values that no run can take are errors that name the tensor, before anything is written") {
  struct Case {
    const char* model;
    Tensors inputs, state;
    std::vector<std::string> cpu;  ///< parts of the message on the cpu
    bool gpu_too = true;           ///< a GPU clamps indices
  };
  const Case cases[] = {
      {kCache,
       {{"x", zeros({1, 1, 3, 64})}, {"position", position(6)}},
       {},
       {"m.toml:14:17:",
        "3 tokens at position 6 do not fit the capacity of 8 of state 'k_cache' (input 'position')"}},
      {kCache,
       {{"x", zeros({1, 1, 3, 64})}, {"position", position(-1)}},
       {},
       {"at position -1", "'k_cache'"}},
      {kCache, {{"x", zeros({1, 1, 1, 64})}, {"position", position(2147483647)}}, {}, {"'k_cache'"}},
      {kCache,
       {{"x", zeros({1, 1, 9, 64})}, {"position", position(0)}},
       {},
       {"input 'x' makes dim T 9, outside 1..8"}},
      {kCache,
       {{"x", zeros({1, 1, 3, 64})}, {"position", position(0)}},
       {{"k_cache", zeros({1, 1, 8, 32})}, {"v_cache", zeros({1, 1, 7, 64})}},
       {"'k_cache' is f32[1, 1, 8, 32], the model declares f32[1, 1, 8, 64]",
        "'v_cache' is f32[1, 1, 7, 64]"}},
      {kCache,
       {{"x", zeros({1, 1, 3, 64})}, {"position", position(0)}},
       {{"k_cache", zeros({1, 1, 8, 64})}},
       {"state 'v_cache' (f32[1, 1, 8, 64]) is missing"}},
      {kPages,
       {{"x", zeros({2, 1, 3, 64})}, {"table", table({0, 1, 2, 4})}, {"position", position(0)}},
       {},
       {"m.toml:15:17:", "row 1 names page 4, state 'k_pool' has 4 (input 'table')"}},
      {kTables,
       {{"ids", integers({3, 10})}, {"index", integers({0, 1})}},
       {},
       {"m.toml:13:14:", "index 10 is outside an axis of 10 of weight 'table' (input 'ids')"},
       false},
      {kTables,
       {{"ids", integers({3, 1})}, {"index", integers({0, -11})}},
       {},
       {"index -11 is outside an axis of 10 of weight 'table' (input 'index')"},
       false},
      {kTables,
       {{"ids", integers({3, 1, 2})}, {"index", integers({0, 1})}},
       {},
       {"input 'index' has 2 along axis 0, the model says 3", "hint: the input 'ids' makes T 3"}},
  };
  const bool nvrtc = have_nvrtc();
  for (const Case& c : cases)
    for (const char* device : {"cpu", "emulator:sm_80"}) {
      const bool gpu = device[0] == 'e';
      if (gpu && !nvrtc) continue;
      const TemporaryFolder folder;
      folder.write("m.toml", kHead + std::string(c.model));
      write_safetensors(folder.file("in"), c.inputs);
      if (!c.state.empty()) write_safetensors(folder.file("state"), c.state);
      folder.write("y", "old");
      folder.write("after", "old");
      CAPTURE(c.cpu.back());
      CAPTURE(device);
      const Outcome outcome = run_program(
          folder, std::string("run m.toml -q --inputs in --outputs y --state-out after --device ") + device +
                      (c.state.empty() ? "" : " --state-in state"));
      const bool refused = !gpu || c.gpu_too;
      CHECK(outcome.status == (refused ? 2 : 0));
      for (const std::string& part : c.cpu) CHECK((!refused || has(outcome.err, part)));
      CHECK((test::text_of_file(folder.file("y")) == "old") == refused);
      CHECK((test::text_of_file(folder.file("after")) == "old") == refused);
    }
}

}  // namespace
}  // namespace tenon

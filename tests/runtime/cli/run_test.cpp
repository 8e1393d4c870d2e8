// `tenon run` from outside: exit statuses, what goes where, files.
#include <doctest/doctest.h>

#include <cstdio>
#include <sstream>

#include "ir/diagnostics.h"
#include "ir/json.h"
#include "runtime/safetensors.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

using test::TemporaryFolder;

struct Outcome {
  int status = 0;
  std::string out, err;
};

std::string text_of_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Outcome tenon(const TemporaryFolder& folder, const std::string& arguments) {
  std::string out = folder.file("stdout"), err = folder.file("stderr");
  int code = std::system((std::string(TENON_PROGRAM) + " " + arguments + " >" + out + " 2>" + err).c_str());
  return {WEXITSTATUS(code), text_of_file(out), text_of_file(err)};
}

const std::string kFfn = std::string(TENON_SOURCE_DIR) + "/examples/models/ffn.toml --device cpu ";

bool has(const std::string& text, const char* part) {
  bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("no \"", std::string(part), "\" in: ", text);
  return found;
}

TEST_CASE("a run says what it drew, prints its outputs, and passes its own check") {
  TemporaryFolder folder;
  Outcome run = tenon(folder, "run " + kFfn + "--dim T=3 --check");
  CHECK(run.status == 0);
  CHECK(has(run.out, "ffn  cpu ("));
  CHECK(has(run.out, "y  bf16[3, 1024]  mean "));
  CHECK(has(run.out, ": passed"));
  CHECK(has(run.err, "note: inputs drawn from seed 0: x"));
  CHECK(has(run.err, "note: weights drawn from seed 0 (normal, 1/sqrt(fan-in)): 4"));
  Outcome quiet = tenon(folder, "run " + kFfn + "--dim T=3 -q");
  CHECK(quiet.err.empty());
  Outcome defaulted = tenon(folder, "run " + kFfn);
  CHECK(has(defaulted.err, "T is not bound: T = 512"));
}

TEST_CASE("--json prints one document; --outputs writes what it describes") {
  TemporaryFolder folder;
  std::string file = folder.file("y.safetensors");
  Outcome run = tenon(folder, "run " + kFfn + "--dim T=3 --check --json - --outputs " + file);
  CHECK(run.status == 0);
  json::Value document = json::parse(run.out);
  CHECK(*document["model"].string() == "ffn");
  CHECK(document["dims"]["T"].integer() == 3);
  const json::Value& output = (*document["outputs"].array())[0];
  CHECK(*output["name"].string() == "y");
  CHECK(*output["dtype"].string() == "bf16");
  CHECK((*output["shape"].array())[0].integer() == 3);
  CHECK(*(*document["check"].array())[0]["verdict"].string() == "passed");
  FileTensors written = read_safetensors(file);
  Tensor y = to_declared(written.at("y"), {DType::kBF16, {3, 1024}}, nullptr);
  double squares = 0;
  for (int64_t i = 0; i < y.elements(); ++i) squares += y.at(i) * y.at(i);
  CHECK(*output["l2"].number() == doctest::Approx(std::sqrt(squares)));
  Outcome to_file = tenon(folder, "run " + kFfn + "--dim T=3 --json " + folder.file("r.json"));
  CHECK(to_file.out.empty());
  CHECK(*json::parse(text_of_file(folder.file("r.json")))["model"].string() == "ffn");
}

TEST_CASE("explain --over is one document with a plan for each class of sizes") {
  TemporaryFolder folder;
  Outcome outcome = tenon(folder, "explain " + kFfn + "--over T=1..4096 --policy fused --json -");
  CHECK(outcome.status == 0);
  json::Value document = json::parse(outcome.out);
  CHECK(*document["over"].string() == "T");
  const auto& classes = *document["classes"].array();
  REQUIRE(classes.size() > 1);
  int64_t next = 1;
  for (size_t i = 0; i < classes.size(); ++i) {
    CHECK(classes[i]["first"].integer() == next);
    CHECK(classes[i]["plan"]["dims"]["T"].integer() == next);
    CHECK(classes[i]["changes"].array()->empty() == (i == 0));
    next = *classes[i]["last"].integer() + 1;
  }
  CHECK(next == 4097);
}

TEST_CASE("means of nothing and of NaN are said as such") {
  TemporaryFolder folder;
  std::string model = folder.write("m.toml", R"(tenon = 1
[model]
name = "m"
dtype = "f32"
[inputs]
x = { shape = [0, 4] }
[graph]
body = ['y = mean(x, axis=0)', 'z = exp(x)']
outputs = ["y", "z"]
)");
  Outcome outcome = tenon(folder, "run " + model + " --device cpu --json -");
  json::Value document = json::parse(outcome.out);
  CHECK(std::holds_alternative<std::nullptr_t>((*document["outputs"].array())[0]["l2"].held));
  outcome = tenon(folder, "run " + model + " --device cpu");
  CHECK(has(outcome.out, "  y  f32[4]  mean nan  l2 nan\n"));
  CHECK(has(outcome.out, "  z  f32[0, 4]  mean nan  l2 0\n"));
}

TEST_CASE("inputs from npy and safetensors bind the dims") {
  TemporaryFolder folder;
  std::string npy =
      folder.write("x.npy", test::npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1024), }",
                                            std::string(2 * 1024 * 4, '\0')));
  Outcome run = tenon(folder, "run " + kFfn + "--input x=" + npy + " --outputs " + folder.file("a"));
  CHECK(run.status == 0);
  CHECK(has(run.err, "converted to the declared type: "));
  write_safetensors(folder.file("in"), {{"x", Tensor::zeros({DType::kBF16, {2, 1024}})}});
  CHECK(tenon(folder, "run " + kFfn + "--inputs " + folder.file("in") + " --outputs " + folder.file("b"))
            .status == 0);
  CHECK(text_of_file(folder.file("a")) == text_of_file(folder.file("b")));
}

TEST_CASE("bad usage and bad input exit 2, what is not there exits 3, and say why") {
  TemporaryFolder folder;
  struct Case {
    std::string arguments;
    int status;
    const char* message;
  };
  folder.write("bad.safetensors", "garbage");
  for (const Case& c :
       {Case{"run", 2, "MODEL is required"},
        {"run none.toml", 2, "none.toml"},
        {"run " + kFfn + "--dim Q=1", 2, "Q"},
        {"run " + kFfn + "--dim T", 2, "NAME=INTEGER"},
        {"run " + kFfn + "--policy best", 2, "no policy 'best'"},
        {"run " + kFfn + "--target h300", 2, "h300"},
        {"run " + kFfn + "--device gpu", 2, "no device 'gpu'"},
        {"run " + kFfn + "--input x", 2, "NAME=F.npy"},
        {"run " + kFfn + "--inputs nothing", 2, "No such file"},
        {"run " + kFfn + "--weights " + folder.file("bad.safetensors"), 2, "bad.safetensors"},
        {"run " + kFfn + "--strict --dim T=1", 2, "weight 'w2' (bf16[4096, 1024]) is missing"},
        {"run " + kFfn + "--dim T=1 --outputs /no/such/folder/y", 2, "/no/such/folder/y"},
        {"run " + kFfn + "--no-such-flag", 2, "--no-such-flag"},
        {"run " + kFfn + "--locked", 3, "not there yet"},
        {"run " + kFfn + "--device emulator:sm_75", 2, "it knows sm_80, sm_89, sm_90a, sm_100a, sm_120"},
        {"tune x.toml", 3, "not there yet"},
        {"run " + kFfn + "--no-such-flag", 2, "error: The following argument was not expected"},
        {"check " + kFfn, 3, "error: cpu ("},
        {"inspect " + kFfn + "--device gpu", 2, "no device 'gpu'"},
        {"compile " + kFfn + "--device emulator:h200 -o " + folder.file("kernels"), 2,
         "no architecture 'h200'"},
        {"check --meter " + kFfn, 3, "--device emulator"},
        {"explain " + kFfn + "--over T=4..1", 2, "--over takes NAME=FIRST..LAST"},
        {"explain " + kFfn + "--dim T=1 mlp.outt", 2, "did you mean 'mlp.out'?"},
        {"bensch", 2, "did you mean 'bench'?"}}) {
    CAPTURE(c.arguments);
    // A second --device wins nothing: the flag is given once.
    std::string arguments = c.arguments;
    if (arguments.find("--device gpu") != std::string::npos ||
        arguments.find("--device emulator") != std::string::npos)
      arguments.erase(arguments.find("--device cpu "), 13);
    Outcome outcome = tenon(folder, arguments);
    CHECK(outcome.status == c.status);
    CHECK(has(outcome.err, c.message));
    CHECK(outcome.out.empty());
  }
  CHECK(tenon(folder, "--version").out.find("tenon ") == 0);
  CHECK(has(tenon(folder, "run --help").out, "--state-in"));
}

TEST_CASE("--state-out of one run is --state-in of the next") {
  TemporaryFolder folder;
  std::string model = folder.write("m.toml", R"(tenon = 1
[model]
name = "m"
dtype = "f32"
[inputs]
x = { shape = [1, 1, 1, 2] }
position = { shape = [], dtype = "i32" }
[state]
k = { shape = [1, 1, 3, 2] }
v = { shape = [1, 1, 3, 2] }
[graph]
body = ['a, b = cache(k, v, x, x, position)', 'y = sum(a, axis=none)']
outputs = ["y"]
)");
  auto run = [&](double value, double position, const std::string& flags) {
    write_safetensors(folder.file("in"), {{"x", Tensor::of({DType::kF32, {1, 1, 1, 2}}, {value, value})},
                                          {"position", Tensor::of({DType::kI32, {}}, {position})}});
    return tenon(folder, "run " + model + " --device cpu --inputs " + folder.file("in") + " --outputs " +
                             folder.file("y") + " " + flags);
  };
  auto y = [&] {
    return to_declared(read_safetensors(folder.file("y")).at("y"), {DType::kF32, {}}, nullptr).at(0);
  };
  std::string one = folder.file("s1"), two = folder.file("s2");
  CHECK(run(1, 0, "--state-out " + one).status == 0);
  CHECK(y() == 2);
  CHECK(run(10, 1, "--state-in " + one + " --state-out " + two).status == 0);
  CHECK(y() == 22);
  CHECK(read_safetensors(two).at("k").text() == "f32[1, 1, 3, 2]");
  Outcome full = run(1, 3, "--state-in " + two);
  CHECK(full.status == 2);
  CHECK(has(full.err, "do not fit the capacity of 3"));
}

}  // namespace
}  // namespace tenon

// `tenon generate` from outside: what it refuses before it writes anything, and what it writes.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "ir/json.h"
#include "runtime/safetensors.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

using test::TemporaryFolder;

// Not worth a name in the world, but with all that generate looks at: a table of ids, a table of positions, a cache.
const char kModel[] = R"(tenon = 1
[model]
name = "tiny"
dtype = "f32"
[dims]
B = "1..4"
T = "1..16"
[inputs]
tokens = { shape = ["B", "T"], dtype = "i32" }
position = { shape = POSITION, dtype = "i32" }
MORE
[weights]
embed = { shape = [11, 8] }
places = { shape = [PLACES, 8] }
head = { shape = [7, 8] }
[state]
k_cache = { shape = ["B", 1, 12, 8] }
v_cache = { shape = ["B", 1, 12, 8] }
[graph]
body = [
  'x = embedding(embed, tokens) + embedding(places, unsqueeze(position, axis=-1) + iota(T, dtype="i32"))',
  'h = heads(x, 1)',
  'k, v = cache(k_cache, v_cache, h, h, position)',
  'a = merge_heads(attention(h, k, v, causal=true, offset=position))',
  'logits = linear(a, head)',
]
outputs = ["logits"]
)";

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

struct Bench {
  TemporaryFolder folder;
  explicit Bench(const std::string& position = "[\"B\"]", const std::string& places = "16",
                 const std::string& more = "") {
    std::string text = kModel;
    for (const auto& [key, value] :
         {std::pair<std::string, std::string>{"POSITION", position}, {"PLACES", places}, {"MORE", more}})
      text.replace(text.find(key), key.size(), value);
    std::ofstream(folder.file("m.toml")) << text;
  }
  Outcome operator()(const std::string& arguments) const {
    const std::string out = folder.file("stdout"), err = folder.file("stderr");
    const std::string command = std::string(TENON_PROGRAM) + " generate " + folder.file("m.toml") +
                                " --device cpu -q --outputs " + folder.file("o.safetensors") + " " +
                                arguments + " >" + out + " 2>" + err;
    const int code = std::system(command.c_str());
    return {WEXITSTATUS(code), text_of_file(out), text_of_file(err)};
  }
  std::string tokens(Extents shape, llvm::ArrayRef<double> ids, llvm::ArrayRef<double> lengths) const {
    const Type type{DType::kI64, Shape(shape.begin(), shape.end())};
    std::vector<std::pair<std::string, Tensor>> tensors{{"tokens", Tensor::of(type, ids)}};
    const auto rows = static_cast<int64_t>(lengths.size());
    if (rows) tensors.emplace_back("lengths", Tensor::of({DType::kI32, {rows}}, lengths));
    write_safetensors(folder.file("t.safetensors"), tensors);
    return "--tokens " + folder.file("t.safetensors") + " ";
  }
  /// A refusal of bad input that says `part`, before the outputs are there.
  void refuses(const std::string& arguments, const std::string& part, int status = 2) const {
    CAPTURE(arguments);
    const Outcome run = (*this)(arguments);
    CAPTURE(run.err);
    CHECK(run.status == status);
    CHECK(run.err.find(part) != std::string::npos);
    CHECK(run.out.empty());
    CHECK_FALSE(std::filesystem::exists(folder.file("o.safetensors")));
  }
};

TEST_CASE("generate refuses what the model cannot hold or read, and names the tensor") {
  const Bench bench;
  bench.refuses("--tokens 1,2,3 --steps 10", "the cache 'k_cache' holds 12 tokens, and row 0 needs 13");
  bench.refuses("--tokens 1,2,11 --steps 2",
                "`tokens`: 11 at [0, 2] is outside the table 'embed' of 11 rows");
  bench.refuses("--tokens 1,-2 --steps 2", "`tokens`: -2 at [0, 1]");
  bench.refuses("--tokens 1,2 --steps -1", "--steps -1");
  bench.refuses("--tokens 1,2 --steps 2 --chunk 0", "--chunk 0");
  bench.refuses("--tokens 1,2 --steps 2 --stop 7", "--stop 7 is no token: `logits` has 7");
  bench.refuses("--tokens 1,2 --steps 2 --temperature 0", "--temperature must be above 0");
  bench.refuses("--tokens 1,2 --steps 2 --temperature nan", "--temperature must be above 0");
  bench.refuses("--tokens 1,2 --steps 2 --temperature 1 --top-p 1.5", "--top-p");
  bench.refuses("--tokens 1,2 --steps 2 --temperature 1 --top-k -1", "--top-k -1");
  bench.refuses("--tokens 1,2 --steps 2 --top-k 3", "without --temperature nothing is drawn");
  bench.refuses("--tokens 1,x --steps 2", "1,x: No such file");
  bench.refuses("--tokens 1,,2 --steps 2", "'' is no integer");
  bench.refuses("--steps 2", "generate needs a prompt");
  bench.refuses("--prompt hello --steps 2", "no tokenizer.json lies beside the weights");
  bench.refuses(bench.tokens({1, 0}, {}, {}) + "--steps 1", "holds no prompt");
  bench.refuses(bench.tokens({2, 2}, {1, 2, 3, 4}, {1, 3}) + "--steps 1", "`lengths`: row 1 has 3 tokens");
  bench.refuses(bench.tokens({2, 2}, {1, 2, 3, 4}, {0, 1}) + "--steps 1", "`lengths`: row 0 has 0 tokens");
  bench.refuses(bench.tokens({2, 2}, {1, 2, 3, 4}, {1}) + "--steps 1", "`lengths` must be one for each row");
  write_safetensors(bench.folder.file("s.safetensors"),
                    {{"k_cache", Tensor::zeros({DType::kF32, {1, 1, 12, 8}})},
                     {"v_cache", Tensor::zeros({DType::kF32, {1, 1, 12, 8}})}});
  bench.refuses("--tokens 1 --steps 1 --state-in " + bench.folder.file("s.safetensors"),
                "--state-in goes on where `position` says");
  write_safetensors(bench.folder.file("p.safetensors"), {{"position", Tensor::of({DType::kI32, {1}}, {10})}});
  bench.refuses("--tokens 1 --steps 2 --inputs " + bench.folder.file("p.safetensors"), "row 0 needs 13");
  write_safetensors(bench.folder.file("p.safetensors"), {{"position", Tensor::of({DType::kI32, {1}}, {-1})}});
  bench.refuses("--tokens 1 --steps 2 --inputs " + bench.folder.file("p.safetensors"), "begins at -1");
}

TEST_CASE(
    "generate refuses positions beyond their table, ragged rows under one position, inputs that grow with "
    "T") {
  Bench(R"(["B"])", "6")
      .refuses("--tokens 1,2,3 --steps 4", "position 6 is outside the table 'places' of 6 rows");
  const Bench scalar("[]");
  scalar.refuses(scalar.tokens({2, 2}, {1, 2, 3, 4}, {2, 1}) + "--steps 1", "`lengths` differ");
  Bench("[\"B\"]", "16", "m = { shape = [\"T\"] }")
      .refuses("--tokens 1,2 --steps 1", "generate cannot feed 'm'");
}

TEST_CASE("generate writes tokens and the logits that they come from, and draws the same for the same seed") {
  const Bench bench;
  const Outcome run = bench(bench.tokens({2, 3}, {1, 2, 3, 4, 99, 99}, {3, 1}) + "--steps 4 --json");
  CHECK(run.status == 0);
  CHECK(json::parse(run.out)["next_position"].array()->size() == 2);
  const FileTensors file = read_safetensors(bench.folder.file("o.safetensors"));
  const FileTensor &tokens = file.at("tokens"), &prefill = file.at("prefill_logits"),
                   &decode = file.at("decode_logits");
  CHECK(tokens.text() == "i64[2, 5]");
  CHECK(prefill.text() == "f32[2, 3, 7]");
  CHECK(decode.text() == "f32[2, 4, 7]");
  const std::vector<double> ids = values_of(tokens), first = values_of(prefill), next = values_of(decode);
  const auto largest = [](const std::vector<double>& logits, size_t row) {
    const auto begin = logits.begin() + static_cast<int64_t>(row) * 7;
    return std::max_element(begin, begin + 7) - begin;
  };
  CHECK(ids[0] == largest(first, 2));
  CHECK(ids[5] == largest(first, 3));
  for (size_t i = 0; i < 4; ++i) {
    CHECK(ids[1 + i] == largest(next, i));
    CHECK(ids[6 + i] == largest(next, 4 + i));
  }
  const auto drawn = [&](const std::string& arguments) {
    const Outcome outcome = bench("--tokens 1,2,3 --steps 8 " + arguments);
    CHECK(outcome.status == 0);
    return outcome.out.substr(0, outcome.out.find("(next"));
  };
  CHECK(drawn("--temperature 3 --top-k 5 --seed 1") == drawn("--temperature 3 --top-k 5 --seed 1 --chunk 2"));
  CHECK(drawn("--temperature 3 --top-k 1 --seed 1") == drawn("--seed 1"));
}

// Every id of the model's vocabulary is a letter, 6 ends a text.
const char kTokenizer[] =
    R"({"added_tokens": [{"id": 6, "content": "<e>", "special": true}], "decoder": {"type": "ByteLevel"},
"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": {"type": "BPE", "merges": ["a b"],
"vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ã": 4, "©": 5}}})";

TEST_CASE("generate takes text where a tokenizer lies beside the weights, and gives text") {
  const Bench bench;
  bench.folder.write("tokenizer.json", kTokenizer);
  write_safetensors(bench.folder.file("w.safetensors"), {{"embed", Tensor::zeros({DType::kF32, {11, 8}})},
                                                         {"places", Tensor::zeros({DType::kF32, {16, 8}})},
                                                         {"head", Tensor::zeros({DType::kF32, {7, 8}})}});
  const std::string weights =
      "--weights " + bench.folder.file("w.safetensors") + " --steps 4 --temperature 9 ";
  const auto texts = [&](const std::string& arguments) {
    const Outcome run = bench(weights + "--json " + arguments);
    CAPTURE(run.err);
    CHECK(run.status == 0);
    return json::parse(run.out);
  };
  const json::Value prompted = texts("--prompt 'ab ba<e>'"), given = texts("--tokens 2,3,1,0,6");
  const auto row = [](const json::Value& value) {
    std::vector<int64_t> ids;
    for (const json::Value& id : *(*value.array())[0].array()) ids.push_back(*id.integer());
    return ids;
  };
  CHECK(row(prompted["prompt_tokens"]) == std::vector<int64_t>{2, 3, 1, 0, 6});
  CHECK(row(prompted["tokens"]) == row(given["tokens"]));
  CHECK(row(prompted["tokens"]).size() == 5);
  CHECK(given["text"].array() == nullptr);
  const std::string text = *(*prompted["text"].array())[0].string();

  const Outcome streamed = bench(weights + "--prompt 'ab ba<e>'");  // the same text, while it is made
  CHECK(streamed.out == text + "\n");
  CHECK(bench(weights + "--prompt=ab --prompt='[b,a]' --prompt ' '").status == 2);  // no token for '['
  const Outcome rows = bench(weights + "--prompt ab --prompt 'b a'");
  CHECK(rows.status == 0);
  CHECK(rows.out.find("row 0:\n") == 0);
  CHECK(rows.out.find("\nrow 1:\n") != std::string::npos);

  // Weights of zero make all logits equal: greedy takes token 0, unless that ends the text.
  const std::string greedy = "--weights " + bench.folder.file("w.safetensors") + " --steps 3 --prompt ab ";
  CHECK(bench(greedy).out == "aaaa\n");
  CHECK(bench(greedy + "--stop 0").out == "\n");
  bench.folder.write("generation_config.json", R"({"eos_token_id": [6, 0]})");
  CHECK(bench(greedy).out == "\n");
}

TEST_CASE("generate refuses texts and tokenizers that the model or the tokenizer cannot take") {
  const Bench bench;
  const std::string tokenizer =
      "--tokenizer " + bench.folder.write("tokenizer.json", kTokenizer) + " --steps 1 ";
  bench.refuses(tokenizer + "--prompt abc", "--prompt: the tokenizer has no token for 'c'");
  bench.refuses(tokenizer + "--prompt \"$(printf 'a\\377')\"", "--prompt: the text is no UTF-8 at byte 1");
  bench.refuses(tokenizer + "--prompt ''", "--prompt: the text '' gives no token");
  bench.refuses("--tokenizer " + bench.folder.file("none.json") + " --steps 1 --prompt a",
                "none.json: No such file");
  bench.refuses("--tokenizer " + bench.folder.file("m.toml") + " --steps 1 --prompt a", "m.toml: no JSON");
  bench.folder.write("generation_config.json", R"({"eos_token_id": 7})");
  bench.refuses(tokenizer + "--prompt a",
                "generation_config.json: the end of a text is token 7, and `logits` has 7");
  bench.folder.write("generation_config.json", "{}");
  std::string larger = kTokenizer;
  bench.folder.write("tokenizer.json", larger.replace(larger.find("\"b\": 1"), 6, "\"b\": 11"));
  bench.refuses(tokenizer + "--prompt ab --prompt b",
                "`tokens`: 11 at [1, 0] is outside the table 'embed' of 11 rows");
}

}  // namespace
}  // namespace tenon

// Whole tokenizers: against what Hugging Face's library made of the same files and texts, and what is refused.
#include "runtime/tokenizer/tokenizer.h"

#include <doctest/doctest.h>

#include <chrono>

#include "ir/diagnostics.h"
#include "ir/json.h"
#include "runtime/tokenizer/stop_tokens.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

using test::TemporaryFolder;

const std::string kData = TENON_SOURCE_DIR "/tests/data/tokenizer/";

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<int64_t> integers(const json::Value& value) {
  std::vector<int64_t> all;
  for (const json::Value& one : *value.array()) all.push_back(*one.integer());
  return all;
}

TEST_CASE("tokenizer: ids and texts are those that Hugging Face's tokenizers gives") {
  const json::Value expected = json::parse(text_of_file(kData + "expected.json"));
  int compared = 0;
  for (const auto& [file, rows] : *expected.object()) {
    const std::string name = file;
    CAPTURE(name);
    const Tokenizer tokenizer = Tokenizer::read(kData + name + ".json");
    for (const json::Value& row : *rows.array()) {
      const std::string& text = *(*row.array())[0].string();
      const std::vector<int64_t> ids = integers((*row.array())[1]);
      CAPTURE(text);
      CHECK(tokenizer.encode(text) == ids);
      CHECK(tokenizer.decode(ids) == *(*row.array())[2].string());
      ++compared;
    }
  }
  CHECK(compared == 7 * 80);
}

TEST_CASE("tokenizer: a text comes a token at a time, in whole characters") {
  const Tokenizer tokenizer = Tokenizer::read(kData + "gpt2.json");
  const std::string text = "naïve 👩‍👩‍👧 ok";
  TextStream stream(tokenizer);
  std::string shown;
  int silent = 0;
  for (const int64_t id : tokenizer.encode(text)) {
    const std::string more = stream.next(id);
    silent += more.empty();
    const auto* begin = reinterpret_cast<const unsigned char*>(more.data());
    CHECK((more.empty() || (*begin & 0xC0) != 0x80));
    shown += more;
  }
  CHECK(shown == text);
  CHECK(silent > 0);
  CHECK(stream.end() == "");

  const auto byte = [&](const char* character) { return tokenizer.id_of(character); };
  CHECK(tokenizer.decode({byte("ð"), byte("Ł")}) == "\uFFFD");   // F0 9F, cut off
  CHECK(tokenizer.decode({byte("ð"), byte("a")}) == "\uFFFDa");  // F0, then no continuation
  CHECK(tokenizer.decode({byte("Ł"), byte("a")}) == "\uFFFDa");  // 9F alone
  CHECK(tokenizer.decode({byte("a"), byte("<|im_end|>"), -1, 1 << 30}) == "a");
}

// {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, one added token.
const char kTiny[] =
    R"({"added_tokens": [{"id": 4, "content": "<e>", "special": true}], "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", )"
    R"("add_prefix_space": false}, "post_processor": null, "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", )"
    R"("vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b"]}})";

std::string tiny_with(const std::string& from, const std::string& to) {
  std::string text = kTiny;
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("tokenizer: both spellings of merges, and texts that it cannot take") {
  for (const std::string& file : {std::string(kTiny), tiny_with("\"a b\"", "[\"a\", \"b\"]")}) {
    const Tokenizer tokenizer = Tokenizer::parse(file, "t");
    CHECK(tokenizer.encode("ab ba<e>") == std::vector<int64_t>{2, 3, 1, 0, 4});
    CHECK(tokenizer.decode({2, 3, 1, 4, 0}) == "ab ba");
    CHECK(tokenizer.size() == 5);
    CHECK_THROWS_WITH(tokenizer.encode("ab\xFF"), doctest::Contains("no UTF-8 at byte 2"));
    CHECK_THROWS_WITH(tokenizer.encode("abc"), doctest::Contains("no token for 'c'"));
  }
}

TEST_CASE("tokenizer: what a file may not hold is named with its place") {
  struct Case {
    const char *from, *to, *message;
  };
  const Case kCases[] = {
      {"{", "", "t: no JSON"},
      {"\"BPE\"", "\"WordPiece\"", "t: model.type: a model 'WordPiece' is not supported"},
      {"\"vocab\": {", "\"vocab\": {}, \"x\": {", "t: model.vocab: no tokens"},
      {"\"b\": 1", "\"b\": 0", "t: model.vocab: the id 0 stands for 'a' and for 'b'"},
      {"\"b\": 1", "\"b\": 1.5", "t: model.vocab: 'b' has no integer as its id"},
      {"\"b\": 1", "\"b\": -1", "the id -1 of 'b' is out of range"},
      {"\"b\": 1", "\"b\": 9223372036854775807", "the id 9223372036854775807 of 'b' is out of range"},
      {"\"b\": 1", "\"\": 1", "t: model.vocab: a token without text"},
      {"\"b\": 1", "\"a\": 1", "the name \"a\" stands twice"},
      {"\"a b\"", "\"a b c\"", "t: model.merges: merge 0: \"a b\" or [\"a\", \"b\"] expected"},
      {"\"a b\"", "\"ab\"", "t: model.merges: merge 0:"},
      {"\"a b\"", "[\"a\", \"b\", \"a\"]", "t: model.merges: merge 0:"},
      {"\"a b\"", "7", "t: model.merges: merge 0:"},
      {"\"a b\"", "\"a b\", \"a z\"", "t: model.merges: merge 1: the vocabulary has no token 'z'"},
      {"\"a b\"", "\"b a\"", "t: model.merges: merge 0: the vocabulary has no token 'ba'"},
      {"\"merges\": [\"a b\"]", "\"merges\": 3", "t: model.merges: an array expected"},
      {"\"merges\"", "\"dropout\": 0.1, \"merges\"", "t: model.dropout: encoding at random"},
      {"\"merges\"", "\"unk_token\": \"?\", \"merges\"",
       "t: model.unk_token: the vocabulary has no token '?'"},
      {"\"merges\"", "\"end_of_word_suffix\": \"</w>\", \"merges\"",
       "t: model.end_of_word_suffix: is not supported"},
      {"\"merges\"", "\"ignore_merges\": 1, \"merges\"", "t: model.ignore_merges: true or false expected"},
      {"\"id\": 4", "\"id\": 1", "t: added_tokens[0]: the id 1 stands for 'b' and for '<e>'"},
      {"\"<e>\"", "\"a\"", "t: added_tokens[0]: 'a' has the id 4 here and 0 in model.vocab"},
      {"\"<e>\"", "\"\"", "t: added_tokens[0]: a token without text"},
      {"\"content\"", "\"single_word\": true, \"content\"",
       "t: added_tokens[0].single_word: is not supported"},
      {"\"added_tokens\": [", "\"added_tokens\": [3, ", "t: added_tokens[0].content: a text expected"},
      {"\"normalizer\": null", "\"normalizer\": {\"type\": \"Lowercase\"}",
       "t: normalizer.type: a normalizer 'Lowercase'"},
      {"\"normalizer\": null",
       "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {}]}",
       "t: normalizer.normalizers[1].type: a text expected"},
      {"\"pre_tokenizer\": {\"type\": \"ByteLevel\"", "\"pre_tokenizer\": {\"type\": \"Punctuation\"",
       "t: pre_tokenizer.type: a pre_tokenizer 'Punctuation' is not supported"},
      {"\"pre_tokenizer\": {\"type\": \"ByteLevel\"",
       "\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Isolated\", \"pattern\": {\"Regex\": "
       "\"(?<=a)b\"}",
       "t: pre_tokenizer.pattern.Regex: the pattern '(?<=a)b': '(?<=' is not supported"},
      {"\"pre_tokenizer\": {\"type\": \"ByteLevel\"",
       "\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Sideways\", \"pattern\": {\"String\": "
       "\"a\"}",
       "t: pre_tokenizer.behavior: unknown behavior 'Sideways'"},
      {"\"pre_tokenizer\": {\"type\": \"ByteLevel\"",
       "\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Isolated\", \"pattern\": {}",
       "t: pre_tokenizer.pattern: {\"String\": ..} or {\"Regex\": ..} expected"},
      {"\"post_processor\": null", "\"post_processor\": {\"type\": \"BertProcessing\"}",
       "t: post_processor.type: a post_processor 'BertProcessing'"},
      {"\"post_processor\": null",
       "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": "
       "\"<e>\"}}, {\"Sequence\": "
       "{\"id\": \"A\"}}], \"special_tokens\": {}}",
       "special_tokens does not tell the ids of '<e>'"},
      {"\"post_processor\": null",
       "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": "
       "\"<e>\"}}, {\"Sequence\": "
       "{\"id\": \"A\"}}], \"special_tokens\": {\"<e>\": {\"ids\": [77]}}}",
       "t: post_processor: the id 77 is no token"},
      {"\"post_processor\": null", "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": []}",
       "t: post_processor.single: no Sequence"},
      {"\"decoder\": {\"type\": \"ByteLevel\"}", "\"decoder\": null", "t: decoder: no decoder"},
      {"\"decoder\": {\"type\": \"ByteLevel\"}", "\"decoder\": {\"type\": \"CTC\"}",
       "t: decoder.type: a decoder 'CTC'"},
  };
  for (const Case& one : kCases) {
    CAPTURE(one.to);
    const std::string file = tiny_with(one.from, one.to);
    CHECK_THROWS_WITH_AS(Tokenizer::parse(file, "t"), doctest::Contains(one.message), Error);
  }
  CHECK_THROWS_WITH(Tokenizer::read("/nowhere/tokenizer.json"), doctest::Contains("No such file"));
}

TEST_CASE("tokenizer: ids before and after a text come from its template") {
  const Tokenizer tokenizer =
      Tokenizer::parse(tiny_with("\"post_processor\": null",
                                 "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": "
                                 "[{\"SpecialToken\": {\"id\": \"s\"}}, "
                                 "{\"Sequence\": {\"id\": \"A\"}}, {\"SpecialToken\": {\"id\": \"e\"}}], "
                                 "\"special_tokens\": {\"s\": {\"ids\": [4, 0]}, \"e\": {\"ids\": [1]}}}"),
                       "t");
  CHECK(tokenizer.encode("ab") == std::vector<int64_t>{4, 0, 2, 1});
}

TEST_CASE("tokenizer: Split does with matches what its behavior says") {
  const auto encode = [](const std::string& behavior, const char* more) {
    const std::string split =
        "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"behavior\": "
        "\"" +
        behavior + "\", \"pattern\": {\"String\": \"b\"}" + more + "}]}, \"x\": {\"type\": \"ByteLevel\"";
    return Tokenizer::parse(tiny_with("\"pre_tokenizer\": {\"type\": \"ByteLevel\"", split), "t")
        .encode("abba");
  };
  using Ids = std::vector<int64_t>;
  CHECK(encode("Isolated", "") == Ids{0, 1, 1, 0});
  CHECK(encode("Removed", "") == Ids{0, 0});
  CHECK(encode("Removed", ", \"invert\": true") == Ids{1, 1});
  CHECK(encode("MergedWithPrevious", "") == Ids{2, 1, 0});
  CHECK(encode("MergedWithNext", "") == Ids{0, 1, 1, 0});
  CHECK(encode("Contiguous", "") == Ids{0, 1, 1, 0});
}

TEST_CASE("tokenizer: replacements that grow without end stop") {
  std::string steps;
  for (int i = 0; i < 12; ++i)
    steps += std::string(i ? "," : "") + R"({"type": "Replace", "pattern": {"String": "a"}, "content": ")" +
             std::string(64, 'a') + "\"}";
  const Tokenizer tokenizer = Tokenizer::parse(
      tiny_with("\"normalizer\": null",
                "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [" + steps + "]}"),
      "t");
  CHECK(tokenizer.encode("b") == std::vector<int64_t>{1});
  CHECK_THROWS_WITH(tokenizer.encode("a"), doctest::Contains("eight times as many are allowed"));
  CHECK_THROWS_WITH(Tokenizer::parse(kTiny, "t").encode(std::string(17 << 20, 'a')),
                    doctest::Contains("larger than 16 MB"));
}

TEST_CASE("tokenizer: a million merges are read and used in seconds") {
  std::string vocabulary = "\"a\": 0, \"b\": 1", merges;
  const auto name = [](int n) {
    std::string text;
    for (int bit = 19; bit >= 0; --bit) text += n >> bit & 1 ? 'b' : 'a';
    return text;
  };
  int32_t id = 2;  // all words of 20 letters, each of a word of 19 and a letter; all shorter ones below
  for (int length = 2; length <= 19; ++length)
    for (int n = 0; n < 1 << length; ++n) {
      const std::string word = name(n).substr(20 - static_cast<size_t>(length));
      vocabulary += ",\"" + word + "\":" + std::to_string(id++);
      merges += (merges.empty() ? "\"" : ",\"") + word.substr(0, word.size() - 1) + " " + word.back() + "\"";
    }
  CHECK(id > 1'000'000);
  const auto began = std::chrono::steady_clock::now();
  const Tokenizer tokenizer =
      Tokenizer::parse("{\"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"vocab\": {" + vocabulary +
                           "}, \"merges\": [" + merges + "]}}",
                       "t");
  CHECK(tokenizer.encode(std::string(19, 'a')).size() < 19);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(60));
}

TEST_CASE("tokenizer: the files beside it name the tokens that end a text") {
  const TemporaryFolder folder;
  const Tokenizer tokenizer = Tokenizer::parse(kTiny, "t");
  const auto read = [&] { return read_stop_tokens(folder.path.string(), tokenizer); };
  CHECK(read().ids.empty());
  folder.write("tokenizer_config.json", R"({"eos_token": "<e>"})");
  CHECK(read().ids == std::vector<int64_t>{4});
  folder.write("tokenizer_config.json", R"({"eos_token": {"content": "ab"}})");
  CHECK(read().ids == std::vector<int64_t>{2});
  folder.write("generation_config.json", "{}");
  CHECK(read().ids == std::vector<int64_t>{2});
  folder.write("generation_config.json", R"({"eos_token_id": [4, 0]})");
  CHECK(read().ids == std::vector<int64_t>{4, 0});
  CHECK(read().file == folder.file("generation_config.json"));
  folder.write("generation_config.json", R"({"eos_token_id": 1})");
  CHECK(read().ids == std::vector<int64_t>{1});
  folder.write("generation_config.json", R"({"eos_token_id": "x"})");
  CHECK_THROWS_WITH(read(), doctest::Contains("generation_config.json: eos_token_id: an integer expected"));
  folder.write("generation_config.json", "{");
  CHECK_THROWS_WITH(read(), doctest::Contains("generation_config.json: no JSON"));
  folder.write("generation_config.json", R"({"eos_token_id": null})");
  folder.write("tokenizer_config.json", R"({"eos_token": "zz"})");
  CHECK_THROWS_WITH(read(), doctest::Contains("tokenizer_config.json: eos_token: 'zz' is no token"));
}

}  // namespace
}  // namespace tenon

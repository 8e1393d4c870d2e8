// Byte pair encoding against the definition: join the best pair, again and again.
#include "runtime/tokenizer/merges.h"

#include <doctest/doctest.h>

#include <chrono>
#include <random>

#include "ir/diagnostics.h"

namespace tenon::tokenizer {
namespace {

TEST_CASE("merges: the heap joins as the definition does, on random vocabularies and words") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Vocabulary vocabulary;
    std::vector<std::string> texts{"a", "b", "c"};
    for (size_t id = 0; id < texts.size(); ++id) vocabulary[texts[id]] = static_cast<int32_t>(id);
    std::vector<Merge> merges;
    while (merges.size() < 12) {
      const auto left = static_cast<int32_t>(random() % texts.size()),
                 right = static_cast<int32_t>(random() % texts.size());
      const auto [joined, fresh] =
          vocabulary.try_emplace(texts[left] + texts[right], static_cast<int32_t>(texts.size()));
      if (fresh) texts.push_back(texts[left] + texts[right]);
      merges.push_back({left, right, joined->second});
    }
    const Merges pairs(vocabulary, merges, {});
    std::string word;
    for (unsigned i = 0; i < 1 + random() % 30; ++i) word += static_cast<char>('a' + random() % 3);
    std::vector<int64_t> expected;
    for (const char c : word) expected.push_back(c - 'a');
    const auto rank = [&](size_t i) {  // the last merge of the pair at i, as files with a pair twice are read
      for (size_t m = merges.size(); m-- > 0;)
        if (merges[m].left == expected[i] && merges[m].right == expected[i + 1]) return m;
      return merges.size();
    };
    for (;;) {
      size_t best = 0;
      for (size_t i = 0; i + 1 < expected.size(); ++i)
        if (rank(i) < rank(best)) best = i;
      if (expected.size() < 2 || rank(best) == merges.size()) break;
      expected[best] = merges[rank(best)].joined;
      expected.erase(expected.begin() + static_cast<int64_t>(best) + 1);
    }
    std::vector<int64_t> ids;
    pairs.encode(word, ids);
    CAPTURE(word);
    CHECK(ids == expected);
  }
}

TEST_CASE("merges: what is no token") {
  Vocabulary vocabulary;
  vocabulary["a"] = 0;
  vocabulary["<unk>"] = 1;
  vocabulary["<0xC3>"] = 2;
  vocabulary["<0xA9>"] = 3;
  vocabulary["ab"] = 4;
  const auto encode = [&](Merges::Settings settings, const char* text) {
    std::vector<int64_t> ids;
    Merges(vocabulary, {}, settings).encode(text, ids);
    return ids;
  };
  CHECK_THROWS_WITH(encode({}, "ab"), doctest::Contains("no token for 'b'"));
  CHECK(encode({true, {}, false, false}, "ab") == std::vector<int64_t>{4});
  CHECK(encode({false, 1, false, false}, "axya") == std::vector<int64_t>{0, 1, 1, 0});
  CHECK(encode({false, 1, true, false}, "axya") == std::vector<int64_t>{0, 1, 0});
  CHECK(encode({false, 1, true, true}, "xéy") == std::vector<int64_t>{1, 2, 3, 1});
}

TEST_CASE("merges: a word of a million characters takes no time to speak of") {
  Vocabulary vocabulary;
  std::vector<Merge> merges;
  std::string text = "a";
  for (int32_t id = 0; id < 12; ++id, text += text) {
    vocabulary[text] = id;
    if (id > 0) merges.push_back({id - 1, id - 1, id});
  }
  std::vector<int64_t> ids;
  const auto began = std::chrono::steady_clock::now();
  Merges(vocabulary, merges, {}).encode(std::string(1 << 20, 'a'), ids);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
  CHECK(ids == std::vector<int64_t>(512, 11));
}

}  // namespace
}  // namespace tenon::tokenizer

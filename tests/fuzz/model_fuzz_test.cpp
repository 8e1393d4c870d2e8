// The reader against mutated models: whatever the text, it gives a graph that verifies or an Error that says
// something. Mutations come from a fixed seed, so a failure repeats; TENON_FUZZ_ROUNDS makes it longer.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/fuzz/targets.h"

using namespace tenon;

namespace {

const char* const kTokens[] = {"(",
                               ")",
                               "[",
                               "]",
                               "{",
                               "}",
                               "{i}",
                               "'",
                               "\"",
                               "'''",
                               ",",
                               "=",
                               "..",
                               ".",
                               "-",
                               "**",
                               "//",
                               "@",
                               "#",
                               "\n",
                               "\\",
                               "0",
                               "1",
                               "-1",
                               "1e999",
                               "9223372036854775807",
                               "4611686018427387904",
                               "inf",
                               "none",
                               "true",
                               "repeat(layer, 3, x)",
                               "layer(x)",
                               "cache(x, x, x, x, 0)",
                               "split(x, parts=2)",
                               "reshape(x, shape=[-1])",
                               "shape = []",
                               "dtype = \"i32\"",
                               "[block.layer]",
                               "[weights]",
                               "T",
                               "D",
                               "x",
                               "\xc3\xa9",
                               "\xff",
                               "\t",
                               "from = \"{2*i+1}\"",
                               "rope = { linear = { factor = 2 } }",
                               "outputs = [\"x\"]",
                               "transpose(x)",
                               "x @ x",
                               "sum(x, axis=none)"};

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}
  size_t below(size_t n) { return n ? random_() % n : 0; }

  void mutate(std::string& text, const std::string& other) {
    size_t at = below(text.size() + 1), length = below(std::min<size_t>(text.size() - at, 1 + below(60)) + 1);
    switch (below(7)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, text.substr(at, length)); break;
      case 2: text.insert(at, kTokens[below(std::size(kTokens))]); break;
      case 3: text.replace(at, length, kTokens[below(std::size(kTokens))]); break;
      case 4: {
        size_t from = below(other.size());
        text.insert(at, other.substr(from, below(200)));
        break;
      }
      case 5:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      default: swap_lines(text);
    }
  }

 private:
  void swap_lines(std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    if (lines.empty()) return;
    std::swap(lines[below(lines.size())], lines[below(lines.size())]);
    text.clear();
    for (const std::string& line : lines) text += line + "\n";
  }

  std::mt19937_64 random_;
};

std::vector<std::string> seeds() {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/examples/models")) {
    if (entry.path().extension() != ".toml") continue;
    std::ifstream in(entry.path());
    result.push_back(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  std::sort(result.begin(), result.end());  // directories have no order
  return result;
}

}  // namespace

TEST_CASE("mutated models are read or refused in words") {
  const char* asked = std::getenv("TENON_FUZZ_ROUNDS");
  int rounds = asked ? std::atoi(asked) : 1500, accepted = 0;
  std::vector<std::string> models = seeds();
  REQUIRE(models.size() >= 5);
  for (int round = 0; round < rounds; ++round) {
    Mutator mutator(static_cast<uint64_t>(round) + 1);
    std::string text = models[mutator.below(models.size())];
    for (size_t i = 1 + mutator.below(4); i > 0; --i)
      mutator.mutate(text, models[mutator.below(models.size())]);
    bool read = false;
    std::string problem = fuzz::model(text, &read);
    accepted += read;
    CAPTURE(round);
    REQUIRE(problem == "");
  }
  CHECK(accepted > rounds / 50);  // some mutations change nothing that matters: the fuzzer reaches the graph
  CHECK(accepted < rounds * 3 / 4);
}

// C identifiers for values: none is a word of the language, of CUDA or of templates/.
#include "codegen/names.h"

#include <doctest/doctest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>

#include "codegen/embedded.h"

namespace tenon {
namespace {

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// The words of `text`; `called` alone: those that a call, template arguments or an initialiser follow, members apart.
std::set<std::string> words_of(llvm::StringRef text, bool called) {
  std::set<std::string> words;
  for (size_t i = 0; i < text.size();) {
    const llvm::StringRef word = text.substr(i).take_while(in_word), before = text.take_front(i);
    i += std::max<size_t>(word.size(), 1);
    if (word.empty() || std::isdigit(static_cast<unsigned char>(word[0]))) continue;
    const bool follows = llvm::StringRef("(<{").contains(text.substr(i).take_front(1)) && i < text.size();
    const bool member = before.endswith(".") || before.endswith("->") || before.endswith("::");
    if (!called || (follows && !member)) words.insert(word.str());
  }
  return words;
}

TEST_CASE("names become identifiers that nothing else has") {
  const Graph graph;
  Names names(graph);
  CHECK(names.fresh("h") == "h");
  CHECK(names.fresh("h") == "h_2");
  CHECK(names.fresh("layer.0.x") == "layer_0_x");
  CHECK(names.fresh("3") == "v3");
  CHECK(names.fresh("__x__y") == "v_x_y");
  CHECK(names.fresh("TENON_DEVICE") == "TENON_DEVICE_");
  CHECK(names.fresh("\"\n*/ $(x)") == "v_x_");
  CHECK(names.fresh("") == "v_");  // v itself is a word of templates/
}

TEST_CASE("whatever generated code calls from templates/ is no name of a value") {
  std::set<std::string> vocabulary;
  for (const auto& header : embedded_templates())
    for (const std::string& word : words_of(header.text, false)) vocabulary.insert(word);
  int checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/tests/golden")) {
    if (entry.path().extension() != ".cu") continue;
    std::ifstream file(entry.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    for (const std::string& word : words_of(text, true)) {
      if (!vocabulary.count(word)) continue;
      CAPTURE(entry.path().string());
      CAPTURE(word);
      const Graph graph;
      CHECK(Names(graph).fresh(word) != word);
      ++checked;
    }
  }
  CHECK(checked > 50);
}

}  // namespace
}  // namespace tenon

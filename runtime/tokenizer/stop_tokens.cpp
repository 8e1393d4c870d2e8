// stop_tokens.cpp: two small files, each of which may lack.
#include "runtime/tokenizer/stop_tokens.h"

#include <filesystem>

#include "runtime/tokenizer/tokenizer_file.h"

namespace tenon {
namespace {

using tokenizer::FilePart;

std::vector<int64_t> ids_of(const FilePart& part) {
  std::vector<int64_t> ids;
  if (part.value().array())
    for (const FilePart& one : part.elements()) ids.push_back(one.integer());
  else
    ids.push_back(part.integer());
  return ids;
}

int64_t id_of(const FilePart& part, const Tokenizer& tokenizer) {
  const std::string& text = part.value().object() ? part["content"].string() : part.string();
  const int64_t id = tokenizer.id_of(text);
  if (id < 0) part.fail(tokenizer::shown(text) + " is no token of tokenizer.json");
  return id;
}

}  // namespace

StopTokens read_stop_tokens(const std::string& folder, const Tokenizer& tokenizer) {
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  if (const std::string file = path("generation_config.json"); std::filesystem::exists(file)) {
    const json::Value document = tokenizer::read_json_file(file);
    const FilePart ids = FilePart(document, file)["eos_token_id"];
    if (ids.given()) return {ids_of(ids), file};
  }
  if (const std::string file = path("tokenizer_config.json"); std::filesystem::exists(file)) {
    const json::Value document = tokenizer::read_json_file(file);
    const FilePart token = FilePart(document, file)["eos_token"];
    if (token.given()) return {{id_of(token, tokenizer)}, file};
  }
  return {};
}

}  // namespace tenon

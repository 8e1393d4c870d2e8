// tokenizer_file.cpp: the format of Hugging Face's tokenizers; nothing in it is believed before it is checked.
#include "runtime/tokenizer/tokenizer_file.h"

namespace tenon::tokenizer {
namespace {

constexpr int64_t kMaxIds = 1 << 22;  // sixteen times the largest vocabulary in use
constexpr size_t kMaxAddedText = 4096;

/// Gives `id` its text.
void claim(TokenizerFile& file, const FilePart& place, int64_t id, llvm::StringRef text) {
  if (id < 0 || id >= kMaxIds)
    place.fail("the id " + std::to_string(id) + " of " + shown(text) + " is out of range");
  if (text.empty()) place.fail("a token without text, of id " + std::to_string(id));
  const auto index = static_cast<size_t>(id);
  if (index >= file.texts.size()) file.texts.resize(index + 1);
  if (!file.texts[index].empty() && file.texts[index] != text)
    place.fail("the id " + std::to_string(id) + " stands for " + shown(file.texts[index]) + " and for " +
               shown(text));
  file.texts[index] = text.str();
}

void read_vocabulary(const FilePart& part, TokenizerFile& file) {
  for (const auto& [text, value] : part.object()) {
    const auto id = value.integer();
    if (!id) part.fail(shown(text) + " has no integer as its id");
    claim(file, part, *id, text);
    file.vocabulary[text] = static_cast<int32_t>(*id);
  }
  if (file.vocabulary.empty()) part.fail("no tokens");
}

/// "a b" or ["a", "b"]; nothing else is a pair.
std::optional<std::pair<llvm::StringRef, llvm::StringRef>> pair_of(const json::Value& value) {
  if (const std::string* text = value.string()) {
    const auto pair = llvm::StringRef(*text).split(' ');
    if (pair.second.empty() || pair.second.contains(' ')) return {};
    return pair;
  }
  const json::Array* two = value.array();
  if (!two || two->size() != 2 || !(*two)[0].string() || !(*two)[1].string()) return {};
  return {{*(*two)[0].string(), *(*two)[1].string()}};
}

std::vector<Merge> read_merges(const FilePart& part, const Vocabulary& vocabulary) {
  std::vector<Merge> merges;
  const auto fail = [&](const std::string& why) {
    part.fail("merge " + std::to_string(merges.size()) + ": " + why);
  };
  const auto id_of = [&](llvm::StringRef text) {
    const auto found = vocabulary.find(text);
    if (found == vocabulary.end()) fail("the vocabulary has no token " + shown(text));
    return found->second;
  };
  for (const json::Value& value : part.array()) {
    const auto pair = pair_of(value);
    if (!pair) fail("\"a b\" or [\"a\", \"b\"] expected");
    merges.push_back(
        {id_of(pair->first), id_of(pair->second), id_of(pair->first.str() + pair->second.str())});
  }
  return merges;
}

void read_model(const FilePart& model, TokenizerFile& file) {
  if (const std::string type = model["type"].string_or("BPE"); type != "BPE")
    model["type"].fail("a model " + shown(type) + " is not supported",
                       "BPE is; --tokens takes the ids themselves");
  for (const char* part : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model[part].string_or("").empty()) model[part].fail("is not supported");
  if (const FilePart dropout = model["dropout"]; dropout.given() && dropout.value().number() != 0.0)
    dropout.fail("encoding at random is not supported");
  read_vocabulary(model["vocab"], file);
  Merges::Settings settings;
  settings.whole_first = model["ignore_merges"].flag(false);
  settings.fuse_unknown = model["fuse_unk"].flag(false);
  settings.byte_fallback = model["byte_fallback"].flag(false);
  if (const FilePart unknown = model["unk_token"]; unknown.given()) {
    const auto found = file.vocabulary.find(unknown.string());
    if (found == file.vocabulary.end())
      unknown.fail("the vocabulary has no token " + shown(unknown.string()));
    settings.unknown = found->second;
  }
  file.merges =
      std::make_unique<Merges>(file.vocabulary, read_merges(model["merges"], file.vocabulary), settings);
}

void read_added_tokens(const FilePart& part, TokenizerFile& file) {
  if (!part.given()) return;
  llvm::StringMap<int64_t> seen;
  for (const FilePart& one : part.elements()) {
    AddedToken token;
    token.text = one["content"].string();
    const int64_t id = one["id"].integer();
    claim(file, one, id, token.text);
    const auto in_model = file.vocabulary.find(token.text);
    if (in_model != file.vocabulary.end() && in_model->second != id)
      one.fail(shown(token.text) + " has the id " + std::to_string(id) + " here and " +
               std::to_string(in_model->second) + " in model.vocab");
    if (token.text.size() > kMaxAddedText)
      one.fail("longer than " + std::to_string(kMaxAddedText) + " bytes");
    if (!seen.try_emplace(token.text, id).second) one.fail(shown(token.text) + " stands twice");
    if (one["single_word"].flag(false)) one["single_word"].fail("is not supported");
    token.id = static_cast<int32_t>(id);
    token.takes_space_before = one["lstrip"].flag(false);
    token.takes_space_after = one["rstrip"].flag(false);
    token.special = one["special"].flag(false);
    token.normalized = one["normalized"].flag(!token.special);
    file.added.push_back(std::move(token));
  }
}

}  // namespace

std::unique_ptr<const TokenizerFile> read_tokenizer_file(const json::Value& document,
                                                         const std::string& name) {
  const FilePart whole(document, name);
  auto file = std::make_unique<TokenizerFile>();
  read_model(whole["model"], *file);
  read_added_tokens(whole["added_tokens"], *file);
  file->normalizers = read_normalizer(whole["normalizer"]);
  file->pre_tokenizers = read_pre_tokenizer(whole["pre_tokenizer"]);
  file->around = read_post_processor(whole["post_processor"]);
  file->decoder = read_decoder(whole["decoder"]);
  for (const auto& ids : {file->around.before, file->around.after})
    for (const int64_t id : ids)
      if (id < 0 || id >= static_cast<int64_t>(file->texts.size()) || file->texts[id].empty())
        whole["post_processor"].fail("the id " + std::to_string(id) + " is no token");
  file->special.resize(file->texts.size());
  for (const AddedToken& token : file->added) file->special[token.id] = token.special;
  return file;
}

}  // namespace tenon::tokenizer

// tokenizer.cpp: the way of a text: added tokens, normaliser, added tokens again, pieces, pairs; and back.
#include "runtime/tokenizer/tokenizer.h"

#include "ir/diagnostics.h"
#include "llvm/Support/ConvertUTF.h"
#include "runtime/tokenizer/tokenizer_file.h"
#include "runtime/tokenizer/unicode.h"

namespace tenon {
namespace tokenizer {
namespace {

/// Of a text, and of what the normaliser makes of its parts together.
void require_size(size_t bytes) {
  constexpr size_t kMaxBytes = 16 << 20;
  if (bytes > kMaxBytes) throw Error("the text, or what the normalizer makes of it, is larger than 16 MB");
}

}  // namespace

/// A file and what is made of it once.
class Encoder {
 public:
  explicit Encoder(std::unique_ptr<const TokenizerFile> file) : file_(std::move(file)) {
    std::vector<AddedToken> raw, normalized;
    for (const AddedToken& token : file_->added) {
      (token.normalized ? normalized : raw).push_back(token);
      if (token.normalized) normalized.back().text = tokenizer::normalized(file_->normalizers, token.text);
    }
    llvm::erase_if(normalized, [](const AddedToken& token) { return token.text.empty(); });
    raw_ = AddedTokens(std::move(raw));
    normalized_ = AddedTokens(std::move(normalized));
  }

  const TokenizerFile& file() const { return *file_; }

  std::vector<int64_t> encode(llvm::StringRef text) const {
    std::vector<int64_t> ids = file_->around.before;
    require_size(text.size());
    size_t bytes = 0;
    for (const Segment& segment : raw_.cut(text))
      if (segment.token)
        ids.push_back(segment.token->id);
      else
        require_size(bytes += encode_raw(segment.text.str(), segment.text.begin() == text.begin(), ids));
    ids.insert(ids.end(), file_->around.after.begin(), file_->around.after.end());
    return ids;
  }

 private:
  /// Returns the size of the normalised text.
  size_t encode_raw(std::string text, bool at_start, std::vector<int64_t>& ids) const {
    text = normalized(file_->normalizers, std::move(text));
    for (const Segment& segment : normalized_.cut(text))
      if (segment.token)
        ids.push_back(segment.token->id);
      else
        encode_normalized(segment.text.str(), at_start && segment.text.begin() == text.data(), ids);
    return text.size();
  }

  void encode_normalized(std::string text, bool at_start, std::vector<int64_t>& ids) const {
    Pieces pieces{std::move(text)};
    for (const PreTokenizer& step : file_->pre_tokenizers) pieces = step(std::move(pieces), at_start);
    for (const std::string& piece : pieces) file_->merges->encode(piece, ids);
  }

  std::unique_ptr<const TokenizerFile> file_;
  AddedTokens raw_, normalized_;
};

}  // namespace tokenizer

namespace {

/// Takes whole characters off `bytes`, with U+FFFD for what is none; with `last`, all of it.
std::string take_characters(std::string& bytes, bool last) {
  std::vector<llvm::UTF32> characters(bytes.size());
  const auto* begin = reinterpret_cast<const llvm::UTF8*>(bytes.data());
  const auto* at = begin;
  llvm::UTF32* end = characters.data();
  (last ? llvm::ConvertUTF8toUTF32 : llvm::ConvertUTF8toUTF32Partial)(
      &at, begin + bytes.size(), &end, end + characters.size(), llvm::lenientConversion);
  bytes.erase(0, static_cast<size_t>(at - begin));
  std::string text;
  for (const llvm::UTF32* one = characters.data(); one != end; ++one) tokenizer::append_utf8(text, *one);
  return text;
}

}  // namespace

Tokenizer Tokenizer::read(const std::string& path) {
  const json::Value document = tokenizer::read_json_file(path);
  return Tokenizer(std::make_shared<tokenizer::Encoder>(tokenizer::read_tokenizer_file(document, path)));
}

Tokenizer Tokenizer::parse(llvm::StringRef json, const std::string& name) {
  const json::Value document = tokenizer::parse_json(json, name);
  return Tokenizer(std::make_shared<tokenizer::Encoder>(tokenizer::read_tokenizer_file(document, name)));
}

std::vector<int64_t> Tokenizer::encode(llvm::StringRef text) const {
  if (const size_t at = tokenizer::first_no_utf8(text); at < text.size())
    throw Error("the text is no UTF-8 at byte " + std::to_string(at));
  return encoder_->encode(text);
}

std::string Tokenizer::bytes_of(int64_t id) const {
  const tokenizer::TokenizerFile& file = encoder_->file();
  if (id < 0 || id >= size() || file.special[id]) return "";
  return file.decoder.bytes_of(file.texts[id]);
}

std::string Tokenizer::decode(llvm::ArrayRef<int64_t> ids) const {
  TextStream stream(*this);
  std::string text;
  for (const int64_t id : ids) text += stream.next(id);
  text += stream.end();
  const tokenizer::Decoder& decoder = encoder_->file().decoder;
  llvm::StringRef rest = text;
  for (int64_t i = 0; i < decoder.strips && rest.consume_front(decoder.stripped); ++i) continue;
  return rest.str();
}

int64_t Tokenizer::size() const { return static_cast<int64_t>(encoder_->file().texts.size()); }

int64_t Tokenizer::id_of(llvm::StringRef token) const {
  const tokenizer::TokenizerFile& file = encoder_->file();
  if (const auto found = file.vocabulary.find(token); found != file.vocabulary.end()) return found->second;
  const auto added = llvm::find_if(file.added, [&](const auto& one) { return one.text == token; });
  return added == file.added.end() ? -1 : added->id;
}

std::string TextStream::next(int64_t id) {
  begun_ += tokenizer_.bytes_of(id);
  return take_characters(begun_, false);
}

std::string TextStream::end() { return take_characters(begun_, true); }

}  // namespace tenon

// decoder.cpp: from tokens back to the bytes of a text.
#include <map>

#include "llvm/ADT/StringExtras.h"
#include "runtime/tokenizer/read_steps.h"
#include "runtime/tokenizer/steps.h"

namespace tenon::tokenizer {
namespace {

/// The bytes that a token's characters stand for; its own where a character stands for none.
std::string from_byte_characters(llvm::StringRef token) {
  static const auto* bytes = [] {
    auto* map = new std::map<char32_t, char>;
    for (unsigned byte = 0; byte < 256; ++byte)
      (*map)[character_of_byte(static_cast<unsigned char>(byte))] = static_cast<char>(byte);
    return map;
  }();
  std::string text;
  for (size_t at = 0; at < token.size();) {
    const Character character = character_at(token, at);
    const auto byte = bytes->find(character.code);
    if (byte == bytes->end()) return token.str();
    text += byte->second;
    at += character.bytes;
  }
  return text;
}

/// "<0x0A>" is the byte 10.
bool is_byte_token(llvm::StringRef token, unsigned& byte) {
  return token.size() == 6 && token.consume_front("<0x") && token.consume_back(">") &&
         !token.getAsInteger(16, byte);
}

void read_decoding_step(const FilePart& part, const std::string& type, Decoder& decoder) {
  if (type == "ByteLevel") {
    decoder.byte_characters = true;
  } else if (type == "ByteFallback") {
    decoder.byte_tokens = true;
  } else if (type == "Replace") {
    const FilePart literal = part["pattern"]["String"];
    if (literal.string().empty()) literal.fail("an empty text to look for");
    if (part["content"].string().size() > literal.string().size())
      part["content"].fail("longer than what it stands for, which is not supported");
    decoder.replacements.emplace_back(literal.string(), part["content"].string());
  } else if (type == "Metaspace") {
    decoder.replacements.emplace_back(part["replacement"].string(), " ");
    if (part["replacement"].string().empty()) part["replacement"].fail("a character expected");
    decoder.stripped = " ";
    decoder.strips =
        part["prepend_scheme"].string_or("always") == "never" || !part["add_prefix_space"].flag(true) ? 0 : 1;
  } else if (type == "Strip") {
    decoder.stripped = part["content"].string();
    decoder.strips = part["start"].integer();
    if (part["stop"].integer() != 0) part["stop"].fail("stripping the end is not supported");
    if (decoder.stripped.empty()) part["content"].fail("a character expected");
  } else if (type != "Fuse") {
    part["type"].fail("a decoder " + shown(type) + " is not supported",
                      "ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace and a Sequence of them are");
  }
}

}  // namespace

std::string Decoder::bytes_of(llvm::StringRef token) const {
  if (byte_characters) return from_byte_characters(token);
  unsigned byte = 0;
  if (byte_tokens && is_byte_token(token, byte)) return std::string(1, static_cast<char>(byte));
  std::string text = token.str();
  for (const auto& [from, to] : replacements) {
    std::string next;
    llvm::StringRef rest = text;
    for (size_t at; (at = rest.find(from)) != llvm::StringRef::npos; rest = rest.substr(at + from.size()))
      next += (rest.take_front(at) + to).str();
    text = next + rest.str();
  }
  return text;
}

Decoder read_decoder(const FilePart& part) {
  Decoder decoder;
  if (!part.given()) part.fail("no decoder: how tokens become text is not said");
  each_step(part, "decoders",
            [&](const FilePart& step, const std::string& type) { read_decoding_step(step, type, decoder); });
  return decoder;
}

}  // namespace tenon::tokenizer

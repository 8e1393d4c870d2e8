// unicode.cpp: look-ups by binary search; normalisation as UAX #15 defines it: decompose, order marks, compose.
#include "runtime/tokenizer/unicode.h"

#include <algorithm>
#include <map>
#include <vector>

#include "llvm/Support/ConvertUTF.h"
#include "runtime/tokenizer/unicode_tables.h"

namespace tenon::tokenizer {
namespace {

constexpr uint32_t kCodeMask = 0xFFFFFF;

uint32_t value_at(llvm::ArrayRef<uint32_t> starts, char32_t code) {
  const auto after = std::upper_bound(starts.begin(), starts.end(), code,
                                      [](char32_t c, uint32_t start) { return c < (start & kCodeMask); });
  return *(after - 1) >> 24;
}

uint32_t combining_class(char32_t code) { return code < 0x300 ? 0 : value_at(kCombiningStarts, code); }

// Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

void decompose(char32_t code, std::u32string& out) {
  if (const char32_t index = code - kSyllables; code >= kSyllables && index < kSyllableCount) {
    out += kLeads + index / (kVowelCount * kTailCount);
    out += kVowels + index / kTailCount % kVowelCount;
    if (index % kTailCount) out += kTails + index % kTailCount;
    return;
  }
  const auto row = std::lower_bound(kDecompositions.begin(), kDecompositions.end(), code,
                                    [](const Decomposition& d, char32_t c) { return d.code < c; });
  if (row == kDecompositions.end() || row->code != code) {
    out += code;
    return;
  }
  decompose(row->first, out);
  if (row->second) decompose(row->second, out);
}

/// The character that the two become, or 0.
char32_t composed(char32_t first, char32_t second) {
  if (first - kLeads < kLeadCount && second - kVowels < kVowelCount)
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
  if (first - kSyllables < kSyllableCount && (first - kSyllables) % kTailCount == 0 && second > kTails &&
      second - kTails < kTailCount)
    return first + (second - kTails);
  static const auto* pairs = [] {
    auto* map = new std::map<std::pair<char32_t, char32_t>, char32_t>;
    for (const Decomposition& row : kDecompositions)
      if (row.composes) (*map)[{row.first, row.second}] = row.code;
    return map;
  }();
  const auto found = pairs->find({first, second});
  return found == pairs->end() ? 0 : found->second;
}

/// Sorts each run of marks by combining class, equal ones as they stood.
void order_marks(std::u32string& text) {
  for (auto at = text.begin(); at != text.end();) {
    const auto starter = [](char32_t code) { return combining_class(code) == 0; };
    const auto begin = std::find_if_not(at, text.end(), starter);
    at = std::find_if(begin, text.end(), starter);
    std::stable_sort(begin, at,
                     [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
  }
}

/// Joins each character with the last starter before it, where nothing between the two blocks it.
std::u32string compose(const std::u32string& text) {
  std::u32string out;
  size_t starter = std::u32string::npos;
  uint32_t before = 0;  // the class of the last character kept behind the starter; 0 where it follows at once
  for (const char32_t code : text) {
    const uint32_t own = combining_class(code);
    const bool reaches = starter != std::u32string::npos && (starter + 1 == out.size() || before < own);
    if (const char32_t joined = reaches ? composed(out[starter], code) : 0) {
      out[starter] = joined;
      continue;
    }
    if (own == 0) starter = out.size();
    before = own;
    out += code;
  }
  return out;
}

}  // namespace

Category category_of(char32_t code) { return static_cast<Category>(value_at(kCategoryStarts, code)); }

bool is_space(char32_t code) {
  return (code >= 0x9 && code <= 0xD) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
         code == 0x205F || code == 0x3000;
}

size_t first_no_utf8(llvm::StringRef text) {
  const auto* begin = reinterpret_cast<const llvm::UTF8*>(text.data());
  const auto* at = begin;
  llvm::isLegalUTF8String(&at, begin + text.size());
  return static_cast<size_t>(at - begin);
}

Character character_at(llvm::StringRef text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

void append_utf8(std::string& text, char32_t code) {
  char bytes[UNI_MAX_UTF8_BYTES_PER_CODE_POINT];
  char* end = bytes;
  llvm::ConvertCodePointToUTF8(code, end);
  text.append(bytes, end);
}

std::string nfc(llvm::StringRef text) {
  const auto composed_already = [](char c) { return static_cast<unsigned char>(c) < 0xCC; };  // below U+0300
  if (llvm::all_of(text, composed_already)) return text.str();
  std::u32string characters;
  for (size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    decompose(character.code, characters);
    at += character.bytes;
  }
  order_marks(characters);
  std::string out;
  for (const char32_t code : compose(characters)) append_utf8(out, code);
  return out;
}

}  // namespace tenon::tokenizer

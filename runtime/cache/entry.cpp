// entry.cpp: an entry's format, as the README draws it.
#include "runtime/cache/entry.h"

#include <cstring>

#include "ir/diagnostics.h"

namespace tenon::cache {
namespace {

constexpr llvm::StringLiteral kMagic = "TENONKC\x01";  // the last byte is the schema
static_assert(kMagic.size() == 8 && kSchema == 1, "a new schema is another last byte");

[[noreturn]] void refuse(const std::string& why) { throw Error("not an entry of the kernel cache: " + why); }

void append(std::string& bytes, uint64_t number) {
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(number >> (8 * i));
}
void append(std::string& bytes, llvm::StringRef text) {
  append(bytes, uint64_t{text.size()});
  bytes += text;
}
void append(std::string& bytes, const Digest& digest) { bytes.append(digest.begin(), digest.end()); }

/// Takes fields from the front of bytes; refuses one that is longer than what is left.
class Reader {
 public:
  explicit Reader(llvm::StringRef bytes) : left_(bytes) {}

  uint64_t number() {
    const llvm::StringRef bytes = take(8);
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
    return value;
  }
  std::string text() { return take(number()).str(); }
  Digest digest() {
    Digest result;
    std::memcpy(result.data(), take(result.size()).data(), result.size());
    return result;
  }
  /// How many items follow, none of which takes fewer than `least` bytes.
  uint64_t count(uint64_t least) {
    const uint64_t items = number();
    if (items > left_.size() / least) refuse("a count leaves its section");
    return items;
  }
  void end() const {
    if (!left_.empty()) refuse("something follows the last field of a section");
  }

 private:
  llvm::StringRef take(uint64_t count) {
    if (count > left_.size()) refuse("a field leaves its section");
    const llvm::StringRef taken = left_.take_front(count);
    left_ = left_.drop_front(count);
    return taken;
  }
  llvm::StringRef left_;
};

Reader checked(const char* name, llvm::StringRef section, uint64_t size, const Digest& digest) {
  if (section.size() != size || digest_of(section) != digest)
    refuse(std::string("the ") + name + " is not what was written");
  return Reader(section);
}

std::string head_bytes(const Entry& entry) {
  std::string bytes;
  append(bytes, entry.key.kernel);
  append(bytes, entry.key.compiler);
  append(bytes, uint64_t{entry.key.options.size()});
  for (const std::string& option : entry.key.options) append(bytes, option);
  append(bytes, uint64_t{entry.key.headers.size()});
  for (const ReachedHeader& header : entry.key.headers) {
    append(bytes, header.path);
    append(bytes, header.digest);
  }
  append(bytes, entry.key.source);
  uint64_t milliseconds = 0;
  std::memcpy(&milliseconds, &entry.milliseconds, sizeof milliseconds);
  append(bytes, milliseconds);
  append(bytes, entry.refusal);
  return bytes;
}

}  // namespace

std::string sealed(llvm::StringRef head, llvm::StringRef code, llvm::StringRef ptx) {
  std::string bytes = kMagic.str();
  for (llvm::StringRef section : {head, code, ptx}) append(bytes, uint64_t{section.size()});
  for (llvm::StringRef section : {head, code, ptx}) append(bytes, digest_of(section));
  for (llvm::StringRef section : {head, code, ptx}) bytes += section;
  return bytes;
}

std::string entry_bytes(const Entry& entry) {
  std::string code;
  append(code, entry.cubin);
  append(code, entry.log);
  return sealed(head_bytes(entry), code, entry.ptx);
}

Prelude parse_prelude(llvm::StringRef bytes, uint64_t file_bytes) {
  if (bytes.size() < kPreludeBytes || file_bytes < kPreludeBytes) refuse("it is cut off");
  if (!bytes.startswith(kMagic)) refuse("another format or version");
  Reader reader(bytes.slice(kMagic.size(), kPreludeBytes));
  Prelude prelude;
  uint64_t left = file_bytes - kPreludeBytes;
  for (uint64_t* size : {&prelude.head_bytes, &prelude.code_bytes, &prelude.ptx_bytes}) {
    *size = reader.number();
    if (*size > left) refuse("it is cut off, or its sizes are wrong");
    left -= *size;
  }
  if (left) refuse("it is longer than its sizes say");
  for (Digest* digest : {&prelude.head, &prelude.code, &prelude.ptx}) *digest = reader.digest();
  return prelude;
}

void parse_head(const Prelude& prelude, llvm::StringRef section, Entry& entry) {
  Reader reader = checked("head", section, prelude.head_bytes, prelude.head);
  entry.key.kernel = reader.text();
  entry.key.compiler = reader.text();
  entry.key.options.resize(reader.count(8));
  for (std::string& option : entry.key.options) option = reader.text();
  entry.key.headers.resize(reader.count(8 + sizeof(Digest)));
  for (ReachedHeader& header : entry.key.headers) {
    header.path = reader.text();
    header.digest = reader.digest();
  }
  entry.key.source = reader.text();
  const uint64_t milliseconds = reader.number();
  std::memcpy(&entry.milliseconds, &milliseconds, sizeof milliseconds);
  entry.refusal = reader.text();
  reader.end();
}

void parse_code(const Prelude& prelude, llvm::StringRef section, Entry& entry) {
  Reader reader = checked("code", section, prelude.code_bytes, prelude.code);
  entry.cubin = reader.text();
  entry.log = reader.text();
  reader.end();
}

void parse_ptx(const Prelude& prelude, llvm::StringRef section, Entry& entry) {
  checked("PTX", section, prelude.ptx_bytes, prelude.ptx);
  entry.ptx = section.str();
}

Entry parse_entry(llvm::StringRef bytes) {
  const Prelude prelude = parse_prelude(bytes, bytes.size());
  const llvm::StringRef sections = bytes.drop_front(kPreludeBytes);
  Entry entry;
  parse_head(prelude, sections.take_front(prelude.head_bytes), entry);
  parse_code(prelude, sections.substr(prelude.head_bytes, prelude.code_bytes), entry);
  parse_ptx(prelude, sections.take_back(prelude.ptx_bytes), entry);
  return entry;
}

}  // namespace tenon::cache

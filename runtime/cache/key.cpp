// key.cpp: reads what sources include, and hashes.
#include "runtime/cache/key.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "llvm/Support/SHA256.h"

namespace tenon::cache {
namespace {

/// The files that `text` includes, in its order; nothing where a directive leaves open which file it means.
std::optional<std::vector<std::string>> includes_of(llvm::StringRef text) {
  if (text.contains("__has_include")) return std::nullopt;
  std::vector<std::string> found;
  for (size_t at = text.find('#'); at != llvm::StringRef::npos; at = text.find('#', at + 1)) {
    llvm::StringRef rest = text.substr(at + 1).ltrim(" \t");
    if (!rest.consume_front("include")) continue;
    rest = rest.ltrim(" \t");
    const char close = rest.startswith("\"") ? '"' : rest.startswith("<") ? '>' : '\0';
    const size_t end = close ? rest.find(close, 1) : llvm::StringRef::npos;
    if (end == llvm::StringRef::npos) return std::nullopt;
    found.push_back(rest.slice(1, end).str());
  }
  return found;
}

/// Hashes pieces so that no two lists of pieces give the same bytes.
class Hasher {
 public:
  void add(llvm::StringRef piece) {
    add(piece.size());
    hash_.update(piece);
  }
  void add(uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
    hash_.update(llvm::StringRef(bytes, sizeof bytes));
  }
  Digest digest() {
    const llvm::StringRef raw = hash_.final();
    Digest result;
    std::memcpy(result.data(), raw.data(), result.size());
    return result;
  }

 private:
  llvm::SHA256 hash_;
};

llvm::StringRef bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

Digest key_of(const KeyParts& parts) {
  Hasher hasher;
  hasher.add(kSchema);
  hasher.add(parts.kernel);
  hasher.add(parts.compiler);
  hasher.add(parts.options.size());
  for (const std::string& option : parts.options) hasher.add(option);
  hasher.add(parts.headers.size());
  for (const ReachedHeader& header : parts.headers) {
    hasher.add(header.path);
    hasher.add(bytes_of(header.digest));
  }
  hasher.add(parts.source);
  return hasher.digest();
}

const HeaderIndex::Read* HeaderIndex::find(const std::string& path) {
  const auto known = read_.find(path);
  if (known != read_.end()) return &known->second;
  const auto file = std::find_if(headers_.begin(), headers_.end(),
                                 [&](const EmbeddedFile& header) { return header.path == path; });
  if (file == headers_.end()) return nullptr;
  return &(read_[path] = {digest_of(file->text), includes_of(file->text)});
}

std::optional<std::vector<ReachedHeader>> HeaderIndex::reached_from(llvm::StringRef source) {
  std::map<std::string, Digest> reached;
  std::optional<std::vector<std::string>> open = includes_of(source);
  while (open && !open->empty()) {
    const std::string path = std::move(open->back());
    open->pop_back();
    if (reached.count(path)) continue;
    const Read* header = find(path);
    if (!header || !header->includes) return std::nullopt;
    reached[path] = header->digest;
    open->insert(open->end(), header->includes->begin(), header->includes->end());
  }
  if (!open) return std::nullopt;
  std::vector<ReachedHeader> result;
  for (const auto& [path, digest] : reached) result.push_back({path, digest});
  return result;
}

std::optional<KeyParts> key_parts(const cuda::CompileRequest& request, const cuda::NvrtcIdentity& compiler,
                                  HeaderIndex& headers) {
  if (!request.include_folders.empty()) return std::nullopt;
  auto reached = headers.reached_from(request.source);
  if (!reached) return std::nullopt;
  std::vector<std::string> options = cuda::compile_options(request, compiler.major, compiler.minor);
  constexpr char kAppended[] = "NVRTC_APPEND_FLAGS";  // NVRTC adds what this says
  if (const char* flags = std::getenv(kAppended)) options.push_back(std::string(kAppended) + "=" + flags);
  return KeyParts{request.name, compiler.text, std::move(options), std::move(*reached), request.source};
}

}  // namespace tenon::cache

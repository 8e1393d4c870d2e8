// key.h: what decides the code that the compiler makes of a kernel, and its digest.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "passes/embedded_file.h"
#include "runtime/cache/digest.h"
#include "runtime/cuda/nvrtc.h"

namespace tenon::cache {

/// Of the entries' format and of the key's; another number makes every entry of before a miss.
constexpr uint64_t kSchema = 1;

/// A header that a source reaches.
struct ReachedHeader {
  std::string path;
  Digest digest;  ///< of its bytes
  bool operator==(const ReachedHeader&) const = default;
};

struct KeyParts {
  std::string kernel;    ///< the file name that the compiler is told: "ffn_in.cu"
  std::string compiler;  ///< NvrtcIdentity::text
  std::vector<std::string> options;
  std::vector<ReachedHeader> headers;  ///< sorted by path
  std::string source;
};
Digest key_of(const KeyParts& parts);

/// The device headers and which of them reach which; each is read and hashed once, when it is first reached.
/// Thread-compatible.
class HeaderIndex {
 public:
  explicit HeaderIndex(llvm::ArrayRef<EmbeddedFile> headers) : headers_(headers) {}
  /// What `source` includes, and what that includes; nothing where it may include something else.
  std::optional<std::vector<ReachedHeader>> reached_from(llvm::StringRef source);

 private:
  struct Read {
    Digest digest;
    std::optional<std::vector<std::string>> includes;
  };
  const Read* find(const std::string& path);

  llvm::ArrayRef<EmbeddedFile> headers_;
  std::map<std::string, Read> read_;
};

/// The key's parts of a request; nothing where the result depends on more than the request tells.
std::optional<KeyParts> key_parts(const cuda::CompileRequest& request, const cuda::NvrtcIdentity& compiler,
                                  HeaderIndex& headers);

}  // namespace tenon::cache

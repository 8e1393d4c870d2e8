// Compiles generated kernels with NVRTC: source in, PTX, cubin and ptxas' report out.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "passes/embedded_file.h"
#include "runtime/cuda/library_search.h"

namespace tenon::cuda {

struct CompileRequest {
  std::string name;    ///< of the program in messages: "ffn_in.cu"
  std::string source;  ///< CUDA C++, one kernel a program
  std::string arch;    ///< "sm_80", "sm_90a": the real architecture, also where only PTX is wanted
  bool cubin = true;   ///< false: PTX only (half the time; inline asm stays unchecked)
  std::vector<std::string> include_folders =
      {};                                 ///< for sources of others; Tenon's own include nothing from disk
  std::vector<std::string> defines = {};  ///< likewise: "NAME" or "NAME=VALUE"
  bool ptx = true;  ///< false: beside a cubin nobody wants the PTX, and it may come back empty
};

/// ptxas' report for the program: maxima over its kernels. All zero where no cubin was made.
struct KernelResources {
  int registers = 0, barriers = 0;
  int64_t spill_bytes = 0;   ///< stores and loads together
  int64_t stack_bytes = 0;   ///< frame of each thread
  int64_t shared_bytes = 0;  ///< static shared memory
};

struct CompiledKernel {
  std::string ptx;  ///< names its files from the current folder
  std::string cubin, log;
  KernelResources resources;
  double milliseconds = 0;  ///< that the compiler took
  bool from_cache = false;  ///< ... when it made this
};

/// Turns sources into cubins (or into PTX alone, for a driver that takes that), in the order of the requests.
using KernelCompiler = std::function<std::vector<CompiledKernel>(const std::vector<CompileRequest>&)>;

/// The compiler's refusal of the source itself: the same request fails again in the same way.
class SourceRefused : public Error {
 public:
  explicit SourceRefused(std::string message) : Error(std::move(message), {}, "", Status::kMachineCannot) {}
};

/// Does a failed compilation's log blame the source, and not the machine (no memory, an internal error)?
bool blames_source(llvm::StringRef log);

/// Which library it is.
struct NvrtcIdentity {
  int major = 0, minor = 0;
  /// Version; name, size and time of modification of the library's file and of the one with its built-in functions. Two
  /// libraries that may make different code differ in it.
  std::string text;
  bool operator==(const NvrtcIdentity&) const = default;
};
/// That of the library in the file `path`, which need not be open.
NvrtcIdentity nvrtc_identity(const std::string& path, int major, int minor);

/// Reads the report that `-Xptxas=-v` leaves in a program's log.
KernelResources parse_ptxas_log(const std::string& log);

/// The options of a compile, in the order in which a cache key lists them. `major` and `minor` are NVRTC's
/// version: options that it does not know yet are left out.
std::vector<std::string> compile_options(const CompileRequest& request, int major, int minor);

class Nvrtc {
 public:
  /// Throws tenon::Error where the search found nothing or the library lacks a function.
  explicit Nvrtc(const LibrarySearch& search);

  const NvrtcIdentity& identity() const { return identity_; }

  /// Compiles one program, which may include `headers` by their paths and what lies in its include_folders. Throws
  /// tenon::Error that carries the request's name and the whole log, SourceRefused where that blames the source.
  /// Thread-safe.
  CompiledKernel compile(const CompileRequest& request, llvm::ArrayRef<EmbeddedFile> headers) const;
  /// Compiles all in `threads` threads (0: one a core). Results are in the order of the requests; so is the
  /// choice of the error thrown: that of the first request that fails.
  std::vector<CompiledKernel> compile_all(const std::vector<CompileRequest>& requests,
                                          llvm::ArrayRef<EmbeddedFile> headers, int threads = 0) const;

  struct Functions;  ///< NVRTC's interface, private to nvrtc.cpp

 private:
  std::shared_ptr<const Functions> functions_;
  NvrtcIdentity identity_;
};

}  // namespace tenon::cuda

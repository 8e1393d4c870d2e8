// Finds the shared libraries of CUDA at run time, so that one binary works on machines with none, some or all
// of them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/diagnostics.h"

namespace tenon::cuda {

/// An error that is the machine's, not the model's: a library or a GPU is absent, or refuses.
inline Error machine_error(std::string message, std::string hint = {}) {
  return Error(std::move(message), {}, std::move(hint), Status::kMachineCannot);
}

/// A library opened by dlopen; it stays open until the process ends, because drivers do not survive being
/// unloaded.
class SharedLibrary {
 public:
  SharedLibrary() = default;
  SharedLibrary(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  explicit operator bool() const { return handle_ != nullptr; }
  /// The file that the loader mapped, symbolic links resolved.
  const std::string& path() const { return path_; }
  /// The address of an exported function, or null where this version lacks it.
  void* symbol(const char* name) const;

 private:
  void* handle_ = nullptr;
  std::string path_;
};

/// What a search did: the library, or every place that was looked at in vain.
struct LibrarySearch {
  std::string name;                    ///< what people call it: "NVRTC"
  SharedLibrary library;               ///< false where absent
  std::vector<std::string> looked_at;  ///< places tried before success, in order
  std::vector<std::string> defects;    ///< files that exist and could not be loaded, with the loader's words
  /// One sentence for error messages: where it is, or that it was not found and where it was looked for.
  std::string summary() const;
};

/// The folders searched for the parts of the toolkit, in order: LD_LIBRARY_PATH, (the loader's own way, ""),
/// CUDA_PATH, CUDA_HOME, /usr/local/cuda*, the distribution's folders, and the `nvidia` folders of Python
/// installations. Duplicates are dropped.
std::vector<std::string> toolkit_folders();
/// The folders searched for the driver: LD_LIBRARY_PATH, the loader's own way, and where drivers install
/// themselves.
std::vector<std::string> driver_folders();

/// Opens the first of `file_names` (best first) in the first folder that has any; a folder "" stands for the
/// loader's own search.
LibrarySearch find_library(std::string_view name, const std::vector<std::string>& file_names,
                           const std::vector<std::string>& folders);

/// libcuda.so.1, libnvrtc.so.{13,12}, libcublasLt.so.{13,12}. A toolkit newer than the driver makes cubins
/// that the driver refuses, so with a driver of version 12.x (`driver_version` as cuDriverGetVersion counts,
/// 0 = unknown) 13 is taken only where no folder has 12.
LibrarySearch find_driver();
LibrarySearch find_nvrtc(int driver_version = 0);
LibrarySearch find_cublaslt(int driver_version = 0);

/// All that find_nvrtc() depends on, without opening anything: each place that it may look at, with size and time of
/// what is there. While this text is the same, a search finds the same.
std::string nvrtc_search_state(int driver_version = 0);

}  // namespace tenon::cuda

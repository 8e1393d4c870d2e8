// settings.h: where the kernel cache is, how large it may be, and whom it tells of trouble.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace tenon::cache {

/// The functions are called from several threads at once.
struct Settings {
  std::string folder;                    ///< made where it is absent; "": there is no place for a cache
  int64_t max_bytes = int64_t{1} << 30;  ///< of all files together; 0: no cache
  double wait_seconds = 60;   ///< for another process that compiles a kernel, before compiling it too
  double stale_seconds = 60;  ///< leftovers of killed processes are swept when they are as old
  std::function<void(const std::string&)> warn;  ///< of what keeps the cache from working; null: nobody hears
  /// Tests follow a save by it, and stop the process at any of its steps; null: nobody looks.
  std::function<void(const char* step)> observer;

  std::string kernel_folder() const { return folder + "/kernels"; }
};

/// TENON_CACHE_DIR, else $XDG_CACHE_HOME/tenon, else $HOME/.cache/tenon; TENON_CACHE_MAX_BYTES. Warnings go to standard
/// error, one a process.
Settings settings_from_environment();

}  // namespace tenon::cache

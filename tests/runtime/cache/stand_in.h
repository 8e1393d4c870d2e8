// stand_in.h: a compiler without NVRTC, whose code tells its request, and the places that tests of the cache need.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/cache/kernel_cache.h"
#include "tests/runtime/files.h"

namespace tenon::test {

/// Headers of a small world: b.cuh reaches a.cuh, c.cuh reaches nothing.
inline std::vector<EmbeddedFile> some_headers() {
  return {{"templates/a.cuh", "struct A {};\n"},
          {"templates/b.cuh", "#include \"templates/a.cuh\"\n"},
          {"templates/c.cuh", "struct C {};\n"}};
}

inline cuda::CompileRequest request_of(const std::string& name, const std::string& body = "") {
  return {name + ".cu", "#include \"templates/b.cuh\"\nvoid " + name + "() {" + body + "}\n", "sm_80"};
}

/// Bytes that depend on the whole request, `repeat` times its text.
inline std::string code_of(const cuda::CompileRequest& request, const char* kind, int repeat = 200) {
  std::string code;
  for (int i = 0; i < repeat; ++i) code += std::string(kind) + request.name + request.arch + request.source;
  return code;
}

/// A source with "refuse" in it is refused, one with "fail" fails for a reason of the machine. Each compilation appends its
/// request's name as a line to `log`, a file, so that processes together can be counted.
class StandIn : public cache::Backend {
 public:
  explicit StandIn(std::string log = "", int milliseconds = 0)
      : log_(std::move(log)), milliseconds_(milliseconds) {}

  cuda::NvrtcIdentity identity() override { return name; }
  void open() override { opened = true; }
  cuda::CompiledKernel compile(const cuda::CompileRequest& request) const override {
    note(request.name);
    if (milliseconds_) usleep(milliseconds_ * 1000);
    if (request.source.find("refuse") != std::string::npos)
      throw cuda::SourceRefused(request.name + "(1): error: refused");
    if (request.source.find("fail") != std::string::npos) throw cuda::machine_error("out of memory");
    cuda::CompiledKernel kernel;
    kernel.ptx = code_of(request, "ptx");
    if (request.cubin) kernel.cubin = code_of(request, "cubin");
    kernel.log = "Used 7 registers, used 1 barriers";
    kernel.resources = cuda::parse_ptxas_log(kernel.log);
    kernel.milliseconds = 5;
    return kernel;
  }
  cuda::NvrtcIdentity name = {13, 0, "stand-in 1"};
  bool opened = false;

 private:
  void note(const std::string& kernel) const {
    if (log_.empty()) return;
    const std::string line = kernel + "\n";
    const int fd = open_log();
    if (write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
    close(fd);
  }
  int open_log() const { return ::open(log_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600); }
  std::string log_;
  int milliseconds_;
};

/// A cache in a folder of its own, with what it warned of.
struct CacheFolder {
  TemporaryFolder folder;
  std::vector<std::string> warnings;
  std::vector<EmbeddedFile> headers = some_headers();

  cache::Settings settings() {
    cache::Settings settings;
    settings.folder = folder.file("cache");
    settings.warn = [this](const std::string& what) { warnings.push_back(what); };
    return settings;
  }
  cache::KernelCache open() { return cache::KernelCache(settings(), headers); }
  cache::Store store() { return cache::Store(cache::Folder::make(folder.file("cache/kernels")), settings()); }
  std::string log() const { return folder.file("compiled"); }
  /// The files of the cache with this ending, sorted.
  std::vector<std::string> files(const std::string& suffix) const {
    std::vector<std::string> found;
    std::error_code failed;
    for (const auto& one : std::filesystem::directory_iterator(folder.path / "cache/kernels", failed))
      if (one.path().string().ends_with(suffix)) found.push_back(one.path().string());
    std::sort(found.begin(), found.end());
    return found;
  }
};

/// How often each name stands in a log of StandIn's, all together where `name` is "".
inline int times_compiled(const std::string& log, const std::string& name = "") {
  std::ifstream lines(log);
  int count = 0;
  for (std::string line; std::getline(lines, line);) count += name.empty() || line == name;
  return count;
}

/// Whether `kernel` is what StandIn makes of `request`.
inline bool is_right(const cuda::CompiledKernel& kernel, const cuda::CompileRequest& request) {
  return kernel.ptx == code_of(request, "ptx") &&
         kernel.cubin == (request.cubin ? code_of(request, "cubin") : "") && kernel.resources.registers == 7;
}

/// A process that compiles `kernels` by a StandIn behind the cache and judges what it gets (helper_process.cpp).
struct Helper {
  std::string folder;                ///< Settings::folder
  std::string log;                   ///< StandIn's
  std::string kernels;               ///< names with a blank between them
  int kill_at = -1;                  ///< the step of saving at which it kills itself, counted from 0
  int milliseconds = 0;              ///< a compilation takes
  int64_t file_limit = -1;           ///< bytes of a file that it may write
  double stale_seconds = 60;         ///< Settings::stale_seconds
  bool unprivileged = false;         ///< as another user where it is root, so that a folder's mode counts
  std::string output = "/dev/null";  ///< where what it prints goes

  pid_t start() const;
};
/// Waits for it: 0 when all kernels were right and no error reached it, a signal's number negated, else what it exits with.
int end_of(pid_t helper);
inline int run(const Helper& helper) { return end_of(helper.start()); }

}  // namespace tenon::test

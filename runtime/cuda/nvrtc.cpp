// NVRTC by dlopen; measured facts about its options and threads are in runtime/cuda/README.md.
#include "runtime/cuda/nvrtc.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>

#include "runtime/cuda/compile_pool.h"

namespace tenon::cuda {

using Program = struct ProgramOpaque*;

struct Nvrtc::Functions {
  int (*version)(int*, int*);
  const char* (*error_string)(int);
  int (*create)(Program*, const char* source, const char* name, int headers, const char* const* texts,
                const char* const* names);
  int (*destroy)(Program*);
  int (*compile)(Program, int count, const char* const* options);
  int (*ptx_size)(Program, size_t*);
  int (*ptx)(Program, char*);
  int (*cubin_size)(Program, size_t*);
  int (*cubin)(Program, char*);
  int (*log_size)(Program, size_t*);
  int (*log)(Program, char*);
};

namespace {

constexpr int kCompilationError = 6;  // NVRTC_ERROR_COMPILATION

template <class Pointer>
void load(Pointer& target, const SharedLibrary& library, const char* name) {
  target = reinterpret_cast<Pointer>(library.symbol(name));
  if (!target)
    throw machine_error("NVRTC at " + library.path() + " lacks " + name + " (version 12 or later is needed)");
}

std::shared_ptr<const Nvrtc::Functions> load_functions(const LibrarySearch& search) {
  if (!search.library) throw machine_error(search.summary());
  auto functions = std::make_shared<Nvrtc::Functions>();
  const SharedLibrary& library = search.library;
  load(functions->version, library, "nvrtcVersion");
  load(functions->error_string, library, "nvrtcGetErrorString");
  load(functions->create, library, "nvrtcCreateProgram");
  load(functions->destroy, library, "nvrtcDestroyProgram");
  load(functions->compile, library, "nvrtcCompileProgram");
  load(functions->ptx_size, library, "nvrtcGetPTXSize");
  load(functions->ptx, library, "nvrtcGetPTX");
  load(functions->cubin_size, library, "nvrtcGetCUBINSize");
  load(functions->cubin, library, "nvrtcGetCUBIN");
  load(functions->log_size, library, "nvrtcGetProgramLogSize");
  load(functions->log, library, "nvrtcGetProgramLog");
  return functions;
}

// A program for the time of one compile.
class ScopedProgram {
 public:
  ScopedProgram(const Nvrtc::Functions& api, const CompileRequest& request,
                llvm::ArrayRef<EmbeddedFile> headers)
      : api_(api) {
    std::vector<const char*> texts, names;  // both are followed by a NUL
    for (const EmbeddedFile& header : headers) {
      texts.push_back(header.text.data());
      names.push_back(header.path.data());
    }
    check(api.create(&program_, request.source.c_str(), request.name.c_str(),
                     static_cast<int>(headers.size()), texts.data(), names.data()));
  }
  ~ScopedProgram() {
    if (program_) api_.destroy(&program_);
  }
  ScopedProgram(const ScopedProgram&) = delete;
  ScopedProgram& operator=(const ScopedProgram&) = delete;

  Program get() const { return program_; }
  void check(int status) const {
    if (status != 0) throw machine_error(std::string("NVRTC: ") + api_.error_string(status));
  }
  // One of the size-then-bytes pairs of NVRTC.
  std::string text(int (*size)(Program, size_t*), int (*bytes)(Program, char*)) const {
    size_t count = 0;
    check(size(program_, &count));
    std::string result(count, '\0');
    if (count) check(bytes(program_, result.data()));
    return result;
  }

 private:
  const Nvrtc::Functions& api_;
  Program program_ = nullptr;
};

void drop_final_zero(std::string& text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
}

// NVRTC makes the paths of sources absolute. People know them from where they are, and the text of a kernel is not to depend
// on where it was compiled.
void name_files_from_here(std::string& ptx) {
  std::error_code failed;
  const std::string prefix = '"' + std::filesystem::current_path(failed).string() + '/';
  for (size_t at = 0; !failed && (at = ptx.find(prefix, at)) != std::string::npos;)
    ptx.erase(at + 1, prefix.size() - 1);
}

// The number that stands before `words` in `line`, or 0: "Used 24 registers" and "registers" give 24.
int64_t number_before(const std::string& line, const std::string& words) {
  const size_t at = line.find(" " + words);
  if (at == std::string::npos) return 0;
  size_t first = at;
  while (first > 0 && line[first - 1] >= '0' && line[first - 1] <= '9') --first;
  int64_t value = 0;
  std::from_chars(line.data() + first, line.data() + at, value);
  return value;
}

}  // namespace

KernelResources parse_ptxas_log(const std::string& log) {
  KernelResources found;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    const std::string line = log.substr(begin, end - begin);
    begin = end + 1;
    found.stack_bytes = std::max(found.stack_bytes, number_before(line, "bytes stack frame"));
    found.spill_bytes = std::max(found.spill_bytes, number_before(line, "bytes spill stores") +
                                                        number_before(line, "bytes spill loads"));
    found.registers = std::max(found.registers, static_cast<int>(number_before(line, "registers")));
    found.barriers = std::max(found.barriers, static_cast<int>(number_before(line, "barriers")));
    found.shared_bytes = std::max(found.shared_bytes, number_before(line, "bytes smem"));
  }
  return found;
}

std::vector<std::string> compile_options(const CompileRequest& request, int major, int minor) {
  const int version = major * 100 + minor;
  std::string arch = request.arch;
  if (!request.cubin && arch.starts_with("sm_")) arch = "compute_" + arch.substr(3);
  // The default lets a compile change the stack limit of the whole process, which a library must not do.
  std::vector<std::string> options = {"-arch=" + arch, "--std=c++20", "-lineinfo",
                                      "--device-as-default-execution-space", "--modify-stack-limit=false"};
  if (version >= 1204) options.push_back("--minimal");
  if (request.cubin) options.push_back("-Xptxas=-v");
  for (const std::string& folder : request.include_folders) options.push_back("--include-path=" + folder);
  for (const std::string& define : request.defines) options.push_back("--define-macro=" + define);
  return options;
}

bool blames_source(llvm::StringRef log) {
  for (const char* machine : {"out of memory", "emory allocation", "bad_alloc", "nternal", "catastrophic"})
    if (log.contains(machine)) return false;
  return log.contains("error");
}

NvrtcIdentity nvrtc_identity(const std::string& path, int major, int minor) {
  const std::string version = std::to_string(major) + "." + std::to_string(minor);
  const std::filesystem::path library = path;
  std::string text = "nvrtc " + version;
  for (const std::filesystem::path& file :
       {library, library.parent_path() / ("libnvrtc-builtins.so." + version)}) {
    struct stat facts {};
    if (stat(file.c_str(), &facts) != 0) facts = {};
    text += ", " + file.filename().string() + " " + std::to_string(facts.st_size) + " " +
            std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec);
  }
  return {major, minor, std::move(text)};
}

Nvrtc::Nvrtc(const LibrarySearch& search) : functions_(load_functions(search)) {
  int major = 0, minor = 0;
  if (functions_->version(&major, &minor) != 0)
    throw machine_error("NVRTC at " + search.library.path() + " does not tell its version");
  identity_ = nvrtc_identity(search.library.path(), major, minor);
}

CompiledKernel Nvrtc::compile(const CompileRequest& request, llvm::ArrayRef<EmbeddedFile> headers) const {
  const auto start = std::chrono::steady_clock::now();
  const ScopedProgram program(*functions_, request, headers);
  const std::vector<std::string> options = compile_options(request, identity_.major, identity_.minor);
  std::vector<const char*> words;
  for (const std::string& option : options) words.push_back(option.c_str());
  const int status = functions_->compile(program.get(), static_cast<int>(words.size()), words.data());

  CompiledKernel result;
  result.log = program.text(functions_->log_size, functions_->log);
  drop_final_zero(result.log);
  if (status != 0) {
    const std::string message = "the kernel " + request.name + " does not compile for " + request.arch +
                                ": " + functions_->error_string(status) + "\n" + result.log;
    if (status == kCompilationError && blames_source(result.log)) throw SourceRefused(message);
    throw machine_error(message);
  }
  result.ptx = program.text(functions_->ptx_size, functions_->ptx);
  drop_final_zero(result.ptx);
  name_files_from_here(result.ptx);
  if (request.cubin) {
    result.cubin = program.text(functions_->cubin_size, functions_->cubin);
    result.resources = parse_ptxas_log(result.log);
  }
  result.milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::vector<CompiledKernel> Nvrtc::compile_all(const std::vector<CompileRequest>& requests,
                                               llvm::ArrayRef<EmbeddedFile> headers, int threads) const {
  std::vector<CompiledKernel> results(requests.size());
  for_each_in_parallel(requests.size(), threads,
                       [&](size_t i) { results[i] = compile(requests[i], headers); });
  return results;
}

}  // namespace tenon::cuda

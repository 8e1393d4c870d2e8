// output_file.cpp: temporary file and rename, or straight into what is no file.
#include "runtime/output_file.h"

#include "ir/diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

namespace tenon {
namespace fs = llvm::sys::fs;
namespace {

/// True after all of it was taken.
bool stream_to(int descriptor, llvm::function_ref<void(llvm::raw_ostream&)> write, std::string& problem) {
  llvm::raw_fd_ostream out(descriptor, /*shouldClose=*/false);
  write(out);
  out.flush();
  if (!out.has_error()) return true;
  problem = out.error().message();
  out.clear_error();
  return false;
}

void write_in_place(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream&)> write) {
  llvm::Expected<fs::file_t> opened = fs::openNativeFileForWrite(path, fs::CD_OpenExisting, fs::OF_None);
  if (!opened) throw Error(path.str() + ": " + llvm::toString(opened.takeError()));
  std::string problem;
  const bool whole = stream_to(*opened, write, problem);
  fs::closeFile(*opened);
  if (!whole) throw Error(path.str() + ": " + problem, {}, "", Status::kMachineCannot);
}

}  // namespace

void write_output(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream&)> write) {
  fs::file_status status;
  const bool exists = !fs::status(path, status);
  if (exists && fs::is_directory(status)) throw Error(path.str() + ": Is a directory");
  if (exists && !fs::is_regular_file(status)) return write_in_place(path, write);
  llvm::SmallString<128> target;
  if (!exists || fs::real_path(path, target)) target = path;
  auto temporary = fs::TempFile::create(target + ".%%%%%%.tmp", fs::all_read | fs::owner_write);
  if (!temporary) throw Error(path.str() + ": " + llvm::toString(temporary.takeError()));
  std::string problem;
  if (!stream_to(temporary->FD, write, problem)) {
    llvm::consumeError(temporary->discard());
    throw Error(path.str() + ": " + problem, {}, "", Status::kMachineCannot);
  }
  if (llvm::Error failed = temporary->keep(target))
    throw Error(path.str() + ": " + llvm::toString(std::move(failed)));
}

}  // namespace tenon

// compiler.cpp: the note of where NVRTC is, and the cache before it.
#include "runtime/cache/compiler.h"

#include "codegen/embedded.h"

namespace tenon::cache {
namespace {

/// The identity that a note tells (lines: path, major and minor version, identity); nothing where the text is no note, or the
/// file is another by now.
std::optional<cuda::NvrtcIdentity> believe(llvm::StringRef note) {
  llvm::SmallVector<llvm::StringRef, 5> lines;
  note.split(lines, '\n');
  int major = 0, minor = 0;
  if (lines.size() != 4 || lines[1].getAsInteger(10, major) || lines[2].getAsInteger(10, minor))
    return std::nullopt;
  cuda::NvrtcIdentity identity = cuda::nvrtc_identity(lines[0].str(), major, minor);
  return identity.text == lines[3] ? std::optional(identity) : std::nullopt;
}

std::string note_of(const std::string& path, const cuda::NvrtcIdentity& identity) {
  return path + "\n" + std::to_string(identity.major) + "\n" + std::to_string(identity.minor) + "\n" +
         identity.text;
}

}  // namespace

LazyNvrtc::LazyNvrtc(const Store* store, int driver_version)
    : store_(store), driver_version_(driver_version) {
  if (store_) {
    note_ = hex(digest_of(cuda::nvrtc_search_state(driver_version)));
    if (const auto note = store_->note(note_))
      if (auto remembered = believe(*note)) {
        identity_ = std::move(*remembered);
        return;
      }
  }
  open();
}

void LazyNvrtc::open() {
  if (library_) return;
  const cuda::LibrarySearch search = cuda::find_nvrtc(driver_version_);
  library_.emplace(search);
  if (library_->identity() == identity_) return;
  identity_ = library_->identity();
  if (store_) try {
      store_->save_note(note_, note_of(search.library.path(), identity_));
    } catch (const Error&) {  // a folder that cannot be written: saving an entry will say so
    }
}

cuda::CompiledKernel LazyNvrtc::compile(const cuda::CompileRequest& request) const {
  return library_->compile(request, embedded_templates());
}

cuda::KernelCompiler kernel_compiler(int driver_version) {
  struct State {
    KernelCache cache{settings_from_environment(), embedded_templates()};
    LazyNvrtc nvrtc;
    explicit State(int driver) : nvrtc(cache.store(), driver) {}
  };
  return
      [state = std::make_shared<State>(driver_version)](const std::vector<cuda::CompileRequest>& requests) {
        return state->cache.compile(requests, state->nvrtc);
      };
}

}  // namespace tenon::cache

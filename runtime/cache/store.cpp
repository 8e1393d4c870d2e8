// store.cpp: names of files, what is believed of them, what is swept.
#include "runtime/cache/store.h"

#include <algorithm>

#include "ir/diagnostics.h"

namespace tenon::cache {
namespace {

constexpr llvm::StringLiteral kLockSuffix = ".lock", kNoteSuffix = ".note";
constexpr uint64_t kMaxNoteBytes = 1 << 16;

std::string entry_name(const Digest& key) { return hex(key) + kEntrySuffix.str(); }

std::optional<Digest> key_of_name(llvm::StringRef name) {
  return name.consume_back(kEntrySuffix) ? from_hex(name) : std::nullopt;
}

bool made_by_cache(llvm::StringRef name) {
  return name.endswith(kEntrySuffix) || name.endswith(kLockSuffix) || name.endswith(kNoteSuffix) ||
         name.endswith(kTemporarySuffix);
}

double age_of(const ListedFile& file) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec - file.changed.tv_sec) +
         static_cast<double>(now.tv_nsec - file.changed.tv_nsec) * 1e-9;
}

bool older(const ListedFile& a, const ListedFile& b) {
  return std::pair(a.changed.tv_sec, a.changed.tv_nsec) < std::pair(b.changed.tv_sec, b.changed.tv_nsec);
}

/// Removes the files unused for longest until nine tenths of the bound are left.
void shrink(const Folder& folder, std::vector<ListedFile> files, int64_t max_bytes) {
  int64_t bytes = 0;
  for (const ListedFile& file : files) bytes += file.bytes;
  if (bytes <= max_bytes) return;
  std::sort(files.begin(), files.end(), older);
  for (const ListedFile& file : files) {
    if (bytes <= max_bytes / 10 * 9) return;
    if (folder.remove(file.name)) bytes -= file.bytes;
  }
}

}  // namespace

Entry Store::read(const OpenFile& file, bool ptx) const {
  const Prelude prelude = parse_prelude(file.read(0, kPreludeBytes), file.bytes);
  if (file.bytes > static_cast<uint64_t>(settings_.max_bytes)) throw Error("larger than the cache may be");
  const std::string sections = file.read(kPreludeBytes, prelude.head_bytes + prelude.code_bytes);
  const auto [head, code] = std::pair(llvm::StringRef(sections).take_front(prelude.head_bytes),
                                      llvm::StringRef(sections).drop_front(prelude.head_bytes));
  Entry entry;
  parse_head(prelude, head, entry);
  parse_code(prelude, code, entry);
  if (ptx || entry.cubin.empty())
    parse_ptx(prelude, file.read(kPreludeBytes + sections.size(), prelude.ptx_bytes), entry);
  return entry;
}

std::optional<Entry> Store::load(const Digest& key, bool ptx) const {
  const std::string name = entry_name(key);
  const std::optional<OpenFile> file = folder_.open(name);
  if (!file) return std::nullopt;
  try {
    Entry entry = read(*file, ptx);
    if (key_of(entry.key) != key) throw Error("the entry of another key");
    file->touch();
    return entry;
  } catch (const Error&) {
    folder_.remove(name);
    return std::nullopt;
  }
}

void Store::save(const Entry& entry) const {
  folder_.write(entry_name(key_of(entry.key)), entry_bytes(entry), settings_.observer);
}

std::optional<BuildLock> Store::try_lock(const Digest& key, bool& busy) const {
  std::string name = hex(key) + kLockSuffix.str();
  auto held = folder_.try_lock(name, busy);
  if (!held) return std::nullopt;
  return BuildLock(folder_, std::move(name), std::move(*held));
}

void Store::sweep() const {
  std::vector<ListedFile> kept;
  for (ListedFile& file : folder_.files()) {
    const llvm::StringRef name = file.name;
    if (name.endswith(kTemporarySuffix) || name.endswith(kLockSuffix)) {
      bool busy = false;
      // Held by nobody and old: its maker is dead. A young one may be about to be locked.
      if (age_of(file) < settings_.stale_seconds) continue;
      if (const auto held = folder_.try_lock(file.name, busy)) folder_.remove(file.name);
    } else if (made_by_cache(name)) {
      kept.push_back(std::move(file));
    }
  }
  shrink(folder_, std::move(kept), settings_.max_bytes);
}

std::vector<StoredEntry> Store::entries(bool all) const {
  std::vector<StoredEntry> found;
  for (ListedFile& file : folder_.files()) {
    const std::optional<Digest> key = key_of_name(file.name);
    if (!key) continue;
    StoredEntry stored{std::move(file), *key, {}, ""};
    try {
      const std::optional<OpenFile> open = folder_.open(stored.file.name);
      if (!open) throw Error("not ours, or others may write it");
      const Prelude prelude = parse_prelude(open->read(0, kPreludeBytes), open->bytes);
      parse_head(prelude, open->read(kPreludeBytes, prelude.head_bytes), stored.entry);
      if (key_of(stored.entry.key) != *key) throw Error("the entry of another key");
      if (all) read(*open, true);
    } catch (const Error& error) {
      stored.problem = error.diagnostics().front().message;
    }
    found.push_back(std::move(stored));
  }
  std::sort(found.begin(), found.end(),
            [](const StoredEntry& a, const StoredEntry& b) { return older(b.file, a.file); });
  return found;
}

int Store::clear() const {
  int entries = 0;
  for (const ListedFile& file : folder_.files()) {
    if (!made_by_cache(file.name)) continue;
    bool busy = false;
    const auto held = folder_.try_lock(file.name, busy);
    if (busy) continue;  // a process builds this at the moment
    if (folder_.remove(file.name)) entries += llvm::StringRef(file.name).endswith(kEntrySuffix);
  }
  return entries;
}

std::optional<std::string> Store::note(const std::string& name) const {
  const std::optional<OpenFile> file = folder_.open(name + kNoteSuffix.str());
  if (!file || file->bytes > kMaxNoteBytes) return std::nullopt;
  file->touch();
  return file->read(0, file->bytes);
}

void Store::save_note(const std::string& name, const std::string& text) const {
  folder_.write(name + kNoteSuffix.str(), text, nullptr);
}

}  // namespace tenon::cache

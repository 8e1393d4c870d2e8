// store.h: entries in a folder: loaded if they are whole, saved at once, built by one process at a time, bounded in size.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/cache/entry.h"
#include "runtime/cache/folder.h"
#include "runtime/cache/settings.h"

namespace tenon::cache {

/// What an entry's file ends with, behind its key.
constexpr llvm::StringLiteral kEntrySuffix = ".kernel";

/// The right to build a key's entry, held until its owner is gone: by destruction or by death.
class BuildLock {
 public:
  BuildLock(const Folder& folder, std::string name, OwnedFd held)
      : folder_(&folder), name_(std::move(name)), held_(std::move(held)) {}
  BuildLock(BuildLock&&) = default;
  ~BuildLock() {
    if (held_) folder_->remove(name_);
  }

 private:
  const Folder* folder_;
  std::string name_;
  OwnedFd held_;
};

/// An entry's file, and what its head says.
struct StoredEntry {
  ListedFile file;
  Digest key;
  Entry entry;          ///< without code; empty where it is bad
  std::string problem;  ///< why it is bad; "" where it is good
};

/// Thread-safe.
class Store {
 public:
  Store(Folder folder, const Settings& settings) : folder_(std::move(folder)), settings_(settings) {}

  const Folder& folder() const { return folder_; }
  /// The entry of `key`; without its PTX where it has a cubin and `ptx` is false. Marks it as used. Nothing where it is
  /// absent; one that is damaged or belongs to another key is removed.
  std::optional<Entry> load(const Digest& key, bool ptx = true) const;
  /// Throws Error where it cannot be saved; what was there stays.
  void save(const Entry& entry) const;
  /// Nothing where another thread or process builds it (`busy`), or where no lock can be had in this folder.
  std::optional<BuildLock> try_lock(const Digest& key, bool& busy) const;
  /// Removes leftovers of killed processes, and the files unused for longest where all exceed the bound.
  void sweep() const;

  /// All entries, the last used first; each read in full where `all` (then damage is found), its head alone otherwise.
  std::vector<StoredEntry> entries(bool all = false) const;
  /// Removes everything that the cache has made; how many entries that was.
  int clear() const;

  /// A small text that has to outlive the process as well: NVRTC's place. Nothing where it is absent.
  std::optional<std::string> note(const std::string& name) const;
  void save_note(const std::string& name, const std::string& text) const;  ///< throws Error

 private:
  Entry read(const OpenFile& file, bool ptx) const;

  Folder folder_;
  Settings settings_;
};

}  // namespace tenon::cache

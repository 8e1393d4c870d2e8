// folder.h: the files of one folder, reached through its descriptor: no symbolic link is followed, a file that somebody else
// may have written is not believed, and a written file is there as a whole or not at all.
#pragma once
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace tenon::cache {

/// A file descriptor that is closed with its owner.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd();
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// A file open for reading, and its size when it was opened.
struct OpenFile {
  OwnedFd fd;
  uint64_t bytes = 0;
  /// `count` bytes from `offset`; fewer where the file has become shorter.
  std::string read(uint64_t offset, uint64_t count) const;
  /// Sets the file's time to now.
  void touch() const;
};

/// A file as the folder lists it.
struct ListedFile {
  std::string name;
  int64_t bytes = 0;
  timespec changed{};
};

/// What leftovers of writers end with.
constexpr llvm::StringLiteral kTemporarySuffix = ".tmp";

/// Thread-safe: it has no state but the descriptor.
class Folder {
 public:
  /// Makes it and its parents (mode 0700) where they are absent. Throws Error in the system's words.
  static Folder make(const std::string& path);
  /// Nothing where it is absent or cannot be opened.
  static std::optional<Folder> find(const std::string& path);

  const std::string& path() const { return path_; }
  bool writable() const;
  /// Nothing where there is no regular file of that name which is ours and which nobody else may write.
  std::optional<OpenFile> open(const std::string& name) const;
  /// Replaces or makes `name`, by a temporary file that is renamed when it is whole and on the disk; calls `observer`, where
  /// it is not null, after each step. Throws Error; then nothing has changed.
  void write(const std::string& name, llvm::StringRef bytes,
             const std::function<void(const char* step)>& observer) const;
  /// Whether it was there and is gone now.
  bool remove(const std::string& name) const;
  /// All regular files.
  std::vector<ListedFile> files() const;
  /// The file of that name, made where it is absent, locked by flock until its descriptor is closed. Nothing where somebody
  /// else holds it, or (then `busy` is false) where it cannot be made.
  std::optional<OwnedFd> try_lock(const std::string& name, bool& busy) const;

 private:
  Folder(OwnedFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  OwnedFd fd_;
  std::string path_;
};

}  // namespace tenon::cache

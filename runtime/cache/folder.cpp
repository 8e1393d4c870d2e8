// folder.cpp: files by descriptor; temporary file, fsync, rename.
#include "runtime/cache/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <random>
#include <system_error>

#include "ir/diagnostics.h"

namespace tenon::cache {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error(what + ": " + std::generic_category().message(errno), {}, "", Status::kMachineCannot);
}

/// Is this a regular file that nobody else may have written?
bool believed(const struct stat& facts) {
  return S_ISREG(facts.st_mode) && facts.st_uid == geteuid() && (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

void write_all(int fd, llvm::StringRef bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write " + name);
    bytes = bytes.drop_front(static_cast<size_t>(written));
  }
}

std::string temporary_name(const std::string& name) {
  static thread_local std::random_device random;
  return name + "." + std::to_string(getpid()) + "-" + std::to_string(random()) + kTemporarySuffix.str();
}

void make_folders(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), S_IRWXU) != 0 && errno != EEXIST && errno != EISDIR) fail("cannot make " + part);
    if (end == std::string::npos) return;
  }
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

std::string OpenFile::read(uint64_t offset, uint64_t count) const {
  std::string bytes(count, '\0');
  size_t done = 0;
  while (done < count) {
    const ssize_t got = pread(fd.get(), bytes.data() + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

void OpenFile::touch() const { futimens(fd.get(), nullptr); }

std::optional<Folder> Folder::find(const std::string& path) {
  // Its parent may be reached by a link, that is the user's choice; the folder itself is none.
  OwnedFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::nullopt;
  return Folder(std::move(fd), path);
}

Folder Folder::make(const std::string& path) {
  if (auto there = find(path)) return std::move(*there);
  make_folders(path);
  if (auto made = find(path)) return std::move(*made);
  fail("cannot open the folder " + path);
}

bool Folder::writable() const { return faccessat(fd_.get(), ".", W_OK | X_OK, AT_EACCESS) == 0; }

std::optional<OpenFile> Folder::open(const std::string& name) const {
  OwnedFd fd(openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat facts {};
  if (!fd || fstat(fd.get(), &facts) != 0 || !believed(facts)) return std::nullopt;
  return OpenFile{std::move(fd), static_cast<uint64_t>(facts.st_size)};
}

void Folder::write(const std::string& name, llvm::StringRef bytes,
                   const std::function<void(const char*)>& observer) const {
  const auto after = [&](const char* step) {
    if (observer) observer(step);
  };
  const std::string temporary = temporary_name(name);
  const OwnedFd file(openat(fd_.get(), temporary.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file) fail("cannot write in " + path_);
  try {
    flock(file.get(), LOCK_EX | LOCK_NB);  // tells sweepers that its writer lives
    after("created");
    write_all(file.get(), bytes.take_front(bytes.size() / 2), path_);
    after("half written");
    write_all(file.get(), bytes.drop_front(bytes.size() / 2), path_);
    after("written");
    if (fsync(file.get()) != 0) fail("cannot write in " + path_);
    after("on disk");
    if (renameat(fd_.get(), temporary.c_str(), fd_.get(), name.c_str()) != 0)
      fail("cannot rename in " + path_);
  } catch (...) {
    remove(temporary);
    throw;
  }
  after("renamed");
  fsync(fd_.get());  // of no consequence for those who read now
  after("name on disk");
}

bool Folder::remove(const std::string& name) const { return unlinkat(fd_.get(), name.c_str(), 0) == 0; }

std::vector<ListedFile> Folder::files() const {
  std::vector<ListedFile> found;
  const int fd = openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return found;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(fd), closedir);
  while (const dirent* one = listing ? readdir(listing.get()) : nullptr) {
    struct stat facts {};
    if (fstatat(fd_.get(), one->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(facts.st_mode))
      continue;
    found.push_back({one->d_name, facts.st_size, facts.st_mtim});
  }
  return found;
}

std::optional<OwnedFd> Folder::try_lock(const std::string& name, bool& busy) const {
  for (;;) {
    busy = false;
    OwnedFd fd(openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                      S_IRUSR | S_IWUSR));
    if (!fd) return std::nullopt;
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      busy = errno == EWOULDBLOCK;
      return std::nullopt;
    }
    // The holder before may have removed the file between our two calls: then this is no lock that others see.
    struct stat ours {
    }, there{};
    if (fstat(fd.get(), &ours) == 0 && fstatat(fd_.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
      return fd;
  }
}

}  // namespace tenon::cache

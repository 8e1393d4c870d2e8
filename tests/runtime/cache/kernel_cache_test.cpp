// The cache at work: hits, misses, refusals, what is damaged, what is swept, and that nothing of it is fatal.
#include "runtime/cache/kernel_cache.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/diagnostics.h"
#include "tests/runtime/cache/stand_in.h"

using namespace tenon;
using namespace tenon::cache;
using namespace tenon::test;

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}
void set_age(const std::string& path, time_t seconds) {
  const timespec then[2] = {{time(nullptr) - seconds, 0}, {time(nullptr) - seconds, 0}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), then, 0) == 0);
}

}  // namespace

TEST_CASE("cache: a kernel is compiled once, for all processes and caches to come") {
  CacheFolder place;
  StandIn compiler(place.log());
  const std::vector<cuda::CompileRequest> requests = {request_of("a"), request_of("b")};
  for (int run = 0; run < 3; ++run) {
    KernelCache cache = place.open();
    const auto kernels = cache.compile(requests, compiler);
    REQUIRE(kernels.size() == 2);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(is_right(kernels[i], requests[i]));
      CHECK(kernels[i].from_cache == (run > 0));
      CHECK(kernels[i].milliseconds == 5);
    }
  }
  CHECK(times_compiled(place.log()) == 2);
  CHECK(place.files("").size() == 2);  // entries and nothing else
  CHECK(place.warnings.empty());
}

TEST_CASE("cache: the compiler is not opened where all kernels are there") {
  CacheFolder place;
  StandIn first, second;
  place.open().compile({request_of("a")}, first);
  place.open().compile({request_of("a")}, second);
  CHECK(first.opened);
  CHECK(!second.opened);
}

TEST_CASE("cache: a compiler that is another than it was thought to be gets keys of its own") {
  struct Changed : StandIn {
    using StandIn::StandIn;
    void open() override { name.text = "stand-in 2"; }
  };
  CacheFolder place;
  Changed compiler(place.log());
  place.open().compile({request_of("a")}, compiler);
  StandIn same(place.log());
  same.name.text = "stand-in 2";
  CHECK(place.open().compile({request_of("a")}, same)[0].from_cache);
  StandIn other(place.log());
  CHECK(!place.open().compile({request_of("a")}, other)[0].from_cache);
  CHECK(times_compiled(place.log()) == 2);
}

TEST_CASE("cache: equal requests in one batch are compiled once") {
  CacheFolder place;
  StandIn compiler(place.log(), 5);
  const std::vector<cuda::CompileRequest> requests(6, request_of("a"));
  for (const cuda::CompiledKernel& kernel : place.open().compile(requests, compiler))
    CHECK(is_right(kernel, requests[0]));
  CHECK(times_compiled(place.log()) == 1);
}

TEST_CASE("cache: PTX that nobody wants is left where it lies") {
  CacheFolder place;
  StandIn compiler;
  cuda::CompileRequest request = request_of("a");
  place.open().compile({request}, compiler);
  request.ptx = false;
  const cuda::CompiledKernel kernel = place.open().compile({request}, compiler)[0];
  CHECK(kernel.from_cache);
  CHECK(kernel.ptx.empty());
  CHECK(kernel.cubin == code_of(request, "cubin"));
  request = request_of("b"), request.cubin = false, request.ptx = false;  // then the PTX is all there is
  place.open().compile({request}, compiler);
  CHECK(place.open().compile({request}, compiler)[0].ptx == code_of(request, "ptx"));
}

TEST_CASE("cache: a refused source is refused again in the same words without compiling") {
  CacheFolder place;
  StandIn compiler(place.log());
  for (int run = 0; run < 3; ++run)
    CHECK_THROWS_WITH_AS(place.open().compile({request_of("good"), request_of("bad", "refuse")}, compiler),
                         "error: bad.cu(1): error: refused\n", cuda::SourceRefused);
  CHECK(times_compiled(place.log(), "bad.cu") == 1);
  CHECK(times_compiled(place.log(), "good.cu") == 1);  // its neighbour was kept nevertheless
}

TEST_CASE("cache: a failure of the machine is forgotten") {
  CacheFolder place;
  StandIn compiler(place.log());
  for (int run = 0; run < 2; ++run)
    CHECK_THROWS_WITH_AS(place.open().compile({request_of("a", "fail")}, compiler),
                         doctest::Contains("out of memory"), Error);
  CHECK(times_compiled(place.log()) == 2);
  CHECK(place.files("").empty());
}

TEST_CASE("cache: of two that fail the first is reported") {
  CacheFolder place;
  StandIn compiler;
  const std::vector<cuda::CompileRequest> requests = {request_of("a"), request_of("b", "fail"),
                                                      request_of("c", "refuse")};
  for (int run = 0; run < 2; ++run)
    CHECK_THROWS_WITH_AS(place.open().compile(requests, compiler), doctest::Contains("out of memory"), Error);
}

TEST_CASE("cache: a request that it cannot know is compiled each time") {
  CacheFolder place;
  StandIn compiler(place.log());
  cuda::CompileRequest request = request_of("a");
  request.include_folders = {"."};
  for (int run = 0; run < 2; ++run) CHECK(is_right(place.open().compile({request}, compiler)[0], request));
  CHECK(times_compiled(place.log()) == 2);
}

TEST_CASE("cache: a damaged entry is never used, whatever the damage, and is replaced") {
  CacheFolder place;
  StandIn compiler(place.log());
  const cuda::CompileRequest request = request_of("a"), other = request_of("b");
  place.open().compile({request}, compiler);
  const std::string path = place.files(".kernel").at(0), good = contents(path);
  place.open().compile({other}, compiler);
  const auto entries = place.files(".kernel");
  const std::string stranger = contents(entries[entries[0] == path]);
  std::vector<std::string> damaged = {"",         "x",         good.substr(0, good.size() / 2),
                                      good + "x", good + good, std::string(good.size(), '\0'),
                                      stranger};
  for (size_t at = 0; at < good.size(); at += at < 2000 ? 7 : 997) {
    damaged.push_back(good);
    damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ (1 << at % 8));
  }
  int compiled = times_compiled(place.log());
  for (const std::string& bytes : damaged) {
    overwrite(path, bytes);
    CHECK(is_right(place.open().compile({request}, compiler)[0], request));
    CHECK(contents(path) == good);
    ++compiled;
  }
  CHECK(times_compiled(place.log()) == compiled);
  CHECK(place.warnings.empty());
}

TEST_CASE("cache: an entry that somebody else may have written is not believed") {
  CacheFolder place;
  StandIn compiler(place.log());
  const cuda::CompileRequest request = request_of("a");
  place.open().compile({request}, compiler);
  const std::string path = place.files(".kernel").at(0);
  chmod(path.c_str(), 0666);
  CHECK(!place.open().compile({request}, compiler)[0].from_cache);
  CHECK(place.open().compile({request}, compiler)[0].from_cache);  // by the entry written anew
  if (geteuid() != 0) return;
  REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
  CHECK(!place.open().compile({request}, compiler)[0].from_cache);
}

TEST_CASE("cache: symbolic links are not followed") {
  CacheFolder place, elsewhere;
  StandIn compiler(place.log());
  const cuda::CompileRequest request = request_of("a");
  elsewhere.open().compile({request}, compiler);
  place.open();
  const std::string real = elsewhere.files(".kernel").at(0);
  const std::string link =
      place.folder.file("cache/kernels/" + std::filesystem::path(real).filename().string());
  std::filesystem::create_symlink(real, link);
  const std::string before = contents(real);
  CHECK(!place.open().compile({request}, compiler)[0].from_cache);
  CHECK(contents(real) == before);
  CHECK(!std::filesystem::is_symlink(link));  // the rename replaced the link, not what it named
  SUBCASE("nor is the folder one") {
    CacheFolder third;
    std::filesystem::create_directory(third.folder.path / "cache");
    std::filesystem::create_symlink(place.folder.path / "cache/kernels", third.folder.path / "cache/kernels");
    CHECK(!third.open().compile({request}, compiler)[0].from_cache);
    CHECK(third.warnings.size() == 1);
  }
  SUBCASE("nor a lock's name") {
    const std::string key = std::filesystem::path(real).stem().string();
    std::filesystem::remove(link);
    const std::string victim = place.folder.write("victim", "precious");
    std::filesystem::create_symlink(victim, place.folder.path / "cache/kernels" / (key + ".lock"));
    CHECK(is_right(place.open().compile({request}, compiler)[0], request));
    CHECK(contents(victim) == "precious");
  }
}

TEST_CASE("cache: a pipe or a folder in an entry's place is no entry, and nobody waits for it") {
  CacheFolder place;
  StandIn compiler(place.log());
  const cuda::CompileRequest request = request_of("a");
  place.open().compile({request}, compiler);
  const std::string path = place.files(".kernel").at(0);
  std::filesystem::remove(path);
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK(is_right(place.open().compile({request}, compiler)[0], request));
  std::filesystem::remove(path);
  std::filesystem::create_directories(path + "/full");
  CHECK(is_right(place.open().compile({request}, compiler)[0], request));
  CHECK(place.warnings.size() == 1);  // it cannot be replaced
}

TEST_CASE("cache: the files unused for longest go when all exceed the bound") {
  CacheFolder place;
  StandIn compiler(place.log());
  for (const char* name : {"a", "b", "c", "d"}) place.open().compile({request_of(name)}, compiler);
  const auto entries = place.store().entries();
  REQUIRE(entries.size() == 4);
  int64_t bytes = 0;
  for (const StoredEntry& one : entries) {
    bytes += one.file.bytes;
    const std::string path = place.folder.file("cache/kernels/" + one.file.name);
    set_age(path, one.entry.key.kernel == "a.cu" ? 400 : one.entry.key.kernel == "b.cu" ? 300 : 200);
  }
  CHECK(place.open().compile({request_of("a")}, compiler)[0].from_cache);  // now it is the youngest
  Settings small = place.settings();
  small.max_bytes = bytes * 10 / 9 + 100;  // five entries are too much, four are not
  KernelCache(small, place.headers).compile({request_of("e")}, compiler);
  std::string kept;
  for (const StoredEntry& one : place.store().entries()) kept += one.entry.key.kernel.substr(0, 1);
  std::sort(kept.begin(), kept.end());
  CHECK(kept == "acde");
}

TEST_CASE("cache: an entry larger than the whole cache may be does no harm") {
  CacheFolder place;
  StandIn compiler(place.log());
  Settings tiny = place.settings();
  tiny.max_bytes = 1000;
  for (int run = 0; run < 2; ++run)
    CHECK(
        is_right(KernelCache(tiny, place.headers).compile({request_of("a")}, compiler)[0], request_of("a")));
  CHECK(place.files("").empty());
  CHECK(times_compiled(place.log()) == 2);
}

TEST_CASE("cache: a size of 0 switches it off") {
  CacheFolder place;
  StandIn compiler(place.log());
  Settings off = place.settings();
  off.max_bytes = 0;
  for (int run = 0; run < 2; ++run) KernelCache(off, place.headers).compile({request_of("a")}, compiler);
  CHECK(times_compiled(place.log()) == 2);
  CHECK(!std::filesystem::exists(place.folder.path / "cache"));
  CHECK(place.warnings.empty());
}

TEST_CASE("cache: leftovers go when nobody holds them and they are old; other files stay") {
  CacheFolder place;
  StandIn compiler;
  place.open();
  const std::string kernels = place.folder.file("cache/kernels/");
  const std::string stale = kernels + "x.kernel.1-2.tmp", young = kernels + "y.kernel.1-2.tmp",
                    lock = kernels + "z.lock", held = kernels + "h.lock", foreign = kernels + "notes.txt";
  for (const std::string& path : {stale, young, lock, held, foreign}) overwrite(path, "?");
  for (const std::string& path : {stale, lock, held, foreign}) set_age(path, 3600);
  bool busy = false;
  const Folder folder = Folder::make(place.folder.file("cache/kernels"));
  const auto holding = folder.try_lock("h.lock", busy);
  REQUIRE(holding);
  place.open().compile({request_of("a")}, compiler);
  CHECK(!std::filesystem::exists(stale));
  CHECK(!std::filesystem::exists(lock));
  for (const std::string& path : {young, held, foreign}) CHECK(std::filesystem::exists(path));
  CHECK(place.store().clear() == 1);
  CHECK(std::filesystem::exists(foreign));
  CHECK(std::filesystem::exists(held));
  CHECK(place.files(".kernel").empty());
}

TEST_CASE("cache: who waits too long compiles too") {
  CacheFolder place;
  StandIn compiler(place.log());
  Settings impatient = place.settings();
  impatient.wait_seconds = 0.05;
  const Store store = place.store();
  std::vector<EmbeddedFile> headers = some_headers();
  HeaderIndex index(headers);
  bool busy = false;
  const auto held = store.try_lock(key_of(*key_parts(request_of("a"), compiler.name, index)), busy);
  REQUIRE(held);
  CHECK(is_right(KernelCache(impatient, place.headers).compile({request_of("a")}, compiler)[0],
                 request_of("a")));
}

TEST_CASE("cache: no place for it costs a warning and nothing else") {
  CacheFolder place;
  StandIn compiler(place.log());
  Settings nowhere = place.settings();
  SUBCASE("none is named") { nowhere.folder = ""; }
  SUBCASE("a file is in the way") { nowhere.folder = place.folder.write("file", "") + "/cache"; }
  SUBCASE("it cannot be made") { nowhere.folder = "/proc/tenon"; }
  KernelCache cache(nowhere, place.headers);
  CHECK(!cache.store());
  CHECK(is_right(cache.compile({request_of("a")}, compiler)[0], request_of("a")));
  REQUIRE(place.warnings.size() == 1);
  CHECK(place.warnings[0].find("compiled kernels are not kept: ") == 0);
}

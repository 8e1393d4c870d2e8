// Finding libraries: order of folders, places reported, defects, the version asked for first.
#include "runtime/cuda/library_search.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace tenon::cuda;
namespace fs = std::filesystem;

namespace {

// A folder that vanishes with the test.
struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("tenon_search_" + std::to_string(getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

// Sets an environment variable for the time of a test.
struct Environment {
  std::string name, before;
  bool had;
  Environment(const char* n, const std::string& value) : name(n), had(getenv(n)) {
    if (had) before = getenv(n);
    setenv(n, value.c_str(), 1);
  }
  ~Environment() { had ? setenv(name.c_str(), before.c_str(), 1) : unsetenv(name.c_str()); }
};

size_t position(const std::vector<std::string>& list, const std::string& entry) {
  return std::find(list.begin(), list.end(), entry) - list.begin();
}

}  // namespace

TEST_CASE("a library that the loader knows is found, and its file is named") {
  const LibrarySearch search = find_library("libm", {"libm.so.6"}, {"/nowhere", ""});
  REQUIRE(search.library);
  CHECK(search.library.path().starts_with("/"));
  CHECK(search.library.symbol("cos") != nullptr);
  CHECK(search.library.symbol("no_such_function") == nullptr);
  CHECK(search.looked_at ==
        std::vector<std::string>{"/nowhere/libm.so.6", "libm.so.6 by the system's loader"});
  CHECK(search.summary() == "libm: " + search.library.path());
}

TEST_CASE("an absent library lists every place in order") {
  const LibrarySearch search = find_library("Nothing", {"libnothing.so.2", "libnothing.so.1"}, {"/a", "/b"});
  CHECK(!search.library);
  CHECK(search.looked_at == std::vector<std::string>{"/a/libnothing.so.2", "/a/libnothing.so.1",
                                                     "/b/libnothing.so.2", "/b/libnothing.so.1"});
  CHECK(search.summary() ==
        "Nothing was not found; looked at /a/libnothing.so.2, /a/libnothing.so.1, /b/libnothing.so.2, "
        "/b/libnothing.so.1");
}

TEST_CASE("a file that is no library is reported as a defect and the search goes on") {
  const TemporaryFolder folder;
  std::ofstream(folder.path / "libm.so.6") << "not a library";
  const LibrarySearch search = find_library("libm", {"libm.so.6"}, {folder.path.string(), ""});
  REQUIRE(search.library);
  REQUIRE(search.defects.size() == 1);
  CHECK(search.defects[0].starts_with((folder.path / "libm.so.6").string() + ": "));
}

TEST_CASE("toolkit folders: LD_LIBRARY_PATH, the loader, CUDA_PATH, wheels of the virtual environment") {
  const TemporaryFolder folder;
  const fs::path search_path = folder.path / "libs", toolkit = folder.path / "cuda",
                 site = folder.path / "venv/lib/python3.11/site-packages/nvidia";
  for (const fs::path& path : {search_path, toolkit / "lib64", toolkit / "targets/x86_64-linux/lib",
                               site / "cuda_nvrtc/lib", site / "cu13/lib", site / "cublas/include"})
    fs::create_directories(path);
  const Environment one("LD_LIBRARY_PATH", search_path.string() + ":/does/not/exist"),
      two("CUDA_PATH", toolkit.string()), three("VIRTUAL_ENV", (folder.path / "venv").string());
  const std::vector<std::string> folders = toolkit_folders();
  CHECK(position(folders, search_path.string()) == 0);
  CHECK(position(folders, "") == 1);
  CHECK(position(folders, (toolkit / "lib64").string()) == 2);
  CHECK(position(folders, (toolkit / "targets/x86_64-linux/lib").string()) == 3);
  CHECK(position(folders, (site / "cu13/lib").string()) < folders.size());
  CHECK(position(folders, (site / "cuda_nvrtc/lib").string()) < folders.size());
  CHECK(position(folders, (site / "cublas/lib").string()) == folders.size());
  CHECK(position(folders, "/does/not/exist") == folders.size());
}

TEST_CASE("an elder driver makes the search ask everywhere for the elder toolkit first") {
  const Environment one("LD_LIBRARY_PATH", "");
  const auto first_name = [](const LibrarySearch& search) {
    REQUIRE(!search.looked_at.empty());
    return search.looked_at.front();
  };
  CHECK(first_name(find_nvrtc(12080)) == "libnvrtc.so.12 by the system's loader");
  CHECK(first_name(find_nvrtc(13000)) == "libnvrtc.so.13 by the system's loader");
  CHECK(first_name(find_nvrtc()) == "libnvrtc.so.13 by the system's loader");
  CHECK(first_name(find_cublaslt(12080)) == "libcublasLt.so.12 by the system's loader");
}

// Where CUDA's libraries may be: environment, loader, toolkit folders, Python wheels.
#include "runtime/cuda/library_search.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace tenon::cuda {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void add_unique(std::vector<std::string>& list, const std::string& entry) {
  if (std::find(list.begin(), list.end(), entry) == list.end()) list.push_back(entry);
}

void add_folder(std::vector<std::string>& list, const fs::path& folder) {
  std::error_code error;
  if (!folder.empty() && fs::is_directory(folder, error)) add_unique(list, folder.string());
}

// Subfolders of `parent` whose name starts with `prefix`, newest version first ("cuda-13.0" before
// "cuda-12.8").
std::vector<fs::path> subfolders(const fs::path& parent, std::string_view prefix) {
  std::vector<fs::path> result;
  std::error_code error;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().starts_with(prefix)) result.push_back(it->path());
  std::sort(result.begin(), result.end(), std::greater<>());
  return result;
}

void add_loader_paths(std::vector<std::string>& list) {
  std::istringstream entries(environment("LD_LIBRARY_PATH"));
  for (std::string entry; std::getline(entries, entry, ':');) add_folder(list, entry);
  list.push_back("");
}

void add_toolkit(std::vector<std::string>& list, const fs::path& root) {
  if (root.empty()) return;
  for (const char* part : {"lib64", "lib", "targets/x86_64-linux/lib"}) add_folder(list, root / part);
}

// The wheels nvidia-cuda-nvrtc, nvidia-cublas and their -cu12 elder ones put libraries into
// site-packages/nvidia/<part>/lib.
void add_site_packages(std::vector<std::string>& list, const fs::path& site) {
  for (const fs::path& part : subfolders(site / "nvidia", "")) add_folder(list, part / "lib");
}

void add_python(std::vector<std::string>& list, const fs::path& prefix) {
  if (prefix.empty()) return;
  for (const fs::path& python : subfolders(prefix / "lib", "python3"))
    for (const char* part : {"site-packages", "dist-packages"}) add_site_packages(list, python / part);
}

std::string mapped_file(void* handle) {
  link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || !map || !map->l_name) return "";
  std::error_code error;
  const fs::path real = fs::canonical(map->l_name, error);
  return error ? map->l_name : real.string();
}

// Tries one place; true when the library is open.
bool try_open(LibrarySearch& search, const std::string& folder, const std::string& file) {
  const std::string path = folder.empty() ? file : folder + "/" + file;
  search.looked_at.push_back(folder.empty() ? file + " by the system's loader" : path);
  std::error_code error;
  if (!folder.empty() && !fs::exists(path, error)) return false;
  if (void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    search.library = SharedLibrary(handle, mapped_file(handle));
    return true;
  }
  const char* words = dlerror();
  if (!folder.empty()) search.defects.push_back(path + ": " + (words ? words : "cannot be loaded"));
  return false;
}

bool is_elder(int driver_version) { return driver_version > 0 && driver_version < 13000; }

// A part of the toolkit, of a version that the driver can follow where there is one.
LibrarySearch find_toolkit_library(std::string_view name, const std::string& stem, int driver_version) {
  const std::string newest = stem + ".13", elder = stem + ".12";
  const std::vector<std::string> folders = toolkit_folders();
  if (!is_elder(driver_version)) return find_library(name, {newest, elder}, folders);
  LibrarySearch search = find_library(name, {elder}, folders);
  if (search.library) return search;
  LibrarySearch second = find_library(name, {newest}, folders);
  second.looked_at.insert(second.looked_at.begin(), search.looked_at.begin(), search.looked_at.end());
  second.defects.insert(second.defects.begin(), search.defects.begin(), search.defects.end());
  return second;
}

}  // namespace

void* SharedLibrary::symbol(const char* name) const { return handle_ ? dlsym(handle_, name) : nullptr; }

std::string LibrarySearch::summary() const {
  if (library) return name + ": " + library.path();
  std::string text = name + " was not found; looked at ";
  for (size_t i = 0; i < looked_at.size(); ++i) text += (i ? ", " : "") + looked_at[i];
  for (const std::string& defect : defects) text += "; " + defect;
  return text;
}

std::vector<std::string> toolkit_folders() {
  std::vector<std::string> list;
  add_loader_paths(list);
  for (const char* name : {"CUDA_PATH", "CUDA_HOME"}) add_toolkit(list, environment(name));
  for (const fs::path& root : subfolders("/usr/local", "cuda")) add_toolkit(list, root);
  for (const char* folder : {"/usr/lib/x86_64-linux-gnu", "/usr/lib64"}) add_folder(list, folder);
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    add_python(list, environment(name));
    add_folder(list, environment(name).empty() ? fs::path() : fs::path(environment(name)) / "lib");
  }
  if (const std::string home = environment("HOME"); !home.empty())
    add_python(list, fs::path(home) / ".local");
  for (const char* prefix : {"/usr/local", "/usr"}) add_python(list, prefix);
  add_site_packages(list, "/usr/lib/python3/dist-packages");
  return list;
}

std::vector<std::string> driver_folders() {
  std::vector<std::string> list;
  add_loader_paths(list);
  for (const char* folder :
       {"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"})
    add_folder(list, folder);
  return list;
}

LibrarySearch find_library(std::string_view name, const std::vector<std::string>& file_names,
                           const std::vector<std::string>& folders) {
  LibrarySearch search;
  search.name = name;
  for (const std::string& folder : folders)
    for (const std::string& file : file_names)
      if (try_open(search, folder, file)) return search;
  return search;
}

LibrarySearch find_driver() { return find_library("the CUDA driver", {"libcuda.so.1"}, driver_folders()); }
LibrarySearch find_nvrtc(int driver_version) {
  return find_toolkit_library("NVRTC", "libnvrtc.so", driver_version);
}
LibrarySearch find_cublaslt(int driver_version) {
  return find_toolkit_library("cuBLASLt", "libcublasLt.so", driver_version);
}

std::string nvrtc_search_state(int driver_version) {
  std::string state = is_elder(driver_version) ? "elder first" : "newest first";
  const auto add = [&](const std::string& path) {
    struct stat facts {};
    if (stat(path.c_str(), &facts) != 0) return;
    state += "\n" + path + " " + std::to_string(facts.st_size) + " " + std::to_string(facts.st_mtim.tv_sec) +
             "." + std::to_string(facts.st_mtim.tv_nsec);
  };
  // What the loader's own way depends on: its cache, and the folders that it knows without it.
  const std::vector<std::string> loader = {
      "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"};
  for (const std::string& folder : toolkit_folders()) {
    state += "\n" + folder;
    if (folder.empty()) add("/etc/ld.so.cache");
    for (const std::string& place : folder.empty() ? loader : std::vector<std::string>{folder})
      for (const char* file : {"/libnvrtc.so.13", "/libnvrtc.so.12"}) add(place + file);
  }
  return state;
}

}  // namespace tenon::cuda

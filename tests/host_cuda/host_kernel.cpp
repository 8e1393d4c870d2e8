// Compiles kernels for the CPU with the system's compiler, loads them, and launches grids.
#include "tests/host_cuda/host_kernel.h"

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <sstream>
#include <stdexcept>

#include "tests/host_cuda/block_runner.h"

namespace fs = std::filesystem;

namespace tenon::host_cuda {

struct HostKernel::Library {
  void* handle = nullptr;
  HostApi** api = nullptr;
  void (*call)(void* const* arguments) = nullptr;
  std::vector<size_t> parameters;
  unsigned char* statics = nullptr;  // .bss, where __shared__ variables lie
  size_t statics_bytes = 0;
  ~Library() {
    if (handle) dlclose(handle);
  }
};

namespace {

const fs::path kRoot = TENON_SOURCE_DIR;
const fs::path kCache = TENON_HOST_KERNELS;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::string& compiler() {
  static const std::string found = [] {
    const char* named = std::getenv("CXX");
    for (const std::string& name :
         {std::string(named ? named : ""), std::string("g++"), std::string("clang++"), std::string("c++")})
      if (!name.empty() && std::system(("command -v '" + name + "' >/dev/null 2>&1").c_str()) == 0)
        return name;
    return std::string();
  }();
  return found;
}

// The kernel with its trampoline: arguments are taken by pointer, as cuLaunchKernel takes them.
std::string with_trampoline(const std::string& source, const std::string& name) {
  return "#include \"tests/host_cuda/cuda_on_host.h\"\n#line 1 \"" + name + ".cu\"\n" + source + R"(
#line 1 "trampoline"
namespace tenon {}
namespace tenon_host_call {
using namespace tenon;
template <int... I> struct Numbers {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { using Type = Numbers<I...>; };
template <class... P, int... I> void call(void (*kernel)(P...), void* const* a, Numbers<I...>) { kernel(*static_cast<P*>(a[I])...); }
template <class... P> void call(void (*kernel)(P...), void* const* a) { call(kernel, a, typename Count<sizeof...(P)>::Type()); }
template <class... P> const unsigned long* sizes(void (*)(P...)) { static const unsigned long all[] = {sizeof(P)..., 0}; return all; }
extern "C" __attribute__((visibility("default"))) void tenon_call(void* const* arguments) { call(&)" +
         name + R"(, arguments); }
extern "C" __attribute__((visibility("default"))) const unsigned long* tenon_parameters() { return sizes(&)" +
         name + R"(); }
}
)";
}

// The same in every build of Tenon. Traps, where a GPU would fault or give garbage: misaligned vectors,
// indices beyond an array, bad shifts, signed overflow.
constexpr const char* kFlags =
    " -std=c++20 -O1 -w -fPIC -shared -ffp-contract=off -fno-strict-aliasing -fvisibility=hidden"
    " -fsanitize=alignment,bounds,shift,signed-integer-overflow -fsanitize-undefined-trap-on-error";

// A name for the compiled text that changes with whatever it may include.
std::string cache_key(const std::string& text) {
  static const std::string headers = [] {
    std::vector<fs::path> files;
    for (const fs::path& folder : {kRoot / "templates", kRoot / "tests/host_cuda"})
      for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file() && entry.path().extension() != ".cpp") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::string all = compiler() + kFlags;
    for (const fs::path& file : files) all += read(file);
    return all;
  }();
  uint64_t hash = 14695981039346656037u;
  for (const std::string* part : {&headers, &text})
    for (unsigned char c : *part) hash = (hash ^ c) * 1099511628211u;
  std::ostringstream out;
  out << std::hex << hash;
  return out.str();
}

fs::path compile(const std::string& text, const std::string& name) {
  fs::create_directories(kCache);
  const fs::path library = kCache / (name + "-" + cache_key(text) + ".so");
  if (fs::exists(library)) return library;
  const std::string stem = library.string() + "." + std::to_string(getpid());
  const fs::path source = stem + ".cpp", log = stem + ".log", fresh = stem + ".so";
  std::ofstream(source) << text;
  const std::string command = compiler() + kFlags + " -I'" + (kRoot / "tests/host_cuda").string() + "' -I'" +
                              kRoot.string() + "' '" + source.string() + "' -o '" + fresh.string() +
                              "' -lm >'" + log.string() + "' 2>&1";
  const int status = std::system(command.c_str());
  const std::string output = read(log);
  fs::remove(source);
  fs::remove(log);
  if (status != 0) throw std::runtime_error("the host compiler refuses kernel " + name + ":\n" + output);
  fs::rename(fresh, library);
  return library;
}

// Finds the part of a library's writable segment that its file does not hold.
struct StaticsSearch {
  uintptr_t base;
  unsigned char* from;
  size_t bytes;
};
int find_statics(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<StaticsSearch*>(data);
  if (info->dlpi_addr != search->base) return 0;
  for (const ElfW(Phdr)* p = info->dlpi_phdr; p != info->dlpi_phdr + info->dlpi_phnum; ++p)
    if (p->p_type == PT_LOAD && (p->p_flags & PF_W) && p->p_memsz > p->p_filesz) {
      search->from = reinterpret_cast<unsigned char*>(info->dlpi_addr + p->p_vaddr + p->p_filesz);
      search->bytes = p->p_memsz - p->p_filesz;
    }
  return 1;
}

template <class F>
F symbol(void* handle, const char* name) {
  void* address = dlsym(handle, name);
  if (!address) throw std::runtime_error(std::string("a compiled kernel lacks ") + name);
  return reinterpret_cast<F>(address);
}

}  // namespace

bool host_compiler_available() { return !compiler().empty(); }

HostKernel compile_host_kernel(const std::string& source, const std::string& name) {
  if (!host_compiler_available()) throw std::runtime_error("no C++ compiler found: set CXX or install g++");
  const fs::path path = compile(with_trampoline(source, name), name);
  HostKernel kernel;
  kernel.library_ = std::make_shared<HostKernel::Library>();
  HostKernel::Library& library = *kernel.library_;
  library.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library.handle) throw std::runtime_error(dlerror());
  library.api = symbol<HostApi**>(library.handle, "tenon_host");
  library.call = symbol<void (*)(void* const*)>(library.handle, "tenon_call");
  const unsigned long* sizes = symbol<const unsigned long* (*)()>(library.handle, "tenon_parameters")();
  while (*sizes) library.parameters.push_back(*sizes++);
  link_map* map = nullptr;
  dlinfo(library.handle, RTLD_DI_LINKMAP, &map);
  StaticsSearch search{map->l_addr, nullptr, 0};
  dl_iterate_phdr(find_statics, &search);
  library.statics = search.from;
  library.statics_bytes = search.bytes;
  return kernel;
}

const std::vector<size_t>& HostKernel::parameters() const { return library_->parameters; }

void HostKernel::launch(std::array<unsigned, 3> grid, std::array<unsigned, 3> block, size_t shared_bytes,
                        const std::vector<Argument>& arguments, unsigned seed) const {
  const Library& library = *library_;
  if (arguments.size() != library.parameters.size())
    throw std::runtime_error("the kernel takes " + std::to_string(library.parameters.size()) +
                             " arguments, not " + std::to_string(arguments.size()));
  std::vector<void*> pointers;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].bytes.size() != library.parameters[i])
      throw std::runtime_error("argument " + std::to_string(i) + " has " +
                               std::to_string(arguments[i].bytes.size()) + " bytes, the parameter " +
                               std::to_string(library.parameters[i]));
    pointers.push_back(const_cast<unsigned char*>(arguments[i].bytes.data()));
  }
  const size_t threads = size_t{block[0]} * block[1] * block[2], blocks = size_t{grid[0]} * grid[1] * grid[2];
  if (threads == 0 || threads > 1024 || blocks == 0)
    throw std::runtime_error("a launch needs 1 to 1024 threads and at least one block");

  BlockRunner runner;
  *library.api = &runner.api();
  HostApi& api = runner.api();
  api.block_dim = {block[0], block[1], block[2]};
  api.grid_dim = {grid[0], grid[1], grid[2]};
  std::vector<unsigned> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  if (seed) std::shuffle(order.begin(), order.end(), std::minstd_rand(seed));
  const std::function<void()> body = [&] { library.call(pointers.data()); };
  for (unsigned b : order) {
    const DeviceBuffer shared(shared_bytes, "the dynamic shared memory");
    api.dynamic_shared = shared.data();
    std::memset(library.statics, 0xff, library.statics_bytes);
    api.block = {b % grid[0], b / grid[0] % grid[1], b / (grid[0] * grid[1])};
    runner.run(body, seed ? seed + b : 0);
    DeviceBuffer::check_margins();
  }
}

}  // namespace tenon::host_cuda

// NVRTC behind the cache: known by a note, opened when it is needed. Skipped aloud where NVRTC is absent.
#include "runtime/cache/compiler.h"

#include <doctest/doctest.h>

#include "codegen/embedded.h"
#include "tests/runtime/cache/stand_in.h"

using namespace tenon;
using namespace tenon::cache;
using namespace tenon::test;

namespace {

bool absent() {
  const cuda::LibrarySearch search = cuda::find_nvrtc();
  if (!search.library) MESSAGE("skipped: " << search.summary());
  return !search.library;
}

cuda::CompileRequest kernel(const std::string& body) {
  return {"k.cu",
          "#include \"templates/scalar.cuh\"\nextern \"C\" __global__ void k(float* y) { " + body + " }\n",
          "sm_80"};
}

}  // namespace

TEST_CASE("NVRTC is opened once; then a note tells its identity, until the note is no longer true") {
  if (absent()) return;
  CacheFolder place;
  const Store store = place.store();
  LazyNvrtc first(&store, 0), second(&store, 0);
  CHECK(first.is_open());
  CHECK(!second.is_open());
  CHECK(second.identity() == first.identity());
  const std::string note = place.files(".note").at(0);
  std::ifstream file(note);
  const std::string told{std::istreambuf_iterator<char>(file), {}};
  for (const std::string& wrong : {std::string(), std::string("/nowhere/libnvrtc.so\n13\n0\nnvrtc 13.0"),
                                   told + " ", told.substr(0, told.size() / 2), std::string(1000, '\n')}) {
    std::ofstream(note) << wrong;
    CHECK(LazyNvrtc(&store, 0).is_open());
  }
  CHECK(!LazyNvrtc(&store, 0).is_open());     // the last one wrote it anew
  CHECK(LazyNvrtc(&store, 12000).is_open());  // another search
  CHECK(LazyNvrtc(nullptr, 0).is_open());
}

TEST_CASE("generated code comes from the cache as the compiler made it; an error in the same words") {
  if (absent()) return;
  CacheFolder place;
  const auto compile = [&](const cuda::CompileRequest& request) {
    KernelCache cache(place.settings(), embedded_templates());
    LazyNvrtc nvrtc(cache.store(), 0);
    return cache.compile({request}, nvrtc)[0];
  };
  const cuda::CompiledKernel fresh = compile(kernel("*y = 7;")), again = compile(kernel("*y = 7;"));
  CHECK(!fresh.from_cache);
  CHECK(again.from_cache);
  CHECK(again.ptx == fresh.ptx);
  CHECK(again.cubin == fresh.cubin);
  CHECK(again.log == fresh.log);
  CHECK(again.resources.registers == fresh.resources.registers);
  std::string words[2];
  for (std::string& one : words) try {
      compile(kernel("wrong();"));
    } catch (const cuda::SourceRefused& refused) {
      one = refused.what();
    }
  CHECK(words[0].find("k.cu(2): error") != std::string::npos);
  CHECK(words[0] == words[1]);
  CHECK(place.files(".kernel").size() == 2);
}

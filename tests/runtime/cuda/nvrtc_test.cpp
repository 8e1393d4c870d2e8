// Compiling with NVRTC: results, headers, errors, threads, the report. Skipped aloud where NVRTC is absent.
#include "runtime/cuda/nvrtc.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "ir/diagnostics.h"

using namespace tenon;
using namespace tenon::cuda;

namespace {

const Nvrtc* nvrtc() {
  static const LibrarySearch search = find_nvrtc();
  static const std::unique_ptr<Nvrtc> library = search.library ? std::make_unique<Nvrtc>(search) : nullptr;
  if (!library) MESSAGE("skipped: " << search.summary());
  return library.get();
}

std::string axpy(const std::string& name) {
  return "extern \"C\" __global__ void " + name +
         "(float a, const float* x, float* y) { int i = blockIdx.x * blockDim.x + threadIdx.x; y[i] = a * "
         "x[i] + y[i]; }\n";
}

}  // namespace

TEST_CASE("ptxas' report is read, maxima over kernels") {
  const KernelResources found = parse_ptxas_log(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'a' for 'sm_80'\n"
      "ptxas info    : Function properties for a\n"
      "    16 bytes stack frame, 24 bytes spill stores, 32 bytes spill loads\n"
      "ptxas info    : Used 168 registers, used 16 barriers, 400 bytes smem, 368 bytes cmem[0]\n"
      "ptxas info    : Used 12 registers, used 1 barriers\n");
  CHECK(found.registers == 168);
  CHECK(found.barriers == 16);
  CHECK(found.stack_bytes == 16);
  CHECK(found.spill_bytes == 56);
  CHECK(found.shared_bytes == 400);
  CHECK(parse_ptxas_log("").registers == 0);
}

TEST_CASE("options: PTX alone names a virtual architecture, --minimal only where the library knows it") {
  const auto has = [](const std::vector<std::string>& list, const std::string& word) {
    return std::count(list.begin(), list.end(), word) == 1;
  };
  const auto real = compile_options({"k", "", "sm_90a", true}, 13, 0),
             ptx = compile_options({"k", "", "sm_90a", false}, 12, 1);
  CHECK(has(real, "-arch=sm_90a"));
  CHECK(has(real, "-Xptxas=-v"));
  CHECK(has(real, "--minimal"));
  CHECK(has(ptx, "-arch=compute_90a"));
  CHECK(!has(ptx, "-Xptxas=-v"));
  CHECK(!has(ptx, "--minimal"));
  const auto others = compile_options({"k", "", "sm_80", false, {"a", "b"}, {"FIXED", "N=3"}}, 13, 0);
  for (const char* word :
       {"--include-path=a", "--include-path=b", "--define-macro=FIXED", "--define-macro=N=3"})
    CHECK(has(others, word));
}

TEST_CASE("a kernel compiles to PTX and cubin for every target generation, with its resources") {
  if (!nvrtc()) return;
  const NvrtcIdentity& identity = nvrtc()->identity();
  CHECK(identity.text.starts_with("nvrtc " + std::to_string(identity.major) + "."));
  CHECK(nvrtc_identity(find_nvrtc().library.path(), identity.major, identity.minor) == identity);
  CHECK(identity.text.find(" 0 0.0") == std::string::npos);  // both files are there
  for (const char* arch : {"sm_80", "sm_89", "sm_90a"}) {
    const CompiledKernel kernel = nvrtc()->compile({"axpy.cu", axpy("axpy"), arch, true}, {});
    CHECK(kernel.ptx.find(".visible .entry axpy(") != std::string::npos);
    CHECK(kernel.ptx.find(std::string(".target ") + arch) != std::string::npos);
    CHECK(kernel.cubin.substr(1, 3) == "ELF");
    CHECK(kernel.resources.registers > 0);
    CHECK(kernel.resources.spill_bytes == 0);
    CHECK(kernel.milliseconds > 0);
  }
  const CompiledKernel ptx = nvrtc()->compile({"axpy.cu", axpy("axpy"), "sm_80", false}, {});
  CHECK(ptx.cubin.empty());
  CHECK(ptx.ptx.find(".visible .entry axpy(") != std::string::npos);
}

TEST_CASE("headers are seen by their paths") {
  if (!nvrtc()) return;
  const EmbeddedFile header{"templates/seven.cuh", "static constexpr int kSeven = 7;\n"};
  const std::string source =
      "#include \"templates/seven.cuh\"\nextern \"C\" __global__ void k(int* y) { *y = kSeven; }\n";
  const CompiledKernel kernel = nvrtc()->compile({"k.cu", source, "sm_80", false}, header);
  CHECK(kernel.ptx.find(", 7;") != std::string::npos);
  CHECK_THROWS_WITH_AS(nvrtc()->compile({"k.cu", source, "sm_80", false}, {}),
                       doctest::Contains("templates/seven.cuh"), Error);
}

TEST_CASE("an error carries the kernel's name and the whole log") {
  if (!nvrtc()) return;
  const CompileRequest wrong{
      "ffn_in.cu", "extern \"C\" __global__ void ffn_in() {\n  first_wrong();\n  second_wrong();\n}\n",
      "sm_80", true};
  std::string text;
  try {
    nvrtc()->compile(wrong, {});
  } catch (const Error& error) {
    text = error.what();
  }
  CHECK(text.find("the kernel ffn_in.cu does not compile for sm_80") != std::string::npos);
  CHECK(text.find("ffn_in.cu(2): error") != std::string::npos);
  CHECK(text.find("first_wrong") != std::string::npos);
  CHECK(text.find("second_wrong") != std::string::npos);
  CHECK_THROWS_WITH_AS(nvrtc()->compile({"k.cu", axpy("k"), "sm_1", true}, {}), doctest::Contains("sm_1"),
                       Error);
}

TEST_CASE("a refusal of the source is told from trouble of the machine") {
  CHECK(blames_source("k.cu(2): error: identifier \"x\" is undefined\n1 error detected"));
  CHECK(blames_source("templates/memory.cuh(3): error: no"));
  CHECK(blames_source(
      "ptxas application ptx input, line 40; error   : Instruction 'wgmma.fence' not supported\n"
      "ptxas fatal   : Ptx assembly aborted due to errors"));
  for (const char* machine : {"", "ptxas fatal   : Memory allocation failure", "error: out of memory",
                              "Internal error", "catastrophic error: cannot open source file"})
    CHECK(!blames_source(machine));
  if (!nvrtc()) return;
  CHECK_THROWS_AS(nvrtc()->compile({"k.cu", "wrong", "sm_80"}, {}), SourceRefused);
}

TEST_CASE("PTX names its files from the current folder") {
  if (!nvrtc()) return;
  const std::string ptx = nvrtc()->compile({"axpy.cu", axpy("axpy"), "sm_80", false}, {}).ptx;
  CHECK(ptx.find("\"axpy.cu\"") != std::string::npos);
}

TEST_CASE("asm that the target lacks is refused by ptxas") {
  if (!nvrtc()) return;
  const std::string source =
      "extern \"C\" __global__ void k() { asm volatile(\"wgmma.fence.sync.aligned;\"); }\n";
  CHECK_NOTHROW(nvrtc()->compile({"k.cu", source, "sm_90a", true}, {}));
  CHECK_THROWS_AS(nvrtc()->compile({"k.cu", source, "sm_80", true}, {}), SourceRefused);
}

TEST_CASE("many kernels compile in threads, results in order and equal to those of one thread") {
  if (!nvrtc()) return;
  std::vector<CompileRequest> requests;
  for (int i = 0; i < 12; ++i) requests.push_back({"k.cu", axpy("k" + std::to_string(i)), "sm_80", true});
  const auto two = nvrtc()->compile_all(requests, {}, 2), one = nvrtc()->compile_all(requests, {}, 1);
  REQUIRE(two.size() == 12);
  for (int i = 0; i < 12; ++i) {
    CHECK(two[i].ptx.find(".entry k" + std::to_string(i) + "(") != std::string::npos);
    CHECK(two[i].cubin == one[i].cubin);
  }
  requests[3].source = "wrong three";
  requests[3].name = "three.cu";
  requests[8].source = "wrong eight";
  CHECK_THROWS_WITH_AS(nvrtc()->compile_all(requests, {}, 2), doctest::Contains("three.cu"), Error);
  CHECK(nvrtc()->compile_all({}, {}).empty());
}

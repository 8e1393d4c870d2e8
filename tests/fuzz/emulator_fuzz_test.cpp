// Damaged kernels decoded and run: whatever the text, there is an Error with words or a run that ends, with findings or
// without. Mutations come from a fixed seed, so a failure repeats; TENON_FUZZ_ROUNDS makes it longer.
#include <chrono>
#include <cstdlib>

#include "ir/diagnostics.h"
#include "tests/fuzz/ptx_mutator.h"
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

/// Modules of one kernel each: all of the micro-kernels in tests/golden/gpu and those of tests/data/ptx.
std::vector<std::string> kernels() {
  std::vector<std::string> result = ptx::seeds();
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/tests/golden/gpu"))
    if (entry.path().extension() == ".ptx") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    std::ifstream in(path);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    const std::string entry = "\n.visible .entry ";
    size_t begin = text.find(entry);
    const std::string head = text.substr(0, begin);
    while (begin != std::string::npos) {
      const size_t end = text.find(entry, begin + 1);
      result.push_back(head + text.substr(begin, end - begin));
      begin = end;
    }
  }
  return result;
}

bool is_small(const ptx::Module& module) {
  return std::all_of(module.variables.begin(), module.variables.end(),
                     [](const ptx::Variable& variable) { return variable.bytes < 1 << 20; });
}

/// Decodes and runs the text's first kernel in two clusters of 128 threads a block; false where it was refused.
bool run(const std::string& text) {
  try {
    const ptx::Module module = ptx::parse(text, "fuzz.ptx");
    const auto entry = std::find_if(module.functions.begin(), module.functions.end(),
                                    [](const ptx::Function& function) { return function.entry; });
    if (entry == module.functions.end() || !is_small(module)) return false;
    PtxKernel kernel(text, entry->name);
    kernel.options.instruction_budget = 20000;
    kernel.request.block[0] = 128;
    kernel.request.cluster[0] = std::max(kernel.program->cluster[0], 1);
    kernel.request.grid[0] = 2 * kernel.request.cluster[0];
    kernel.request.dynamic_shared_bytes = 32 << 10;
    kernel.run_on_buffers(16 << 10);
    return true;
  } catch (const Error& error) {
    CHECK_FALSE(error.diagnostics().front().message.empty());
    return false;
  }
}

TEST_CASE("damaged kernels are refused in words, or run to an end") {
  const char* asked = std::getenv("TENON_FUZZ_ROUNDS");
  const int rounds = asked ? std::atoi(asked) : 6000;
  const std::vector<std::string> texts = kernels();
  REQUIRE(texts.size() > 700);
  int ran = 0;
  for (int round = 0; round < rounds; ++round) {
    ptx::Mutator mutator(static_cast<uint64_t>(round) + 1);
    std::string text = texts[mutator.below(texts.size())];
    for (size_t i = 1 + mutator.below(3); i > 0 && !text.empty(); --i)
      mutator.mutate(text, texts[mutator.below(texts.size())]);
    CAPTURE(round);
    ran += run(text);
  }
  CHECK(ran > rounds / 50);
  CHECK(ran < rounds * 3 / 4);
}

TEST_CASE("kernels made to be slow to decode take no longer than their size") {
  const std::string pieces[] = {
      "@p bra END;\n",
      "L#: mov.b32 r, 1;\n@p bra L#;\n",
      "L#: @p bra END;\nbra M#;\nM#: @p bra L#;\n",
      ".reg .b32 r#;\nmov.b32 r, r#;\n@p bra BEGIN;\n",  // all live round all loops
      ".reg .b64 r#;\nmov.b64 r#, 1;\nL#:\n@p bra L#;\n",
      "mov.b32 r, #;\n",
      "t#: .branchtargets BEGIN, END, BEGIN, END;\nbrx.idx r, t#;\n",
      "wgmma.fence.sync.aligned;\n@p bra BEGIN;\nmov.b32 r, 1;\n",
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {f0, f1, f2, f3}, d, d, p, 1, 1, 0, 0;\nmov.b32 "
      "f0, 1;\n"
      "@p bra END;\n",
      ".shared .align 512 .b8 s#[512];\nmov.u32 r, s#;\n",
      ".local .align 8 .b8 l#[8];\nmov.u32 r, l#;\n",
  };
  for (const std::string& piece : pieces) {
    const std::string text =
        kernel_text("", ".reg .pred p;\n.reg .b32 r;\n.reg .f32 f<4>;\n.reg .b64 d;\nBEGIN:\n" +
                            ptx::repeat(piece, 1 << 20) + "END: ret;");
    CAPTURE(piece);
    const auto begin = std::chrono::steady_clock::now();
    try {
      PtxKernel kernel(text);
    } catch (const Error& error) {
      CHECK(error.diagnostics().front().location.known());
    }
    CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < 20);
  }
}

}  // namespace
}  // namespace tenon::emulator

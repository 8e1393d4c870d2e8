// ptx_kernel.h: a kernel from the PTX of its body, run on the emulator; for tests.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "llvm/Support/raw_ostream.h"
#include "runtime/emulator/machine/launch.h"
#include "runtime/emulator/ptx/parser.h"

namespace tenon::emulator {

/// Kernel `k`, whose parameter is an array of u32, `out`. Its body may use %r0 to %r31, %p0 to %p7, %rd0 to %rd15, and
/// .shared .u32 s[1024]; it begins with out in %rd0, tid.x in %r0, and the address of out[tid.x] in %rd1. The body's first
/// line is line 17 of the text.
class PtxKernel {
 public:
  static constexpr int kFirstLine = 17;

  explicit PtxKernel(const std::string& body, int words = 256, const std::string& directives = "")
      : words_(words), address_(memory.allocate(words * 4, "out")) {
    const std::string text =
        ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 out) " + directives +
        "\n{\n"
        ".reg .b32 %r<32>;\n.reg .pred %p<8>;\n.reg .b64 %rd<16>;\n"
        ".shared .align 16 .b8 s[4096];\n"
        "ld.param.u64 %rd0, [out];\n"
        "cvta.to.global.u64 %rd0, %rd0;\n"
        "mov.u32 %r0, %tid.x;\n"
        "mul.wide.u32 %rd1, %r0, 4;\n"
        "add.u64 %rd1, %rd0, %rd1;\n"
        "mov.u32 %r31, 0;\n"
        "{\n" +
        body + "\n}\nret;\n}\n";
    auto module = std::make_shared<ptx::Module>(ptx::parse(text, "k.ptx"));
    request.program = decode(module, "k", {});
    request.parameters.resize(8);
    std::memcpy(request.parameters.data(), &address_, 8);
    options.host_threads = 1;
    memory.fill(address_, std::byte{0}, words * 4);
  }

  PtxKernel& threads(int count) {
    request.block[0] = count;
    return *this;
  }

  LaunchResult run() { return emulator::run(request, memory, options); }

  std::vector<uint32_t> out() const {
    std::vector<uint32_t> values(words_);
    memory.read(address_, {reinterpret_cast<std::byte*>(values.data()), values.size() * 4});
    return values;
  }

  GlobalMemory memory;
  LaunchRequest request;
  Options options;

 private:
  int words_;
  uint64_t address_;
};

/// All findings with their notes, a line each: "deadlock: no warp ... | note | note".
inline std::string text(const LaunchResult& result) {
  std::string all;
  for (const Finding& finding : result.findings) {
    all += name(finding.kind).str() + ": " + finding.message;
    for (const std::string& note : finding.notes) all += " | " + note;
    all += "\n";
  }
  return all;
}

}  // namespace tenon::emulator

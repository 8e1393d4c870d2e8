// body_kernel.h: a kernel from the PTX of its body alone, run on one buffer; for tests of what drives kernels.
#pragma once
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {

/// Kernel `k`, whose parameter is an array of u32, `out`, of zeros at first. Its body may use %r0 to %r31, %p0 to %p7, %rd0
/// to %rd15, and 4096 bytes `s` of shared memory; it begins with out in %rd0, tid.x in %r0, and the address of out[tid.x] in
/// %rd1. The body's first line is line 17 of the text.
class BodyKernel : public PtxKernel {
 public:
  static constexpr int kFirstLine = 17;

  explicit BodyKernel(const std::string& body, int words = 256, const std::string& directives = "")
      : PtxKernel(full_text(body, directives)), words_(words), address_(output(words * 4)) {
    memory.fill(address_, std::byte{0}, words * 4);
    request.program = program;
    request.parameters.resize(sizeof address_);
    std::memcpy(request.parameters.data(), &address_, sizeof address_);
    request.block[0] = 1;
  }

  BodyKernel& threads(int count) {
    request.block[0] = count;
    return *this;
  }
  LaunchResult run() { return emulator::run(request, memory, options); }
  std::vector<uint32_t> out() const { return values<uint32_t>(address_, words_); }

 private:
  static std::string full_text(const std::string& body, const std::string& directives) {
    return ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 out) " +
           directives +
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
  }

  size_t words_;
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

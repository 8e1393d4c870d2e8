// Tests of what kernels print: conversions, packed arguments, formats that lie.
#include <doctest/doctest.h>

#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

/// A module with `format` and `word` as constants, whose one thread stores `stores` into the packed arguments at %SPL
/// and calls vprintf.
std::string module_text(const std::string& format, const std::string& stores) {
  auto array = [](const std::string& name, const std::string& text) {
    std::string line = ".global .align 1 .b8 " + name + "[" + std::to_string(text.size() + 1) + "] = {";
    for (char c : text) line += std::to_string(static_cast<int>(c)) + ", ";
    return line + "0};\n";
  };
  return ".version 8.5\n.target sm_90a\n.address_size 64\n"
         ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n" +
         array("format", format) + array("word", "abc") +
         ".entry k(.param .u64 out)\n{\n.local .align 8 .b8 args[64];\n.reg .b64 %SPL, %SP, %f, %w, "
         "%o;\n.reg .b32 %r, %i;\n"
         ".reg .f64 %d;\nmov.u64 %SPL, args;\ncvta.local.u64 %SP, %SPL;\nmov.u64 %w, word;\ncvta.global.u64 "
         "%w, %w;\n"
         "mov.u32 %i, %tid.x;\n" +
         stores +
         "mov.u64 %f, format;\ncvta.global.u64 %f, %f;\n{\n.param .b64 p0;\nst.param.b64 [p0], %f;\n.param "
         ".b64 p1;\n"
         "st.param.b64 [p1], %SP;\n.param .b32 retval0;\ncall.uni (retval0), vprintf, (p0, p1);\n"
         "ld.param.b32 %r, [retval0];\n}\nld.param.u64 %o, [out];\nst.global.b32 [%o], %r;\nret;\n}\n";
}

struct Printed {
  std::string text, found;
  int result = 0;
};
Printed print(const std::string& format, const std::string& stores, int threads = 1) {
  PtxKernel kernel(module_text(format, stores));
  kernel.request.block[0] = threads;
  Printed printed;
  kernel.options.print = [&](llvm::StringRef text) { printed.text += text.str(); };
  const uint64_t out = kernel.input(std::vector<int32_t>{99}, "out");
  printed.found = told(kernel.run(out));
  printed.result = kernel.values<int32_t>(out, 1)[0];
  return printed;
}

TEST_CASE("emulator: kernels print integers, floats, characters and texts") {
  const Printed a = print("%d %5u|%-4x|%lld %s\n",
                          "st.local.u32 [%SPL], -7;\nst.local.u32 [%SPL+4], 42;\n"
                          "st.local.u32 [%SPL+8], 255;\nst.local.u64 [%SPL+16], -5;\n"
                          "st.local.u64 [%SPL+24], %w;\n");
  CHECK(a.found == "");
  CHECK(a.text == "-7    42|ff  |-5 abc\n");
  CHECK(a.result == 5);
  const Printed b = print("%.3f %e %c %% %5.1s|",
                          "mov.f64 %d, 0d3FF8000000000000;\nst.local.f64 [%SPL], %d;\n"
                          "st.local.f64 [%SPL+8], %d;\nst.local.u32 [%SPL+16], 65;\n"
                          "st.local.u64 [%SPL+24], %w;\n");
  CHECK(b.text == "1.500 1.500000e+00 A %     a|");
  CHECK(b.result == 4);
  const Printed c = print("%*d|%-*d|%.*f",
                          "mov.f64 %d, 0d3FF8000000000000;\nst.local.u32 [%SPL], 4;\n"
                          "st.local.u32 [%SPL+4], 1;\nst.local.u32 [%SPL+8], 3;\n"
                          "st.local.u32 [%SPL+12], 2;\nst.local.u32 [%SPL+16], 2;\n"
                          "st.local.f64 [%SPL+24], %d;\n");
  CHECK(c.text == "   1|2  |1.50");
}

TEST_CASE("emulator: lanes print in their order") {
  const Printed p = print("<%u>", "st.local.u32 [%SPL], %i;\n", 4);
  CHECK(p.text == "<0><1><2><3>");
}

TEST_CASE("emulator: formats that lie print what can be known") {
  CHECK(print("%y %", "").text == "%y %");
  CHECK(print("%y %", "").result == 0);
  const Printed null = print("a%s", "st.local.u64 [%SPL], 0;\n");
  CHECK(null.text == "a");
  CHECK(null.result == -1);
  CHECK(null.found.find("out of bounds: read of 1 byte at address 0x0, a null pointer") == 0);
  const Printed missing = print("%d", "");
  CHECK(missing.found.find("use of an uninitialised value: what is printed comes from") == 0);
  CHECK(print("%999999999999d", "st.local.u32 [%SPL], 1;\n").text.size() == 1000);
}

}  // namespace
}  // namespace tenon::emulator

// Tests of ld and st: values of every width and space, and each finding with its words.
#include <doctest/doctest.h>

#include <numeric>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

// %a and %b: the thread's place in `in` and `out`, where elements have so many bytes.
std::string threads(int in_bytes, int out_bytes) {
  return ".reg .b64 %a, %b, %t, %u;\n.reg .b32 %i;\n"
         "ld.param.u64 %a, [in];\nld.param.u64 %b, [out];\nmov.u32 %i, %tid.x;\n"
         "mul.wide.u32 %t, %i, " +
         std::to_string(in_bytes) +
         ";\nadd.u64 %a, %a, %t;\n"
         "mul.wide.u32 %u, %i, " +
         std::to_string(out_bytes) + ";\nadd.u64 %b, %b, %u;\n";
}
constexpr const char* kInOut = ".param .u64 in, .param .u64 out";

template <class T>
std::vector<T> counting(int count, T first = 0) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

/// Loads with `load` from `in` (an element of I a lane), stores with `store`; what comes out.
template <class I, class O>
std::vector<O> through(const std::vector<I>& in, const std::string& registers, const std::string& load,
                       const std::string& store, const std::string& target = "sm_90a") {
  PtxKernel kernel(
      kernel_text(kInOut, threads(sizeof(I), sizeof(O)) + registers + load + store + "ret;", target));
  const uint64_t a = kernel.input(in), b = kernel.output(kLanes * sizeof(O));
  const LaunchResult result = kernel.run(a, b);
  CHECK(told(result) == "");
  CHECK(result.completed);
  return kernel.values<O>(b, kLanes);
}

/// What is found when this follows threads(4, 4), on 32 elements of 4 bytes, all 7.
std::string found(const std::string& body, const std::string& parameters = kInOut) {
  PtxKernel kernel(
      kernel_text(parameters, threads(4, 4) + ".reg .b32 %v, %w;\n.reg .b64 %c;\n" + body + "ret;"));
  const uint64_t a = kernel.input(std::vector<uint32_t>(kLanes, 7)), b = kernel.output(kLanes * 4);
  return told(kernel.run(a, b));
}

TEST_CASE("emulator: ld and st carry values of every width") {
  CHECK(through<uint32_t, uint32_t>(counting<uint32_t>(32, 5), ".reg .b32 %v;\n", "ld.global.u32 %v, [%a];\n",
                                    "st.global.u32 [%b], %v;\n") == counting<uint32_t>(32, 5));
  CHECK(through<uint64_t, uint64_t>(counting<uint64_t>(32, 1ull << 40), ".reg .b64 %v;\n",
                                    "ld.b64 %v, [%a];\n",
                                    "st.b64 [%b], %v;\n") == counting<uint64_t>(32, 1ull << 40));
  CHECK(through<uint16_t, uint16_t>(counting<uint16_t>(32, 65000), ".reg .b16 %v;\n",
                                    "ld.global.nc.L1::no_allocate.L2::128B.b16 %v, [%a];\n",
                                    "st.global.cs.b16 [%b], %v;\n") == counting<uint16_t>(32, 65000));
  CHECK(through<uint8_t, uint8_t>(counting<uint8_t>(32, 240), ".reg .b16 %v;\n", "ld.global.u8 %v, [%a];\n",
                                  "st.global.u8 [%b], %v;\n") == counting<uint8_t>(32, 240));
  CHECK(through<double, double>(std::vector<double>(32, -1.5), ".reg .f64 %v;\n", "ld.global.f64 %v, [%a];\n",
                                "st.global.wt.f64 [%b], %v;\n") == std::vector<double>(32, -1.5));
}

TEST_CASE("emulator: narrow loads into wide registers extend by their sign") {
  const std::vector<int8_t> bytes(32, -2);
  const std::vector<int16_t> halves(32, -300);
  const std::vector<int32_t> words(32, -70000);
  auto wide = [](auto in, const std::string& type) {
    return through<typename decltype(in)::value_type, uint64_t>(
        in, ".reg .b64 %v;\n", "ld.global." + type + " %v, [%a];\n", "st.global.b64 [%b], %v;\n")[31];
  };
  CHECK(wide(bytes, "s8") == static_cast<uint64_t>(-2));
  CHECK(wide(bytes, "u8") == 254);
  CHECK(wide(halves, "s16") == static_cast<uint64_t>(-300));
  CHECK(wide(halves, "u16") == 65236);
  CHECK(wide(words, "s32") == static_cast<uint64_t>(-70000));
  CHECK(wide(words, "b32") == 4294897296);
  // To 16 bits, and no further: the store of 32 bits reads what the register holds.
  CHECK(through<int8_t, uint32_t>(bytes, ".reg .b16 %v;\n.reg .b32 %w;\n", "ld.global.s8 %v, [%a];\n",
                                  "cvt.u32.u16 %w, %v;\nst.global.b32 [%b], %w;\n")[3] == 65534);
  CHECK(through<int8_t, uint32_t>(bytes, ".reg .b32 %v;\n", "ld.global.s8 %v, [%a];\n",
                                  "st.global.b32 [%b], %v;\n")[3] == static_cast<uint32_t>(-2));
}

TEST_CASE("emulator: a store takes the low bits of a wide register") {
  CHECK(through<uint64_t, uint16_t>(std::vector<uint64_t>(32, 0x123456789a), ".reg .b64 %v;\n",
                                    "ld.global.b64 %v, [%a];\n", "st.global.b16 [%b], %v;\n")[9] == 0x789a);
}

struct Four {
  uint32_t v[4];
  bool operator==(const Four& other) const { return std::memcmp(v, other.v, sizeof v) == 0; }
};
struct Eight {
  uint32_t v[8];
  bool operator==(const Eight& other) const { return std::memcmp(v, other.v, sizeof v) == 0; }
};

TEST_CASE("emulator: vectors of two, four and eight") {
  std::vector<Four> four(32);
  std::vector<Eight> eight(32);
  for (int i = 0; i < 32; ++i) {
    for (uint32_t e = 0; e < 4; ++e) four[i].v[e] = 100 * i + e;
    for (uint32_t e = 0; e < 8; ++e) eight[i].v[e] = 100 * i + e;
  }
  CHECK(through<Four, Four>(four, ".reg .b32 %v<4>;\n", "ld.global.v4.u32 {%v0, %v1, %v2, %v3}, [%a];\n",
                            "st.global.v4.b32 [%b], {%v0, %v1, %v2, %v3};\n") == four);
  CHECK(through<Four, Four>(four, ".reg .b64 %v<2>;\n", "ld.global.v2.u64 {%v0, %v1}, [%a];\n",
                            "st.global.v2.b64 [%b], {%v0, %v1};\n") == four);
  CHECK(through<Four, uint32_t>(four, ".reg .b32 %v;\n", "ld.global.v4.u32 {_, _, %v, _}, [%a];\n",
                                "st.global.b32 [%b], %v;\n")[5] == 502);
  CHECK(through<Eight, Eight>(
            eight, ".reg .b32 %v<8>;\n", "ld.global.v8.b32 {%v0, %v1, %v2, %v3, %v4, %v5, %v6, %v7}, [%a];\n",
            "st.global.v8.b32 [%b], {%v0, %v1, %v2, %v3, %v4, %v5, %v6, %v7};\n", "sm_100a") == eight);
}

TEST_CASE("emulator: only the lanes whose guard holds access memory") {
  PtxKernel kernel(kernel_text(
      kInOut, threads(4, 4) + ".reg .b32 %v;\n.reg .pred %p;\nmov.b32 %v, 1;\nsetp.lt.u32 %p, %i, 3;\n"
                              "@%p ld.global.u32 %v, [%a];\nst.global.u32 [%b], %v;\nret;"));
  const uint64_t a = kernel.input(counting<uint32_t>(3, 10)), b = kernel.output(128);
  CHECK(told(kernel.run(a, b)) == "");
  std::vector<uint32_t> wanted(32, 1);
  std::iota(wanted.begin(), wanted.begin() + 3, 10);
  CHECK(kernel.values<uint32_t>(b, 32) == wanted);
}

TEST_CASE("emulator: shared, local, constant and generic memory") {
  const std::string text =
      ".version 8.5\n.target sm_90a\n.address_size 64\n.const .align 4 .u32 c[2] = {11, 22};\n"
      ".entry k(.param .u64 in, .param .u64 out)\n{\n.shared .align 4 .b8 s[128];\n.local .align 4 .b8 "
      "l[16];\n" +
      threads(4, 4) +
      ".reg .b32 %v<8>, %s, %o;\n.reg .b64 %g;\nld.global.u32 %v0, [%a];\n"
      // Each lane reads its right neighbour's value.
      "shl.b32 %o, %i, 2;\nmov.u32 %s, s;\nadd.u32 %s, %s, %o;\nst.shared.u32 [%s], %v0;\nbar.sync 0;\n"
      "xor.b32 %s, %s, 4;\nld.shared.u32 %v1, [%s];\n"
      "st.local.u32 [l+8], %v1;\nld.local.u32 %v2, [l+8];\n"
      "ld.const.u32 %v3, [c+4];\nadd.u32 %v4, %v2, %v3;\n"
      // and so through generic addresses
      "cvt.u64.u32 %g, %s;\ncvta.shared.u64 %g, %g;\nld.u32 %v5, [%g];\nadd.u32 %v4, %v4, %v5;\n"
      "mov.u64 %g, l;\ncvta.local.u64 %g, %g;\nld.u32 %v5, [%g+8];\nadd.u32 %v4, %v4, %v5;\n"
      "st.u32 [%b], %v4;\nret;\n}\n";
  PtxKernel kernel(text);
  const uint64_t a = kernel.input(counting<uint32_t>(32, 100)), b = kernel.output(128);
  CHECK(told(kernel.run(a, b)) == "");
  std::vector<uint32_t> wanted(32);
  for (uint32_t i = 0; i < 32; ++i) wanted[i] = 3 * (100 + (i ^ 1)) + 22;
  CHECK(kernel.values<uint32_t>(b, 32) == wanted);
}

TEST_CASE("emulator: accesses outside of an allocation are found") {
  CHECK(found("ld.global.u32 %v, [%a+4];\n") ==
        "out of bounds: read of 4 bytes at byte 128 of `in`, which has 128 bytes (line 17)\n");
  CHECK(found("st.global.u32 [%b+-4], 1;\n") ==
        "out of bounds: write of 4 bytes 4 bytes before `out` (line 17)\n");
  CHECK(found("ld.u32 %v, [%t];\n") ==
        "out of bounds: read of 4 bytes at address 0x0, a null pointer (line 17)\n");
  CHECK(found(".shared .align 4 .b8 s[8];\nmov.u32 %v, s;\nld.shared.u32 %w, [%v+8];\n") ==
        "out of bounds: read of 4 bytes at byte 8 of shared memory, which has 8 bytes (line 19)\n");
  CHECK(found("mov.u32 %v, 0;\nst.shared.u32 [%v], 0;\n") ==
        "out of bounds: write of 4 bytes at byte -1024 of shared memory, which has 0 bytes (line 18)\n");
  CHECK(found(".shared .align 4 .b8 s[8];\nmov.u32 %v, 0x3000400;\nld.shared.u32 %w, [%v];\n") ==
        "out of bounds: read of shared address 0x3000400: the cluster has no block 2 (line 19)\n");
  CHECK(found(".local .align 4 .b8 l[16];\nld.local.u32 %v, [l+16];\n") ==
        "out of bounds: read of 4 bytes at byte 16 of local memory, which has 16 bytes a thread (line 18)\n");
  CHECK(found("mov.u64 %c, 0x100000400;\nld.shared.u32 %w, [%c];\n") ==
        "out of bounds: read of 4 bytes at byte -1 of shared memory, which has 0 bytes (line 18)\n");
}

TEST_CASE("emulator: a lane that may not access leaves the others alone") {
  PtxKernel kernel(kernel_text(kInOut, threads(4, 4) + ".reg .b32 %v;\nld.global.u32 %v, [%a];\n"
                                                       "st.global.u32 [%b], %v;\nret;"));
  const uint64_t a = kernel.input(counting<uint32_t>(30)), b = kernel.output(128);
  CHECK(told(kernel.run(a, b)) ==
        "out of bounds: read of 4 bytes at byte 120 of `in`, which has 120 bytes (line 16)\n"
        "use of an uninitialised value: what is stored at byte 120 of `out` comes from memory or a register "
        "that "
        "nothing wrote (line 17)\n");
  CHECK(kernel.values<uint32_t>(b, 30) == counting<uint32_t>(30));
}

TEST_CASE("emulator: an address must be a multiple of what the whole vector has") {
  CHECK(found("ld.global.u16 %v, [%a+1];\n") ==
        "misaligned address: read of 2 bytes at byte 1 of `in`: the address must be a multiple of 2 (line "
        "17)\n");
  CHECK(found(".reg .pred %p;\n.reg .b32 %x<4>;\nsetp.eq.u32 %p, %i, 1;\n@%p ld.global.v4.u32 {%x0, %x1, "
              "%x2, %x3}, [%a];\n") ==
        "misaligned address: read of 16 bytes at byte 4 of `in`: the address must be a multiple of 16 (line "
        "20)\n");
  CHECK(
      found(".shared .align 4 .b8 s[16];\nmov.u32 %v, s;\nst.shared.u32 [%v+2], 7;\n") ==
      "misaligned address: write of 4 bytes at byte 2 of shared memory: the address must be a multiple of 4 "
      "(line 19)\n");
}

TEST_CASE("emulator: what was freed or may only be read is known by name") {
  PtxKernel kernel(kernel_text(kInOut, threads(4, 4) + ".reg .b32 %v;\nld.global.u32 %v, [%a];\n"
                                                       "st.global.u32 [%b], 5;\nret;"));
  const uint64_t a = kernel.input(counting<uint32_t>(32)), b = kernel.output(128);
  kernel.memory.release(a);
  kernel.memory.find(b, 1)->read_only = true;
  CHECK(told(kernel.run(a, b)) ==
        "use after free: read of 4 bytes at byte 0 of `in`, which was freed (line 16)\n"
        "write to read-only memory: write of 4 bytes at byte 0 of `out` (line 17)\n");
}

TEST_CASE("emulator: a value that nothing wrote may be loaded but not used") {
  // Loaded and left alone; then stored; then used as an address.
  CHECK(found("ld.global.u32 %v, [%b];\n") == "");
  CHECK(found("ld.global.u32 %v, [%b];\nst.global.u32 [%a], %v;\n") ==
        "use of an uninitialised value: what is stored at byte 0 of `in` comes from memory or a register "
        "that nothing "
        "wrote (line 18)\n");
  CHECK(found("ld.global.u64 %c, [%b];\nld.global.u32 %v, [%c];\n")
            .find("use of an uninitialised value: an address comes from memory or a register that nothing "
                  "wrote (line 18)") != std::string::npos);
  // Through shared and local memory it stays what it is.
  const std::string wrong =
      "use of an uninitialised value: what is stored at byte 0 of `out` comes from memory or a register that "
      "nothing wrote ";
  CHECK(found(".shared .align 4 .b8 s[128];\nmov.u32 %v, s;\nshl.b32 %w, %i, 2;\nadd.u32 %v, %v, %w;\n"
              "ld.global.u32 %w, [%b];\nst.shared.u32 [%v], %w;\nld.shared.u32 %w, [%v];\nst.global.u32 "
              "[%b], %w;\n") == wrong + "(line 24)\n");
  CHECK(found(".local .align 4 .b8 l[8];\nld.global.u32 %w, [%b];\nst.local.u32 [l+4], %w;\nld.local.u32 %w, "
              "[l+4];\n"
              "st.global.u32 [%b], %w;\n") == wrong + "(line 21)\n");
  CHECK(found(".local .align 4 .b8 l[8];\nst.local.u32 [l+4], 1;\nld.local.u32 %w, [l+4];\nst.global.u32 "
              "[%b], %w;\n") == "");
  CHECK(found(".local .align 4 .b8 l[8];\nld.local.u32 %w, [l+4];\nst.global.u32 [%b], %w;\n") ==
        wrong + "(line 19)\n");
}

TEST_CASE(
    "emulator: of a load that a compiler widened the bytes that it names alone must have been written") {
  const auto widened = [](const std::string& mask) {
    return found(
        ".shared .align 16 .b8 s[16];\n.reg .b32 %r<4>;\nst.shared.v2.u32 [s], {1, 2};\nst.shared.u32 [s+8], "
        "3;\n"
        "bar.sync 0;\n.pragma \"used_bytes_mask " +
        mask +
        "\";\n"
        "ld.shared.v4.u32 {%r0, %r1, %r2, %r3}, [s];\nst.global.u32 [%b], %r2;\n");
  };
  CHECK(widened("4095") == "");
  CHECK(widened("0xfff") == "");
  CHECK(widened("65535").find("use of an uninitialised value") != std::string::npos);
}

TEST_CASE("emulator: uninitialised values are no findings where nobody asked") {
  PtxKernel kernel(kernel_text(kInOut, threads(4, 4) + ".reg .b32 %v;\nld.global.u32 %v, [%a];\n"
                                                       "st.global.u32 [%b], %v;\nret;"));
  kernel.options.uninitialised = false;
  const uint64_t a = kernel.output(128, "in"), b = kernel.output(128);
  CHECK(told(kernel.run(a, b)) == "");
}

TEST_CASE("emulator: the constant path does not see what the launch writes") {
  CHECK(found("ld.global.nc.u32 %v, [%a];\nst.global.u32 [%a], 1;\n") == "");
  CHECK(found("st.global.u32 [%a], 1;\nld.global.nc.u32 %v, [%a];\n") ==
        "race in global memory: read of 4 bytes through the constant path (.nc) at byte 0 of `in`, which "
        "this launch has "
        "written (line 18)\n");
  CHECK(found("st.global.u16 [%a], 1;\nld.global.nc.u16 %v, [%a+2];\n") == "");
}

TEST_CASE("emulator: lanes of one instruction must not store different values to one place") {
  const std::string start = "ld.param.u64 %c, [out];\nmov.u32 %v, 3;\n";
  CHECK(found(start + "st.global.u32 [%c], %v;\n") == "");
  CHECK(found(start + "st.global.u32 [%c+4], %i;\n") ==
        "race in global memory: lanes 0 and 1 of one instruction store different values at byte 4 of `out` "
        "(line 19)\n");
  CHECK(found(".shared .align 4 .b8 s[64];\nmov.u32 %w, s;\nand.b32 %v, %i, 12;\nadd.u32 %w, %w, %v;\n"
              "st.shared.u32 [%w+16], %v;\n") == "");
  CHECK(found(".shared .align 4 .b8 s[64];\nmov.u32 %w, s;\nand.b32 %v, %i, 12;\nadd.u32 %w, %w, %v;\n"
              "st.shared.u32 [%w+16], %i;\n") ==
        "race in shared memory: lanes 0 and 1 of one instruction store different values at byte 16 of shared "
        "memory "
        "(line 21)\n");
}

TEST_CASE("emulator: unknown forms of ld and st are errors with their line") {
  auto error = [](const std::string& statement, const std::string& target = "sm_90a") {
    try {
      PtxKernel kernel(
          kernel_text(kInOut, ".reg .b32 %v<8>;\n.reg .b64 %a, %l<4>;\n" + statement + "\nret;", target));
    } catch (const Error& e) {
      return e.diagnostics()[0].message;
    }
    return std::string();
  };
  CHECK(error("ld.global.f16x2 %v0, [%a];") == "memory is not accessed as .f16x2");
  CHECK(error("ld.global.v8.u32 {%v0, %v1, %v2, %v3, %v4, %v5, %v6, %v7}, [%a];") ==
        "an access of 32 bytes a thread");
  CHECK(error("ld.shared.v4.u64 {%l0, %l1, %l2, %l3}, [%a];", "sm_100a") == "an access of 32 bytes a thread");
  CHECK(error("ld.nc.u32 %v0, [%a];") == ".nc loads from .global alone");
  CHECK(error("ld.global.v2.u32 %v0, [%a];") == "1 values where the instruction has 2");
  CHECK(error("st.param.u32 [in], %v0;") == "constants and the kernel's parameters cannot be stored to");
  CHECK(error("ld.mmio.global.u32 %v0, [%a];") == ".mmio goes with .relaxed alone");
  CHECK(error("ld.relaxed.global.u32 %v0, [%a];") != "");
  CHECK(error("ld.global.sideways.u32 %v0, [%a];") != "");
  CHECK(error("ld.relaxed.mmio.sys.global.u32 %v0, [%a];") == "");
  CHECK(error("ld.acquire.gpu.global.L1::evict_last.L2::cache_hint.L2::256B.v2.u32 {%v0, %v1}, [%a], %l0;") ==
        "");
  CHECK(error("st.release.sys.global.u32 [%a], %v0;") == "");
  CHECK(error("st.volatile.shared::cta.u32 [%v1], %v0;") == "");
  CHECK(error("ldu.global.u32 %v0, [%a];") == "");
  CHECK(error("ld.weak.shared::cluster.u32 %v0, [%v1];") == "");
}

}  // namespace
}  // namespace tenon::emulator

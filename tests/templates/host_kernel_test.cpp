// The host execution of device code itself: it computes, and it reports each kind of mistake that it promises
// to report.
#include "tests/host_cuda/host_kernel.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace tenon::host_cuda;

namespace {

#define REQUIRE_COMPILER()                                   \
  if (!host_compiler_available()) {                          \
    MESSAGE("SKIPPED: no C++ compiler to run kernels with"); \
    return;                                                  \
  }

// What launching fails with, or "".
template <class... A>
std::string failure(const HostKernel& kernel, A&&... arguments) {
  try {
    kernel.launch(std::forward<A>(arguments)...);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string kernel(const std::string& parameters, const std::string& body) {
  return "#include \"templates/memory.cuh\"\n#include \"templates/ptx/cp_async.cuh\"\n#include "
         "\"templates/ptx/ldmatrix.cuh\"\n"
         "#include \"templates/ptx/mma.cuh\"\n#include \"templates/ptx/barrier.cuh\"\n"
         "namespace tenon {\nextern \"C\" __global__ void k(" +
         parameters + ") {\n" + body + "\n}\n}\n";
}

}  // namespace

TEST_CASE("threads exchange through shared memory, static and dynamic, in any order") {
  REQUIRE_COMPILER();
  const HostKernel k = compile_host_kernel(kernel("const int* x, int* y", R"(
    __shared__ int turned[64];
    int* dynamic = reinterpret_cast<int*>(ptx::dynamic_shared());
    turned[63 - threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
    __syncthreads();
    dynamic[threadIdx.x] = turned[threadIdx.x] * 2;
    __syncthreads();
    y[blockIdx.x * 64 + threadIdx.x] = dynamic[threadIdx.x ^ 1] + __shfl_xor_sync(0xffffffffu, 1000 * int(threadIdx.x), 3);)"),
                                           "k");
  std::vector<int> x(192);
  for (int i = 0; i < 192; ++i) x[i] = i;
  for (unsigned seed : {0u, 1u, 7u}) {
    const DeviceBuffer in = device_copy(x), out(192 * 4);
    k.launch({3, 1, 1}, {64, 1, 1}, 256, {in, out}, seed);
    for (int i = 0; i < 192; ++i) {
      const int t = i % 64, expected = 2 * (i / 64 * 64 + 63 - (t ^ 1)) + 1000 * (t ^ 3);
      CHECK(out.as<int>()[i] == expected);
    }
  }
}

TEST_CASE("mistakes are reported with block and thread") {
  REQUIRE_COMPILER();
  const auto run = [](const std::string& body, size_t shared = 0, unsigned threads = 64) {
    const HostKernel k = compile_host_kernel(kernel("float* x, int n", body), "k");
    const DeviceBuffer x(40, "x");
    return failure(k, std::array<unsigned, 3>{2, 1, 1}, std::array<unsigned, 3>{threads, 1, 1}, shared,
                   std::vector<Argument>{x, 10}, 0u);
  };
  CHECK(run("if (threadIdx.x < n) x[threadIdx.x] = 1;") == "");
  CHECK(contains(run("x[1024 + threadIdx.x] = 1;"), "touched memory"));
  CHECK(contains(run("x[12] = 1;"),
                 "block (0,0,0) thread (0,0,0): touched memory 8 bytes past the end of x (40 bytes)"));
  CHECK(contains(run("x[10] = 1;"), "wrote 0 bytes past the end of x"));
  CHECK(contains(run("x[-1] = 1;"), "wrote 4 bytes before x"));
  CHECK(contains(run("if (threadIdx.x == 3) load<4>(x + 1); x[0] = load<4>(x + 1)[0];"), "misaligned"));
  CHECK(contains(run("if (threadIdx.x < 32) __syncthreads();"),
                 "waits for ever: 32 threads at barrier 0; 32 threads exited"));
  CHECK(contains(run("if (threadIdx.x != 5) x[0] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);"),
                 "lane 5 of its mask has exited"));
  CHECK(contains(run("if (threadIdx.x & 1) __syncwarp(); else __ballot_sync(0xffffffffu, 1);"),
                 "of the same warp is in"));
  CHECK(contains(run("ptx::cp_async<16>(ptx::dynamic_shared() + 8, x);", 64), "not aligned to its 16 bytes"));
  CHECK(contains(run("ptx::cp_async<16>(ptx::dynamic_shared() + 64, x);", 64),
                 "past the end of the dynamic shared memory"));
  CHECK(contains(run("int a[4] = {}; for (int i = 0; i <= n; ++i) a[i] = i; x[0] = a[n - 8];"),
                 "beyond its array"));
  const HostKernel k = compile_host_kernel(kernel("float* x, int n", ""), "k");
  CHECK(contains(failure(k, std::array<unsigned, 3>{1, 1, 1}, std::array<unsigned, 3>{1, 1, 1}, 0u,
                         std::vector<Argument>{nullptr, 10L}),
                 "has 8 bytes, the parameter 4"));
}

TEST_CASE("cp.async delivers at the wait and not before; named barriers join parts of a block") {
  REQUIRE_COMPILER();
  const HostKernel k = compile_host_kernel(kernel("const float* x, float* y", R"(
    float* tile = reinterpret_cast<float*>(ptx::dynamic_shared());
    if (threadIdx.x < 64) {
      ptx::cp_async<4>(tile + threadIdx.x, x + threadIdx.x);
      ptx::cp_async_commit();
      ptx::cp_async<16>(tile + 64 + 4 * threadIdx.x, x, threadIdx.x % 2 ? 8 : 16);
      ptx::cp_async_commit();
      const bool early = tile[threadIdx.x] == tile[threadIdx.x];
      ptx::cp_async_wait<1>();
      const bool second = tile[64 + 4 * threadIdx.x] == tile[64 + 4 * threadIdx.x];
      ptx::barrier_sync<1>(64);
      y[threadIdx.x] = early || second ? -1 : tile[63 - threadIdx.x];
      ptx::cp_async_wait<0>();
      for (int i = 0; i < 4; ++i) y[64 + 4 * threadIdx.x + i] = tile[64 + 4 * threadIdx.x + i];
    })"),
                                           "k");
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i) x[i] = static_cast<float>(i + 1);
  const DeviceBuffer in = device_copy(x), out(320 * 4);
  k.launch({1, 1, 1}, {96, 1, 1}, 320 * 4, {in, out});
  for (int i = 0; i < 64; ++i) {
    CHECK(out.as<float>()[i] == static_cast<float>(64 - i));
    for (int j = 0; j < 4; ++j)
      CHECK(out.as<float>()[64 + 4 * i + j] == (i % 2 && j > 1 ? 0.0f : static_cast<float>(j + 1)));
  }
}

TEST_CASE("ldmatrix and mma multiply 16x16 by 16x8, in bf16, f16 and tf32") {
  REQUIRE_COMPILER();
  const HostKernel k = compile_host_kernel(kernel("const float* a, const float* b, float* d", R"(
    bf16* sa = reinterpret_cast<bf16*>(ptx::dynamic_shared());     // [16][16]
    bf16* sb = sa + 256;                                           // [16][8], k by n
    f16* ha = reinterpret_cast<f16*>(sb + 128);                    // [16][16]
    f16* hb = ha + 256;                                            // [8][16], n by k
    const int lane = threadIdx.x, g = lane / 4, q = lane % 4;
    for (int i = lane; i < 256; i += 32) sa[i] = cast<bf16>(a[i]), ha[i] = cast<f16>(a[i]);
    for (int i = lane; i < 128; i += 32) sb[i] = cast<bf16>(b[i]), hb[i % 8 * 16 + i / 8] = cast<f16>(b[i]);
    __syncthreads();
    u32 fa[4], fb[2];
    float acc[4] = {100, 100, 100, 100}, acc16[4] = {}, acc32[4] = {};
    ptx::ldmatrix_x4(fa, sa + (lane % 16) * 16 + lane / 16 * 8);
    ptx::ldmatrix_x2_trans(fb, sb + (lane % 16) * 8);
    ptx::mma_m16n8k16_bf16(acc, fa, fb);
    ptx::ldmatrix_x4(fa, ha + (lane % 16) * 16 + lane / 16 * 8);
    ptx::ldmatrix_x2(fb, hb + (lane % 8) * 16 + lane / 8 % 2 * 8);
    ptx::mma_m16n8k16_f16(acc16, fa, fb);
    for (int k = 0; k < 16; k += 8) {
      u32 ta[4] = {ptx::tf32_from_float(a[g * 16 + k + q]), ptx::tf32_from_float(a[(g + 8) * 16 + k + q]),
                   ptx::tf32_from_float(a[g * 16 + k + q + 4]), ptx::tf32_from_float(a[(g + 8) * 16 + k + q + 4])};
      u32 tb[2] = {ptx::tf32_from_float(b[(k + q) * 8 + g]), ptx::tf32_from_float(b[(k + q + 4) * 8 + g])};
      ptx::mma_m16n8k8_tf32(acc32, ta, tb);
    }
    for (int i = 0; i < 4; ++i) {
      const int at = (g + i / 2 * 8) * 8 + 2 * q + i % 2;
      d[at] = acc[i], d[128 + at] = acc16[i], d[256 + at] = acc32[i];
    })"),
                                           "k");
  std::vector<float> a(256), b(128);
  for (int i = 0; i < 256; ++i) a[i] = static_cast<float>(i * 37 % 17 - 8);
  for (int i = 0; i < 128; ++i) b[i] = static_cast<float>(i * 29 % 13 - 6) / 4;
  const DeviceBuffer da = device_copy(a), db = device_copy(b), d(384 * 4);
  k.launch({1, 1, 1}, {32, 1, 1}, (256 + 128) * 4, {da, db, d});
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n) {
      float sum = 0;
      for (int i = 0; i < 16; ++i) sum += a[m * 16 + i] * b[i * 8 + n];
      CHECK(d.as<float>()[m * 8 + n] == sum + 100);
      CHECK(d.as<float>()[128 + m * 8 + n] == sum);
      CHECK(d.as<float>()[256 + m * 8 + n] == sum);
    }
}

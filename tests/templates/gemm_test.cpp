// gemm_sm80.cuh and gemm_simt.cuh against f64 loops: layouts, odd extents, alignments, batch, split-K, row
// sums, heads, epilogues.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "templates/config.cuh"
#include "tests/host_cuda/host_kernel.h"
#include "tests/templates/drawn_tensor.h"

using namespace tenon;
using namespace tenon::host_cuda;

namespace {

struct Problem {
  int m, n, k, batch = 1;
  int padding = 0;  // elements between lines
};

// A kernel that stores its product as it is, in f32; every extent and stride a parameter.
struct PlainKernel {
  std::string type, config_text;
  GemmConfig config;
  HostKernel kernel;
};

PlainKernel compile_plain(const std::string& type, const std::string& config_text, const GemmConfig& config) {
  const std::string header = config.lanes() == 32 ? "gemm_sm80" : "gemm_simt";
  const std::string source =
      "#include \"templates/" + header + ".cuh\"\nnamespace tenon {\nusing T = " + type +
      ";\nconstexpr GemmConfig kConfig{" + config_text + R"(};
struct Epilogue {
  float* c;
  i64 stride;
  TENON_DEVICE void operator()(const GemmSums<kConfig>& at) const {
    store<1>(c + at.row * stride + at.col, at.product(), at.count());
  }
};
extern "C" __global__ void product(const T* a, i64 a_stride, i64 a_batch, const T* b, i64 b_stride, i64 b_batch, float* c, int m, int n,
                                   int k, float* partials, int* tickets) {
  const GemmShape shape{m, n, k};
  const int z = gemm_batch<kConfig>(shape);
  )" + header +
      R"(<kConfig>(shape, Matrix<T>{a + z * a_batch, a_stride}, {Matrix<T>{b + z * b_batch, b_stride}},
    Epilogue{c + i64(z) * m * n, n}, SplitWorkspace{partials, tickets});
}
})";
  return {type, config_text, config, compile_host_kernel(source, "product")};
}

void check_plain(const PlainKernel& plain, const Problem& p, unsigned seed = 1) {
  INFO(plain.type, " {", plain.config_text, "} m ", p.m, " n ", p.n, " k ", p.k, " batch ", p.batch,
       " padding ", p.padding);
  const GemmConfig& config = plain.config;
  const bool a_along_k = config.a_contiguous == Contiguous::k,
             b_along_k = config.b_contiguous == Contiguous::k;
  const int64_t a_stride = (a_along_k ? p.k : p.m) + p.padding,
                b_stride = (b_along_k ? p.k : p.n) + p.padding;
  const int64_t a_size = a_stride * (a_along_k ? p.m : p.k), b_size = b_stride * (b_along_k ? p.n : p.k);
  const Tensor a = draw(plain.type, a_size * p.batch, seed), b = draw(plain.type, b_size * p.batch, seed + 1);
  DeviceBuffer c(sizeof(float) * p.m * p.n * p.batch, "c");
  const int tiles = config.tiles(p.m, p.n) * p.batch;
  DeviceBuffer partials(size_t(4) * tiles * config.slices * config.partial_floats(), "partials");
  const DeviceBuffer tickets = device_copy(std::vector<int>(tiles, 0), "tickets");
  for (int launch = 0; launch < (config.slices > 1 ? 2 : 1);
       ++launch)  // the second finds what the first left
    plain.kernel.launch(
        {unsigned(tiles), unsigned(config.slices), 1}, {unsigned(config.threads()), 1, 1},
        config.shared_bytes(),
        {a.buffer, a_stride, a_size, b.buffer, b_stride, b_size, c, p.m, p.n, p.k, partials, tickets},
        seed + launch);
  const double unit = plain.type == "float" && config.lanes() == 32 ? 0x1p-10 : 0x1p-23;
  double worst = 0;
  for (int z = 0; z < p.batch; ++z)
    for (int i = 0; i < p.m; ++i)
      for (int j = 0; j < p.n; ++j) {
        double sum = 0, size = 1e-30;
        for (int l = 0; l < p.k; ++l) {
          const double term = a.values[z * a_size + (a_along_k ? i * a_stride + l : l * a_stride + i)] *
                              b.values[z * b_size + (b_along_k ? j * b_stride + l : l * b_stride + j)];
          sum += term, size += std::abs(term);
        }
        const double error = std::abs(c.as<float>()[(int64_t(z) * p.m + i) * p.n + j] - sum) / size;
        worst = error <= worst ? worst : error;  // keeps a NaN
      }
  CHECK(worst <= unit * (p.k < 8 ? 8 : p.k));
}

#define CONFIG(...) \
#__VA_ARGS__, GemmConfig { __VA_ARGS__ }

}  // namespace

TEST_CASE("a product on tensor cores equals the f64 loops at every kind of extent") {
  if (no_compiler()) return;
  const PlainKernel plain =
      compile_plain("bf16", CONFIG(.block_m = 64, .block_n = 64, .block_k = 32, .part_m = 32, .part_n = 32));
  for (const Problem& p :
       {Problem{64, 64, 64}, {65, 72, 32}, {1, 8, 40}, {128, 129, 96}, {200, 64, 8}, {3, 5, 16}, {64, 64, 0}})
    check_plain(plain, p);
  check_plain(plain, {66, 40, 48, 3});
  check_plain(plain, {66, 40, 48, 2, 8});
}

TEST_CASE("operands of a product may lie either way round") {
  if (no_compiler()) return;
  const PlainKernel nn =
      compile_plain("bf16", CONFIG(.block_m = 64, .block_n = 64, .block_k = 32, .part_m = 32, .part_n = 32,
                                   .b_contiguous = Contiguous::outer));
  const PlainKernel tn = compile_plain(
      "f16", CONFIG(.block_m = 32, .block_n = 128, .block_k = 64, .part_m = 16, .part_n = 64, .stages = 2,
                    .a_contiguous = Contiguous::outer, .b_contiguous = Contiguous::outer));
  const PlainKernel tt =
      compile_plain("bf16", CONFIG(.block_m = 64, .block_n = 32, .block_k = 16, .part_m = 32, .part_n = 16,
                                   .stages = 4, .a_contiguous = Contiguous::outer));
  for (const Problem& p : {Problem{64, 64, 64}, {72, 88, 33}, {8, 8, 1}, {64, 136, 95, 2}}) {
    check_plain(nn, {p.m, p.n, p.k / 8 * 8, p.batch});
    check_plain(tn, p);
    check_plain(tt, {p.m, p.n, p.k / 8 * 8, p.batch});
  }
}

TEST_CASE("lines that are not aligned to 16 bytes are copied in smaller pieces") {
  if (no_compiler()) return;
  const PlainKernel by8 =
      compile_plain("bf16", CONFIG(.block_m = 64, .block_n = 64, .block_k = 32, .part_m = 32, .part_n = 32,
                                   .b_contiguous = Contiguous::outer, .a_copy = 8, .b_copy = 4));
  for (const Problem& p : {Problem{64, 66, 36}, {65, 30, 68}, {33, 2, 4, 2}}) check_plain(by8, p);
  const PlainKernel by2 =
      compile_plain("bf16", CONFIG(.block_m = 64, .block_n = 64, .block_k = 32, .part_m = 32, .part_n = 32,
                                   .b_contiguous = Contiguous::outer, .a_copy = 2, .b_copy = 2));
  for (const Problem& p : {Problem{64, 64, 64}, {65, 33, 37}, {1, 1, 1}, {7, 67, 101, 2}, {5, 3, 0}})
    check_plain(by2, p);
}

TEST_CASE("a sum over k shared by blocks is added up in the order of the slices by the last to arrive") {
  if (no_compiler()) return;
  const PlainKernel split = compile_plain(
      "bf16", CONFIG(.block_m = 32, .block_n = 64, .block_k = 32, .part_m = 32, .part_n = 16, .slices = 3));
  for (const Problem& p : {Problem{40, 72, 320}, {32, 64, 32}, {1, 8, 168, 2}, {4, 8, 0}})
    for (unsigned seed : {1u, 7u}) check_plain(split, p, seed);
}

TEST_CASE("f32 products are exact, or tf32 where the config says so") {
  if (no_compiler()) return;
  const PlainKernel tt =
      compile_plain("float", CONFIG(.block_m = 64, .block_n = 64, .block_k = 16, .part_m = 8, .part_n = 4,
                                    .element_bytes = 4, .vector = 4));
  const PlainKernel nn =
      compile_plain("float", CONFIG(.block_m = 32, .block_n = 64, .block_k = 8, .part_m = 4, .part_n = 8,
                                    .element_bytes = 4, .slices = 2, .b_contiguous = Contiguous::outer,
                                    .a_copy = 4, .b_copy = 4, .vector = 4));
  const PlainKernel mn = compile_plain(
      "float", CONFIG(.block_m = 64, .block_n = 32, .block_k = 8, .part_m = 8, .part_n = 4,
                      .element_bytes = 4, .a_contiguous = Contiguous::outer,
                      .b_contiguous = Contiguous::outer, .a_copy = 8, .vector = 4, .passes = 2));
  for (const Problem& p : {Problem{64, 64, 32}, {70, 68, 36}, {2, 4, 4, 2}, {5, 4, 0}}) check_plain(tt, p);
  for (const Problem& p : {Problem{64, 64, 32}, {35, 67, 41}, {1, 1, 1, 3}}) check_plain(nn, p);
  for (const Problem& p : {Problem{64, 64, 32}, {66, 36, 19}, {2, 4, 3, 2}}) check_plain(mn, p);
  const PlainKernel tf32 =
      compile_plain("float", CONFIG(.block_m = 32, .block_n = 32, .block_k = 16, .part_m = 16, .part_n = 16,
                                    .element_bytes = 4, .vector = 4));
  const PlainKernel tf32_outer =
      compile_plain("float", CONFIG(.block_m = 32, .block_n = 32, .block_k = 16, .part_m = 16, .part_n = 16,
                                    .element_bytes = 4, .a_contiguous = Contiguous::outer,
                                    .b_contiguous = Contiguous::outer, .vector = 4));
  for (const Problem& p : {Problem{32, 32, 32}, {36, 44, 20}, {4, 4, 4, 2}}) {
    check_plain(tf32, p);
    check_plain(tf32_outer, p);
  }
}

TEST_CASE(
    "row sums give the mean and variance of A's rows to the epilogue, far from zero and across slices too") {
  if (no_compiler()) return;
  const GemmConfig config{.block_m = 32,
                          .block_n = 64,
                          .block_k = 32,
                          .part_m = 16,
                          .part_n = 32,
                          .slices = 2,
                          .row_sums = RowSums::moments};
  const HostKernel kernel = compile_host_kernel(R"(#include "templates/gemm_sm80.cuh"
namespace tenon {
constexpr GemmConfig kConfig{.block_m = 32, .block_n = 64, .block_k = 32, .part_m = 16, .part_n = 32, .slices = 2,
                             .row_sums = RowSums::moments};
struct Epilogue {
  float* mean_and_variance;
  TENON_DEVICE void operator()(const GemmSums<kConfig>& at) const {
    if (at.col == 0) store(mean_and_variance + at.row * 2, Vec<float, 2>{at.mean(), at.variance()});
  }
};
extern "C" __global__ void moments(const bf16* a, const bf16* b, float* out, int m, int k, float* partials, int* tickets) {
  gemm_sm80<kConfig>({m, 64, k}, Matrix<bf16>{a, (k + 7) / 8 * 8}, {Matrix<bf16>{b, (k + 7) / 8 * 8}}, Epilogue{out}, {partials, tickets});
}
})",
                                                "moments");
  for (int k : {1, 31, 96, 200})
    for (double offset : {0.0, 100.0}) {
      INFO("k ", k, " offset ", offset);
      const int m = 37, stride = (k + 7) / 8 * 8;
      const Tensor a = draw("bf16", m * stride, 3, offset), b = draw("bf16", 64 * stride, 4);
      const DeviceBuffer out(m * 2 * 4, "out"), partials(4 * 4 * config.partial_floats(), "partials");
      const DeviceBuffer tickets = device_copy(std::vector<int>(2, 0), "tickets");
      kernel.launch({2, 2, 1}, {unsigned(config.threads()), 1, 1}, config.shared_bytes(),
                    {a.buffer, b.buffer, out, m, k, partials, tickets});
      for (int i = 0; i < m; ++i) {
        double mean = 0, variance = 0;
        for (int l = 0; l < k; ++l) mean += a.values[i * stride + l] / k;
        for (int l = 0; l < k; ++l) variance += std::pow(a.values[i * stride + l] - mean, 2) / k;
        CHECK(out.as<float>()[2 * i] == doctest::Approx(mean).epsilon(1e-5).scale(1));
        CHECK(out.as<float>()[2 * i + 1] == doctest::Approx(variance).epsilon(1e-5).scale(1));
      }
    }
}

TEST_CASE(
    "a head is applied to A on its way to shared memory, and two products of one A meet in one epilogue") {
  if (no_compiler()) return;
  const GemmConfig config{
      .block_m = 32, .block_n = 32, .block_k = 32, .part_m = 16, .part_n = 32, .products = 2};
  const HostKernel kernel = compile_host_kernel(R"(#include "templates/elementwise.cuh"
#include "templates/gemm_sm80.cuh"
namespace tenon {
constexpr GemmConfig kConfig{.block_m = 32, .block_n = 32, .block_k = 32, .part_m = 16, .part_n = 32, .products = 2};
struct Head {
  using Element = bf16;
  struct Inputs {
    Vec<float, 8> x;
  };
  const bf16* x;
  int stride;
  TENON_DEVICE Inputs fetch(int row, int k, int count) const { return {load<8>(x + i64(row) * stride + k, count)}; }
  TENON_DEVICE Vec<bf16, 8> operator()(const Inputs& in, int, int) const { return cast<bf16>(log(abs(in.x))); }  // log 0 is -inf
};
struct Epilogue {
  const float* bias;
  float* y;
  int n;
  TENON_DEVICE void operator()(const GemmSums<kConfig>& at) const {
    const Vec<float, 8> gate = at.product(0) + load<8, 1>(bias + at.col, at.count());
    const Vec<float, 8> swapped = at.product_at(at.tile_col + (at.col - at.tile_col ^ 16), 1);
    store<1>(y + i64(at.row) * n + at.col, silu(gate) * swapped, at.count());
  }
};
extern "C" __global__ void gated(const bf16* x, const bf16* gate, const bf16* up, const float* bias, float* y, int m, int n, int k) {
  const int stride = (k + 7) / 8 * 8;
  gemm_sm80<kConfig>({m, n, k}, Head{x, stride}, {Matrix<bf16>{gate, stride}, Matrix<bf16>{up, stride}}, Epilogue{bias, y, n});
}
})",
                                                "gated");
  for (int k : {40, 91}) {
    const int m = 37, n = 64, stride = (k + 7) / 8 * 8;
    const Tensor x = draw("bf16", m * stride, 5), gate = draw("bf16", n * stride, 6),
                 up = draw("bf16", n * stride, 7), bias = draw("float", n, 8);
    const DeviceBuffer y(m * n * 4, "y");
    kernel.launch({unsigned(config.tiles(m, n)), 1, 1}, {unsigned(config.threads()), 1, 1},
                  config.shared_bytes(), {x.buffer, gate.buffer, up.buffer, bias.buffer, y, m, n, k});
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        double g = bias.values[j], u = 0;
        for (int l = 0; l < k; ++l) {
          const double head = bf16_value(bf16_bits(std::log(std::abs(float(x.values[i * stride + l])))));
          g += head * gate.values[j * stride + l];
          u += head * up.values[(j ^ 16) * stride + l];
        }
        CHECK(y.as<float>()[i * n + j] == doctest::Approx(g / (1 + std::exp(-g)) * u).epsilon(1e-4).scale(1));
      }
  }
}

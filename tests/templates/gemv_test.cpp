// gemv.cuh against f64 loops: layouts, odd extents, alignments, batch, split-K, row sums, heads, gates and
// columns whose partners lie apart, by multiply-adds and on tensor cores.
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
  GemvConfig config;
  HostKernel kernel;
};

PlainKernel compile_plain(const std::string& type, const std::string& config_text, const GemvConfig& config) {
  const std::string source = "#include \"templates/gemv.cuh\"\nnamespace tenon {\nusing T = " + type +
                             ";\nconstexpr GemvConfig kConfig{" + config_text + R"(};
struct Epilogue {
  float* c;
  i64 stride;
  TENON_DEVICE void operator()(const GemvSums<kConfig>& at) const {
    store<1>(c + at.row * stride + at.col, at.product(), at.count());
  }
};
extern "C" __global__ void product(const T* a, i64 a_stride, i64 a_batch, const T* b, i64 b_stride, i64 b_batch, float* c, int m, int n,
                                   int k, float* partials, int* tickets) {
  const GemmShape shape{m, n, k};
  const int z = gemv_batch<kConfig>(shape);
  gemv<kConfig>(shape, Matrix<T>{a + z * a_batch, a_stride}, {Matrix<T>{b + z * b_batch, b_stride}},
                Epilogue{c + i64(z) * m * n, n}, SplitWorkspace{partials, tickets});
}
})";
  return {type, config_text, config, compile_host_kernel(source, "product")};
}

void check_plain(const PlainKernel& plain, const Problem& p, unsigned seed = 1) {
  INFO(plain.type, " {", plain.config_text, "} m ", p.m, " n ", p.n, " k ", p.k, " batch ", p.batch,
       " padding ", p.padding);
  const GemvConfig& config = plain.config;
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
  CHECK(worst <= 0x1p-23 * (p.k < 8 ? 8 : p.k));
}

#define CONFIG(...) \
#__VA_ARGS__, GemvConfig { __VA_ARGS__ }

}  // namespace

TEST_CASE("a row times lines along k equals the f64 loops at every kind of extent") {
  if (no_compiler()) return;
  const PlainKernel wide = compile_plain("bf16", CONFIG(.columns = 4, .lanes = 64, .rounds = 2));
  for (const Problem& p : {Problem{1, 8, 1024},
                           {1, 3, 512},
                           {1, 5, 520},
                           {1, 4, 3080, 2},
                           {1, 4, 8},
                           {3, 6, 1032, 2, 16},
                           {1, 4, 0}})
    check_plain(wide, p);
  const PlainKernel exact = compile_plain(
      "f16", CONFIG(.rows = 3, .columns = 2, .groups = 4, .lanes = 16, .rounds = 3, .exact_k = true));
  for (const Problem& p : {Problem{3, 8, 384}, {2, 9, 512}, {7, 1, 128}}) check_plain(exact, p);
  const PlainKernel odd = compile_plain("bf16", CONFIG(.rows = 2, .columns = 1, .groups = 8, .lanes = 32,
                                                       .depth = 1, .rounds = 4, .a_copy = 2, .b_copy = 2));
  for (const Problem& p : {Problem{2, 8, 97}, {2, 11, 33}, {1, 1, 1}}) check_plain(odd, p);
  const PlainKernel f32 = compile_plain(
      "float", CONFIG(.rows = 4, .columns = 4, .groups = 2, .lanes = 32, .depth = 4, .element_bytes = 4));
  for (const Problem& p : {Problem{4, 8, 256}, {3, 13, 68}}) check_plain(f32, p);
}

TEST_CASE("rows times lines along the columns equal the f64 loops") {
  if (no_compiler()) return;
  const PlainKernel row = compile_plain(
      "bf16", CONFIG(.columns = 8, .groups = 4, .lanes = 32, .rounds = 2, .b_contiguous = Contiguous::outer));
  for (const Problem& p : {Problem{1, 32, 512}, {1, 40, 520}, {1, 8, 16, 2}, {2, 72, 8}}) check_plain(row, p);
  const PlainKernel odd =
      compile_plain("f16", CONFIG(.rows = 2, .columns = 1, .groups = 32, .lanes = 2, .depth = 1, .rounds = 8,
                                  .a_contiguous = Contiguous::outer, .b_contiguous = Contiguous::outer,
                                  .a_copy = 2, .b_copy = 2, .vector = 1));
  for (const Problem& p : {Problem{2, 33, 51}, {1, 1, 3}}) check_plain(odd, p);
}

TEST_CASE("tensor cores give few rows the same values, from either order of the weights") {
  if (no_compiler()) return;
  const PlainKernel along_k = compile_plain(
      "bf16", CONFIG(.rows = 8, .columns = 2, .groups = 8, .lanes = 16, .rounds = 2, .tensor_cores = true));
  for (const Problem& p : {Problem{8, 16, 512}, {5, 24, 136}, {1, 3, 8, 2}, {9, 16, 128}})
    check_plain(along_k, p);
  const PlainKernel two = compile_plain("f16", CONFIG(.rows = 16, .columns = 4, .groups = 8, .lanes = 8,
                                                      .slices = 2, .tensor_cores = true, .exact_k = true));
  for (const Problem& p : {Problem{16, 32, 256}, {11, 40, 192}}) check_plain(two, p);
  const PlainKernel outer =
      compile_plain("bf16", CONFIG(.rows = 16, .columns = 8, .groups = 8, .lanes = 8, .tensor_cores = true,
                                   .b_contiguous = Contiguous::outer));
  for (const Problem& p : {Problem{16, 64, 64}, {6, 72, 136}, {3, 8, 8}}) check_plain(outer, p);
}

TEST_CASE("a sum over k shared by blocks is added up in order by the last to arrive") {
  if (no_compiler()) return;
  const PlainKernel split =
      compile_plain("bf16", CONFIG(.rows = 2, .columns = 3, .lanes = 64, .slices = 3, .vector = 1));
  for (const Problem& p : {Problem{2, 6, 2048}, {1, 4, 512}, {2, 5, 1544, 2}})
    for (unsigned seed : {1u, 7u}) check_plain(split, p, seed);
}

TEST_CASE("row sums give the mean and variance of A's rows, far from zero and across slices too") {
  if (no_compiler()) return;
  const char* const configs[] = {
      ".rows = 3, .columns = 2, .lanes = 64, .slices = 2, .row_sums = RowSums::moments",
      ".rows = 3, .columns = 4, .groups = 4, .lanes = 8, .row_sums = RowSums::moments",
      (".rows = 3, .columns = 8, .groups = 2, .lanes = 32, .b_contiguous = Contiguous::outer, "
       ".row_sums = RowSums::moments"),
      ".rows = 8, .columns = 2, .groups = 8, .lanes = 8, .tensor_cores = true, .row_sums = RowSums::moments"};
  const GemvConfig values[] = {
      {.rows = 3, .columns = 2, .lanes = 64, .slices = 2, .row_sums = RowSums::moments},
      {.rows = 3, .columns = 4, .groups = 4, .lanes = 8, .row_sums = RowSums::moments},
      {.rows = 3,
       .columns = 8,
       .groups = 2,
       .lanes = 32,
       .b_contiguous = Contiguous::outer,
       .row_sums = RowSums::moments},
      {.rows = 8, .columns = 2, .groups = 8, .lanes = 8, .tensor_cores = true, .row_sums = RowSums::moments}};
  for (int c = 0; c < 4; ++c) {
    const GemvConfig& config = values[c];
    const HostKernel kernel = compile_host_kernel(std::string(R"(#include "templates/gemv.cuh"
namespace tenon {
constexpr GemvConfig kConfig{)") + configs[c] + R"(};
struct Epilogue {
  float* mean_and_variance;
  TENON_DEVICE void operator()(const GemvSums<kConfig>& at) const {
    if (at.col == 0) store(mean_and_variance + at.row * 2, Vec<float, 2>{at.mean(), at.variance()});
  }
};
extern "C" __global__ void moments(const bf16* a, const bf16* b, float* out, int m, int k, float* partials, int* tickets) {
  gemv<kConfig>({m, 16, k}, Matrix<bf16>{a, k}, {Matrix<bf16>{b, kConfig.b_contiguous == Contiguous::k ? k : 16}}, Epilogue{out}, {partials, tickets});
}
})",
                                                  "moments");
    for (int k : {8, 96, 1000})
      for (double offset : {0.0, 100.0}) {
        INFO(configs[c], " k ", k, " offset ", offset);
        const int m = 5, tiles = config.tiles(m, 16);
        const Tensor a = draw("bf16", m * k, 3, offset), b = draw("bf16", 16 * k, 4);
        const DeviceBuffer out(m * 2 * 4, "out"),
            partials(4 * tiles * config.slices * config.partial_floats(), "partials");
        const DeviceBuffer tickets = device_copy(std::vector<int>(tiles, 0), "tickets");
        kernel.launch({unsigned(tiles), unsigned(config.slices), 1}, {unsigned(config.threads()), 1, 1},
                      config.shared_bytes(), {a.buffer, b.buffer, out, m, k, partials, tickets});
        for (int i = 0; i < m; ++i) {
          double mean = 0, variance = 0;
          for (int l = 0; l < k; ++l) mean += a.values[i * k + l] / k;
          for (int l = 0; l < k; ++l) variance += std::pow(a.values[i * k + l] - mean, 2) / k;
          CHECK(out.as<float>()[2 * i] == doctest::Approx(mean).epsilon(1e-5).scale(1));
          CHECK(out.as<float>()[2 * i + 1] == doctest::Approx(variance).epsilon(1e-5).scale(1));
        }
      }
  }
}

TEST_CASE("a head is applied to A's rows, and a gate meets the partner of its column") {
  if (no_compiler()) return;
  const GemvConfig config{.rows = 2, .columns = 4, .groups = 2, .lanes = 32, .products = 2, .partner = 16};
  const HostKernel kernel = compile_host_kernel(R"(#include "templates/elementwise.cuh"
#include "templates/gemv.cuh"
namespace tenon {
constexpr GemvConfig kConfig{.rows = 2, .columns = 4, .groups = 2, .lanes = 32, .products = 2, .partner = 16};
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
  TENON_DEVICE void operator()(const GemvSums<kConfig>& at) const {
    const Vec<float, 2> gate = at.product(0) + load<2, 1>(bias + at.col, at.count());
    const Vec<float, 2> swapped = at.product_at(at.col ^ 16, 1);
    store<1>(y + i64(at.row) * n + at.col, silu(gate) * swapped, at.count());
  }
};
extern "C" __global__ void gated(const bf16* x, const bf16* gate, const bf16* up, const float* bias, float* y, int m, int n, int k) {
  gemv<kConfig>({m, n, k}, Head{x, k}, {Matrix<bf16>{gate, k}, Matrix<bf16>{up, k}}, Epilogue{bias, y, n});
}
})",
                                                "gated");
  for (int k : {40, 512}) {
    const int m = 3, n = 64;
    const Tensor x = draw("bf16", m * k, 5), gate = draw("bf16", n * k, 6), up = draw("bf16", n * k, 7),
                 bias = draw("float", n, 8);
    const DeviceBuffer y(m * n * 4, "y");
    kernel.launch({unsigned(config.tiles(m, n)), 1, 1}, {unsigned(config.threads()), 1, 1},
                  config.shared_bytes(), {x.buffer, gate.buffer, up.buffer, bias.buffer, y, m, n, k});
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        double g = bias.values[j], u = 0;
        for (int l = 0; l < k; ++l) {
          const double head = bf16_value(bf16_bits(std::log(std::abs(float(x.values[i * k + l])))));
          g += head * gate.values[j * k + l];
          u += head * up.values[(j ^ 16) * k + l];
        }
        CHECK(y.as<float>()[i * n + j] == doctest::Approx(g / (1 + std::exp(-g)) * u).epsilon(1e-4).scale(1));
      }
  }
}

TEST_CASE("heads of C are normalised by their own mean squares, of each row, across slices too") {
  if (no_compiler()) return;
  const struct {
    const char* text;
    GemvConfig config;
  } configs[] = {
      {CONFIG(.rows = 3, .columns = 4, .groups = 8, .lanes = 8, .slices = 2, .head = 16, .vector = 1)},
      {CONFIG(.rows = 3, .columns = 4, .groups = 12, .lanes = 8, .head = 48)},
      {CONFIG(.rows = 8, .columns = 16, .groups = 8, .lanes = 8, .tensor_cores = true, .head = 128)},
  };
  for (const auto& [config_text, config] : configs) {
    const std::string text = config_text;
    const HostKernel kernel = compile_host_kernel(std::string(R"(#include "templates/elementwise.cuh"
#include "templates/gemv.cuh"
namespace tenon {
constexpr GemvConfig kConfig{)") + text + R"(};
struct Epilogue {
  const float* bias;
  float* y;
  int n, normed;
  TENON_DEVICE auto before_norm(const GemvSums<kConfig>& at) const {
    return at.col < normed ? at.product() + load<kConfig.vector, 1>(bias + at.col) : GemvSums<kConfig>::Values{};
  }
  TENON_DEVICE void operator()(const GemvSums<kConfig>& at) const {
    const int head = at.col / kConfig.head * kConfig.head;  // another run of it has the same mean
    const bool same = at.head_mean_square() == at.head_mean_square_at(head);
    const auto y_value = at.col < normed ? before_norm(at) * rsqrt(at.head_mean_square() + 0.5f) : at.product();
    store<1>(y + i64(at.row) * n + at.col, same ? y_value : y_value * kInfinity, at.count());
  }
};
extern "C" __global__ void normed(const bf16* x, const bf16* w, const float* bias, float* y, int m, int n, int k, int normed, float* partials, int* tickets) {
  gemv<kConfig>({m, n, k}, Matrix<bf16>{x, k}, {Matrix<bf16>{w, k}}, Epilogue{bias, y, n, normed}, {partials, tickets});
}
})",
                                                  "normed");
    const int m = 4, k = 264, head = config.head, normed = 3 * head, n = normed + head / 2;
    const int tiles = config.tiles(m, n);
    const Tensor x = draw("bf16", m * k, 9), w = draw("bf16", n * k, 10), bias = draw("float", n, 11);
    const DeviceBuffer y(m * n * 4, "y"),
        partials(4 * tiles * config.slices * config.partial_floats(), "partials");
    const DeviceBuffer tickets = device_copy(std::vector<int>(tiles, 0), "tickets");
    kernel.launch({unsigned(tiles), unsigned(config.slices), 1}, {unsigned(config.threads()), 1, 1},
                  config.shared_bytes(),
                  {x.buffer, w.buffer, bias.buffer, y, m, n, k, normed, partials, tickets});
    const auto element = [&](int i, int j) {
      double sum = j < normed ? bias.values[j] : 0;
      for (int l = 0; l < k; ++l) sum += x.values[i * k + l] * w.values[j * k + l];
      return sum;
    };
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        INFO(text, " row ", i, " column ", j);
        double mean = 0;
        for (int e = 0; e < head && j < normed; ++e)
          mean += std::pow(element(i, j / head * head + e), 2) / head;
        const double expected = j < normed ? element(i, j) / std::sqrt(mean + 0.5) : element(i, j);
        CHECK(y.as<float>()[i * n + j] == doctest::Approx(expected).epsilon(1e-4).scale(1));
      }
  }
}

// cuBLASLt on a GPU: every combination of layout, epilogue, batch and type against plain loops.
#include "runtime/cuda/cublaslt.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "runtime/cuda/gpu_context.h"
#include "runtime/tensor.h"

using namespace tenon;
using namespace tenon::cuda;

namespace {

Tensor drawn(const Shape& shape, DType dtype, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(element_count(shape));
  for (double& value : values) value = normal(generator);
  return Tensor::of({dtype, shape}, values);
}

double activated(double x, LibraryProduct::Activation activation) {
  if (activation == LibraryProduct::kRelu) return std::max(x, 0.0);
  if (activation == LibraryProduct::kGeluTanh)
    return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  return x;
}

/// Operands of one product on the host and the device.
struct Subject {
  LibraryProduct p;
  Tensor a, b, bias, c;
  std::vector<OwnedMemory> memory;

  explicit Subject(const LibraryProduct& product) : p(product) {
    const auto matrix = [&](bool transposed, int64_t rows, int64_t columns, unsigned seed) {
      return drawn({p.batch, transposed ? columns : rows, transposed ? rows : columns}, p.dtype, seed);
    };
    a = matrix(p.transpose_a, p.m, p.k, 1);
    b = matrix(p.transpose_b, p.k, p.n, 2);
    c = matrix(false, p.m, p.n, 3);
    bias = drawn({p.n}, p.dtype, 4);
  }
  double wanted(int64_t batch, int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t k = 0; k < p.k; ++k)
      sum += a.at(batch * p.m * p.k + (p.transpose_a ? k * p.m + i : i * p.k + k)) *
             b.at(batch * p.k * p.n + (p.transpose_b ? j * p.k + k : k * p.n + j));
    if (p.bias >= 0) sum += bias.at(j);
    if (p.c >= 0) sum += c.at((batch * p.m + i) * p.n + j);
    return activated(sum, p.activation);
  }
  DevicePointer upload(GpuContext& gpu, const Tensor& tensor) {
    memory.push_back(gpu.context().allocate(tensor.bytes(), "a test"));
    TENON_CUDA(gpu.api(), cuMemcpyHtoDAsync_v2, memory.back().get(), tensor.data(), tensor.bytes(), nullptr);
    return memory.back().get();
  }
  double relative_error(GpuContext& gpu) {
    const ContextScope scope(gpu.context());
    Tensor d = Tensor::zeros({p.dtype, {p.batch, p.m, p.n}});
    const DevicePointer place = upload(gpu, d);
    const ProductPointers pointers{upload(gpu, a), upload(gpu, b), upload(gpu, c), place, upload(gpu, bias)};
    const OwnedMemory workspace = gpu.context().allocate(kLibraryWorkspaceBytes, "a test");
    gpu.library().enqueue(*gpu.library().prepare(p, 16), pointers, workspace.get(), nullptr);
    TENON_CUDA(gpu.api(), cuMemcpyDtoHAsync_v2, d.mutable_data(), place, d.bytes(), nullptr);
    TENON_CUDA(gpu.api(), cuStreamSynchronize, nullptr);
    double error = 0, norm = 0;
    for (int64_t batch = 0, at = 0; batch < p.batch; ++batch)
      for (int64_t i = 0; i < p.m; ++i)
        for (int64_t j = 0; j < p.n; ++j, ++at) {
          const double value = wanted(batch, i, j);
          error += (d.at(at) - value) * (d.at(at) - value);
          norm += value * value;
        }
    return std::sqrt(error / norm);
  }
};

LibraryProduct make_product(DType dtype, bool transpose_a, bool transpose_b, int64_t batch) {
  LibraryProduct p;
  p.m = 48;
  p.n = 64;
  p.k = 40;
  p.batch = batch;
  p.dtype = dtype;
  p.transpose_a = transpose_a;
  p.transpose_b = transpose_b;
  p.lda = transpose_a ? p.m : p.k;
  p.ldb = transpose_b ? p.k : p.n;
  p.ldc = p.ldd = p.n;
  p.stride_a = p.m * p.k;
  p.stride_b = p.k * p.n;
  p.stride_c = p.stride_d = p.m * p.n;
  return p;
}

}  // namespace

TEST_CASE("cuBLASLt products equal plain loops") {
  const auto gpu = GpuContext::open(0);
  if (!gpu->has_library()) {
    MESSAGE("skipped: no cuBLASLt");
    return;
  }
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true})
        for (const int64_t batch : {1, 3})
          for (const auto activation :
               {LibraryProduct::kNone, LibraryProduct::kRelu, LibraryProduct::kGeluTanh})
            for (const int with : {0, 1, 2}) {  // nothing, a bias, a C
              LibraryProduct p = make_product(dtype, transpose_a, transpose_b, batch);
              p.activation = activation;
              p.bias = with == 1 ? 3 : -1;
              p.c = with == 2 ? 4 : -1;
              CAPTURE(name_of(dtype).str());
              CAPTURE(transpose_a);
              CAPTURE(transpose_b);
              CAPTURE(batch);
              CAPTURE(static_cast<int>(activation));
              CAPTURE(with);
              CHECK(Subject(p).relative_error(*gpu) < 2 * unit_roundoff(dtype) + 1e-6);
            }
}

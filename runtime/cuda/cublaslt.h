// One matrix product by cuBLASLt, with the epilogues that the library has.
// Everything outside is row-major; inside, operands are swapped (Dᵀ = Bᵀ Aᵀ), because the library's bias runs
// along the rows of a column-major D and it refuses a bias with row-major layouts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "runtime/cuda/driver_api.h"
#include "runtime/cuda/library_search.h"

namespace tenon::cuda {

enum class LibraryType : int { f32 = 0, f16 = 2, bf16 = 14 };  ///< cudaDataType_t
enum class LibraryEpilogue : int {
  none = 1,
  relu = 2,
  bias = 4,
  relu_bias = 6,
  gelu_tanh = 32,
  gelu_tanh_bias = 36
};

/// D[b] = act(A[b] @ B[b] + beta * C[b] + bias), all row-major: A is [m, k] (or [k, m] where transpose_a), B
/// is [k, n] (or [n, k]), C and D are [m, n], bias is [n] of D's type. ld_*: elements from row to row as
/// stored. stride_*: elements from batch to batch, 0 repeats one matrix. Accumulation in f32; alpha is 1. C
/// may be D.
struct LibraryProduct {
  int64_t m = 0, n = 0, k = 0, batch = 1;
  LibraryType a_type = LibraryType::bf16, b_type = LibraryType::bf16,
              d_type = LibraryType::bf16;  ///< C has D's type
  bool transpose_a = false, transpose_b = false;
  int64_t ld_a = 0, ld_b = 0, ld_c = 0, ld_d = 0;
  int64_t stride_a = 0, stride_b = 0, stride_c = 0, stride_d = 0;
  LibraryEpilogue epilogue = LibraryEpilogue::none;
  float beta = 0;     ///< 1 adds C before the activation
  bool tf32 = false;  ///< f32 products by TF32; the default is IEEE f32
  auto operator<=>(const LibraryProduct&) const = default;
};

struct ProductPointers {
  DevicePointer a = 0, b = 0, c = 0, d = 0, bias = 0;
};

/// Workspace that algorithms may ask for; Hopper's split-K candidates vanish below it.
constexpr size_t kLibraryWorkspaceBytes = 32u << 20;

/// A prepared product: descriptors and the algorithm that the library's heuristic put first.
class PreparedProduct;

/// A library handle. Made with the device's context current; not thread-safe (one a device and thread, as its
/// executor is).
class CublasLt {
 public:
  /// Throws tenon::Error where the library is absent, lacks a function, or finds no usable device.
  explicit CublasLt(const LibrarySearch& search);
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  /// Descriptors and algorithm of a product, made at the first call and cached. `pointers` give the alignment
  /// that the algorithm may count on. Throws tenon::Error where the library has no algorithm for it.
  PreparedProduct& prepare(const LibraryProduct& product, const ProductPointers& pointers);
  /// Enqueues a prepared product; allocates nothing, legal in a stream capture. `workspace` holds
  /// kLibraryWorkspaceBytes and belongs to the stream alone.
  void enqueue(PreparedProduct& prepared, const ProductPointers& pointers, DevicePointer workspace,
               Stream stream);

  struct Functions;

 private:
  struct Key {
    LibraryProduct product;
    int alignment;  ///< of the least aligned pointer: 16, 8, 4, 2
    auto operator<=>(const Key&) const = default;
  };
  std::unique_ptr<Functions> functions_;
  void* handle_ = nullptr;
  std::map<Key, std::unique_ptr<PreparedProduct>> prepared_;
};

/// Version of the library behind a search, as it counts itself (130000 = 13.0.0); 0 where absent.
size_t cublaslt_version(const LibrarySearch& search);

}  // namespace tenon::cuda

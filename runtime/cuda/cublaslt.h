// One matrix product by cuBLASLt, with the epilogues that the library has.
// Everything outside is row-major; inside, operands are swapped (Dᵀ = Bᵀ Aᵀ), because the library's bias runs
// along the rows of a column-major D and it refuses a bias with row-major layouts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "codegen/plan.h"
#include "runtime/cuda/driver_api.h"
#include "runtime/cuda/library_search.h"

namespace tenon::cuda {

/// cudaDataType_t and cublasLtEpilogue_t of what Tenon asks for.
enum class LibraryType : int { f32 = 0, f16 = 2, bf16 = 14 };
enum class LibraryEpilogue : int {
  none = 1,
  relu = 2,
  bias = 4,
  relu_bias = 6,
  gelu_tanh = 32,
  gelu_tanh_bias = 36
};
/// The one epilogue that does what the product asks for.
LibraryEpilogue epilogue_of(const LibraryProduct& product);

/// Device addresses of a product's operands; c and bias where the product has them.
struct ProductPointers {
  DevicePointer a = 0, b = 0, c = 0, d = 0, bias = 0;
};

/// Workspace that algorithms may ask for; Hopper's split-K candidates vanish below it.
constexpr size_t kLibraryWorkspaceBytes = 32u << 20;

/// Descriptors of one product and the algorithm that the library's heuristic put first.
class PreparedProduct;

/// A library handle. Made with the device's context current; not thread-safe, and neither are its products.
class CublasLt {
 public:
  /// Throws tenon::Error where the library is absent, lacks a function, or finds no usable device.
  explicit CublasLt(const LibrarySearch& search);
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  /// `alignment`: bytes (a power of two up to 16) that all pointers will be multiples of. No extent may be 0.
  /// Throws tenon::Error where the library has no algorithm for the product.
  std::shared_ptr<PreparedProduct> prepare(const LibraryProduct& product, int alignment);
  /// Enqueues a prepared product; allocates nothing, legal in a stream capture. `workspace` holds
  /// kLibraryWorkspaceBytes and belongs to the stream alone.
  void enqueue(PreparedProduct& prepared, const ProductPointers& pointers, DevicePointer workspace,
               Stream stream);

  struct Functions;

 private:
  std::shared_ptr<const Functions> functions_;  // shared with the products, whose descriptors it destroys
  void* handle_ = nullptr;
};

/// Version of the library behind a search, as it counts itself (130000 = 13.0.0); 0 where absent.
size_t cublaslt_version(const LibrarySearch& search);

}  // namespace tenon::cuda

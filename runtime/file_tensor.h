// file_tensor.h: a tensor as a file holds it, and its conversion to a type that a model declares.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace tenon {

/// Element types of safetensors and npy files: wider than what a model may declare.
enum class FileType : uint8_t {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kU64,
  kI64,
  kF8E4M3,
  kF8E5M2,
  kF16,
  kBF16,
  kF32,
  kF64
};

constexpr size_t kMaxFileRank = 64;  ///< NumPy's own bound

int64_t size_of(FileType type);
llvm::StringRef name_of(FileType type);  ///< "f32", "u16", ...
/// The inverse of name_of; nothing for an unknown name.
std::optional<FileType> parse_file_type(llvm::StringRef name);
FileType file_type_of(DType type);  ///< with the same bits
std::optional<DType> model_type_of(FileType type);
bool is_float(FileType type);

/// Read-only elements in row-major order, little-endian, anywhere in memory (not always aligned).
struct FileTensor {
  std::string name;
  std::string path;  ///< of the file, for messages
  FileType type = FileType::kF32;
  Extents shape;
  const std::byte* data = nullptr;
  std::shared_ptr<const void> owner;  ///< keeps the mapping alive

  int64_t elements() const;
  std::string text() const;  ///< "bf16[16, 768]"
};

using FileTensors = std::map<std::string, FileTensor>;

/// The tensor with the declared type. The file's own memory is used where the type is the same and the data
/// is aligned; otherwise it is copied, and floats are converted (rounded to nearest even). Integers of any
/// width feed i32 and i64 where every value fits. Throws Error for another shape, for a type that does not
/// convert, and for a value that does not fit. `converted` tells whether the type was another.
Tensor to_declared(const FileTensor& tensor, const Type& declared, bool* converted);

/// Every element as f64: exact but for 64-bit integers beyond 2^53.
std::vector<double> values_of(const FileTensor& tensor);

/// The product of extents and the element's size; nothing when negative or beyond 2^62.
std::optional<int64_t> checked_bytes(llvm::ArrayRef<int64_t> shape, int64_t element_bytes);

}  // namespace tenon

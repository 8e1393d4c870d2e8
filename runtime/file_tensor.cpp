// file_tensor.cpp: element types of files and their conversion.
#include "runtime/file_tensor.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ir/diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "runtime/convert.h"

namespace tenon {
namespace {

struct FileTypeRow {
  llvm::StringRef name;
  int64_t bytes;
  std::optional<DType> same;  ///< the model's type with the same bits
};

/// In the order of FileType.
const FileTypeRow kFileTypes[] = {
    {"bool", 1, DType::kBool},
    {"u8", 1, DType::kU8},
    {"i8", 1, DType::kI8},
    {"u16", 2, {}},
    {"i16", 2, {}},
    {"u32", 4, {}},
    {"i32", 4, DType::kI32},
    {"u64", 8, {}},
    {"i64", 8, DType::kI64},
    {"f8e4m3", 1, DType::kF8E4M3},
    {"f8e5m2", 1, DType::kF8E5M2},
    {"f16", 2, DType::kF16},
    {"bf16", 2, DType::kBF16},
    {"f32", 4, DType::kF32},
    {"f64", 8, {}},
};

const FileTypeRow& row_of(FileType type) { return kFileTypes[static_cast<int>(type)]; }
bool is_integer(FileType type) { return type != FileType::kBool && !is_float(type); }

template <class T>
T load(const FileTensor& tensor, int64_t i) {
  T value;
  std::memcpy(&value, tensor.data + i * sizeof(T), sizeof(T));
  return value;
}

/// An integer element; a u64 beyond i64 does not fit.
std::optional<int64_t> integer_at(const FileTensor& tensor, int64_t i) {
  switch (tensor.type) {
    case FileType::kU8: return load<uint8_t>(tensor, i);
    case FileType::kI8: return load<int8_t>(tensor, i);
    case FileType::kU16: return load<uint16_t>(tensor, i);
    case FileType::kI16: return load<int16_t>(tensor, i);
    case FileType::kU32: return load<uint32_t>(tensor, i);
    case FileType::kI32: return load<int32_t>(tensor, i);
    case FileType::kI64: return load<int64_t>(tensor, i);
    default: break;
  }
  uint64_t value = load<uint64_t>(tensor, i);
  if (value > static_cast<uint64_t>(INT64_MAX)) return {};
  return static_cast<int64_t>(value);
}

[[noreturn]] void refuse(const FileTensor& tensor, const Type& declared, const std::string& why) {
  throw Error(tensor.path + ": tensor '" + tensor.name + "' is " + tensor.text() + ", the model declares " +
              declared.text() + (why.empty() ? "" : ": " + why));
}

/// By pieces, so that a checkpoint of another type needs no third copy of itself.
Tensor convert_floats(const FileTensor& tensor, const Type& declared) {
  constexpr int64_t kPiece = 4096;
  Tensor result = Tensor::uninitialised(declared);
  std::vector<float> singles(kPiece);
  std::vector<double> doubles(kPiece);
  int64_t from_size = size_of(tensor.type), to_size = size_of(declared.dtype);
  for (int64_t at = 0; at < result.elements(); at += kPiece) {
    int64_t count = std::min(kPiece, result.elements() - at);
    std::byte* out = result.mutable_data() + at * to_size;
    if (tensor.type == FileType::kF64) {  // one rounding
      std::memcpy(doubles.data(), tensor.data + at * from_size, count * from_size);
      from_f64(doubles.data(), count, declared.dtype, out);
    } else {
      to_f32(*row_of(tensor.type).same, tensor.data + at * from_size, count, singles.data());
      from_f32(singles.data(), count, declared.dtype, out);
    }
  }
  return result;
}

Tensor convert_integers(const FileTensor& tensor, const Type& declared) {
  Tensor result = Tensor::uninitialised(declared);
  bool narrow = declared.dtype == DType::kI32;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    std::optional<int64_t> value = integer_at(tensor, i);
    if (!value || (narrow && *value != static_cast<int32_t>(*value)))
      refuse(tensor, declared, "element " + std::to_string(i) + " does not fit");
    if (narrow) {
      auto low = static_cast<int32_t>(*value);
      std::memcpy(result.mutable_data() + i * sizeof(low), &low, sizeof(low));
    } else {
      std::memcpy(result.mutable_data() + i * sizeof(*value), &*value, sizeof(*value));
    }
  }
  return result;
}

}  // namespace

int64_t size_of(FileType type) { return row_of(type).bytes; }
llvm::StringRef name_of(FileType type) { return row_of(type).name; }
bool is_float(FileType type) { return type >= FileType::kF8E4M3; }
std::optional<DType> model_type_of(FileType type) { return row_of(type).same; }

std::optional<FileType> parse_file_type(llvm::StringRef name) {
  for (const FileTypeRow& row : kFileTypes)
    if (row.name == name) return static_cast<FileType>(&row - kFileTypes);
  return {};
}

FileType file_type_of(DType type) { return *parse_file_type(name_of(type)); }

int64_t FileTensor::elements() const {
  if (llvm::is_contained(shape, 0)) return 0;
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

std::string FileTensor::text() const {
  std::string text = name_of(type).str() + "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Tensor to_declared(const FileTensor& tensor, const Type& declared, bool* converted) {
  if (converted) *converted = false;
  if (extents_of(declared.shape) != tensor.shape) refuse(tensor, declared, "");
  const FileTypeRow& row = row_of(tensor.type);
  if (row.same == declared.dtype) {
    bool aligned = reinterpret_cast<uintptr_t>(tensor.data) % row.bytes == 0;
    if (aligned) return Tensor::view(declared, tensor.data, tensor.owner);
    Tensor copy = Tensor::uninitialised(declared);
    std::memcpy(copy.mutable_data(), tensor.data, copy.bytes());
    return copy;
  }
  if (converted) *converted = true;
  if (is_float(tensor.type) && is_float(declared.dtype)) return convert_floats(tensor, declared);
  bool wide = declared.dtype == DType::kI32 || declared.dtype == DType::kI64;
  if (is_integer(tensor.type) && wide) return convert_integers(tensor, declared);
  refuse(tensor, declared, "these types do not convert");
}

std::vector<double> values_of(const FileTensor& tensor) {
  const int64_t count = tensor.elements();
  std::vector<double> values(static_cast<size_t>(count));
  if (tensor.type == FileType::kF64) {
    std::memcpy(values.data(), tensor.data, static_cast<size_t>(count) * sizeof(double));
  } else if (is_float(tensor.type) || tensor.type == FileType::kBool) {
    std::vector<float> singles(static_cast<size_t>(count));
    to_f32(*row_of(tensor.type).same, tensor.data, count, singles.data());
    llvm::copy(singles, values.begin());
  } else {
    for (int64_t i = 0; i < count; ++i)
      values[i] = tensor.type == FileType::kU64 ? static_cast<double>(load<uint64_t>(tensor, i))
                                                : static_cast<double>(*integer_at(tensor, i));
  }
  return values;
}

std::optional<int64_t> checked_bytes(llvm::ArrayRef<int64_t> shape, int64_t element_bytes) {
  int64_t bytes = element_bytes, limit = int64_t{1} << 62;
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0 || extent > limit) return {};
    empty |= extent == 0;
  }
  if (empty) return 0;  // whatever the other extents are
  for (int64_t extent : shape) {
    if (bytes > limit / extent) return {};
    bytes *= extent;
  }
  return bytes;
}

}  // namespace tenon

// npy.cpp: "\x93NUMPY", two version bytes, a header length (u16; u32 from version 2 on), and a Python
// dictionary
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } before the data.
#include "runtime/npy.h"

#include <cstring>

#include "ir/diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MemoryBuffer.h"

namespace tenon {
namespace {

struct TypeName {
  llvm::StringRef name;
  FileType type;
};
/// Without the mark of byte order.
const TypeName kTypeNames[] = {
    {"b1", FileType::kBool}, {"u1", FileType::kU8},  {"i1", FileType::kI8},  {"u2", FileType::kU16},
    {"i2", FileType::kI16},  {"u4", FileType::kU32}, {"i4", FileType::kI32}, {"u8", FileType::kU64},
    {"i8", FileType::kI64},  {"f2", FileType::kF16}, {"f4", FileType::kF32}, {"f8", FileType::kF64},
};

/// The dictionary's literal, read from the left.
struct Parser {
  llvm::StringRef path, rest;

  [[noreturn]] void fail(const std::string& why) const { throw Error(path.str() + ": " + why); }
  bool eat(llvm::StringRef token) {
    rest = rest.ltrim();
    return rest.consume_front(token);
  }
  void want(llvm::StringRef token) {
    if (!eat(token)) fail("malformed npy header: '" + token.str() + "' expected");
  }
  llvm::StringRef string() {
    llvm::StringRef quote = eat("'") ? "'" : "\"";
    if (quote == "\"") want(quote);
    size_t end = rest.find(quote);
    if (end == llvm::StringRef::npos) fail("malformed npy header: a string without end");
    llvm::StringRef text = rest.take_front(end);
    rest = rest.drop_front(end + 1);
    return text;
  }
  Extents tuple() {
    Extents shape;
    want("(");
    while (!eat(")")) {
      rest = rest.ltrim();
      int64_t extent = 0;
      if (rest.consumeInteger(10, extent) || extent < 0) fail("malformed npy header: an extent is no number");
      if (shape.size() == kMaxFileRank) fail("more than " + std::to_string(kMaxFileRank) + " axes");
      shape.push_back(extent);
      if (!eat(",")) {
        want(")");
        break;
      }
    }
    return shape;
  }
  FileType type(llvm::StringRef descr) const;
  void dictionary(FileTensor& tensor);
};

FileType Parser::type(llvm::StringRef descr) const {
  if (descr.startswith(">")) fail("big-endian data ('" + descr.str() + "')");
  llvm::StringRef name = descr.ltrim("<|=");
  const TypeName* row = llvm::find_if(kTypeNames, [&](const TypeName& r) { return r.name == name; });
  if (row != std::end(kTypeNames)) return row->type;
  throw Error(path.str() + ": npy type '" + descr.str() + "' is not known", {},
              name.startswith("V") ? "npy has no bf16: save it in a safetensors file" : "");
}

void Parser::dictionary(FileTensor& tensor) {
  bool has_type = false, has_order = false, has_shape = false;
  want("{");
  while (!eat("}")) {
    llvm::StringRef key = string();
    want(":");
    if (key == "descr") {
      if (rest.ltrim().startswith("[")) fail("a structured array");
      tensor.type = type(string());
      has_type = true;
    } else if (key == "fortran_order") {
      bool fortran = eat("True");
      if (fortran)
        throw Error(path.str() + ": the array is in Fortran order", {}, "save np.ascontiguousarray(a)");
      want("False");
      has_order = true;
    } else if (key == "shape") {
      tensor.shape = tuple();
      has_shape = true;
    } else {
      fail("malformed npy header: unknown key '" + key.str() + "'");
    }
    if (!eat(",")) {
      want("}");
      break;
    }
  }
  if (!has_type || !has_order || !has_shape) fail("npy header without descr, fortran_order or shape");
}

}  // namespace

FileTensor read_npy(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) throw Error(path.str() + ": " + buffer.getError().message());
  std::shared_ptr<llvm::MemoryBuffer> file = std::move(*buffer);
  llvm::StringRef bytes = file->getBuffer();
  Parser parser{path, bytes};
  if (!parser.rest.consume_front("\x93NUMPY") || parser.rest.size() < 6) parser.fail("no npy file");
  int version = parser.rest[0];
  if (version < 1 || version > 3) parser.fail("npy version " + std::to_string(version) + " is not known");
  parser.rest = parser.rest.drop_front(2);
  uint32_t length = 0;
  size_t length_bytes = version == 1 ? 2 : 4;
  std::memcpy(&length, parser.rest.data(), length_bytes);
  parser.rest = parser.rest.drop_front(length_bytes);
  if (length > parser.rest.size()) parser.fail("truncated in its header");
  llvm::StringRef data = parser.rest.drop_front(length);
  parser.rest = parser.rest.take_front(length);

  FileTensor tensor;
  tensor.name = tensor.path = path.str();
  tensor.owner = file;
  parser.dictionary(tensor);
  std::optional<int64_t> size = checked_bytes(tensor.shape, size_of(tensor.type));
  if (!size) parser.fail("the shape " + tensor.text() + " is too large");
  if (static_cast<uint64_t>(*size) != data.size())
    parser.fail(tensor.text() + " takes " + std::to_string(*size) + " bytes, the file has " +
                std::to_string(data.size()) + ": truncated?");
  tensor.data = reinterpret_cast<const std::byte*>(data.data());
  return tensor;
}

}  // namespace tenon

// launch_arguments.cpp: parsing, filling, packing.
#include "runtime/cli/launch_arguments.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "ir/diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "runtime/convert.h"
#include "runtime/emulator/machine/tensor_map.h"
#include "runtime/npy.h"

namespace tenon::cli {

const char* const kArgumentHelp =
    "a parameter, in order; may be repeated. i32:5 (i32 i64 u32 u64 f32 f64 bf16 f16): a number. "
    "in:DTYPE:F.npy or "
    "in:DTYPE:SHAPE[:zeros|iota:FIRST|normal:SEED|uniform:SEED]: memory to read; inout:.. likewise: memory "
    "to read and "
    "write; out:DTYPE:SHAPE: memory to write. null: a null pointer. struct:HEX: bytes. "
    "tensormap:ARG:BOX:SWIZZLE: over "
    "the buffer of --arg number ARG (from 0) or of --buffer ARG; SWIZZLE is none, 32, 64 or 128. SHAPE and "
    "BOX are written "
    "64x128, innermost extent last";

namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& why, const std::string& hint = "") {
  throw Error("--arg " + text + ": " + why, {}, hint);
}

template <class T>
std::vector<std::byte> bytes_of(T value) {
  std::vector<std::byte> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// 64x128; nothing for anything else.
std::optional<Extents> parse_shape(llvm::StringRef text) {
  Extents shape;
  llvm::SmallVector<llvm::StringRef, 4> parts;
  text.split(parts, 'x');
  for (llvm::StringRef part : parts) {
    int64_t extent = 0;
    if (part.getAsInteger(10, extent) || extent <= 0) return {};
    shape.push_back(extent);
  }
  return shape;
}

void store(double value, FileType type, std::byte* out) {
  if (type == FileType::kF64) {
    std::memcpy(out, &value, sizeof value);
  } else if (is_float(type)) {
    from_f64(&value, 1, *model_type_of(type), out);
  } else {  // the low bytes; a bool is one byte of 0 or 1
    const int64_t integer = type == FileType::kBool ? value != 0 : static_cast<int64_t>(value);
    std::memcpy(out, &integer, static_cast<size_t>(size_of(type)));
  }
}

/// How a buffer is filled: element by element, the same in every run.
struct Fill {
  llvm::StringRef kind = "zeros";
  uint64_t number = 0;

  double next(int64_t index, bool floating, std::mt19937_64& random) const {
    const auto unit = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    if (kind == "iota") return static_cast<double>(number) + static_cast<double>(index);
    if (kind == "uniform") return floating ? 2 * unit() - 1 : static_cast<double>(random() % 10);
    if (kind == "normal")  // Box, Muller
      return std::sqrt(-2 * std::log(1 - unit())) * std::cos(2 * 3.14159265358979323846 * unit());
    return 0;
  }
};

Fill parse_fill(const std::string& text, llvm::StringRef fill, bool floating) {
  auto [kind, number] = fill.split(':');
  Fill parsed{kind.empty() ? "zeros" : kind, 0};
  const bool known =
      parsed.kind == "zeros" || parsed.kind == "iota" || parsed.kind == "normal" || parsed.kind == "uniform";
  if (!known)
    refuse(text, "no filling '" + kind.str() + "'", "zeros, iota[:FIRST], normal[:SEED], uniform[:SEED]");
  if (parsed.kind == "normal" && !floating) refuse(text, "normal is for floats", "uniform or iota");
  if (!number.empty() && number.getAsInteger(10, parsed.number))
    refuse(text, "'" + number.str() + "' is no number", parsed.kind.str() + ":1");
  if (parsed.number >> 53) refuse(text, "its number is beyond 2^53");
  return parsed;
}

TensorElement tensor_element(FileType type) {
  switch (type) {
    case FileType::kU16:
    case FileType::kI16: return TensorElement::kU16;
    case FileType::kU32: return TensorElement::kU32;
    case FileType::kI32: return TensorElement::kI32;
    case FileType::kU64: return TensorElement::kU64;
    case FileType::kI64: return TensorElement::kI64;
    case FileType::kF16: return TensorElement::kF16;
    case FileType::kBF16: return TensorElement::kBf16;
    case FileType::kF32: return TensorElement::kF32;
    case FileType::kF64: return TensorElement::kF64;
    default: return TensorElement::kU8;
  }
}

TensorSwizzle parse_swizzle(const std::string& text, llvm::StringRef name) {
  if (name == "none" || name == "0") return TensorSwizzle::kNone;
  if (name == "32") return TensorSwizzle::k32;
  if (name == "64") return TensorSwizzle::k64;
  if (name != "128") refuse(text, "no swizzle '" + name.str() + "'", "none, 32, 64 or 128");
  return TensorSwizzle::k128;
}

std::vector<std::byte> file_bytes(const std::string& text, const FileTensor& file, FileType type) {
  const size_t bytes = static_cast<size_t>(file.elements() * size_of(type));
  if (file.type == type) return {file.data, file.data + bytes};
  const std::optional<DType> same = model_type_of(type);
  if (!same)
    refuse(text, file.path + " is " + file.text(), "convert it to " + name_of(type).str() + " first");
  const Tensor tensor = to_declared(file, {*same, Shape(file.shape.begin(), file.shape.end())}, nullptr);
  return {tensor.data(), tensor.data() + bytes};
}

}  // namespace

LaunchArguments::LaunchArguments(emulator::EmulatedMachine& machine,
                                 const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& buffers)
    : machine_(machine) {
  for (const std::string& text : buffers) {
    auto [name, specification] = llvm::StringRef(text).split('=');
    if (name.empty() || specification.empty())
      refuse(text, "--buffer takes NAME=SPEC", "--buffer a=in:bf16:64x64:normal:1");
    buffers_.push_back(parse(specification.str(), name.str()));
    if (!buffers_.back().address) refuse(text, "this is no memory", "in:.., out:.. or inout:..");
  }
  for (size_t i = 0; i < arguments.size(); ++i)
    arguments_.push_back(parse(arguments[i], "arg" + std::to_string(i)));
  for (Argument& argument : arguments_)
    if (!argument.tensor_map.empty()) resolve_tensor_map(argument);
}

LaunchArguments::Argument LaunchArguments::parse(const std::string& text, const std::string& name) {
  Argument argument;
  argument.text = text;
  argument.name = name;
  auto [kind, rest] = llvm::StringRef(text).split(':');
  if (text == "null") {
    argument.value = bytes_of<uint64_t>(0);
  } else if (kind == "in" || kind == "out" || kind == "inout") {
    parse_buffer(argument, kind, rest);
  } else if (kind == "struct") {
    std::string bytes;
    if (rest.empty() || rest.size() % 2 != 0 || !llvm::tryGetFromHex(rest, bytes))
      refuse(text, "struct takes an even number of hexadecimal digits", "struct:0100000000000000");
    const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    argument.value.assign(first, first + bytes.size());
  } else if (kind == "tensormap") {
    argument.tensor_map = rest;
    if (rest.empty()) refuse(text, "a tensor map is over a buffer", "tensormap:0:64x64:128");
  } else if (!parse_scalar(argument, kind, rest)) {
    refuse(text, "no kind of argument '" + kind.str() + "'",
           "i32 i64 u32 u64 f32 f64 bf16 f16, in, out, inout, null, struct, tensormap");
  }
  return argument;
}

bool LaunchArguments::parse_scalar(Argument& argument, llvm::StringRef kind, llvm::StringRef value) const {
  const auto integer = [&](auto zero) {
    if (value.getAsInteger(0, zero)) refuse(argument.text, "'" + value.str() + "' is no " + kind.str());
    argument.value = bytes_of(zero);
  };
  if (kind == "i32") return integer(int32_t{}), true;
  if (kind == "i64") return integer(int64_t{}), true;
  if (kind == "u32") return integer(uint32_t{}), true;
  if (kind == "u64") return integer(uint64_t{}), true;
  if (kind != "f32" && kind != "f64" && kind != "bf16" && kind != "f16") return false;
  double number = 0;
  if (value.getAsDouble(number))
    refuse(argument.text, "'" + value.str() + "' is no number", kind.str() + ":1.5");
  const FileType type = *parse_file_type(kind);
  argument.value.resize(static_cast<size_t>(size_of(type)));
  store(number, type, argument.value.data());
  return true;
}

void LaunchArguments::parse_buffer(Argument& argument, llvm::StringRef kind, llvm::StringRef rest) {
  auto [type_name, what] = rest.split(':');
  const std::optional<FileType> type = parse_file_type(type_name);
  if (!type)
    refuse(argument.text, "no element type '" + type_name.str() + "'",
           "f32 f64 f16 bf16 f8e4m3 f8e5m2 i8 u8 i16 u16 i32 u32 i64 u64 bool");
  argument.type = *type;
  argument.result = kind != "in";
  std::optional<std::vector<std::byte>> bytes;
  if (what.endswith(".npy")) {
    if (kind == "out") refuse(argument.text, "`out` takes a shape", "inout reads a file first");
    const FileTensor file = read_npy(what);
    argument.shape = file.shape;
    bytes = file_bytes(argument.text, file, *type);
  } else {
    auto [shape, fill] = what.split(':');
    const std::optional<Extents> extents = parse_shape(shape);
    if (!extents)
      refuse(argument.text, "'" + shape.str() + "' is no shape and no F.npy", kind.str() + ":bf16:64x128");
    if (kind == "out" && !fill.empty()) refuse(argument.text, "`out` is not filled", "inout");
    argument.shape = *extents;
    const std::optional<int64_t> size = checked_bytes(argument.shape, size_of(*type));
    if (!size || *size > (int64_t{1} << 36)) refuse(argument.text, "it is too large");
    const Fill filling = parse_fill(argument.text, fill, is_float(*type));
    if (kind != "out") {
      std::mt19937_64 random(filling.number);
      bytes.emplace(static_cast<size_t>(*size));
      for (int64_t i = 0; i < *size / size_of(*type); ++i)
        store(filling.next(i, is_float(*type), random), *type, bytes->data() + i * size_of(*type));
    }
  }
  const int64_t size = *checked_bytes(argument.shape, size_of(*type));
  if (size == 0) refuse(argument.text, "it is empty");
  argument.address = machine_.memory().allocate(size, argument.name + " (" + argument.text + ")");
  if (bytes) machine_.memory().write(argument.address, *bytes);
  machine_.memory().find(argument.address, size)->read_only = kind == "in";
  argument.value = bytes_of(argument.address);
}

// ARG:BOX:SWIZZLE. The engine counts dimensions from the innermost.
void LaunchArguments::resolve_tensor_map(Argument& argument) const {
  llvm::SmallVector<llvm::StringRef, 3> parts;
  llvm::StringRef(argument.tensor_map).split(parts, ':');
  if (parts.size() != 3) refuse(argument.text, "it takes ARG:BOX:SWIZZLE", "tensormap:0:64x64:128");
  const Argument& buffer = buffer_named(argument.text, parts[0]);
  const std::optional<Extents> box = parse_shape(parts[1]);
  if (!box || box->size() != buffer.shape.size())
    refuse(
        argument.text,
        "a box of " + parts[1].str() + " over a shape of " + std::to_string(buffer.shape.size()) + " extents",
        "as many extents as the buffer has, innermost last");
  TensorTiling map;
  map.base = buffer.address;
  map.rank = static_cast<int>(box->size());
  if (map.rank > TensorTiling::kMostRank) refuse(argument.text, "more than 5 extents");
  map.element = tensor_element(buffer.type);
  map.swizzle = parse_swizzle(argument.text, parts[2]);
  uint64_t stride = static_cast<uint64_t>(size_of(buffer.type));
  for (int i = 0; i < map.rank; ++i) {
    const size_t from = box->size() - 1 - static_cast<size_t>(i);
    if ((*box)[from] > UINT32_MAX) refuse(argument.text, "the box is too large");
    map.dims[i] = static_cast<uint64_t>(buffer.shape[from]);
    map.box[i] = static_cast<uint32_t>((*box)[from]);
    stride *= map.dims[i];
    if (i + 1 < map.rank) map.strides[i] = stride;
  }
  if (const std::string fault = fault_in(map); !fault.empty()) refuse(argument.text, fault);
  argument.value.resize(emulator::kTensorMapBytes);
  emulator::encode_tensor_map(map, argument.value.data());
}

const LaunchArguments::Argument& LaunchArguments::buffer_named(const std::string& text,
                                                               llvm::StringRef name) const {
  for (const Argument& buffer : buffers_)
    if (name == buffer.name) return buffer;
  size_t index = 0;
  if (name.getAsInteger(10, index) || index >= arguments_.size() || !arguments_[index].address)
    refuse(text, "no buffer '" + name.str() + "'",
           "the number of an in, out or inout --arg (from 0), or a --buffer");
  return arguments_[index];
}

std::vector<std::byte> LaunchArguments::parameters(const emulator::Program& program) const {
  if (program.parameters.size() != arguments_.size())
    throw Error(program.name + " takes " + std::to_string(program.parameters.size()) +
                    " parameters; there are " + std::to_string(arguments_.size()) + " --arg",
                {}, "memory that only tensor maps refer to is given by --buffer NAME=SPEC");
  std::vector<std::byte> packed(static_cast<size_t>(program.parameter_bytes));
  for (size_t i = 0; i < arguments_.size(); ++i) {
    const emulator::Parameter& parameter = program.parameters[i];
    const std::vector<std::byte>& value = arguments_[i].value;
    if (static_cast<int64_t>(value.size()) != parameter.bytes)
      refuse(arguments_[i].text, "it has " + std::to_string(value.size()) + " bytes; parameter " +
                                     std::to_string(i) + " of " + program.name + " (" + parameter.name +
                                     ") takes " + std::to_string(parameter.bytes));
    std::memcpy(packed.data() + parameter.offset, value.data(), value.size());
  }
  return packed;
}

std::vector<FileTensor> LaunchArguments::outputs() const {
  std::vector<FileTensor> results;
  const auto add = [&](const Argument& argument) {
    if (!argument.result) return;
    FileTensor tensor{argument.name, "", argument.type, argument.shape, nullptr, nullptr};
    auto bytes = std::make_shared<std::vector<std::byte>>(
        static_cast<size_t>(tensor.elements() * size_of(tensor.type)));
    machine_.memory().read(argument.address, *bytes);
    tensor.data = bytes->data();
    tensor.owner = bytes;
    results.push_back(std::move(tensor));
  };
  for (const Argument& argument : arguments_) add(argument);
  for (const Argument& argument : buffers_) add(argument);
  return results;
}

}  // namespace tenon::cli

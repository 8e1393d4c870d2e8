// corpus.cpp: reading, running and judging the micro-kernels.
#include "tests/golden_corpus/corpus.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "ir/diagnostics.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "runtime/cuda/tensor_map_encoder.h"

namespace tenon::corpus {
namespace {

[[noreturn]] void bad(const std::string& what) { throw Error("golden corpus: " + what); }

int64_t number(llvm::StringRef text) {
  int64_t value = 0;
  if (text.getAsInteger(10, value)) bad("'" + text.str() + "' is no number");
  return value;
}

std::vector<int64_t> extents(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef, 5> parts;
  text.split(parts, 'x');
  std::vector<int64_t> values;
  for (llvm::StringRef part : parts) values.push_back(number(part));
  return values;
}

Argument parse_argument(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef, 8> parts;
  text.split(parts, ':');
  Argument argument;
  if (parts[0] == "in" && parts.size() == 2) {
    argument.kind = Argument::kInput;
    argument.tensor = parts[1].str();
  } else if (parts[0] == "out" && parts.size() == 3) {
    argument.kind = Argument::kOutput;
    argument.tensor = parts[1].str();
    argument.bytes = number(parts[2]);
  } else if (parts[0] == "map" && parts.size() == 7) {
    argument.kind = Argument::kTensorMap;
    argument.tensor = parts[1].str();
    argument.type = parts[2].str();
    argument.dims = extents(parts[3]);
    argument.box = extents(parts[4]);
    argument.swizzle = parts[5].str();
    argument.fill = parts[6].str();
  } else {
    bad("no argument '" + text.str() + "'");
  }
  return argument;
}

Case parse_case(llvm::StringRef line) {
  llvm::SmallVector<llvm::StringRef, 8> words;
  line.split(words, ' ', -1, false);
  Case c;
  c.name = words[1].str();
  for (llvm::StringRef word : llvm::makeArrayRef(words).drop_front(2)) {
    auto [key, value] = word.split('=');
    if (key == "grid") c.grid = static_cast<int>(number(value));
    if (key == "block") c.block = static_cast<int>(number(value));
    if (key == "cluster") c.cluster = static_cast<int>(number(value));
    if (key == "shared") c.shared = static_cast<int>(number(value));
    if (key == "compare") c.compare = value.str();
    if (key != "args") continue;
    llvm::SmallVector<llvm::StringRef, 8> arguments;
    value.split(arguments, ',');
    for (llvm::StringRef argument : arguments) c.arguments.push_back(parse_argument(argument));
  }
  return c;
}

const FileTensor& input(const Group& group, const std::string& name) {
  auto found = group.inputs.find(name);
  if (found == group.inputs.end()) bad(group.name + " has no input '" + name + "'");
  return found->second;
}

/// The device memory of one case, freed with it.
class Memory {
 public:
  Memory(const cuda::DriverApi& api, const Group& group, const Case& c) : api_(api) {
    for (const Argument& argument : c.arguments) {
      if (argument.kind == Argument::kOutput) {
        allocate(argument.tensor, argument.bytes);
        TENON_CUDA(api_, cuMemsetD8Async, places_[argument.tensor].first, 0, argument.bytes, nullptr);
      }
    }
    for (const Argument& argument : c.arguments) {
      if (argument.kind == Argument::kOutput) continue;
      if (places_.count(argument.tensor)) continue;
      const FileTensor& tensor = input(group, argument.tensor);
      const int64_t bytes = tensor.elements() * size_of(tensor.type);
      allocate(argument.tensor, bytes);
      TENON_CUDA(api_, cuMemcpyHtoDAsync_v2, places_[argument.tensor].first, tensor.data, bytes, nullptr);
    }
  }
  ~Memory() {
    for (auto& [name, place] : places_) api_.cuMemFree_v2(place.first);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  cuda::DevicePointer place(const std::string& name) const { return places_.at(name).first; }

 private:
  void allocate(const std::string& name, int64_t bytes) {
    cuda::DevicePointer pointer = 0;
    TENON_CUDA(api_, cuMemAlloc_v2, &pointer, bytes);
    places_[name] = {pointer, bytes};
  }
  const cuda::DriverApi& api_;
  std::map<std::string, std::pair<cuda::DevicePointer, int64_t>> places_;
};

TensorElement element_named(llvm::StringRef type) {
  for (auto [name, element] :
       std::initializer_list<std::pair<llvm::StringRef, TensorElement>>{{"u8", TensorElement::kU8},
                                                                        {"b32", TensorElement::kU32},
                                                                        {"u32", TensorElement::kU32},
                                                                        {"s32", TensorElement::kI32},
                                                                        {"f16", TensorElement::kF16},
                                                                        {"bf16", TensorElement::kBf16},
                                                                        {"f32", TensorElement::kF32},
                                                                        {"f32ftz", TensorElement::kF32Ftz},
                                                                        {"tf32", TensorElement::kTf32},
                                                                        {"tf32ftz", TensorElement::kTf32Ftz},
                                                                        {"f64", TensorElement::kF64}})
    if (name == type) return element;
  bad("no tensor map has elements of '" + type.str() + "'");
}

/// A tensor map over `place`, whose rows lie one behind the other.
cuda::EncodedTensorMap encode(const cuda::DriverApi& api, const Argument& argument,
                              cuda::DevicePointer place) {
  TensorTiling map;
  map.base = place;
  map.rank = static_cast<int>(argument.dims.size());
  if (map.rank > TensorTiling::kMostRank || argument.box.size() != argument.dims.size())
    bad("a box that is not of the tensor's rank");
  map.element = element_named(argument.type);
  uint64_t stride = static_cast<uint64_t>(element_bytes(map.element));
  for (int i = 0; i < map.rank; ++i) {
    map.dims[i] = static_cast<uint64_t>(argument.dims[i]);
    map.box[i] = static_cast<uint32_t>(argument.box[i]);
    stride *= map.dims[i];
    if (i + 1 < map.rank) map.strides[i] = stride;
  }
  map.swizzle = argument.swizzle == "128"  ? TensorSwizzle::k128
                : argument.swizzle == "64" ? TensorSwizzle::k64
                : argument.swizzle == "32" ? TensorSwizzle::k32
                                           : TensorSwizzle::kNone;
  map.fill = argument.fill == "nan" ? TensorFill::kNan : TensorFill::kZero;
  return cuda::encode(api, map);
}

double half(uint16_t bits, bool brain) { return brain ? bf16_to_f32(bits) : f16_to_f32(bits); }

template <class T>
T element(const Bytes& bytes, size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

/// One value of a judged output.
struct Judged {
  double device = 0, card = 0;
  uint64_t device_bits = 0, card_bits = 0;
};

/// The type that `compare` judges by: "f32" unless its name says so.
std::vector<Judged> judged(llvm::StringRef compare, const Bytes& device, const Bytes& card) {
  std::vector<Judged> values;
  const bool narrow = compare.startswith("f16") || compare.startswith("bf16");
  const size_t size = narrow ? 2 : compare.startswith("f64") ? 8 : 4;
  for (size_t i = 0; i < card.size() / size; ++i) {
    Judged v;
    if (narrow) {
      v.device_bits = element<uint16_t>(device, i);
      v.card_bits = element<uint16_t>(card, i);
      v.device = half(static_cast<uint16_t>(v.device_bits), compare.startswith("bf16"));
      v.card = half(static_cast<uint16_t>(v.card_bits), compare.startswith("bf16"));
    } else if (size == 8) {
      v.device = element<double>(device, i);
      v.card = element<double>(card, i);
      v.device_bits = element<uint64_t>(device, i);
      v.card_bits = element<uint64_t>(card, i);
    } else {
      v.device = element<float>(device, i);
      v.card = element<float>(card, i);
      v.device_bits = element<uint32_t>(device, i);
      v.card_bits = element<uint32_t>(card, i);
    }
    values.push_back(v);
  }
  return values;
}

bool special(double value) { return std::isnan(value) || std::isinf(value) || value == 0; }

bool agrees(llvm::StringRef compare, const Judged& v, double largest) {
  if (v.device_bits == v.card_bits) return true;
  if (compare == "bits") return false;
  if (std::isnan(v.device) || std::isnan(v.card)) return std::isnan(v.device) && std::isnan(v.card);
  if (compare == "nan" || compare == "f64nan") return false;
  if (compare == "edges") {
    // Zero and what an approximation leaves of it are one: sine is good to an absolute bound.
    constexpr double kNothing = 2e-6;
    if (std::abs(v.card) < kNothing || std::abs(v.device) < kNothing)
      return std::abs(v.card - v.device) < kNothing;
    return special(v.card) ? v.device == v.card : !special(v.device);
  }
  if (compare == "finite") return std::isfinite(v.device);
  if (std::isinf(v.card) || std::isinf(v.device)) return v.card == v.device;
  // Tensor cores cut the sum's low bits; f32 results within 2^-11 of the largest are what that leaves at the worst.
  if (compare == "sum") return std::abs(v.device - v.card) <= std::ldexp(largest, -11);
  auto [kind, bound] = compare.split('=');
  double tolerance = 0;
  if (bound.getAsDouble(tolerance)) bad("no comparison '" + compare.str() + "'");
  // A bound relative to a subnormal is less than its step.
  const double step = kind.startswith("f16") ? 0x1p-24 : 0;
  return std::abs(v.device - v.card) <=
         (kind.endswith("abs") ? tolerance : std::max(step, tolerance * std::abs(v.card)));
}

}  // namespace

std::vector<std::string> group_names() {
  return {"integer", "float", "convert", "approximate", "compare", "warp",
          "mma",     "wgmma", "tensor",  "mbarrier",    "memory"};
}

Group read_group(const std::string& folder, const std::string& name) {
  Group group;
  group.name = name;
  const std::string path = folder + "/" + name + ".ptx";
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) bad("cannot read " + path);
  group.ptx = text.str();
  llvm::SmallVector<llvm::StringRef, 0> lines;
  llvm::StringRef(group.ptx).split(lines, '\n');
  for (llvm::StringRef line : lines)
    if (line.startswith("//! ")) group.cases.push_back(parse_case(line));
  group.inputs = read_safetensors(folder + "/" + name + ".inputs.safetensors");
  return group;
}

Outputs run_case(const cuda::DriverApi& api, cuda::Module module, const Group& group, const Case& c) {
  cuda::Function function = nullptr;
  const std::string doing = group.name + " " + c.name;
  api.check(api.cuModuleGetFunction(&function, module, c.name.c_str()), "cuModuleGetFunction", doing);
  const Memory memory(api, group, c);

  std::vector<cuda::EncodedTensorMap> values(c.arguments.size());  // the largest parameters that there are
  std::vector<void*> pointers;
  for (size_t i = 0; i < values.size(); ++i) {
    const Argument& argument = c.arguments[i];
    if (argument.kind == Argument::kTensorMap)
      values[i] = encode(api, argument, memory.place(argument.tensor));
    else {
      const cuda::DevicePointer place = memory.place(argument.tensor);
      std::memcpy(values[i].bytes, &place, sizeof place);
    }
    pointers.push_back(&values[i]);
  }
  cuda::LaunchAttribute cluster{};
  cluster.id = cuda::kClusterDimension;
  cluster.value.cluster = {static_cast<unsigned>(c.cluster), 1, 1};
  cuda::LaunchConfig config{
      static_cast<unsigned>(c.grid),   1,       1,        static_cast<unsigned>(c.block), 1, 1,
      static_cast<unsigned>(c.shared), nullptr, &cluster, c.cluster > 1 ? 1u : 0u};
  api.check(api.cuLaunchKernelEx(&config, function, pointers.data(), nullptr), "cuLaunchKernelEx", doing);
  api.check(api.cuStreamSynchronize(nullptr), "cuStreamSynchronize", doing);

  Outputs outputs;
  for (const Argument& argument : c.arguments) {
    if (argument.kind != Argument::kOutput) continue;
    Bytes& bytes = outputs[c.name + "." + argument.tensor];
    bytes.resize(argument.bytes);
    TENON_CUDA(api, cuMemcpyDtoHAsync_v2, bytes.data(), memory.place(argument.tensor), bytes.size(), nullptr);
  }
  TENON_CUDA(api, cuStreamSynchronize, nullptr);
  return outputs;
}

Outputs run_group(const cuda::DriverApi& api, const Group& group) {
  cuda::Module module = nullptr;
  api.check(api.cuModuleLoadData(&module, group.ptx.c_str()), "cuModuleLoadData", group.name);
  Outputs outputs;
  for (const Case& c : group.cases) outputs.merge(run_case(api, module, group, c));
  TENON_CUDA(api, cuModuleUnload, module);
  return outputs;
}

void write_outputs(const std::string& folder, const Group& group, const Outputs& outputs) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [name, bytes] : outputs) {
    Tensor tensor = Tensor::zeros(Type{DType::kI32, {Dim(static_cast<int64_t>(bytes.size()) / 4)}});
    std::memcpy(tensor.mutable_data(), bytes.data(), bytes.size());
    tensors.emplace_back(name, tensor);
  }
  write_safetensors(folder + "/" + group.name + ".outputs.safetensors", tensors);
}

Outputs read_outputs(const std::string& folder, const Group& group) {
  const std::string path = folder + "/" + group.name + ".outputs.safetensors";
  Outputs outputs;
  if (!std::ifstream(path)) return outputs;
  for (const auto& [name, tensor] : read_safetensors(path))
    outputs[name].assign(tensor.data, tensor.data + tensor.elements() * size_of(tensor.type));
  return outputs;
}

std::string difference(const std::string& compare, const Bytes& device, const Bytes& card) {
  if (device.size() != card.size()) return "sizes differ";
  const std::vector<Judged> values = judged(compare, device, card);
  double largest = 0;
  for (const Judged& v : values)
    if (std::isfinite(v.card)) largest = std::max(largest, std::abs(v.card));
  int count = 0;
  std::string first;
  for (size_t i = 0; i < values.size(); ++i) {
    const Judged& v = values[i];
    if (agrees(compare, v, largest)) continue;
    if (count++ > 0) continue;
    char text[160];
    std::snprintf(text, sizeof text, "element %zu is %#llx (%.9g), the card's %#llx (%.9g)", i,
                  static_cast<unsigned long long>(v.device_bits), v.device,
                  static_cast<unsigned long long>(v.card_bits), v.card);
    first = text;
  }
  if (count > 1) first += ", and " + std::to_string(count - 1) + " more of " + std::to_string(values.size());
  return first;
}

}  // namespace tenon::corpus

// kernel_check.cpp: tensors to device memory and back, launches, comparisons.
#include "tests/codegen/kernel_check.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>

#include "passes/card.h"
#include "tests/host_cuda/host_kernel.h"

namespace tenon {
namespace {

using host_cuda::Argument;
using host_cuda::DeviceBuffer;

/// The value of an 8-bit float: sign, exponent, mantissa; e4m3 has no infinity and one NaN.
double f8_value(DType type, uint8_t bits) {
  const int mantissa = type == DType::kF8E4M3 ? 3 : 2, bias = (1 << (6 - mantissa)) - 1;
  const int exponent = (bits & 0x7f) >> mantissa, fraction = bits & ((1 << mantissa) - 1);
  double value = exponent == 0 ? std::ldexp(fraction, 1 - bias - mantissa)
                               : std::ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
  if (mantissa == 3 && (bits & 0x7f) == 0x7f) value = NAN;
  if (mantissa == 2 && exponent == 31) value = fraction ? NAN : INFINITY;
  return bits & 0x80 ? -value : value;
}

uint8_t f8_bits(DType type, double value) {
  for (int bits = 0; bits < 256; ++bits) {
    const double other = f8_value(type, static_cast<uint8_t>(bits));
    if (other == value && std::signbit(other) == std::signbit(value)) return static_cast<uint8_t>(bits);
  }
  return 0x7f;
}

void write(const HostTensor& tensor, const DeviceBuffer& buffer) {
  for (int64_t i = 0; i < tensor.type.elements(); ++i) switch (tensor.type.dtype) {
      case DType::kF32: buffer.as<float>()[i] = static_cast<float>(tensor.at(i)); break;
      case DType::kBF16: buffer.as<uint16_t>()[i] = f64_to_bf16(tensor.at(i)); break;
      case DType::kF16: buffer.as<uint16_t>()[i] = f64_to_f16(tensor.at(i)); break;
      case DType::kF8E4M3:
      case DType::kF8E5M2: buffer.as<uint8_t>()[i] = f8_bits(tensor.type.dtype, tensor.at(i)); break;
      case DType::kI64: buffer.as<int64_t>()[i] = tensor.integers[static_cast<size_t>(i)]; break;
      case DType::kI32:
        buffer.as<int32_t>()[i] = static_cast<int32_t>(tensor.integers[static_cast<size_t>(i)]);
        break;
      case DType::kI8:
        buffer.as<int8_t>()[i] = static_cast<int8_t>(tensor.integers[static_cast<size_t>(i)]);
        break;
      case DType::kU8:
        buffer.as<uint8_t>()[i] = static_cast<uint8_t>(tensor.integers[static_cast<size_t>(i)]);
        break;
      default: buffer.as<uint8_t>()[i] = tensor.at(i) != 0;
    }
}

int64_t read_integer(DType type, const DeviceBuffer& buffer, int64_t i) {
  switch (type) {
    case DType::kI64: return buffer.as<int64_t>()[i];
    case DType::kI32: return buffer.as<int32_t>()[i];
    case DType::kI8: return buffer.as<int8_t>()[i];
    default: return buffer.as<uint8_t>()[i];
  }
}

double read(DType type, const DeviceBuffer& buffer, int64_t i) {
  switch (type) {
    case DType::kF32: return static_cast<double>(buffer.as<float>()[i]);
    case DType::kBF16: return static_cast<double>(bf16_to_f32(buffer.as<uint16_t>()[i]));
    case DType::kF16: return static_cast<double>(f16_to_f32(buffer.as<uint16_t>()[i]));
    case DType::kF8E4M3:
    case DType::kF8E5M2: return f8_value(type, buffer.as<uint8_t>()[i]);
    default: return static_cast<double>(read_integer(type, buffer, i));
  }
}

bool close(double got, double want, double tolerance) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got);
  if (std::isinf(want) || std::isinf(got)) return got == want;
  return std::abs(got - want) <= tolerance * std::max(1.0, std::abs(want));
}

struct Run {
  const Region& region;
  const KernelCheck& check;
  const EmittedKernel& kernel;
  std::vector<HostTensor> inputs, wanted;
  std::vector<int> homes = {};  // by output: the parameter in whose storage it lies, or -1

  /// `in_place`: outputs that may be written over a parameter are, each over another one.
  void launch(unsigned seed, bool in_place) {
    place_outputs(in_place);
    const size_t outputs = region.body->outputs().size();
    std::vector<DeviceBuffer> operands, packed, results;
    for (size_t i = 0; i < inputs.size(); ++i) {
      operands.emplace_back(static_cast<size_t>(inputs[i].type.bytes()), "operand " + std::to_string(i));
      write(inputs[i], operands.back());
    }
    for (size_t i = 0; i < kernel.packed.size(); ++i) {
      packed.emplace_back(static_cast<size_t>(wanted[outputs + i].type.bytes()),
                          "packed value " + std::to_string(i));
      write(wanted[outputs + i], packed.back());
    }
    for (size_t i = 0; i < outputs; ++i)
      results.emplace_back(static_cast<size_t>(wanted[i].type.bytes()), "result " + std::to_string(i));
    const DeviceBuffer workspace(static_cast<size_t>(kernel.workspace_bytes), "workspace");
    const DeviceBuffer counters =
        host_cuda::device_copy(std::vector<char>(static_cast<size_t>(kernel.counter_bytes)), "counters");
    std::vector<Argument> arguments;
    for (const KernelArgument& a : kernel.arguments) switch (a.kind) {
        case KernelArgument::kOperand: arguments.emplace_back(operands[static_cast<size_t>(a.index)]); break;
        case KernelArgument::kPacked: arguments.emplace_back(packed[static_cast<size_t>(a.index)]); break;
        case KernelArgument::kResult: arguments.emplace_back(storage(operands, results, a.index)); break;
        case KernelArgument::kWorkspace: arguments.emplace_back(workspace); break;
        case KernelArgument::kCounters: arguments.emplace_back(counters); break;
        case KernelArgument::kInt32: arguments.emplace_back(static_cast<int32_t>(a.value)); break;
        case KernelArgument::kInt64: arguments.emplace_back(a.value); break;
      }
    const auto dims = [](const int(&d)[3]) {
      return std::array<unsigned, 3>{static_cast<unsigned>(d[0]), static_cast<unsigned>(d[1]),
                                     static_cast<unsigned>(d[2])};
    };
    const host_cuda::HostKernel compiled = host_cuda::compile_host_kernel(kernel.source, kernel.name);
    compiled.launch(dims(kernel.grid), dims(kernel.block), static_cast<size_t>(kernel.shared_bytes),
                    arguments, seed);
    for (size_t i = 0; i < outputs; ++i)
      compare(static_cast<int>(i), storage(operands, results, static_cast<int>(i)));
    for (int64_t i = 0; i < kernel.counter_bytes; ++i) CHECK(counters.as<char>()[i] == 0);
  }

  bool may_overwrite() const {
    return llvm::any_of(kernel.overwrites, [](const std::vector<int>& any) { return !any.empty(); });
  }
  void place_outputs(bool in_place) {
    homes = kernel.aliases;
    homes.resize(region.body->outputs().size(), -1);
    for (size_t i = 0; in_place && i < kernel.overwrites.size(); ++i)
      for (int parameter : kernel.overwrites[i])
        if (homes[i] < 0 && !llvm::is_contained(homes, parameter)) homes[i] = parameter;
  }
  /// Where an output lies: in the operand whose storage it shares, or apart.
  const DeviceBuffer& storage(const std::vector<DeviceBuffer>& operands,
                              const std::vector<DeviceBuffer>& results, int output) const {
    const auto i = static_cast<size_t>(output);
    return homes[i] < 0 ? results[i] : operands[static_cast<size_t>(homes[i])];
  }

  void compare(int output, const DeviceBuffer& got) {
    const HostTensor& want = wanted[static_cast<size_t>(output)];
    const DType type = want.type.dtype;
    const double tolerance = check.tolerance > 0 ? check.tolerance
                             : is_float(type)    ? unit_roundoff(type) * 1.01 + 4e-6
                                                 : 0;
    int64_t wrong = 0, first = -1;
    for (int64_t i = 0; i < want.type.elements(); ++i) {
      const bool right = want.integral()
                             ? read_integer(type, got, i) == want.integers[static_cast<size_t>(i)]
                             : close(read(type, got, i), round_to(type, want.at(i)), 2 * tolerance);
      if (!right && first < 0) first = i;
      wrong += !right;
    }
    CHECK_MESSAGE(wrong == 0, "output ", output, " of ", kernel.name, ": ", wrong, " of ",
                  want.type.elements(), " elements are wrong, the first is ", first, ": ",
                  first < 0 ? 0 : read(type, got, first), " for ", first < 0 ? 0 : want.at(first));
  }
};

}  // namespace

HostTensor draw_normal(llvm::StringRef name, const Type& type) {
  unsigned seed = 17;
  for (char c : (name + type.text()).str()) seed = seed * 31 + static_cast<unsigned char>(c);
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  HostTensor tensor = HostTensor::zeros(type);
  for (double& x : tensor.reals)
    x = type.dtype == DType::kBool ? static_cast<double>(random() % 2) : round_to(type.dtype, normal(random));
  for (int64_t& x : tensor.integers)
    x = static_cast<int64_t>(random() % 12) - (type.dtype == DType::kU8 ? 0 : 3);
  return tensor;
}

std::vector<HostTensor> evaluate_with_packed(const Graph& body, llvm::ArrayRef<const Value*> packed,
                                             const std::vector<HostTensor>& inputs) {
  llvm::DenseMap<const Value*, Value*> map;
  auto copy = body.clone(&map);
  for (const Value* value : packed) copy->add_output("packed", map.lookup(value));
  return evaluate(
             *copy,
             [&](const Node& node) { return inputs[static_cast<size_t>(node.attributes.integer("index"))]; })
      .outputs;
}

Region region_of(Graph& graph, Pattern pattern) {
  std::vector<Node*> nodes;
  for (Node& node : graph.nodes())
    if (node.kind() != OpKind::kSource) nodes.push_back(&node);
  return make_region(pattern, nodes, "test");
}

std::string check_kernel(const EmittingFamily& family, const Region& region, const KernelCheck& check) {
  Target target;
  target.card = find_target(check.target);
  const std::string refusal = family.refuses(region, target);
  CHECK_MESSAGE(refusal == "", refusal);
  if (!refusal.empty()) return "";
  std::vector<HostTensor> inputs;
  for (const Node& node : region.body->nodes())
    if (node.op() == Op::kParameter) {
      inputs.resize(std::max(inputs.size(), static_cast<size_t>(node.attributes.integer("index")) + 1));
      inputs[static_cast<size_t>(node.attributes.integer("index"))] =
          check.draw(node.result()->name(), node.type());
    }
  std::string source;
  std::vector<Candidate> candidates = family.candidates(region, target);
  llvm::erase_if(candidates, [&](const Candidate& c) {
    return !c.why_not.empty() || c.implementation != "generated" ||
           !llvm::StringRef(c.config).startswith(check.config);
  });
  if (!check.all_candidates && candidates.size() > 1)
    candidates.erase(candidates.begin(), candidates.end() - 1);
  for (const Candidate& candidate : candidates) {
    const EmittedKernel kernel = family.emit(region, candidate, target, "test_kernel");
    CHECK(kernel.source == family.emit(region, candidate, target, "test_kernel").source);
    source = kernel.source;
    if (!host_cuda::host_compiler_available()) {
      MESSAGE("SKIPPED: no C++ compiler to run kernels with");
      continue;
    }
    INFO("config ", candidate.config);
    Run run{region, check, kernel, inputs, evaluate_with_packed(*region.body, kernel.packed, inputs)};
    for (const auto& [seed, over] : {std::pair(0u, false), {5u, false}, {6u, true}}) {
      const bool in_place = over;
      if (in_place && !run.may_overwrite()) continue;
      INFO("over its operands: ", in_place);
      std::string failure;
      try {
        run.launch(seed, in_place);
      } catch (const std::exception& error) {
        failure = error.what();
      }
      CHECK_MESSAGE(failure == "", failure, "\n", kernel.source);
    }
  }
  CHECK(!source.empty());
  return source;
}

void check_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(TENON_SOURCE_DIR) + "/tests/golden/" + name + ".cu";
  const char* regenerate = std::getenv("TENON_REGENERATE");
  if (regenerate && std::string(regenerate) == "1") std::ofstream(path, std::ios::binary) << text;
  std::ifstream file(path, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(file), {}};
  CHECK_MESSAGE(text == golden, "tests/golden/", name, ".cu differs; TENON_REGENERATE=1 writes it");
}

}  // namespace tenon

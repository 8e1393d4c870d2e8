// layout.cpp: see layout.h.
#include "runtime/emulator/program/layout.h"

#include <algorithm>

#include "llvm/Demangle/Demangle.h"
#include "runtime/emulator/program/failure.h"

namespace tenon::emulator {
namespace {

// Local memory of a thread and shared memory of a block beyond which no hardware goes.
constexpr int64_t kMostLocalBytes = 512 << 10;
constexpr int64_t kMostSharedBytes = 1 << kClusterRankShift;

int64_t align_up(int64_t value, int64_t alignment) { return (value + alignment - 1) & -alignment; }

class Layouting {
 public:
  Layouting(const ptx::Module& module, const CallGraph& graph, const VariableAddresses& addresses,
            Program& program)
      : module_(module), graph_(graph), program_(program) {
    layout_.of_module = addresses;
    layout_.of_module.resize(module.variables.size());
    for (int index : graph.functions)
      layout_.of_function.emplace_back(module.functions[index].variables.size());
  }

  Layout run() {
    place_parameters();
    place_local();
    place_shared();
    return std::move(layout_);
  }

 private:
  const ptx::Function& function(size_t i) const { return module_.functions[graph_.functions[i]]; }

  void place_parameters() {
    const ptx::Function& entry = function(0);
    int64_t end = 0;
    for (int index : entry.parameters) {
      const ptx::Variable& variable = entry.variables[index];
      const int64_t offset = align_up(end, variable.alignment);
      end = offset + variable.bytes;
      layout_.of_function[0][index] = offset;
      program_.parameters.push_back({variable.name, offset, variable.bytes, variable.type, variable.opaque});
    }
    program_.parameter_bytes = end;
  }

  bool is_kernel_parameter(size_t i, int variable) const {
    const std::vector<int>& parameters = function(i).parameters;
    return i == 0 && std::find(parameters.begin(), parameters.end(), variable) != parameters.end();
  }

  // Frames as on a stack: a function's variables lie above those of all its callers.
  void place_local() {
    int64_t frame_alignment = 16;
    std::vector<int64_t> sizes(graph_.functions.size());
    for (size_t i = 0; i < sizes.size(); ++i) {
      const std::vector<ptx::Variable>& variables = function(i).variables;
      for (size_t v = 0; v < variables.size(); ++v) {
        const ptx::Variable& variable = variables[v];
        const bool local = variable.space == ptx::Space::kLocal || variable.space == ptx::Space::kParam;
        if (!local || is_kernel_parameter(i, static_cast<int>(v))) continue;
        frame_alignment = std::max(frame_alignment, variable.alignment);
        sizes[i] = align_up(sizes[i], variable.alignment);
        layout_.of_function[i][v] = sizes[i];
        sizes[i] += variable.bytes;
        if (sizes[i] > kMostLocalBytes)
          fail_at_line(module_, variable.line, "a thread has no more than 512 KiB of local memory");
      }
    }
    for (int64_t& size : sizes) size = align_up(size, frame_alignment);
    const std::vector<int64_t> frames = stacked(graph_, sizes);
    for (size_t i = 0; i < sizes.size(); ++i) move_frame(i, frames[i]);
    program_.local_bytes = frames.back();
    if (program_.local_bytes > kMostLocalBytes)
      fail_at_line(module_, function(0).line, "a thread has no more than 512 KiB of local memory");
  }

  void move_frame(size_t i, int64_t by) {
    const std::vector<ptx::Variable>& variables = function(i).variables;
    for (size_t v = 0; v < variables.size(); ++v)
      if (variables[v].space == ptx::Space::kLocal ||
          (variables[v].space == ptx::Space::kParam && !is_kernel_parameter(i, static_cast<int>(v))))
        layout_.of_function[i][v] += by;
  }

  // The most strictly aligned first, as ptxas has it: no holes where sizes are multiples of alignments.
  void place_shared() {
    for (size_t i = 0; i < graph_.functions.size(); ++i)
      for (const ptx::Instruction& instruction : function(i).body)
        for (const ptx::Operand& operand : instruction.operands) note_shared(i, operand);
    std::stable_sort(static_.begin(), static_.end(), [](const Shared& a, const Shared& b) {
      return a.variable->alignment > b.variable->alignment;
    });
    int64_t end = kSharedBase;
    for (const Shared& placed : static_) {
      const ptx::Variable& variable = *placed.variable;
      *placed.address = align_up(end, variable.alignment);
      name_shared(variable, *placed.address);
      end = static_cast<int64_t>(*placed.address) + variable.bytes;
      if (end >= kMostSharedBytes)
        fail_at_line(module_, variable.line, "a block has no such amount of shared memory");
    }
    program_.static_shared_bytes = end - kSharedBase;
    int64_t alignment = 16;
    for (const Shared& placed : dynamic_) alignment = std::max(alignment, placed.variable->alignment);
    int64_t dynamic = align_up(end, alignment);
    if (alignment < 1024 && dynamic % (2 * alignment) == 0) dynamic += alignment;
    program_.dynamic_shared_offset = static_cast<uint32_t>(dynamic - kSharedBase);
    for (const Shared& placed : dynamic_) {
      *placed.address = dynamic;
      name_shared(*placed.variable, dynamic);
    }
  }

  void name_shared(const ptx::Variable& variable, int64_t address) {
    const std::string name = llvm::demangle(variable.name);  // "ln(float*)::sums"
    const size_t colons = name.rfind("::");
    program_.shared_variables.push_back({colons == std::string::npos ? name : name.substr(colons + 2),
                                         address - kSharedBase, variable.bytes});
  }

  // Lists a shared variable when the first instruction mentions it.
  void note_shared(size_t i, const ptx::Operand& operand) {
    for (const ptx::Operand& element : operand.elements) note_shared(i, element);
    if (operand.kind != ptx::Operand::kVariable) return;
    const ptx::Variable& variable =
        operand.local ? function(i).variables[operand.variable] : module_.variables[operand.variable];
    if (variable.space != ptx::Space::kShared) return;
    uint64_t& address =
        operand.local ? layout_.of_function[i][operand.variable] : layout_.of_module[operand.variable];
    if (address == kListed) return;
    address = kListed;
    (variable.external ? dynamic_ : static_).push_back({&variable, &address});
  }

  static constexpr uint64_t kListed = ~uint64_t{0};  // in place of an address, which follows
  struct Shared {
    const ptx::Variable* variable;
    uint64_t* address;
  };

  const ptx::Module& module_;
  const CallGraph& graph_;
  Program& program_;
  Layout layout_;
  std::vector<Shared> static_, dynamic_;
};

}  // namespace

Layout lay_out(const ptx::Module& module, const CallGraph& graph, const VariableAddresses& addresses,
               Program& program) {
  return Layouting(module, graph, addresses, program).run();
}

}  // namespace tenon::emulator

// builder.h: a program while it is decoded: what Decoder appends to.
#pragma once
#include <memory>
#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "runtime/emulator/program/code.h"
#include "runtime/emulator/program/layout.h"
#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

class ProgramBuilder {
 public:
  ProgramBuilder(std::shared_ptr<const ptx::Module> module, int entry, const VariableAddresses& addresses);
  /// Decodes everything. To be called once.
  std::shared_ptr<const Program> build();

  // --- for Decoder
  Program& program() { return *program_; }
  const ptx::Module& module() const { return *program_->module; }
  FunctionCode& code() { return codes_.back(); }  ///< of the function that is being decoded
  uint64_t address_of(const ptx::Operand& variable) const;
  uint64_t address_of(int function, int variable) const;
  Slot constant(uint64_t bits, int units);
  int op_in_function() const { return static_cast<int>(program_->ops.size()) - codes_.back().first_op; }
  int add_scratch(int units);
  void mention(const Mention& mention) { codes_.back().mentions.push_back(mention); }
  /// One op, whose words are those from `first_word` on.
  void add_op(const Op& op, size_t first_word);

 private:
  void decode_function(size_t index);
  void decode_instruction(const ptx::Instruction& instruction);
  void note_wgmma(const ptx::Instruction& instruction);
  void note_halves(const ptx::Instruction& instruction);
  void place_registers();
  void fill_unwritten_halves(const FunctionCode& code);
  void place_targets();

  std::shared_ptr<Program> program_;
  CallGraph graph_;
  Layout layout_;
  std::vector<FunctionCode> codes_;  // in the graph's order
  std::vector<size_t> first_words_;  // by op
  std::vector<int> joins_;           // ops that make a 64-bit value of two halves, ordered
  std::vector<int> permutes_;        // ops that take bytes of two values, ordered
  llvm::DenseMap<std::pair<uint64_t, int>, Slot> constants_;
  ptx::Instruction return_;  // the end of a function that falls off it
};

}  // namespace tenon::emulator

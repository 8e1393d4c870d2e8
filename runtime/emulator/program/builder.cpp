// builder.cpp: function by function, instruction by instruction; then slots, targets and pointers.
#include "runtime/emulator/program/builder.h"

#include <algorithm>

#include "runtime/emulator/program/decoder.h"
#include "runtime/emulator/program/failure.h"
#include "runtime/emulator/program/fences.h"
#include "runtime/emulator/program/slots.h"

namespace tenon::emulator {
namespace {

// Units of a warp's register file. A thread has at most 255 registers; what a compiler would spill or find dead is far
// below this.
constexpr int64_t kMostUnits = 1 << 16;

int units_of(ptx::Type type) { return type == ptx::Type::kPred ? 0 : ptx::bits(type) > 32 ? 2 : 1; }

}  // namespace

ProgramBuilder::ProgramBuilder(std::shared_ptr<const ptx::Module> module, int entry,
                               const VariableAddresses& addresses)
    : program_(std::make_shared<Program>()) {
  const ptx::Function& function = module->functions[entry];
  Program& program = *program_;
  program.module = std::move(module);
  program.name = function.name;
  program.exact_threads = function.required_threads[0] > 0;
  const std::array<int, 3>& threads =
      program.exact_threads ? function.required_threads : function.max_threads;
  int64_t product = 1;
  for (int extent : threads) product *= std::max(extent, 1);
  program.max_threads = threads[0] > 0 ? static_cast<int>(std::min<int64_t>(product, 1 << 20)) : 0;
  for (int axis = 0; axis < 3; ++axis) program.cluster[axis] = function.required_cluster[axis];
  llvm::StringRef target = program.module->target;
  target.consume_front("sm_");
  target.consumeInteger(10, program.arch);
  graph_ = call_graph(this->module(), entry);
  layout_ = lay_out(this->module(), graph_, addresses, program);
  return_.text = return_.opcode = "ret";
}

std::shared_ptr<const Program> ProgramBuilder::build() {
  for (size_t i = 0; i < graph_.functions.size(); ++i) decode_function(i);
  place_registers();
  for (const FunctionCode& code : codes_) fill_unwritten_halves(code);
  place_targets();
  for (size_t i = 0; i < program_->ops.size(); ++i)
    program_->ops[i].words = program_->words.data() + first_words_[i];
  return program_;
}

uint64_t ProgramBuilder::address_of(const ptx::Operand& variable) const {
  const uint64_t base = variable.local ? layout_.of_function[codes_.size() - 1][variable.variable]
                                       : layout_.of_module[variable.variable];
  return base + static_cast<uint64_t>(variable.offset);
}

uint64_t ProgramBuilder::address_of(int function, int variable) const {
  const auto at = std::find(graph_.functions.begin(), graph_.functions.end(), function);
  return layout_.of_function[at - graph_.functions.begin()][variable];
}

Slot ProgramBuilder::constant(uint64_t bits, int units) {
  const auto [place, added] = constants_.try_emplace({bits, units}, 0);
  if (added) {
    std::vector<uint32_t>& pool = program_->constants;
    place->second = ~static_cast<Slot>(pool.size() / kLanes);
    for (int lane = 0; lane < kLanes; ++lane)
      for (int half = 0; half < units; ++half) pool.push_back(static_cast<uint32_t>(bits >> 32 * half));
  }
  return place->second;
}

int ProgramBuilder::add_scratch(int units) {
  code().units.push_back(static_cast<int8_t>(units));
  return static_cast<int>(code().units.size()) - 1;
}

void ProgramBuilder::add_op(const Op& op, size_t first_word) {
  program_->ops.push_back(op);
  first_words_.push_back(first_word);
}

void ProgramBuilder::decode_function(size_t index) {
  const ptx::Function& function = module().functions[graph_.functions[index]];
  FunctionCode& code = codes_.emplace_back();
  code.function = &function;
  code.index = graph_.functions[index];
  code.first_op = static_cast<int>(program_->ops.size());
  for (const ptx::Register& r : function.registers)
    code.units.push_back(static_cast<int8_t>(units_of(r.type)));
  code.op_of_body.reserve(function.body.size() + 1);
  for (const ptx::Instruction& instruction : function.body) {
    code.op_of_body.push_back(op_in_function());
    decode_instruction(instruction);
    note_wgmma(instruction);
    note_halves(instruction);
  }
  code.op_of_body.push_back(op_in_function());
  return_.line = function.body.empty() ? function.line : function.body.back().line;
  return_.place = function.body.empty() ? -1 : function.body.back().place;
  decode_instruction(return_);
  code.op_count = op_in_function();
}

void ProgramBuilder::decode_instruction(const ptx::Instruction& instruction) {
  Decoder decoder(*this, *code().function, instruction);
  const DecodeFunction decode = find_decoder(instruction.opcode);
  if (!decode) {
    const std::string near = nearest_opcode(instruction.opcode);
    decoder.fail("unknown instruction '" + instruction.opcode.str() + "'",
                 near.empty() ? "" : "did you mean '" + near + "'?");
  }
  decode(decoder);
  decoder.finish();
}

// What the rules of wgmma's registers need to know.
void ProgramBuilder::note_wgmma(const ptx::Instruction& instruction) {
  if (instruction.opcode != "wgmma" || instruction.modifiers.empty()) return;
  const int op = op_in_function() - 1;
  if (instruction.modifiers[0] == "fence") code().fences.push_back(op);
  if (instruction.modifiers[0] == "wait_group" && !instruction.operands.empty() &&
      instruction.operands[0].bits == 0)
    code().full_waits.push_back(op);
}

void ProgramBuilder::note_halves(const ptx::Instruction& instruction) {
  if (instruction.opcode == "prmt") permutes_.push_back(static_cast<int>(program_->ops.size()) - 1);
  if (instruction.opcode != "mov" || instruction.operands.size() != 2) return;
  const ptx::Operand& from = instruction.operands[1];
  const bool wide =
      !instruction.modifiers.empty() && llvm::StringRef(instruction.modifiers.back()).endswith("64");
  if (wide && from.kind == ptx::Operand::kVector && from.elements.size() == 2)
    joins_.push_back(static_cast<int>(program_->ops.size()) - 1);
}

void ProgramBuilder::place_registers() {
  std::vector<Slots> slots;
  std::vector<int64_t> units, predicates, live;
  for (const FunctionCode& code : codes_) {
    const Flow graph = flow(code);
    slots.push_back(assign_slots(code.units, live_ranges(code, graph)));
    units.push_back(slots.back().units);
    predicates.push_back(slots.back().predicates);
    live.push_back(slots.back().most_live);
    for (const UnfencedWrite& found : unfenced_writes(code, graph))
      program_->unfenced_writes.push_back({found.wgmma + code.first_op, found.write + code.first_op});
  }
  // A callee's registers lie above those of all its callers.
  units = stacked(graph_, units);
  predicates = stacked(graph_, predicates);
  if (std::max(units.back(), predicates.back()) > kMostUnits)
    fail_at_line(module(), codes_[0].function->line,
                 "kernel '" + program_->name + "' holds more than " + std::to_string(kMostUnits) +
                     " registers at once");
  program_->register_units = static_cast<int>(units.back());
  program_->predicates = static_cast<int>(predicates.back());
  program_->registers_live = static_cast<int>(stacked(graph_, live).back());

  for (size_t i = 0; i < codes_.size(); ++i)
    for (const Mention& mention : codes_[i].mentions) {
      const int32_t slot = slots[i].of[mention.register_];
      const bool predicate = codes_[i].units[mention.register_] == 0;
      const auto place =
          static_cast<int32_t>(predicate ? 2 * (slot + predicates[i]) + mention.negated : slot + units[i]);
      if (mention.word < 0)
        program_->ops[codes_[i].first_op + mention.op].guard = place;
      else
        program_->words[mention.word] = place;
    }
}

// Of a 64-bit value that it wants one half of, a compiler leaves the other unwritten: a register that nothing ever writes,
// beside one that something does, stands for "whatever" and becomes 0, so that the value is not poison. Likewise of bytes that it
// permutes for an instruction that wants some of them (dp2a), which may lie in such registers alone.
void ProgramBuilder::fill_unwritten_halves(const FunctionCode& code) {
  std::vector<bool> written(code.units.size()), known(code.op_count);
  std::vector<const Mention*> halves;
  const auto among = [&](const std::vector<int>& ops, const Mention& mention) {
    return std::binary_search(ops.begin(), ops.end(), code.first_op + mention.op);
  };
  for (const Mention& mention : code.mentions) {
    if (mention.written)
      written[mention.register_] = true;
    else if (mention.word >= 0 && (among(joins_, mention) || among(permutes_, mention)))
      halves.push_back(&mention);
  }
  for (const Mention* half : halves)
    if (written[half->register_] || among(permutes_, *half)) known[half->op] = true;
  for (const Mention* half : halves)
    if (known[half->op] && !written[half->register_]) program_->words[half->word] = constant(0, 1);
}

void ProgramBuilder::place_targets() {
  std::vector<int> first_op(module().functions.size());
  for (const FunctionCode& code : codes_) first_op[code.index] = code.first_op;
  for (const FunctionCode& code : codes_) {
    Op* ops = &program_->ops[code.first_op];
    for (const Branch& branch : code.branches)
      ops[branch.op].target = code.first_op + code.op_of_body[branch.label];
    for (const CallSite& call : code.calls) ops[call.op].target = first_op[call.function];
  }
}

}  // namespace tenon::emulator

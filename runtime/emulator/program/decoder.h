// decoder.h: what an opcode's decoder is given: modifiers to consume, operands to place, and a handler to name.
//
// A decoder consumes every modifier that it understands, appends words for the operands in the order in which its handler reads
// them, and emits. Whatever modifier is left over is an error: coverage is by opcode, type and modifier, never by opcode alone.
#pragma once
#include <initializer_list>
#include <memory>
#include <optional>

#include "llvm/ADT/StringRef.h"
#include "runtime/emulator/program/code.h"
#include "runtime/emulator/program/op.h"
#include "runtime/emulator/ptx/syntax.h"

namespace tenon::emulator {

class ProgramBuilder;

class Decoder {
 public:
  Decoder(ProgramBuilder& builder, const ptx::Function& function, const ptx::Instruction& instruction);

  // --- modifiers; each call consumes what it returns
  bool accept(llvm::StringRef modifier);  ///< anywhere among the remaining ones
  llvm::StringRef accept_any(std::initializer_list<llvm::StringRef> modifiers);  ///< "" where none is there
  llvm::StringRef expect_any(std::initializer_list<llvm::StringRef> modifiers);
  std::optional<ptx::Type> accept_type();  ///< the first remaining modifier that names a type
  ptx::Type expect_type();
  llvm::StringRef accept_prefix(llvm::StringRef prefix);  ///< "L2::" takes "L2::128B"; "" where none is there
  /// .global, .shared, .shared::cta, .shared::cluster, .local, .const, .param, .param::entry; generic without any.
  /// `cluster` receives whether ::cluster was written.
  ptx::Space accept_space(bool* cluster = nullptr);

  // --- operands, by their position
  const ptx::Instruction& instruction() const { return instruction_; }
  int operand_count() const { return static_cast<int>(instruction_.operands.size()); }
  void expect_operands(int least, int most);
  const ptx::Operand& operand(int i) const { return instruction_.operands[i]; }
  const ptx::Function& function() const { return function_; }
  const ptx::Module& module() const;
  int target_arch() const;  ///< 80, 90, ...

  /// Each appends one word: the slot. A register's width must hold the type (wider is allowed where `wider`: ld, st,
  /// cvt); an immediate or a variable's address becomes a constant of the type's representation. Returns the register's
  /// width in bits (8- and 16-bit registers: 32 for nothing; what was declared).
  int read(const ptx::Operand& operand, ptx::Type type, bool wider = false);
  int write(const ptx::Operand& operand, ptx::Type type, bool wider = false);  ///< a sink gets a scratch slot
  int read_write(const ptx::Operand& operand, ptx::Type type);                 ///< an accumulator; one word
  int read(int i, ptx::Type type, bool wider = false) { return read(operand(i), type, wider); }
  int write(int i, ptx::Type type, bool wider = false) { return write(operand(i), type, wider); }
  /// A vector's elements one after the other (or the one operand that stands alone); returns how many.
  int read_all(const ptx::Operand& operand, ptx::Type type, bool wider = false);
  int write_all(const ptx::Operand& operand, ptx::Type type, bool wider = false);
  void read_predicate(const ptx::Operand& operand);   ///< appends a PredicateSlot; !p sets its low bit
  void write_predicate(const ptx::Operand& operand);  ///< likewise; a sink gets a scratch predicate
  /// [base + offset]: appends the base's slot, and the offset as a number: two words. `wide` receives whether the base
  /// is 64 bits wide (a 32-bit base is a 32-bit address of shared, local, const or param space).
  void address(const ptx::Operand& operand, ptx::Space space, bool* wide = nullptr);
  /// Where an address of `space` really lies: .param of a call's arguments and results, and of a function that is no
  /// entry, is local memory (ld.param and st.param then are ld.local and st.local); otherwise `space`.
  ptx::Space space_of(const ptx::Operand& address, ptx::Space space) const;
  /// A variable's address in its own space: an offset for .local and .param, for .shared the 32-bit shared address, for
  /// .global and .const the device address. What mov gives.
  uint64_t address_of(const ptx::Operand& variable) const;
  /// The offset in local memory of a variable of Module::functions[function], which this kernel calls.
  int32_t frame_offset(int function, int variable) const;
  void number(int32_t value);  ///< appends a plain word
  int64_t immediate(const ptx::Operand& operand, int64_t least, int64_t most) const;  ///< a literal; or fails
  /// The slot of a register whose value must stay until the next wgmma.wait_group though nothing reads it before:
  /// accumulators and A operands in flight. To be called beside read/read_write.
  void keep_until_wait(const ptx::Operand& operand);

  // --- what the instruction becomes
  /// One op of the words appended since the last one; an instruction may become several.
  void emit(Handler handler, OpClass kind, int flops = 0);
  template <class Form>
  Form&
  form() {  ///< a value-initialised Form that lives as long as the program; becomes Op::form of the next op emitted
    auto made = std::make_shared<Form>();
    keep_form(made);
    return *made;
  }
  void branch_to(const ptx::Operand& label);  ///< Op::target
  void call(int function);                    ///< Op::target: the first op of Module::functions[function]
  void ends_path();            ///< what follows is not reached from here (by the lanes whose guard holds)
  void mark_global_atomics();  ///< Program::uses_global_atomics
  [[noreturn]] void fail(const std::string& message, const std::string& hint = "") const;

  /// Called by the decoding loop: fails when modifiers are left or nothing was emitted.
  void finish();

 private:
  void keep_form(std::shared_ptr<void> form);
  int slot_of(const ptx::Operand& operand, ptx::Type type,
              bool wider);  // of a register, whose width is checked
  int read_constant(const ptx::Operand& operand, ptx::Type type);
  void append(Mention mention);
  void append_predicate(const ptx::Operand& operand, bool written);

  ProgramBuilder& builder_;
  const ptx::Function& function_;
  const ptx::Instruction& instruction_;
  uint64_t consumed_ = 0;  // bit i: modifier i
  // Of the op that is being put together.
  size_t first_word_;
  std::vector<Mention> mentions_;
  const void* form_ = nullptr;
  bool emitted_ = false;
};

using DecodeFunction = void (*)(Decoder&);
struct OpcodeEntry {
  llvm::StringRef opcode;  ///< "add", "cp.async" is "cp", "mbarrier", "wgmma"
  DecodeFunction decode;
};

/// The opcodes of one file of instructions/, for the table that decode() builds of all. Each file defines one of these;
/// opcode_table.cpp lists them.
using OpcodeTable = llvm::ArrayRef<OpcodeEntry>;
DecodeFunction find_decoder(llvm::StringRef opcode);
/// The known opcode that is spelt most like `opcode`; "" where none is.
std::string nearest_opcode(llvm::StringRef opcode);

}  // namespace tenon::emulator

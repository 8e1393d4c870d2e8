// decoder.cpp: modifiers, operands and ops of one instruction.
#include "runtime/emulator/program/decoder.h"

#include <cassert>
#include <cstring>
#include <limits>

#include "runtime/emulator/program/builder.h"
#include "runtime/emulator/program/failure.h"

namespace tenon::emulator {
namespace {

using ptx::Operand;
using ptx::Space;
using ptx::Type;

std::string quoted(llvm::StringRef text) { return "'" + text.str() + "'"; }

std::string dotted(Type type) { return "." + ptx::name(type).str(); }

llvm::StringRef name(Space space) {
  switch (space) {
    case Space::kGlobal: return ".global";
    case Space::kShared: return ".shared";
    case Space::kLocal: return ".local";
    case Space::kConst: return ".const";
    case Space::kParam: return ".param";
    case Space::kNone:
    case Space::kGeneric: break;
  }
  return "generic";
}

bool is_generic(Space space) { return space == Space::kGeneric || space == Space::kNone; }

// Whether addresses of a space are device addresses, 64 bits wide, rather than offsets.
bool is_wide(Space space) { return space == Space::kGlobal || space == Space::kConst || is_generic(space); }

template <class To, class From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

}  // namespace

Decoder::Decoder(ProgramBuilder& builder, const ptx::Function& function, const ptx::Instruction& instruction)
    : builder_(builder),
      function_(function),
      instruction_(instruction),
      first_word_(builder.program().words.size()) {
  if (instruction.modifiers.size() > 64) fail("more modifiers than any instruction has");
}

const ptx::Module& Decoder::module() const { return builder_.module(); }
int Decoder::target_arch() const { return builder_.program().arch; }

void Decoder::fail(const std::string& message, const std::string& hint) const {
  fail_at_line(module(), instruction_.line, message, hint);
}

// --- modifiers

bool Decoder::accept(llvm::StringRef modifier) { return !accept_any({modifier}).empty(); }

llvm::StringRef Decoder::accept_any(std::initializer_list<llvm::StringRef> modifiers) {
  for (size_t i = 0; i < instruction_.modifiers.size(); ++i) {
    if (consumed_ >> i & 1) continue;
    for (llvm::StringRef modifier : modifiers) {
      if (instruction_.modifiers[i] != modifier) continue;
      consumed_ |= uint64_t{1} << i;
      return modifier;
    }
  }
  return {};
}

llvm::StringRef Decoder::expect_any(std::initializer_list<llvm::StringRef> modifiers) {
  const llvm::StringRef found = accept_any(modifiers);
  if (!found.empty()) return found;
  std::string list;
  for (llvm::StringRef modifier : modifiers) list += (list.empty() ? "." : ", .") + modifier.str();
  fail(quoted(instruction_.text) + " lacks " + (modifiers.size() > 1 ? "one of " : "") + list);
}

std::optional<Type> Decoder::accept_type() {
  for (size_t i = 0; i < instruction_.modifiers.size(); ++i) {
    if (consumed_ >> i & 1) continue;
    const std::optional<Type> type = ptx::type_named(instruction_.modifiers[i]);
    if (type) consumed_ |= uint64_t{1} << i;
    if (type) return type;
  }
  return std::nullopt;
}

Type Decoder::expect_type() {
  if (std::optional<Type> type = accept_type()) return *type;
  fail(quoted(instruction_.text) + " lacks a type");
}

llvm::StringRef Decoder::accept_prefix(llvm::StringRef prefix) {
  for (size_t i = 0; i < instruction_.modifiers.size(); ++i) {
    if (consumed_ >> i & 1 || !instruction_.modifiers[i].startswith(prefix)) continue;
    consumed_ |= uint64_t{1} << i;
    return instruction_.modifiers[i];
  }
  return {};
}

Space Decoder::accept_space(bool* cluster) {
  static constexpr struct {
    const char* modifier;
    Space space;
  } kSpaces[] = {{"global", Space::kGlobal},      {"shared", Space::kShared},
                 {"shared::cta", Space::kShared}, {"shared::cluster", Space::kShared},
                 {"local", Space::kLocal},        {"const", Space::kConst},
                 {"param", Space::kParam},        {"param::entry", Space::kParam},
                 {"param::func", Space::kParam}};
  if (cluster) *cluster = false;
  for (const auto& entry : kSpaces) {
    if (!accept(entry.modifier)) continue;
    if (cluster) *cluster = llvm::StringRef(entry.modifier) == "shared::cluster";
    return entry.space;
  }
  return Space::kGeneric;
}

// --- operands

void Decoder::expect_operands(int least, int most) {
  const int count = operand_count();
  if (least <= count && count <= most) return;
  std::string wanted = std::to_string(least);
  if (most > least) wanted += " to " + std::to_string(most);
  fail(quoted(instruction_.text) + " takes " + wanted +
       (wanted == "1" ? " operand, not " : " operands, not ") + std::to_string(count));
}

void Decoder::append(Mention mention) {
  std::vector<int32_t>& words = builder_.program().words;
  mention.word = static_cast<int32_t>(words.size());
  mention.op = builder_.op_in_function();
  mention.certain = instruction_.guard < 0;
  words.push_back(0);
  mentions_.push_back(mention);
}

void Decoder::number(int32_t value) { builder_.program().words.push_back(value); }

int Decoder::slot_of(const Operand& operand, Type type, bool wider) {
  const ptx::Register& r = function_.registers[operand.index];
  const int held = ptx::bits(r.type), wanted = ptx::bits(type);
  if ((r.type == Type::kPred) != (type == Type::kPred))
    fail(quoted(r.name) + (r.type == Type::kPred
                               ? " is a predicate, where a value of " + dotted(type) + " is wanted"
                               : " is a value, where a predicate is wanted"));
  if (held > 64) fail("registers of 128 bits are not supported");
  if (held < wanted || (held > wanted && !wider))
    fail(quoted(r.name) + " has " + std::to_string(held) + " bits, where " + dotted(type) + " has " +
         std::to_string(wanted));
  return operand.index;
}

// A literal or a variable's address in the representation of `type`.
int Decoder::read_constant(const Operand& operand, Type type) {
  const int bits = ptx::bits(type);
  if (bits > 64 || type == Type::kPred) fail("a constant of " + dotted(type) + " is not supported");
  uint64_t value = operand.bits;
  if (operand.kind == Operand::kVariable) {
    value = address_of(operand);
    if (bits < 32 || (bits == 32 && value >> 32))
      fail("the address of " + quoted(operand.name) + " does not fit " + dotted(type));
  } else if (operand.literal == Operand::kInteger) {
    if (type == Type::kF32 || type == Type::kF64)
      fail("an integer, where " + dotted(type) + " is wanted", "floats are written 0f3f800000 or 1.0");
  } else if (type == Type::kF32 && operand.literal == Operand::kFloat64) {
    value = bits_as<uint32_t>(static_cast<float>(bits_as<double>(value)));
  } else if (type == Type::kF64 && operand.literal == Operand::kFloat32) {
    value = bits_as<uint64_t>(static_cast<double>(bits_as<float>(static_cast<uint32_t>(value))));
  } else if (ptx::is_signed(type) || bits != (operand.literal == Operand::kFloat32 ? 32 : 64)) {
    fail("a float, where " + dotted(type) + " is wanted");
  }
  if (bits < 64) value &= (uint64_t{1} << bits) - 1;
  number(builder_.constant(value, bits > 32 ? 2 : 1));
  return bits;
}

int Decoder::read(const Operand& operand, Type type, bool wider) {
  switch (operand.kind) {
    case Operand::kRegister: {
      Mention mention;
      mention.register_ = slot_of(operand, type, wider);
      mention.read = true;
      append(mention);
      return ptx::bits(function_.registers[operand.index].type);
    }
    case Operand::kNumber:
    case Operand::kVariable: return read_constant(operand, type);
    case Operand::kSpecial: fail("the special register " + quoted(operand.name) + " is read by mov alone");
    default: fail(quoted(instruction_.text) + " reads a register or a constant here");
  }
}

int Decoder::write(const Operand& operand, Type type, bool wider) {
  Mention mention;
  mention.written = true;
  if (operand.kind == Operand::kSink) {
    mention.register_ = builder_.add_scratch(ptx::bits(type) > 32 ? 2 : 1);
    append(mention);
    return ptx::bits(type);
  }
  if (operand.kind != Operand::kRegister) fail(quoted(instruction_.text) + " writes to a register here");
  mention.register_ = slot_of(operand, type, wider);
  append(mention);
  return ptx::bits(function_.registers[operand.index].type);
}

int Decoder::read_write(const Operand& operand, Type type) {
  if (operand.kind != Operand::kRegister)
    fail(quoted(instruction_.text) + " reads and writes a register here");
  Mention mention;
  mention.register_ = slot_of(operand, type, false);
  mention.read = mention.written = true;
  append(mention);
  return ptx::bits(function_.registers[operand.index].type);
}

int Decoder::read_all(const Operand& operand, Type type, bool wider) {
  if (operand.kind != Operand::kVector) return read(operand, type, wider), 1;
  for (const Operand& element : operand.elements) read(element, type, wider);
  return static_cast<int>(operand.elements.size());
}

int Decoder::write_all(const Operand& operand, Type type, bool wider) {
  if (operand.kind != Operand::kVector) return write(operand, type, wider), 1;
  for (const Operand& element : operand.elements) write(element, type, wider);
  return static_cast<int>(operand.elements.size());
}

void Decoder::append_predicate(const Operand& operand, bool written) {
  Mention mention;
  (written ? mention.written : mention.read) = true;
  mention.negated = operand.negated;
  if (written && operand.kind == Operand::kSink)
    mention.register_ = builder_.add_scratch(0);
  else if (operand.kind == Operand::kRegister)
    mention.register_ = slot_of(operand, Type::kPred, false);
  else
    fail(quoted(instruction_.text) + " wants a predicate register here");
  append(mention);
}

void Decoder::read_predicate(const Operand& operand) { append_predicate(operand, false); }

void Decoder::write_predicate(const Operand& operand) {
  if (operand.negated) fail("a predicate that is written cannot be negated");
  append_predicate(operand, true);
}

Space Decoder::space_of(const Operand& address, Space space) const {
  if (space != Space::kParam) return space;
  if (!function_.entry) return Space::kLocal;
  const Operand* base = address.kind == Operand::kAddress ? &address.elements[0] : &address;
  if (base->kind != Operand::kVariable || !base->local) return space;
  for (int parameter : function_.parameters)
    if (parameter == base->variable) return space;
  return Space::kLocal;
}

uint64_t Decoder::address_of(const Operand& variable) const { return builder_.address_of(variable); }

int32_t Decoder::frame_offset(int function, int variable) const {
  return static_cast<int32_t>(builder_.address_of(function, variable));
}

void Decoder::address(const Operand& operand, Space space, bool* wide) {
  if (operand.kind != Operand::kAddress) fail(quoted(instruction_.text) + " wants an address in [ ] here");
  const Operand& base = operand.elements[0];
  bool is_64_bit = is_wide(space);
  if (base.kind == Operand::kRegister) {
    const Type type = function_.registers[base.index].type;
    is_64_bit = ptx::bits(type) == 64;
    if (!is_64_bit && is_wide(space))
      fail("an address of " + name(space).str() + " memory needs a register of 64 bits; " +
           quoted(base.name) + " has " + std::to_string(ptx::bits(type)));
    read(base, is_64_bit ? Type::kB64 : Type::kB32);
  } else {
    if (base.kind == Operand::kVariable) {
      const Space lies = (base.local ? function_.variables : module().variables)[base.variable].space;
      const bool fits = lies == space || (is_generic(space) && is_wide(lies)) ||
                        (space == Space::kLocal && lies == Space::kParam);
      if (!fits)
        fail(quoted(base.name) + " lies in " + name(lies).str() + " memory, not in " + name(space).str() +
             " memory");
    }
    read(base, is_64_bit ? Type::kB64 : Type::kB32);
  }
  if (operand.offset < std::numeric_limits<int32_t>::min() ||
      operand.offset > std::numeric_limits<int32_t>::max())
    fail("an offset of " + std::to_string(operand.offset) + " does not fit 32 bits");
  number(static_cast<int32_t>(operand.offset));
  if (wide) *wide = is_64_bit;
}

int64_t Decoder::immediate(const Operand& operand, int64_t least, int64_t most) const {
  if (operand.kind != Operand::kNumber || operand.literal != Operand::kInteger)
    fail(quoted(instruction_.text) + " wants an integer constant here");
  const auto value = static_cast<int64_t>(operand.bits);
  if (value < least || value > most)
    fail(std::to_string(value) + " is not between " + std::to_string(least) + " and " + std::to_string(most));
  return value;
}

void Decoder::keep_until_wait(const Operand& operand) {
  for (const Operand& element : operand.elements) keep_until_wait(element);
  if (operand.kind == Operand::kRegister)
    builder_.code().in_flight.push_back({builder_.op_in_function(), operand.index});
}

// --- what the instruction becomes

void Decoder::keep_form(std::shared_ptr<void> form) {
  form_ = form.get();
  builder_.program().forms.push_back(std::move(form));
}

void Decoder::emit(Handler handler, OpClass kind, int flops) {
  Op op;
  op.run = handler;
  op.form = form_;
  op.line = instruction_.line;
  op.place = instruction_.place;
  op.flops = flops;
  op.kind = kind;
  if (instruction_.guard >= 0) {
    Mention guard;
    guard.op = builder_.op_in_function();
    guard.register_ = instruction_.guard;
    guard.read = true;
    guard.negated = instruction_.guard_negated;
    builder_.mention(guard);
  }
  for (const Mention& mention : mentions_)
    if (mention.read) builder_.mention(mention);
  for (const Mention& mention : mentions_)
    if (!mention.read) builder_.mention(mention);
  builder_.add_op(op, first_word_);
  first_word_ = builder_.program().words.size();
  mentions_.clear();
  form_ = nullptr;
  emitted_ = true;
}

void Decoder::branch_to(const Operand& label) {
  if (label.kind != Operand::kLabel) fail(quoted(instruction_.text) + " wants a label here");
  builder_.code().branches.push_back({builder_.op_in_function(), label.index});
}

void Decoder::call(int function) { builder_.code().calls.push_back({builder_.op_in_function(), function}); }

void Decoder::ends_path() {
  if (instruction_.guard < 0) builder_.code().ends.push_back(builder_.op_in_function());
}

void Decoder::mark_global_atomics() { builder_.program().uses_global_atomics = true; }

void Decoder::finish() {
  for (size_t i = 0; i < instruction_.modifiers.size(); ++i)
    if (!(consumed_ >> i & 1))
      fail("'." + instruction_.modifiers[i].str() + "' is not supported in " + quoted(instruction_.text));
  assert(emitted_ && "a decoder that emits nothing");
  assert(!form_ && "a form made after its op was emitted");
  assert(mentions_.empty() && first_word_ == builder_.program().words.size() && "words after the last op");
}

}  // namespace tenon::emulator

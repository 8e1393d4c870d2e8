// syntax.h: a PTX module as a tree of plain structs, all names resolved: what the parser makes and the decoder
// reads. Nothing here knows what an opcode means. Every llvm::StringRef points into the text that Module::source
// (or Module::debug_strings) owns: it lives as long as the module or any copy of it.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/location.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "runtime/emulator/ptx/type.h"

namespace tenon::ptx {

enum class Space : uint8_t { kNone, kGeneric, kGlobal, kShared, kLocal, kConst, kParam };

/// A place in the CUDA source, from a .loc directive. `inlined_at` is the call's place (an index into
/// Module::places), -1 at the outermost; `function` is the inlined function's name as the PTX holds it.
struct SourcePlace {
  int file = 0, line = 0, column = 0;
  int inlined_at = -1;
  llvm::StringRef function;
};

/// A word of a variable's initialiser: a number, or the address of another variable plus it.
struct InitialValue {
  uint64_t bits = 0;
  llvm::StringRef symbol;  ///< "" for a number
  bool generic = false;    ///< generic(symbol)
};

/// A variable of a module (.global, .const, .shared) or of a function (.shared, .local, .param).
struct Variable {
  Space space = Space::kNone;
  std::string name;
  Type type = Type::kB8;
  int64_t bytes = 0;  ///< in all; 0 for `extern .shared x[]`
  int64_t alignment = 1;
  bool external = false;  ///< .extern: dynamic shared memory when in .shared
  bool opaque = false;    ///< a kernel parameter that is an array of bytes: a struct, a tensor map
  std::vector<InitialValue> initial;  ///< of `type` each; what is missing is zero
  int line = 0;
};

/// Registers of a function are numbered in the order of their first use (a declared register that nothing uses
/// has no number); scopes that redeclare a name make another register.
struct Register {
  llvm::StringRef name;
  Type type = Type::kB32;
};

struct Operand {
  enum Kind : uint8_t {
    kRegister,  ///< `index` in Function::registers; `negated` for !p
    kSpecial,   ///< %tid.x: `name`
    kNumber,    ///< a literal: `bits`, two's complement for integers; `bits` of the f64 or f32 for 0d/0f
    kVariable,  ///< the address of a variable: `variable`, plus `offset`
    kAddress,   ///< [base + offset]: elements[0] is the base (register, variable or number)
    kVector,    ///< {a, b, ..}: elements
    kPair,      ///< p|q: elements
    kTuple,     ///< (a, b) of a call: elements
    kLabel,     ///< `index` of the instruction that it names, in Function::body (body.size() at its end)
    kFunction,  ///< a called function: `name`, `index` in Module::functions
    kSink,      ///< _
  };
  /// Of a number: how it was written.
  enum Literal : uint8_t { kInteger, kFloat32, kFloat64 };
  Kind kind = kSink;
  Literal literal = kInteger;
  bool negated = false;
  int index = -1;
  uint64_t bits = 0;
  int64_t offset = 0;
  /// For kVariable: its index, in Function::variables where `local`, else in Module::variables.
  int variable = -1;
  bool local = false;
  llvm::StringRef name;
  std::vector<Operand> elements;
  /// For [tensorMap, {x, y}]: the coordinates are elements[1], a vector.
};

struct Instruction {
  llvm::StringRef text;    ///< as written, operands left out: "mma.sync.aligned.m16n8k16"
  llvm::StringRef opcode;  ///< the part before the first dot: "mma"
  llvm::SmallVector<llvm::StringRef, 4> modifiers;  ///< the others: "sync", "aligned", "m16n8k16"
  std::vector<Operand> operands;
  int guard = -1;  ///< predicate register, -1: none
  bool guard_negated = false;
  int line = 0;    ///< in the PTX text, from 1
  int place = -1;  ///< Module::places, -1 where no .loc came before
  int used_bytes =
      0;  ///< of a load: up to which its bytes are used, by .pragma "used_bytes_mask"; 0: not told
};

struct Function {
  std::string name;
  bool entry = false, external = false;  ///< external: a declaration (vprintf, __assertfail)
  std::vector<int> parameters, results;  ///< indices into `variables`, in order
  std::vector<Variable> variables;
  std::vector<Register> registers;
  std::vector<Instruction> body;
  /// brx.idx holds its .branchtargets list itself: operands[1] is a kVector of labels.
  std::array<int, 3> max_threads = {0, 0, 0}, required_threads = {0, 0, 0}, required_cluster = {0, 0, 0};
  int min_blocks = 0, max_registers = 0;
  bool explicit_cluster = false;  ///< a launch must name its cluster, or required_cluster does
  int line = 0;
};

struct Module {
  std::string name;  ///< as given to parse(), for messages
  int version_major = 0, version_minor = 0;
  std::string target;              ///< "sm_90a"
  std::vector<std::string> files;  ///< .file names by number; [0] is ""
  std::vector<SourcePlace> places;
  std::vector<Variable> variables;
  std::vector<Function> functions;
  std::vector<llvm::StringRef> lines;        ///< the text, for reports: lines[n - 1] is line n
  std::shared_ptr<const SourceFile> source;  ///< the whole text; for tenon::Location
  std::shared_ptr<const std::string>
      debug_strings;  ///< .debug_str, which holds the names of inlined functions

  const Function* find(llvm::StringRef function) const;
};

}  // namespace tenon::ptx

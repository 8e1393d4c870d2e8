// body.h: the statements of a function: labels, instructions with their operands, .loc.
#pragma once
#include "llvm/ADT/DenseMap.h"
#include "runtime/emulator/ptx/declarations.h"

namespace tenon::ptx {

/// Module::places while they are read: equal places are one; the names of inlined functions, which stand at the
/// end of the text, are filled in by resolve().
class Places {
 public:
  /// After .loc: reads it, returns the place's index.
  int parse(Parsing& parsing);
  /// Places of one function are inlined at places of the same.
  void begin_function() { latest_.clear(); }
  /// `labels` are the offsets in Module::debug_strings.
  void resolve(Parsing& parsing, const llvm::DenseMap<llvm::StringRef, size_t>& labels);

 private:
  using Spot = std::pair<int, std::pair<int, int>>;  ///< file, line, column
  struct FunctionName {
    int place;
    Token label;
    int64_t offset;
  };

  Spot parse_spot(Lexer& lexer);
  int at(Parsing& parsing, Spot spot);

  llvm::DenseMap<Spot, int> latest_;  ///< the last place there, which an inlined_at means
  llvm::DenseMap<std::pair<Spot, std::pair<int, llvm::StringRef>>, int>
      known_;  ///< with inlined_at and function
  std::vector<FunctionName> names_;
};

/// After the "{" of a function's body: reads it with its "}".
void parse_body(Parsing& parsing, Places& places, Function& function);

}  // namespace tenon::ptx

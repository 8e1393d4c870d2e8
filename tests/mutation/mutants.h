// mutants.h: a kernel's PTX with one synchronising instruction taken out, or made a little wrong.
#pragma once
#include <string>
#include <vector>

#include "llvm/ADT/StringRef.h"
#include "runtime/emulator/ptx/syntax.h"

namespace tenon::mutation {

struct Mutant {
  enum Way { kDeleted, kAltered } way = kDeleted;
  std::string kind;    ///< a row of the table: "bar.sync", "mbarrier wait", "wait for one group less"
  std::string place;   ///< the instruction without operands and which of its like in the kernel: "bar.sync#2"
  std::string change;  ///< in words: "deleted", "parity flipped"
  int line = 0;        ///< of the PTX text
  std::string ptx;     ///< the whole text, lines where they were

  std::string key() const { return place + ", " + change; }
};

/// All mutants of kernel `entry`, in the order of its text. Deleted are barriers of block, warp and cluster, arrivals and
/// waits of mbarriers and their initialisation, commits and waits of copies and products, fences, and reductions on
/// global memory that return nothing; what an instruction that is left out would have returned is what success gives. An atomic that
/// returns something becomes a load, an addition and a store; a loop that polls ends after its first look.
std::vector<Mutant> mutants(const ptx::Module& module, llvm::StringRef entry);

}  // namespace tenon::mutation

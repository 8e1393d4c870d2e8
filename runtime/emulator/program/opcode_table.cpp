// opcode_table.cpp: every opcode that the emulator knows, by name.
#include <algorithm>
#include <cassert>
#include <vector>

#include "ir/diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

const llvm::StringMap<DecodeFunction>& opcodes() {
  static const llvm::StringMap<DecodeFunction> table = [] {
    llvm::StringMap<DecodeFunction> all;
    for (OpcodeTable file : {integer_opcodes(), bit_opcodes(), arithmetic_opcodes(), float_opcodes(),
                             convert_opcodes(), compare_opcodes(), move_opcodes(), address_opcodes(),
                             memory_opcodes(), atomic_opcodes(), control_opcodes(), barrier_opcodes(),
                             warp_opcodes(), matrix_opcodes(), async_opcodes(), wgmma_opcodes()})
      for (const OpcodeEntry& entry : file) {
        bool added = all.try_emplace(entry.opcode, entry.decode).second;
        (void)added;
        assert(added && "two files decode one opcode");
      }
    return all;
  }();
  return table;
}

}  // namespace

DecodeFunction find_decoder(llvm::StringRef opcode) {
  auto found = opcodes().find(opcode);
  return found == opcodes().end() ? nullptr : found->second;
}

std::string nearest_opcode(llvm::StringRef opcode) {
  std::vector<llvm::StringRef> names;
  for (const auto& entry : opcodes()) names.push_back(entry.getKey());
  std::sort(names.begin(), names.end());
  return nearest(opcode, names);
}

}  // namespace tenon::emulator

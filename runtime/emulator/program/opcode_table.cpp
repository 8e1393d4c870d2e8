// opcode_table.cpp: every opcode that the emulator knows, by name.
#include "llvm/ADT/StringMap.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

DecodeFunction find_decoder(llvm::StringRef opcode) {
  static const llvm::StringMap<DecodeFunction> table = [] {
    llvm::StringMap<DecodeFunction> all;
    for (OpcodeTable file :
         {integer_opcodes(), arithmetic_opcodes(), float_opcodes(), convert_opcodes(), compare_opcodes(),
          move_opcodes(), memory_opcodes(), atomic_opcodes(), control_opcodes(), barrier_opcodes(),
          warp_opcodes(), matrix_opcodes(), async_opcodes(), wgmma_opcodes()})
      for (const OpcodeEntry& entry : file) {
        bool added = all.try_emplace(entry.opcode, entry.decode).second;
        (void)added;
        assert(added && "two files decode one opcode");
      }
    return all;
  }();
  auto found = table.find(opcode);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace tenon::emulator

// async.cpp: see tables.h.
#include "runtime/emulator/instructions/copies.h"
#include "runtime/emulator/instructions/mbarrier.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
OpcodeTable async_opcodes() {
  static constexpr OpcodeEntry kTable[] = {{"cp", decode_cp_async}, {"mbarrier", decode_mbarrier}};
  return kTable;
}

}  // namespace tenon::emulator

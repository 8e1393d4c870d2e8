// wgmma.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable wgmma_opcodes() { return {}; }

}  // namespace tenon::emulator

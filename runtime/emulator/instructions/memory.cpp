// memory.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable memory_opcodes() { return {}; }

}  // namespace tenon::emulator

// barrier.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable barrier_opcodes() { return {}; }

}  // namespace tenon::emulator

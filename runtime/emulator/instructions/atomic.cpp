// atomic.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable atomic_opcodes() { return {}; }

}  // namespace tenon::emulator

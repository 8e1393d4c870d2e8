// control.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable control_opcodes() { return {}; }

}  // namespace tenon::emulator
